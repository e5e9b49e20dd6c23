#include "linear_head.h"

#include <math.h>
#include <string.h>

#include "rng.h"

#define NORM_EPS 1e-6
#define RUNNING_SHARE 0.1
#define INIT_DEVIATION 0.01

static int64_t block_size(const struct sim_linear_head_shape *s)
{
    return (s->dim + 1) * s->classes;
}

static void plan(struct sim_linear_head *h)
{
    const struct sim_linear_head_shape *s = &h->shape;
    const int64_t block = block_size(s);
    struct sim_arena *a = &h->arena;
    h->w = sim_arena_floats(a, block);
    h->gradient = sim_arena_floats(a, block);
    h->speed = sim_arena_floats(a, block);
    h->running_mean = sim_arena_floats(a, s->dim);
    h->running_var = sim_arena_floats(a, s->dim);
    h->rows = sim_arena_floats(a, s->batch * s->dim);
    h->z = sim_arena_floats(a, s->batch * s->dim);
    h->logits = sim_arena_floats(a, s->batch * s->classes);
    h->target = sim_arena_floats(a, s->batch * s->classes);
    h->mean = sim_arena_floats(a, s->dim);
    h->rstd = sim_arena_floats(a, s->dim);
}

sim_status sim_linear_head_open(struct sim_linear_head *h, const struct sim_linear_head_shape *shape,
                                uint64_t seed)
{
    *h = (struct sim_linear_head){.shape = *shape};
    if (shape->dim < 1 || shape->classes < 1 || shape->batch < 2)
        return sim_fail(SIM_EINVAL,
                        "linear probe: %lld features, %lld classes, batches of %lld; at least 1, 1 and 2 are "
                        "needed, as BatchNorm has no variance of one row",
                        (long long)shape->dim, (long long)shape->classes, (long long)shape->batch);
    SIM_TRY(sim_ops_cpu_open(&h->ops, NULL));
    sim_arena_measure(&h->arena);
    plan(h);
    sim_status status = h->arena.failed
                            ? sim_fail(SIM_ENOMEM, "batches of %lld rows in %lld classes are beyond counting",
                                       (long long)shape->batch, (long long)shape->classes)
                            : sim_arena_open(&h->arena, &h->ops.memory, h->arena.used_bytes);
    if (status != SIM_OK) {
        sim_linear_head_close(h);
        return sim_context(status, "linear probe");
    }
    plan(h);
    h->b = h->w + shape->dim * shape->classes;
    struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_PROBE, 0, 0, 0);
    /* The published code's truncation at +-2 lies at 200 deviations: there is none. */
    for (int64_t k = 0; k < shape->dim * shape->classes; k++)
        h->w[k] = (float)(INIT_DEVIATION * sim_rng_normal(&r));
    for (int64_t j = 0; j < shape->dim; j++) h->running_var[j] = 1;
    return SIM_OK;
}

void sim_linear_head_close(struct sim_linear_head *h)
{
    sim_arena_close(&h->arena);
    if (h->ops.close) h->ops.close(&h->ops);
    *h = (struct sim_linear_head){0};
}

/* LARS as MAE has it: the step of a matrix is measured by its own length, a bias takes plain momentum. */
static void lars(const struct sim_linear_head_shape *s, float *p, const float *g, float *speed, int64_t count,
                 int matrix, double lr)
{
    const double decay = matrix ? s->weight_decay : 0;
    double scale = 1, weights = 0, steps = 0;
    for (int64_t k = 0; matrix && k < count; k++) {
        double d = g[k] + decay * p[k];
        weights += (double)p[k] * p[k];
        steps += d * d;
    }
    if (weights > 0 && steps > 0) scale = s->trust * sqrt(weights) / sqrt(steps);
    for (int64_t k = 0; k < count; k++) {
        speed[k] = (float)(s->momentum * speed[k] + scale * (g[k] + decay * p[k]));
        p[k] = (float)(p[k] - lr * speed[k]);
    }
}

/* h->rows = the rows asked for, under LayerNorm. */
static void take_rows(struct sim_linear_head *h, const float *x, const uint32_t *order, int64_t count)
{
    const int64_t dim = h->shape.dim;
    for (int64_t i = 0; i < count; i++)
        memcpy(h->rows + i * dim, x + (order ? (int64_t)order[i] : i) * dim, (size_t)dim * sizeof *x);
    h->ops.layernorm(&h->ops, h->rows, NULL, NULL, h->rows, NULL, NULL, count, dim, NORM_EPS);
}

sim_status sim_linear_head_step(struct sim_linear_head *h, const float *x, const int32_t *label,
                                const uint32_t *order, double lr, double *loss)
{
    const struct sim_linear_head_shape *s = &h->shape;
    const struct sim_ops *o = &h->ops;
    const int64_t weights = s->dim * s->classes;
    memset(h->target, 0, (size_t)(s->batch * s->classes) * sizeof *h->target);
    for (int64_t i = 0; i < s->batch; i++) h->target[i * s->classes + label[order[i]]] = 1;
    take_rows(h, x, order, s->batch);
    o->batchnorm(o, h->z, h->mean, h->rstd, h->running_mean, h->running_var, h->rows, NULL, NULL, 1, s->batch,
                 s->dim, NORM_EPS, RUNNING_SHARE);
    o->weights_changed(o, h->w, block_size(s));
    o->linear(o, h->logits, h->z, h->w, h->b, s->batch, s->dim, s->classes);
    o->cross_entropy(o, loss, h->logits, h->logits, h->target, s->batch, s->classes);
    o->linear_backward_weight(o, h->gradient, h->gradient + weights, h->logits, h->z, s->batch, s->dim,
                              s->classes);
    SIM_TRY(o->finish(o));
    lars(s, h->w, h->gradient, h->speed, weights, 1, lr);
    lars(s, h->b, h->gradient + weights, h->speed + weights, s->classes, 0, lr);
    return SIM_OK;
}

sim_status sim_linear_head_logits(struct sim_linear_head *h, const float *x, int64_t count, float *logits)
{
    const struct sim_linear_head_shape *s = &h->shape;
    const struct sim_ops *o = &h->ops;
    if (count > s->batch)
        return sim_fail(SIM_EINVAL, "linear probe: %lld rows where %lld have room", (long long)count,
                        (long long)s->batch);
    take_rows(h, x, NULL, count);
    for (int64_t j = 0; j < s->dim; j++) h->rstd[j] = (float)(1 / sqrt(h->running_var[j] + NORM_EPS));
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < s->dim; j++)
            h->z[i * s->dim + j] = (h->rows[i * s->dim + j] - h->running_mean[j]) * h->rstd[j];
    o->weights_changed(o, h->w, block_size(s));
    o->linear(o, logits, h->z, h->w, h->b, count, s->dim, s->classes);
    return o->finish(o);
}

sim_status sim_linear_head_count_right(struct sim_linear_head *h, const float *x, const int32_t *label,
                                       int64_t count, int64_t *right)
{
    const struct sim_linear_head_shape *s = &h->shape;
    *right = 0;
    for (int64_t first = 0; first < count; first += s->batch) {
        int64_t rows = count - first < s->batch ? count - first : s->batch;
        SIM_TRY(sim_linear_head_logits(h, x + first * s->dim, rows, h->logits));
        for (int64_t i = 0; i < rows; i++) {
            const float *logit = h->logits + i * s->classes;
            int64_t best = 0;
            for (int64_t c = 1; c < s->classes; c++)
                if (logit[c] > logit[best]) best = c;
            *right += best == label[first + i];
        }
    }
    return SIM_OK;
}
