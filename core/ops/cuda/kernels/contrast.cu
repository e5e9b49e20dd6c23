/* Contrastive heads: rows of length 1, and InfoNCE on logits that a product left.  A warp a row; sums of a
 * row in float32, losses in double. */
#include "vectors.h"

enum { ROWS = 8, THREADS = ROWS * SIM_WARP };
static const float LEAST_LENGTH = 1e-12f; /* PyTorch's normalize */

/* ------------------------------------------------------------------ rows of length 1 */

/* y may be x: a lane writes what it alone has read. */
template <class T, int V>
__global__ void __launch_bounds__(THREADS)
    k_unit_rows(T *y, float *rstd, const T *x, int64_t rows, int64_t dim)
{
    const int64_t row = (int64_t)blockIdx.x * ROWS + threadIdx.x / SIM_WARP;
    const int lane = threadIdx.x % SIM_WARP;
    if (row >= rows) return;
    float squares = 0;
    for (int64_t c = lane * V; c < dim; c += SIM_WARP * V) {
        float v[V];
        sim_load<V>(v, x + row * dim + c);
        SIM_UNROLL for (int k = 0; k < V; k++) squares = fmaf(v[k], v[k], squares);
    }
    const float scale = 1 / fmaxf(sqrtf(sim_warp_sum(squares)), LEAST_LENGTH);
    for (int64_t c = lane * V; c < dim; c += SIM_WARP * V) {
        float v[V];
        sim_load<V>(v, x + row * dim + c);
        SIM_UNROLL for (int k = 0; k < V; k++) v[k] *= scale;
        sim_store<V>(y + row * dim + c, v);
    }
    if (rstd && lane == 0) rstd[row] = scale;
}

template <class T, int V>
__global__ void __launch_bounds__(THREADS)
    k_unit_rows_backward(T *dx, const T *dy, const T *y, const float *rstd, int64_t rows, int64_t dim)
{
    const int64_t row = (int64_t)blockIdx.x * ROWS + threadIdx.x / SIM_WARP;
    const int lane = threadIdx.x % SIM_WARP;
    if (row >= rows) return;
    float along = 0;
    for (int64_t c = lane * V; c < dim; c += SIM_WARP * V) {
        float g[V], unit[V];
        sim_load<V>(g, dy + row * dim + c);
        sim_load<V>(unit, y + row * dim + c);
        SIM_UNROLL for (int k = 0; k < V; k++) along = fmaf(g[k], unit[k], along);
    }
    along = sim_warp_sum(along);
    for (int64_t c = lane * V; c < dim; c += SIM_WARP * V) {
        float g[V], unit[V];
        sim_load<V>(g, dy + row * dim + c);
        sim_load<V>(unit, y + row * dim + c);
        SIM_UNROLL for (int k = 0; k < V; k++) g[k] = rstd[row] * (g[k] - along * unit[k]);
        sim_store<V>(dx + row * dim + c, g);
    }
}

void sim_k_unit_rows(sim_stream s, enum sim_element act, void *y, float *rstd, const void *x, int64_t rows,
                     int64_t dim)
{
    SIM_BY_TYPE(act, dim, sim_on_16(y, x), {
        SIM_LAUNCH((k_unit_rows<T, V>), sim_ceil(rows, ROWS), THREADS, 0, s, (T *)y, rstd, (const T *)x, rows,
                   dim);
    });
}

void sim_k_unit_rows_backward(sim_stream s, enum sim_element act, void *dx, const void *dy, const void *y,
                              const float *rstd, int64_t rows, int64_t dim)
{
    SIM_BY_TYPE(act, dim, sim_on_16(dx, dy, y), {
        SIM_LAUNCH((k_unit_rows_backward<T, V>), sim_ceil(rows, ROWS), THREADS, 0, s, (T *)dx, (const T *)dy,
                   (const T *)y, rstd, rows, dim);
    });
}

/* ------------------------------------------------------------------ InfoNCE */

/* -log softmax(x) at the own key, which is number first + row within its part.  dx may be x: a lane writes
 * what it alone has read. */
template <class T>
__global__ void __launch_bounds__(THREADS)
    k_info_nce(double *part, T *dx, const float *x, int64_t all, int64_t rows, int64_t first, int64_t keys,
               float gradient)
{
    const int64_t row = (int64_t)blockIdx.x * ROWS + threadIdx.x / SIM_WARP, at = row * keys;
    const int lane = threadIdx.x % SIM_WARP;
    double loss = 0;
    if (row < all) {
        const int64_t own = first + row - sim_quotient(row, rows) * rows;
        const float at_own = x[at + own];
        float top = -INFINITY, others = 0;
        for (int64_t c = lane; c < keys; c += SIM_WARP) top = fmaxf(top, x[at + c]);
        top = sim_warp_max(top);
        for (int64_t c = lane; c < keys; c += SIM_WARP) others += c == own ? 0 : expf(x[at + c] - top);
        others = sim_warp_sum(others);
        const float sum = others + expf(at_own - top);
        if (lane == 0) /* a small loss is what the others add to 1, which would be lost beside it */
            loss = at_own == top ? log1p((double)others) : log((double)sum) - (double)(at_own - top);
        for (int64_t c = lane; c < keys; c += SIM_WARP) {
            const float slope = (c == own ? -others : expf(x[at + c] - top)) / sum;
            sim_narrow(dx + at + c, gradient * slope);
        }
    }
    loss = sim_block_sum(loss);
    if (threadIdx.x == 0) part[blockIdx.x] = loss;
}

size_t sim_k_info_nce_bytes(int64_t rows)
{
    return (size_t)sim_ceil(rows, ROWS) * sizeof(double);
}

void sim_k_info_nce(sim_stream s, enum sim_element act, double *loss, void *dlogits, const float *logits,
                    int64_t parts, int64_t rows, int64_t first, int64_t keys, double factor, double gradient,
                    void *scratch)
{
    const int64_t all = parts * rows, blocks = sim_ceil(all, ROWS);
    double *const part = (double *)scratch;
    if (act == SIM_ELEMENT_BF16)
        SIM_LAUNCH(k_info_nce<__nv_bfloat16>, blocks, THREADS, 0, s, part, (__nv_bfloat16 *)dlogits, logits,
                   all, rows, first, keys, (float)gradient);
    else
        SIM_LAUNCH(k_info_nce<float>, blocks, THREADS, 0, s, part, (float *)dlogits, logits, all, rows, first,
                   keys, (float)gradient);
    sim_k_sum_parts_double(s, loss, part, blocks, 1, 1, factor);
}
