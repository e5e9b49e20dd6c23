/* make_views: the views of a batch out of decoded images, on the device.
 *
 * A source image is on the device already (views_store.h), or comes whole to stay there, or only the crop of
 * this one view comes.  What comes is packed into one of two pinned buffers and copied on the copy stream
 * while the compute stream is still busy with the step before; the kernels wait for it by an event.  The host
 * waits only where both buffers are under way. */
#include <stdlib.h>
#include <string.h>

#include "cuda.h"
#include "pixel_math.h"
#include "view_kernels.h"
#include "views_store.h"

enum {
    SLOTS = 2,
    /* A group of views ends with the one that takes it past this much, or past this part of the device's
     * memory, or at the most that a grid can have. */
    STAGED_MAX_MB = 256,
    STAGED_PART = 128,
    SCRATCH_MAX_MB = 512,
    SCRATCH_PART = 64,
    GROUP_MAX = 32768,
    ALIGN_BYTES = 256
};

/* A pinned buffer, and on the device the place of that part of it which is used once. */
struct slot {
    uint8_t *pinned, *mirror;
    size_t pinned_bytes, mirror_bytes;
    sim_event copied, used; /* the copies from `pinned` are done; the kernels that read `mirror` are */
    int under_way;          /* the events were recorded */
};

/* How the source of a view comes: `rows` rows of `row_bytes`, packed into the pinned buffer. */
struct parcel {
    const uint8_t *from; /* NULL: the image is on the device already */
    int64_t stride_bytes, row_bytes, rows;
    size_t at;     /* in the pinned buffer: of crops counted from where they begin, of images likewise */
    uint8_t *stay; /* where on the device an image stays; NULL: a crop, read where it arrives */
};

struct sim_views_state {
    struct sim_view_store store;
    struct slot slot[SLOTS];
    int turn;
    struct sim_view_task *task; /* (room) the group being planned */
    struct parcel *parcel;      /* (room) */
    int64_t room;
};

/* What a group needs, as it is planned. */
struct plan {
    const struct sim_view_jobs *jobs;
    struct sim_view_group group;
    size_t crops, images;           /* bytes in the pinned buffer */
    int64_t taps, weights, between; /* elements in the scratch memory */
};

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

static int64_t tiles_of(const struct sim_view_group *g)
{
    return ((int64_t)g->size * g->size + SIM_VIEW_TILE - 1) / SIM_VIEW_TILE;
}

/* ------------------------------------------------------------------ planning a group */

static sim_status check(const struct sim_view_job *j)
{
    const struct sim_view *v = &j->view;
    if (v->i < 0 || v->j < 0 || v->h < 1 || v->w < 1 || v->i > j->height - v->h || v->j > j->width - v->w)
        return sim_fail(SIM_EINVAL, "crop i=%d j=%d h=%d w=%d leaves image %ld of height %d and width %d",
                        v->i, v->j, v->h, v->w, (long)j->image, j->height, j->width);
    if (v->blur && !(v->sigma >= 0 && v->sigma <= 1000))
        return sim_fail(SIM_EINVAL, "blur sigma %g is outside [0, 1000]", v->sigma);
    return SIM_OK;
}

static void plan_color(struct sim_view_task *t, struct plan *p, const struct sim_view *v)
{
    for (int k = 0; k < 4; k++) {
        const int operation = v->order[k];
        const int present = v->jitter && p->jobs->style.jitters[operation];
        t->operation[k] = present ? operation : -1;
        t->factor[k] = (float)v->factor[operation];
        if (present && operation == 1) p->group.contrast = 1;
    }
    t->hue_shift = sim_hue_shift(v->factor[3]);
    t->grayscale = v->grayscale, t->solarize = v->solarize, t->blur = v->blur;
    if (!v->blur) return;
    const struct sim_blur_box box = sim_blur_box((float)v->sigma);
    t->radius = box.radius, t->inner = box.inner, t->edge = box.edge;
    p->group.blur = 1;
}

/* Where the kernels find the pixels, and what must come there first.  A crop's address is its place among the
 * crops until the mirror's is known. */
static sim_status plan_source(struct sim_cuda *c, struct sim_view_task *t, struct parcel *parcel,
                              struct plan *p, const struct sim_view_job *j)
{
    struct sim_view_store *store = &c->views->store;
    const struct sim_view_set *set = p->jobs->set;
    const int keeps = set->name[0] && set->held;
    const struct sim_stored_image *stored = keeps ? sim_view_store_find(store, j->image) : NULL;
    const int64_t stride = (int64_t)j->width * 3;
    /* the crop in the unflipped source */
    const int64_t left = j->view.flip ? j->width - j->view.j - j->view.w : j->view.j,
                  corner = j->view.i * stride + left * 3;
    *parcel = (struct parcel){0};
    if (!stored && !j->rgb)
        return sim_fail(
            SIM_EINVAL,
            "image %ld of set %s came without pixels and is not on the device: sources of different "
            "sets cannot take turns on one backend",
            (long)j->image, set->name);
    if (!stored && keeps && (stored = sim_view_store_add(store, c->device, j->image, j->width, j->height))) {
        *parcel = (struct parcel){.from = j->rgb,
                                  .stride_bytes = stride,
                                  .row_bytes = stride,
                                  .rows = j->height,
                                  .at = p->images,
                                  .stay = stored->rgb};
        p->images += aligned((size_t)(stride * j->height));
    }
    if (stored && (stored->width != j->width || stored->height != j->height))
        return sim_fail(SIM_EINVAL, "image %ld of set %s is %d x %d pixels here and %d x %d on the device",
                        (long)j->image, set->name, j->width, j->height, stored->width, stored->height);
    if (stored) {
        t->box = stored->rgb + corner;
        t->stride_bytes = stride;
        return SIM_OK;
    }
    *parcel = (struct parcel){.from = j->rgb + corner,
                              .stride_bytes = stride,
                              .row_bytes = (int64_t)j->view.w * 3,
                              .rows = j->view.h,
                              .at = p->crops};
    t->stride_bytes = parcel->row_bytes;
    p->crops += aligned((size_t)(parcel->row_bytes * parcel->rows));
    return SIM_OK;
}

static sim_status plan_view(struct sim_cuda *c, struct plan *p, const struct sim_view_job *j)
{
    const struct sim_view *v = &j->view;
    struct sim_view_group *g = &p->group;
    struct sim_view_task *t = &c->views->task[g->count];
    SIM_TRY(check(j));
    *t = (struct sim_view_task){.w = v->w, .h = v->h, .flip = v->flip};
    SIM_TRY(plan_source(c, t, &c->views->parcel[g->count], p, j));
    plan_color(t, p, v);
    t->taps = p->taps, t->between = p->between;
    p->taps += 4 * (int64_t)g->size;
    p->between += (int64_t)v->h * g->size * 3;
    for (int down = 0; down < 2; down++) {
        const struct sim_axis axis = sim_axis_of(down ? v->h : v->w, g->size, g->filter);
        t->weights[down] = p->weights;
        p->weights += (int64_t)sim_axis_most(&axis) * g->size;
    }
    if (v->h > g->most_rows) g->most_rows = v->h;
    g->count++;
    return SIM_OK;
}

/* Scratch memory: the size of it all, and with a base, where everything lies. */
static size_t lay_out(struct plan *p, uint8_t *base)
{
    struct sim_view_group *g = &p->group;
    const size_t pixels = (size_t)g->size * (size_t)g->size * 3 * (size_t)g->count;
    size_t taps = 0, weights = taps + aligned((size_t)p->taps * sizeof *g->taps),
           luma = weights + aligned((size_t)p->weights * sizeof *g->weights),
           between = luma + aligned((size_t)(tiles_of(g) * g->count) * sizeof *g->luma),
           bytes = between + aligned((size_t)p->between), end = bytes + aligned(pixels);
    if (!base) return end;
    g->taps = (int32_t *)(void *)(base + taps), g->weights = (int32_t *)(void *)(base + weights);
    g->luma = (uint32_t *)(void *)(base + luma);
    g->between = base + between, g->pixels = base + bytes;
    return end;
}

static int beyond(const struct sim_cuda *c, size_t bytes, int max_mb, int part)
{
    const int64_t share = sim_device_facts(c->device)->memory_bytes / part, max = (int64_t)max_mb << 20;
    return (int64_t)bytes > (share < max ? share : max);
}

static int full(const struct sim_cuda *c, struct plan *p)
{
    return p->group.count == GROUP_MAX || beyond(c, p->crops + p->images, STAGED_MAX_MB, STAGED_PART) ||
           beyond(c, lay_out(p, NULL), SCRATCH_MAX_MB, SCRATCH_PART);
}

/* ------------------------------------------------------------------ bringing it to the device */

static sim_status grow(struct sim_cuda *c, struct slot *s, size_t pinned, size_t mirror)
{
    if (pinned > s->pinned_bytes) {
        sim_device_release_pinned(c->device, s->pinned);
        s->pinned_bytes = 0;
        s->pinned = sim_device_take_pinned(c->device, pinned + pinned / 4);
        if (!s->pinned) return sim_fail(SIM_ENOMEM, "no pinned memory for %zu bytes of images", pinned);
        s->pinned_bytes = pinned + pinned / 4;
    }
    if (mirror > s->mirror_bytes) {
        sim_device_release(c->device, s->mirror);
        s->mirror_bytes = 0;
        s->mirror = sim_device_take(c->device, mirror + mirror / 4);
        if (!s->mirror) return SIM_ENOMEM; /* it has said so */
        s->mirror_bytes = mirror + mirror / 4;
    }
    return SIM_OK;
}

static void pack(const struct parcel *p, uint8_t *to)
{
    for (int64_t r = 0; r < p->rows; r++)
        memcpy(to + r * p->row_bytes, p->from + r * p->stride_bytes, (size_t)p->row_bytes);
}

/* The pinned buffer: tasks and crops, which go to the mirror as one, then images that stay. */
static sim_status bring(struct sim_cuda *c, struct slot *s, struct plan *p)
{
    struct sim_views_state *v = c->views;
    const int count = p->group.count;
    const size_t crops = aligned((size_t)count * sizeof *v->task), images = crops + p->crops;
    const sim_stream copies = sim_device_stream(c->device, SIM_STREAM_COPY);
    if (s->under_way) sim_cuda_wait_for(c, s->copied);
    SIM_TRY(grow(c, s, images + p->images, images));
    for (int k = 0; k < count; k++)
        if (v->parcel[k].from && !v->parcel[k].stay) v->task[k].box = s->mirror + crops + v->parcel[k].at;
    memcpy(s->pinned, v->task, (size_t)count * sizeof *v->task);
#pragma omp parallel for schedule(dynamic, 8)
    for (int k = 0; k < count; k++)
        if (v->parcel[k].from)
            pack(&v->parcel[k], s->pinned + (v->parcel[k].stay ? images : crops) + v->parcel[k].at);

    if (s->under_way) sim_device_stream_waits(c->device, copies, s->used);
    sim_device_copy(c->device, copies, s->mirror, s->pinned, images, SIM_TO_DEVICE);
    for (int k = 0; k < count; k++) {
        const struct parcel *q = &v->parcel[k];
        if (q->stay)
            sim_device_copy(c->device, copies, q->stay, s->pinned + images + q->at,
                            (size_t)(q->row_bytes * q->rows), SIM_TO_DEVICE);
    }
    sim_device_event_record(c->device, s->copied, copies);
    sim_device_stream_waits(c->device, c->stream, s->copied);
    p->group.task = (const struct sim_view_task *)(const void *)s->mirror;
    return SIM_OK;
}

/* ------------------------------------------------------------------ making views */

static void launch(struct sim_cuda *c, struct sim_view_group g)
{
    sim_k_view_axes(c->stream, g);
    sim_k_view_rows(c->stream, g);
    sim_k_view_columns(c->stream, g);
    if (g.contrast) sim_k_view_luma(c->stream, g);
    sim_k_view_color(c->stream, g);
    if (g.blur) sim_k_view_blur(c->stream, g);
}

/* Jobs may come without pixels of what is on the device, from the time when the copies are queued. */
static void tell_held(const struct sim_views_state *v, const struct sim_view_jobs *jobs, int64_t first,
                      int count)
{
    const struct sim_view_set *set = jobs->set;
    if (!set->name[0] || !set->held) return;
    for (int k = 0; k < count; k++) {
        const int64_t image = jobs->job[first + k].image;
        if (sim_view_store_find(&v->store, image))
            atomic_store_explicit(&set->held[image], 1, memory_order_release);
    }
}

/* As many views as make a group, from *first on, which becomes the next one's. */
static sim_status make_group(struct sim_cuda *c, float *out, const struct sim_view_jobs *jobs, int64_t *first)
{
    struct sim_views_state *v = c->views;
    struct plan p = {.jobs = jobs,
                     .group = {.size = jobs->size,
                               .filter = jobs->style.filter,
                               .flip_last = jobs->style.flip_last,
                               .normalize = jobs->style.normalize}};
    struct slot *s = &v->slot[v->turn++ % SLOTS];
    while (*first + p.group.count < jobs->count && !full(c, &p))
        SIM_TRY(plan_view(c, &p, &jobs->job[*first + p.group.count]));
    /* crops differ from batch to batch: what must grow grows by more than is needed now */
    const size_t needed = lay_out(&p, NULL);
    uint8_t *scratch = sim_cuda_scratch(c, needed > c->scratch_bytes ? needed + needed / 4 : needed);
    if (!scratch) return SIM_ENOMEM; /* it is recorded */
    lay_out(&p, scratch);
    SIM_TRY(bring(c, s, &p));
    p.group.out = out + *first * 3 * jobs->size * jobs->size;
    launch(c, p.group);
    sim_device_event_record(c->device, s->used, c->stream);
    s->under_way = 1;
    tell_held(v, jobs, *first, p.group.count);
    *first += p.group.count;
    return SIM_OK;
}

static sim_status open_state(struct sim_cuda *c)
{
    struct sim_views_state *v = c->views = calloc(1, sizeof *v);
    if (!v) return sim_fail(SIM_ENOMEM, "no memory to make views");
    for (int k = 0; k < SLOTS; k++) {
        v->slot[k].copied = sim_device_event_open(c->device);
        v->slot[k].used = sim_device_event_open(c->device);
    }
    return SIM_OK;
}

static sim_status reserve(struct sim_views_state *v, int64_t count)
{
    if (count <= v->room) return SIM_OK;
    free(v->task), free(v->parcel);
    v->task = calloc((size_t)count, sizeof *v->task), v->parcel = calloc((size_t)count, sizeof *v->parcel);
    v->room = v->task && v->parcel ? count : 0;
    return v->room ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory for %ld views", (long)count);
}

static sim_status make(struct sim_cuda *c, float *out, const struct sim_view_jobs *jobs)
{
    if (jobs->size < 1) return sim_fail(SIM_EINVAL, "views of %d x %d pixels", jobs->size, jobs->size);
    if (c->capturing) return sim_fail(SIM_EINVAL, "views cannot be made while a graph is recorded");
    if (!c->views) SIM_TRY(open_state(c));
    SIM_TRY(reserve(c->views, jobs->count < GROUP_MAX ? jobs->count : GROUP_MAX));
    SIM_TRY(sim_view_store_turn_to(&c->views->store, c->device, jobs->set));
    for (int64_t first = 0; first < jobs->count;) SIM_TRY(make_group(c, out, jobs, &first));
    return SIM_OK;
}

static void make_views(const struct sim_ops *o, float *out, const struct sim_view_jobs *jobs)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_status status = make(c, out, jobs);
    if (status == SIM_OK) return;
    sim_cuda_fail(c, status, "making views: %s", sim_error_text());
    /* places were given to images that may not have been copied there */
    if (c->views) sim_view_store_close(&c->views->store, c->device);
}

void sim_cuda_close_views(struct sim_cuda *c)
{
    struct sim_views_state *v = c->views;
    if (!v) return;
    sim_view_store_close(&v->store, c->device);
    for (int k = 0; k < SLOTS; k++) {
        struct slot *s = &v->slot[k];
        sim_device_release_pinned(c->device, s->pinned);
        sim_device_release(c->device, s->mirror);
        if (s->copied) sim_device_event_close(c->device, s->copied);
        if (s->used) sim_device_event_close(c->device, s->used);
    }
    free(v->task), free(v->parcel);
    free(v);
    c->views = NULL;
}

void sim_cuda_fill_views(struct sim_ops *o)
{
    o->make_views = make_views;
}
