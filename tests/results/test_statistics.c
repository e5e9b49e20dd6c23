/* The statistics against closed forms, published quantiles and small cases counted by hand. */
#include <math.h>
#include <stdlib.h>

#include "statistics.h"
#include "support.h"

#define NEAR(a, b, bound) ck_assert_double_eq_tol(a, b, bound)

START_TEST(quantiles_of_t)
{
    static const struct {
        double p, df, t;
    } published[] = {
        {0.975, 3, 3.18244630528371},  {0.975, 4, 2.77644510519779},  {0.975, 5, 2.57058183563631},
        {0.975, 10, 2.22813885198627}, {0.975, 30, 2.04227245630124}, {0.975, 100, 1.98397151852355},
        {0.995, 5, 4.03214298355523},  {0.95, 8, 1.85954803752464},   {0.99, 4, 3.74694738797920}};
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        NEAR(sim_t_quantile(published[i].p, published[i].df), published[i].t, 1e-8);
        NEAR(sim_t_quantile(1 - published[i].p, published[i].df), -published[i].t, 1e-8);
        NEAR(sim_t_cdf(published[i].t, published[i].df), published[i].p, 1e-10);
    }
    for (double p = 0.0005; p < 1; p += 0.0101) { /* one and two degrees of freedom: closed forms */
        double one = tan(M_PI * (p - 0.5)), two = (2 * p - 1) / sqrt(2 * p * (1 - p));
        NEAR(sim_t_quantile(p, 1), one, 1e-9 * fmax(1, fabs(one)));
        NEAR(sim_t_quantile(p, 2), two, 1e-9 * fmax(1, fabs(two)));
    }
    NEAR(sim_t_quantile(0.975, 1e7), 1.959963984540054, 1e-6); /* the normal distribution's */
    NEAR(sim_t_quantile(0.5, 7), 0, 1e-12);
    NEAR(sim_t_cdf(0, 3), 0.5, 1e-15);
}
END_TEST

START_TEST(incomplete_beta)
{
    for (double x = 0; x <= 1; x += 0.05) {
        NEAR(sim_beta(1, 1, x), x, 1e-14);
        NEAR(sim_beta(1, 4, x), 1 - pow(1 - x, 4), 1e-14);
        NEAR(sim_beta(3, 2, x), x * x * x * (4 - 3 * x), 1e-14);
        NEAR(sim_beta(0.5, 0.5, x), 2 / M_PI * asin(sqrt(x)), 1e-13);
        NEAR(sim_beta(2.5, 7, x) + sim_beta(7, 2.5, 1 - x), 1, 1e-13);
    }
}
END_TEST

START_TEST(samples_and_intervals)
{
    const double x[] = {1, 2, 3, 4, 10};
    struct sim_sample s = sim_sample_of(x, 5);
    NEAR(s.mean, 4, 1e-15);
    NEAR(s.deviation, sqrt(50 / 4.0), 1e-14);
    NEAR(s.high - s.mean, 2.77644510519779 * sqrt(12.5 / 5), 1e-8);
    NEAR(sim_t_test(s), 2 * (1 - sim_t_cdf(4 / sqrt(2.5), 4)), 1e-12);
    s = sim_sample_of(x, 1);
    ck_assert(s.mean == 1 && isnan(s.deviation) && isnan(s.low) && isnan(sim_t_test(s)));
    ck_assert(isnan(sim_sample_of(x, 0).mean));
    const double same[] = {2, 2, 2}, none[] = {0, 0, 0};
    ck_assert(sim_t_test(sim_sample_of(same, 3)) == 0 && sim_t_test(sim_sample_of(none, 3)) == 1);
}
END_TEST

START_TEST(permutations)
{
    int exact;
    const double up[] = {1, 2, 3}, mixed[] = {3, -1, 2}, ties[] = {0.1, 0.1, 0.1, 0.1};
    NEAR(sim_permutation_test(up, 3, &exact), 2 / 8.0, 1e-15);
    ck_assert_int_eq(exact, 1);
    NEAR(sim_permutation_test(mixed, 3, &exact), 4 / 8.0,
         1e-15); /* sums 6, 4, 2, 0 and back: 4 of 8 reach 4 */
    NEAR(sim_permutation_test(ties, 4, &exact), 2 / 16.0, 1e-15);
    ck_assert(isnan(sim_permutation_test(up, 0, &exact)));
    double d[24]; /* the first half is exact, the whole drawn; both near the t test's answer */
    for (int i = 0; i < 24; i++) d[i] = 0.25 + sin(12.9898 * (i + 1));
    double p = sim_permutation_test(d, 16, &exact);
    ck_assert_int_eq(exact, 1);
    NEAR(p, sim_t_test(sim_sample_of(d, 16)), 0.02);
    p = sim_permutation_test(d, 24, &exact);
    ck_assert_int_eq(exact, 0);
    NEAR(p, sim_t_test(sim_sample_of(d, 24)), 0.02);
    ck_assert(p == sim_permutation_test(d, 24, &exact));
}
END_TEST

START_TEST(seeds_that_would_decide)
{
    static const double effects[] = {0.1, 0.5, 1, 2, 5, -0.5};
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++) {
        int n = sim_seeds_to_decide(effects[i], 1);
        ck_assert_int_ge(n, SIM_LEAST_SEEDS);
        ck_assert(sim_half_width(n, 1) < fabs(effects[i]));
        if (n > SIM_LEAST_SEEDS) ck_assert(sim_half_width(n - 1, 1) >= fabs(effects[i]));
    }
    ck_assert_int_eq(sim_seeds_to_decide(1, 1), 7); /* 2.4469 / sqrt(7) = 0.925, 2.5706 / sqrt(6) = 1.049 */
    ck_assert_int_eq(sim_seeds_to_decide(0, 1), 0);
    ck_assert_int_eq(sim_seeds_to_decide(1e-6, 1), 0);
    ck_assert_int_eq(sim_seeds_to_decide(1, NAN), 0);
}
END_TEST

START_TEST(several_tests_at_once)
{
    const double p[] = {0.01, NAN, 0.04, 0.03, 0.005, 0.9};
    double holm[6];
    sim_holm(p, 6, holm);
    NEAR(holm[4], 0.025, 1e-15);
    NEAR(holm[0], 0.04, 1e-15);
    NEAR(holm[3], 0.09, 1e-15);
    NEAR(holm[2], 0.09, 1e-15); /* 0.04 * 2 lies below the one before */
    NEAR(holm[5], 0.9, 1e-15);
    ck_assert(isnan(holm[1]));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("statistics");
    TCase *c = tcase_create("statistics");
    tcase_add_test(c, quantiles_of_t);
    tcase_add_test(c, incomplete_beta);
    tcase_add_test(c, samples_and_intervals);
    tcase_add_test(c, permutations);
    tcase_add_test(c, seeds_that_would_decide);
    tcase_add_test(c, several_tests_at_once);
    suite_add_tcase(s, c);
    return test_run(s);
}
