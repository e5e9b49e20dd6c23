/* Kernels that make views (view_jobs.h), and what they read: C for the glue (views.c), C++ for the kernels.
 * One launch is one stage over all views of a group; a view that has no such stage costs a block that ends at
 * once.  The stages in order: axes, rows, columns, luma, color, blur. */
#ifndef SIM_VIEW_KERNELS_H
#define SIM_VIEW_KERNELS_H

#include <stdint.h>

#include "device.h"
#include "pixels.h"

/* One view, as views.c lays it out.  Everything that is a matter of the view alone is worked out there. */
struct sim_view_task {
    const uint8_t *box;   /* on the device: the first pixel of the crop in the unflipped source */
    int64_t stride_bytes; /* from one row of the source to the next */
    int32_t w, h;         /* of the crop */
    int32_t flip;         /* the crop is read from its right end */
    int32_t operation[4]; /* 0 brightness, 1 contrast, 2 saturation, 3 hue, in order; -1: nothing here */
    float factor[4];      /* beside it, of the first three */
    int32_t hue_shift;
    int32_t grayscale, solarize, blur;
    int32_t radius; /* of the box filter, with its weights */
    uint32_t inner, edge;
    /* where this view's part of the group's arrays begins, in elements */
    int64_t taps, weights[2], between;
};

/* Views made together, S = size; everything on the device. */
struct sim_view_group {
    const struct sim_view_task *task; /* (count) */
    int32_t count, size;
    enum sim_resample filter;
    int32_t flip_last;            /* of the style, */
    enum sim_normalize normalize; /* as is this */
    int32_t most_rows;            /* the largest crop's height */
    int32_t contrast, blur;       /* some view has it */
    int32_t *taps;    /* by task->taps: (2, S, 2) first input position and number, of columns, of rows */
    int32_t *weights; /* by task->weights[axis]: (most taps, S) in 22 fractional bits */
    uint8_t *between; /* by task->between: (h, S, 3) crops after the horizontal pass */
    uint8_t *pixels;  /* (count, S, S, 3) */
    uint32_t *luma;   /* (count, tiles) sums over tiles of SIM_VIEW_TILE pixels */
    float *out;       /* (count, 3, S, S) normalised */
};

enum { SIM_VIEW_TILE = 2048 };

#ifdef __cplusplus
extern "C" {
#endif

/* Taps and weights of both axes of every view, as cpu/pixels_resize.c has them. */
void sim_k_view_axes(sim_stream s, struct sim_view_group g);
/* Crops to `between`: the horizontal pass. */
void sim_k_view_rows(sim_stream s, struct sim_view_group g);
/* `between` to `pixels`: the vertical pass. */
void sim_k_view_columns(sim_stream s, struct sim_view_group g);
/* `luma` of the views that have contrast, with the operations before it applied. */
void sim_k_view_luma(sim_stream s, struct sim_view_group g);
/* All colour operations in place; views without blur go on to `out`. */
void sim_k_view_color(sim_stream s, struct sim_view_group g);
/* The views that are blurred, from `pixels` to `out`. */
void sim_k_view_blur(sim_stream s, struct sim_view_group g);

#ifdef __cplusplus
}
#endif

#endif
