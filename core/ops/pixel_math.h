/* The arithmetic of single pixels and filter taps, step by step as Pillow 9.4 rounds it: written once, for
 * the CPU's loops (cpu/pixels_*.c) and the GPU's kernels (cuda/kernels/pixels_*.cu).  For C and C++.  Whoever
 * includes it is compiled without fused multiply-add (see the Makefile): Pillow rounds every product. */
#ifndef SIM_PIXEL_MATH_H
#define SIM_PIXEL_MATH_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "pixels.h"

#ifdef __CUDACC__
#define SIM_PIXEL static __host__ __device__ __forceinline__
#else
#define SIM_PIXEL static inline
#endif

/* ---------------------------------------------------------------- antialiased resize along one axis */

enum { SIM_TAP_BITS = 22 }; /* fractional bits of a weight */

/* `in` positions to `out`. */
struct sim_axis {
    int in;
    enum sim_resample filter;
    double scale, reach, shrink; /* in / out; half the filter's width in input positions; 1 / its stretch */
};

struct sim_taps {
    int first, count; /* input positions that an output position is made of */
};

SIM_PIXEL struct sim_axis sim_axis_of(int in, int out, enum sim_resample filter)
{
    struct sim_axis a;
    double scale = (double)in / out, stretch = scale < 1.0 ? 1.0 : scale;
    a.in = in, a.filter = filter, a.scale = scale;
    a.reach = (filter == SIM_RESAMPLE_BICUBIC ? 2.0 : filter == SIM_RESAMPLE_BOX ? 0.5 : 1.0) * stretch;
    a.shrink = 1.0 / stretch;
    return a;
}

/* No output position has more taps. */
SIM_PIXEL int sim_axis_most(const struct sim_axis *a)
{
    double most = ceil(a->reach) * 2 + 1;
    return most < a->in ? (int)most : a->in;
}

SIM_PIXEL struct sim_taps sim_axis_taps(const struct sim_axis *a, int x)
{
    double center = (x + 0.5) * a->scale;
    int from = (int)(center - a->reach + 0.5), to = (int)(center + a->reach + 0.5);
    struct sim_taps taps;
    if (from < 0) from = 0;
    if (to > a->in) to = a->in;
    taps.first = from, taps.count = to - from;
    return taps;
}

SIM_PIXEL double sim_bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic convolution, a = -1/2. */
SIM_PIXEL double sim_bicubic(double x)
{
    x = fabs(x);
    if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * -0.5;
    return 0.0;
}

SIM_PIXEL double sim_box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

/* The weight of tap t (from 0) of output position x, before division by the sum of that position's weights,
 * which is taken in rising order of t. */
SIM_PIXEL double sim_axis_weight(const struct sim_axis *a, int x, int first, int t)
{
    double center = (x + 0.5) * a->scale, at = (t + first - center + 0.5) * a->shrink;
    return a->filter == SIM_RESAMPLE_BICUBIC ? sim_bicubic(at)
           : a->filter == SIM_RESAMPLE_BOX   ? sim_box(at)
                                             : sim_bilinear(at);
}

/* The weight as bytes are multiplied by it. */
SIM_PIXEL int32_t sim_axis_fixed(double weight, double sum)
{
    double k = sum != 0.0 ? weight / sum : weight;
    return (int32_t)((k < 0 ? -0.5 : 0.5) + k * (1 << SIM_TAP_BITS));
}

/* ---------------------------------------------------------------- luminance and blends */

/* ITU-R 601 luma in 16 fractional bits. */
SIM_PIXEL uint8_t sim_luma(unsigned r, unsigned g, unsigned b)
{
    return (uint8_t)((r * 19595u + g * 38470u + b * 7471u + 32768u) >> 16);
}

/* plain + factor * (v - plain) in float32, truncated; clipped only where Pillow clips (it makes no difference
 * inside). */
SIM_PIXEL uint8_t sim_blend(int plain, int v, float factor)
{
    float mixed = (float)plain + factor * (float)(v - plain);
    mixed = mixed <= 0.0f ? 0.0f : mixed;
    mixed = mixed >= 255.0f ? 255.0f : mixed;
    return (uint8_t)(int)mixed;
}

/* What contrast blends with: the mean of an image's luma. */
SIM_PIXEL int sim_mean_luma(uint64_t total, uint64_t count)
{
    return (int)((double)total / (double)count + 0.5);
}

SIM_PIXEL uint8_t sim_solarized(uint8_t v, int threshold)
{
    return v < threshold ? v : (uint8_t)(255 - v);
}

/* Channel 0 is red. */
SIM_PIXEL float sim_normalize_mean(int channel, enum sim_normalize by)
{
    const float mean[3] = {0.485f, 0.456f, 0.406f};
    return by == SIM_NORMALIZE_HALF ? 0.5f : mean[channel];
}

SIM_PIXEL float sim_normalize_deviation(int channel, enum sim_normalize by)
{
    const float deviation[3] = {0.229f, 0.224f, 0.225f};
    return by == SIM_NORMALIZE_HALF ? 0.5f : deviation[channel];
}

/* torchvision divides by 255, subtracts the mean and divides by the deviation, each rounded. */
SIM_PIXEL float sim_normalized(int v, int channel, enum sim_normalize by)
{
    return ((float)v / 255.0f - sim_normalize_mean(channel, by)) / sim_normalize_deviation(channel, by);
}

/* ---------------------------------------------------------------- hue
 * Pillow goes from bytes to hue and saturation bytes and back in a mixture of float and double.  The steps
 * here are shorter and give the same bytes; tests/ops/test_pixels.c compares all 2^24 colours. */

/* 255 hues are 510 half steps, 85 to each sixth of the circle. */
enum { SIM_HUE_CIRCLE = 510, SIM_HUE_SIXTH = 85, SIM_HUE_UNIT = 255 * SIM_HUE_SIXTH };

SIM_PIXEL int sim_larger(int a, int b)
{
    return a > b ? a : b;
}
SIM_PIXEL int sim_smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Hue and saturation bytes of Pillow's HSV (value is the largest channel).  The smallest channel's term in
 * the hue is exactly 1, so that hue in sixths is a whole number plus or minus the middle channel's term,
 * rounded once. */
SIM_PIXEL void sim_hue_of(int r, int g, int b, uint8_t *hue, uint8_t *saturation)
{
    int most = sim_larger(r, sim_larger(g, b)), least = sim_smaller(r, sim_smaller(g, b)),
        range = most - least;
    float middle =
        (float)(2 * most + least - r - g - b) / (float)sim_larger(range, 1); /* (most - middle) / range */
    int red = r == most, green = !red & (g == most);
    int whole = red ? (b <= g ? 1 : -1) : green ? (r <= b ? 3 : 1) : (r <= g ? 3 : 5);
    int minus = red ? b <= g : green ? r <= b : r > g;
    float sixths = (float)whole + (minus ? -middle : middle);
    /* Pillow divides by 6 and takes the whole turn off in double, then rounds to float32: for what can come
     * here, what these give.  255 times that is truncated in double; here a product that was rounded up is
     * found out. */
    const float sixth = 1.0f / 6.0f;
    float share = sixths * sixth;
    float turn = sixths < 0 ? fmaf(sixths, sixth, 1.0f) : fmaf(fmaf(-6.0f, share, sixths), sixth, share);
    int steps = (int)(turn * 255.0f);
    *hue = (uint8_t)(steps -
                     (fmaf(turn, 255.0f, (float)-steps) < 0)); /* of a grey pixel anything: saturation 0 */
    *saturation = (uint8_t)(int)((float)range / (float)sim_larger(most, 1) * 255.0f);
}

/* A turn in [-0.5, 0.5] as steps of a hue byte: truncated, then modulo 256, numpy's cast. */
SIM_PIXEL uint8_t sim_hue_shift(double factor)
{
    return (uint8_t)(int32_t)(factor * 255);
}

/* v * (1 - s/255 * down/85), rounded.  The fraction is over 255 * 85, an odd number, so no result lies midway
 * between two bytes, and the nearest to midway is 1/43350 away: more than the float32 division by
 * multiplication may be off. */
SIM_PIXEL int sim_hue_dim(int v, int s, int down)
{
    return (int)((float)(2 * v * (SIM_HUE_UNIT - s * down) + SIM_HUE_UNIT) * (1.0f / (2 * SIM_HUE_UNIT)));
}

/* How far red is down from full, of 85: nothing in the first and last sixth, everything in the two in the
 * middle, and changing between.  Green and blue are red a third of the circle before and after. */
SIM_PIXEL int sim_hue_red_down(int half_steps)
{
    return sim_smaller(sim_larger(2 * SIM_HUE_SIXTH - abs(half_steps - SIM_HUE_CIRCLE / 2), 0),
                       SIM_HUE_SIXTH);
}

/* The colour of a hue, a saturation and a largest channel v. */
SIM_PIXEL void sim_hue_color(uint8_t hue, int s, int v, uint8_t *r, uint8_t *g, uint8_t *b)
{
    int at = 2 * hue, before = at - SIM_HUE_CIRCLE / 3, after = at + SIM_HUE_CIRCLE / 3;
    before = before < 0 ? before + SIM_HUE_CIRCLE : before;
    after = after > SIM_HUE_CIRCLE ? after - SIM_HUE_CIRCLE : after;
    *r = (uint8_t)sim_hue_dim(v, s, sim_hue_red_down(at));
    *g = (uint8_t)sim_hue_dim(v, s, sim_hue_red_down(before));
    *b = (uint8_t)sim_hue_dim(v, s, sim_hue_red_down(after));
}

/* ---------------------------------------------------------------- blur */

/* One of the three box filters that stand for a Gaussian (Gwosdek et al., SSVM 2011):
 * out = (sum of the 2 * radius + 1 nearest * inner + (the two beyond) * edge + 2^23) / 2^24. */
struct sim_blur_box {
    int radius;
    uint32_t inner, edge;
};

/* The box whose threefold application has deviation sigma.  float and double as in Pillow. */
SIM_PIXEL struct sim_blur_box sim_blur_box(float sigma)
{
    float variance = sigma * sigma / 3;
    float length = (float)sqrt(12.0 * variance + 1.0);
    float whole = (float)floor((length - 1.0) / 2.0);
    float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
    part /= 6 * (variance - (whole + 1) * (whole + 1));
    float radius = whole + part;
    struct sim_blur_box b;
    b.radius = (int)radius;
    b.inner = (uint32_t)((float)(1 << 24) / (radius * 2 + 1));
    b.edge = ((1u << 24) - (uint32_t)(b.radius * 2 + 1) * b.inner) / 2;
    return b;
}

SIM_PIXEL uint8_t sim_blur_byte(const struct sim_blur_box *b, uint32_t sum, uint32_t edges)
{
    return (uint8_t)((sum * b->inner + edges * b->edge + (1u << 23)) >> 24);
}

#endif
