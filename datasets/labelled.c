/* Scoring batches: shorter side resized, centre crop, normalised; the rules are torchvision's Resize and
 * CenterCrop. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "loader.h"
#include "pool.h"
#include "progress.h"

struct labelled {
    const struct sim_images *images;
    int img_size, resize, bad_image;
    struct sim_pool *pool;
    struct sim_cache *cache; /* of the finished crops: the same images are scored for several encoders */
    pthread_mutex_t lock;
    /* the read under way */
    int64_t first;
    float *x;
    int32_t *label;
    sim_status status; /* of the first image that failed, by index */
    int64_t failed;
    char error[1024];
};

/* The longer side is truncated, the crop's corner rounds half to even. */
static sim_status crop(const struct labelled *l, const struct sim_image *source, struct sim_image *out)
{
    int64_t w = source->width, h = source->height, shorter = w < h ? w : h;
    int64_t new_w = l->resize * w / shorter, new_h = l->resize * h / shorter;
    int size = l->img_size, top = (int)rint((double)(new_h - size) / 2),
        left = (int)rint((double)(new_w - size) / 2);
    struct sim_image resized = {0};
    if (new_w * new_h > INT32_MAX / 3)
        return sim_fail(SIM_EFORMAT, "%ld x %ld pixels would be resized to %ld x %ld, beyond reason", (long)w,
                        (long)h, (long)new_w, (long)new_h);
    SIM_TRY(sim_image_open(&resized, (int)new_w, (int)new_h));
    sim_status status = sim_pixels_crop_resize(source, 0, 0, 0, (int)h, (int)w, (int)new_w, (int)new_h,
                                               SIM_RESAMPLE_BICUBIC, resized.rgb);
    if (status == SIM_OK) status = sim_image_open(out, size, size);
    for (int y = 0; y < size && status == SIM_OK; y++)
        memcpy(out->rgb + (size_t)y * (size_t)size * 3,
               resized.rgb + ((size_t)(top + y) * (size_t)new_w + (size_t)left) * 3, (size_t)size * 3);
    sim_image_close(&resized);
    return status;
}

static sim_status read_one(struct labelled *l, int64_t i, float *x)
{
    const struct sim_image *ready = sim_cache_find(l->cache, i);
    struct sim_image source = {0}, own = {0};
    if (!ready) {
        SIM_TRY(l->images->read(l->images->self, i, &source));
        sim_status status = crop(l, &source, &own);
        sim_image_close(&source);
        if (status != SIM_OK) {
            char name[512];
            l->images->name(l->images->self, i, name, sizeof name);
            return sim_context(status, "%s", name);
        }
        ready = sim_cache_offer(l->cache, i, &own) ? sim_cache_find(l->cache, i) : &own;
    }
    sim_pixels_normalize(ready->rgb, l->img_size, l->img_size, x);
    sim_image_close(&own);
    return SIM_OK;
}

static void read_task(void *context, int64_t k)
{
    struct labelled *l = context;
    int64_t i = l->first + k, plane = 3 * (int64_t)l->img_size * l->img_size;
    float *x = l->x + k * plane;
    sim_status status = read_one(l, i, x);
    l->label[k] = status == SIM_OK ? l->images->label(l->images->self, i) : -1;
    if (status == SIM_OK) return;
    memset(x, 0, (size_t)plane * sizeof *x);
    if (status == SIM_EFORMAT && l->bad_image == SIM_BAD_SKIP) return;
    pthread_mutex_lock(&l->lock);
    if (l->status == SIM_OK || i < l->failed) {
        l->status = status;
        l->failed = i;
        snprintf(l->error, sizeof l->error, "%s", sim_error_text());
    }
    pthread_mutex_unlock(&l->lock);
}

static sim_status labelled_read(void *self, int64_t first, int64_t count, float *x, int32_t *label)
{
    struct labelled *l = self;
    if (first < 0 || count < 0 || count > l->images->count || first > l->images->count - count)
        return sim_fail(SIM_EINVAL, "no images %ld to %ld in a set of %ld", (long)first,
                        (long)(first + count - 1), (long)l->images->count);
    l->first = first, l->x = x, l->label = label, l->status = SIM_OK;
    struct sim_job job = {.task = read_task, .context = l, .count = count};
    sim_pool_submit(l->pool, &job);
    sim_pool_wait(l->pool, &job);
    return l->status == SIM_OK ? SIM_OK : sim_fail(l->status, "%s", l->error);
}

static void labelled_close(void *self)
{
    struct labelled *l = self;
    if (!l) return;
    sim_pool_close(l->pool);
    sim_cache_close(l->cache);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

sim_status sim_loader_open_labelled(struct sim_labelled *out, const struct sim_loader_config *c)
{
    memset(out, 0, sizeof *out);
    int64_t resize =
        c->data->val_resize ? c->data->val_resize : (int64_t)rint((double)c->img_size * 256 / 224);
    if (c->img_size < 1 || resize < c->img_size)
        return sim_fail(
            SIM_EINVAL,
            "data.val_resize is %ld, smaller than model.img_size, %ld: the centre crop would not fit",
            (long)resize, (long)c->img_size);
    struct labelled *l = calloc(1, sizeof *l);
    if (!l) return sim_fail(SIM_ENOMEM, "no memory for a loader");
    l->images = c->images;
    l->img_size = (int)c->img_size;
    l->resize = (int)resize;
    l->bad_image = c->data->bad_image;
    pthread_mutex_init(&l->lock, NULL);
    sim_status status = sim_cache_open(&l->cache, c->images->count, c->data->cache_mb << 20);
    if (status == SIM_OK) status = sim_pool_open(&l->pool, c->workers);
    if (status != SIM_OK) {
        labelled_close(l);
        return status;
    }
    *out = (struct sim_labelled){.self = l,
                                 .images = c->images->count,
                                 .classes = c->images->classes,
                                 .read = labelled_read,
                                 .close = labelled_close};
    return SIM_OK;
}
