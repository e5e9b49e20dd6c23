#include "made_set.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "recipe.h"

static sim_status make(struct fake *f, int64_t i, struct sim_image *out)
{
    f->reads++;
    if (f->slow) {
        struct timespec t = {.tv_nsec = (long)(i * 7919 % 13) * 200000};
        nanosleep(&t, NULL);
    }
    if (f->damaged && f->damaged[i] == 'x')
        return sim_fail(SIM_EFORMAT, "fake image %ld is damaged", (long)i);
    if (f->unreadable == i) return sim_fail(SIM_EIO, "fake image %ld cannot be read", (long)i);
    SIM_TRY(sim_image_reopen(out, f->square ? f->square : 20 + (int)i % 5,
                             f->square ? f->square : 16 + (int)i % 3));
    for (int p = 0; p < out->width * out->height; p++) {
        out->rgb[3 * p] = (uint8_t)i, out->rgb[3 * p + 1] = (uint8_t)p,
                     out->rgb[3 * p + 2] = (uint8_t)(p * 7 + i);
    }
    return SIM_OK;
}

static sim_status fake_read_into(void *self, int64_t i, struct sim_image *im)
{
    sim_status status = make(self, i, im);
    if (status != SIM_OK) sim_image_close(im);
    return status;
}

static sim_status fake_read(void *self, int64_t i, struct sim_image *out)
{
    *out = (struct sim_image){0};
    return fake_read_into(self, i, out);
}

static int32_t fake_label(void *self, int64_t i)
{
    (void)self;
    return (int32_t)(i % 4);
}

static void fake_name(void *self, int64_t i, char *name, int size)
{
    (void)self;
    snprintf(name, (size_t)size, "fake %ld", (long)i);
}

static struct sim_images fake_set(struct fake *f, int64_t count)
{
    return (struct sim_images){.self = f,
                               .count = count,
                               .classes = 4,
                               .read = fake_read,
                               .read_into = fake_read_into,
                               .label = fake_label,
                               .name = fake_name};
}

void bench_open(struct bench *b, int64_t images, int64_t batch, int workers)
{
    memset(b, 0, sizeof *b);
    b->fake.unreadable = -1;
    b->images = fake_set(&b->fake, images);
    b->data = (struct sim_data_config){.cache_mb = 1};
    b->augment = test_recipe();
    b->augment.crop_min = 0.2;
    b->mask =
        (struct sim_mask_config){.kind = SIM_MASK_BLOCKWISE, .ratio = 0.6, .min_block = 4, .min_aspect = 0.3};
    b->loader = (struct sim_loader_config){.images = &b->images,
                                           .data = &b->data,
                                           .augment = &b->augment,
                                           .mask = &b->mask,
                                           .batch_size = batch,
                                           .img_size = 16,
                                           .patch_size = 4,
                                           .seed = 42,
                                           .workers = workers};
}
