/* What every test program shares: finding ../shared, skipping with a reason, a scratch folder, files alike, a
 * port. */
#ifndef SIM_TEST_SUPPORT_H
#define SIM_TEST_SUPPORT_H

#include <check.h>
#include <stddef.h>

/* Counts this test as skipped, saying why; the test must then return. */
void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Path of a file in the repository's tests/ folder ("golden/base/init.safetensors").  Static buffers, eight
 * in rotation. */
const char *test_path(const char *relative);

/* Path of a file in the shared folder (SIM_SHARED, else ../shared beside the repository), or NULL with the
 * test marked as skipped where there is none. */
const char *test_shared(const char *relative);

/* A fresh empty folder at every call, gone when test_run returns.  Static buffer. */
const char *test_scratch(void);

/* Fails the test unless both files are there and hold the same bytes. */
void test_same_files(const char *one, const char *other);

/* A TCP port that nobody listens on at the moment. */
int test_free_port(void);

/* Runs a suite: every test in its own process unless CK_FORK=no; returns main()'s exit status. */
int test_run(Suite *suite);

/* ck_assert for statuses, showing the error sentence. */
#define test_ok(call)                                                                                        \
    do {                                                                                                     \
        int test_status_ = (call);                                                                           \
        ck_assert_msg(test_status_ == 0, "%s: %s", #call, sim_error_text());                                 \
    } while (0)
#define test_fails(call, word)                                                                               \
    do {                                                                                                     \
        int test_status_ = (call);                                                                           \
        ck_assert_msg(test_status_ != 0, "%s succeeded", #call);                                             \
        ck_assert_msg(strstr(sim_error_text(), word) != NULL, "%s says \"%s\", without \"%s\"", #call,       \
                      sim_error_text(), word);                                                               \
    } while (0)

#endif
