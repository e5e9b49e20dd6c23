#include "rng.h"
#include "support.h"

#include <math.h>
#include <string.h>

/* Known answers of Philox4x32-10 (Random123's kat_vectors: zeros, ones, digits of pi). */
START_TEST(philox_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], expect[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t out[4];
        sim_philox4x32(cases[i].counter, cases[i].key, out);
        ck_assert_mem_eq(out, cases[i].expect, sizeof out);
    }
}
END_TEST

START_TEST(streams_differ_in_every_part_of_the_key)
{
    struct sim_rng base = sim_rng_make(1, SIM_PURPOSE_VIEW, 2, 3, 4);
    uint32_t want = sim_rng_u32(&base);
    struct sim_rng others[] = {
        sim_rng_make(2, SIM_PURPOSE_VIEW, 2, 3, 4), sim_rng_make(1ull << 32 | 1, SIM_PURPOSE_VIEW, 2, 3, 4),
        sim_rng_make(1, SIM_PURPOSE_MASK, 2, 3, 4), sim_rng_make(1, SIM_PURPOSE_VIEW, 3, 3, 4),
        sim_rng_make(1, SIM_PURPOSE_VIEW, 2, 4, 4), sim_rng_make(1, SIM_PURPOSE_VIEW, 2, 1ull << 33 | 3, 4),
        sim_rng_make(1, SIM_PURPOSE_VIEW, 2, 3, 5),
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_uint_ne(sim_rng_u32(&others[i]), want);
    struct sim_rng again = sim_rng_make(1, SIM_PURPOSE_VIEW, 2, 3, 4);
    ck_assert_uint_eq(sim_rng_u32(&again), want);
}
END_TEST

START_TEST(uniform_and_normal_have_their_moments)
{
    struct sim_rng r = sim_rng_make(7, SIM_PURPOSE_TEST, 0, 0, 0);
    double s = 0, s2 = 0, n = 0, n2 = 0, n4 = 0;
    enum { COUNT = 200000 };
    for (int i = 0; i < COUNT; i++) {
        double u = sim_rng_uniform(&r), z = sim_rng_normal(&r);
        ck_assert(u >= 0 && u < 1);
        s += u, s2 += u * u, n += z, n2 += z * z, n4 += z * z * z * z;
    }
    ck_assert(fabs(s / COUNT - 0.5) < 5 * sqrt(1.0 / 12 / COUNT));
    ck_assert(fabs(s2 / COUNT - 1.0 / 3) < 5 * sqrt(4.0 / 45 / COUNT));
    ck_assert(fabs(n / COUNT) < 5 / sqrt(COUNT));
    ck_assert(fabs(n2 / COUNT - 1) < 5 * sqrt(2.0 / COUNT));
    ck_assert(fabs(n4 / COUNT - 3) < 5 * sqrt(96.0 / COUNT));
}
END_TEST

/* Mean a / (a + b), variance a b / ((a + b)^2 (a + b + 1)). */
START_TEST(beta_has_its_moments)
{
    static const double shapes[][2] = {{1, 1}, {0.8, 0.8}, {0.05, 0.05}, {1e-3, 1e-3}, {2.5, 7}, {30, 0.4}};
    enum { COUNT = 60000 };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const double a = shapes[k][0], b = shapes[k][1], mean = a / (a + b),
                     variance = a * b / ((a + b) * (a + b) * (a + b + 1));
        struct sim_rng r = sim_rng_make(10, SIM_PURPOSE_TEST, 0, k, 0);
        double sum = 0, squares = 0;
        for (int i = 0; i < COUNT; i++) {
            double x = sim_rng_beta(&r, a, b);
            ck_assert(x >= 0 && x <= 1);
            sum += x - mean, squares += (x - mean) * (x - mean);
        }
        ck_assert_msg(fabs(sum / COUNT) < 5 * sqrt(variance / COUNT), "mean of Beta(%g, %g) off by %g", a, b,
                      sum / COUNT);
        ck_assert_msg(fabs(squares / COUNT - variance) < 0.05 * variance, "variance of Beta(%g, %g): %g", a,
                      b, squares / COUNT);
    }
}
END_TEST

/* 3 of 4 values of a 32-bit word fall short of a multiple of 3 * 2^30: a biased draw would show at once. */
START_TEST(integers_have_no_bias)
{
    struct sim_rng r = sim_rng_make(8, SIM_PURPOSE_TEST, 0, 0, 0);
    const uint32_t n = 3u << 30;
    enum { COUNT = 100000 };
    int low = 0;
    for (int i = 0; i < COUNT; i++) {
        uint32_t v = sim_rng_below(&r, n);
        ck_assert(v < n);
        low += v < n / 3;
    }
    ck_assert(fabs(low / (double)COUNT - 1.0 / 3) < 5 * sqrt(2.0 / 9 / COUNT));
    for (int i = 0; i < 100; i++) ck_assert_uint_eq(sim_rng_below(&r, 1), 0);
}
END_TEST

START_TEST(permutations_are_uniform)
{
    int seen[24] = {0};
    for (int t = 0; t < 24000; t++) {
        struct sim_rng r = sim_rng_make(9, SIM_PURPOSE_TEST, 0, (uint64_t)t, 0);
        uint32_t p[4];
        sim_rng_permutation(&r, 4, p);
        ck_assert_uint_eq(1u << p[0] | 1u << p[1] | 1u << p[2] | 1u << p[3], 15);
        int rank = 0;
        for (int i = 0; i < 4; i++) {
            int smaller = 0;
            for (int j = i + 1; j < 4; j++) smaller += p[j] < p[i];
            rank = rank * (4 - i) + smaller;
        }
        seen[rank]++;
    }
    double chi2 = 0;
    for (int i = 0; i < 24; i++) chi2 += (seen[i] - 1000.0) * (seen[i] - 1000.0) / 1000.0;
    ck_assert_msg(chi2 < 60, "chi2 = %g with 23 degrees of freedom", chi2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rng");
    TCase *c = tcase_create("philox");
    tcase_add_test(c, philox_known_answers);
    tcase_add_test(c, streams_differ_in_every_part_of_the_key);
    tcase_add_test(c, uniform_and_normal_have_their_moments);
    tcase_add_test(c, beta_has_its_moments);
    tcase_add_test(c, integers_have_no_bias);
    tcase_add_test(c, permutations_are_uniform);
    suite_add_tcase(s, c);
    return test_run(s);
}
