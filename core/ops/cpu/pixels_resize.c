/* Crop and antialiased resize with Pillow 9.4's arithmetic: weights in double, rounded to 22 fractional bits;
 * horizontal pass first, 8 bits between the passes.
 *
 * How it is made fast without changing a bit of the sums.  A weight k is split as k = 2048 * high + low, both
 * of which fit 16 bits, so that one multiply-add instruction takes two taps at once; the two halves are
 * summed apart and joined at the end (the loops: isa/pixels_resize.c).  All sums are modulo 2^32, as the
 * final one fits.  The horizontal pass runs four rows together, so that the weights are unpacked once for
 * four rows, and only just ahead of the vertical pass, so that the rows between the passes stay in the
 * first-level cache. */
#include "pixels.h"

#include <string.h>

#include "arena.h"
#include "isa/pixel_kernels.h"
#include "pixel_math.h"
#include "pixels_scratch.h"

enum {
    LOW_BITS = SIM_TAP_LOW_BITS,
    GROUP = SIM_TAP_GROUP,
    BAND = SIM_RESIZE_BAND,
    LINE_BYTES = SIM_RESIZE_LINE
};

static void axis_take(struct sim_resize_axis *a, struct sim_arena *arena, int in, int out,
                      enum sim_resample filter)
{
    const struct sim_axis axis = sim_axis_of(in, out, filter);
    a->most = sim_axis_most(&axis);
    a->groups = (a->most + GROUP - 1) / GROUP;
    a->first = sim_arena_take(arena, (size_t)out, sizeof *a->first);
    a->count = sim_arena_take(arena, (size_t)out, sizeof *a->count);
    a->weight = sim_arena_take(arena, (size_t)out * (size_t)a->groups, 2 * GROUP * sizeof *a->weight);
    a->scratch = sim_arena_take(arena, (size_t)a->groups * GROUP, sizeof *a->scratch);
}

/* Fills the weights of in -> out positions; `flip` reads the input from its far end. */
static void axis_fill(struct sim_resize_axis *a, int in, int out, enum sim_resample filter, int flip)
{
    const struct sim_axis axis = sim_axis_of(in, out, filter);
    a->most = 0; /* what was planned is an upper bound: enlarging plans 5 taps and takes 4, one group less */
    for (int x = 0; x < out; x++) {
        const struct sim_taps taps = sim_axis_taps(&axis, x);
        a->first[x] = taps.first;
        a->count[x] = taps.count;
        if (a->count[x] > a->most) a->most = a->count[x];
    }
    a->groups = (a->most + GROUP - 1) / GROUP;
    for (int x = 0; x < out; x++) {
        double sum = 0;
        int from = a->first[x], count = a->count[x];
        for (int t = 0; t < count; t++) sum += a->scratch[t] = sim_axis_weight(&axis, x, from, t);
        int16_t *weight = a->weight + (size_t)x * (size_t)a->groups * 2 * GROUP;
        memset(weight, 0, (size_t)a->groups * 2 * GROUP * sizeof *weight);
        for (int t = 0; t < count; t++) {
            int32_t fixed = sim_axis_fixed(a->scratch[t], sum);
            int place = flip ? count - 1 - t : t;
            int16_t *group = weight + place / GROUP * 2 * GROUP + place % GROUP;
            group[0] = (int16_t)(fixed & ((1 << LOW_BITS) - 1));
            group[GROUP] = (int16_t)(fixed >> LOW_BITS);
        }
        if (flip) a->first[x] = in - from - count;
    }
}

/* Everything one call needs, taken from one block. */
struct work {
    const struct sim_pixel_kernels *kernels;
    struct sim_resize_axis x, y;
    int32_t ring_rows;    /* power of two; row r between the passes lies in slot r mod ring_rows */
    size_t stride_bytes;  /* of a row between the passes */
    size_t reach_bytes;   /* from the start of a source row, how far the horizontal pass may read */
    uint8_t *ring;        /* (ring_rows, stride) */
    uint8_t *safe;        /* (BAND, reach) copies of source rows whose reads would leave the image */
    const uint8_t **rows; /* (most taps of y) */
};

static void work_take(struct work *k, struct sim_arena *arena, int w, int h, int out_w, int out_h,
                      enum sim_resample filter)
{
    axis_take(&k->x, arena, w, out_w, filter);
    axis_take(&k->y, arena, h, out_h, filter);
    k->ring_rows = 1;
    while (k->ring_rows < k->y.most + BAND) k->ring_rows *= 2;
    k->stride_bytes = ((size_t)out_w * 3 + 1 + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    k->reach_bytes = ((size_t)w + (size_t)k->x.groups * GROUP) * 3 + SIM_RESIZE_LOAD;
    k->ring = sim_arena_take(arena, (size_t)k->ring_rows, k->stride_bytes);
    k->safe = sim_arena_take(arena, BAND, k->reach_bytes);
    k->rows = sim_arena_take(arena, (size_t)k->y.most, sizeof *k->rows);
}

/* The horizontal pass over rows r .. r+3 of the crop (the last row stands in for rows past the end). */
static void run_band(struct work *k, const struct sim_image *src, int i, int j, int h, int w, int out_w,
                     int r)
{
    const uint8_t *row[BAND];
    uint8_t *out[BAND];
    const uint8_t *end = src->rgb + (size_t)src->height * (size_t)src->width * 3;
    for (int b = 0; b < BAND; b++) {
        int y = r + b < h ? r + b : h - 1;
        row[b] = src->rgb + ((size_t)(i + y) * (size_t)src->width + (size_t)j) * 3;
        if ((size_t)(end - row[b]) < k->reach_bytes) {
            row[b] = memcpy(k->safe + (size_t)b * k->reach_bytes, row[b], (size_t)w * 3);
        }
        out[b] = k->ring + (size_t)((r + b) & (k->ring_rows - 1)) * k->stride_bytes;
    }
    k->kernels->resize_across(&k->x, out_w, row, out);
}

sim_status sim_pixels_crop_resize(const struct sim_image *src, int flip, int i, int j, int h, int w,
                                  int out_w, int out_h, enum sim_resample filter, uint8_t *out)
{
    if (i < 0 || j < 0 || h < 1 || w < 1 || i > src->height - h || j > src->width - w) {
        return sim_fail(SIM_EINVAL, "crop i=%d j=%d h=%d w=%d leaves an image of height %d and width %d", i,
                        j, h, w, src->height, src->width);
    }
    if (out_w < 1 || out_h < 1)
        return sim_fail(SIM_EINVAL, "resize to %d x %d pixels: sizes start at 1", out_w, out_h);
    struct work k = {.kernels = sim_pixel_kernels()};
    struct sim_arena arena;
    sim_arena_measure(&arena);
    work_take(&k, &arena, w, h, out_w, out_h, filter);
    SIM_TRY(sim_arena_open(&arena, &sim_pixels_scratch, arena.used_bytes));
    work_take(&k, &arena, w, h, out_w, out_h, filter);
    axis_fill(&k.x, w, out_w, filter, flip);
    axis_fill(&k.y, h, out_h, filter, 0);
    if (flip) j = src->width - j - w; /* the same box, seen from the other side */

    int done = k.y.first[0];
    for (int y = 0; y < out_h; y++) {
        int first = k.y.first[y], count = k.y.count[y];
        for (; done < first + count; done += BAND) run_band(&k, src, i, j, h, w, out_w, done);
        for (int t = 0; t < count; t++) {
            k.rows[t] = k.ring + (size_t)((first + t) & (k.ring_rows - 1)) * k.stride_bytes;
        }
        k.kernels->resize_down(k.y.weight + (size_t)y * (size_t)k.y.groups * 2 * GROUP, count, k.rows,
                               (size_t)out_w * 3, out + (size_t)y * (size_t)out_w * 3);
    }
    sim_arena_close(&arena);
    return SIM_OK;
}
