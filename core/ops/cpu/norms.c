/* LayerNorm shared out by chunks of rows, token BatchNorm by strips of columns. */
#include "cpu.h"

#include <math.h>

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

/* A strip of BatchNorm under way: its sums lie in `total` at first, and are turned into statistics. */
struct strip {
    int64_t first, cols, rows, dim, count; /* count: rows of all ranks */
    const float *x;
    double *total; /* (cols) */
};

static struct strip strip_of(const struct sim_ops *o, int64_t first, const float *x, double *total,
                             int64_t rows, int64_t dim)
{
    return (struct strip){.first = first,
                          .cols = sim_min(SIM_STRIP, dim - first),
                          .rows = rows,
                          .dim = dim,
                          .count = rows * sim_ranks_size(o->ranks),
                          .x = x + first,
                          .total = total};
}

static void take_mean(const struct strip *s, float *mean)
{
    for (int64_t c = 0; c < s->cols; c++) mean[s->first + c] = (float)(s->total[c] / (double)s->count);
}

static void take_variance(const struct strip *s, const float *mean, float *rstd, float *running_mean,
                          float *running_var, double eps, double momentum)
{
    for (int64_t c = 0; c < s->cols; c++) {
        const int64_t at = s->first + c;
        double var = s->total[c] / (double)s->count;
        rstd[at] = (float)(1.0 / sqrt(var + eps));
        if (!running_mean) continue;
        double unbiased = s->count > 1 ? s->total[c] / (double)(s->count - 1) : var;
        running_mean[at] = (float)((1.0 - momentum) * running_mean[at] + momentum * mean[at]);
        running_var[at] = (float)((1.0 - momentum) * running_var[at] + momentum * unbiased);
    }
}

static void batchnorm(const struct sim_ops *o, float *y, float *mean, float *rstd, float *running_mean,
                      float *running_var, const float *x, const float *w, const float *b, int64_t rows,
                      int64_t dim, double eps, double momentum)
{
    struct sim_cpu *c = sim_cpu(o);
    double *total = (double *)sim_cpu_shared(c, (size_t)(2 * dim));
    const int alone = !o->ranks; /* then a strip goes all the way while it is in the cache */
    if (!total) return;
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP) {
        const struct strip s = strip_of(o, j, x, total + j, rows, dim);
        c->k.batchnorm_sums(s.total, s.x, rows, s.cols, dim);
        if (!alone) continue;
        take_mean(&s, mean);
        c->k.batchnorm_squares(s.total, s.x, mean + j, rows, s.cols, dim);
        take_variance(&s, mean, rstd, running_mean, running_var, eps, momentum);
        c->k.batchnorm_apply(y + j, s.x, mean + j, rstd + j, w + j, b + j, rows, s.cols, dim);
    }
    if (alone) return;
    sim_cpu_sum_over_ranks(o, total, dim);
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP) {
        const struct strip s = strip_of(o, j, x, total + j, rows, dim);
        take_mean(&s, mean);
        c->k.batchnorm_squares(s.total, s.x, mean + j, rows, s.cols, dim);
    }
    sim_cpu_sum_over_ranks(o, total, dim);
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP) {
        const struct strip s = strip_of(o, j, x, total + j, rows, dim);
        take_variance(&s, mean, rstd, running_mean, running_var, eps, momentum);
        c->k.batchnorm_apply(y + j, s.x, mean + j, rstd + j, w + j, b + j, rows, s.cols, dim);
    }
}

/* dw and db stay this rank's own, like every gradient until gradients_ready; dx needs the means over all. */
static void batchnorm_backward(const struct sim_ops *o, float *dx, int accumulate, float *dw, float *db,
                               const float *dy, const float *x, const float *mean, const float *rstd,
                               const float *w, int64_t rows, int64_t dim)
{
    struct sim_cpu *c = sim_cpu(o);
    const int alone = !o->ranks;
    const double count = (double)(rows * sim_ranks_size(o->ranks));
    double *sum = (double *)sim_cpu_shared(c, (size_t)(4 * dim)), *dot = sum + dim;
    if (!sum) return;
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP) {
        const int64_t cols = sim_min(SIM_STRIP, dim - j);
        c->k.batchnorm_backward_sums(sum + j, dot + j, dy + j, x + j, mean + j, rstd + j, rows, cols, dim);
        for (int64_t k = j; k < j + cols; k++) dw[k] = (float)dot[k], db[k] = (float)sum[k];
        if (alone)
            c->k.batchnorm_backward_apply(dx + j, accumulate, dy + j, x + j, sum + j, dot + j, count,
                                          mean + j, rstd + j, w + j, rows, cols, dim);
    }
    if (alone) return;
    sim_cpu_sum_over_ranks(o, sum, 2 * dim);
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP)
        c->k.batchnorm_backward_apply(dx + j, accumulate, dy + j, x + j, sum + j, dot + j, count, mean + j,
                                      rstd + j, w + j, rows, sim_min(SIM_STRIP, dim - j), dim);
}

void sim_cpu_norms(struct sim_ops *o)
{
    o->layernorm = layernorm;
    o->layernorm_backward = layernorm_backward;
    o->batchnorm = batchnorm;
    o->batchnorm_backward = batchnorm_backward;
}
