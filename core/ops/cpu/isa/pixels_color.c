/* Colours.  Pixels are taken apart into planes of one colour each; hue, the longest, by plain loops over
 * chunks of such planes, which the compiler turns into vector instructions. */
#include <immintrin.h>
#include <string.h>

#include "pixel_kernels.h"
#include "pixel_math.h"

enum { SIXTEEN = 16, CHUNK = 256 }; /* pixels */

/* ---------------------------------------------------------------- bytes into planes and back */

struct sixteen { /* pixels, a byte each */
    __m128i r, g, b;
};

/* 16 pixels: byte 3i + c of the 48 is byte i of plane c.  Of each plane, five or six bytes come from each
 * third. */
static inline __m128i gather(__m128i x, __m128i y, __m128i z, __m128i from_x, __m128i from_y, __m128i from_z)
{
    return _mm_or_si128(_mm_shuffle_epi8(x, from_x),
                        _mm_or_si128(_mm_shuffle_epi8(y, from_y), _mm_shuffle_epi8(z, from_z)));
}

static inline struct sixteen apart(const uint8_t *rgb)
{
    const __m128i *from = (const __m128i *)rgb;
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
    return (struct sixteen){r, g, b};
}

static inline void together(struct sixteen p, uint8_t *rgb)
{
    __m128i *to = (__m128i *)rgb;
    _mm_storeu_si128(to, gather(p.r, p.g, p.b,
                                _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5),
                                _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1),
                                _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1)));
    _mm_storeu_si128(to + 1,
                     gather(p.r, p.g, p.b,
                            _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1),
                            _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10),
                            _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1)));
    _mm_storeu_si128(to + 2,
                     gather(p.r, p.g, p.b,
                            _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1),
                            _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1),
                            _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15)));
}

/* Calls one(16 pixels, context) for all of (n, 3), the last of them in a copy. */
static inline __attribute__((always_inline)) void
over_pixels(uint8_t *rgb, size_t n, void (*one)(uint8_t *rgb, const void *context), const void *context)
{
    size_t i = 0;
    for (; i + SIXTEEN <= n; i += SIXTEEN) one(rgb + 3 * i, context);
    if (i == n) return;
    uint8_t rest[3 * SIXTEEN] = {0};
    memcpy(rest, rgb + 3 * i, 3 * (n - i));
    one(rest, context);
    memcpy(rgb + 3 * i, rest, 3 * (n - i));
}

/* ---------------------------------------------------------------- sixteen numbers */

#ifdef __AVX512F__
struct floats {
    __m512 all;
};

static inline struct floats floats_of(__m128i bytes)
{
    return (struct floats){_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))};
}

static inline struct floats floats_all(float v)
{
    return (struct floats){_mm512_set1_ps(v)};
}

static inline void floats_store(float *to, struct floats v)
{
    _mm512_storeu_ps(to, v.all);
}

/* Truncated; below 0 is 0, above 255 is 255. */
static inline __m128i bytes_of(struct floats v)
{
    __m512i whole = _mm512_cvttps_epi32(_mm512_min_ps(v.all, _mm512_set1_ps(255.0f)));
    return _mm512_cvtusepi32_epi8(_mm512_max_epi32(whole, _mm512_setzero_si512()));
}

/* operation: add, sub, mul; fnmadd: c - a b; fmadd: c + a b */
#define TWO(operation, a, b) ((struct floats){_mm512_##operation##_ps((a).all, (b).all)})
#define THREE(operation, a, b, c) ((struct floats){_mm512_##operation##_ps((a).all, (b).all, (c).all)})
#else
struct floats {
    __m256 low, high;
};

static inline struct floats floats_of(__m128i bytes)
{
    return (struct floats){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
                           _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
}

static inline struct floats floats_all(float v)
{
    return (struct floats){_mm256_set1_ps(v), _mm256_set1_ps(v)};
}

static inline void floats_store(float *to, struct floats v)
{
    _mm256_storeu_ps(to, v.low);
    _mm256_storeu_ps(to + 8, v.high);
}

/* Truncated; below 0 is 0, above 255 is 255. */
static inline __m128i bytes_of(struct floats v)
{
    const __m256 most = _mm256_set1_ps(255.0f);
    __m256i low = _mm256_cvttps_epi32(_mm256_min_ps(v.low, most)),
            high = _mm256_cvttps_epi32(_mm256_min_ps(v.high, most));
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* operation: add, sub, mul; fnmadd: c - a b; fmadd: c + a b */
#define TWO(operation, a, b)                                                                                 \
    ((struct floats){_mm256_##operation##_ps((a).low, (b).low), _mm256_##operation##_ps((a).high, (b).high)})
#define THREE(operation, a, b, c)                                                                            \
    ((struct floats){_mm256_##operation##_ps((a).low, (b).low, (c).low),                                     \
                     _mm256_##operation##_ps((a).high, (b).high, (c).high)})
#endif

/* ---------------------------------------------------------------- luminance and blends */

/* sim_luma; the weight of green, which does not fit 16 signed bits, in two halves. */
static inline __m128i luma(struct sixteen p)
{
    const __m256i red_green = _mm256_set1_epi32(19595 | 19235 << 16),
                  green_blue = _mm256_set1_epi32(19235 | 7471 << 16), half = _mm256_set1_epi32(32768);
    __m256i r = _mm256_cvtepu8_epi16(p.r), g = _mm256_cvtepu8_epi16(p.g), b = _mm256_cvtepu8_epi16(p.b);
    __m256i low = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(r, g), red_green),
                                   _mm256_madd_epi16(_mm256_unpacklo_epi16(g, b), green_blue));
    __m256i high = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(r, g), red_green),
                                    _mm256_madd_epi16(_mm256_unpackhi_epi16(g, b), green_blue));
    __m256i words = _mm256_packus_epi32(_mm256_srli_epi32(_mm256_add_epi32(low, half), 16),
                                        _mm256_srli_epi32(_mm256_add_epi32(high, half), 16));
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* sim_blend */
static inline __m128i blend_sixteen(struct floats plain, __m128i v, struct floats factor)
{
    return bytes_of(TWO(add, plain, TWO(mul, factor, TWO(sub, floats_of(v), plain))));
}

static void blend(uint8_t *v, size_t n, int plain, float factor)
{
    const struct floats p = floats_all((float)plain), f = floats_all(factor);
    size_t i = 0;
    for (; i + SIXTEEN <= n; i += SIXTEEN) {
        __m128i *at = (__m128i *)(v + i);
        _mm_storeu_si128(at, blend_sixteen(p, _mm_loadu_si128(at), f));
    }
    for (; i < n; i++) v[i] = sim_blend(plain, v[i], factor);
}

static uint64_t luma_sum(const uint8_t *rgb, size_t pixels)
{
    __m128i sum = _mm_setzero_si128();
    size_t i = 0;
    for (; i + SIXTEEN <= pixels; i += SIXTEEN)
        sum = _mm_add_epi64(sum, _mm_sad_epu8(luma(apart(rgb + 3 * i)), _mm_setzero_si128()));
    uint64_t total = (uint64_t)_mm_cvtsi128_si64(sum) + (uint64_t)_mm_extract_epi64(sum, 1);
    for (; i < pixels; i++) total += sim_luma(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]);
    return total;
}

static inline __attribute__((always_inline)) void saturate_sixteen(uint8_t *rgb, const void *context)
{
    const struct floats *factor = context;
    struct sixteen p = apart(rgb);
    const struct floats plain = floats_of(luma(p));
    p.r = blend_sixteen(plain, p.r, *factor);
    p.g = blend_sixteen(plain, p.g, *factor);
    p.b = blend_sixteen(plain, p.b, *factor);
    together(p, rgb);
}

static void saturation(uint8_t *rgb, size_t pixels, float factor)
{
    const struct floats f = floats_all(factor);
    over_pixels(rgb, pixels, saturate_sixteen, &f);
}

static inline __attribute__((always_inline)) void gray_sixteen(uint8_t *rgb, const void *context)
{
    (void)context;
    const __m128i l = luma(apart(rgb));
    together((struct sixteen){l, l, l}, rgb);
}

static void grayscale(uint8_t *rgb, size_t pixels)
{
    over_pixels(rgb, pixels, gray_sixteen, NULL);
}

/* ---------------------------------------------------------------- hue */

struct planes {
    uint8_t r[CHUNK], g[CHUNK], b[CHUNK];
};

static void planes_load(struct planes *p, const uint8_t *rgb, size_t n)
{
    size_t i = 0;
    for (; i + SIXTEEN <= n; i += SIXTEEN) {
        const struct sixteen s = apart(rgb + 3 * i);
        _mm_storeu_si128((__m128i *)(p->r + i), s.r);
        _mm_storeu_si128((__m128i *)(p->g + i), s.g);
        _mm_storeu_si128((__m128i *)(p->b + i), s.b);
    }
    for (; i < n; i++) p->r[i] = rgb[3 * i], p->g[i] = rgb[3 * i + 1], p->b[i] = rgb[3 * i + 2];
}

static void planes_store(const struct planes *p, uint8_t *rgb, size_t n)
{
    size_t i = 0;
    for (; i + SIXTEEN <= n; i += SIXTEEN) {
        const struct sixteen s = {_mm_loadu_si128((const __m128i *)(p->r + i)),
                                  _mm_loadu_si128((const __m128i *)(p->g + i)),
                                  _mm_loadu_si128((const __m128i *)(p->b + i))};
        together(s, rgb + 3 * i);
    }
    for (; i < n; i++) rgb[3 * i] = p->r[i], rgb[3 * i + 1] = p->g[i], rgb[3 * i + 2] = p->b[i];
}

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

static void hue_of_pixels(uint8_t *rgb, size_t pixels, uint8_t shift)
{
    struct planes p;
    uint8_t hue[CHUNK], saturation_of[CHUNK];
    for (size_t at = 0; at < pixels; at += CHUNK) {
        const size_t n = pixels - at < CHUNK ? pixels - at : CHUNK;
        planes_load(&p, rgb + 3 * at, n);
        to_hue(&p, hue, saturation_of, n);
        from_hue(&p, hue, saturation_of, n, shift);
        planes_store(&p, rgb + 3 * at, n);
    }
}

/* ---------------------------------------------------------------- normalisation */

/* a / by, rounded once, as by's rounded reciprocal and the remainder of a first quotient give it; for the few
 * numbers there are, tests/ops/test_pixels.c divides all. */
static inline struct floats divided(struct floats a, struct floats by, struct floats reciprocal)
{
    const struct floats first = TWO(mul, a, reciprocal);
    return THREE(fmadd, THREE(fnmadd, first, by, a), reciprocal, first);
}

struct channel {
    struct floats mean, deviation, reciprocal;
};

static inline void normalize_sixteen(__m128i v, const struct channel *c, float *out)
{
    const struct floats share = divided(floats_of(v), floats_all(255.0f), floats_all(1.0f / 255.0f));
    floats_store(out, divided(TWO(sub, share, c->mean), c->deviation, c->reciprocal));
}

static void normalize(const uint8_t *rgb, size_t pixels, enum sim_normalize by, float *out)
{
    struct channel c[3];
    for (int k = 0; k < 3; k++) {
        const float deviation = sim_normalize_deviation(k, by);
        c[k] = (struct channel){floats_all(sim_normalize_mean(k, by)), floats_all(deviation),
                                floats_all(1.0f / deviation)};
    }
    size_t i = 0;
    for (; i + SIXTEEN <= pixels; i += SIXTEEN) {
        const struct sixteen p = apart(rgb + 3 * i);
        normalize_sixteen(p.r, &c[0], out + i);
        normalize_sixteen(p.g, &c[1], out + pixels + i);
        normalize_sixteen(p.b, &c[2], out + 2 * pixels + i);
    }
    for (; i < pixels; i++)
        for (size_t k = 0; k < 3; k++) out[k * pixels + i] = sim_normalized(rgb[3 * i + k], (int)k, by);
}

void SIM_ISA_NAME(sim_pixel_kernels_color)(struct sim_pixel_kernels *k)
{
    k->blend = blend;
    k->luma_sum = luma_sum;
    k->saturation = saturation;
    k->grayscale = grayscale;
    k->hue = hue_of_pixels;
    k->normalize = normalize;
}
