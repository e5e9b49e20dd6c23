/* The part of CUDA C++ that kernels use, for g++ on the host: kernels/kernel.h includes it where nvcc is not
 * the compiler.  Indices, barriers and shared memory are launch.h's; everything else is plain arithmetic,
 * rounded as a GPU rounds it where IEEE 754 says how. */
#ifndef SIM_CUDA_ON_HOST_H
#define SIM_CUDA_ON_HOST_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <type_traits>

#include "bfloat16.h"
#include "shim.h"

#define __global__ static
#define __device__
#define __host__
#define __constant__ const
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

/* ------------------------------------------------------------------ launches and indices */

using uint3 = sim_shim_index;
struct dim3 {
    unsigned x, y, z;
    template <class I> constexpr dim3(I x, unsigned y = 1, unsigned z = 1) : x((unsigned)x), y(y), z(z) {}
};

static const int warpSize = SIM_SHIM_WARP;
#define threadIdx sim_shim_thread
#define blockIdx sim_shim_block
#define blockDim sim_shim_block_size
#define gridDim sim_shim_grid_size

/* One function for each launch that stands in the source: calls the kernel as one of its threads. */
template <class Call> static void sim_shim_call(const void *call)
{
    (*static_cast<const Call *>(call))();
}

template <class Call>
static void sim_shim_launch_as(const char *kernel, dim3 grid, dim3 block, size_t shared_bytes,
                               sim_stream stream, const Call &call)
{
    static_assert(std::is_trivially_copyable<Call>::value,
                  "a launch is recorded by copying its arguments' bytes");
    const sim_shim_launch l = {kernel,       {grid.x, grid.y, grid.z}, {block.x, block.y, block.z},
                               shared_bytes, sim_shim_call<Call>,      &call};
    sim_shim_queue_launch(stream, &l, sizeof call);
}

#define SIM_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                           \
    sim_shim_launch_as(#kernel, grid, block, shared_bytes, stream, [=] { kernel(__VA_ARGS__); })

#define SIM_SHARED(type, name, extent)                                                                       \
    using name##_type = type extent;                                                                         \
    static const char name##_site = 0;                                                                       \
    name##_type &name = *static_cast<name##_type *>(sim_shim_shared(&name##_site, sizeof(name##_type), #name))
#define SIM_DYNAMIC_SHARED(type, name) type *const name = static_cast<type *>(sim_shim_dynamic_shared())

/* ------------------------------------------------------------------ barriers, shuffles, ballots */

#define SIM_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

static inline void __syncthreads(SIM_HERE)
{
    sim_shim_meet_block(file, line);
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, SIM_HERE)
{
    sim_shim_meet_warp(SIM_MEET_WARP, mask, 0, 0, file, line);
}

static inline unsigned __ballot_sync(unsigned mask, int predicate, SIM_HERE)
{
    return (unsigned)sim_shim_meet_warp(SIM_MEET_BALLOT, mask, predicate != 0, 0, file, line);
}

template <class T>
static inline T sim_shim_shuffle(unsigned mask, T value, int from, const char *file, int line)
{
    static_assert(sizeof(T) <= sizeof(uint64_t) && std::is_trivially_copyable<T>::value,
                  "shuffled: up to 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = sim_shim_meet_warp(SIM_MEET_SHUFFLE, mask, bits, from, file, line);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Shuffles stay within groups of `width` lanes; one from beyond the group's end brings the lane's own value.
 */
template <class T> static inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32, SIM_HERE)
{
    const int me = sim_shim_thread_number() % 32;
    return sim_shim_shuffle(mask, value, (me & ~(width - 1)) | (lane & (width - 1)), file, line);
}

template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, SIM_HERE)
{
    const int me = sim_shim_thread_number() % 32, from = me ^ lanes;
    return sim_shim_shuffle(mask, value, from >= (me & ~(width - 1)) + width ? me : from, file, line);
}

template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, SIM_HERE)
{
    const int me = sim_shim_thread_number() % 32, from = me + (int)by;
    return sim_shim_shuffle(mask, value, from >= (me & ~(width - 1)) + width ? me : from, file, line);
}

template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, SIM_HERE)
{
    const int me = sim_shim_thread_number() % 32, from = me - (int)by;
    return sim_shim_shuffle(mask, value, from < (me & ~(width - 1)) ? me : from, file, line);
}

/* ------------------------------------------------------------------ vectors */

#define SIM_VECTORS(type, name, width)                                                                       \
    struct __align__(width) name##2                                                                          \
    {                                                                                                        \
        type x, y;                                                                                           \
    };                                                                                                       \
    struct __align__(2 * width) name##4                                                                      \
    {                                                                                                        \
        type x, y, z, w;                                                                                     \
    };                                                                                                       \
    static inline name##2 make_##name##2(type x, type y)                                                     \
    {                                                                                                        \
        return {x, y};                                                                                       \
    }                                                                                                        \
    static inline name##4 make_##name##4(type x, type y, type z, type w)                                     \
    {                                                                                                        \
        return {x, y, z, w};                                                                                 \
    }
SIM_VECTORS(float, float, 8)
SIM_VECTORS(int, int, 8)
SIM_VECTORS(unsigned, uint, 8)
SIM_VECTORS(unsigned short, ushort, 4)
SIM_VECTORS(unsigned char, uchar, 2)
struct __align__(16) double2
{
    double x, y;
};
static inline double2 make_double2(double x, double y)
{
    return {x, y};
}
struct uchar3 {
    unsigned char x, y, z;
};

template <class T> static inline T __ldg(const T *at)
{
    return *at;
}

/* ------------------------------------------------------------------ bfloat16 */

struct __align__(2) __nv_bfloat16
{
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float value) : bits(sim_bf16_round(value)) {}
    operator float() const
    {
        return sim_bf16_widen(bits);
    }
};
struct __align__(4) __nv_bfloat162
{
    __nv_bfloat16 x, y;
};
using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;

static inline __nv_bfloat16 __float2bfloat16(float value)
{
    return __nv_bfloat16(value);
}
static inline __nv_bfloat16 __float2bfloat16_rn(float value)
{
    return __nv_bfloat16(value);
}
static inline float __bfloat162float(__nv_bfloat16 value)
{
    return value;
}
static inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y)
{
    return {__nv_bfloat16(x), __nv_bfloat16(y)};
}
static inline __nv_bfloat162 __float22bfloat162_rn(float2 v)
{
    return {__nv_bfloat16(v.x), __nv_bfloat16(v.y)};
}
static inline float2 __bfloat1622float2(__nv_bfloat162 v)
{
    return {v.x, v.y};
}
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value)
{
    return value.bits;
}
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits)
{
    __nv_bfloat16 value;
    value.bits = bits;
    return value;
}

/* ------------------------------------------------------------------ arithmetic
 * Compiled without contraction (the Makefile's -ffp-contract=off), so a product and a sum are two roundings
 * unless fmaf is written. */

template <class To, class From> static inline To sim_shim_bits(From value)
{
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline unsigned __float_as_uint(float value)
{
    return sim_shim_bits<unsigned>(value);
}
static inline float __uint_as_float(unsigned bits)
{
    return sim_shim_bits<float>(bits);
}
static inline int __float_as_int(float value)
{
    return sim_shim_bits<int>(value);
}
static inline float __int_as_float(int bits)
{
    return sim_shim_bits<float>(bits);
}

#define SIM_ROUNDED(type, letter, root)                                                                      \
    static inline type __##letter##add_rn(type a, type b)                                                    \
    {                                                                                                        \
        return a + b;                                                                                        \
    }                                                                                                        \
    static inline type __##letter##sub_rn(type a, type b)                                                    \
    {                                                                                                        \
        return a - b;                                                                                        \
    }                                                                                                        \
    static inline type __##letter##mul_rn(type a, type b)                                                    \
    {                                                                                                        \
        return a * b;                                                                                        \
    }                                                                                                        \
    static inline type __##letter##div_rn(type a, type b)                                                    \
    {                                                                                                        \
        return a / b;                                                                                        \
    }                                                                                                        \
    static inline type __##letter##sqrt_rn(type a)                                                           \
    {                                                                                                        \
        return root(a);                                                                                      \
    }
SIM_ROUNDED(float, f, sqrtf)
SIM_ROUNDED(double, d, sqrt)

static inline float rsqrtf(float value)
{
    return 1.0f / sqrtf(value);
}
static inline double rsqrt(double value)
{
    return 1.0 / sqrt(value);
}
static inline int __float2int_rn(float value)
{
    return (int)rintf(value);
}
static inline int __popc(unsigned bits)
{
    return __builtin_popcount(bits);
}
static inline int __clz(int bits)
{
    return bits ? __builtin_clz((unsigned)bits) : 32;
}
static inline int __ffs(int bits)
{
    return __builtin_ffs(bits);
}

#define SIM_MIN_MAX(type)                                                                                    \
    static inline type min(type a, type b)                                                                   \
    {                                                                                                        \
        return b < a ? b : a;                                                                                \
    }                                                                                                        \
    static inline type max(type a, type b)                                                                   \
    {                                                                                                        \
        return a < b ? b : a;                                                                                \
    }
SIM_MIN_MAX(int)
SIM_MIN_MAX(unsigned)
SIM_MIN_MAX(long)
SIM_MIN_MAX(unsigned long)
SIM_MIN_MAX(long long)
SIM_MIN_MAX(unsigned long long)
#undef SIM_MIN_MAX
static inline float min(float a, float b)
{
    return fminf(a, b);
}
static inline float max(float a, float b)
{
    return fmaxf(a, b);
}
static inline double min(double a, double b)
{
    return fmin(a, b);
}
static inline double max(double a, double b)
{
    return fmax(a, b);
}

#undef SIM_HERE
#undef SIM_VECTORS
#undef SIM_ROUNDED

#endif
