/* Event files, read back by a reader of their own (support/event_file.h). */
#include "events.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "event_file.h"
#include "support.h"

static void put_loss(struct sim_events *e, int64_t step, double loss)
{
    test_ok(sim_events_put_values(e, step, &(struct sim_event_value){"train/loss", loss}, 1));
}

START_TEST(what_is_put_is_read_back)
{
    const char *folder = test_scratch();
    const struct sim_event_value values[] = {
        {"train/loss", 0.75}, {"train/lr", 1e-4}, {"train/grad_norm", NAN}};
    uint8_t png[3000];
    struct sim_events *e;
    for (size_t i = 0; i < sizeof png; i++) png[i] = (uint8_t)(i * 7);
    test_ok(sim_events_open(&e, folder, 1));
    test_ok(sim_events_put_values(e, 20, values, 3));
    test_ok(sim_events_put_values(e, (int64_t)1 << 40, values, 1));
    test_ok(sim_events_put_png(e, 300, "views/view1", png, sizeof png, 32, 24));
    sim_events_close(&e);
    ck_assert_ptr_null(e);
    sim_events_close(&e);

    struct test_events r = test_events_read_folder(folder);
    ck_assert_int_eq(r.count, 6);
    ck_assert_str_eq(r.event[0].version, "brain.Event:2");
    ck_assert_double_le(fabs(r.event[0].wall_s - (double)time(NULL)), 60);
    ck_assert_float_eq(test_events_find(&r, "train/loss", 20)->value, 0.75f);
    ck_assert_float_eq(test_events_find(&r, "train/lr", 20)->value, 1e-4f);
    ck_assert_float_nan(test_events_find(&r, "train/grad_norm", 20)->value);
    ck_assert_ptr_nonnull(test_events_find(&r, "train/loss", (int64_t)1 << 40));
    const struct test_event *picture = test_events_find(&r, "views/view1", 300);
    ck_assert_int_eq(picture->width, 32);
    ck_assert_int_eq(picture->height, 24);
    ck_assert_uint_eq(picture->png_bytes, sizeof png);
    ck_assert_mem_eq(picture->png, png, sizeof png);
    test_events_close(&r);
}
END_TEST

/* Steps 1 to 5, of which a checkpoint keeps 3; then again 4 to 6. */
START_TEST(a_later_file_supersedes_its_steps)
{
    const char *folder = test_scratch();
    struct sim_events *e;
    test_ok(sim_events_open(&e, folder, 1));
    for (int step = 1; step <= 5; step++) put_loss(e, step, 100 + step);
    sim_events_close(&e);
    test_ok(sim_events_open(&e, folder, 4));
    for (int step = 4; step <= 6; step++) put_loss(e, step, 200 + step);
    sim_events_close(&e);
    struct test_events r = test_events_read_folder(folder);
    ck_assert_int_eq(test_events_count(&r, "train/loss"), 6);
    for (int step = 1; step <= 6; step++)
        ck_assert_float_eq(test_events_find(&r, "train/loss", step)->value,
                           (float)((step < 4 ? 100 : 200) + step));
    test_events_close(&r);
}
END_TEST

/* A limit of the process stands in for a disk that is full. */
START_TEST(a_full_disk_cuts_no_event_in_half)
{
    const char *folder = test_scratch();
    static const uint8_t png[5000];
    struct sim_events *e;
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    test_ok(sim_events_open(&e, folder, 1));
    put_loss(e, 1, 1);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){2000, limit.rlim_max}), 0);
    test_fails(sim_events_put_png(e, 2, "views/view1", png, sizeof png, 8, 8),
               "cannot write: File too large");
    put_loss(e, 3, 3);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    put_loss(e, 4, 4);
    sim_events_close(&e);
    struct test_events r = test_events_read_folder(folder);
    ck_assert_int_eq(test_events_count(&r, "train/loss"), 3);
    ck_assert_int_eq(test_events_count(&r, "views/view1"), 0);
    test_events_close(&r);
}
END_TEST

START_TEST(a_folder_that_cannot_be_is_named)
{
    char path[600];
    struct sim_events *e;
    snprintf(path, sizeof path, "%s/nowhere", test_scratch());
    test_fails(sim_events_open(&e, path, 1), "nowhere/events.out.tfevents.");
    ck_assert_ptr_null(e);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event files");
    TCase *t = tcase_create("all");
    tcase_add_test(t, what_is_put_is_read_back);
    tcase_add_test(t, a_later_file_supersedes_its_steps);
    tcase_add_test(t, a_full_disk_cuts_no_event_in_half);
    tcase_add_test(t, a_folder_that_cannot_be_is_named);
    suite_add_tcase(s, t);
    return test_run(s);
}
