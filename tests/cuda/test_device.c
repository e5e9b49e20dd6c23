/* What device.h promises, on the emulated device: memory and its end, copies that come late, events, graphs,
 * failures. */
#include <stdlib.h>
#include <string.h>

#include "shim.h"
#include "support.h"
#include "trials.h"

enum { COUNT = 1000 };

static struct sim_device *device;
static sim_stream compute, copies;

static void open_device(void)
{
    test_ok(sim_device_open(&device, 0));
    compute = sim_device_stream(device, SIM_STREAM_COMPUTE);
    copies = sim_device_stream(device, SIM_STREAM_COPY);
}

static void close_device(void)
{
    sim_device_close(device);
}

static int32_t *numbers(void)
{
    int32_t *at = sim_device_take(device, COUNT * sizeof *at);
    ck_assert_msg(at != NULL, "%s", sim_error_text());
    return at;
}

static void says(const char *words)
{
    const char *failure = sim_device_failure(device, 1);
    ck_assert_msg(failure != NULL, "nothing failed; wanted: %s", words);
    ck_assert_msg(strstr(failure, words) != NULL, "\"%s\" lacks \"%s\"", failure, words);
}

static void all_well(void)
{
    const char *failure = sim_device_failure(device, 1);
    ck_assert_msg(!failure, "%s", failure);
}

START_TEST(it_says_that_it_is_none)
{
    const struct sim_device_facts *f = sim_device_facts(device);
    struct sim_device *other;
    ck_assert_str_eq(f->name, "host emulation (no GPU)");
    ck_assert_int_eq(f->emulated, 1);
    ck_assert_int_eq(f->major, 0);
    ck_assert_int_eq(f->driver, 0);
    test_fails(sim_device_open(&other, 8), "there is no device cuda:8");
    test_fails(sim_device_open(&other, -1), "cuda:-1");
    sim_device_close(NULL);
}
END_TEST

START_TEST(memory_is_zeroed_aligned_and_finite)
{
    struct sim_device *small;
    sim_shim_set_memory(1000000);
    test_ok(sim_device_open(&small, 1));
    unsigned char *first = sim_device_take(small, 600000);
    ck_assert_ptr_nonnull(first);
    ck_assert_uint_eq((uintptr_t)first % 256, 0);
    for (int i = 0; i < 600000; i++) ck_assert_int_eq(first[i], 0);
    ck_assert_ptr_null(sim_device_take(small, 400001));
    ck_assert_str_eq(
        sim_error_text(),
        "no memory for 400001 bytes on host emulation (no GPU), where 400000 of 1000000 bytes are free");
    ck_assert_ptr_null(sim_device_failure(small, 0)); /* not the device's own failure: it goes on */
    ck_assert_ptr_nonnull(sim_device_take(small, 400000));
    sim_device_release(small, first);
    sim_device_release(small, NULL);
    ck_assert_ptr_nonnull(sim_device_take(small, 600000));
    sim_device_close(small);
    sim_shim_set_memory(0);
    setenv("SIM_SHIM_MEMORY", "4096", 1);
    test_ok(sim_device_open(&small, 0));
    ck_assert_int_eq(sim_device_facts(small)->memory_bytes, 4096);
    ck_assert_ptr_null(sim_device_take(small, SIZE_MAX));
    sim_device_close(small);
}
END_TEST

START_TEST(what_is_queued_comes_late)
{
    int32_t *on_device = numbers(), *pinned = sim_device_take_pinned(device, COUNT * sizeof *pinned),
            plain = 7;
    for (int i = 0; i < COUNT; i++) pinned[i] = i;
    sim_device_copy(device, compute, on_device, pinned, COUNT * sizeof *pinned, SIM_TO_DEVICE);
    pinned[5] = 55; /* too early: the copy has not read it yet */
    sim_device_copy(device, compute, on_device + 6, &plain, sizeof plain, SIM_TO_DEVICE);
    plain = 8; /* that is safe: not page-locked, so read at once */
    ck_assert_int_eq(on_device[4], 0);
    sim_device_wait(device);
    ck_assert_int_eq(on_device[4], 4);
    ck_assert_int_eq(on_device[5], 55);
    ck_assert_int_eq(on_device[6], 7);

    sim_device_zero(device, compute, on_device, 5 * sizeof *on_device);
    sim_device_copy(device, compute, pinned, on_device, 10 * sizeof *pinned, SIM_TO_HOST);
    ck_assert_int_eq(pinned[4], 4);
    sim_device_copy(device, compute, &plain, on_device + 4, sizeof plain, SIM_TO_HOST); /* waits */
    ck_assert_int_eq(plain, 0);
    ck_assert_int_eq(pinned[4], 0);
    all_well();
    sim_device_release_pinned(device, pinned);
}
END_TEST

START_TEST(streams_wait_for_events)
{
    int32_t *on_device = numbers(), *pinned = sim_device_take_pinned(device, COUNT * sizeof *pinned);
    sim_event filled = sim_device_event_open(device), after = sim_device_event_open(device);
    for (int right = 0; right < 2; right++) {
        pinned[0] = 100;
        sim_device_zero(device, compute, on_device, COUNT * sizeof *on_device);
        sim_device_wait(device);
        sim_device_copy(device, copies, on_device, pinned, sizeof *pinned, SIM_TO_DEVICE);
        sim_device_event_record(device, filled, copies);
        if (right) sim_device_stream_waits(device, compute, filled);
        trial_increment(compute, on_device, COUNT);
        sim_device_event_record(device, after, compute);
        sim_device_event_wait(device, after);
        ck_assert_int_eq(on_device[0],
                         right ? 101 : 1); /* without the wait, what it needed was not yet there */
        ck_assert_int_eq(on_device[1], 1);
        sim_device_wait(device);
        ck_assert_int_eq(on_device[0], right ? 101 : 100);
    }
    ck_assert_int_eq(sim_device_event_passed(device, filled), 1);
    ck_assert(sim_device_event_ms(device, filled, after) >= 0);
    all_well();
    sim_device_event_close(device, filled);
    sim_device_event_close(device, after);
    sim_device_event_close(device, NULL);
    sim_device_release_pinned(device, pinned);
}
END_TEST

START_TEST(graphs_repeat_what_was_queued)
{
    int32_t *on_device = numbers(), *other = numbers(),
            *pinned = sim_device_take_pinned(device, sizeof *pinned);
    sim_event forked = sim_device_event_open(device), joined = sim_device_event_open(device);
    sim_device_capture_begin(device);
    trial_increment(compute, on_device, COUNT);
    sim_device_event_record(device, forked, compute);
    sim_device_stream_waits(device, copies, forked);
    trial_increment(copies, other, COUNT);
    sim_device_event_record(device, joined, copies);
    sim_device_stream_waits(device, compute, joined);
    sim_device_copy(device, compute, pinned, on_device + 3, sizeof *pinned, SIM_TO_HOST);
    sim_graph g = sim_device_capture_end(device);
    all_well();
    ck_assert_ptr_nonnull(g);
    sim_device_wait(device);
    ck_assert_int_eq(on_device[3], 0); /* recorded, not run */
    for (int i = 1; i <= 5; i++) {
        sim_device_graph_launch(device, g);
        if (i % 2) continue; /* two at a time */
        sim_device_wait(device);
        ck_assert_int_eq(on_device[COUNT - 1], i);
        ck_assert_int_eq(other[0], i);
        ck_assert_int_eq(pinned[0], i);
    }
    all_well();
    sim_device_graph_close(device, g);
    ck_assert_int_eq(other[0], 5);
    sim_device_event_close(device, forked);
    sim_device_event_close(device, joined);
    sim_device_release_pinned(device, pinned);
}
END_TEST

/* What a GPU refuses while a graph is captured is refused here too; afterwards the device works again. */
START_TEST(captures_that_cannot_be)
{
    static const char *const words[] = {"memory taken while",     "the device waited for while",
                                        "not page-locked",        "does not wait for the copy stream",
                                        "from outside the graph", "captured into a graph"};
    int32_t *on_device = numbers(), plain = 0;
    sim_event outside = sim_device_event_open(device), inside = sim_device_event_open(device);
    sim_device_event_record(device, outside, copies);
    for (int how = 0; how < 6; how++) {
        sim_device_capture_begin(device);
        trial_increment(compute, on_device, COUNT);
        if (how == 0) ck_assert_ptr_null(sim_device_take(device, 16));
        if (how == 1) sim_device_wait(device);
        if (how == 2) sim_device_copy(device, compute, on_device, &plain, sizeof plain, SIM_TO_DEVICE);
        if (how == 3 || how == 5) sim_device_event_record(device, inside, compute);
        if (how == 3) {
            sim_device_stream_waits(device, copies, inside);
            trial_increment(copies, on_device, COUNT);
        }
        if (how == 4) sim_device_stream_waits(device, compute, outside);
        if (how == 5) sim_device_event_wait(device, inside);
        ck_assert_ptr_null(sim_device_capture_end(device));
        says(words[how]);
    }
    trial_increment(compute, on_device, COUNT);
    sim_device_wait(device);
    all_well();
    ck_assert_int_eq(on_device[0], 1);
    sim_device_event_close(device, outside);
    sim_device_event_close(device, inside);
}
END_TEST

START_TEST(the_first_failure_is_kept)
{
    int32_t *on_device = numbers();
    trial_fault(compute, TRIAL_EXIT, 1);
    sim_device_wait(device);
    sim_device_fail(device, "a later %s", "one");
    ck_assert_ptr_nonnull(strstr(sim_device_failure(device, 0), "k_fault"));
    sim_device_zero(device, compute, on_device, 4); /* nothing is queued any more */
    trial_increment(compute, on_device, COUNT);
    sim_device_wait(device);
    ck_assert_int_eq(on_device[0], 0);
    says("k_fault");
    ck_assert_ptr_null(sim_device_failure(device, 0));
    sim_device_fail(device, "a library's answer %d", 3);
    says("a library's answer 3");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cuda/device");
    TCase *c = tcase_create("the emulated device");
    tcase_add_checked_fixture(c, open_device, close_device);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, it_says_that_it_is_none);
    tcase_add_test(c, memory_is_zeroed_aligned_and_finite);
    tcase_add_test(c, what_is_queued_comes_late);
    tcase_add_test(c, streams_wait_for_events);
    tcase_add_test(c, graphs_repeat_what_was_queued);
    tcase_add_test(c, captures_that_cannot_be);
    tcase_add_test(c, the_first_failure_is_kept);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
