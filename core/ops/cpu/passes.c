/* The loss, and the passes over the parameter block: pieces of fixed size, one thread each, sums in order. */
#include "cpu.h"

#include <math.h>
#include <stdlib.h>

enum { PIECE = 16384 };

static void covariance(const struct sim_ops *o, float *c, const float *t, int64_t rows, int64_t dim)
{
    const int64_t count = rows * sim_ranks_size(o->ranks);
    o->gemm(o, SIM_T, SIM_N, dim, dim, rows, 1.0f / (float)count, t, dim, t, dim, 0, c, dim);
    sim_status s = sim_ranks_sum_floats(o->ranks, c, dim * dim);
    if (s != SIM_OK) sim_cpu_fail(sim_cpu(o), s, sim_error_text());
}

static void unigrad(const struct sim_ops *o, double *loss, float *dp, const float *p, const float *t,
                    const float *covariance_t, int64_t rows, int64_t dim, double neg_weight)
{
    struct sim_cpu *c = sim_cpu(o);
    int64_t chunks = sim_chunks(rows, SIM_CHUNK_ROWS);
    double per = 1.0 / ((double)rows * (double)dim), total = 0;
    o->gemm(o, SIM_N, SIM_N, rows, dim, dim, 1, p, dim, covariance_t, dim, 0, dp,
            dim); /* dp holds p C at first */
    double *part = (double *)sim_cpu_shared(c, (size_t)(2 * chunks));
    if (!part) return;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < chunks; n++) {
        int64_t r = n * SIM_CHUNK_ROWS, at = r * dim;
        part[n] = c->k.unigrad_rows(dp + at, p + at, t + at, dp + at, sim_min(SIM_CHUNK_ROWS, rows - r), dim,
                                    neg_weight, 2 * per);
    }
    for (int64_t n = 0; n < chunks; n++) total += part[n];
    *loss = total * per;
    sim_cpu_mean_over_ranks(o, loss);
}

struct piece {
    int64_t segment, first, count;
};

/* Cuts the segments into pieces; the caller frees.  NULL, recorded, without memory. */
static struct piece *cut(struct sim_cpu *c, const struct sim_segment *s, int count, int64_t *pieces)
{
    int64_t total = 0, n = 0;
    for (int i = 0; i < count; i++) total += sim_chunks(s[i].count, PIECE);
    *pieces = total;
    struct piece *list = malloc((size_t)(total ? total : 1) * sizeof *list);
    if (!list) {
        sim_cpu_fail(c, SIM_ENOMEM, "no memory to cut the parameter block into pieces");
        *pieces = 0;
        return NULL;
    }
    for (int i = 0; i < count; i++)
        for (int64_t at = 0; at < s[i].count; at += PIECE)
            list[n++] = (struct piece){i, at, sim_min(PIECE, s[i].count - at)};
    return list;
}

static void sum_squares(const struct sim_ops *o, double *sum, const struct sim_segment *s, int count)
{
    struct sim_cpu *c = sim_cpu(o);
    int64_t pieces;
    struct piece *list = cut(c, s, count, &pieces);
    double *part = list ? (double *)sim_cpu_shared(c, (size_t)(2 * pieces)) : NULL, total = 0;
    if (part) {
#pragma omp parallel for schedule(static)
        for (int64_t n = 0; n < pieces; n++)
            part[n] = c->k.flat_squares(s[list[n].segment].g + list[n].first, list[n].count);
        for (int64_t n = 0; n < pieces; n++) total += part[n];
    }
    free(list);
    *sum = total;
}

static void clip(const struct sim_ops *o, struct sim_scalars *s, double clip_grad)
{
    const double norm = sqrt(s->sum_squares), scale = clip_grad > 0 ? clip_grad / (norm + 1e-6) : 1;
    (void)o;
    s->grad_scale = scale < 1 ? scale : 1;
    if (!isfinite(s->loss) || !isfinite(norm) || (clip_grad <= 0 && norm > SIM_LARGEST_NORM)) s->halted = 1;
}

static void adamw(const struct sim_ops *o, const struct sim_segment *s, int count,
                  const struct sim_scalars *scalars, const struct sim_adamw *h)
{
    struct sim_cpu *c = sim_cpu(o);
    int64_t pieces;
    if (scalars->halted) return;
    struct piece *list = cut(c, s, count, &pieces);
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < pieces; n++) {
        const struct sim_segment *one = &s[list[n].segment];
        int64_t at = list[n].first;
        c->k.flat_adamw(one->p + at, one->g + at, one->m + at, one->v + at, list[n].count, h, scalars,
                        scalars->in.lr * one->lr_scale, one->weight_decay);
    }
    free(list);
}

static void ema(const struct sim_ops *o, const struct sim_segment *s, int count,
                const struct sim_scalars *scalars)
{
    struct sim_cpu *c = sim_cpu(o);
    int64_t pieces;
    if (scalars->halted) return;
    struct piece *list = cut(c, s, count, &pieces);
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < pieces; n++)
        c->k.flat_ema(s[list[n].segment].p + list[n].first, s[list[n].segment].g + list[n].first,
                      list[n].count, scalars->in.momentum);
    free(list);
}

/* The mean is made by the ranks' own thread, while this one goes on with the backward. */
static void gradients_ready(const struct sim_ops *o, float *gradient, int64_t count)
{
    sim_status s = sim_ranks_mean_begin(o->ranks, gradient, count);
    if (s != SIM_OK) sim_cpu_fail(sim_cpu(o), s, sim_error_text());
}

static void gradients_wait(const struct sim_ops *o)
{
    sim_status s = sim_ranks_mean_wait(o->ranks);
    if (s != SIM_OK) sim_cpu_fail(sim_cpu(o), s, sim_error_text());
}

void sim_cpu_passes(struct sim_ops *o)
{
    o->covariance = covariance;
    o->unigrad = unigrad;
    o->sum_squares = sum_squares;
    o->clip = clip;
    o->adamw = adamw;
    o->ema = ema;
    o->gradients_ready = gradients_ready;
    o->gradients_wait = gradients_wait;
}
