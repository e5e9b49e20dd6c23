/* Learning rate and momentum over the run, against the formulas of method.md 1.7 and 1.9. */
#include "loop.h"
#include "support.h"

#include <math.h>

static struct sim_train_config paper(void)
{
    return (struct sim_train_config){.epochs = 1600, .batch_size = 4096, .blr = 6.25e-5, .warmup_epochs = 40};
}

START_TEST(warm_up_is_linear_from_zero)
{
    struct sim_train_config c = paper();
    ck_assert_double_eq(sim_lr_at(&c, 0), 0); /* quirk 5: the first step moves only Adam's moments */
    for (int step = 0; step < 40 * 312; step += 7) {
        double e = step / 312.0;
        ck_assert_double_eq_tol(sim_lr_at(&c, e), 1e-3 * e / 40, 1e-18);
    }
    ck_assert_double_eq_tol(sim_lr_at(&c, 40), 1e-3, 1e-18); /* blr 6.25e-5 at batch 4096 */
}
END_TEST

START_TEST(cosine_after_warm_up)
{
    struct sim_train_config c = paper();
    c.min_lr = 1e-5;
    for (int step = 40 * 312; step <= 1600 * 312; step += 311) {
        double e = step / 312.0, half = (1 + cos(M_PI * (e - 40) / 1560)) / 2;
        ck_assert_double_eq_tol(sim_lr_at(&c, e), 1e-5 + (1e-3 - 1e-5) * half, 1e-17);
    }
    ck_assert_double_eq_tol(sim_lr_at(&c, 1600), 1e-5, 1e-17);
    ck_assert_double_eq_tol(sim_lr_at(&c, 820), 0.5 * (1e-3 + 1e-5), 1e-17);
    c.min_lr = 0;
    ck_assert_double_eq_tol(sim_lr_at(&c, 1600), 0, 1e-18);
}
END_TEST

START_TEST(the_floor_holds_after_warm_up_only)
{
    struct sim_train_config c = paper();
    c.min_lr = 1e-4;
    ck_assert_double_eq(sim_lr_at(&c, 0), 0);
    for (double e = 40; e <= 1600; e += 0.37) ck_assert_double_ge(sim_lr_at(&c, e), 1e-4 * (1 - 1e-12));
}
END_TEST

START_TEST(without_warm_up_the_first_step_has_the_full_rate)
{
    struct sim_train_config c = {.epochs = 10, .batch_size = 256, .blr = 0.5};
    ck_assert_double_eq_tol(sim_lr_at(&c, 0), 0.5, 1e-15);
    ck_assert_double_eq_tol(sim_lr_at(&c, 5), 0.25, 1e-15);
}
END_TEST

START_TEST(an_absolute_rate_overrides_the_base_rate)
{
    struct sim_train_config c = paper();
    c.lr = 0.25;
    ck_assert_double_eq_tol(sim_lr_at(&c, 40), 0.25, 1e-15);
    ck_assert_double_eq_tol(sim_lr_at(&c, 10), 0.0625, 1e-15);
}
END_TEST

START_TEST(warm_up_must_leave_epochs)
{
    struct sim_train_config c = paper();
    test_ok(sim_train_config_check(&c));
    c.warmup_epochs = 1600;
    test_fails(sim_train_config_check(&c), "train.warmup_epochs");
    c.epochs = 0; /* untrained: nothing to schedule */
    test_ok(sim_train_config_check(&c));
}
END_TEST

START_TEST(momentum_rises_to_one)
{
    ck_assert_double_eq_tol(sim_momentum_at(0.995, 0, 0, 1600), 0.995, 1e-15);
    ck_assert_double_eq_tol(sim_momentum_at(0.995, 0, 800, 1600), 0.9975, 1e-15);
    ck_assert_double_eq_tol(sim_momentum_at(0.995, 0, 1600, 1600), 1, 1e-15);
    double last = 0;
    for (double e = 0; e <= 1600; e += 0.61) {
        double m = sim_momentum_at(0.995, 0, e, 1600);
        ck_assert_double_eq_tol(m, 1 - 0.5 * (1 + cos(M_PI * e / 1600)) * 0.005, 1e-15);
        ck_assert_double_ge(m, last);
        last = m;
    }
}
END_TEST

START_TEST(constant_momentum)
{
    for (double e = 0; e <= 10; e += 0.5) {
        ck_assert_double_eq(sim_momentum_at(0.99, 1, e, 10), 0.99);
        ck_assert_double_eq(sim_momentum_at(0, 1, e, 10), 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schedules");
    TCase *t = tcase_create("schedules");
    tcase_add_test(t, warm_up_is_linear_from_zero);
    tcase_add_test(t, cosine_after_warm_up);
    tcase_add_test(t, the_floor_holds_after_warm_up_only);
    tcase_add_test(t, without_warm_up_the_first_step_has_the_full_rate);
    tcase_add_test(t, an_absolute_rate_overrides_the_base_rate);
    tcase_add_test(t, warm_up_must_leave_epochs);
    tcase_add_test(t, momentum_rises_to_one);
    tcase_add_test(t, constant_momentum);
    suite_add_tcase(s, t);
    return test_run(s);
}
