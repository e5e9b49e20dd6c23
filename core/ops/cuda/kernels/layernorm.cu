/* LayerNorm.  A warp keeps a row in registers: it is read once and written once, 4 bytes an element of
 * bfloat16 forward, 6 backward (8 where dx is added to), and the statistics are taken from the registers in
 * two passes, so that a mean far from zero costs no digits.  Rows too wide for that, and rows that do not lie
 * on 16 bytes and have more than 256 elements, are read again by a block for every pass: correct, and seldom
 * needed. */
#include "vectors.h"

enum { ROW_WARPS = 4, ROW_THREADS = ROW_WARPS * SIM_WARP, WIDE_THREADS = 256 };

/* The step'th V elements of this lane. */
template <int V> static __device__ __forceinline__ int column_of(int step)
{
    return (step * SIM_WARP + (int)(threadIdx.x % SIM_WARP)) * V;
}

/* What rounding the mean left over is moved into it: nothing for centred rows, digits for rows far from zero.
 * squares and rest: sums over the row of (x - mu)^2 and x - mu. */
static __device__ __forceinline__ float finish_statistics(float *mu, float squares, float rest, int64_t dim,
                                                          double eps)
{
    const double shift = (double)rest / (double)dim;
    *mu += (float)shift;
    return (float)(1.0 / sqrt((double)squares / (double)dim - shift * shift + eps));
}

/* ------------------------------------------------------------------ forward */

/* STEPS V elements a lane hold the row. */
template <class T, int V, int STEPS>
__global__ void __launch_bounds__(ROW_THREADS)
    k_layernorm(T *y, float *mean, float *rstd, const T *x, const float *w, const float *b, int64_t rows,
                int dim, double eps)
{
    const int64_t row = (int64_t)blockIdx.x * ROW_WARPS + threadIdx.x / SIM_WARP;
    if (row >= rows) return;
    const T *const in = x + row * dim;
    T *const out = y + row * dim;
    float v[STEPS][V] = {}, sum = 0, rest = 0, squares = 0;
    SIM_UNROLL for (int i = 0; i < STEPS; i++) if (column_of<V>(i) < dim)
        sim_load<V>(v[i], in + column_of<V>(i));
    SIM_UNROLL for (int i = 0; i < STEPS; i++) SIM_UNROLL for (int k = 0; k < V; k++) sum += v[i][k];
    float mu = sim_warp_sum(sum) / (float)dim;
    SIM_UNROLL for (int i = 0; i < STEPS; i++) if (column_of<V>(i) < dim)
        SIM_UNROLL for (int k = 0; k < V; k++)
    {
        const float d = v[i][k] - mu;
        rest += d;
        squares = fmaf(d, d, squares);
    }
    const float scale = finish_statistics(&mu, sim_warp_sum(squares), sim_warp_sum(rest), dim, eps);
    SIM_UNROLL for (int i = 0; i < STEPS; i++) if (column_of<V>(i) < dim)
    {
        float weight[V], bias[V];
        sim_load_or<V>(weight, w ? w + column_of<V>(i) : nullptr, 1.0f);
        sim_load_or<V>(bias, b ? b + column_of<V>(i) : nullptr, 0.0f);
        SIM_UNROLL for (int k = 0; k < V; k++) v[i][k] = fmaf((v[i][k] - mu) * scale, weight[k], bias[k]);
        sim_store<V>(out + column_of<V>(i), v[i]);
    }
    if (mean && threadIdx.x % SIM_WARP == 0) {
        mean[row] = mu;
        rstd[row] = scale;
    }
}

template <class T>
__global__ void __launch_bounds__(WIDE_THREADS)
    k_layernorm_wide(T *y, float *mean, float *rstd, const T *x, const float *w, const float *b, int64_t dim,
                     double eps)
{
    const int64_t row = blockIdx.x;
    const T *const in = x + row * dim;
    T *const out = y + row * dim;
    float sum = 0, rest = 0, squares = 0;
    for (int64_t c = threadIdx.x; c < dim; c += WIDE_THREADS) sum += sim_widen(in[c]);
    float mu = sim_block_sum(sum) / (float)dim;
    for (int64_t c = threadIdx.x; c < dim; c += WIDE_THREADS) {
        const float d = sim_widen(in[c]) - mu;
        rest += d;
        squares = fmaf(d, d, squares);
    }
    squares = sim_block_sum(squares);
    rest = sim_block_sum(rest);
    const float scale = finish_statistics(&mu, squares, rest, dim, eps);
    for (int64_t c = threadIdx.x; c < dim; c += WIDE_THREADS)
        sim_narrow(out + c, fmaf((sim_widen(in[c]) - mu) * scale, w ? w[c] : 1.0f, b ? b[c] : 0.0f));
    if (mean && threadIdx.x == 0) {
        mean[row] = mu;
        rstd[row] = scale;
    }
}

/* ------------------------------------------------------------------ backward */

/* dx = rstd (g - mean(g) - xhat mean(g xhat)) with g = dy w.  A warp takes rows that are a whole grid apart
 * and keeps its columns' share of dw and db in registers; the block's warps then add theirs up in order into
 * part (gridDim.x, 2, dim), dw first. */
template <class T, int V, int STEPS, bool GRADIENTS>
__global__ void __launch_bounds__(ROW_THREADS)
    k_layernorm_backward(T *dx, int accumulate, float *part, const T *dy, const T *x, const float *mean,
                         const float *rstd, const float *w, int64_t rows, int dim)
{
    SIM_DYNAMIC_SHARED(float, shared); /* (2, dim) where GRADIENTS */
    const int warp = threadIdx.x / SIM_WARP;
    float dw[GRADIENTS ? STEPS : 1][V] = {}, db[GRADIENTS ? STEPS : 1][V] = {};
    for (int64_t row = (int64_t)blockIdx.x * ROW_WARPS + warp; row < rows;
         row += (int64_t)gridDim.x * ROW_WARPS) {
        float hat[STEPS][V] = {}, g[STEPS][V] = {}, s1 = 0, s2 = 0;
        const float mu = mean[row], scale = rstd[row];
        SIM_UNROLL for (int i = 0; i < STEPS; i++) if (column_of<V>(i) < dim)
        {
            sim_load<V>(hat[i], x + row * dim + column_of<V>(i));
            sim_load<V>(g[i], dy + row * dim + column_of<V>(i));
        }
        SIM_UNROLL for (int i = 0; i < STEPS; i++) if (column_of<V>(i) < dim)
        {
            float weight[V];
            sim_load_or<V>(weight, w ? w + column_of<V>(i) : nullptr, 1.0f);
            SIM_UNROLL for (int k = 0; k < V; k++)
            {
                hat[i][k] = (hat[i][k] - mu) * scale;
                if constexpr (GRADIENTS) {
                    dw[i][k] = fmaf(g[i][k], hat[i][k], dw[i][k]);
                    db[i][k] += g[i][k];
                }
                g[i][k] *= weight[k];
                s1 += g[i][k];
                s2 = fmaf(g[i][k], hat[i][k], s2);
            }
        }
        s1 = sim_warp_sum(s1) / (float)dim;
        s2 = sim_warp_sum(s2) / (float)dim;
        SIM_UNROLL for (int i = 0; i < STEPS; i++) if (column_of<V>(i) < dim)
        {
            float before[V] = {};
            T *const out = dx + row * dim + column_of<V>(i);
            if (accumulate) sim_load<V>(before, out);
            SIM_UNROLL for (int k = 0; k < V; k++) g[i][k] =
                before[k] + scale * (g[i][k] - s1 - hat[i][k] * s2);
            sim_store<V>(out, g[i]);
        }
    }
    if constexpr (GRADIENTS) {
        for (int turn = 0; turn < ROW_WARPS; turn++) {
            SIM_UNROLL for (int i = 0; i < STEPS; i++) if (turn == warp && column_of<V>(i) < dim)
                SIM_UNROLL for (int k = 0; k < V; k++)
            {
                const int c = column_of<V>(i) + k;
                shared[c] = dw[i][k] + (turn ? shared[c] : 0);
                shared[dim + c] = db[i][k] + (turn ? shared[dim + c] : 0);
            }
            __syncthreads();
        }
        for (int c = threadIdx.x; c < 2 * dim; c += ROW_THREADS)
            part[(int64_t)blockIdx.x * 2 * dim + c] = shared[c];
    }
}

/* Each thread adds up its columns' dw and db in part itself. */
template <class T>
__global__ void __launch_bounds__(WIDE_THREADS)
    k_layernorm_backward_wide(T *dx, int accumulate, float *part, const T *dy, const T *x, const float *mean,
                              const float *rstd, const float *w, int64_t rows, int64_t dim)
{
    float *const mine = part ? part + (int64_t)blockIdx.x * 2 * dim : nullptr;
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const T *const in = x + row * dim, *const from = dy + row * dim;
        T *const out = dx + row * dim;
        const float mu = mean[row], scale = rstd[row];
        float s1 = 0, s2 = 0;
        for (int64_t c = threadIdx.x; c < dim; c += WIDE_THREADS) {
            const float hat = (sim_widen(in[c]) - mu) * scale, g = sim_widen(from[c]), gw = w ? g * w[c] : g;
            s1 += gw;
            s2 = fmaf(gw, hat, s2);
            if (mine) {
                const bool first = row == blockIdx.x;
                mine[c] = fmaf(g, hat, first ? 0 : mine[c]);
                mine[dim + c] = g + (first ? 0 : mine[dim + c]);
            }
        }
        s1 = sim_block_sum(s1) / (float)dim;
        s2 = sim_block_sum(s2) / (float)dim;
        for (int64_t c = threadIdx.x; c < dim; c += WIDE_THREADS) {
            const float hat = (sim_widen(in[c]) - mu) * scale, g = sim_widen(from[c]), gw = w ? g * w[c] : g;
            sim_narrow(out + c, (accumulate ? sim_widen(out[c]) : 0) + scale * (gw - s1 - hat * s2));
        }
    }
}

/* ------------------------------------------------------------------ launchers */

/* Runs the statements with STEPS, the least of 1, 2, 3, 4, 6 and 8 that holds a row, or `wide` beyond. */
#define BY_STEPS(dim, V, wide, ...)                                                                          \
    do {                                                                                                     \
        const int64_t steps_ = sim_ceil(dim, SIM_WARP * V);                                                  \
        if (steps_ == 1) {                                                                                   \
            constexpr int STEPS = 1;                                                                         \
            __VA_ARGS__;                                                                                     \
        } else if (steps_ == 2) {                                                                            \
            constexpr int STEPS = 2;                                                                         \
            __VA_ARGS__;                                                                                     \
        } else if (steps_ == 3) {                                                                            \
            constexpr int STEPS = 3;                                                                         \
            __VA_ARGS__;                                                                                     \
        } else if (steps_ == 4) {                                                                            \
            constexpr int STEPS = 4;                                                                         \
            __VA_ARGS__;                                                                                     \
        } else if (steps_ <= 6) {                                                                            \
            constexpr int STEPS = 6;                                                                         \
            __VA_ARGS__;                                                                                     \
        } else if (steps_ <= 8) {                                                                            \
            constexpr int STEPS = 8;                                                                         \
            __VA_ARGS__;                                                                                     \
        } else {                                                                                             \
            wide;                                                                                            \
        }                                                                                                    \
    } while (0)

void sim_k_layernorm(sim_stream s, enum sim_element act, void *y, float *mean, float *rstd, const void *x,
                     const float *w, const float *b, int64_t rows, int64_t dim, double eps)
{
    SIM_BY_TYPE(act, dim, sim_on_16(y, x, w, b), {
        T *const out = (T *)y;
        const T *const in = (const T *)x;
        BY_STEPS(
            dim, V,
            SIM_LAUNCH(k_layernorm_wide<T>, rows, WIDE_THREADS, 0, s, out, mean, rstd, in, w, b, dim, eps),
            SIM_LAUNCH((k_layernorm<T, V, STEPS>), sim_ceil(rows, ROW_WARPS), ROW_THREADS, 0, s, out, mean,
                       rstd, in, w, b, rows, (int)dim, eps));
    });
}

/* Blocks, and so rows of partial sums: enough for 132 multiprocessors of 4 blocks, few enough that the
 * partial sums of a large batch are a small part of what is moved. */
static int64_t backward_parts(int64_t rows)
{
    return sim_least(sim_ceil(rows, ROW_WARPS), 528);
}

size_t sim_k_layernorm_backward_bytes(int64_t rows, int64_t dim)
{
    return (size_t)(backward_parts(rows) * 2 * dim) * sizeof(float);
}

void sim_k_layernorm_backward(sim_stream s, enum sim_element act, void *dx, int accumulate, float *dw,
                              float *db, const void *dy, const void *x, const float *mean, const float *rstd,
                              const float *w, int64_t rows, int64_t dim, void *scratch)
{
    float *const part = dw ? (float *)scratch : nullptr;
    const int64_t parts = backward_parts(rows), blocks = dw ? parts : sim_ceil(rows, ROW_WARPS);
    SIM_BY_TYPE(act, dim, sim_on_16(dx, dy, x, w), {
        T *const out = (T *)dx;
        const T *const g = (const T *)dy;
        const T *const in = (const T *)x;
        BY_STEPS(dim, V,
                 SIM_LAUNCH(k_layernorm_backward_wide<T>, parts, WIDE_THREADS, 0, s, out, accumulate, part, g,
                            in, mean, rstd, w, rows, dim),
                 if (dw) SIM_LAUNCH((k_layernorm_backward<T, V, STEPS, true>), blocks, ROW_THREADS,
                                    (size_t)(2 * dim) * sizeof(float), s, out, accumulate, part, g, in, mean,
                                    rstd, w, rows, (int)dim);
                 else SIM_LAUNCH((k_layernorm_backward<T, V, STEPS, false>), blocks, ROW_THREADS, 0, s, out,
                                 accumulate, part, g, in, mean, rstd, w, rows, (int)dim));
    });
    if (!dw) return;
    sim_k_sum_parts(s, dw, part, parts, 2 * dim, dim);
    sim_k_sum_parts(s, db, part + dim, parts, 2 * dim, dim);
}
