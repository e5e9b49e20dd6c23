/* Blur of the views that have it: three box filters along rows, three along columns, rounded to bytes after
 * each, as cpu/pixels_blur.c.  A block keeps its lines in shared memory, once as they are and once as they
 * become. */
#include "kernel.h"
#include "pixel_math.h"
#include "view_kernels.h"
#include "view_out.h"

enum { THREADS = 256, PASSES = 3, LINES_BYTES = 8 << 10, STRIP_BYTES = 96 << 10, STRIP_MAX = 32 };

static __device__ __forceinline__ struct sim_blur_box box_of(const struct sim_view_task &v)
{
    struct sim_blur_box b;
    b.radius = v.radius, b.inner = v.inner, b.edge = v.edge;
    return b;
}

/* The byte at place x of a line of n, whose neighbours are `step` bytes apart; edge bytes repeat. */
static __device__ __forceinline__ uint8_t filtered(const uint8_t *line, int x, int n, int step,
                                                   const struct sim_blur_box *b)
{
    uint32_t sum = 0;
    for (int k = x - b->radius; k <= x + b->radius; k++) sum += line[min(max(k, 0), n - 1) * step];
    const uint32_t edges =
        (uint32_t)line[max(x - b->radius - 1, 0) * step] + line[min(x + b->radius + 1, n - 1) * step];
    return sim_blur_byte(b, sum, edges);
}

/* `lines` rows to a block, which come one after another in the image and so in shared memory. */
__global__ void k_view_blur_rows(const struct sim_view_group g, int lines)
{
    SIM_DYNAMIC_SHARED(uint8_t, buffer);
    const struct sim_view_task &v = g.task[blockIdx.y];
    const int row = 3 * g.size, y = (int)blockIdx.x * lines, bytes = min(lines, g.size - y) * row;
    uint8_t *image = g.pixels + ((int64_t)blockIdx.y * g.size + y) * row, *from = buffer,
            *to = buffer + lines * row;
    if (!v.blur) return; /* the whole block */
    const struct sim_blur_box box = box_of(v);
    for (int i = (int)threadIdx.x; i < bytes; i += THREADS) from[i] = image[i];
    for (int pass = 0; pass < PASSES; pass++) {
        __syncthreads();
        for (int i = (int)threadIdx.x; i < bytes; i += THREADS) {
            const int at = i % row;
            to[i] = filtered(from + (i - at) + at % 3, at / 3, g.size, 3, &box);
        }
        uint8_t *made = to;
        to = from, from = made;
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < bytes; i += THREADS) image[i] = from[i];
}

/* A strip of `width` columns (of pixels) to a block. */
__global__ void k_view_blur_columns(const struct sim_view_group g, int width)
{
    SIM_DYNAMIC_SHARED(uint8_t, buffer);
    const struct sim_view_task &v = g.task[blockIdx.y];
    const int x = (int)blockIdx.x * width, columns = min(width, g.size - x), across = 3 * columns,
              bytes = across * g.size;
    const int64_t pixels = (int64_t)g.size * g.size;
    const uint8_t *image = g.pixels + blockIdx.y * pixels * 3 + 3 * x;
    float *out = g.out + blockIdx.y * pixels * 3;
    uint8_t *from = buffer, *to = buffer + 3 * width * g.size;
    if (!v.blur) return; /* the whole block */
    const struct sim_blur_box box = box_of(v);
    for (int i = (int)threadIdx.x; i < bytes; i += THREADS)
        from[i] = image[(int64_t)(i / across) * 3 * g.size + i % across];
    for (int pass = 0; pass < PASSES; pass++) {
        __syncthreads();
        for (int i = (int)threadIdx.x; i < bytes; i += THREADS)
            to[i] = filtered(from + i % across, i / across, g.size, across, &box);
        uint8_t *made = to;
        to = from, from = made;
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < columns * g.size; i += THREADS) {
        const int y = i / columns, column = i % columns;
        const uint8_t *p = from + 3 * i;
        sim_view_out(v, g.normalize, out, pixels, (int64_t)y * g.size + x + column, p[0], p[1], p[2]);
    }
}

extern "C" void sim_k_view_blur(sim_stream s, struct sim_view_group g)
{
    const int row = 3 * g.size, lines = row < LINES_BYTES ? LINES_BYTES / row : 1;
    int width = STRIP_MAX;
    while (width > 1 && 2 * 3 * width * g.size > STRIP_BYTES) width /= 2;
    const unsigned count = (unsigned)g.count;
    SIM_LAUNCH(k_view_blur_rows, dim3((unsigned)((g.size + lines - 1) / lines), count), THREADS,
               (size_t)2 * lines * row, s, g, lines);
    SIM_LAUNCH(k_view_blur_columns, dim3((unsigned)((g.size + width - 1) / width), count), THREADS,
               (size_t)2 * 3 * width * g.size, s, g, width);
}
