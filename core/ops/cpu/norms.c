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

/* A strip of one part's BatchNorm under way: its sums lie in `total` at first, and are turned into
 * statistics. */
struct strip {
    int64_t first, cols, rows, dim, count; /* count: rows of all ranks */
    const float *x;
    float *mean, *rstd; /* (cols) */
    double *total;      /* (cols) */
};

/* Columns `first` on of part `part`; mean, rstd, total: (parts, dim). */
static struct strip strip_of(const struct sim_ops *o, int64_t part, int64_t first, const float *x,
                             float *mean, float *rstd, double *total, int64_t rows, int64_t dim)
{
    const int64_t at = part * dim + first;
    return (struct strip){.first = first,
                          .cols = sim_min(SIM_STRIP, dim - first),
                          .rows = rows,
                          .dim = dim,
                          .count = rows * sim_ranks_size(o->ranks),
                          .x = x + part * rows * dim + first,
                          .mean = mean + at,
                          .rstd = rstd + at,
                          .total = total + at};
}

static void take_mean(const struct strip *s)
{
    for (int64_t c = 0; c < s->cols; c++) s->mean[c] = (float)(s->total[c] / (double)s->count);
}

static void take_variance(const struct strip *s, float *running_mean, float *running_var, double eps,
                          double momentum)
{
    for (int64_t c = 0; c < s->cols; c++) {
        const int64_t at = s->first + c;
        double var = s->total[c] / (double)s->count;
        s->rstd[c] = (float)(1.0 / sqrt(var + eps));
        if (!running_mean) continue;
        double unbiased = s->count > 1 ? s->total[c] / (double)(s->count - 1) : var;
        running_mean[at] = (float)((1.0 - momentum) * running_mean[at] + momentum * s->mean[c]);
        running_var[at] = (float)((1.0 - momentum) * running_var[at] + momentum * unbiased);
    }
}

static void apply(struct sim_cpu *c, const struct strip *s, float *y, const float *w, const float *b)
{
    c->k.batchnorm_apply(y, s->x, s->mean, s->rstd, w ? w + s->first : NULL, b ? b + s->first : NULL, s->rows,
                         s->cols, s->dim);
}

/* A strip is one thread's through all parts, whose running statistics follow each other. */
static void batchnorm(const struct sim_ops *o, float *y, float *mean, float *rstd, float *running_mean,
                      float *running_var, const float *x, const float *w, const float *b, int64_t parts,
                      int64_t rows, int64_t dim, double eps, double momentum)
{
    struct sim_cpu *c = sim_cpu(o);
    double *total = (double *)sim_cpu_shared(c, (size_t)(2 * parts * dim));
    const int alone = !o->ranks; /* then a strip goes all the way while it is in the cache */
    if (!total) return;
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP)
        for (int64_t p = 0; p < parts; p++) {
            const struct strip s = strip_of(o, p, j, x, mean, rstd, total, rows, dim);
            c->k.batchnorm_sums(s.total, s.x, rows, s.cols, dim);
            if (!alone) continue;
            take_mean(&s);
            c->k.batchnorm_squares(s.total, s.x, s.mean, rows, s.cols, dim);
            take_variance(&s, running_mean, running_var, eps, momentum);
            apply(c, &s, y + p * rows * dim + j, w, b);
        }
    if (alone) return;
    sim_cpu_sum_over_ranks(o, total, parts * dim);
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP)
        for (int64_t p = 0; p < parts; p++) {
            const struct strip s = strip_of(o, p, j, x, mean, rstd, total, rows, dim);
            take_mean(&s);
            c->k.batchnorm_squares(s.total, s.x, s.mean, rows, s.cols, dim);
        }
    sim_cpu_sum_over_ranks(o, total, parts * dim);
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP)
        for (int64_t p = 0; p < parts; p++) {
            const struct strip s = strip_of(o, p, j, x, mean, rstd, total, rows, dim);
            take_variance(&s, running_mean, running_var, eps, momentum);
            apply(c, &s, y + p * rows * dim + j, w, b);
        }
}

/* What batchnorm_backward adds up: sums of dy, and of dy xhat, (parts, dim) each. */
struct backward {
    float *dx;
    int accumulate;
    const float *dy, *x, *mean, *rstd, *w;
    int64_t rows, dim;
    double *sum, *dot, count;
};

static void backward_apply(struct sim_cpu *c, const struct backward *b, int64_t part, int64_t first)
{
    const int64_t at = part * b->rows * b->dim + first, column = part * b->dim + first;
    c->k.batchnorm_backward_apply(b->dx + at, b->accumulate, b->dy + at, b->x + at, b->sum + column,
                                  b->dot + column, b->count, b->mean + column, b->rstd + column,
                                  b->w ? b->w + first : NULL, b->rows, sim_min(SIM_STRIP, b->dim - first),
                                  b->dim);
}

/* dw and db stay this rank's own, like every gradient until gradients_ready; dx needs the means over all. */
static void batchnorm_backward(const struct sim_ops *o, float *dx, int accumulate, float *dw, float *db,
                               const float *dy, const float *x, const float *mean, const float *rstd,
                               const float *w, int64_t parts, int64_t rows, int64_t dim)
{
    struct sim_cpu *c = sim_cpu(o);
    const int alone = !o->ranks;
    double *sum = (double *)sim_cpu_shared(c, (size_t)(4 * parts * dim));
    if (!sum) return;
    const struct backward b = {.dx = dx,
                               .accumulate = accumulate,
                               .dy = dy,
                               .x = x,
                               .mean = mean,
                               .rstd = rstd,
                               .w = w,
                               .rows = rows,
                               .dim = dim,
                               .sum = sum,
                               .dot = sum + parts * dim,
                               .count = (double)(rows * sim_ranks_size(o->ranks))};
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP) {
        const int64_t cols = sim_min(SIM_STRIP, dim - j);
        for (int64_t p = 0; p < parts; p++) {
            const int64_t at = p * rows * dim + j, column = p * dim + j;
            c->k.batchnorm_backward_sums(b.sum + column, b.dot + column, dy + at, x + at, mean + column,
                                         rstd + column, rows, cols, dim);
            if (alone) backward_apply(c, &b, p, j);
        }
        for (int64_t k = j; dw && k < j + cols; k++) {
            double gain = 0, shift = 0;
            for (int64_t p = 0; p < parts; p++) gain += b.dot[p * dim + k], shift += b.sum[p * dim + k];
            dw[k] = (float)gain, db[k] = (float)shift;
        }
    }
    if (alone) return;
    sim_cpu_sum_over_ranks(o, sum, 2 * parts * dim);
#pragma omp parallel for schedule(dynamic)
    for (int64_t j = 0; j < dim; j += SIM_STRIP)
        for (int64_t p = 0; p < parts; p++) backward_apply(c, &b, p, j);
}

void sim_cpu_norms(struct sim_ops *o)
{
    o->layernorm = layernorm;
    o->layernorm_backward = layernorm_backward;
    o->batchnorm = batchnorm;
    o->batchnorm_backward = batchnorm_backward;
}
