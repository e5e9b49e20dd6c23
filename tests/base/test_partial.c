/* Files that grow over several starts: what is kept, what a failing disk leaves. */
#include "partial.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "file.h"

static char folder[512];

static void set_up(void)
{
    snprintf(folder, sizeof folder, "%s", test_scratch());
}

static const char *at(const char *name)
{
    static char path[4][600];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void check_bytes(const char *path, const char *want, size_t count)
{
    char *bytes;
    size_t size;
    test_ok(sim_file_read(path, 1 << 20, &bytes, &size));
    ck_assert_uint_eq(size, count);
    ck_assert_int_eq(memcmp(bytes, want, count), 0);
    free(bytes);
}

START_TEST(it_goes_on_where_it_was_cut)
{
    struct sim_partial p;
    test_ok(sim_partial_open(&p, at("part"), 4)); /* zeros */
    test_ok(sim_partial_put(&p, "one two", 7));
    test_ok(sim_partial_sync(&p));
    sim_partial_close(&p);
    sim_partial_close(&p);
    test_ok(sim_partial_open(&p, at("part"), 8));
    test_ok(sim_partial_put(&p, "three", 5));
    test_ok(sim_partial_put_at(&p, 0, "head", 4));
    test_ok(sim_partial_put(&p, "!", 1));
    check_bytes(at("part"), "headone three!", 14);
    test_ok(sim_partial_commit(&p, at("whole")));
    check_bytes(at("whole"), "headone three!", 14);
    ck_assert_int_ne(access(at("part"), F_OK), 0);
    test_fails(sim_partial_open(&p, at("nowhere/part"), 0), "nowhere/part");
}
END_TEST

/* fsync and rename of a commit, and a write: the partial file is there afterwards, and can be gone on with.
 */
START_TEST(a_failing_disk_leaves_the_partial_file)
{
    for (int64_t n = 1; n <= 3; n++) {
        struct sim_partial p;
        test_ok(sim_partial_open(&p, at("part"), 0));
        test_fault_at(TEST_FAULT_ENOSPC, n);
        sim_status status = sim_partial_put(&p, "text", 4);
        if (status == SIM_OK) status = sim_partial_commit(&p, at("whole"));
        test_fault_at(TEST_FAULT_NONE, 0);
        ck_assert_int_eq(status, SIM_EIO);
        ck_assert_ptr_nonnull(strstr(sim_error_text(), "No space left"));
        ck_assert_int_ne(access(at("whole"), F_OK), 0);
        sim_partial_close(&p);
        ck_assert_int_eq(access(at("part"), F_OK), 0);
    }
    struct sim_partial p;
    test_ok(sim_partial_open(&p, at("part"), 4));
    test_ok(sim_partial_commit(&p, at("whole")));
    check_bytes(at("whole"), "text", 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("partial");
    TCase *t = tcase_create("partial");
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, it_goes_on_where_it_was_cut);
    tcase_add_test(t, a_failing_disk_leaves_the_partial_file);
    suite_add_tcase(s, t);
    return test_run(s);
}
