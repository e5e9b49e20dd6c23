/* LayerNorm shared out by chunks of rows, token BatchNorm by strips of columns. */
#include "cpu.h"

static void layernorm(const struct sim_ops *o, float *y, float *mean, float *rstd, const float *x,
                      const float *w, const float *b, int64_t rows, int64_t dim, double eps)
{
    struct sim_cpu *c = sim_cpu(o);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r += SIM_CHUNK_ROWS)
        c->k.layernorm_rows(y + r * dim, mean ? mean + r : NULL, rstd ? rstd + r : NULL, x + r * dim, w, b,
                            sim_min(SIM_CHUNK_ROWS, rows - r), dim, eps);
}

static void layernorm_backward(const struct sim_ops *o, float *dx, int accumulate, float *dw, float *db,
                               const float *dy, const float *x, const float *mean, const float *rstd,
                               const float *w, int64_t rows, int64_t dim)
{
    struct sim_cpu *c = sim_cpu(o);
    int64_t chunks = sim_chunks(rows, SIM_CHUNK_ROWS);
    float *part = NULL; /* (chunks, 2, dim): dw and db of each chunk */
    if (dw && !(part = sim_cpu_shared(c, (size_t)(chunks * 2 * dim)))) return;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < chunks; n++) {
        int64_t r = n * SIM_CHUNK_ROWS;
        float *mine = part ? part + n * 2 * dim : NULL;
        c->k.layernorm_backward_rows(dx + r * dim, accumulate, mine, mine ? mine + dim : NULL, dy + r * dim,
                                     x + r * dim, mean + r, rstd + r, w, sim_min(SIM_CHUNK_ROWS, rows - r),
                                     dim);
    }
    if (!dw) return;
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < dim; j += SIM_STRIP) {
        int64_t cols = sim_min(SIM_STRIP, dim - j);
        c->k.column_sums(dw + j, part + j, 2 * dim, chunks, cols);
        c->k.column_sums(db + j, part + dim + j, 2 * dim, chunks, cols);
    }
}

static void batchnorm(const struct sim_ops *o, float *y, float *mean, float *rstd, float *running_mean,
                      float *running_var, const float *x, const float *w, const float *b, int64_t rows,
                      int64_t dim, double eps, double momentum)
{
    struct sim_cpu *c = sim_cpu(o);
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP)
        c->k.batchnorm_strip(y + j, mean + j, rstd + j, running_mean ? running_mean + j : NULL,
                             running_mean ? running_var + j : NULL, x + j, w + j, b + j, rows,
                             sim_min(SIM_STRIP, dim - j), dim, eps, momentum);
}

static void batchnorm_backward(const struct sim_ops *o, float *dx, int accumulate, float *dw, float *db,
                               const float *dy, const float *x, const float *mean, const float *rstd,
                               const float *w, int64_t rows, int64_t dim)
{
    struct sim_cpu *c = sim_cpu(o);
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP)
        c->k.batchnorm_backward_strip(dx + j, accumulate, dw + j, db + j, dy + j, x + j, mean + j, rstd + j,
                                      w + j, rows, sim_min(SIM_STRIP, dim - j), dim);
}

void sim_cpu_norms(struct sim_ops *o)
{
    o->layernorm = layernorm;
    o->layernorm_backward = layernorm_backward;
    o->batchnorm = batchnorm;
    o->batchnorm_backward = batchnorm_backward;
}
