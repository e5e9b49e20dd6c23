#include "kernel.h"

#include "trials.h"

__global__ void k_indices(int64_t *out)
{
    const int64_t block = ((int64_t)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const int64_t thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    out[block * (blockDim.x * blockDim.y * blockDim.z) + thread] =
        blockIdx.x | blockIdx.y << 8 | blockIdx.z << 16 | (int64_t)threadIdx.x << 24 |
        (int64_t)threadIdx.y << 34 | (int64_t)threadIdx.z << 44;
}

void trial_indices(sim_stream s, int64_t *out, const unsigned grid[3], const unsigned block[3])
{
    SIM_LAUNCH(k_indices, dim3(grid[0], grid[1], grid[2]), dim3(block[0], block[1], block[2]), 0, s, out);
}

template <class T> __device__ __forceinline__ T warp_sum(T value)
{
    for (int by = 16; by > 0; by /= 2) value += __shfl_xor_sync(0xffffffffu, value, by);
    return value;
}

template <class T> __global__ void k_block_sums(T *out, const T *__restrict__ in)
{
    SIM_SHARED(T, partial, [32]);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    T sum = warp_sum(__ldg(&in[(int64_t)blockIdx.x * blockDim.x + threadIdx.x]));
    if (lane == 0) partial[warp] = sum;
    __syncthreads();
    if (warp > 0) return;
    sum = warp_sum(lane < (int)blockDim.x / 32 ? partial[lane] : 0);
    if (lane == 0) out[blockIdx.x] = sum;
}

void trial_block_sums(sim_stream s, float *out, const float *in, int blocks, int threads)
{
    SIM_LAUNCH((k_block_sums<float>), blocks, threads, 0, s, out, in);
}

__global__ void k_reverse(int32_t *values, int times)
{
    SIM_DYNAMIC_SHARED(int32_t, held);
    int32_t *mine = values + (int64_t)blockIdx.x * blockDim.x;
    for (int i = 0; i < times; i++) {
        held[threadIdx.x] = mine[threadIdx.x];
        __syncthreads();
        mine[threadIdx.x] = held[blockDim.x - 1 - threadIdx.x];
        __syncthreads();
    }
}

void trial_reverse(sim_stream s, int32_t *values, int blocks, int threads, int times)
{
    SIM_LAUNCH(k_reverse, blocks, threads, threads * sizeof *values, s, values, times);
}

__global__ void k_shuffles(double *out)
{
    const int lane = threadIdx.x;
    out[lane] = __shfl_xor_sync(0xffffffffu, lane, 5);
    out[32 + lane] = __shfl_down_sync(0xffffffffu, (float)lane, 3, 8);
    out[64 + lane] = __shfl_up_sync(0xffffffffu, (int64_t)lane << 33, 2);
    out[96 + lane] = __shfl_sync(0xffffffffu, lane + 0.125, 7);
    __syncwarp();
    out[128 + lane] = __ballot_sync(0xffffffffu, lane & 1);
}

void trial_shuffles(sim_stream s, double *out)
{
    SIM_LAUNCH(k_shuffles, 1, 32, 0, s, out);
}

__global__ void k_halves(int32_t *out)
{
    const int lane = threadIdx.x;
    if (lane < 16)
        out[lane] = __shfl_sync(0x0000ffffu, lane, 3);
    else
        out[lane] = __shfl_xor_sync(0xffff0000u, lane, 1) + (int)__ballot_sync(0xffff0000u, lane == 20);
}

void trial_halves(sim_stream s, int32_t *out)
{
    SIM_LAUNCH(k_halves, 1, 32, 0, s, out);
}

__global__ void k_unwritten(float *out)
{
    SIM_DYNAMIC_SHARED(float, dynamic);
    SIM_SHARED(float, array, [4]);
    SIM_SHARED(float, single, );
    out[3 * blockIdx.x] = dynamic[1];
    out[3 * blockIdx.x + 1] = array[2];
    out[3 * blockIdx.x + 2] = single;
    dynamic[1] = array[2] = single = 1.0f; /* which the next block must not find */
}

void trial_unwritten(sim_stream s, float *out, int blocks)
{
    SIM_LAUNCH(k_unwritten, blocks, 1, 16, s, out);
}

__global__ void k_neighbours(int32_t *out, int barrier)
{
    SIM_SHARED(int32_t, held, [1024]);
    held[threadIdx.x] = threadIdx.x;
    if (barrier) __syncthreads();
    out[threadIdx.x] = held[(threadIdx.x + blockDim.x - 1) % blockDim.x];
}

void trial_neighbours(sim_stream s, int32_t *out, int threads, int barrier)
{
    SIM_LAUNCH(k_neighbours, 1, threads, 0, s, out, barrier);
}

__global__ void k_bfloat16(uint16_t *bits, float *wide, const float *in, int count)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const __nv_bfloat16 value = __float2bfloat16(in[i]);
    bits[i] = __bfloat16_as_ushort(value);
    wide[i] = __bfloat162float(value);
}

void trial_bfloat16(sim_stream s, uint16_t *bits, float *wide, const float *in, int count)
{
    SIM_LAUNCH(k_bfloat16, (count + 255) / 256, 256, 0, s, bits, wide, in, count);
}

__global__ void k_increment(int32_t *values, int64_t count)
{
    const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) values[i]++;
}

void trial_increment(sim_stream s, int32_t *values, int64_t count)
{
    SIM_LAUNCH(k_increment, (count + 127) / 128, 128, 0, s, values, count);
}

__global__ void k_fault(int how)
{
    const int thread = threadIdx.x, half = thread < (int)blockDim.x / 2;
    if (how == TRIAL_EXIT) {
        if (half) return;
        __syncthreads();
    }
    if (how == TRIAL_TWO_BARRIERS) {
        if (half)
            __syncthreads();
        else {
            __syncthreads();
        }
    }
    if (how == TRIAL_WARP_BARRIER) {
        if (thread < 3)
            __syncwarp();
        else
            __syncthreads();
    }
    if (how == TRIAL_FOREIGN_LANE && thread < 16) __shfl_sync(0x0000ffffu, thread, 20);
    if (how == TRIAL_MISSING_LANE) __shfl_xor_sync(0xffffffffu, thread, 16);
    if (how == TRIAL_OWN_LANE) __syncwarp(0xfffffffeu);
    if (how == TRIAL_SHARED_ARRAYS) {
        SIM_SHARED(float, large, [40000]);
        SIM_SHARED(float, larger, [2000]);
        large[thread] = larger[thread] = 0;
    }
}

void trial_fault(sim_stream s, int how, int blocks)
{
    SIM_LAUNCH(k_fault, blocks, 40, 0, s, how);
}

__global__ void k_overrun(float *values, int64_t count, int where)
{
    SIM_SHARED(float, array, [8]);
    volatile int64_t past = where ? count : 8;
    array[0] = 0;
    values[0] = where ? values[past] : array[past];
}

void trial_overrun(sim_stream s, float *values, int64_t count, int where)
{
    SIM_LAUNCH(k_overrun, 1, 1, 0, s, values, count, where);
}

void trial_bad_launch(sim_stream s, int how)
{
    const dim3 grid = how == 0 ? dim3(0) : dim3(1), block = how == 1   ? dim3(1025)
                                                            : how == 2 ? dim3(1, 1, 65)
                                                                       : dim3(1);
    SIM_LAUNCH(k_increment, grid, block, how == 3 ? 200000 : 0, s, nullptr, 0);
}
