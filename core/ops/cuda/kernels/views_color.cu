/* Colour of every view of a group: jitter in the drawn order, grayscale, solarise, normalise.
 *
 * Contrast needs the mean of the whole image as the operations before it leave it.  So there are two passes:
 * one sums luma with those operations applied on the way, the other applies everything.  The sums are whole
 * numbers, each tile's kept apart, so that they are the same in whatever order blocks run. */
#include "kernel.h"
#include "pixel_math.h"
#include "view_kernels.h"
#include "view_out.h"

enum { THREADS = 256, WARPS = THREADS / 32, BRIGHTNESS = 0, CONTRAST = 1, SATURATION = 2, HUE = 3 };

struct color {
    uint8_t r, g, b;
};

static __device__ __forceinline__ struct color blended(struct color p, int plain, float factor)
{
    return {sim_blend(plain, p.r, factor), sim_blend(plain, p.g, factor), sim_blend(plain, p.b, factor)};
}

static __device__ __forceinline__ struct color turned(struct color p, int shift)
{
    uint8_t hue, saturation;
    sim_hue_of(p.r, p.g, p.b, &hue, &saturation);
    sim_hue_color((uint8_t)(hue + shift), saturation, max((int)p.r, max((int)p.g, (int)p.b)), &p.r, &p.g,
                  &p.b);
    return p;
}

/* Operations `from` to `to` (not included) of the view's order. */
static __device__ struct color jittered(const struct sim_view_task &v, int from, int to, int mean,
                                        struct color p)
{
    for (int k = from; k < to; k++) {
        const float factor = v.factor[k];
        switch (v.operation[k]) {
        case BRIGHTNESS:
            p = blended(p, 0, factor);
            break;
        case CONTRAST:
            p = blended(p, mean, factor);
            break;
        case SATURATION:
            p = blended(p, sim_luma(p.r, p.g, p.b), factor);
            break;
        case HUE:
            p = turned(p, v.hue_shift);
            break;
        default:
            break;
        }
    }
    return p;
}

/* Where in the view's order contrast stands; 4: nowhere. */
static __device__ __forceinline__ int contrast_place(const struct sim_view_task &v)
{
    int k = 0;
    while (k < 4 && v.operation[k] != CONTRAST) k++;
    return k;
}

static __device__ __forceinline__ struct color color_at(const uint8_t *p)
{
    return {p[0], p[1], p[2]};
}

/* One block for each tile of each view. */
__global__ void k_view_luma(const struct sim_view_group g)
{
    SIM_SHARED(uint32_t, partial, [WARPS]);
    const struct sim_view_task &v = g.task[blockIdx.y];
    const int64_t pixels = (int64_t)g.size * g.size, first = (int64_t)blockIdx.x * SIM_VIEW_TILE;
    const int64_t last = min(first + SIM_VIEW_TILE, pixels);
    const uint8_t *image = g.pixels + blockIdx.y * pixels * 3;
    const int contrast = contrast_place(v);
    if (contrast == 4) return; /* the whole block */
    uint32_t sum = 0;
    for (int64_t i = first + threadIdx.x; i < last; i += THREADS) {
        const struct color p = jittered(v, 0, contrast, 0, color_at(image + 3 * i));
        sum += sim_luma(p.r, p.g, p.b);
    }
    for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int w = 1; w < WARPS; w++) sum += partial[w];
    g.luma[(int64_t)blockIdx.y * gridDim.x + blockIdx.x] = sum;
}

/* The same blocks. */
__global__ void k_view_color(const struct sim_view_group g)
{
    const struct sim_view_task &v = g.task[blockIdx.y];
    const int64_t pixels = (int64_t)g.size * g.size, first = (int64_t)blockIdx.x * SIM_VIEW_TILE;
    const int64_t last = min(first + SIM_VIEW_TILE, pixels);
    uint8_t *image = g.pixels + blockIdx.y * pixels * 3;
    float *out = g.out + blockIdx.y * pixels * 3;
    int mean = 0;
    if (contrast_place(v) < 4) {
        uint64_t total = 0;
        for (unsigned t = 0; t < gridDim.x; t++) total += g.luma[(int64_t)blockIdx.y * gridDim.x + t];
        mean = sim_mean_luma(total, (uint64_t)pixels);
    }
    for (int64_t i = first + threadIdx.x; i < last; i += THREADS) {
        struct color p = jittered(v, 0, 4, mean, color_at(image + 3 * i));
        if (v.grayscale) p.r = p.g = p.b = sim_luma(p.r, p.g, p.b);
        if (v.blur)
            image[3 * i] = p.r, image[3 * i + 1] = p.g, image[3 * i + 2] = p.b;
        else
            sim_view_out(v, g.normalize, out, pixels, i, p.r, p.g, p.b);
    }
}

static dim3 tiles_of(const struct sim_view_group *g)
{
    const int64_t pixels = (int64_t)g->size * g->size;
    return dim3((unsigned)((pixels + SIM_VIEW_TILE - 1) / SIM_VIEW_TILE), (unsigned)g->count);
}

extern "C" void sim_k_view_luma(sim_stream s, struct sim_view_group g)
{
    SIM_LAUNCH(k_view_luma, tiles_of(&g), THREADS, 0, s, g);
}

extern "C" void sim_k_view_color(sim_stream s, struct sim_view_group g)
{
    SIM_LAUNCH(k_view_color, tiles_of(&g), THREADS, 0, s, g);
}
