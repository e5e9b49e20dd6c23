/* Residual branches with LayerScale and drop path. */
#include "columns.h"

enum { THREADS = 256 };

/* Moves 6 bytes an element of bfloat16. */
template <class T, int V>
__global__ void k_scale_residual(T *y, const T *x, const T *branch, const float *gamma, const float *keep,
                                 int64_t packs, int64_t tokens, int64_t row_packs)
{
    const int64_t n = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= packs) return;
    const int64_t row = sim_quotient(n, row_packs), column = (n - row * row_packs) * V;
    const float kept = keep ? keep[sim_quotient(row, tokens)] : 1.0f;
    float v[V], add[V], scale[V];
    sim_load<V>(v, x + n * V);
    sim_load<V>(add, branch + n * V);
    sim_load_or<V>(scale, gamma ? gamma + column : nullptr, 1.0f);
    SIM_UNROLL for (int k = 0; k < V; k++) v[k] = fmaf(kept * scale[k], add[k], v[k]);
    sim_store<V>(y + n * V, v);
}

void sim_k_scale_residual(sim_stream s, enum sim_element act, void *y, const void *x, const void *branch,
                          const float *gamma, const float *keep, int64_t batch, int64_t tokens, int64_t dim)
{
    SIM_BY_TYPE(act, dim, sim_on_16(y, x, branch, gamma), {
        const int64_t packs = batch * tokens * dim / V;
        SIM_LAUNCH((k_scale_residual<T, V>), sim_ceil(packs, THREADS), THREADS, 0, s, (T *)y, (const T *)x,
                   (const T *)branch, gamma, keep, packs, tokens, dim / V);
    });
}

/* Moves 6 bytes an element of bfloat16; part (gridDim.y, dim) where dgamma is wanted, else NULL and 4 bytes.
 * dbranch may be dy. */
template <class T, int V>
__global__ void __launch_bounds__(SIM_COLUMN_THREADS)
    k_scale_residual_backward(T *dbranch, float *part, const T *dy, const T *branch, const float *gamma,
                              const float *keep, int64_t rows, int64_t tokens, int64_t dim)
{
    SIM_DYNAMIC_SHARED(float, shared);
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP;
    const int64_t column = ((int64_t)blockIdx.x * SIM_WARP + lane) * V;
    const sim_run run = sim_run_of_block(rows);
    float sum[1][V] = {}, scale[V];
    if (column < dim) {
        sim_load_or<V>(scale, gamma ? gamma + column : nullptr, 1.0f);
        SIM_UNROLL_4 for (int64_t r = run.from + warp; r < run.to; r += SIM_COLUMN_WARPS)
        {
            const float kept = keep ? keep[sim_quotient(r, tokens)] : 1.0f;
            float g[V], add[V];
            sim_load<V>(g, dy + r * dim + column);
            if (part) sim_load<V>(add, branch + r * dim + column);
            SIM_UNROLL for (int k = 0; k < V; k++)
            {
                g[k] *= kept;
                if (part) sum[0][k] = fmaf(g[k], add[k], sum[0][k]);
                g[k] *= scale[k];
            }
            sim_store<V>(dbranch + r * dim + column, g);
        }
    }
    if (part) sim_column_store<1, V>(part + blockIdx.y * dim, dim, sum, dim, shared);
}

size_t sim_k_scale_residual_backward_bytes(int64_t rows, int64_t dim)
{
    return (size_t)(sim_column_parts(rows, dim) * dim) * sizeof(float);
}

void sim_k_scale_residual_backward(sim_stream s, enum sim_element act, void *dbranch, float *dgamma,
                                   const void *dy, const void *branch, const float *gamma, const float *keep,
                                   int64_t batch, int64_t tokens, int64_t dim, void *scratch)
{
    const int64_t rows = batch * tokens, parts = sim_column_parts(rows, dim);
    float *const part = dgamma ? (float *)scratch : nullptr;
    SIM_BY_TYPE(act, dim, sim_on_16(dbranch, dy, branch, gamma), {
        const dim3 grid((unsigned)sim_ceil(dim, SIM_WARP * V), (unsigned)parts);
        SIM_LAUNCH((k_scale_residual_backward<T, V>), grid, SIM_COLUMN_THREADS,
                   SIM_COLUMN_THREADS * V * sizeof(float), s, (T *)dbranch, part, (const T *)dy,
                   (const T *)branch, gamma, keep, rows, tokens, dim);
    });
    if (dgamma) sim_k_sum_parts(s, dgamma, part, parts, dim, dim);
}
