/* Colour operations with the results of Pillow 9.4 and of torchvision's adjust_* upon it.
 *
 * Pixels are taken CHUNK at a time into planes of one colour each, so that the arithmetic is plain loops over
 * arrays, which the compiler turns into vector instructions; only the sorting of bytes into planes is written
 * by hand. This file must be compiled without fused multiply-add (see the Makefile): Pillow rounds every
 * product. */
#include "pixels.h"

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 }; /* pixels; a multiple of 16 */

struct planes {
    uint8_t r[CHUNK], g[CHUNK], b[CHUNK];
};

/* ---------------------------------------------------------------- bytes into planes and back */

/* 16 pixels: byte 3i + c of the 48 is byte i of plane c.  Of each plane, five or six bytes come from each
 * third. */
static inline __m128i gather(__m128i x, __m128i y, __m128i z, __m128i from_x, __m128i from_y, __m128i from_z)
{
    return _mm_or_si128(_mm_shuffle_epi8(x, from_x),
                        _mm_or_si128(_mm_shuffle_epi8(y, from_y), _mm_shuffle_epi8(z, from_z)));
}

static void planes_load(struct planes *p, const uint8_t *rgb, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m128i *from = (const __m128i *)(rgb + 3 * i);
        __m128i x = _mm_loadu_si128(from), y = _mm_loadu_si128(from + 1), z = _mm_loadu_si128(from + 2);
        __m128i r = gather(x, y, z, _mm_setr_epi8(0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
                           _mm_setr_epi8(-1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1),
                           _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13));
        __m128i g =
            gather(x, y, z, _mm_setr_epi8(1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
                   _mm_setr_epi8(-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1),
                   _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14));
        __m128i b =
            gather(x, y, z, _mm_setr_epi8(2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
                   _mm_setr_epi8(-1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1),
                   _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15));
        _mm_storeu_si128((__m128i *)(p->r + i), r);
        _mm_storeu_si128((__m128i *)(p->g + i), g);
        _mm_storeu_si128((__m128i *)(p->b + i), b);
    }
    for (; i < n; i++) p->r[i] = rgb[3 * i], p->g[i] = rgb[3 * i + 1], p->b[i] = rgb[3 * i + 2];
}

static void planes_store(const struct planes *p, uint8_t *rgb, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i *to = (__m128i *)(rgb + 3 * i);
        __m128i r = _mm_loadu_si128((const __m128i *)(p->r + i)),
                g = _mm_loadu_si128((const __m128i *)(p->g + i));
        __m128i b = _mm_loadu_si128((const __m128i *)(p->b + i));
        _mm_storeu_si128(
            to, gather(r, g, b, _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5),
                       _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1),
                       _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1)));
        _mm_storeu_si128(
            to + 1, gather(r, g, b, _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1),
                           _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10),
                           _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1)));
        _mm_storeu_si128(
            to + 2,
            gather(r, g, b, _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1),
                   _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1),
                   _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15)));
    }
    for (; i < n; i++) rgb[3 * i] = p->r[i], rgb[3 * i + 1] = p->g[i], rgb[3 * i + 2] = p->b[i];
}

/* ---------------------------------------------------------------- luminance and blends */

/* ITU-R 601 luma in 16 fractional bits. */
static inline void luma(const struct planes *p, uint8_t *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        l[i] = (uint8_t)((p->r[i] * 19595u + p->g[i] * 38470u + p->b[i] * 7471u + 32768u) >> 16);
    }
}

/* plain + factor * (v - plain) in float32, truncated; clipped only where Pillow clips (it makes no difference
 * inside). */
static inline uint8_t blend(int plain, int v, float factor)
{
    float mixed = (float)plain + factor * (float)(v - plain);
    mixed = mixed <= 0.0f ? 0.0f : mixed;
    mixed = mixed >= 255.0f ? 255.0f : mixed;
    return (uint8_t)(int)mixed;
}

static void blend_with_constant(uint8_t *v, size_t n, int plain, float factor)
{
    for (size_t i = 0; i < n; i++) v[i] = blend(plain, v[i], factor);
}

static void blend_with_plane(uint8_t *v, const uint8_t *plain, size_t n, float factor)
{
    for (size_t i = 0; i < n; i++) v[i] = blend(plain[i], v[i], factor);
}

void sim_pixels_brightness(uint8_t *rgb, int w, int h, double factor)
{
    blend_with_constant(rgb, (size_t)w * (size_t)h * 3, 0, (float)factor);
}

void sim_pixels_contrast(uint8_t *rgb, int w, int h, double factor)
{
    size_t count = (size_t)w * (size_t)h;
    uint64_t total = 0;
    struct planes p;
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t n = count - at < CHUNK ? count - at : CHUNK;
        uint8_t l[CHUNK];
        uint32_t sum = 0;
        planes_load(&p, rgb + 3 * at, n);
        luma(&p, l, n);
        for (size_t i = 0; i < n; i++) sum += l[i];
        total += sum;
    }
    int mean = (int)((double)total / (double)count + 0.5);
    blend_with_constant(rgb, count * 3, mean, (float)factor);
}

void sim_pixels_saturation(uint8_t *rgb, int w, int h, double factor)
{
    size_t count = (size_t)w * (size_t)h;
    struct planes p;
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t n = count - at < CHUNK ? count - at : CHUNK;
        uint8_t l[CHUNK];
        planes_load(&p, rgb + 3 * at, n);
        luma(&p, l, n);
        blend_with_plane(p.r, l, n, (float)factor);
        blend_with_plane(p.g, l, n, (float)factor);
        blend_with_plane(p.b, l, n, (float)factor);
        planes_store(&p, rgb + 3 * at, n);
    }
}

void sim_pixels_grayscale(uint8_t *rgb, int w, int h)
{
    size_t count = (size_t)w * (size_t)h;
    struct planes p;
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t n = count - at < CHUNK ? count - at : CHUNK;
        planes_load(&p, rgb + 3 * at, n);
        luma(&p, p.r, n);
        memcpy(p.g, p.r, n);
        memcpy(p.b, p.r, n);
        planes_store(&p, rgb + 3 * at, n);
    }
}

/* ---------------------------------------------------------------- hue */

/* Pillow goes from bytes to hue and saturation bytes and back in a mixture of float and double.  The steps
 * here are shorter and give the same bytes; tests/ops/test_pixels.c compares all 2^24 colours. */

/* 255 hues are 510 half steps, 85 to each sixth of the circle. */
enum { CIRCLE = 510, SIXTH = 85, UNIT = 255 * SIXTH };

static inline int max_int(int a, int b)
{
    return a > b ? a : b;
}
static inline int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Hue and saturation bytes of Pillow's HSV (value is the largest channel).  The smallest channel's term in
 * the hue is exactly 1, so that hue in sixths is a whole number plus or minus the middle channel's term,
 * rounded once. */
static void to_hue(const struct planes *p, uint8_t *restrict hue, uint8_t *restrict saturation, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = p->r[i], g = p->g[i], b = p->b[i];
        int most = max_int(r, max_int(g, b)), least = min_int(r, min_int(g, b)), range = most - least;
        float middle =
            (float)(2 * most + least - r - g - b) / (float)max_int(range, 1); /* (most - middle) / range */
        int red = r == most, green = !red & (g == most);
        int whole = red ? (b <= g ? 1 : -1) : green ? (r <= b ? 3 : 1) : (r <= g ? 3 : 5);
        int minus = red ? b <= g : green ? r <= b : r > g;
        float sixths = (float)whole + (minus ? -middle : middle);
        double turn = (double)sixths * (1 / 6.0) + 1.0;
        turn = turn >= 1.0 ? turn - 1.0 : turn;
        hue[i] = (uint8_t)(int)((double)(float)turn *
                                255.0); /* of a grey pixel: anything, as its saturation is 0 */
        saturation[i] = (uint8_t)(int)((float)range / (float)max_int(most, 1) * 255.0f);
    }
}

/* v * (1 - s/255 * down/85), rounded.  The fraction is over 255 * 85, an odd number, so no result lies midway
 * between two bytes, and the nearest to midway is 1/43350 away: more than the float32 division by
 * multiplication may be off. */
static inline int dim(int v, int s, int down)
{
    return (int)((float)(2 * v * (UNIT - s * down) + UNIT) * (1.0f / (2 * UNIT)));
}

/* How far red is down from full, of 85: nothing in the first and last sixth, everything in the two in the
 * middle, and changing between.  Green and blue are red a third of the circle before and after. */
static inline int red_down(int half_steps)
{
    return min_int(max_int(2 * SIXTH - abs(half_steps - CIRCLE / 2), 0), SIXTH);
}

/* The colours of hue + shift (modulo 256), saturation, and the largest channel of *p, into *p. */
static void from_hue(struct planes *p, const uint8_t *restrict hue, const uint8_t *restrict saturation,
                     size_t n, uint8_t shift)
{
    for (size_t i = 0; i < n; i++) {
        int v = max_int(p->r[i], max_int(p->g[i], p->b[i])), s = saturation[i];
        int at = 2 * ((hue[i] + shift) & 255), before = at - CIRCLE / 3, after = at + CIRCLE / 3;
        before = before < 0 ? before + CIRCLE : before;
        after = after > CIRCLE ? after - CIRCLE : after;
        p->r[i] = (uint8_t)dim(v, s, red_down(at));
        p->g[i] = (uint8_t)dim(v, s, red_down(before));
        p->b[i] = (uint8_t)dim(v, s, red_down(after));
    }
}

void sim_pixels_hue(uint8_t *rgb, int w, int h, double factor)
{
    size_t count = (size_t)w * (size_t)h;
    struct planes p;
    uint8_t hue[CHUNK], saturation[CHUNK];
    const uint8_t shift = (uint8_t)(int32_t)(factor * 255); /* truncated, then modulo 256: numpy's cast */
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t n = count - at < CHUNK ? count - at : CHUNK;
        planes_load(&p, rgb + 3 * at, n);
        to_hue(&p, hue, saturation, n);
        from_hue(&p, hue, saturation, n, shift);
        planes_store(&p, rgb + 3 * at, n);
    }
}
