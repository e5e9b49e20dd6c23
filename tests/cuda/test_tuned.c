/* Choices kept between runs: found again, whole or not at all, shared by several writers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "support.h"
#include "tuned.h"

static const unsigned char some[4] = {0, 0x7f, 0x80, 0xff}, others[4] = {1, 2, 3, 4};

static const char *path_in(const char *folder)
{
    static char path[800];
    snprintf(path, sizeof path, "%s/deep/er/products.txt", folder);
    return path;
}

START_TEST(kept_and_found)
{
    const char *path = path_in(test_scratch());
    struct sim_tuned *t;
    unsigned char got[4];
    test_ok(sim_tuned_open(&t, path)); /* none yet */
    ck_assert_int_eq(sim_tuned_find(t, "a", got, 4), 0);
    test_ok(sim_tuned_keep(t, "a", some, 4));
    test_ok(sim_tuned_keep(t, "a b, c", others, 4));
    ck_assert_int_eq(sim_tuned_find(t, "a", got, 4), 1);
    ck_assert_mem_eq(got, some, 4);
    sim_tuned_close(t);

    test_ok(sim_tuned_open(&t, path));
    ck_assert_int_eq(sim_tuned_find(t, "a b, c", got, 4), 1);
    ck_assert_mem_eq(got, others, 4);
    ck_assert_int_eq(sim_tuned_find(t, "a", got, 3), 0); /* of another size */
    ck_assert_int_eq(sim_tuned_find(t, "b", got, 4), 0);
    sim_tuned_close(t);
}
END_TEST

START_TEST(first_choice_stays)
{
    const char *path = path_in(test_scratch());
    struct sim_tuned *one, *two;
    unsigned char got[4];
    test_ok(sim_tuned_open(&one, path));
    test_ok(sim_tuned_open(&two, path)); /* two processes tune at once */
    test_ok(sim_tuned_keep(one, "a", some, 4));
    test_ok(sim_tuned_keep(two, "a", others, 4));
    sim_tuned_close(one), sim_tuned_close(two);
    test_ok(sim_tuned_open(&one, path));
    ck_assert_int_eq(sim_tuned_find(one, "a", got, 4), 1);
    ck_assert_mem_eq(got, some, 4);
    sim_tuned_close(one);
}
END_TEST

START_TEST(damage_is_passed_over)
{
    static const char text[] =
        "no tab\n\tno key\nodd\t123\nletters\t0102zz04\nshort\t0102\n\ngood\t01020304\nhalf\t0102";
    char path[800];
    struct sim_tuned *t;
    unsigned char got[4];
    snprintf(path, sizeof path, "%s/products.txt", test_scratch());
    test_ok(sim_file_write(path, text, sizeof text - 1));
    test_ok(sim_tuned_open(&t, path));
    static const char *const bad[] = {"no tab", "", "odd", "letters", "short", "half"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!sim_tuned_find(t, bad[i], got, 4), "\"%s\" was found", bad[i]);
    ck_assert_int_eq(sim_tuned_find(t, "good", got, 4), 1);
    ck_assert_mem_eq(got, others, 4);
    test_ok(sim_tuned_keep(t, "half", some, 4)); /* stands on a line of its own */
    sim_tuned_close(t);
    test_ok(sim_tuned_open(&t, path));
    ck_assert_int_eq(sim_tuned_find(t, "half", got, 4), 1);
    test_fails(sim_tuned_keep(t, "a\tb", some, 4), "tab");
    test_fails(sim_tuned_keep(t, "", some, 4), "empty");
    sim_tuned_close(t);
    test_fails(sim_tuned_open(&t, test_scratch()), ""); /* a folder */
}
END_TEST

START_TEST(where_choices_are_kept)
{
    char path[256];
    setenv("SIM_TUNED", "/one/file", 1);
    setenv("XDG_CACHE_HOME", "/cache", 1);
    setenv("HOME", "/home/somebody", 1);
    ck_assert_int_eq(sim_tuned_path("products.txt", path, sizeof path), 1);
    ck_assert_str_eq(path, "/one/file");
    unsetenv("SIM_TUNED");
    ck_assert_int_eq(sim_tuned_path("products.txt", path, sizeof path), 1);
    ck_assert_str_eq(path, "/cache/siameseim/products.txt");
    unsetenv("XDG_CACHE_HOME");
    ck_assert_int_eq(sim_tuned_path("products.txt", path, sizeof path), 1);
    ck_assert_str_eq(path, "/home/somebody/.cache/siameseim/products.txt");
    unsetenv("HOME");
    ck_assert_int_eq(sim_tuned_path("products.txt", path, sizeof path), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tuned");
    TCase *t = tcase_create("file");
    tcase_add_test(t, kept_and_found);
    tcase_add_test(t, first_choice_stays);
    tcase_add_test(t, damage_is_passed_over);
    tcase_add_test(t, where_choices_are_kept);
    suite_add_tcase(suite, t);
    return test_run(suite);
}
