/* Colours, sixteen pixels at a time: taken apart into a register for each channel, and put together again. */
#include <immintrin.h>
#include <string.h>

#include "pixel_kernels.h"
#include "pixel_math.h"

enum { SIXTEEN = 16 }; /* pixels */

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

static inline struct floats floats_signed(__m128i bytes)
{
    return (struct floats){_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}

static inline struct floats floats_all(float v)
{
    return (struct floats){_mm512_set1_ps(v)};
}

static inline struct floats truncated(struct floats v)
{
    return (struct floats){_mm512_roundscale_ps(v.all, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)};
}

/* yes where v is below 0, else no */
static inline struct floats negative(struct floats v, struct floats yes, struct floats no)
{
    const __mmask16 below = _mm512_cmp_ps_mask(v.all, _mm512_setzero_ps(), _CMP_LT_OQ);
    return (struct floats){_mm512_mask_blend_ps(below, no.all, yes.all)};
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

/* operation: add, sub, mul, div; fmadd: a b + c; fmsub: a b - c; fnmadd: c - a b */
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

static inline struct floats floats_signed(__m128i bytes)
{
    return (struct floats){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                           _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}

static inline struct floats floats_all(float v)
{
    return (struct floats){_mm256_set1_ps(v), _mm256_set1_ps(v)};
}

static inline struct floats truncated(struct floats v)
{
    return (struct floats){_mm256_round_ps(v.low, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC),
                           _mm256_round_ps(v.high, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)};
}

/* yes where v is below 0, else no */
static inline struct floats negative(struct floats v, struct floats yes, struct floats no)
{
    const __m256 zero = _mm256_setzero_ps();
    return (struct floats){_mm256_blendv_ps(no.low, yes.low, _mm256_cmp_ps(v.low, zero, _CMP_LT_OQ)),
                           _mm256_blendv_ps(no.high, yes.high, _mm256_cmp_ps(v.high, zero, _CMP_LT_OQ))};
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

/* operation: add, sub, mul, div; fmadd: a b + c; fmsub: a b - c; fnmadd: c - a b */
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

/* yes where the mask's byte is 0xff, no where it is 0 */
static inline __m128i either(__m128i mask, __m128i yes, __m128i no)
{
    return _mm_blendv_epi8(no, yes, mask);
}

static inline __m128i at_most(__m128i a, __m128i b)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(a, b), a);
}

/* sim_hue_of: the hue of sixteen pixels, whose largest channels are `most` and whose smallest `least`. */
static inline __m128i hue_of(struct sixteen p, __m128i most, __m128i least)
{
    const __m128i one = _mm_set1_epi8(1), minus_one = _mm_set1_epi8(-1), three = _mm_set1_epi8(3);
    const __m128i middle =
        _mm_xor_si128(_mm_xor_si128(_mm_xor_si128(p.r, p.g), _mm_xor_si128(p.b, most)), least);
    const __m128i red = _mm_cmpeq_epi8(p.r, most), green = _mm_cmpeq_epi8(p.g, most);
    const __m128i b_to_g = at_most(p.b, p.g), r_to_b = at_most(p.r, p.b), r_to_g = at_most(p.r, p.g);
    const __m128i whole =
        either(red, either(b_to_g, one, minus_one),
               either(green, either(r_to_b, three, one), either(r_to_g, three, _mm_set1_epi8(5))));
    const __m128i sign =
        either(red, either(b_to_g, minus_one, one),
               either(green, either(r_to_b, minus_one, one), either(r_to_g, one, minus_one)));
    const struct floats range = floats_of(_mm_max_epu8(_mm_sub_epi8(most, least), one)),
                        part = TWO(div, floats_of(_mm_sub_epi8(most, middle)), range);
    const struct floats sixths = TWO(add, floats_signed(whole), TWO(mul, floats_signed(sign), part)),
                        sixth = floats_all(1.0f / 6.0f), full = floats_all(255.0f),
                        share = TWO(mul, sixths, sixth);
    const struct floats turn =
        negative(sixths, THREE(fmadd, sixths, sixth, floats_all(1.0f)),
                 THREE(fmadd, THREE(fnmadd, floats_all(6.0f), share, sixths), sixth, share));
    const struct floats steps = truncated(TWO(mul, turn, full));
    return bytes_of(negative(THREE(fmsub, turn, full, steps), TWO(sub, steps, floats_all(1.0f)), steps));
}

/* sim_hue_dim of sixteen channels: value holds pairs of 2 v and 1, in the order of unpacking. */
static inline __m128i dimmed(const __m256i value[2], __m256i saturation, __m256i down)
{
    const __m256i unit = _mm256_set1_epi16(SIM_HUE_UNIT);
    const __m256 share = _mm256_set1_ps(1.0f / (2 * SIM_HUE_UNIT));
    const __m256i left = _mm256_sub_epi16(unit, _mm256_mullo_epi16(saturation, down));
    __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi16(left, unit), value[0]),
            high = _mm256_madd_epi16(_mm256_unpackhi_epi16(left, unit), value[1]);
    low = _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(low), share));
    high = _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(high), share));
    const __m256i words = _mm256_packs_epi32(low, high);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* sim_hue_red_down */
static inline __m256i red_down(__m256i half_steps)
{
    const __m256i away =
        _mm256_abs_epi16(_mm256_sub_epi16(half_steps, _mm256_set1_epi16(SIM_HUE_CIRCLE / 2)));
    const __m256i down = _mm256_sub_epi16(_mm256_set1_epi16(2 * SIM_HUE_SIXTH), away);
    return _mm256_min_epi16(_mm256_max_epi16(down, _mm256_setzero_si256()), _mm256_set1_epi16(SIM_HUE_SIXTH));
}

/* What a chunk of pixels is between its colours and its turned colours: so that the steps of several
 * sixteens, each a long chain, are under way at once. */
enum { CHUNK = 16 }; /* sixteens */
struct turned {
    __m128i hue[CHUNK], saturation[CHUNK], value[CHUNK];
};

static inline void take_hue(struct turned *t, size_t k, const uint8_t *rgb)
{
    const struct sixteen p = apart(rgb);
    const __m128i most = _mm_max_epu8(p.r, _mm_max_epu8(p.g, p.b)),
                  least = _mm_min_epu8(p.r, _mm_min_epu8(p.g, p.b));
    const struct floats range = floats_of(_mm_sub_epi8(most, least)),
                        largest = floats_of(_mm_max_epu8(most, _mm_set1_epi8(1)));
    t->value[k] = most;
    t->saturation[k] = bytes_of(TWO(mul, TWO(div, range, largest), floats_all(255.0f)));
    t->hue[k] = hue_of(p, most, least);
}

/* sim_hue_color */
static inline void give_colours(const struct turned *t, size_t k, __m128i shift, uint8_t *rgb)
{
    const __m256i circle = _mm256_set1_epi16(SIM_HUE_CIRCLE), third = _mm256_set1_epi16(SIM_HUE_CIRCLE / 3),
                  ones = _mm256_set1_epi16(1);
    const __m256i saturation = _mm256_cvtepu8_epi16(t->saturation[k]),
                  doubled = _mm256_slli_epi16(_mm256_cvtepu8_epi16(t->value[k]), 1);
    const __m256i value[2] = {_mm256_unpacklo_epi16(doubled, ones), _mm256_unpackhi_epi16(doubled, ones)};
    const __m256i at = _mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_add_epi8(t->hue[k], shift)), 1);
    __m256i before = _mm256_sub_epi16(at, third), after = _mm256_add_epi16(at, third);
    before = _mm256_add_epi16(before, _mm256_and_si256(_mm256_srai_epi16(before, 15), circle));
    after = _mm256_sub_epi16(after, _mm256_and_si256(_mm256_cmpgt_epi16(after, circle), circle));
    const struct sixteen p = {dimmed(value, saturation, red_down(at)),
                              dimmed(value, saturation, red_down(before)),
                              dimmed(value, saturation, red_down(after))};
    together(p, rgb);
}

static void turn(uint8_t *rgb, size_t sixteens, uint8_t shift)
{
    const __m128i steps = _mm_set1_epi8((char)shift);
    struct turned t;
    for (size_t k = 0; k < sixteens; k++) take_hue(&t, k, rgb + 3 * SIXTEEN * k);
    for (size_t k = 0; k < sixteens; k++) give_colours(&t, k, steps, rgb + 3 * SIXTEEN * k);
}

static void hue(uint8_t *rgb, size_t pixels, uint8_t shift)
{
    size_t i = 0;
    for (; i + SIXTEEN * CHUNK <= pixels; i += SIXTEEN * CHUNK) turn(rgb + 3 * i, CHUNK, shift);
    const size_t left = (pixels - i) / SIXTEEN, rest = (pixels - i) % SIXTEEN;
    turn(rgb + 3 * i, left, shift);
    uint8_t last[3 * SIXTEEN] = {0}, *at = rgb + 3 * (i + left * SIXTEEN);
    memcpy(last, at, 3 * rest);
    turn(last, 1, shift);
    memcpy(at, last, 3 * rest);
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
    k->hue = hue;
    k->normalize = normalize;
}
