/* Pillow 9.4's GaussianBlur: three box filters along the rows, then three along the columns, each with
 * fractional edges, edge pixels repeated, rounded to 8 bits.
 *
 * A row of RGB pixels is a line whose neighbours are 3 bytes apart; a strip of 32 columns is a line whose
 * neighbours are 32 bytes apart.  So one routine filters both, in a padded copy that fits the first-level
 * cache. */
#include "pixels.h"

#include <immintrin.h>
#include <string.h>

#include "arena.h"
#include "pixel_math.h"
#include "pixels_scratch.h"

enum {
    PASSES = 3,
    STRIP = 32,      /* columns (bytes) of a strip, and the bytes filtered at once */
    NARROW_MAX = 63, /* the widest radius whose sum of 2r+1 bytes fits a signed 16-bit number */
    LOW_BITS = 12
};

/* A line in the middle of its buffer, with room for (radius + 1) * step repeated bytes on each side. */
struct line {
    uint8_t *at[2]; /* source and target of a pass, swapped after each */
    size_t bytes, step;
};

static void repeat_edges(uint8_t *at, size_t bytes, size_t step, int radius)
{
    for (int k = 1; k <= radius + 1; k++) {
        memcpy(at - (size_t)k * step, at, step);
        memcpy(at + bytes + (size_t)(k - 1) * step, at + bytes - step, step);
    }
}

/* 16 sums and 16 edge sums to 16 results of 16 bits.  The 24-bit weights are split at bit 12, so that one
 * multiply-add forms sum * inner + edges * edge; the upper halves are joined modulo 2^32, which holds the
 * total. */
static inline __m256i weigh(__m256i sum, __m256i edges, __m256i low, __m256i high)
{
    const __m256i half = _mm256_set1_epi32(1 << 23);
    __m256i p = _mm256_unpacklo_epi16(sum, edges), q = _mm256_unpackhi_epi16(sum, edges);
    __m256i a =
        _mm256_add_epi32(_mm256_slli_epi32(_mm256_madd_epi16(p, high), LOW_BITS), _mm256_madd_epi16(p, low));
    __m256i b =
        _mm256_add_epi32(_mm256_slli_epi32(_mm256_madd_epi16(q, high), LOW_BITS), _mm256_madd_epi16(q, low));
    return _mm256_packs_epi32(_mm256_srli_epi32(_mm256_add_epi32(a, half), 24),
                              _mm256_srli_epi32(_mm256_add_epi32(b, half), 24));
}

static inline __attribute__((always_inline)) void pass_narrow(uint8_t *out, const uint8_t *in, size_t bytes,
                                                              size_t step, struct sim_blur_box b, int radius)
{
    const __m256i zero = _mm256_setzero_si256();
    const uint32_t mask = (1u << LOW_BITS) - 1;
    const __m256i low = _mm256_set1_epi32((int)((b.inner & mask) | (b.edge & mask) << 16));
    const __m256i high = _mm256_set1_epi32((int)(b.inner >> LOW_BITS | b.edge >> LOW_BITS << 16));
    const size_t beyond = (size_t)(radius + 1) * step;
    for (size_t i = 0; i < bytes; i += STRIP) {
        __m256i left = _mm256_loadu_si256((const __m256i *)(in + i - beyond));
        __m256i right = _mm256_loadu_si256((const __m256i *)(in + i + beyond));
        __m256i edges0 =
            _mm256_add_epi16(_mm256_unpacklo_epi8(left, zero), _mm256_unpacklo_epi8(right, zero));
        __m256i edges1 =
            _mm256_add_epi16(_mm256_unpackhi_epi8(left, zero), _mm256_unpackhi_epi8(right, zero));
        __m256i sum0 = zero, sum1 = zero;
        const uint8_t *tap = in + i - (size_t)radius * step;
        for (int t = 0; t < 2 * radius + 1; t++, tap += step) {
            __m256i v = _mm256_loadu_si256((const __m256i *)tap);
            sum0 = _mm256_add_epi16(sum0, _mm256_unpacklo_epi8(v, zero));
            sum1 = _mm256_add_epi16(sum1, _mm256_unpackhi_epi8(v, zero));
        }
        __m256i made = _mm256_packus_epi16(weigh(sum0, edges0, low, high), weigh(sum1, edges1, low, high));
        _mm256_storeu_si256((__m256i *)(out + i), made);
    }
}

/* Any radius: a running sum per residue of the step. */
static void pass_wide(uint8_t *out, const uint8_t *in, size_t bytes, size_t step, struct sim_blur_box b)
{
    const size_t reach = (size_t)b.radius * step, beyond = reach + step;
    for (size_t c = 0; c < step; c++) {
        uint32_t sum = 0;
        for (const uint8_t *tap = in + c - beyond; tap < in + c + reach; tap += step) sum += *tap;
        for (size_t i = c; i < bytes; i += step) {
            const uint8_t *p = in + i;
            sum += p[reach];
            sum -= *(p - beyond);
            uint32_t edges = (uint32_t) * (p - beyond) + p[beyond];
            out[i] = sim_blur_byte(&b, sum, edges);
        }
    }
}

/* Filters the line in l->at[0] three times; returns where the result lies. */
static const uint8_t *filter_line(struct line *l, struct sim_blur_box b)
{
    for (int p = 0; p < PASSES; p++) {
        uint8_t *in = l->at[0], *out = l->at[1];
        repeat_edges(in, l->bytes, l->step, b.radius);
        if (b.radius == 0)
            pass_narrow(out, in, l->bytes, l->step, b, 0);
        else if (b.radius == 1)
            pass_narrow(out, in, l->bytes, l->step, b, 1);
        else if (b.radius <= NARROW_MAX)
            pass_narrow(out, in, l->bytes, l->step, b, b.radius);
        else
            pass_wide(out, in, l->bytes, l->step, b);
        l->at[0] = out, l->at[1] = in;
    }
    return l->at[0];
}

static void line_take(struct line *l, struct sim_arena *arena, size_t bytes, size_t step, int radius)
{
    /* STRIP more on each side: a pass reads and writes whole strips, and keeps them aligned */
    size_t side = ((size_t)radius + 1) * step + STRIP;
    side = (side + STRIP - 1) / STRIP * STRIP;
    *l = (struct line){.bytes = bytes, .step = step};
    for (int k = 0; k < 2; k++) {
        uint8_t *block = sim_arena_take(arena, bytes + 2 * side, 1);
        l->at[k] = block ? block + side : NULL;
    }
}

sim_status sim_pixels_blur(uint8_t *rgb, int w, int h, double sigma)
{
    if (!(sigma >= 0 && sigma <= 1000))
        return sim_fail(SIM_EINVAL, "blur sigma %g is outside [0, 1000]", sigma);
    struct sim_blur_box b = sim_blur_box((float)sigma);
    struct line row, strip;
    struct sim_arena arena;
    const size_t row_bytes = (size_t)w * 3, strip_bytes = (size_t)h * STRIP;
    sim_arena_measure(&arena);
    line_take(&row, &arena, row_bytes, 3, b.radius);
    line_take(&strip, &arena, strip_bytes, STRIP, b.radius);
    SIM_TRY(sim_arena_open(&arena, &sim_pixels_scratch, arena.used_bytes));
    line_take(&row, &arena, row_bytes, 3, b.radius);
    line_take(&strip, &arena, strip_bytes, STRIP, b.radius);

    for (int y = 0; y < h; y++) {
        uint8_t *pixels = rgb + (size_t)y * row_bytes;
        memcpy(row.at[0], pixels, row_bytes);
        memcpy(pixels, filter_line(&row, b), row_bytes);
    }
    for (size_t x = 0; x < row_bytes; x += STRIP) {
        const size_t columns = row_bytes - x < STRIP ? row_bytes - x : STRIP;
        for (int y = 0; y < h; y++)
            memcpy(strip.at[0] + (size_t)y * STRIP, rgb + (size_t)y * row_bytes + x, columns);
        const uint8_t *made = filter_line(&strip, b);
        for (int y = 0; y < h; y++)
            memcpy(rgb + (size_t)y * row_bytes + x, made + (size_t)y * STRIP, columns);
    }
    sim_arena_close(&arena);
    return SIM_OK;
}
