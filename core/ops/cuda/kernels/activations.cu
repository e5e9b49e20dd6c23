/* ReLU; and GELU in its exact form, x Phi(x) with erf, from the pre-activation that the product before it
 * left.
 */
#include "vectors.h"

/* A NaN stays one. */
static __device__ __forceinline__ float rectified(float x)
{
    return x < 0 ? 0 : x;
}

/* Moves 4 bytes an element of bfloat16. */
template <class T, int V> __global__ void k_relu(T *y, const T *x, int64_t count)
{
    const int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * V;
    float v[V];
    if (i + V <= count) {
        sim_load<V>(v, x + i);
        SIM_UNROLL for (int k = 0; k < V; k++) v[k] = rectified(v[k]);
        sim_store<V>(y + i, v);
    } else {
        for (int64_t k = i; k < count; k++) sim_narrow(y + k, rectified(sim_widen(x[k])));
    }
}

/* Moves 6 bytes an element of bfloat16. */
template <class T, int V> __global__ void k_relu_backward(T *dx, const T *y, int64_t count)
{
    const int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * V;
    float v[V], g[V];
    if (i + V <= count) {
        sim_load<V>(v, y + i);
        sim_load<V>(g, dx + i);
        SIM_UNROLL for (int k = 0; k < V; k++) g[k] = v[k] == 0 ? 0 : g[k];
        sim_store<V>(dx + i, g);
    } else {
        for (int64_t k = i; k < count; k++)
            if (sim_widen(y[k]) == 0) sim_narrow(dx + k, 0);
    }
}

static __device__ __forceinline__ float normal_cdf(float x)
{
    return fmaf(0.5f, erff(x * 0.707106781186547524f), 0.5f);
}

static __device__ __forceinline__ float gelu_slope(float x)
{
    return fmaf(x * 0.398942280401432678f, expf(-0.5f * x * x), normal_cdf(x));
}

/* Moves 4 bytes an element of bfloat16. */
template <class T, int V> __global__ void k_gelu(T *y, const T *x, int64_t count)
{
    const int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * V;
    float v[V];
    if (i + V <= count) {
        sim_load<V>(v, x + i);
        SIM_UNROLL for (int k = 0; k < V; k++) v[k] *= normal_cdf(v[k]);
        sim_store<V>(y + i, v);
    } else {
        for (int64_t k = i; k < count; k++) {
            const float one = sim_widen(x[k]);
            sim_narrow(y + k, one * normal_cdf(one));
        }
    }
}

/* Moves 6 bytes an element of bfloat16. */
template <class T, int V> __global__ void k_gelu_backward(T *dx, const T *x, int64_t count)
{
    const int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * V;
    float v[V], g[V];
    if (i + V <= count) {
        sim_load<V>(v, x + i);
        sim_load<V>(g, dx + i);
        SIM_UNROLL for (int k = 0; k < V; k++) g[k] *= gelu_slope(v[k]);
        sim_store<V>(dx + i, g);
    } else {
        for (int64_t k = i; k < count; k++)
            sim_narrow(dx + k, sim_widen(dx[k]) * gelu_slope(sim_widen(x[k])));
    }
}

void sim_k_gelu(sim_stream s, enum sim_element act, void *y, const void *x, int64_t count)
{
    SIM_BY_TYPE(act, 0, sim_on_16(y, x), {
        SIM_LAUNCH((k_gelu<T, V>), sim_ceil(count, 256 * V), 256, 0, s, (T *)y, (const T *)x, count);
    });
}

void sim_k_gelu_backward(sim_stream s, enum sim_element act, void *dx, const void *x, int64_t count)
{
    SIM_BY_TYPE(act, 0, sim_on_16(dx, x), {
        SIM_LAUNCH((k_gelu_backward<T, V>), sim_ceil(count, 256 * V), 256, 0, s, (T *)dx, (const T *)x,
                   count);
    });
}

void sim_k_relu(sim_stream s, enum sim_element act, void *y, const void *x, int64_t count)
{
    SIM_BY_TYPE(act, 0, sim_on_16(y, x), {
        SIM_LAUNCH((k_relu<T, V>), sim_ceil(count, 256 * V), 256, 0, s, (T *)y, (const T *)x, count);
    });
}

void sim_k_relu_backward(sim_stream s, enum sim_element act, void *dx, const void *y, int64_t count)
{
    SIM_BY_TYPE(act, 0, sim_on_16(dx, y), {
        SIM_LAUNCH((k_relu_backward<T, V>), sim_ceil(count, 256 * V), 256, 0, s, (T *)dx, (const T *)y,
                   count);
    });
}
