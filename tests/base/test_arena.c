#include "arena.h"

#include <stdint.h>
#include <stdlib.h>

#include "support.h"

/* One plan, run twice: over a measuring arena and over the block of that size. */
static void plan(struct sim_arena *a, float **x, unsigned char **y, double **z)
{
    *x = sim_arena_take(a, 100, sizeof **x);
    *y = sim_arena_take(a, 1, 1);
    *z = sim_arena_take(a, 0, sizeof **z);
}

START_TEST(a_measured_plan_fits_exactly)
{
    struct sim_arena measure, a;
    float *x;
    unsigned char *y;
    double *z;
    sim_arena_measure(&measure);
    plan(&measure, &x, &y, &z);
    ck_assert_ptr_null(x);
    ck_assert_uint_eq(measure.used_bytes, 448 + 64);
    test_ok(sim_arena_open(&a, &sim_host_memory, measure.used_bytes));
    plan(&a, &x, &y, &z);
    ck_assert(!a.failed);
    ck_assert_uint_eq((uintptr_t)x % SIM_ALIGN_BYTES, 0);
    ck_assert_uint_eq((uintptr_t)y % SIM_ALIGN_BYTES, 0);
    for (int i = 0; i < 100; i++) ck_assert(x[i] == 0);
    ck_assert_uint_eq(a.used_bytes, a.size_bytes);
    ck_assert_ptr_null(sim_arena_take(&a, 1, 1));
    ck_assert(a.failed);
    sim_arena_close(&a);
    sim_arena_close(&a);
    sim_arena_close(&measure);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
    struct sim_arena a;
    sim_arena_measure(&a);
    ck_assert_ptr_null(sim_arena_take(&a, SIZE_MAX / 2, 3));
    ck_assert(a.failed);
    sim_arena_measure(&a);
    ck_assert_ptr_null(sim_arena_take(&a, SIZE_MAX, 1));
    ck_assert(a.failed);
    sim_arena_measure(&a);
    sim_arena_take(&a, SIZE_MAX / 2, 1);
    sim_arena_take(&a, SIZE_MAX / 2, 1);
    sim_arena_take(&a, 1000, 1);
    ck_assert(a.failed);
    test_fails(sim_arena_open(&a, &sim_host_memory, SIZE_MAX), "cannot allocate");
    ck_assert_ptr_null(sim_calloc_aligned(SIZE_MAX, 2));
    free(sim_calloc_aligned(0, 4));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arena");
    TCase *c = tcase_create("arena");
    tcase_add_test(c, a_measured_plan_fits_exactly);
    tcase_add_test(c, sizes_that_overflow_are_refused);
    suite_add_tcase(s, c);
    return test_run(s);
}
