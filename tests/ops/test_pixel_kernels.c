/* The loops over pixels of both instruction sets against the arithmetic of single pixels (pixel_math.h),
 * which test_pixels.c holds against Pillow.  The tolerance is 0. */
#include <stdlib.h>
#include <string.h>

#include "cpu/isa.h"
#include "cpu/isa/pixel_kernels.h"
#include "pixel_math.h"
#include "rng.h"
#include "support.h"

enum { MOST = 700, SENTINEL = 0xa5 };

static struct sim_pixel_kernels kernels;

/* Every test runs for both sets; 0: this processor lacks the wider one. */
static int choose(int wide)
{
    if (wide && !(sim_cpu_has_v4() && __builtin_cpu_supports("avx512vnni"))) {
        test_skip("this processor has no AVX-512 with VNNI, or SIM_ISA declines it");
        return 0;
    }
    (wide ? sim_pixel_kernels_color_v4 : sim_pixel_kernels_color_v3)(&kernels);
    (wide ? sim_pixel_kernels_resize_v4 : sim_pixel_kernels_resize_v3)(&kernels);
    return 1;
}

static struct sim_rng stream(uint64_t number)
{
    return sim_rng_make(7, SIM_PURPOSE_TEST, 0, number, 0);
}

/* n random bytes, then a sentinel. */
static void fill(uint8_t *to, size_t n, struct sim_rng *r)
{
    for (size_t i = 0; i < n; i++) to[i] = (uint8_t)sim_rng_below(r, 256);
    to[n] = SENTINEL;
}

static void same(const uint8_t *got, const uint8_t *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(got[i] == want[i], "%s: byte %zu of %zu is %d, not %d", what, i, n, got[i], want[i]);
    ck_assert_msg(got[n] == SENTINEL, "%s writes past its %zu bytes", what, n);
}

/* Factors of all sizes, every pair of bytes. */
START_TEST(blends)
{
    static const float factors[] = {0, 0.3f, 1, 1.4f, 0.6123457f, 2.5f, 1e-7f, 1e12f, -0.7f};
    if (!choose(_i)) return;
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++)
        for (int plain = 0; plain < 256; plain++) {
            uint8_t got[257], want[256];
            for (int v = 0; v < 256; v++) got[v] = (uint8_t)v, want[v] = sim_blend(plain, v, factors[f]);
            got[256] = SENTINEL;
            kernels.blend(got, 256, plain, factors[f]);
            same(got, want, 256, "blend");
        }
    struct sim_rng r = stream(1);
    for (size_t n = 0; n < 100; n++) {
        uint8_t got[101], want[100];
        fill(got, n, &r);
        for (size_t i = 0; i < n; i++) want[i] = sim_blend(90, got[i], 1.2f);
        kernels.blend(got, n, 90, 1.2f);
        same(got, want, n, "blend");
    }
}
END_TEST

/* Every number of pixels up to some chunks, random colours. */
START_TEST(colours)
{
    if (!choose(_i)) return;
    for (size_t n = 0; n <= MOST; n += n < 70 ? 1 : 37) {
        struct sim_rng r = stream(100 + n);
        uint8_t from[3 * MOST + 1], got[3 * MOST + 1], gray[3 * MOST], saturated[3 * MOST], turned[3 * MOST];
        uint64_t sum = 0;
        const float factor = (float)sim_rng_between(&r, 0, 2.5);
        const uint8_t shift = (uint8_t)sim_rng_below(&r, 256);
        fill(from, 3 * n, &r);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *p = from + 3 * i;
            const uint8_t l = sim_luma(p[0], p[1], p[2]);
            uint8_t hue, saturation;
            sum += l;
            for (int c = 0; c < 3; c++)
                gray[3 * i + (size_t)c] = l, saturated[3 * i + (size_t)c] = sim_blend(l, p[c], factor);
            sim_hue_of(p[0], p[1], p[2], &hue, &saturation);
            sim_hue_color((uint8_t)(hue + shift), saturation, sim_larger(p[0], sim_larger(p[1], p[2])),
                          &turned[3 * i], &turned[3 * i + 1], &turned[3 * i + 2]);
        }
        ck_assert_uint_eq(kernels.luma_sum(from, n), sum);
        kernels.grayscale(memcpy(got, from, sizeof got), n);
        same(got, gray, 3 * n, "grayscale");
        kernels.saturation(memcpy(got, from, sizeof got), n, factor);
        same(got, saturated, 3 * n, "saturation");
        kernels.hue(memcpy(got, from, sizeof got), n, shift);
        same(got, turned, 3 * n, "hue");
    }
}
END_TEST

/* Every byte in every channel, to the bit. */
START_TEST(normalised)
{
    enum { N = 256 + 5 };
    if (!choose(_i)) return;
    for (int by = 0; by < 2; by++)
        for (int turn = 0; turn < 256; turn += 51) {
            uint8_t rgb[3 * N];
            float got[3 * N + 1], want[3 * N + 1];
            for (int i = 0; i < N; i++)
                for (int c = 0; c < 3; c++) {
                    rgb[3 * i + c] = (uint8_t)(i + turn + 85 * c);
                    want[c * N + i] = sim_normalized(rgb[3 * i + c], c, (enum sim_normalize)by);
                }
            got[3 * N] = want[3 * N] = 1e30f;
            kernels.normalize(rgb, N, (enum sim_normalize)by, got);
            ck_assert_mem_eq(got, want, sizeof got);
        }
}
END_TEST

/* ------------------------------------------------------------------ resampling */

enum { OUT = 41, IN_ROWS = 33, IN_BYTES = 3 * (OUT * 2 + 64) };

static uint8_t filtered(const int32_t *weight, const uint8_t *tap, size_t step, int count)
{
    uint32_t sum = 1u << (SIM_TAP_BITS - 1); /* modulo 2^32, as Pillow's never overflows */
    for (int t = 0; t < count; t++) sum += (uint32_t)weight[t] * tap[(size_t)t * step];
    const int32_t v = (int32_t)sum >> SIM_TAP_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Weights of either sign that add up to about 1. */
static void draw_weights(struct sim_rng *r, int count, int groups, int32_t *whole, int16_t *split)
{
    memset(split, 0, (size_t)groups * 2 * SIM_TAP_GROUP * sizeof *split);
    for (int t = 0; t < count; t++) {
        whole[t] = (int32_t)sim_rng_between(r, -0.3 * (1 << SIM_TAP_BITS), (1 << SIM_TAP_BITS) * 1.3 / count);
        int16_t *group = split + t / SIM_TAP_GROUP * 2 * SIM_TAP_GROUP + t % SIM_TAP_GROUP;
        group[0] = (int16_t)(whole[t] & ((1 << SIM_TAP_LOW_BITS) - 1));
        group[SIM_TAP_GROUP] = (int16_t)(whole[t] >> SIM_TAP_LOW_BITS);
    }
}

START_TEST(resampled_across)
{
    if (!choose(_i)) return;
    for (int most = 1; most <= 21; most++) {
        struct sim_rng r = stream(1000 + (uint64_t)most);
        const int groups = (most + SIM_TAP_GROUP - 1) / SIM_TAP_GROUP;
        int32_t first[OUT], count[OUT], whole[OUT][24];
        int16_t split[OUT * 6 * 2 * SIM_TAP_GROUP];
        static uint8_t in[SIM_RESIZE_BAND][IN_BYTES + 1];
        uint8_t made[SIM_RESIZE_BAND][3 * OUT + 1], *out[SIM_RESIZE_BAND];
        const uint8_t *row[SIM_RESIZE_BAND];
        for (int b = 0; b < SIM_RESIZE_BAND; b++) fill(in[b], IN_BYTES, &r), row[b] = in[b], out[b] = made[b];
        for (int x = 0; x < OUT; x++) {
            first[x] = x * 2, count[x] = 1 + (int)sim_rng_below(&r, (uint32_t)most);
            draw_weights(&r, count[x], groups, whole[x], split + x * groups * 2 * SIM_TAP_GROUP);
        }
        const struct sim_resize_axis a = {
            .groups = groups, .most = most, .first = first, .count = count, .weight = split};
        kernels.resize_across(&a, OUT, row, out);
        for (int b = 0; b < SIM_RESIZE_BAND; b++)
            for (int x = 0; x < OUT; x++)
                for (int c = 0; c < 3; c++)
                    ck_assert_int_eq(made[b][3 * x + c],
                                     filtered(whole[x], in[b] + 3 * first[x] + c, 3, count[x]));
    }
}
END_TEST

START_TEST(resampled_down)
{
    if (!choose(_i)) return;
    for (int count = 1; count <= IN_ROWS; count++)
        for (size_t n = 1; n < 200; n += 13) {
            struct sim_rng r = stream(2000 + (uint64_t)count);
            static _Alignas(64) uint8_t in[IN_ROWS][256];
            int32_t whole[IN_ROWS];
            int16_t split[(IN_ROWS + 3) / SIM_TAP_GROUP * 2 * SIM_TAP_GROUP];
            const uint8_t *row[IN_ROWS];
            uint8_t made[201];
            for (int t = 0; t < IN_ROWS; t++) fill(in[t], 255, &r), row[t] = in[t];
            draw_weights(&r, count, (count + SIM_TAP_GROUP - 1) / SIM_TAP_GROUP, whole, split);
            made[n] = SENTINEL;
            kernels.resize_down(split, count, row, n, made);
            for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(made[i], filtered(whole, &in[0][i], sizeof in[0], count));
            ck_assert_int_eq(made[n], SENTINEL);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pixel kernels");
    TCase *c = tcase_create("both sets");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, blends, 0, 2);
    tcase_add_loop_test(c, colours, 0, 2);
    tcase_add_loop_test(c, normalised, 0, 2);
    tcase_add_loop_test(c, resampled_across, 0, 2);
    tcase_add_loop_test(c, resampled_down, 0, 2);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
