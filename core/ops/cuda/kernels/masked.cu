/* Masked image modelling: visible tokens put back among mask tokens, and the loss of predicted pixels. */
#include "columns.h"

enum { ROWS = 8, THREADS = ROWS * SIM_WARP };

/* ------------------------------------------------------------------ tokens, a thread makes V elements */

template <class T, int V>
__global__ void k_restore_tokens(T *y, const T *z, const float *pos, const int32_t *place,
                                 const float *mask_token, int64_t packs, int64_t taken, int64_t patches,
                                 int64_t dim)
{
    const int64_t n = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= packs) return;
    const int64_t row = sim_quotient(n, dim / V), column = (n - row * (dim / V)) * V,
                  image = sim_quotient(row, 1 + patches), token = row - image * (1 + patches),
                  from = token == 0 ? 0 : place[image * patches + token - 1];
    float v[V], add[V];
    if (token > 0 && from == 0)
        sim_load<V>(v, mask_token + column);
    else
        sim_load<V>(v, z + (image * (1 + taken) + from) * dim + column);
    sim_load<V>(add, pos + token * dim + column);
    SIM_UNROLL for (int k = 0; k < V; k++) v[k] += add[k];
    sim_store<V>(y + n * V, v);
}

void sim_k_restore_tokens(sim_stream s, enum sim_element act, void *y, const void *z, const float *pos,
                          const int32_t *place, const float *mask_token, int64_t batch, int64_t taken,
                          int64_t patches, int64_t dim)
{
    const int64_t count = batch * (1 + patches) * dim;
    SIM_BY_TYPE(act, dim, sim_on_16(y, z, pos, mask_token), {
        SIM_LAUNCH((k_restore_tokens<T, V>), sim_ceil(count / V, THREADS), THREADS, 0, s, (T *)y,
                   (const T *)z, pos, place, mask_token, count / V, taken, patches, dim);
    });
}

template <class T, int V>
__global__ void k_take_restored(T *dz, const T *dy, const int32_t *index, int64_t packs, int64_t taken,
                                int64_t patches, int64_t dim)
{
    const int64_t n = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= packs) return;
    const int64_t row = sim_quotient(n, dim / V), column = (n - row * (dim / V)) * V,
                  image = sim_quotient(row, 1 + taken), token = row - image * (1 + taken),
                  from = token == 0 ? 0 : 1 + index[image * taken + token - 1];
    float v[V];
    sim_load<V>(v, dy + (image * (1 + patches) + from) * dim + column);
    sim_store<V>(dz + n * V, v);
}

/* part (gridDim.y, dim): sums of the rows whose place is 0. */
template <class T, int V>
__global__ void __launch_bounds__(SIM_COLUMN_THREADS)
    k_hidden_sums(float *part, const T *dy, const int32_t *place, int64_t rows, int64_t patches, int64_t dim)
{
    SIM_DYNAMIC_SHARED(float, shared);
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP;
    const int64_t column = ((int64_t)blockIdx.x * SIM_WARP + lane) * V;
    const sim_run run = sim_run_of_block(rows);
    float sum[1][V] = {};
    if (column < dim) SIM_UNROLL_4 for (int64_t r = run.from + warp; r < run.to; r += SIM_COLUMN_WARPS)
        {
            float v[V] = {};
            if (place[r] == 0) sim_load<V>(v, dy + (r + sim_quotient(r, patches) + 1) * dim + column);
            SIM_UNROLL for (int k = 0; k < V; k++) sum[0][k] += v[k];
        }
    sim_column_store<1, V>(part + blockIdx.y * dim, dim, sum, dim, shared);
}

size_t sim_k_restore_tokens_backward_bytes(int64_t batch, int64_t patches, int64_t dim)
{
    return (size_t)(sim_column_parts(batch * patches, dim) * dim) * sizeof(float);
}

void sim_k_restore_tokens_backward(sim_stream s, enum sim_element act, void *dz, float *dmask_token,
                                   const void *dy, const int32_t *index, const int32_t *place, int64_t batch,
                                   int64_t taken, int64_t patches, int64_t dim, void *scratch)
{
    const int64_t count = batch * (1 + taken) * dim, rows = batch * patches,
                  parts = sim_column_parts(rows, dim);
    float *const part = (float *)scratch;
    SIM_BY_TYPE(act, dim, sim_on_16(dz, dy), {
        const dim3 grid((unsigned)sim_ceil(dim, SIM_WARP * V), (unsigned)parts);
        SIM_LAUNCH((k_take_restored<T, V>), sim_ceil(count / V, THREADS), THREADS, 0, s, (T *)dz,
                   (const T *)dy, index, count / V, taken, patches, dim);
        SIM_LAUNCH((k_hidden_sums<T, V>), grid, SIM_COLUMN_THREADS, SIM_COLUMN_THREADS * V * sizeof(float), s,
                   part, (const T *)dy, place, rows, patches, dim);
    });
    sim_k_sum_parts(s, dmask_token, part, parts, dim, dim);
}

/* ------------------------------------------------------------------ pixels, a warp a patch */
/* In double: a patch of almost one colour is magnified a thousand times, and a warp waits for its pixels
 * anyway. */

/* A patch of an image, read in the order (row, column, channel). */
struct sim_patch {
    const float *first;
    int side, patch;
    __device__ float pixel(int k) const
    {
        const int at = k / 3, y = at / patch;
        return first[((int64_t)(k % 3) * side + y) * side + at - y * patch];
    }
};

template <class T>
__global__ void __launch_bounds__(THREADS)
    k_pixel_loss(double *part, T *dp, T *target, const T *p, const float *images, const int32_t *place,
                 int64_t rows, int side, int patch, int normalise, double gradient)
{
    const int64_t row = (int64_t)blockIdx.x * ROWS + threadIdx.x / SIM_WARP;
    const int lane = threadIdx.x % SIM_WARP, width = 3 * patch * patch, grid = side / patch;
    double loss = 0;
    if (row < rows) {
        const int64_t image = sim_quotient(row, (int64_t)grid * grid), at = row * width;
        const int l = (int)(row - image * grid * grid), hidden = place[row] == 0;
        const sim_patch from = {images + ((image * 3 * side + l / grid * patch) * side + l % grid * patch),
                                side, patch};
        double mean = 0, scale = 1, sum = 0;
        if (normalise && (hidden || target)) {
            for (int k = lane; k < width; k += SIM_WARP) mean += (double)from.pixel(k);
            mean = sim_warp_sum(mean) / (double)width;
            for (int k = lane; k < width; k += SIM_WARP) {
                const double d = (double)from.pixel(k) - mean;
                sum += d * d;
            }
            scale = 1 / sqrt(sim_warp_sum(sum) / (double)(width - 1) + 1e-6);
        }
        for (int k = lane; k < width; k += SIM_WARP) {
            if (!hidden && !target) {
                sim_narrow(dp + at + k, 0.0f);
                continue;
            }
            const double t = ((double)from.pixel(k) - mean) * scale,
                         d = hidden ? (double)sim_widen(p[at + k]) - t : 0;
            loss += d * d;
            sim_narrow(dp + at + k, (float)(gradient * d));
            if (target) sim_narrow(target + at + k, (float)t);
        }
    }
    loss = sim_block_sum(loss);
    if (threadIdx.x == 0) part[blockIdx.x] = loss;
}

size_t sim_k_pixel_loss_bytes(int64_t rows)
{
    return (size_t)sim_ceil(rows, ROWS) * sizeof(double);
}

void sim_k_pixel_loss(sim_stream s, enum sim_element act, double *loss, void *dp, void *target, const void *p,
                      const float *images, const int32_t *place, int64_t rows, int64_t side, int64_t patch,
                      int normalise, double factor, double gradient, void *scratch)
{
    const int64_t parts = sim_ceil(rows, ROWS);
    double *const part = (double *)scratch;
    if (act == SIM_ELEMENT_BF16)
        SIM_LAUNCH(k_pixel_loss<__nv_bfloat16>, parts, THREADS, 0, s, part, (__nv_bfloat16 *)dp,
                   (__nv_bfloat16 *)target, (const __nv_bfloat16 *)p, images, place, rows, (int)side,
                   (int)patch, normalise, gradient);
    else
        SIM_LAUNCH(k_pixel_loss<float>, parts, THREADS, 0, s, part, (float *)dp, (float *)target,
                   (const float *)p, images, place, rows, (int)side, (int)patch, normalise, gradient);
    sim_k_sum_parts_double(s, loss, part, parts, 1, 1, factor);
}
