#include "data_bench.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "objectives.h"
#include "progress.h"
#include "room.h"

/* ------------------------------------------------------------------ the set, repeated */

struct repeated {
    struct sim_images once; /* owned */
};

static sim_status repeated_read(void *self, int64_t i, struct sim_image *out)
{
    const struct repeated *r = self;
    return r->once.read(r->once.self, i % r->once.count, out);
}

static sim_status repeated_read_into(void *self, int64_t i, struct sim_image *im)
{
    const struct repeated *r = self;
    return sim_images_read_into(&r->once, i % r->once.count, im);
}

static int32_t repeated_label(void *self, int64_t i)
{
    const struct repeated *r = self;
    return r->once.label(r->once.self, i % r->once.count);
}

static void repeated_name(void *self, int64_t i, char *name, int size)
{
    const struct repeated *r = self;
    r->once.name(r->once.self, i % r->once.count, name, size);
}

static const char *repeated_class_name(void *self, int label)
{
    const struct repeated *r = self;
    return r->once.class_name(r->once.self, label);
}

static void repeated_close(void *self)
{
    struct repeated *r = self;
    sim_images_close(&r->once);
    free(r);
}

sim_status sim_data_bench_open(struct sim_data_bench *b, const char *path, int64_t repeated_images,
                               int64_t batch)
{
    *b = (struct sim_data_bench){.batch = batch};
    SIM_TRY(sim_run_config_preset(&b->config, SIM_OBJECTIVE_SIAMESEIM));
    b->config.model.img_size = 224, b->config.model.patch_size = 16;
    b->config.data.cache_mb = 0; /* ImageNet does not fit either */
    struct repeated *r = calloc(1, sizeof *r);
    if (!r) return sim_fail(SIM_ENOMEM, "no memory for a set of images");
    sim_status status = sim_images_open_path(&r->once, path, "the images to be measured with");
    if (status != SIM_OK) {
        free(r);
        return status;
    }
    b->opened_images = r->once.count;
    b->images = (struct sim_images){.self = r,
                                    .count = repeated_images,
                                    .classes = r->once.classes,
                                    .read = repeated_read,
                                    .read_into = repeated_read_into,
                                    .label = repeated_label,
                                    .name = repeated_name,
                                    .class_name = repeated_class_name,
                                    .close = repeated_close};
    return SIM_OK;
}

void sim_data_bench_close(struct sim_data_bench *b)
{
    sim_images_close(&b->images);
}

/* ------------------------------------------------------------------ from end to end */

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void rate_start(struct sim_data_rate *r)
{
    *r = (struct sim_data_rate){.wall_s = -sim_now_s(), .cpu_s = -cpu_s()};
}

static void rate_stop(struct sim_data_rate *r, int64_t images)
{
    r->images = images;
    r->wall_s += sim_now_s(), r->cpu_s += cpu_s();
}

static sim_status simple_image(const struct sim_data_bench *b, int64_t i, float *out)
{
    const struct sim_augment_config *augment = &b->config.augment;
    const int size = (int)b->config.model.img_size;
    struct sim_image source = {0}, view = {0};
    struct sim_view views[2];
    float geometry[6];
    SIM_TRY(b->images.read(b->images.self, i, &source));
    sim_status status = sim_image_open(&view, size, size);
    if (status == SIM_OK)
        sim_views_draw(augment, 0, 0, (uint64_t)i, source.width, source.height, views, geometry);
    for (int k = 0; k < 2 && status == SIM_OK; k++) {
        status = sim_view_make(augment, &views[k], &source, size, view.rgb);
        if (status == SIM_OK)
            sim_pixels_normalize(view.rgb, size, size, (enum sim_normalize)b->config.data.normalize,
                                 out + (size_t)k * (size_t)(size * size) * 3);
    }
    sim_image_close(&view);
    sim_image_close(&source);
    return status;
}

sim_status sim_data_bench_simple(const struct sim_data_bench *b, double seconds, struct sim_data_rate *out)
{
    const size_t plane = (size_t)(b->config.model.img_size * b->config.model.img_size) * 3;
    float *views = malloc(2 * plane * sizeof *views);
    if (!views) return sim_fail(SIM_ENOMEM, "no memory for two views");
    sim_status status = SIM_OK;
    int64_t made = 0;
    rate_start(out);
    const double end = sim_now_s() + seconds;
    /* whole rounds of the set: images differ */
    while (status == SIM_OK && (made % b->opened_images || sim_now_s() < end))
        status = simple_image(b, made++, views);
    rate_stop(out, made);
    free(views);
    return status;
}

static sim_status open_loader(const struct sim_data_bench *b, int workers, struct sim_source *out)
{
    const struct sim_loader_config c = {.images = &b->images,
                                        .data = &b->config.data,
                                        .augment = &b->config.augment,
                                        .mask = &b->config.mask,
                                        .batch_size = b->batch,
                                        .img_size = b->config.model.img_size,
                                        .patch_size = b->config.model.patch_size,
                                        .workers = workers};
    return sim_loader_open(out, &c);
}

sim_status sim_data_bench_loader(const struct sim_data_bench *b, int workers, double seconds,
                                 struct sim_data_rate *out)
{
    struct sim_source s;
    const struct sim_batch *batch;
    SIM_TRY(open_loader(b, workers, &s));
    int64_t step = 0;
    sim_status status = s.next(s.self, 0, step++, &batch);
    rate_start(out);
    const double end = sim_now_s() + seconds;
    while (status == SIM_OK && sim_now_s() < end) {
        status = s.next(s.self, step / s.steps_per_epoch, step % s.steps_per_epoch, &batch);
        step++;
    }
    rate_stop(out, (step - 1) * b->batch);
    s.close(s.self);
    return status;
}

/* Images per second over batches first .. first + count - 1 counted from the start of epoch 0. */
static sim_status stretch(const struct sim_data_bench *b, struct sim_source *s, int64_t first, int count,
                          double *img_s)
{
    const struct sim_batch *batch;
    const double start = sim_now_s();
    for (int64_t at = first; at < first + count; at++)
        SIM_TRY(s->next(s->self, at / s->steps_per_epoch, at % s->steps_per_epoch, &batch));
    *img_s = (double)(b->batch * count) / (sim_now_s() - start);
    return SIM_OK;
}

sim_status sim_data_bench_start(const struct sim_data_bench *b, int workers, struct sim_data_start *out)
{
    enum { AHEAD = 8, ACROSS = 16 };
    struct sim_source s;
    const struct sim_batch *batch;
    double start = sim_now_s(), warm;
    SIM_TRY(open_loader(b, workers, &s));
    out->open_s = sim_now_s() - start;
    start = sim_now_s();
    sim_status status = s.next(s.self, 0, 0, &batch);
    out->first_batch_s = sim_now_s() - start;
    const int64_t last = s.steps_per_epoch, from = last - AHEAD / 2 - AHEAD - ACROSS;
    if (status == SIM_OK && from < 1)
        status =
            sim_fail(SIM_EINVAL, "an epoch of %ld batches is too short to look at its start", (long)last);
    if (status == SIM_OK) status = stretch(b, &s, from, AHEAD, &warm);
    if (status == SIM_OK) status = stretch(b, &s, from + AHEAD, ACROSS - AHEAD / 2, &out->middle_img_s);
    if (status == SIM_OK) status = stretch(b, &s, last - AHEAD, ACROSS, &out->start_img_s);
    s.close(s.self);
    return status;
}

/* ------------------------------------------------------------------ memory */

sim_status sim_data_bench_memory(const struct sim_data_bench *b, int workers, int64_t images,
                                 struct sim_data_memory *out)
{
    struct sim_source s;
    const struct sim_batch *batch;
    struct sim_progress progress;
    SIM_TRY(open_loader(b, workers, &s));
    sim_progress_start(&progress, "memory", "images", images);
    sim_status status = SIM_OK;
    int64_t step = 0;
    for (int p = 0; p < SIM_DATA_MEMORY_POINTS && status == SIM_OK; p++) {
        const int64_t until = images * (p + 1) / SIM_DATA_MEMORY_POINTS;
        for (; step * b->batch < until && status == SIM_OK; step++) {
            status = s.next(s.self, step / s.steps_per_epoch, step % s.steps_per_epoch, &batch);
            sim_progress_update(&progress, step * b->batch, NULL);
        }
        out->images[p] = step * b->batch;
        out->rss_mb[p] = (double)sim_room_taken_bytes(getpid()) / (1 << 20);
    }
    sim_progress_finish(&progress);
    s.close(s.self);
    return status;
}
