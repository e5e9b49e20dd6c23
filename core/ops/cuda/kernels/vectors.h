/* What kernels share: reading and writing several elements at once, sums over a warp and a block, and the
 * choice of a kernel's element type and width.
 *
 * A kernel is written for T (float, __nv_bfloat16) and V elements per access: V = SIM_WIDTH(T), 16 bytes,
 * where every row begins on 16 bytes, else 1.  Arithmetic is float32 or double throughout. */
#ifndef SIM_VECTORS_H
#define SIM_VECTORS_H

#include "kernel.h"
#include "kernels.h"

#ifdef __CUDACC__
#define SIM_UNROLL _Pragma("unroll")
#define SIM_UNROLL_4 _Pragma("unroll 4")
#else
#define SIM_UNROLL
#define SIM_UNROLL_4
#endif

enum { SIM_WARP = 32 };
static const unsigned SIM_ALL_LANES = 0xffffffffu;

/* ------------------------------------------------------------------ several elements at once */

template <class T> struct sim_width {
    static const int value = 16 / (int)sizeof(T);
};

template <class T, int N> struct __align__(sizeof(T) * N) sim_pack
{
    T v[N];
};

static __device__ __forceinline__ float sim_widen(float x)
{
    return x;
}
static __device__ __forceinline__ float sim_widen(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}
static __device__ __forceinline__ void sim_narrow(float *to, float x)
{
    *to = x;
}
static __device__ __forceinline__ void sim_narrow(__nv_bfloat16 *to, float x)
{
    *to = __float2bfloat16_rn(x);
}

/* V elements from `at`, which lies on 16 bytes or, with V = 1, anywhere. */
template <int V, class T> __device__ __forceinline__ void sim_load(float (&out)[V], const T *at)
{
    constexpr int N = V < sim_width<T>::value ? V : sim_width<T>::value;
    SIM_UNROLL for (int i = 0; i < V; i += N)
    {
        const sim_pack<T, N> p = *reinterpret_cast<const sim_pack<T, N> *>(at + i);
        SIM_UNROLL for (int k = 0; k < N; k++) out[i + k] = sim_widen(p.v[k]);
    }
}

template <int V, class T> __device__ __forceinline__ void sim_store(T *at, const float (&in)[V])
{
    constexpr int N = V < sim_width<T>::value ? V : sim_width<T>::value;
    SIM_UNROLL for (int i = 0; i < V; i += N)
    {
        sim_pack<T, N> p;
        SIM_UNROLL for (int k = 0; k < N; k++) sim_narrow(&p.v[k], in[i + k]);
        *reinterpret_cast<sim_pack<T, N> *>(at + i) = p;
    }
}

/* The same for what may be absent: `otherwise` in its place. */
template <int V>
__device__ __forceinline__ void sim_load_or(float (&out)[V], const float *at, float otherwise)
{
    if (at)
        sim_load<V>(out, at);
    else
        SIM_UNROLL for (int k = 0; k < V; k++) out[k] = otherwise;
}

/* ------------------------------------------------------------------ sums and indices */

template <class N> __device__ __forceinline__ N sim_warp_sum(N x)
{
    SIM_UNROLL for (int lanes = SIM_WARP / 2; lanes > 0; lanes /= 2)
    {
        x += __shfl_xor_sync(SIM_ALL_LANES, x, lanes);
    }
    return x;
}

static __device__ __forceinline__ float sim_warp_max(float x)
{
    SIM_UNROLL for (int lanes = SIM_WARP / 2; lanes > 0; lanes /= 2)
    {
        x = fmaxf(x, __shfl_xor_sync(SIM_ALL_LANES, x, lanes));
    }
    return x;
}

/* Over a block of whole warps; every thread gets the sum. */
template <class N> __device__ __forceinline__ N sim_block_sum(N x)
{
    SIM_SHARED(N, partial, [SIM_WARP]);
    const int lane = threadIdx.x % SIM_WARP, warp = threadIdx.x / SIM_WARP, warps = blockDim.x / SIM_WARP;
    x = sim_warp_sum(x);
    __syncthreads(); /* the last call's partial sums were read */
    if (lane == 0) partial[warp] = x;
    __syncthreads();
    return sim_warp_sum(lane < warps ? partial[lane] : N(0));
}

/* a / b for a, b >= 0: 64-bit division takes four times as long and is seldom needed. */
static __device__ __forceinline__ int64_t sim_quotient(int64_t a, int64_t b)
{
    return (uint64_t)(a | b) >> 32 ? a / b : (int64_t)((uint32_t)a / (uint32_t)b);
}

/* ------------------------------------------------------------------ for launchers */

static inline int64_t sim_ceil(int64_t count, int64_t size)
{
    return (count + size - 1) / size;
}

static inline int64_t sim_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whether pointers (NULL: no matter) all lie on 16 bytes. */
template <class... P> static inline bool sim_on_16(P... pointers)
{
    uintptr_t bits = 0;
    const uintptr_t all[] = {(uintptr_t)pointers...};
    for (uintptr_t one : all) bits |= one;
    return bits % 16 == 0;
}

/* Runs the statements with T and V chosen: V elements at once where `dim` is a multiple of them and the
 * pointers allow it. */
#define SIM_BY_TYPE(act, dim, aligned, ...)                                                                  \
    do {                                                                                                     \
        if ((act) == SIM_ELEMENT_BF16 && (aligned) && (dim) % sim_width<__nv_bfloat16>::value == 0) {        \
            using T = __nv_bfloat16;                                                                         \
            constexpr int V = sim_width<T>::value;                                                           \
            __VA_ARGS__;                                                                                     \
        } else if ((act) == SIM_ELEMENT_BF16) {                                                              \
            using T = __nv_bfloat16;                                                                         \
            constexpr int V = 1;                                                                             \
            __VA_ARGS__;                                                                                     \
        } else if ((aligned) && (dim) % sim_width<float>::value == 0) {                                      \
            using T = float;                                                                                 \
            constexpr int V = sim_width<T>::value;                                                           \
            __VA_ARGS__;                                                                                     \
        } else {                                                                                             \
            using T = float;                                                                                 \
            constexpr int V = 1;                                                                             \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
    } while (0)

#endif
