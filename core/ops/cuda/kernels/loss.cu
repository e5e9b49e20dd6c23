/* Losses, row by row: a warp a row, its share of the loss in double, one partial sum a block; the blocks' are
 * added up by sim_k_sum_parts_double. */
#include "vectors.h"

enum { ROWS = 8, THREADS = ROWS * SIM_WARP };

/* Moves 8 bytes an element of bfloat16. */
template <class T, int V>
__global__ void __launch_bounds__(THREADS) k_unigrad(double *part, T *dp, const T *p, const T *t,
                                                     int64_t rows, int64_t dim, double lambda, float gradient)
{
    const int64_t row = (int64_t)blockIdx.x * ROWS + threadIdx.x / SIM_WARP;
    const int lane = threadIdx.x % SIM_WARP;
    const float weight = (float)lambda;
    float positive = 0, negative = 0;
    if (row < rows)
        for (int64_t c = lane * V; c < dim; c += SIM_WARP * V) {
            float a[V], b[V], pc[V];
            sim_load<V>(a, p + row * dim + c);
            sim_load<V>(b, t + row * dim + c);
            sim_load<V>(pc, dp + row * dim + c);
            SIM_UNROLL for (int k = 0; k < V; k++)
            {
                const float d = a[k] - b[k];
                positive = fmaf(d, d, positive);
                negative = fmaf(a[k], pc[k], negative);
                pc[k] = gradient * fmaf(weight, pc[k], d);
            }
            sim_store<V>(dp + row * dim + c, pc);
        }
    const double sum = sim_block_sum((double)positive + lambda * (double)negative);
    if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

size_t sim_k_unigrad_bytes(int64_t rows)
{
    return (size_t)sim_ceil(rows, ROWS) * sizeof(double);
}

void sim_k_unigrad(sim_stream s, enum sim_element act, double *loss, void *dp, const void *p, const void *t,
                   int64_t rows, int64_t dim, double lambda, double factor, double gradient, void *scratch)
{
    const int64_t parts = sim_ceil(rows, ROWS);
    double *const part = (double *)scratch;
    SIM_BY_TYPE(act, dim, sim_on_16(dp, p, t), {
        SIM_LAUNCH((k_unigrad<T, V>), parts, THREADS, 0, s, part, (T *)dp, (const T *)p, (const T *)t, rows,
                   dim, lambda, (float)gradient);
    });
    sim_k_sum_parts_double(s, loss, part, parts, 1, 1, factor);
}

/* -sum t log softmax(x) = log sum exp(x - top) sum t - sum t (x - top).  dx may be x: a lane writes what it
 * alone has read.  A logit that is no number makes the sum of exponentials none, and so the loss. */
template <class T>
__global__ void __launch_bounds__(THREADS)
    k_cross_entropy(double *part, T *dx, const T *x, const float *target, int64_t rows, int64_t classes,
                    float gradient)
{
    const int64_t row = (int64_t)blockIdx.x * ROWS + threadIdx.x / SIM_WARP, at = row * classes;
    const int lane = threadIdx.x % SIM_WARP;
    double loss = 0;
    if (row < rows) {
        float top = -INFINITY, sum = 0, mass = 0, dot = 0;
        for (int64_t c = lane; c < classes; c += SIM_WARP) top = fmaxf(top, sim_widen(x[at + c]));
        top = sim_warp_max(top);
        for (int64_t c = lane; c < classes; c += SIM_WARP) {
            const float d = sim_widen(x[at + c]) - top, t = target[at + c];
            sum += expf(d);
            mass += t;
            dot += t != 0 ? t * d : 0; /* 0 * -inf: a class that cannot be, and is not */
        }
        sum = sim_warp_sum(sum);
        mass = sim_warp_sum(mass);
        dot = sim_warp_sum(dot);
        if (lane == 0) loss = (double)(logf(sum) * mass) - (double)dot;
        for (int64_t c = lane; dx && c < classes; c += SIM_WARP) {
            const float share = expf(sim_widen(x[at + c]) - top) / sum;
            sim_narrow(dx + at + c, gradient * (share * mass - target[at + c]));
        }
    }
    loss = sim_block_sum(loss);
    if (threadIdx.x == 0) part[blockIdx.x] = loss;
}

size_t sim_k_cross_entropy_bytes(int64_t rows)
{
    return (size_t)sim_ceil(rows, ROWS) * sizeof(double);
}

void sim_k_cross_entropy(sim_stream s, enum sim_element act, double *loss, void *dlogits, const void *logits,
                         const float *target, int64_t rows, int64_t classes, double factor, double gradient,
                         void *scratch)
{
    const int64_t parts = sim_ceil(rows, ROWS);
    double *const part = (double *)scratch;
    const float scale = (float)gradient;
    if (act == SIM_ELEMENT_BF16)
        SIM_LAUNCH(k_cross_entropy<__nv_bfloat16>, parts, THREADS, 0, s, part, (__nv_bfloat16 *)dlogits,
                   (const __nv_bfloat16 *)logits, target, rows, classes, scale);
    else
        SIM_LAUNCH(k_cross_entropy<float>, parts, THREADS, 0, s, part, (float *)dlogits,
                   (const float *)logits, target, rows, classes, scale);
    sim_k_sum_parts_double(s, loss, part, parts, 1, 1, factor);
}
