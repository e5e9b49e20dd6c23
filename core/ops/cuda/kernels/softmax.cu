/* The softmax between the products of composed attention: a warp a row, scores in float32 whatever the
 * products' type.  A row is read again for each pass, from the cache: the fused form is the fast one. */
#include "vectors.h"

enum { ROWS = 8, THREADS = ROWS * SIM_WARP };

/* p may be score where T is float: an element is written by the lane that read it, after its last reading. */
template <class T>
__global__ void k_softmax(T *p, float *lse, int64_t lse_stride, const float *score, int64_t all, int64_t rows,
                          int64_t cols, float scale)
{
    const int64_t row = (int64_t)blockIdx.x * ROWS + threadIdx.x / SIM_WARP;
    const int lane = threadIdx.x % SIM_WARP;
    if (row >= all) return;
    const float *const in = score + row * cols;
    T *const out = p + row * cols;
    float top = -INFINITY, sum = 0;
    for (int64_t c = lane; c < cols; c += SIM_WARP) top = fmaxf(top, scale * in[c]);
    top = sim_warp_max(top);
    for (int64_t c = lane; c < cols; c += SIM_WARP) sum += expf(scale * in[c] - top);
    sum = sim_warp_sum(sum);
    const float inverse = 1.0f / sum;
    for (int64_t c = lane; c < cols; c += SIM_WARP) sim_narrow(out + c, expf(scale * in[c] - top) * inverse);
    if (lse && lane == 0) {
        const int64_t matrix = sim_quotient(row, rows);
        lse[matrix * lse_stride + row - matrix * rows] = top + logf(sum);
    }
}

template <class T>
__global__ void k_softmax_backward(T *p, T *ds, const float *score, const float *dp, const float *lse,
                                   int64_t lse_stride, int64_t all, int64_t rows, int64_t cols, float scale)
{
    const int64_t row = (int64_t)blockIdx.x * ROWS + threadIdx.x / SIM_WARP;
    const int lane = threadIdx.x % SIM_WARP;
    if (row >= all) return;
    const int64_t matrix = sim_quotient(row, rows);
    const float log_sum = lse[matrix * lse_stride + row - matrix * rows];
    const float *const in = score + row * cols, *const g = dp + row * cols;
    float dot = 0;
    for (int64_t c = lane; c < cols; c += SIM_WARP) dot = fmaf(expf(scale * in[c] - log_sum), g[c], dot);
    dot = sim_warp_sum(dot);
    for (int64_t c = lane; c < cols; c += SIM_WARP) {
        const float one = expf(scale * in[c] - log_sum), slope = one * (g[c] - dot) * scale;
        sim_narrow(p + row * cols + c, one);
        sim_narrow(ds + row * cols + c, slope);
    }
}

void sim_k_softmax(sim_stream s, enum sim_element act, void *p, float *lse, int64_t lse_stride,
                   const float *score, int64_t matrices, int64_t rows, int64_t cols, float scale)
{
    const int64_t all = matrices * rows, blocks = sim_ceil(all, ROWS);
    if (act == SIM_ELEMENT_BF16)
        SIM_LAUNCH(k_softmax<__nv_bfloat16>, blocks, THREADS, 0, s, (__nv_bfloat16 *)p, lse, lse_stride,
                   score, all, rows, cols, scale);
    else
        SIM_LAUNCH(k_softmax<float>, blocks, THREADS, 0, s, (float *)p, lse, lse_stride, score, all, rows,
                   cols, scale);
}

void sim_k_softmax_backward(sim_stream s, enum sim_element act, void *p, void *ds, const float *score,
                            const float *dp, const float *lse, int64_t lse_stride, int64_t matrices,
                            int64_t rows, int64_t cols, float scale)
{
    const int64_t all = matrices * rows, blocks = sim_ceil(all, ROWS);
    if (act == SIM_ELEMENT_BF16)
        SIM_LAUNCH(k_softmax_backward<__nv_bfloat16>, blocks, THREADS, 0, s, (__nv_bfloat16 *)p,
                   (__nv_bfloat16 *)ds, score, dp, lse, lse_stride, all, rows, cols, scale);
    else
        SIM_LAUNCH(k_softmax_backward<float>, blocks, THREADS, 0, s, (float *)p, (float *)ds, score, dp, lse,
                   lse_stride, all, rows, cols, scale);
}
