/* Colour operations with the arithmetic of Pillow 9.4 (Convert.c, Blend.c by behaviour) and torchvision's adjust_*.
 *
 * Pixels are taken CHUNK at a time into planes of one colour each, so that the arithmetic is plain loops over arrays,
 * which the compiler turns into vector instructions; only the sorting of bytes into planes is written by hand.
 * This file must be compiled without fused multiply-add (see the Makefile): Pillow rounds every product. */
#include "pixels.h"

#include <immintrin.h>
#include <string.h>

enum { CHUNK = 256 }; /* pixels; a multiple of 16 */

struct planes {
    uint8_t r[CHUNK], g[CHUNK], b[CHUNK];
};

/* ---------------------------------------------------------------- bytes into planes and back */

/* 16 pixels: byte 3i + c of the 48 is byte i of plane c.  Of each plane, five or six bytes come from each third. */
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
        __m128i g = gather(x, y, z, _mm_setr_epi8(1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
                           _mm_setr_epi8(-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1),
                           _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14));
        __m128i b = gather(x, y, z, _mm_setr_epi8(2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
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
        __m128i r = _mm_loadu_si128((const __m128i *)(p->r + i)), g = _mm_loadu_si128((const __m128i *)(p->g + i));
        __m128i b = _mm_loadu_si128((const __m128i *)(p->b + i));
        _mm_storeu_si128(to, gather(r, g, b, _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5),
                                    _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1),
                                    _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1)));
        _mm_storeu_si128(to + 1,
                         gather(r, g, b, _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1),
                                _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10),
                                _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1)));
        _mm_storeu_si128(to + 2,
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

/* plain + factor * (v - plain) in float32, truncated; clipped only where Pillow clips (it makes no difference inside). */
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

/* What the shifted hue byte means: the sixth of the circle it falls in, and how far into it. */
struct hue_table {
    int32_t sixth[256];
    float part[256];
};

static void hue_table_fill(struct hue_table *t, uint8_t shift)
{
    for (int v = 0; v < 256; v++) {
        double turn = (uint8_t)(v + shift) * 6.0 / 255.0;
        int whole = (int)turn;
        t->sixth[v] = whole % 6;
        t->part[v] = (float)(turn - whole);
    }
}

static inline int max_int(int a, int b) { return a > b ? a : b; }
static inline int min_int(int a, int b) { return a < b ? a : b; }

/* Nearest integer of x >= 0, halves up: the fraction is exact, where adding 0.5 could round. */
static inline int nearest(double x)
{
    int whole = (int)x;
    return whole + (x - whole >= 0.5);
}

/* Hue and saturation bytes of Pillow's HSV (value is the largest channel). */
static void to_hue(const struct planes *p, uint8_t *restrict hue, uint8_t *restrict saturation, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = p->r[i], g = p->g[i], b = p->b[i];
        int most = max_int(r, max_int(g, b)), range = most - min_int(r, min_int(g, b));
        float span = (float)max_int(range, 1); /* a grey pixel gives hue 0 and saturation 0 of themselves */
        float rc = (float)(most - r) / span, gc = (float)(most - g) / span, bc = (float)(most - b) / span;
        float s = (float)range / (float)max_int(most, 1);
        double sector = r == most ? (double)(bc - gc) : g == most ? 2.0 + rc - bc : 4.0 + gc - rc;
        double turn = (double)(float)sector / 6.0 + 1.0;
        turn = turn >= 1.0 ? turn - 1.0 : turn;
        hue[i] = (uint8_t)(int)((double)(float)turn * 255.0);
        saturation[i] = (uint8_t)(int)((double)s * 255.0);
    }
}

static void from_hue(struct planes *p, const uint8_t *restrict hue, const uint8_t *restrict saturation, size_t n,
                     const struct hue_table *table)
{
    for (size_t i = 0; i < n; i++) {
        int v = max_int(p->r[i], max_int(p->g[i], p->b[i]));
        int sixth = table->sixth[hue[i]];
        float part = table->part[hue[i]], s = (float)(saturation[i] / 255.0);
        int floor_ = nearest(v * (1.0 - s));
        int falling = nearest(v * (1.0 - s * part));
        int rising = nearest(v * (1.0 - s * (1.0 - part)));
        int r = sixth == 0 || sixth == 5 ? v : sixth == 1 ? falling : sixth == 4 ? rising : floor_;
        int g = sixth == 1 || sixth == 2 ? v : sixth == 3 ? falling : sixth == 0 ? rising : floor_;
        int b = sixth == 3 || sixth == 4 ? v : sixth == 5 ? falling : sixth == 2 ? rising : floor_;
        p->r[i] = (uint8_t)r, p->g[i] = (uint8_t)g, p->b[i] = (uint8_t)b;
    }
}

void sim_pixels_hue(uint8_t *rgb, int w, int h, double factor)
{
    size_t count = (size_t)w * (size_t)h;
    struct hue_table table;
    struct planes p;
    uint8_t hue[CHUNK], saturation[CHUNK];
    hue_table_fill(&table, (uint8_t)(int32_t)(factor * 255)); /* truncated, then modulo 256: numpy's cast */
    for (size_t at = 0; at < count; at += CHUNK) {
        size_t n = count - at < CHUNK ? count - at : CHUNK;
        planes_load(&p, rgb + 3 * at, n);
        to_hue(&p, hue, saturation, n);
        from_hue(&p, hue, saturation, n, &table);
        planes_store(&p, rgb + 3 * at, n);
    }
}
