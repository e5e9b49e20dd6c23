/* Token BatchNorm: statistics of every column over all rows, so each direction reads its operands twice, once
 * for the sums and once to apply them: 6 bytes an element of bfloat16 forward, 10 backward.
 *
 * Sums of 8 rows are taken in float32 about their own mean, their totals in double about zero: raw sums add
 * up over blocks and ranks, and in double the variance survives means a million deviations away. */
#include "columns.h"

/* The 8 rows from r0 of this lane's columns; rows past `to` are left as they are. */
template <class T, int V>
static __device__ __forceinline__ void load_rows(float (&v)[SIM_COLUMN_ROWS][V], const T *x, int64_t r0,
                                                 int64_t to, int64_t dim)
{
    SIM_UNROLL for (int i = 0; i < SIM_COLUMN_ROWS; i++) if (r0 + i < to)
        sim_load<V>(v[i], x + (r0 + i) * dim);
}

/* ------------------------------------------------------------------ forward */

/* part (gridDim.y, 2, dim): sums, sums of squares. */
template <class T, int V>
__global__ void __launch_bounds__(SIM_COLUMN_THREADS)
    k_batchnorm_sums(double *part, const T *x, int64_t rows, int64_t dim)
{
    SIM_DYNAMIC_SHARED(double, shared);
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP;
    const int64_t column = ((int64_t)blockIdx.x * SIM_WARP + lane) * V;
    const sim_run run = sim_run_of_block(rows);
    double total[2][V] = {};
    if (column < dim)
        for (int64_t r0 = run.from + warp * SIM_COLUMN_ROWS; r0 < run.to;
             r0 += SIM_COLUMN_WARPS * SIM_COLUMN_ROWS) {
            float v[SIM_COLUMN_ROWS][V] = {};
            const int here = (int)min((int64_t)SIM_COLUMN_ROWS, run.to - r0);
            load_rows<T, V>(v, x + column, r0, run.to, dim);
            SIM_UNROLL for (int k = 0; k < V; k++)
            {
                float sum = 0, rest = 0, squares = 0;
                SIM_UNROLL for (int i = 0; i < SIM_COLUMN_ROWS; i++) sum += v[i][k];
                const float mu = sum / (float)here;
                SIM_UNROLL for (int i = 0; i < SIM_COLUMN_ROWS; i++) if (i < here)
                {
                    const float d = v[i][k] - mu;
                    rest += d;
                    squares = fmaf(d, d, squares);
                }
                const double about = (double)mu, more = (double)rest;
                total[0][k] += here * about + more;
                total[1][k] += (double)squares + about * (2 * more + here * about);
            }
        }
    sim_column_store<2, V>(part + blockIdx.y * 2 * dim, dim, total, dim, shared);
}

__global__ void k_batchnorm_statistics(float *mean, float *rstd, float *running_mean, float *running_var,
                                       const double *sums, int64_t count, int64_t dim, double eps,
                                       double momentum)
{
    const int64_t c = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= dim) return;
    const double n = (double)count, mu = sums[c] / n, var = fmax(sums[dim + c] / n - mu * mu, 0.0);
    mean[c] = (float)mu;
    rstd[c] = (float)(1.0 / sqrt(var + eps));
    if (!running_mean) return;
    const double unbiased = count > 1 ? var * (n / (n - 1)) : var;
    running_mean[c] = (float)((1.0 - momentum) * (double)running_mean[c] + momentum * mu);
    running_var[c] = (float)((1.0 - momentum) * (double)running_var[c] + momentum * unbiased);
}

template <class T, int V>
__global__ void __launch_bounds__(SIM_COLUMN_THREADS)
    k_batchnorm_apply(T *y, const T *x, const float *mean, const float *rstd, const float *w, const float *b,
                      int64_t rows, int64_t dim)
{
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP;
    const int64_t column = ((int64_t)blockIdx.x * SIM_WARP + lane) * V;
    const sim_run run = sim_run_of_block(rows);
    if (column >= dim) return;
    float mu[V], scale[V], shift[V], weight[V];
    sim_load<V>(mu, mean + column);
    sim_load<V>(scale, rstd + column);
    sim_load_or<V>(weight, w ? w + column : w, 1);
    sim_load_or<V>(shift, b ? b + column : b, 0);
    SIM_UNROLL for (int k = 0; k < V; k++) scale[k] *= weight[k];
    SIM_UNROLL_4 for (int64_t r = run.from + warp; r < run.to; r += SIM_COLUMN_WARPS)
    {
        float v[V];
        sim_load<V>(v, x + r * dim + column);
        SIM_UNROLL for (int k = 0; k < V; k++) v[k] = fmaf(v[k] - mu[k], scale[k], shift[k]);
        sim_store<V>(y + r * dim + column, v);
    }
}

/* ------------------------------------------------------------------ backward */

/* part (gridDim.y, 2, dim): sums of dy, sums of dy xhat. */
template <class T, int V>
__global__ void __launch_bounds__(SIM_COLUMN_THREADS)
    k_batchnorm_backward_sums(double *part, const T *dy, const T *x, const float *mean, const float *rstd,
                              int64_t rows, int64_t dim)
{
    SIM_DYNAMIC_SHARED(double, shared);
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP;
    const int64_t column = ((int64_t)blockIdx.x * SIM_WARP + lane) * V;
    const sim_run run = sim_run_of_block(rows);
    double total[2][V] = {};
    if (column < dim) {
        float mu[V], scale[V];
        sim_load<V>(mu, mean + column);
        sim_load<V>(scale, rstd + column);
        for (int64_t r0 = run.from + warp * SIM_COLUMN_ROWS; r0 < run.to;
             r0 += SIM_COLUMN_WARPS * SIM_COLUMN_ROWS) {
            float g[SIM_COLUMN_ROWS][V] = {}, v[SIM_COLUMN_ROWS][V] = {}; /* rows past the end: g = 0 */
            load_rows<T, V>(g, dy + column, r0, run.to, dim);
            load_rows<T, V>(v, x + column, r0, run.to, dim);
            SIM_UNROLL for (int k = 0; k < V; k++)
            {
                float sum = 0, dot = 0;
                SIM_UNROLL for (int i = 0; i < SIM_COLUMN_ROWS; i++)
                {
                    sum += g[i][k];
                    dot = fmaf(g[i][k], (v[i][k] - mu[k]) * scale[k], dot);
                }
                total[0][k] += (double)sum;
                total[1][k] += (double)dot;
            }
        }
    }
    sim_column_store<2, V>(part + blockIdx.y * 2 * dim, dim, total, dim, shared);
}

/* This rank's own share of the parameters' gradients; sums (parts, 2, dim). */
__global__ void k_batchnorm_gradients(float *dw, float *db, const double *sums, int64_t parts, int64_t dim)
{
    const int64_t c = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= dim) return;
    double shift = 0, gain = 0;
    for (int64_t p = 0; p < parts; p++) {
        shift += sums[2 * p * dim + c];
        gain += sums[(2 * p + 1) * dim + c];
    }
    db[c] = (float)shift;
    dw[c] = (float)gain;
}

template <class T, int V>
__global__ void __launch_bounds__(SIM_COLUMN_THREADS)
    k_batchnorm_backward_apply(T *dx, int accumulate, const T *dy, const T *x, const float *mean,
                               const float *rstd, const float *w, const double *sums, double count,
                               int64_t rows, int64_t dim)
{
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP;
    const int64_t column = ((int64_t)blockIdx.x * SIM_WARP + lane) * V;
    const sim_run run = sim_run_of_block(rows);
    if (column >= dim) return;
    float mu[V], scale[V], m1[V], m2[V], weight[V];
    sim_load<V>(mu, mean + column);
    sim_load<V>(scale, rstd + column);
    sim_load_or<V>(weight, w ? w + column : w, 1);
    SIM_UNROLL for (int k = 0; k < V; k++)
    {
        m1[k] = (float)(sums[column + k] / count);
        m2[k] = (float)(sums[dim + column + k] / count) * scale[k];
        scale[k] *= weight[k];
    }
    SIM_UNROLL_4 for (int64_t r = run.from + warp; r < run.to; r += SIM_COLUMN_WARPS)
    {
        float g[V], v[V], before[V] = {};
        T *const out = dx + r * dim + column;
        sim_load<V>(g, dy + r * dim + column);
        sim_load<V>(v, x + r * dim + column);
        if (accumulate) sim_load<V>(before, out);
        SIM_UNROLL for (int k = 0; k < V; k++) g[k] =
            before[k] + scale[k] * (g[k] - m1[k] - (v[k] - mu[k]) * m2[k]);
        sim_store<V>(out, g);
    }
}

/* ------------------------------------------------------------------ launchers */

/* The grid of the passes that apply: 64 rows a block, so that reading the columns' parameters is 1 part in 8
 * of a warp's work. */
static dim3 apply_grid(int64_t rows, int64_t dim, int V)
{
    return dim3((unsigned)sim_ceil(dim, SIM_WARP * V), (unsigned)sim_least(sim_ceil(rows, 64), 65535));
}

static dim3 sums_grid(int64_t parts, int64_t dim, int V)
{
    return dim3((unsigned)sim_ceil(dim, SIM_WARP * V), (unsigned)parts);
}

size_t sim_k_batchnorm_bytes(int64_t rows, int64_t dim)
{
    return (size_t)(sim_column_parts(rows, dim) * 2 * dim) * sizeof(double);
}

void sim_k_batchnorm_sums(sim_stream s, enum sim_element act, double *sums, const void *x, int64_t rows,
                          int64_t dim, void *scratch)
{
    const int64_t parts = sim_column_parts(rows, dim);
    double *const part = (double *)scratch;
    SIM_BY_TYPE(act, dim, sim_on_16(x), {
        SIM_LAUNCH((k_batchnorm_sums<T, V>), sums_grid(parts, dim, V), SIM_COLUMN_THREADS,
                   2 * SIM_COLUMN_THREADS * V * sizeof(double), s, part, (const T *)x, rows, dim);
    });
    sim_k_sum_parts_double(s, sums, part, parts, 2 * dim, 2 * dim, 1.0);
}

void sim_k_batchnorm_statistics(sim_stream s, float *mean, float *rstd, float *running_mean,
                                float *running_var, const double *sums, int64_t count, int64_t dim,
                                double eps, double momentum)
{
    SIM_LAUNCH(k_batchnorm_statistics, sim_ceil(dim, 128), 128, 0, s, mean, rstd, running_mean, running_var,
               sums, count, dim, eps, momentum);
}

void sim_k_batchnorm_apply(sim_stream s, enum sim_element act, void *y, const void *x, const float *mean,
                           const float *rstd, const float *w, const float *b, int64_t rows, int64_t dim)
{
    SIM_BY_TYPE(act, dim, sim_on_16(y, x, mean, rstd, w, b), {
        SIM_LAUNCH((k_batchnorm_apply<T, V>), apply_grid(rows, dim, V), SIM_COLUMN_THREADS, 0, s, (T *)y,
                   (const T *)x, mean, rstd, w, b, rows, dim);
    });
}

void sim_k_batchnorm_backward_sums(sim_stream s, enum sim_element act, double *sums, const void *dy,
                                   const void *x, const float *mean, const float *rstd, int64_t rows,
                                   int64_t dim, void *scratch)
{
    const int64_t parts = sim_column_parts(rows, dim);
    double *const part = (double *)scratch;
    SIM_BY_TYPE(act, dim, sim_on_16(dy, x, mean, rstd), {
        SIM_LAUNCH((k_batchnorm_backward_sums<T, V>), sums_grid(parts, dim, V), SIM_COLUMN_THREADS,
                   2 * SIM_COLUMN_THREADS * V * sizeof(double), s, part, (const T *)dy, (const T *)x, mean,
                   rstd, rows, dim);
    });
    sim_k_sum_parts_double(s, sums, part, parts, 2 * dim, 2 * dim, 1.0);
}

void sim_k_batchnorm_gradients(sim_stream s, float *dw, float *db, const double *sums, int64_t parts,
                               int64_t dim)
{
    SIM_LAUNCH(k_batchnorm_gradients, sim_ceil(dim, 128), 128, 0, s, dw, db, sums, parts, dim);
}

void sim_k_batchnorm_backward_apply(sim_stream s, enum sim_element act, void *dx, int accumulate,
                                    const void *dy, const void *x, const float *mean, const float *rstd,
                                    const float *w, const double *sums, int64_t count, int64_t rows,
                                    int64_t dim)
{
    SIM_BY_TYPE(act, dim, sim_on_16(dx, dy, x, mean, rstd, w), {
        SIM_LAUNCH((k_batchnorm_backward_apply<T, V>), apply_grid(rows, dim, V), SIM_COLUMN_THREADS, 0, s,
                   (T *)dx, accumulate, (const T *)dy, (const T *)x, mean, rstd, w, sums, (double)count, rows,
                   dim);
    });
}
