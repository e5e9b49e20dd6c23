/* Sums down the columns of tall matrices, for kernels that make them while they pass.
 *
 * A block is 8 warps on a tile of 32 V columns, V to a lane, and a run of rows; a warp takes 8 rows at a
 * time, so that 8 reads are under way at once and float32 sums stay short.  Each block leaves one row of
 * partial sums: the shape alone decides how many there are. */
#ifndef SIM_COLUMNS_H
#define SIM_COLUMNS_H

#include "vectors.h"

enum { SIM_COLUMN_WARPS = 8, SIM_COLUMN_THREADS = SIM_COLUMN_WARPS * SIM_WARP, SIM_COLUMN_ROWS = 8 };

/* Enough blocks for the largest GPUs (132 to 160 multiprocessors, 4 blocks each) where there are rows. */
static inline int64_t sim_column_parts(int64_t rows, int64_t cols)
{
    const int64_t tiles = sim_ceil(cols, SIM_WARP * 8);
    return sim_least(sim_ceil(rows, SIM_COLUMN_THREADS / 4), sim_ceil(640, tiles));
}

/* The rows [from, to) of this block, blockIdx.y of gridDim.y parts. */
struct sim_run {
    int64_t from, to;
};
static __device__ __forceinline__ sim_run sim_run_of_block(int64_t rows)
{
    const int64_t per = (rows + gridDim.y - 1) / gridDim.y, from = per * blockIdx.y;
    return {from, min(from + per, rows)};
}

/* Adds up x[i] of the warps that share a column, in their order; out[i * ld + column] gets the sum.  N: the
 * sums' type; `shared`: SUMS * 8 * 32 * V of them. */
template <int SUMS, int V, class N>
__device__ __forceinline__ void sim_column_store(N *out, int64_t ld, const N (&x)[SUMS][V], int64_t cols,
                                                 N *shared)
{
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP, tile = SIM_WARP * V;
    SIM_UNROLL for (int i = 0; i < SUMS; i++) SIM_UNROLL for (int k = 0; k < V; k++)
        shared[(warp * SUMS + i) * tile + lane * V + k] = x[i][k];
    __syncthreads();
    for (int at = threadIdx.x; at < SUMS * tile; at += SIM_COLUMN_THREADS) {
        const int64_t column = (int64_t)blockIdx.x * tile + at % tile;
        N sum = 0;
        for (int w = 0; w < SIM_COLUMN_WARPS; w++) sum += shared[w * SUMS * tile + at];
        if (column < cols) out[at / tile * ld + column] = sum;
    }
}

#endif
