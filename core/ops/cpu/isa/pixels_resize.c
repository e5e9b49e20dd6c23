/* The two passes of the resampler (../pixels_resize.c). */
#include <immintrin.h>
#include <string.h>

#include "pixel_kernels.h"
#include "pixel_math.h"

enum { LINE = 32 }; /* bytes that the vertical pass reads and makes at once */

/* sum + a b, products of 16 bits summed in pairs, modulo 2^32 */
static inline __m256i add_products(__m256i sum, __m256i a, __m256i b)
{
#ifdef __AVX512VNNI__
    return _mm256_dpwssd_epi32(sum, a, b);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
}

static inline __m256i joined(__m256i low, __m256i high)
{
    return _mm256_add_epi32(_mm256_slli_epi32(high, SIM_TAP_LOW_BITS), low);
}

/* To 32-bit values of which packing with saturation makes bytes. */
static inline __m256i rounded(__m256i sum)
{
    return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << (SIM_TAP_BITS - 1))), SIM_TAP_BITS);
}

/* Four rows, out_w pixels each.  Reads SIM_RESIZE_LOAD bytes at the first pixel of each group; writes one
 * byte past the end. */
static inline __attribute__((always_inline)) void across_groups(const struct sim_resize_axis *a, int groups,
                                                                int out_w,
                                                                const uint8_t *const row[SIM_RESIZE_BAND],
                                                                uint8_t *const out[SIM_RESIZE_BAND])
{
    /* r0 r1 g0 g1 b0 b1 - - of taps 0 and 1 in the lower half, of taps 2 and 3 in the upper, 16 bits each */
    const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9,
                                           -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i pick_low = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m256i pick_high = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    const int16_t *weight = a->weight;
    for (int x = 0; x < out_w; x++) {
        __m256i low[SIM_RESIZE_BAND], high[SIM_RESIZE_BAND];
        for (int r = 0; r < SIM_RESIZE_BAND; r++) low[r] = high[r] = _mm256_setzero_si256();
        size_t at = (size_t)a->first[x] * 3;
        for (int g = 0; g < groups; g++, at += 3 * SIM_TAP_GROUP, weight += 2 * SIM_TAP_GROUP) {
            __m256i k = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)weight));
            __m256i k_low = _mm256_permutevar8x32_epi32(k, pick_low);
            __m256i k_high = _mm256_permutevar8x32_epi32(k, pick_high);
            for (int r = 0; r < SIM_RESIZE_BAND; r++) {
                __m256i p = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(row[r] + at)));
                p = _mm256_shuffle_epi8(p, pairs);
                low[r] = add_products(low[r], p, k_low);
                high[r] = add_products(high[r], p, k_high);
            }
        }
        __m256i two[SIM_RESIZE_BAND / 2]; /* row 2i in the lower half, row 2i + 1 in the upper */
        for (int r = 0; r < SIM_RESIZE_BAND; r++) low[r] = joined(low[r], high[r]);
        for (int i = 0; i < SIM_RESIZE_BAND / 2; i++)
            two[i] = rounded(_mm256_add_epi32(_mm256_permute2x128_si256(low[2 * i], low[2 * i + 1], 0x20),
                                              _mm256_permute2x128_si256(low[2 * i], low[2 * i + 1], 0x31)));
        __m256i words = _mm256_packs_epi32(two[0], two[1]), bytes = _mm256_packus_epi16(words, words);
        __m128i even = _mm256_castsi256_si128(bytes), odd = _mm256_extracti128_si256(bytes, 1);
        /* 4 bytes each: the fourth is overwritten by the next pixel */
        _mm_storeu_si32(out[0] + 3 * (size_t)x, even);
        _mm_storeu_si32(out[1] + 3 * (size_t)x, odd);
        _mm_storeu_si32(out[2] + 3 * (size_t)x, _mm_srli_si128(even, 4));
        _mm_storeu_si32(out[3] + 3 * (size_t)x, _mm_srli_si128(odd, 4));
    }
}

static void across(const struct sim_resize_axis *a, int out_w, const uint8_t *const row[SIM_RESIZE_BAND],
                   uint8_t *const out[SIM_RESIZE_BAND])
{
    switch (a->groups) {
    case 1:
        across_groups(a, 1, out_w, row, out);
        break;
    case 2:
        across_groups(a, 2, out_w, row, out);
        break;
    case 3:
        across_groups(a, 3, out_w, row, out);
        break;
    default:
        across_groups(a, a->groups, out_w, row, out);
    }
}

/* One output row of n bytes from `count` rows; rows are readable in steps of LINE. */
static void down(const int16_t *weight, int count, const uint8_t *const row[], size_t n, uint8_t *out)
{
    const __m256i zero = _mm256_setzero_si256();
    for (size_t at = 0; at < n; at += LINE) {
        __m256i low[4], high[4];
        for (int i = 0; i < 4; i++) low[i] = high[i] = zero;
        for (int t = 0; t < count; t += 2) {
            /* an odd last tap is paired with itself and a weight of 0 */
            const int16_t *k = weight + t / SIM_TAP_GROUP * 2 * SIM_TAP_GROUP + t % SIM_TAP_GROUP;
            int32_t pair_low, pair_high;
            memcpy(&pair_low, k, 4);
            memcpy(&pair_high, k + SIM_TAP_GROUP, 4);
            __m256i k_low = _mm256_set1_epi32(pair_low), k_high = _mm256_set1_epi32(pair_high);
            __m256i a = _mm256_load_si256((const __m256i *)(row[t] + at));
            __m256i b = _mm256_load_si256((const __m256i *)(row[t + 1 < count ? t + 1 : t] + at));
            __m256i ab[2] = {_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)};
            for (int i = 0; i < 2; i++) {
                __m256i p = _mm256_unpacklo_epi8(ab[i], zero), q = _mm256_unpackhi_epi8(ab[i], zero);
                low[2 * i] = add_products(low[2 * i], p, k_low);
                high[2 * i] = add_products(high[2 * i], p, k_high);
                low[2 * i + 1] = add_products(low[2 * i + 1], q, k_low);
                high[2 * i + 1] = add_products(high[2 * i + 1], q, k_high);
            }
        }
        __m256i made = _mm256_packus_epi16(
            _mm256_packs_epi32(rounded(joined(low[0], high[0])), rounded(joined(low[1], high[1]))),
            _mm256_packs_epi32(rounded(joined(low[2], high[2])), rounded(joined(low[3], high[3]))));
        if (at + LINE <= n) {
            _mm256_storeu_si256((__m256i *)(out + at), made);
        } else {
            uint8_t tail[LINE];
            _mm256_storeu_si256((__m256i *)tail, made);
            memcpy(out + at, tail, n - at);
        }
    }
}

void SIM_ISA_NAME(sim_pixel_kernels_resize)(struct sim_pixel_kernels *k)
{
    k->resize_across = across;
    k->resize_down = down;
}
