/* Colour operations with the results of Pillow 9.4 and of torchvision's adjust_* upon it.
 *
 * Pixels are taken CHUNK at a time into planes of one colour each, so that the arithmetic is plain loops over
 * arrays, which the compiler turns into vector instructions; only the sorting of bytes into planes is written
 * by hand. This file must be compiled without fused multiply-add (see the Makefile): Pillow rounds every
 * product. */
#include "pixels.h"

#include <immintrin.h>
#include <string.h>

#include "pixel_math.h"

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

static inline void luma(const struct planes *p, uint8_t *l, size_t n)
{
    for (size_t i = 0; i < n; i++) l[i] = sim_luma(p->r[i], p->g[i], p->b[i]);
}

static void blend_with_constant(uint8_t *v, size_t n, int plain, float factor)
{
    for (size_t i = 0; i < n; i++) v[i] = sim_blend(plain, v[i], factor);
}

static void blend_with_plane(uint8_t *v, const uint8_t *plain, size_t n, float factor)
{
    for (size_t i = 0; i < n; i++) v[i] = sim_blend(plain[i], v[i], factor);
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
    blend_with_constant(rgb, count * 3, sim_mean_luma(total, count), (float)factor);
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

/* Of *p. */
static void to_hue(const struct planes *p, uint8_t *restrict hue, uint8_t *restrict saturation, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t h, s;
        sim_hue_of(p->r[i], p->g[i], p->b[i], &h, &s);
        hue[i] = h, saturation[i] = s;
    }
}

/* The colours of hue + shift (modulo 256), saturation, and the largest channel of *p, into *p. */
static void from_hue(struct planes *p, const uint8_t *restrict hue, const uint8_t *restrict saturation,
                     size_t n, uint8_t shift)
{
    for (size_t i = 0; i < n; i++) {
        int v = sim_larger(p->r[i], sim_larger(p->g[i], p->b[i]));
        uint8_t r, g, b;
        sim_hue_color((uint8_t)(hue[i] + shift), saturation[i], v, &r, &g, &b);
        p->r[i] = r, p->g[i] = g, p->b[i] = b;
    }
}

void sim_pixels_hue(uint8_t *rgb, int w, int h, double factor)
{
    size_t count = (size_t)w * (size_t)h;
    struct planes p;
    uint8_t hue[CHUNK], saturation[CHUNK];
    const uint8_t shift = sim_hue_shift(factor);
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t n = count - at < CHUNK ? count - at : CHUNK;
        planes_load(&p, rgb + 3 * at, n);
        to_hue(&p, hue, saturation, n);
        from_hue(&p, hue, saturation, n, shift);
        planes_store(&p, rgb + 3 * at, n);
    }
}
