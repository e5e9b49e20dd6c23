/* The images that stay on the device, by themselves. */
#include <string.h>

#include "shim.h"
#include "support.h"
#include "views_store.h"

/* Its share of what is free, and what others take meanwhile. */
START_TEST(the_store_takes_its_share)
{
    struct sim_device *d;
    atomic_uchar held[100];
    struct sim_view_set set = {.name = "set", .images = 100, .held = held};
    struct sim_view_store store = {0};
    sim_shim_set_memory(1 << 20);
    test_ok(sim_device_open(&d, 0));
    void *model = sim_device_take(d, 1 << 19), *rest;
    test_ok(sim_view_store_turn_to(&store, d, &set));
    int64_t stored = 0;
    for (int i = 0; i < 100; i++) stored += sim_view_store_add(&store, d, i, 40, 50) != NULL;
    ck_assert_int_eq(stored, 16); /* a quarter of the free half is 128 KiB, in 16 slabs of 8 KiB */
    ck_assert_int_eq(sim_device_free_bytes(d), (1 << 19) - (128 << 10));
    ck_assert(sim_view_store_find(&store, 15) && !sim_view_store_find(&store, 16));
    ck_assert(!sim_view_store_find(&store, -1) && !sim_view_store_find(&store, 100));
    ck_assert_ptr_null(sim_view_store_add(&store, d, 100, 1, 1));
    memcpy(set.name, "other", 6);
    test_ok(sim_view_store_turn_to(&store, d, &set));
    ck_assert_int_eq(sim_device_free_bytes(d), 1 << 19);
    ck_assert_ptr_null(sim_view_store_find(&store, 15));
    ck_assert_ptr_null(sim_view_store_add(&store, d, 3, 40, 5000)); /* larger than the share */
    ck_assert_ptr_nonnull(sim_view_store_add(&store, d, 4, 40, 500));
    ck_assert_ptr_nonnull(rest = sim_device_take(d, (size_t)sim_device_free_bytes(d) - 100));
    ck_assert_ptr_null(sim_view_store_add(&store, d, 5, 40, 50));
    sim_device_release(d, rest);
    ck_assert_ptr_null(sim_view_store_add(&store, d, 5, 40, 50)); /* it does not try again */
    ck_assert_ptr_nonnull(sim_view_store_find(&store, 4));
    sim_view_store_close(&store, d);
    sim_device_release(d, model);
    sim_device_close(d);
    sim_shim_set_memory(0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("views_store");
    TCase *c = tcase_create("store");
    tcase_add_test(c, the_store_takes_its_share);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
