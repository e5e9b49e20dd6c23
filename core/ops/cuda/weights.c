#include "weights.h"

#include <stdlib.h>

#include "kernels.h"

/* A block of parameters that weights_changed was called for. */
struct shadow {
    struct shadow *next;
    const float *block;
    int64_t count;
    uint16_t *copy; /* (count) in bfloat16; NULL where products read the parameters themselves */
};

struct sim_shadows {
    struct shadow *first; /* few: a model has one or two blocks */
};

static struct shadow *find(const struct sim_cuda *c, const float *w)
{
    struct shadow *s = c->shadows ? c->shadows->first : NULL;
    while (s && ((uintptr_t)w < (uintptr_t)s->block || (uintptr_t)w >= (uintptr_t)(s->block + s->count)))
        s = s->next;
    return s;
}

const void *sim_cuda_weight(struct sim_cuda *c, const float *w)
{
    const struct shadow *s = find(c, w);
    if (!s) {
        sim_cuda_fail(c, SIM_EINVAL, "a weight at %p lies in no block that weights_changed was called for",
                      (const void *)w);
        return NULL;
    }
    return s->copy ? (const void *)(s->copy + (w - s->block)) : w;
}

void *sim_cuda_shadow(struct sim_cuda *c, const float *w)
{
    const struct shadow *s = find(c, w);
    return s && s->copy ? s->copy + (w - s->block) : NULL;
}

void sim_cuda_forget_weights(struct sim_cuda *c, const void *at, size_t bytes)
{
    for (struct shadow **link = c->shadows ? &c->shadows->first : NULL; link && *link;) {
        struct shadow *s = *link;
        uintptr_t from = (uintptr_t)s->block, to = (uintptr_t)(s->block + s->count);
        if (to <= (uintptr_t)at || from >= (uintptr_t)at + bytes) {
            link = &s->next;
            continue;
        }
        *link = s->next;
        sim_device_release(c->device, s->copy);
        free(s);
    }
}

void sim_cuda_close_weights(struct sim_cuda *c)
{
    sim_cuda_forget_weights(c, NULL, SIZE_MAX);
    free(c->shadows);
    c->shadows = NULL;
}

static struct shadow *add(struct sim_cuda *c, const float *block, int64_t count)
{
    if (!c->shadows) c->shadows = calloc(1, sizeof *c->shadows);
    struct shadow *s = c->shadows ? calloc(1, sizeof *s) : NULL;
    if (!s) {
        sim_cuda_fail(c, SIM_ENOMEM, "no memory for the list of parameter blocks");
        return NULL;
    }
    *s = (struct shadow){.next = c->shadows->first, .block = block, .count = count};
    if (c->act == SIM_ELEMENT_BF16) {
        s->copy = sim_device_take(c->device, (size_t)count * sizeof *s->copy);
        if (!s->copy) {
            sim_cuda_fail(c, SIM_ENOMEM, "the parameters' bfloat16 copy: %s", sim_error_text());
            free(s);
            return NULL;
        }
    }
    c->shadows->first = s;
    return s;
}

void sim_cuda_weights_changed(const struct sim_ops *o, const float *block, int64_t count)
{
    struct sim_cuda *c = sim_cuda(o);
    struct shadow *s = find(c, block);
    if (count <= 0) return;
    if (!s || s->block != block || s->count != count) {
        sim_cuda_forget_weights(c, block, (size_t)count * sizeof *block);
        s = add(c, block, count);
    }
    if (s && s->copy) sim_k_convert(c->stream, s->copy, SIM_ELEMENT_BF16, block, SIM_ELEMENT_F32, count);
}
