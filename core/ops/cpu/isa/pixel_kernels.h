/* Inner loops over 8-bit pixels.  As those of kernels.h, every pixels_*.c in this folder is compiled twice,
 * without contraction into fused multiply-adds: Pillow rounds every product.  Both ways give the same bytes.
 */
#ifndef SIM_PIXEL_KERNELS_H
#define SIM_PIXEL_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h" /* SIM_ISA_NAME */
#include "pixels.h"

enum {
    SIM_TAP_GROUP = 4,     /* taps of one group of weights */
    SIM_TAP_LOW_BITS = 11, /* of a weight, in the lower of its two halves */
    SIM_RESIZE_BAND = 4,   /* rows that the horizontal pass takes together */
    SIM_RESIZE_LOAD = 16,  /* bytes that the horizontal pass reads at once, 12 (4 pixels) of them used */
    SIM_RESIZE_LINE = 64   /* bytes: rows between the passes are padded to, and aligned at, a multiple */
};

/* The taps of every output position along one axis. */
struct sim_resize_axis {
    int groups, most; /* groups of 4 taps per position; largest number of taps */
    int32_t *first;   /* (out) first input position */
    int32_t *count;   /* (out) taps */
    int16_t *weight;  /* (out, groups, 8): low halves of 4 weights, then high halves; 0 past `count` */
    double *scratch;  /* (4 * groups) weights before rounding */
};

struct sim_pixel_kernels {
    /* v (n) blended with one value, as sim_blend */
    void (*blend)(uint8_t *v, size_t n, int plain, float factor);
    /* (pixels, 3) */
    uint64_t (*luma_sum)(const uint8_t *rgb, size_t pixels);
    void (*saturation)(uint8_t *rgb, size_t pixels, float factor);
    void (*grayscale)(uint8_t *rgb, size_t pixels);
    void (*hue)(uint8_t *rgb, size_t pixels, uint8_t shift);
    void (*normalize)(const uint8_t *rgb, size_t pixels, enum sim_normalize by,
                      float *out); /* out (3, pixels) */
    /* Four rows, out_w pixels each.  Reads SIM_RESIZE_LOAD bytes at the first pixel of each group; writes one
     * byte past the end. */
    void (*resize_across)(const struct sim_resize_axis *a, int out_w,
                          const uint8_t *const row[SIM_RESIZE_BAND], uint8_t *const out[SIM_RESIZE_BAND]);
    /* One output row of n bytes from `count` rows by the weights of one position. */
    void (*resize_down)(const int16_t *weight, int count, const uint8_t *const row[], size_t n, uint8_t *out);
};

/* Those of the widest instructions that this processor has (SIM_ISA=avx2: no wider than that), chosen at the
 * first call. */
const struct sim_pixel_kernels *sim_pixel_kernels(void);

void sim_pixel_kernels_color_v3(struct sim_pixel_kernels *k);
void sim_pixel_kernels_color_v4(struct sim_pixel_kernels *k);
void sim_pixel_kernels_resize_v3(struct sim_pixel_kernels *k);
void sim_pixel_kernels_resize_v4(struct sim_pixel_kernels *k);

#endif
