/* LayerNorm, and token BatchNorm whose sums are those of all ranks: their rows are equal in number. */
#include "cuda_ranks.h"
#include "kernels.h"

static void layernorm(const struct sim_ops *o, sim_act *y, float *mean, float *rstd, const sim_act *x,
                      const float *w, const float *b, int64_t rows, int64_t dim, double eps)
{
    struct sim_cuda *c = sim_cuda(o);
    sim_k_layernorm(c->stream, c->act, y, mean, rstd, x, w, b, rows, dim, eps);
}

static void layernorm_backward(const struct sim_ops *o, sim_act *dx, int accumulate, float *dw, float *db,
                               const sim_act *dy, const sim_act *x, const float *mean, const float *rstd,
                               const float *w, int64_t rows, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    void *scratch = dw ? sim_cuda_scratch(c, sim_k_layernorm_backward_bytes(rows, dim)) : NULL;
    if (dw && !scratch) return;
    sim_k_layernorm_backward(c->stream, c->act, dx, accumulate, dw, db, dy, x, mean, rstd, w, rows, dim,
                             scratch);
}

/* Room for the sums (parts, 2, dim) of all ranks, and behind them for the partial sums of one part. */
static double *sums_and_rest(struct sim_cuda *c, int64_t parts, int64_t rows, int64_t dim, void **rest)
{
    double *sums =
        sim_cuda_scratch(c, (size_t)(2 * parts * dim) * sizeof *sums + sim_k_batchnorm_bytes(rows, dim));
    *rest = sums ? sums + 2 * parts * dim : NULL;
    return sums;
}

static void batchnorm(const struct sim_ops *o, sim_act *y, float *mean, float *rstd, float *running_mean,
                      float *running_var, const sim_act *x, const float *w, const float *b, int64_t parts,
                      int64_t rows, int64_t dim, double eps, double momentum)
{
    struct sim_cuda *c = sim_cuda(o);
    const int64_t count = rows * sim_cuda_ranks_size(c), part = rows * dim;
    void *rest;
    double *sums = sums_and_rest(c, parts, rows, dim, &rest);
    if (!sums) return;
    for (int64_t p = 0; p < parts; p++)
        sim_k_batchnorm_sums(c->stream, c->act, sums + 2 * p * dim, sim_cuda_at(c, x, p * part), rows, dim,
                             rest);
    sim_cuda_sum_over_ranks(c, sums, 2 * parts * dim);
    for (int64_t p = 0; p < parts; p++) {
        float *const mu = mean + p * dim, *const scale = rstd + p * dim;
        sim_k_batchnorm_statistics(c->stream, mu, scale, running_mean, running_var, sums + 2 * p * dim, count,
                                   dim, eps, momentum);
        sim_k_batchnorm_apply(c->stream, c->act, sim_cuda_at(c, y, p * part), sim_cuda_at(c, x, p * part), mu,
                              scale, w, b, rows, dim);
    }
}

/* dw and db are this rank's own sums, like every gradient of a parameter; dx knows of the sums of all. */
static void batchnorm_backward(const struct sim_ops *o, sim_act *dx, int accumulate, float *dw, float *db,
                               const sim_act *dy, const sim_act *x, const float *mean, const float *rstd,
                               const float *w, int64_t parts, int64_t rows, int64_t dim)
{
    struct sim_cuda *c = sim_cuda(o);
    const int64_t count = rows * sim_cuda_ranks_size(c), part = rows * dim;
    void *rest;
    double *sums = sums_and_rest(c, parts, rows, dim, &rest);
    if (!sums) return;
    for (int64_t p = 0; p < parts; p++)
        sim_k_batchnorm_backward_sums(c->stream, c->act, sums + 2 * p * dim, sim_cuda_at(c, dy, p * part),
                                      sim_cuda_at(c, x, p * part), mean + p * dim, rstd + p * dim, rows, dim,
                                      rest);
    if (dw) sim_k_batchnorm_gradients(c->stream, dw, db, sums, parts, dim);
    sim_cuda_sum_over_ranks(c, sums, 2 * parts * dim);
    for (int64_t p = 0; p < parts; p++)
        sim_k_batchnorm_backward_apply(c->stream, c->act, sim_cuda_at(c, dx, p * part), accumulate,
                                       sim_cuda_at(c, dy, p * part), sim_cuda_at(c, x, p * part),
                                       mean + p * dim, rstd + p * dim, w, sums + 2 * p * dim, count, rows,
                                       dim);
}

void sim_cuda_fill_norms(struct sim_ops *o)
{
    o->layernorm = layernorm;
    o->layernorm_backward = layernorm_backward;
    o->batchnorm = batchnorm;
    o->batchnorm_backward = batchnorm_backward;
}
