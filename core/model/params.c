#include "params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "positions.h"
#include "rng.h"

void sim_params_start(struct sim_params *p)
{
    memset(p, 0, sizeof *p);
}

/* Room for one more element of an array that doubles; NULL without memory. */
static void *more(void *array, int count, int *room, size_t element_bytes)
{
    if (count < *room) return array;
    int wanted = *room ? *room * 2 : 64;
    void *grown = realloc(array, (size_t)wanted * element_bytes);
    if (grown) *room = wanted;
    return grown;
}

int sim_params_add(struct sim_params *p, int flags, enum sim_init init, double init_value, int partner,
                   int dims, const int64_t *shape, const char *name_format, ...)
{
    struct sim_param *grown = more(p->row, p->count, &p->room, sizeof *grown);
    if (!grown) {
        p->failed = 1;
        return -1;
    }
    p->row = grown;
    struct sim_param *r = &grown[p->count];
    *r = (struct sim_param){.dims = dims,
                            .flags = flags,
                            .count = 1,
                            .gradient = -1,
                            .init = init,
                            .init_value = init_value,
                            .lr_scale = 1,
                            .partner = partner,
                            .offset = p->value_count};
    va_list args;
    va_start(args, name_format);
    int length = vsnprintf(r->name, sizeof r->name, name_format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof r->name) p->failed = 1;
    for (int d = 0; d < dims; d++) {
        r->shape[d] = shape[d];
        if (__builtin_mul_overflow(r->count, shape[d], &r->count) || r->count > (int64_t)1 << 40) {
            p->failed = 1;
            r->count = 0;
        }
    }
    p->value_count += (r->count + 15) / 16 * 16; /* every tensor starts on a line of its own */
    if (flags & SIM_ROW_TRAINED) {
        r->gradient = p->gradient_count;
        p->gradient_count += (r->count + 15) / 16 * 16;
    }
    return p->count++;
}

int sim_params_add_counter(struct sim_params *p, const char *name_format, ...)
{
    struct sim_counter *grown = more(p->counter, p->counters, &p->counter_room, sizeof *grown);
    if (!grown) {
        p->failed = 1;
        return -1;
    }
    p->counter = grown;
    struct sim_counter *c = &grown[p->counters];
    *c = (struct sim_counter){.after = p->count - 1};
    va_list args;
    va_start(args, name_format);
    vsnprintf(c->name, sizeof c->name, name_format, args);
    va_end(args);
    return p->counters++;
}

static float *floats(const struct sim_ops *o, int64_t count)
{
    return o->memory.take(o->memory.context, (size_t)count * sizeof(float));
}

/* The host's copies, or the same memory under another name. */
static int host_copies(struct sim_params *p, int training)
{
    struct sim_params_host *h = &p->host;
    if (!p->ops->discrete) {
        *h = (struct sim_params_host){p->value, p->gradient, p->moment1, p->moment2};
        return 1;
    }
    h->value = sim_calloc_aligned((size_t)p->value_count, sizeof(float));
    if (!training) return h->value != NULL;
    h->gradient = sim_calloc_aligned((size_t)p->gradient_count, sizeof(float));
    h->moment1 = sim_calloc_aligned((size_t)p->gradient_count, sizeof(float));
    h->moment2 = sim_calloc_aligned((size_t)p->gradient_count, sizeof(float));
    return h->value && h->gradient && h->moment1 && h->moment2;
}

sim_status sim_params_allocate(struct sim_params *p, const struct sim_ops *ops, int training)
{
    if (p->failed)
        return sim_fail(SIM_ENOMEM, "the parameter table does not fit: too many or too large tensors");
    p->ops = ops;
    p->value = floats(ops, p->value_count);
    int good = p->value != NULL;
    if (training) {
        p->gradient = floats(ops, p->gradient_count);
        p->moment1 = floats(ops, p->gradient_count);
        p->moment2 = floats(ops, p->gradient_count);
        good = good && p->gradient && p->moment1 && p->moment2;
    }
    if (good && host_copies(p, training)) return SIM_OK;
    double bytes = 4.0 * ((double)p->value_count + 3.0 * (training ? (double)p->gradient_count : 0));
    return sim_memory_lacks(good ? &sim_host_memory : &ops->memory, "the parameters", (size_t)bytes);
}

void sim_params_close(struct sim_params *p)
{
    const struct sim_ops *o = p->ops;
    float *const blocks[] = {p->value, p->gradient, p->moment1, p->moment2};
    float *const copies[] = {p->host.value, p->host.gradient, p->host.moment1, p->host.moment2};
    free(p->row), free(p->counter);
    for (int i = 0; o && i < 4; i++) {
        if (o->discrete) free(copies[i]);
        if (blocks[i]) o->memory.release(o->memory.context, blocks[i]);
    }
    memset(p, 0, sizeof *p);
}

static void uniform(float *v, int64_t count, struct sim_rng *rng, double bound)
{
    for (int64_t i = 0; i < count; i++) v[i] = (float)sim_rng_between(rng, -bound, bound);
}

sim_status sim_params_initialise(struct sim_params *p, uint64_t seed)
{
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        float *v = p->host.value + row->offset;
        struct sim_rng rng = sim_rng_make(seed, SIM_PURPOSE_INIT, 0, (uint64_t)r, 0);
        if (row->partner >= 0) continue;
        switch (row->init) {
        case SIM_INIT_CONSTANT:
            for (int64_t i = 0; i < row->count; i++) v[i] = (float)row->init_value;
            break;
        case SIM_INIT_NORMAL:
            for (int64_t i = 0; i < row->count; i++) v[i] = (float)(row->init_value * sim_rng_normal(&rng));
            break;
        case SIM_INIT_XAVIER:
            uniform(v, row->count, &rng, sqrt(6.0 / (double)(row->shape[0] + row->count / row->shape[0])));
            break;
        case SIM_INIT_FAN_IN:
            uniform(v, row->count, &rng, 1.0 / sqrt(row->init_value));
            break;
        case SIM_INIT_POSITIONS: /* (1, 1 + g g, D) */
            sim_absolute_positions(v, (enum sim_position_order)row->init_value,
                                   (int64_t)(sqrt((double)row->shape[1] - 1) + 0.5), row->shape[2]);
            break;
        }
    }
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        if (row->partner >= 0)
            memcpy(p->host.value + row->offset, p->host.value + p->row[row->partner].offset,
                   (size_t)row->count * sizeof(float));
    }
    for (int i = 0; i < p->counters; i++) p->counter[i].value = 0;
    return sim_params_store(p);
}

/* ------------------------------------------------------------------ between host and backend */

static void copy_block(const struct sim_ops *o,
                       void (*copy)(const struct sim_ops *, void *, const void *, size_t), float *to,
                       const float *from, int64_t count)
{
    if (to && to != from) copy(o, to, from, (size_t)count * sizeof(float));
}

sim_status sim_params_fetch(const struct sim_params *p, int what)
{
    const struct sim_ops *o = p->ops;
    if (what & SIM_FETCH_VALUES) copy_block(o, o->download, p->host.value, p->value, p->value_count);
    if (what & SIM_FETCH_GRADIENTS)
        copy_block(o, o->download, p->host.gradient, p->gradient, p->gradient_count);
    if (what & SIM_FETCH_MOMENTS) {
        copy_block(o, o->download, p->host.moment1, p->moment1, p->gradient_count);
        copy_block(o, o->download, p->host.moment2, p->moment2, p->gradient_count);
    }
    return o->finish(o);
}

sim_status sim_params_store(struct sim_params *p)
{
    const struct sim_ops *o = p->ops;
    copy_block(o, o->upload, p->value, p->host.value, p->value_count);
    copy_block(o, o->upload, p->moment1, p->host.moment1, p->gradient_count);
    copy_block(o, o->upload, p->moment2, p->host.moment2, p->gradient_count);
    o->weights_changed(o, p->value, p->value_count);
    return o->finish(o);
}

void sim_params_count_batch(struct sim_params *p)
{
    for (int i = 0; i < p->counters; i++) p->counter[i].value++;
}

int sim_params_find(const struct sim_params *p, const char *name)
{
    for (int r = 0; r < p->count; r++)
        if (strcmp(p->row[r].name, name) == 0) return r;
    return -1;
}

int sim_params_find_encoder(const struct sim_params *p, const char *name)
{
    char full[sizeof p->row->name];
    snprintf(full, sizeof full, "%s%s", p->encoder ? p->encoder : "", name);
    return sim_params_find(p, full);
}

void sim_gradients_ready(const struct sim_params *p, int first, int last)
{
    int64_t from = -1, to = 0; /* one piece: rows that follow each other do so in the gradient too */
    for (int r = first; r <= last; r++) {
        const struct sim_param *row = &p->row[r];
        if (row->gradient < 0) continue;
        if (from < 0) from = row->gradient;
        to = row->gradient + row->count;
    }
    if (from >= 0) p->ops->gradients_ready(p->ops, p->gradient + from, to - from);
}

sim_status sim_params_trained(const struct sim_params *p, double weight_decay, struct sim_segment **out,
                              int *count)
{
    struct sim_segment *s = calloc((size_t)p->count + 1, sizeof *s);
    if (!s) return sim_fail(SIM_ENOMEM, "no memory for the list of trained tensors");
    *count = 0;
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        if (row->gradient < 0) continue;
        s[(*count)++] =
            (struct sim_segment){.p = p->value + row->offset,
                                 .g = p->gradient + row->gradient,
                                 .m = p->moment1 + row->gradient,
                                 .v = p->moment2 + row->gradient,
                                 .count = row->count,
                                 .weight_decay = row->flags & SIM_ROW_DECAYED ? (float)weight_decay : 0,
                                 .lr_scale = row->lr_scale};
    }
    *out = s;
    return SIM_OK;
}

sim_status sim_params_momentum(const struct sim_params *p, struct sim_segment **out, int *count)
{
    struct sim_segment *s = calloc((size_t)p->count + 1, sizeof *s);
    if (!s) return sim_fail(SIM_ENOMEM, "no memory for the list of momentum tensors");
    *count = 0;
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        if (row->partner < 0 || row->flags & SIM_ROW_BUFFER) continue;
        s[(*count)++] = (struct sim_segment){
            .p = p->value + row->offset, .g = sim_value(p, row->partner), .count = row->count};
    }
    *out = s;
    return SIM_OK;
}

sim_status sim_params_tensors(const struct sim_params *p, struct sim_tensor **out, int *count)
{
    SIM_TRY(sim_params_fetch(p, SIM_FETCH_VALUES));
    struct sim_tensor *t = calloc((size_t)(p->count + p->counters + 1), sizeof *t);
    if (!t) return sim_fail(SIM_ENOMEM, "no memory for the list of tensors");
    int n = 0, c = 0;
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        t[n] = (struct sim_tensor){.name = row->name,
                                   .dtype = SIM_F32,
                                   .dims = row->dims,
                                   .count = row->count,
                                   .data = p->host.value + row->offset};
        for (int d = 0; d < row->dims; d++) t[n].shape[d] = row->shape[d];
        n++;
        for (; c < p->counters && p->counter[c].after == r; c++)
            t[n++] = (struct sim_tensor){
                .name = p->counter[c].name, .dtype = SIM_I64, .count = 1, .data = &p->counter[c].value};
    }
    *out = t;
    *count = n;
    return SIM_OK;
}

sim_status sim_params_load(struct sim_params *p, const struct sim_tensors *file)
{
    const struct sim_tensor *t;
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        SIM_TRY(sim_tensors_expect(file, row->name, SIM_F32, row->dims, row->shape, &t));
        memcpy(p->host.value + row->offset, t->data, (size_t)row->count * sizeof(float));
    }
    for (int i = 0; i < p->counters; i++) {
        SIM_TRY(sim_tensors_expect(file, p->counter[i].name, SIM_I64, 0, NULL, &t));
        memcpy(&p->counter[i].value, t->data, sizeof p->counter[i].value);
    }
    return sim_params_store(p);
}

static int belongs_to_encoder(const char *name)
{
    return strcmp(name, "cls_token") == 0 || strcmp(name, "pos_embed") == 0 ||
           strncmp(name, "patch_embed.", 12) == 0 || strncmp(name, "blocks.", 7) == 0 ||
           strncmp(name, "norm.", 5) == 0;
}

/* The row's name in timm's ViT; NULL: it is none of the encoder's. */
static const char *name_in_encoder(const struct sim_params *p, const char *name)
{
    const size_t prefix = p->encoder ? strlen(p->encoder) : 0;
    if (prefix && strncmp(name, p->encoder, prefix) != 0) return NULL;
    return belongs_to_encoder(name + prefix) ? name + prefix : NULL;
}

sim_status sim_params_copy_encoder(struct sim_params *out, const struct sim_params *from)
{
    sim_params_start(out);
    for (int r = 0; r < from->count; r++) {
        const struct sim_param *row = &from->row[r];
        const char *name = name_in_encoder(from, row->name);
        if (name) sim_params_add(out, 0, row->init, row->init_value, -1, row->dims, row->shape, "%s", name);
    }
    SIM_TRY(sim_params_allocate(out, from->ops, 0));
    SIM_TRY(sim_params_fetch(from, SIM_FETCH_VALUES));
    for (int r = 0, to = 0; r < from->count; r++) {
        const struct sim_param *row = &from->row[r];
        if (!name_in_encoder(from, row->name)) continue;
        memcpy(out->host.value + out->row[to++].offset, from->host.value + row->offset,
               (size_t)row->count * sizeof(float));
    }
    return sim_params_store(out);
}

sim_status sim_params_write_encoder(const struct sim_params *p, const char *path, const char *const *metadata)
{
    struct sim_tensor *t;
    int count, kept = 0;
    SIM_TRY(sim_params_tensors(p, &t, &count));
    for (int i = 0; i < count; i++) {
        const char *name = name_in_encoder(p, t[i].name);
        if (!name) continue;
        t[kept] = t[i];
        t[kept++].name = name;
    }
    sim_status status = sim_tensors_write(path, t, kept, metadata);
    free(t);
    return status;
}
