/* Training batches.  A batch is a pure function of (seed, epoch, step): row r of step s is image number s * B
 * + r of the epoch's permutation, and everything drawn for it is keyed by its index in the set.  Threads only
 * decide when a row is made. */
#include "loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cache.h"
#include "damaged.h"
#include "pool.h"
#include "progress.h"
#include "rng.h"
#include "workroom.h"

enum {
    SLOTS = 3,           /* the batch in use and the next two */
    LARGE_SLOT_MB = 256, /* beyond this per slot, one batch ahead must do */
};

/* A batch being made, made, or in use. */
struct slot {
    struct loader *loader;
    int64_t epoch, step; /* epoch -1: empty */
    struct sim_job job;  /* B tasks, one per row */
    uint32_t *order;     /* (images) the epoch's permutation */
    int64_t order_epoch; /* for which it is drawn; -1: none */
    float *view[2], *geometry;
    struct sim_view_job *job_of[2]; /* (B) each, instead of views */
    struct sim_view_jobs jobs[2];
    struct sim_image
        *own; /* (B) images of jobs that lie in no cache; their memory is used again with the slot */
    uint8_t *mask;
    int64_t *index;
    pthread_mutex_t lock; /* guards what follows while the job runs */
    sim_status status;    /* of the first row that failed, in row order */
    int64_t failed_row;
    char error[1024];
    int64_t *damaged; /* images passed over while making this batch, in no order */
    int64_t damaged_count, damaged_room;
};

struct loader {
    struct sim_loader_config config;
    struct sim_data_config data;
    struct sim_augment_config augment;
    struct sim_view_style style;
    struct sim_mask_config mask;
    int64_t steps_per_epoch, grid, hidden;
    int64_t rows, first; /* this rank's share of a batch, and where in the batch it starts */
    struct sim_pool *pool;
    struct sim_workroom *rooms; /* (workers) */
    struct sim_cache *cache;
    struct sim_view_set set; /* of jobs: which images the backend holds, and needs no pixels of */
    int (*size)[2];   /* (images) width and height of those handed out in a job; written by next() only */
    int slots, locks; /* locks: slots whose mutex is initialised */
    struct slot slot[SLOTS];
    struct slot *current;
    struct sim_batch batch;
    uint8_t *seen_damaged; /* (images) 1: counted in `skipped` */
    int64_t skipped;
};

/* ------------------------------------------------------------------ one row */

/* Under policy `skip`: remembers that image i was passed over. */
static sim_status note_damaged(struct slot *s, int64_t i)
{
    sim_status status = SIM_OK;
    pthread_mutex_lock(&s->lock);
    if (s->damaged_count == s->damaged_room) {
        int64_t room = s->damaged_room ? s->damaged_room * 2 : 16;
        int64_t *moved = realloc(s->damaged, (size_t)room * sizeof *moved);
        if (moved)
            s->damaged = moved, s->damaged_room = room;
        else
            status = sim_fail(SIM_ENOMEM, "no memory to count damaged images");
    }
    if (status == SIM_OK) s->damaged[s->damaged_count++] = i;
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* The source image of a place in the epoch's order: source->rgb points into the cache, or is that of *own, an
 * open or zeroed image, or is NULL where the backend holds the image.  Policy `skip` goes on to the
 * next place until an image decodes, around the end of the order if need be. */
static sim_status fetch(struct slot *s, int64_t place, int64_t *index, struct sim_image *source,
                        struct sim_image *own)
{
    struct loader *l = s->loader;
    const struct sim_images *set = l->config.images;
    for (int64_t tried = 0; tried < set->count; tried++) {
        int64_t i = s->order[(place + tried) % set->count];
        const struct sim_image *cached = sim_cache_find(l->cache, i);
        *index = i;
        if (!cached && l->set.held && atomic_load_explicit(&l->set.held[i], memory_order_acquire)) {
            *source = (struct sim_image){.width = l->size[i][0], .height = l->size[i][1]};
            return SIM_OK;
        }
        sim_status status = cached ? SIM_OK : sim_images_read_into(set, i, own);
        if (status == SIM_OK) {
            if (!cached && sim_cache_offer(l->cache, i, own)) cached = sim_cache_find(l->cache, i);
            *source = cached ? *cached : *own;
            return SIM_OK;
        }
        if (status != SIM_EFORMAT || l->data.bad_image != SIM_BAD_SKIP) return status;
        SIM_TRY(note_damaged(s, i));
    }
    return sim_context(SIM_EFORMAT, "every one of the %ld training images is damaged; the last",
                       (long)set->count);
}

static int views_of(const struct loader *l)
{
    return l->config.one_view ? 1 : 2;
}

static sim_status make_views(struct slot *s, int64_t row, const struct sim_view view[2],
                             const struct sim_image *source, struct sim_image *room)
{
    const struct loader *l = s->loader;
    int size = (int)l->config.img_size;
    int64_t plane = 3 * l->config.img_size * l->config.img_size;
    SIM_TRY(sim_image_reopen(room, size, size));
    for (int k = 0; k < views_of(l); k++) {
        SIM_TRY(sim_view_apply(&l->style, &view[k], source, size, room->rgb));
        sim_pixels_normalize(room->rgb, size, size, l->style.normalize, s->view[k] + row * plane);
    }
    return SIM_OK;
}

static sim_status make_row(struct slot *s, int64_t row, struct sim_workroom *w)
{
    const struct loader *l = s->loader;
    struct sim_image source, *own = l->config.jobs ? &s->own[row] : &w->source;
    SIM_TRY(fetch(s, s->step * l->config.batch_size + l->first + row, &s->index[row], &source, own));

    uint64_t index = (uint64_t)s->index[row];
    uint32_t epoch = (uint32_t)s->epoch;
    struct sim_view view[2];
    sim_views_draw(&l->augment, l->config.seed, epoch, index, source.width, source.height, view,
                   s->geometry + row * 6);
    sim_mask_draw(&l->mask, l->config.seed, epoch, index, (int)l->grid, (int)l->hidden,
                  s->mask + row * l->grid * l->grid);
    if (!l->config.jobs) {
        sim_status status = make_views(s, row, view, &source, &w->view);
        sim_workroom_bound(own);
        return status;
    }
    if (source.rgb != own->rgb) sim_image_close(own); /* others hold the images by now */
    for (int k = 0; k < views_of(l); k++)
        s->job_of[k][row] = (struct sim_view_job){.view = view[k],
                                                  .image = s->index[row],
                                                  .width = source.width,
                                                  .height = source.height,
                                                  .rgb = source.rgb};
    return SIM_OK;
}

static void row_task(void *context, int64_t row, int worker)
{
    struct slot *s = context;
    sim_status status = make_row(s, row, &s->loader->rooms[worker]);
    if (status == SIM_OK) return;
    pthread_mutex_lock(&s->lock);
    if (s->status == SIM_OK || row < s->failed_row) {
        s->status = status;
        s->failed_row = row;
        snprintf(s->error, sizeof s->error, "%s", sim_error_text());
    }
    pthread_mutex_unlock(&s->lock);
}

/* ------------------------------------------------------------------ slots */

/* The epoch's permutation, which takes a while to draw for a million images and is the same in every slot. */
static void take_order(struct loader *l, struct slot *s, int64_t epoch)
{
    const int64_t images = l->config.images->count;
    const struct slot *other = NULL;
    if (s->order_epoch == epoch) return;
    for (int k = 0; k < l->slots; k++)
        if (l->slot[k].order_epoch == epoch) other = &l->slot[k];
    if (other) {
        memcpy(s->order, other->order, (size_t)images * sizeof *s->order);
    } else {
        struct sim_rng r = sim_rng_make(l->config.seed, SIM_PURPOSE_SHUFFLE, (uint32_t)epoch, 0, 0);
        sim_rng_permutation(&r, (uint32_t)images, s->order);
    }
    s->order_epoch = epoch;
}

static void start(struct loader *l, struct slot *s, int64_t epoch, int64_t step)
{
    sim_pool_cancel(l->pool, &s->job);
    for (int64_t r = 0; s->own && r < l->rows; r++) sim_workroom_bound(&s->own[r]);
    take_order(l, s, epoch);
    s->epoch = epoch;
    s->step = step;
    s->status = SIM_OK;
    s->damaged_count = 0;
    s->job = (struct sim_job){.task = row_task, .context = s, .count = l->rows};
    sim_pool_submit(l->pool, &s->job);
}

static struct slot *slot_of(struct loader *l, int64_t epoch, int64_t step)
{
    for (int k = 0; k < l->slots; k++)
        if (l->slot[k].epoch == epoch && l->slot[k].step == step) return &l->slot[k];
    return NULL;
}

/* Starts the batches that follow the current one, in slots that hold none of them.  The order of the queue is
 * theirs, since a slot found ready was queued before. */
static void prefetch(struct loader *l)
{
    int64_t epoch[SLOTS], step[SLOTS];
    struct slot *holder[SLOTS] = {l->current};
    epoch[0] = l->current->epoch, step[0] = l->current->step;
    for (int k = 1; k < l->slots; k++) {
        int last = step[k - 1] + 1 == l->steps_per_epoch;
        epoch[k] = epoch[k - 1] + last;
        step[k] = last ? 0 : step[k - 1] + 1;
        holder[k] = slot_of(l, epoch[k], step[k]);
    }
    for (int k = 1; k < l->slots; k++) {
        for (int i = 0; i < l->slots && !holder[k]; i++) {
            int wanted = 0;
            for (int other = 0; other < l->slots; other++) wanted |= holder[other] == &l->slot[i];
            if (!wanted) start(l, holder[k] = &l->slot[i], epoch[k], step[k]);
        }
    }
}

static int compare_index(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Counts a handed-out batch's damaged images, each once in the life of the loader. */
static void count_damaged(struct loader *l, struct slot *s)
{
    qsort(s->damaged, (size_t)s->damaged_count, sizeof *s->damaged, compare_index);
    for (int64_t k = 0; k < s->damaged_count; k++) {
        int64_t i = s->damaged[k];
        if (l->seen_damaged[i]) continue;
        l->seen_damaged[i] = 1;
        l->skipped++;
        sim_damaged_note(l->config.images, i);
    }
    s->damaged_count = 0;
}

/* What workers need to know of images whose pixels the backend comes to hold. */
static void note_sizes(struct loader *l, const struct slot *s)
{
    for (int64_t r = 0; r < l->rows; r++) {
        const struct sim_view_job *j = &s->job_of[0][r];
        if (!l->size[j->image][0]) l->size[j->image][0] = j->width, l->size[j->image][1] = j->height;
    }
}

static sim_status loader_next(void *self, int64_t epoch, int64_t step, const struct sim_batch **out)
{
    struct loader *l = self;
    if (epoch < 0 || epoch > UINT32_MAX || step < 0 || step >= l->steps_per_epoch)
        return sim_fail(SIM_EINVAL, "no batch %ld of epoch %ld: an epoch has batches 0 to %ld", (long)step,
                        (long)epoch, (long)l->steps_per_epoch - 1);
    struct slot *s = slot_of(l, epoch, step);
    if (!s) start(l, s = &l->slot[0], epoch, step);
    l->current = s;
    prefetch(l);
    sim_pool_wait(l->pool, &s->job);
    if (s->status != SIM_OK) {
        s->epoch = -1; /* asked for again, it is made again */
        return sim_fail(s->status, "%s", s->error);
    }
    if (s->damaged_count) count_damaged(l, s);
    if (l->config.jobs) note_sizes(l, s);
    l->batch = (struct sim_batch){.size = l->rows,
                                  .view1 = s->view[0],
                                  .view2 = s->view[1],
                                  .jobs1 = s->job_of[0] ? &s->jobs[0] : NULL,
                                  .jobs2 = s->job_of[1] ? &s->jobs[1] : NULL,
                                  .mask = s->mask,
                                  .geometry = s->geometry,
                                  .index = s->index};
    *out = &l->batch;
    return SIM_OK;
}

static const uint8_t *loader_damaged(void *self)
{
    return ((struct loader *)self)->seen_damaged;
}

static void loader_name(void *self, int64_t i, char *name, int size)
{
    const struct sim_images *set = ((struct loader *)self)->config.images;
    set->name(set->self, i, name, size);
}

static int64_t loader_skipped(void *self)
{
    return ((struct loader *)self)->skipped;
}

/* ------------------------------------------------------------------ opening, closing */

static void loader_close(void *self)
{
    struct loader *l = self;
    if (!l) return;
    sim_pool_close(l->pool);
    sim_cache_close(l->cache);
    for (int k = 0; k < SLOTS; k++) {
        struct slot *s = &l->slot[k];
        if (k < l->locks) pthread_mutex_destroy(&s->lock);
        for (int64_t r = 0; s->own && r < l->rows; r++) sim_image_close(&s->own[r]);
        free(s->own);
        free(s->order);
        for (int v = 0; v < 2; v++) free(s->view[v]), free(s->job_of[v]);
        free(s->geometry);
        free(s->mask);
        free(s->index);
        free(s->damaged);
    }
    sim_workrooms_close(l->rooms, l->config.workers);
    free(l->set.held);
    free(l->size);
    free(l->seen_damaged);
    free(l);
}

/* One view of a slot: room for pixels, or for the jobs that stand for them. */
static int open_view(struct loader *l, struct slot *s, int k)
{
    size_t batch = (size_t)l->rows, plane = 3 * (size_t)(l->config.img_size * l->config.img_size);
    if (!l->config.jobs) return (s->view[k] = sim_calloc_aligned(batch * plane, sizeof *s->view[k])) != NULL;
    s->job_of[k] = calloc(batch, sizeof *s->job_of[k]);
    s->jobs[k] = (struct sim_view_jobs){.count = l->rows,
                                        .size = (int)l->config.img_size,
                                        .style = l->style,
                                        .job = s->job_of[k],
                                        .set = &l->set};
    return s->job_of[k] != NULL;
}

static sim_status open_slot(struct loader *l, struct slot *s)
{
    size_t batch = (size_t)l->rows;
    int views = 1;
    s->loader = l;
    s->epoch = s->order_epoch = -1;
    s->order = malloc((size_t)l->config.images->count * sizeof *s->order);
    for (int k = 0; k < views_of(l); k++) views &= open_view(l, s, k);
    if (l->config.jobs) views &= (s->own = calloc(batch, sizeof *s->own)) != NULL;
    s->geometry = sim_calloc_aligned(batch * 6, sizeof *s->geometry);
    s->mask = sim_calloc_aligned(batch * (size_t)(l->grid * l->grid), 1);
    s->index = sim_calloc_aligned(batch, sizeof *s->index);
    pthread_mutex_init(&s->lock, NULL);
    l->locks++;
    if (!s->order || !views || !s->geometry || !s->mask || !s->index)
        return sim_fail(SIM_ENOMEM,
                        "no memory for batches of %ld images of %ld pixels; a smaller train.batch_size fits",
                        (long)batch, (long)l->config.img_size);
    return SIM_OK;
}

/* What the loader keeps of each image of the set. */
static sim_status open_lists(struct loader *l)
{
    const struct sim_images *set = l->config.images;
    size_t images = (size_t)set->count;
    l->seen_damaged = calloc(images, 1);
    l->set.images = set->count;
    memcpy(l->set.name, set->manifest_hash, sizeof l->set.name);
    if (l->config.jobs) {
        l->set.held = calloc(images, sizeof *l->set.held);
        l->size = calloc(images, sizeof *l->size);
    }
    if (l->seen_damaged && (!l->config.jobs || (l->set.held && l->size))) return SIM_OK;
    return sim_fail(SIM_ENOMEM, "no memory for a list of %ld images", (long)images);
}

sim_status sim_loader_check(const struct sim_loader_config *c)
{
    if (c->batch_size < 1 || c->batch_size > c->images->count)
        return sim_fail(
            SIM_EINVAL,
            "train.batch_size is %ld and the training set has %ld images: the batch cannot be larger",
            (long)c->batch_size, (long)c->images->count);
    if (c->ranks > 1 && c->batch_size % c->ranks)
        return sim_fail(
            SIM_EINVAL,
            "train.batch_size is %ld, for all ranks together: it must be a multiple of the %d ranks",
            (long)c->batch_size, c->ranks);
    if (c->images->count > UINT32_MAX)
        return sim_fail(SIM_EINVAL, "%ld images are more than an epoch can shuffle", (long)c->images->count);
    if (c->patch_size < 1 || c->img_size < 1 || c->img_size % c->patch_size)
        return sim_fail(SIM_EINVAL, "model.img_size %ld is no multiple of model.patch_size %ld",
                        (long)c->img_size, (long)c->patch_size);
    if (c->augment->crop_min > c->augment->crop_max)
        return sim_fail(SIM_EINVAL, "augment.crop_min %g is above augment.crop_max %g", c->augment->crop_min,
                        c->augment->crop_max);
    if (c->augment->blur_sigma_min > c->augment->blur_sigma_max)
        return sim_fail(SIM_EINVAL, "augment.blur_sigma_min %g is above augment.blur_sigma_max %g",
                        c->augment->blur_sigma_min, c->augment->blur_sigma_max);
    return SIM_OK;
}

sim_status sim_loader_open(struct sim_source *out, const struct sim_loader_config *c)
{
    memset(out, 0, sizeof *out);
    SIM_TRY(sim_loader_check(c));
    struct loader *l = calloc(1, sizeof *l);
    if (!l) return sim_fail(SIM_ENOMEM, "no memory for a loader");
    /* Copies, so that only the images need to outlive the source. */
    l->config = *c, l->data = *c->data, l->augment = *c->augment, l->mask = *c->mask;
    l->style = sim_views_style(c->augment);
    l->style.normalize = (enum sim_normalize)c->data->normalize;
    l->grid = c->img_size / c->patch_size;
    l->steps_per_epoch = c->images->count / c->batch_size;
    l->rows = c->ranks > 1 ? c->batch_size / c->ranks : c->batch_size;
    l->first = l->rows * c->rank;
    int64_t slot_bytes =
        c->jobs ? 0 : l->rows * c->img_size * c->img_size * 3 * views_of(l) * (int64_t)sizeof(float);
    l->slots = slot_bytes >> 20 > LARGE_SLOT_MB ? SLOTS - 1 : SLOTS;
    sim_status status = sim_mask_hidden(c->mask, l->grid, &l->hidden);
    for (int k = 0; k < l->slots && status == SIM_OK; k++) status = open_slot(l, &l->slot[k]);
    if (status == SIM_OK) status = open_lists(l);
    if (status == SIM_OK) status = sim_cache_open(&l->cache, c->images->count, c->data->cache_mb << 20);
    if (status == SIM_OK) status = sim_workrooms_open(&l->rooms, c->workers);
    if (status == SIM_OK) status = sim_pool_open(&l->pool, c->workers);
    if (status != SIM_OK) {
        loader_close(l);
        return status;
    }
    *out = (struct sim_source){.self = l,
                               .images = c->images->count,
                               .steps_per_epoch = l->steps_per_epoch,
                               .next = loader_next,
                               .skipped = loader_skipped,
                               .damaged = loader_damaged,
                               .name = loader_name,
                               .close = loader_close};
    return SIM_OK;
}
