/* Crop and antialiased resize with Pillow 9.4's arithmetic: weights in double, rounded to 22 fractional bits;
 * horizontal pass first, 8 bits between the passes.
 *
 * How it is made fast without changing a bit of the sums.  A weight k is split as k = 2048 * high + low, both
 * of which fit 16 bits, so that one multiply-add instruction takes two taps at once; the two halves are
 * summed apart and joined at the end.  All sums are modulo 2^32, as the final one fits.  The horizontal pass
 * runs four rows together, so that the weights are unpacked once for four rows, and only just ahead of the
 * vertical pass, so that the rows between the passes stay in the first-level cache. */
#include "pixels.h"

#include <immintrin.h>
#include <string.h>

#include "arena.h"
#include "pixel_math.h"

enum {
    LOW_BITS = 11,
    GROUP = 4,       /* taps of one group of weights */
    BAND = 4,        /* rows that the horizontal pass takes together */
    LOAD_BYTES = 16, /* what the horizontal pass reads at once, 12 bytes (4 pixels) of it used */
    LINE_BYTES = 32  /* what the vertical pass reads and makes at once */
};

/* The taps of every output position along one axis. */
struct axis {
    int groups, most; /* groups of 4 taps per position; largest number of taps */
    int32_t *first;   /* (out) first input position */
    int32_t *count;   /* (out) taps */
    int16_t *weight;  /* (out, groups, 8): low halves of 4 weights, then high halves; 0 past `count` */
    double *scratch;  /* (4 * groups) weights before rounding */
};

static void axis_take(struct axis *a, struct sim_arena *arena, int in, int out, enum sim_resample filter)
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
static void axis_fill(struct axis *a, int in, int out, enum sim_resample filter, int flip)
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

/* Joins the halves, rounds, and leaves 32-bit values of which packing with saturation makes bytes. */
static inline __m256i join(__m256i low, __m256i high)
{
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, LOW_BITS), low);
    return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << (SIM_TAP_BITS - 1))), SIM_TAP_BITS);
}

/* Four rows, out_w pixels each.  Reads LOAD_BYTES at the first pixel of each group; writes one byte past the
 * end. */
static inline __attribute__((always_inline)) void horizontal_groups(const struct axis *a, int groups,
                                                                    int out_w, const uint8_t *const row[BAND],
                                                                    uint8_t *const out[BAND])
{
    /* r0 r1 g0 g1 b0 b1 - - of taps 0 and 1 in the lower half, of taps 2 and 3 in the upper, 16 bits each */
    const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 6, -1, 9,
                                           -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    const __m256i pick_low = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m256i pick_high = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
    const int16_t *weight = a->weight;
    for (int x = 0; x < out_w; x++) {
        __m256i low[BAND], high[BAND];
        for (int r = 0; r < BAND; r++) low[r] = high[r] = _mm256_setzero_si256();
        size_t at = (size_t)a->first[x] * 3;
        for (int g = 0; g < groups; g++, at += 3 * GROUP, weight += 2 * GROUP) {
            __m256i k = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)weight));
            __m256i k_low = _mm256_permutevar8x32_epi32(k, pick_low);
            __m256i k_high = _mm256_permutevar8x32_epi32(k, pick_high);
            for (int r = 0; r < BAND; r++) {
                __m256i p = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(row[r] + at)));
                p = _mm256_shuffle_epi8(p, pairs);
                low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(p, k_low));
                high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(p, k_high));
            }
        }
        __m256i two[BAND / 2]; /* row 2i in the lower half, row 2i + 1 in the upper */
        for (int i = 0; i < BAND / 2; i++) {
            __m256i l = _mm256_add_epi32(_mm256_permute2x128_si256(low[2 * i], low[2 * i + 1], 0x20),
                                         _mm256_permute2x128_si256(low[2 * i], low[2 * i + 1], 0x31));
            __m256i h = _mm256_add_epi32(_mm256_permute2x128_si256(high[2 * i], high[2 * i + 1], 0x20),
                                         _mm256_permute2x128_si256(high[2 * i], high[2 * i + 1], 0x31));
            two[i] = join(l, h);
        }
        __m256i words = _mm256_packs_epi32(two[0], two[1]), bytes = _mm256_packus_epi16(words, words);
        __m128i even = _mm256_castsi256_si128(bytes), odd = _mm256_extracti128_si256(bytes, 1);
        /* 4 bytes each: the fourth is overwritten by the next pixel */
        _mm_storeu_si32(out[0] + 3 * (size_t)x, even);
        _mm_storeu_si32(out[1] + 3 * (size_t)x, odd);
        _mm_storeu_si32(out[2] + 3 * (size_t)x, _mm_srli_si128(even, 4));
        _mm_storeu_si32(out[3] + 3 * (size_t)x, _mm_srli_si128(odd, 4));
    }
}

static void horizontal(const struct axis *a, int out_w, const uint8_t *const row[BAND],
                       uint8_t *const out[BAND])
{
    switch (a->groups) {
    case 1:
        horizontal_groups(a, 1, out_w, row, out);
        break;
    case 2:
        horizontal_groups(a, 2, out_w, row, out);
        break;
    case 3:
        horizontal_groups(a, 3, out_w, row, out);
        break;
    default:
        horizontal_groups(a, a->groups, out_w, row, out);
    }
}

/* One output row of n bytes from `count` rows; rows are readable in steps of LINE_BYTES. */
static void vertical(const int16_t *weight, int count, const uint8_t *const row[], size_t n, uint8_t *out)
{
    const __m256i zero = _mm256_setzero_si256();
    for (size_t at = 0; at < n; at += LINE_BYTES) {
        __m256i low[4], high[4];
        for (int i = 0; i < 4; i++) low[i] = high[i] = zero;
        for (int t = 0; t < count; t += 2) {
            /* an odd last tap is paired with itself and a weight of 0 */
            const int16_t *k = weight + t / GROUP * 2 * GROUP + t % GROUP;
            int32_t pair_low, pair_high;
            memcpy(&pair_low, k, 4);
            memcpy(&pair_high, k + GROUP, 4);
            __m256i k_low = _mm256_set1_epi32(pair_low), k_high = _mm256_set1_epi32(pair_high);
            __m256i a = _mm256_load_si256((const __m256i *)(row[t] + at));
            __m256i b = _mm256_load_si256((const __m256i *)(row[t + 1 < count ? t + 1 : t] + at));
            __m256i ab[2] = {_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)};
            for (int i = 0; i < 2; i++) {
                __m256i p = _mm256_unpacklo_epi8(ab[i], zero), q = _mm256_unpackhi_epi8(ab[i], zero);
                low[2 * i] = _mm256_add_epi32(low[2 * i], _mm256_madd_epi16(p, k_low));
                high[2 * i] = _mm256_add_epi32(high[2 * i], _mm256_madd_epi16(p, k_high));
                low[2 * i + 1] = _mm256_add_epi32(low[2 * i + 1], _mm256_madd_epi16(q, k_low));
                high[2 * i + 1] = _mm256_add_epi32(high[2 * i + 1], _mm256_madd_epi16(q, k_high));
            }
        }
        __m256i made = _mm256_packus_epi16(_mm256_packs_epi32(join(low[0], high[0]), join(low[1], high[1])),
                                           _mm256_packs_epi32(join(low[2], high[2]), join(low[3], high[3])));
        if (at + LINE_BYTES <= n) {
            _mm256_storeu_si256((__m256i *)(out + at), made);
        } else {
            uint8_t tail[LINE_BYTES];
            _mm256_storeu_si256((__m256i *)tail, made);
            memcpy(out + at, tail, n - at);
        }
    }
}

/* Everything one call needs, taken from one block. */
struct work {
    struct axis x, y;
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
    k->reach_bytes = ((size_t)w + (size_t)k->x.groups * GROUP) * 3 + LOAD_BYTES;
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
    horizontal(&k->x, out_w, row, out);
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
    struct work k = {0};
    struct sim_arena arena;
    sim_arena_measure(&arena);
    work_take(&k, &arena, w, h, out_w, out_h, filter);
    SIM_TRY(sim_arena_open(&arena, &sim_host_memory, arena.used_bytes));
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
        vertical(k.y.weight + (size_t)y * (size_t)k.y.groups * 2 * GROUP, count, k.rows, (size_t)out_w * 3,
                 out + (size_t)y * (size_t)out_w * 3);
    }
    sim_arena_close(&arena);
    return SIM_OK;
}
