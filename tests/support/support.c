#include "support.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "status.h"

void test_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("SKIPPED: ", stdout);
    vfprintf(stdout, format, args);
    fputc('\n', stdout);
    fflush(stdout);
    va_end(args);
}

static const char *join(const char *folder, const char *relative)
{
    static char paths[8][1024];
    static int turn;
    char *p = paths[turn++ & 7];
    snprintf(p, sizeof paths[0], "%s/%s", folder, relative);
    return p;
}

const char *test_path(const char *relative)
{
    const char *top = getenv("SIM_TESTS");
    return join(top ? top : "tests", relative);
}

const char *test_shared(const char *relative)
{
    const char *top = getenv("SIM_SHARED");
    const char *p = join(top ? top : "../shared", relative);
    if (access(p, R_OK) == 0) return p;
    test_skip("no %s (set SIM_SHARED to the shared folder)", p);
    return NULL;
}

static int remove_entry(const char *path, const struct stat *s, int kind, struct FTW *walk)
{
    (void)s, (void)kind, (void)walk;
    return remove(path);
}

static char scratch_root[512]; /* made by test_run, so that children share it and the parent removes it */

const char *test_scratch(void)
{
    static char folder[544];
    static int count;
    snprintf(folder, sizeof folder, "%s/%d-%d", scratch_root, (int)getpid(), count++);
    if (mkdir(folder, 0700) != 0) ck_abort_msg("cannot make a scratch folder %s", folder);
    return folder;
}

void test_same_files(const char *one, const char *other)
{
    char *a, *b;
    size_t n, m;
    test_ok(sim_file_read(one, (size_t)64 << 20, &a, &n));
    test_ok(sim_file_read(other, (size_t)64 << 20, &b, &m));
    ck_assert_msg(n == m && memcmp(a, b, n) == 0, "%s and %s differ", one, other);
    free(a), free(b);
}

int test_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(s >= 0 && bind(s, (struct sockaddr *)&a, sizeof a) == 0);
    ck_assert_int_eq(getsockname(s, (struct sockaddr *)&a, &size), 0);
    close(s);
    return ntohs(a.sin_port);
}

int test_run(Suite *suite)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(scratch_root, sizeof scratch_root, "%.400s/sim-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(scratch_root)) {
        perror(scratch_root);
        return EXIT_FAILURE;
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    nftw(scratch_root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
