/* Labelled batches.  As they are: shorter side resized, centre crop, by the rules of torchvision's Resize and
 * CenterCrop; or augmented as a linear probe or fine-tuning asks for. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "centre_crop.h"
#include "damaged.h"
#include "finetune_view.h"
#include "loader.h"
#include "pool.h"
#include "rng.h"
#include "workroom.h"

struct labelled {
    const struct sim_images *images;
    int img_size, resize, bad_image;
    enum sim_normalize normalize;
    struct sim_pool *pool;
    int workers;
    struct sim_workroom *rooms; /* (workers) */
    struct sim_cache *cache;    /* of decoded images: each is shown several times, in more than one way */
    pthread_mutex_t lock;
    /* the read under way */
    struct sim_job job;
    struct sim_look look;
    const int64_t *index;
    float *x;
    int32_t *label;
    sim_status status; /* of the first image that failed, in the order of `index` */
    int64_t failed;
    char error[1024];
};

/* ------------------------------------------------------------------ one image */

/* The crop of MAE's linear probe (method.md 3.4): one draw of area and aspect, its sides cut to the image's,
 * where torchvision would draw again.  The flip comes after the crop. */
static sim_status random_crop(const struct labelled *l, int64_t i, const struct sim_image *source,
                              uint8_t *out)
{
    struct sim_rng r =
        sim_rng_make(l->look.seed, SIM_PURPOSE_PROBE_VIEW, (uint32_t)l->look.epoch, (uint64_t)i, 0);
    double area = (double)source->width * source->height * sim_rng_between(&r, l->look.crop_min, 1);
    double aspect = exp(sim_rng_between(&r, log(3.0 / 4), log(4.0 / 3)));
    int w = (int)fmin(fmax(rint(sqrt(area * aspect)), 1), source->width);
    int h = (int)fmin(fmax(rint(sqrt(area / aspect)), 1), source->height);
    int top = (int)sim_rng_below(&r, (uint32_t)(source->height - h) + 1);
    int left = (int)sim_rng_below(&r, (uint32_t)(source->width - w) + 1);
    SIM_TRY(
        sim_pixels_crop_resize(source, 0, top, left, h, w, l->img_size, l->img_size, l->look.filter, out));
    if (sim_rng_uniform(&r) < l->look.flip) sim_pixels_hflip(out, l->img_size, l->img_size);
    return SIM_OK;
}

/* The image as it is looked at: x (3, S, S), by way of the pixels of *shown. */
static sim_status show(const struct labelled *l, int64_t i, const struct sim_image *source,
                       struct sim_image *shown, float *x)
{
    const int size = l->img_size;
    struct sim_finetune_view v;
    sim_status status = SIM_OK;
    switch (l->look.augment) {
    case SIM_LOOK_PLAIN:
        status = sim_centre_crop(source, l->resize, size, l->look.filter, shown->rgb);
        break;
    case SIM_LOOK_PROBE:
        status = random_crop(l, i, source, shown->rgb);
        break;
    case SIM_LOOK_FINETUNE:
        sim_finetune_view_draw(&l->look, i, source->width, source->height, size, &v);
        status = sim_finetune_view_make(&l->look, &v, source, size, shown->rgb);
        break;
    }
    if (status != SIM_OK) return status;
    sim_pixels_normalize(shown->rgb, size, size, l->normalize, x);
    if (l->look.augment == SIM_LOOK_FINETUNE) sim_finetune_view_erase(&l->look, &v, i, size, x);
    return SIM_OK;
}

static sim_status read_one(struct labelled *l, int64_t i, struct sim_workroom *room, float *x)
{
    const struct sim_image *ready = sim_cache_find(l->cache, i);
    if (!ready) {
        SIM_TRY(sim_images_read_into(l->images, i, &room->source));
        ready = sim_cache_offer(l->cache, i, &room->source) ? sim_cache_find(l->cache, i) : &room->source;
    }
    sim_status status = sim_image_reopen(&room->view, l->img_size, l->img_size);
    if (status == SIM_OK) status = show(l, i, ready, &room->view, x);
    if (status != SIM_OK) {
        char name[512];
        l->images->name(l->images->self, i, name, sizeof name);
        sim_context(status, "%s", name);
    }
    sim_workroom_bound(&room->source);
    return status;
}

static void read_task(void *context, int64_t k, int worker)
{
    struct labelled *l = context;
    int64_t i = l->index[k], plane = 3 * (int64_t)l->img_size * l->img_size;
    float *x = l->x + k * plane;
    sim_status status = read_one(l, i, &l->rooms[worker], x);
    l->label[k] = status == SIM_OK ? l->images->label(l->images->self, i) : -1;
    if (status == SIM_OK) return;
    memset(x, 0, (size_t)plane * sizeof *x);
    if (status == SIM_EFORMAT && l->bad_image == SIM_BAD_SKIP) return;
    pthread_mutex_lock(&l->lock);
    if (l->status == SIM_OK || k < l->failed) {
        l->status = status;
        l->failed = k;
        snprintf(l->error, sizeof l->error, "%s", sim_error_text());
    }
    pthread_mutex_unlock(&l->lock);
}

/* ------------------------------------------------------------------ the set */

static sim_status labelled_start(void *self, const struct sim_look *look, const int64_t *index, int64_t count,
                                 float *x, int32_t *label)
{
    struct labelled *l = self;
    for (int64_t k = 0; k < count; k++)
        if (index[k] < 0 || index[k] >= l->images->count)
            return sim_fail(SIM_EINVAL, "no image %ld in a set of %ld", (long)index[k],
                            (long)l->images->count);
    l->look = *look, l->index = index, l->x = x, l->label = label, l->status = SIM_OK;
    l->job = (struct sim_job){.task = read_task, .context = l, .count = count};
    sim_pool_submit(l->pool, &l->job);
    return SIM_OK;
}

static sim_status labelled_finish(void *self)
{
    struct labelled *l = self;
    sim_pool_wait(l->pool, &l->job);
    for (int64_t k = 0; l->status == SIM_OK && k < l->job.count; k++)
        if (l->label[k] == -1) sim_damaged_note(l->images, l->index[k]);
    return l->status == SIM_OK ? SIM_OK : sim_fail(l->status, "%s", l->error);
}

static int32_t labelled_label(void *self, int64_t i)
{
    const struct labelled *l = self;
    return l->images->label(l->images->self, i);
}

static void labelled_name(void *self, int64_t i, char *name, int size)
{
    const struct labelled *l = self;
    l->images->name(l->images->self, i, name, size);
}

static const char *labelled_class_name(void *self, int label)
{
    const struct labelled *l = self;
    return l->images->class_name(l->images->self, label);
}

static void labelled_close(void *self)
{
    struct labelled *l = self;
    if (!l) return;
    sim_pool_close(l->pool);
    sim_cache_close(l->cache);
    sim_workrooms_close(l->rooms, l->workers);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

sim_status sim_loader_open_labelled(struct sim_labelled *out, const struct sim_loader_config *c)
{
    memset(out, 0, sizeof *out);
    int64_t resize = sim_centre_resize(c->data->val_resize, c->img_size);
    if (c->img_size < 1 || resize < c->img_size)
        return sim_fail(
            SIM_EINVAL,
            "data.val_resize is %ld, smaller than model.img_size, %ld: the centre crop would not fit",
            (long)resize, (long)c->img_size);
    struct labelled *l = calloc(1, sizeof *l);
    if (!l) return sim_fail(SIM_ENOMEM, "no memory for a loader");
    l->images = c->images;
    l->workers = c->workers;
    l->img_size = (int)c->img_size;
    l->resize = (int)resize;
    l->bad_image = c->data->bad_image;
    l->normalize = (enum sim_normalize)c->data->normalize;
    pthread_mutex_init(&l->lock, NULL);
    sim_status status = sim_cache_open(&l->cache, c->images->count, c->data->cache_mb << 20);
    if (status == SIM_OK) status = sim_workrooms_open(&l->rooms, c->workers);
    if (status == SIM_OK) status = sim_pool_open(&l->pool, c->workers);
    if (status != SIM_OK) {
        labelled_close(l);
        return status;
    }
    *out = (struct sim_labelled){.self = l,
                                 .images = c->images->count,
                                 .classes = c->images->classes,
                                 .label = labelled_label,
                                 .name = labelled_name,
                                 .class_name = labelled_class_name,
                                 .start = labelled_start,
                                 .finish = labelled_finish,
                                 .close = labelled_close};
    return SIM_OK;
}
