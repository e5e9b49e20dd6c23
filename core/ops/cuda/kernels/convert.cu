/* Conversions between element types, and sums of columns: bias gradients, and the second stage of other sums.
 */
#include "columns.h"

/* ------------------------------------------------------------------ convert */

/* Moves 6 bytes an element between float32 and bfloat16. */
template <int V, class To, class From> __global__ void k_convert(To *to, const From *from, int64_t count)
{
    const int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * V;
    float x[V];
    if (i + V <= count) {
        sim_load<V>(x, from + i);
        sim_store<V>(to + i, x);
    } else {
        for (int64_t k = i; k < count; k++) sim_narrow(to + k, sim_widen(from[k]));
    }
}

template <class To, class From> static void convert(sim_stream s, void *to, const void *from, int64_t count)
{
    const bool wide = sim_on_16(to, from);
    To *const out = (To *)to;
    const From *const in = (const From *)from;
    if (wide)
        SIM_LAUNCH((k_convert<8, To, From>), sim_ceil(count, 256 * 8), 256, 0, s, out, in, count);
    else
        SIM_LAUNCH((k_convert<1, To, From>), sim_ceil(count, 256), 256, 0, s, out, in, count);
}

void sim_k_convert(sim_stream s, void *to, enum sim_element to_type, const void *from,
                   enum sim_element from_type, int64_t count)
{
    const bool to_bf16 = to_type == SIM_ELEMENT_BF16, from_bf16 = from_type == SIM_ELEMENT_BF16;
    if (to_bf16 && from_bf16)
        convert<__nv_bfloat16, __nv_bfloat16>(s, to, from, count);
    else if (to_bf16)
        convert<__nv_bfloat16, float>(s, to, from, count);
    else if (from_bf16)
        convert<float, __nv_bfloat16>(s, to, from, count);
    else
        convert<float, float>(s, to, from, count);
}

/* ------------------------------------------------------------------ column sums, first stage */

/* part (gridDim.y, cols).  Reads every element once: 2 bytes each of bfloat16. */
template <class T, int V>
__global__ void __launch_bounds__(SIM_COLUMN_THREADS)
    k_column_sums(float *part, const T *x, sim_k_rows r, int64_t cols)
{
    SIM_DYNAMIC_SHARED(float, shared);
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP;
    const int64_t column = ((int64_t)blockIdx.x * SIM_WARP + lane) * V;
    const sim_run run = sim_run_of_block(r.images * r.count);
    float sum[1][V] = {};
    if (column < cols)
        for (int64_t r0 = run.from + warp * SIM_COLUMN_ROWS; r0 < run.to;
             r0 += SIM_COLUMN_WARPS * SIM_COLUMN_ROWS) {
            float eight[V] = {}, v[SIM_COLUMN_ROWS][V] = {};
            SIM_UNROLL for (int i = 0; i < SIM_COLUMN_ROWS; i++) if (r0 + i < run.to)
            {
                const int64_t image = sim_quotient(r0 + i, r.count),
                              row = image * r.tokens + r.first + (r0 + i - image * r.count);
                sim_load<V>(v[i], x + row * cols + column);
            }
            SIM_UNROLL for (int i = 0; i < SIM_COLUMN_ROWS; i++) SIM_UNROLL for (int k = 0; k < V; k++)
                eight[k] += v[i][k];
            SIM_UNROLL for (int k = 0; k < V; k++) sum[0][k] += eight[k];
        }
    sim_column_store<1, V>(part + blockIdx.y * cols, cols, sum, cols, shared);
}

size_t sim_k_column_sums_bytes(int64_t rows, int64_t cols)
{
    return (size_t)(sim_column_parts(rows, cols) * cols) * sizeof(float);
}

void sim_k_column_sums(sim_stream s, enum sim_element act, float *out, const void *x, struct sim_k_rows r,
                       int64_t cols, void *scratch)
{
    const int64_t parts = sim_column_parts(r.images * r.count, cols);
    float *const part = (float *)scratch;
    SIM_BY_TYPE(act, cols, sim_on_16(x), {
        const dim3 grid((unsigned)sim_ceil(cols, SIM_WARP * V), (unsigned)parts);
        SIM_LAUNCH((k_column_sums<T, V>), grid, SIM_COLUMN_THREADS, SIM_COLUMN_THREADS * V * sizeof(float), s,
                   part, (const T *)x, r, cols);
    });
    sim_k_sum_parts(s, out, part, parts, cols, cols);
}

/* ------------------------------------------------------------------ second stage */

/* Column blockIdx.x * 32 + lane: warp w adds rows w, w + 32, ... in double, then the warps are added in
 * order. The shared rows are 33 long so that a column's 32 sums lie in 32 banks. */
template <class N>
__global__ void k_sum_parts(N *out, const N *part, int64_t parts, int64_t ld, int64_t cols, double factor)
{
    SIM_SHARED(double, sums, [SIM_WARP][SIM_WARP + 1]);
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP;
    const int64_t column = (int64_t)blockIdx.x * SIM_WARP + lane;
    double sum = 0;
    if (column < cols)
        SIM_UNROLL_4 for (int64_t r = warp; r < parts; r += SIM_WARP) sum += (double)part[r * ld + column];
    sums[lane][warp] = sum;
    __syncthreads();
    const double total = sim_warp_sum(sums[warp][lane]); /* warp w: column w of the tile */
    const int64_t mine = (int64_t)blockIdx.x * SIM_WARP + warp;
    if (lane == 0 && mine < cols) out[mine] = (N)(factor * total);
}

/* A single column: all 1024 threads on it. */
__global__ void k_total(double *out, const double *part, int64_t parts, double factor)
{
    double sum = 0;
    for (int64_t i = threadIdx.x; i < parts; i += blockDim.x) sum += part[i];
    sum = sim_block_sum(sum);
    if (threadIdx.x == 0) *out = factor * sum;
}

void sim_k_sum_parts(sim_stream s, float *out, const float *part, int64_t parts, int64_t ld, int64_t cols)
{
    SIM_LAUNCH(k_sum_parts<float>, sim_ceil(cols, SIM_WARP), SIM_WARP * SIM_WARP, 0, s, out, part, parts, ld,
               cols, 1.0);
}

void sim_k_sum_parts_double(sim_stream s, double *out, const double *part, int64_t parts, int64_t ld,
                            int64_t cols, double factor)
{
    if (cols == 1 && ld == 1)
        SIM_LAUNCH(k_total, 1, 1024, 0, s, out, part, parts, factor);
    else
        SIM_LAUNCH(k_sum_parts<double>, sim_ceil(cols, SIM_WARP), SIM_WARP * SIM_WARP, 0, s, out, part, parts,
                   ld, cols, factor);
}
