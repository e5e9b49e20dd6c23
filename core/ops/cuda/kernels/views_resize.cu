/* Crop and antialiased resize of every view of a group: cpu/pixels_resize.c's sums, one thread per pixel. */
#include "kernel.h"
#include "pixel_math.h"
#include "view_kernels.h"

enum { THREADS = 256 };

/* One thread for each output position of each axis.  The weights lie tap by tap, so that neighbouring threads
 * of the passes read neighbouring words. */
__global__ void k_view_axes(const struct sim_view_group g)
{
    const struct sim_view_task &v = g.task[blockIdx.y];
    const int at = (int)(blockIdx.x * blockDim.x + threadIdx.x), down = at >= g.size, x = at % g.size;
    if (at >= 2 * g.size) return;
    const struct sim_axis axis = sim_axis_of(down ? v.h : v.w, g.size, g.filter);
    /* A flip before the crop mirrors what is read; one that comes last mirrors what is written, and pointwise
     * colours and the blur's whole numbers let it come here. */
    const int last = !down && v.flip && g.flip_last, mirrored = !down && v.flip && !last;
    const int of = last ? g.size - 1 - x : x;
    const struct sim_taps taps = sim_axis_taps(&axis, of);
    double sum = 0;
    for (int t = 0; t < taps.count; t++) sum += sim_axis_weight(&axis, of, taps.first, t);
    int32_t *weight = g.weights + v.weights[down] + x;
    for (int t = 0; t < taps.count; t++) {
        const int64_t place = mirrored ? taps.count - 1 - t : t;
        weight[place * g.size] = sim_axis_fixed(sim_axis_weight(&axis, of, taps.first, t), sum);
    }
    int32_t *span = g.taps + v.taps + 2 * at;
    span[0] = mirrored ? v.w - taps.first - taps.count : taps.first;
    span[1] = taps.count;
}

/* Sums are modulo 2^32: the final one fits. */
static const uint32_t HALF = 1u << (SIM_TAP_BITS - 1);

static __device__ __forceinline__ uint8_t rounded(uint32_t sum)
{
    return (uint8_t)min(max((int32_t)sum >> SIM_TAP_BITS, 0), 255);
}

/* One thread for each pixel of (h, S). */
__global__ void k_view_rows(const struct sim_view_group g)
{
    const struct sim_view_task &v = g.task[blockIdx.y];
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= (int64_t)v.h * g.size) return;
    const int x = (int)(at % g.size);
    const int32_t *span = g.taps + v.taps + 2 * x, *weight = g.weights + v.weights[0] + x;
    const uint8_t *from = v.box + at / g.size * v.stride_bytes + (int64_t)span[0] * 3;
    uint32_t red = HALF, green = HALF, blue = HALF;
    for (int t = span[1]; t > 0; t--, from += 3, weight += g.size) {
        const uint32_t k = (uint32_t)*weight;
        red += from[0] * k, green += from[1] * k, blue += from[2] * k;
    }
    uint8_t *to = g.between + v.between + at * 3;
    to[0] = rounded(red), to[1] = rounded(green), to[2] = rounded(blue);
}

/* One thread for each byte of (S, 3 S). */
__global__ void k_view_columns(const struct sim_view_group g)
{
    const struct sim_view_task &v = g.task[blockIdx.y];
    const int64_t row = (int64_t)g.size * 3, at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= row * g.size) return;
    const int64_t y = at / row;
    const int32_t *span = g.taps + v.taps + 2 * (g.size + y), *weight = g.weights + v.weights[1] + y;
    const uint8_t *from = g.between + v.between + span[0] * row + at % row;
    uint32_t sum = HALF;
    for (int t = span[1]; t > 0; t--, from += row, weight += g.size) sum += *from * (uint32_t)*weight;
    g.pixels[blockIdx.y * row * g.size + at] = rounded(sum);
}

static dim3 grid_for(int64_t threads, const struct sim_view_group *g)
{
    return dim3((unsigned)((threads + THREADS - 1) / THREADS), (unsigned)g->count);
}

extern "C" void sim_k_view_axes(sim_stream s, struct sim_view_group g)
{
    SIM_LAUNCH(k_view_axes, grid_for(2 * g.size, &g), THREADS, 0, s, g);
}

extern "C" void sim_k_view_rows(sim_stream s, struct sim_view_group g)
{
    SIM_LAUNCH(k_view_rows, grid_for((int64_t)g.most_rows * g.size, &g), THREADS, 0, s, g);
}

extern "C" void sim_k_view_columns(sim_stream s, struct sim_view_group g)
{
    SIM_LAUNCH(k_view_columns, grid_for((int64_t)g.size * g.size * 3, &g), THREADS, 0, s, g);
}
