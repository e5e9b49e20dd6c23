/* What a contrastive head needs besides norms and products: ReLU, rows of length 1, and InfoNCE, whose keys
 * are those of all ranks. */
#include "cpu.h"

#include <math.h>
#include <string.h>

enum { PIECE = 16384 };
#define LEAST_LENGTH 1e-12 /* PyTorch's normalize */

static void relu(const struct sim_ops *o, float *y, const float *x, int64_t count)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t at = 0; at < count; at += PIECE)
        for (int64_t i = at; i < sim_min(at + PIECE, count); i++) y[i] = x[i] < 0 ? 0 : x[i];
}

static void relu_backward(const struct sim_ops *o, float *dx, const float *y, int64_t count)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t at = 0; at < count; at += PIECE)
        for (int64_t i = at; i < sim_min(at + PIECE, count); i++) dx[i] = y[i] == 0 ? 0 : dx[i];
}

static double dot(const float *a, const float *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void unit_rows(const struct sim_ops *o, float *y, float *rstd, const float *x, int64_t rows,
                      int64_t dim)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * dim;
        const float scale = (float)(1 / fmax(sqrt(dot(from, from, dim)), LEAST_LENGTH));
        for (int64_t i = 0; i < dim; i++) y[r * dim + i] = scale * from[i];
        if (rstd) rstd[r] = scale;
    }
}

static void unit_rows_backward(const struct sim_ops *o, float *dx, const float *dy, const float *y,
                               const float *rstd, int64_t rows, int64_t dim)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const float *g = dy + r * dim, *unit = y + r * dim, along = (float)dot(g, unit, dim);
        for (int64_t i = 0; i < dim; i++) dx[r * dim + i] = rstd[r] * (g[i] - along * unit[i]);
    }
}

/* ------------------------------------------------------------------ InfoNCE */

/* -log softmax(x) at `own`; x becomes scale times its gradient. */
static double tell_apart(float *x, int64_t own, int64_t keys, double scale)
{
    double sum = 0;
    const float at_own = x[own];
    float top = x[0];
    for (int64_t k = 1; k < keys; k++) top = x[k] > top ? x[k] : top;
    for (int64_t k = 0; k < keys; k++) sum += exp((double)x[k] - (double)top);
    for (int64_t k = 0; k < keys; k++)
        x[k] = (float)(scale * (exp((double)x[k] - (double)top) / sum - (k == own)));
    return log(sum) - ((double)at_own - (double)top);
}

/* The keys of all ranks, in their order: this one's own where it is alone, else in `all`. */
static const float *keys_of_all(const struct sim_ops *o, float *all, const float *k, int64_t count)
{
    if (!o->ranks) return k;
    sim_status s = sim_ranks_share(o->ranks, k, all, (size_t)count * sizeof *k);
    if (s != SIM_OK) {
        sim_cpu_fail(sim_cpu(o), s, sim_error_text());
        memset(all, 0, (size_t)(count * o->ranks->size) * sizeof *all); /* no memory is read unwritten */
    }
    return all;
}

static void info_nce(const struct sim_ops *o, double *loss, float *dq, const float *q, const float *k,
                     int64_t parts, int64_t rows, int64_t dim, double temperature)
{
    struct sim_cpu *c = sim_cpu(o);
    const int64_t ranks = sim_ranks_size(o->ranks), keys = rows * ranks,
                  chunks = sim_chunks(rows, SIM_CHUNK_ROWS);
    const int64_t first = o->ranks ? o->ranks->rank * rows : 0;
    double total = 0, *sum = (double *)sim_cpu_shared(c, (size_t)(2 * chunks + keys * (rows + dim)));
    if (!sum) return;
    float *logits = (float *)(sum + chunks), *room = logits + rows * keys;
    for (int64_t p = 0; p < parts; p++) {
        const int64_t at = p * rows * dim;
        const float *all = keys_of_all(o, room, k + at, rows * dim);
        o->gemm(o, SIM_N, SIM_T, rows, keys, dim, (float)(1 / temperature), q + at, dim, all, dim, 0, logits,
                keys);
#pragma omp parallel for schedule(static)
        for (int64_t n = 0; n < chunks; n++) {
            sum[n] = 0;
            for (int64_t r = n * SIM_CHUNK_ROWS; r < sim_min(rows, (n + 1) * SIM_CHUNK_ROWS); r++)
                sum[n] += tell_apart(logits + r * keys, first + r, keys, 2 / (double)rows);
        }
        o->gemm(o, SIM_N, SIM_N, rows, dim, keys, 1, logits, keys, all, dim, 0, dq + at, dim);
        for (int64_t n = 0; n < chunks; n++) total += sum[n];
    }
    *loss = total * 2 * temperature / (double)rows;
    if (!o->ranks) return;
    sim_cpu_sum_over_ranks(o, loss, 1);
    *loss /= (double)ranks;
}

void sim_cpu_contrast(struct sim_ops *o)
{
    o->relu = relu;
    o->relu_backward = relu_backward;
    o->unit_rows = unit_rows;
    o->unit_rows_backward = unit_rows_backward;
    o->info_nce = info_nce;
}
