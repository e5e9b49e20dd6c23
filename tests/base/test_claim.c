/* Claims among real processes: one of many, left behind by the dead, held by the living, taken from the
 * silent. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "claim.h"
#include "support.h"

static char folder[600], who[SIM_CLAIM_WHO_BYTES];

static void setup(void)
{
    snprintf(folder, sizeof folder, "%s", test_scratch());
}

static void nap(double s)
{
    struct timespec t = {(time_t)s, (long)(1e9 * (s - (double)(time_t)s))};
    nanosleep(&t, NULL);
}

static int files(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));) n += strstr(e->d_name, "claim") != NULL;
    closedir(d);
    return n;
}

/* A file as another machine would leave it. */
static void foreign(long long generation, const char *host, double age_s)
{
    char path[700], text[400];
    struct timespec times[2];
    snprintf(path, sizeof path, "%s/.run.claim-%lld", folder, generation);
    snprintf(text, sizeof text, "held %s 17 4 00000000-another-boot 5\n", host);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= (time_t)age_s, times[1] = times[0];
    ck_assert_int_eq(futimens(fd, times), 0);
    close(fd);
}

START_TEST(taken_given_back_taken)
{
    struct sim_claim *a, *b;
    setup();
    for (int i = 0; i < 5; i++) {
        test_ok(sim_claim_take(&a, folder, "run", who, NULL));
        ck_assert_ptr_nonnull(a);
        test_ok(sim_claim_take(&b, folder, "run", who, NULL));
        ck_assert_ptr_null(b);
        ck_assert_ptr_nonnull(strstr(who, "process "));
        test_ok(sim_claim_take(&b, folder, "other", who, NULL));
        ck_assert_ptr_nonnull(b);
        sim_claim_release(&b);
        ck_assert(sim_claim_holds(a));
        sim_claim_release(&a);
    }
    ck_assert_int_eq(files(), 2); /* one per name, however often */
    test_fails(sim_claim_take(&a, "/no/such/folder", "run", who, NULL), "/no/such/folder");
    test_fails(sim_claim_take(&a, folder, "a/b", who, NULL), "a/b");
}
END_TEST

START_TEST(the_dead_leave_their_claims)
{
    struct sim_claim *a;
    int ready[2], held;
    char byte;
    setup();
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        if (sim_claim_take(&a, folder, "run", who, NULL) != SIM_OK || !a) _exit(1);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        pause();
    }
    ck_assert_int_eq((int)read(ready[0], &byte, 1), 1);
    test_ok(sim_claim_look(folder, "run", &held, who));
    ck_assert_int_eq(held, 1);
    test_ok(sim_claim_take(&a, folder, "run", who, NULL));
    ck_assert_ptr_null(a);
    test_fails(sim_claim_wait(&a, folder, "run", 0.1), "held by process");
    kill(child, SIGKILL);
    while (kill(child, 0) == 0 && waitpid(child, NULL, WNOHANG) == 0) {
        /* a zombie holds nothing */
        test_ok(sim_claim_take(&a, folder, "run", who, NULL));
        if (a) break;
        nap(0.005);
    }
    if (!a) test_ok(sim_claim_take(&a, folder, "run", who, NULL));
    ck_assert_ptr_nonnull(a);
    sim_claim_release(&a);
    test_ok(sim_claim_look(folder, "run", &held, who));
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(another_machine_is_believed_while_it_touches)
{
    struct sim_claim *a;
    setup();
    foreign(7, "node7", 60);
    test_ok(sim_claim_take(&a, folder, "run", who, NULL));
    ck_assert_ptr_null(a);
    ck_assert_str_eq(who, "process 17 on node7");
    foreign(7, "node7", 600);
    test_ok(sim_claim_take(&a, folder, "run", who, NULL));
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(files(), 1);
    sim_claim_release(&a);
}
END_TEST

START_TEST(who_was_silent_too_long_finds_out)
{
    struct sim_claim *a;
    volatile sig_atomic_t lost = 0;
    setup();
    setenv("SIM_CLAIM_STALE_S", "0.4", 1);
    test_ok(sim_claim_take(&a, folder, "run", who, &lost));
    foreign(2, "node8", 0); /* node8 thought us dead */
    for (int i = 0; i < 200 && !lost; i++) nap(0.01);
    ck_assert_int_eq((int)lost, 1);
    ck_assert(!sim_claim_holds(a));
    sim_claim_release(&a);
    test_ok(sim_claim_take(&a, folder, "run", who, &lost));
    ck_assert_ptr_null(a); /* our giving back is not theirs */
    unsetenv("SIM_CLAIM_STALE_S");
}
END_TEST

START_TEST(a_holder_that_lives_keeps_touching)
{
    struct sim_claim *a;
    struct stat before, after;
    char path[700];
    setup();
    setenv("SIM_CLAIM_STALE_S", "0.4", 1);
    test_ok(sim_claim_take(&a, folder, "run", who, NULL));
    snprintf(path, sizeof path, "%s/.run.claim-1", folder);
    ck_assert_int_eq(stat(path, &before), 0);
    nap(0.3);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert(after.st_mtim.tv_sec > before.st_mtim.tv_sec || after.st_mtim.tv_nsec > before.st_mtim.tv_nsec);
    sim_claim_release(&a);
    unsetenv("SIM_CLAIM_STALE_S");
}
END_TEST

/* Many processes, each of which takes the claim again and again, with pauses where they hurt, and now and
 * then dies with it: at no time do two of them hold it. */
enum { PROCESSES = 6, TURNS = 30 };

static void rival(int seed)
{
    char inside[700], path[700];
    unsigned state = (unsigned)seed * 2654435761u + 1;
    snprintf(inside, sizeof inside, "%s/inside", folder);
    snprintf(path, sizeof path, "%s/%d", folder, seed);
    for (int turn = 0; turn < TURNS; turn++) {
        struct sim_claim *c;
        if (sim_claim_wait(&c, folder, "run", 60) != SIM_OK) _exit(2);
        int fd = open(inside, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (fd < 0) _exit(3); /* another is inside */
        close(fd);
        state = state * 1664525u + 1013904223u;
        nap(0.0001 * (double)(state >> 24));
        if (unlink(inside) != 0) _exit(4);
        if (state >> 20 & 1) _exit(0); /* without giving it back */
        sim_claim_release(&c);
    }
    _exit(0);
}

START_TEST(never_two_at_once)
{
    setup();
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < PROCESSES; i++)
            if (fork() == 0) rival(round * PROCESSES + i);
        for (int i = 0; i < PROCESSES; i++) {
            int status;
            ck_assert_int_gt(wait(&status), 0);
            ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a rival ended with %x", status);
        }
    }
    ck_assert_int_le(files(), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("claim");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 120);
    tcase_add_test(all, taken_given_back_taken);
    tcase_add_test(all, the_dead_leave_their_claims);
    tcase_add_test(all, another_machine_is_believed_while_it_touches);
    tcase_add_test(all, who_was_silent_too_long_finds_out);
    tcase_add_test(all, a_holder_that_lives_keeps_touching);
    tcase_add_test(all, never_two_at_once);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
