/* What every kernel file includes: CUDA C++ as nvcc compiles it for a GPU, and as g++ compiles it for the
 * host, where shim/ runs kernels thread by thread.  The words that differ between the two:
 *
 *   SIM_SHARED(float, partial, [32]);      __shared__ float partial[32];     (no extent for a single value)
 *   SIM_DYNAMIC_SHARED(float, row);        float *row, the launch's shared_bytes, 16-byte aligned
 *   SIM_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...);
 *
 * grid and block are dim3 or whole numbers; a kernel with a comma in its name stands in parentheses:
 * SIM_LAUNCH((k_softmax<T, 4>), ...).  The arguments may be evaluated more than once.  A launch that cannot
 * be (no blocks, too many threads, too much shared memory) is kept as the device's failure, with the kernel's
 * name.
 *
 * Kernels use no more of CUDA than shim/cuda_on_host.h has: indices, barriers, shuffles and ballots, __ldg,
 * bfloat16 conversions, vector types and rounded arithmetic.  There are no atomics: sums are made in fixed
 * order. */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#define SIM_SHARED(type, name, extent) __shared__ type name extent
#define SIM_DYNAMIC_SHARED(type, name)                                                                       \
    extern __shared__ __align__(16) unsigned char sim_dynamic_shared[];                                      \
    type *const name = reinterpret_cast<type *>(sim_dynamic_shared)
#define SIM_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                           \
    do {                                                                                                     \
        const dim3 sim_grid_(grid), sim_block_(block);                                                       \
        const size_t sim_bytes_ = (shared_bytes);                                                            \
        sim_kernel_shared(reinterpret_cast<const void *>(kernel), sim_bytes_);                               \
        kernel<<<sim_grid_, sim_block_, sim_bytes_, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__);       \
        sim_kernel_check(#kernel, sim_grid_, sim_block_, sim_bytes_);                                        \
    } while (0)

/* nvidia/device.c: keeps the first launch that failed for sim_device_failure. */
extern "C" void sim_kernel_failed(const char *kernel, const unsigned grid[3], const unsigned block[3],
                                  size_t shared_bytes, const char *answer);

/* Beyond 48 KiB a kernel must be given leave first. */
static inline void sim_kernel_shared(const void *kernel, size_t bytes)
{
    if (bytes > (size_t)48 << 10)
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
}

static inline void sim_kernel_check(const char *kernel, const dim3 &grid, const dim3 &block, size_t bytes)
{
    const cudaError_t answer = cudaGetLastError();
    if (answer == cudaSuccess) return;
    const unsigned g[3] = {grid.x, grid.y, grid.z}, b[3] = {block.x, block.y, block.z};
    sim_kernel_failed(kernel, g, b, bytes, cudaGetErrorString(answer));
}

#else
#include "cuda_on_host.h"
#endif

#endif
