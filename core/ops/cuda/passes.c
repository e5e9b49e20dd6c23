/* Passes over the parameter block.  The kernels read lists of segments that lie on the device; a list is
 * copied there when it is first seen, and again when its contents have changed.  Lists are told apart by
 * where the caller keeps them: a recorded graph goes on reading the same place. */
#include <stdlib.h>
#include <string.h>

#include "cuda.h"
#include "kernels.h"

struct list {
    struct list *next;
    const struct sim_segment *from; /* the caller's; only compared */
    int count;
    struct sim_k_segment *host; /* (count) what lies on the device */
    void *device;               /* the segments, then of every chunk its segment's number */
    int64_t chunks;
    int filled;
};

struct sim_lists {
    struct list *first;
};

static void close_list(struct sim_cuda *c, struct list *l)
{
    sim_device_release(c->device, l->device);
    free(l->host);
    free(l);
}

void sim_cuda_forget_lists(struct sim_cuda *c)
{
    struct sim_lists *lists = c->lists;
    if (!lists) return;
    while (lists->first) {
        struct list *l = lists->first;
        lists->first = l->next;
        close_list(c, l);
    }
    free(lists);
    c->lists = NULL;
}

static int64_t chunks_of(const struct sim_segment *s)
{
    return (s->count + SIM_K_CHUNK - 1) / SIM_K_CHUNK;
}

static size_t segments_bytes(int count)
{
    return ((size_t)count * sizeof(struct sim_k_segment) + 255) / 256 * 256;
}

/* The caller's segment as the kernels read it; every byte is set, so that lists compare as bytes. */
static void translate(struct sim_cuda *c, struct sim_k_segment *to, const struct sim_segment *s,
                      int64_t first_chunk)
{
    memset(to, 0, sizeof *to);
    to->p = s->p;
    to->g = s->g;
    to->m = s->m;
    to->v = s->v;
    to->shadow = s->p ? sim_cuda_shadow(c, s->p) : NULL;
    to->count = s->count;
    to->first_chunk = first_chunk;
    to->weight_decay = s->weight_decay;
    to->lr_scale = s->lr_scale;
}

/* A list with room on the device; NULL: the failure is kept. */
static struct list *open_list(struct sim_cuda *c, const struct sim_segment *s, int count, int64_t chunks)
{
    if (c->capturing) {
        sim_cuda_fail(c, SIM_ELIB, "a pass over parameters was not run before it was recorded");
        return NULL;
    }
    if (!c->lists) c->lists = calloc(1, sizeof *c->lists);
    struct list *l = c->lists ? calloc(1, sizeof *l) : NULL;
    if (l) l->host = calloc((size_t)count, sizeof *l->host);
    if (!l || !l->host) {
        free(l);
        sim_cuda_fail(c, SIM_ENOMEM, "no memory for a list of %d segments", count);
        return NULL;
    }
    l->device = sim_device_take(c->device, segments_bytes(count) + (size_t)chunks * sizeof(int32_t));
    if (!l->device) {
        sim_cuda_fail(c, SIM_ENOMEM, "a list of %d segments: %s", count, sim_error_text());
        close_list(c, l);
        return NULL;
    }
    l->from = s;
    l->count = count;
    l->chunks = chunks;
    l->next = c->lists->first;
    c->lists->first = l;
    return l;
}

/* Copies `now` (count) and the chunks' table to the device. */
static void fill(const struct sim_ops *o, struct list *l, const struct sim_k_segment *now)
{
    struct sim_cuda *c = sim_cuda(o);
    const size_t before = segments_bytes(l->count), bytes = before + (size_t)l->chunks * sizeof(int32_t);
    unsigned char *image = calloc(1, bytes);
    if (!image || c->capturing) {
        free(image);
        sim_cuda_fail(c, image ? SIM_ELIB : SIM_ENOMEM, "a list of %d segments %s", l->count,
                      image ? "changed while a graph was recorded" : "finds no memory on the host");
        return;
    }
    memcpy(image, now, (size_t)l->count * sizeof *now);
    int32_t *of_chunk = (int32_t *)(image + before);
    for (int i = 0; i < l->count; i++) {
        const int64_t end = i + 1 < l->count ? now[i + 1].first_chunk : l->chunks;
        for (int64_t chunk = now[i].first_chunk; chunk < end; chunk++) of_chunk[chunk] = i;
    }
    o->upload(o, l->device, image, bytes);
    memcpy(l->host, now, (size_t)l->count * sizeof *now);
    l->filled = 1;
    free(image);
}

/* The list on the device; without chunks where there is nothing to do or a failure was kept. */
static struct sim_k_segments on_device(const struct sim_ops *o, const struct sim_segment *s, int count)
{
    struct sim_cuda *c = sim_cuda(o);
    struct sim_k_segments none = {0};
    int64_t chunks = 0;
    for (int i = 0; i < count; i++) chunks += chunks_of(&s[i]);
    if (chunks == 0) return none;
    struct list *l = c->lists ? c->lists->first : NULL;
    while (l && (l->from != s || l->count != count || l->chunks != chunks)) l = l->next;
    if (!l && !(l = open_list(c, s, count, chunks))) return none;
    struct sim_k_segment *now = calloc((size_t)count, sizeof *now);
    if (!now) {
        sim_cuda_fail(c, SIM_ENOMEM, "no memory for a list of %d segments", count);
        return none;
    }
    for (int64_t i = 0, first = 0; i < count; first += chunks_of(&s[i]), i++)
        translate(c, &now[i], &s[i], first);
    if (!l->filled || memcmp(now, l->host, (size_t)count * sizeof *now) != 0) fill(o, l, now);
    free(now);
    if (!l->filled) return none;
    return (struct sim_k_segments){.segment = l->device,
                                   .of_chunk =
                                       (const int32_t *)((unsigned char *)l->device + segments_bytes(count)),
                                   .chunks = chunks};
}

static void sum_squares(const struct sim_ops *o, double *sum, const struct sim_segment *s, int count)
{
    struct sim_cuda *c = sim_cuda(o);
    const struct sim_k_segments list = on_device(o, s, count);
    void *scratch = sim_cuda_scratch(c, sim_k_sum_squares_bytes(list.chunks));
    if (scratch) sim_k_sum_squares(c->stream, sum, list, scratch);
}

static void clip(const struct sim_ops *o, struct sim_scalars *s, double clip_grad)
{
    sim_k_clip(sim_cuda(o)->stream, s, clip_grad);
}

static void adamw(const struct sim_ops *o, const struct sim_segment *s, int count,
                  const struct sim_scalars *scalars, const struct sim_adamw *h)
{
    sim_k_adamw(sim_cuda(o)->stream, on_device(o, s, count), scalars, *h);
}

static void ema(const struct sim_ops *o, const struct sim_segment *s, int count,
                const struct sim_scalars *scalars)
{
    sim_k_ema(sim_cuda(o)->stream, on_device(o, s, count), scalars);
}

void sim_cuda_fill_passes(struct sim_ops *o)
{
    o->sum_squares = sum_squares;
    o->clip = clip;
    o->adamw = adamw;
    o->ema = ema;
}
