#include "status.h"

#include <pthread.h>
#include <string.h>

#include "nearest.h"
#include "support.h"

START_TEST(sentences_are_kept_and_extended)
{
    ck_assert_str_eq(sim_error_text(), "");
    ck_assert_int_eq(sim_fail(SIM_EIO, "%s: no %d", "file", 3), SIM_EIO);
    ck_assert_str_eq(sim_error_text(), "file: no 3");
    ck_assert_int_eq(sim_context(SIM_EFORMAT, "run %d", 7), SIM_EFORMAT);
    ck_assert_str_eq(sim_error_text(), "run 7: file: no 3");
    sim_fail(SIM_EIO, "again: %s", sim_error_text()); /* its own text as an argument */
    ck_assert_str_eq(sim_error_text(), "again: run 7: file: no 3");
}
END_TEST

START_TEST(long_sentences_are_cut)
{
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    sim_fail(SIM_EIO, "first: %s: the reason", text);
    ck_assert_uint_le(strlen(sim_error_text()), 2047);
    ck_assert_uint_gt(strlen(sim_error_text()), 2000);
    ck_assert_ptr_eq(strstr(sim_error_text(), "first: xxx"), sim_error_text());
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "xxx: the reason"));
    sim_context(SIM_EIO, "%s%s%s", text, text, text);
    ck_assert_uint_le(strlen(sim_error_text()), 2047);
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "xxx: the reason"));
}
END_TEST

static void *in_a_thread(void *unused)
{
    (void)unused;
    sim_fail(SIM_EIO, "elsewhere");
    return NULL;
}

START_TEST(each_thread_has_its_own_sentence)
{
    pthread_t thread;
    sim_fail(SIM_EIO, "here");
    ck_assert_int_eq(pthread_create(&thread, NULL, in_a_thread, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_str_eq(sim_error_text(), "here");
}
END_TEST

static sim_status fails_half_way(int *reached)
{
    SIM_TRY(SIM_OK);
    *reached = 1;
    SIM_TRY(sim_fail(SIM_ENOMEM, "none"));
    *reached = 2;
    return SIM_OK;
}

START_TEST(try_returns_the_failure)
{
    int reached = 0;
    ck_assert_int_eq(fails_half_way(&reached), SIM_ENOMEM);
    ck_assert_int_eq(reached, 1);
}
END_TEST

START_TEST(the_nearest_word_is_found)
{
    static const char *const words[] = {"run", "plan", "config", "verify", "image", "views"};
    enum { WORDS = sizeof words / sizeof *words };
    ck_assert_str_eq(sim_nearest("rnu", words, WORDS), "run");
    ck_assert_str_eq(sim_nearest("veryfi", words, WORDS), "verify");
    ck_assert_str_eq(sim_nearest("view", words, WORDS), "views");
    ck_assert_str_eq(sim_nearest("images", words, WORDS), "image");
    ck_assert_ptr_null(sim_nearest("zzzzzzzz", words, WORDS));
    ck_assert_ptr_null(sim_nearest("run", words, 0));
    char text[3000];
    memset(text, 'v', sizeof text);
    text[sizeof text - 1] = '\0';
    ck_assert_ptr_null(sim_nearest(text, words, WORDS));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("status");
    TCase *c = tcase_create("status");
    tcase_add_test(c, sentences_are_kept_and_extended);
    tcase_add_test(c, long_sentences_are_cut);
    tcase_add_test(c, each_thread_has_its_own_sentence);
    tcase_add_test(c, try_returns_the_failure);
    tcase_add_test(c, the_nearest_word_is_found);
    suite_add_tcase(s, c);
    return test_run(s);
}
