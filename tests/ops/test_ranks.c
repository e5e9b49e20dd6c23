/* Ranks: meeting, sums and their order, agreeing, and what happens when one is gone.  Processes of this
 * machine over TCP; tests/driver/test_ranks_run.c has whole runs, over MPI too. */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "ranks_trial.h"
#include "support.h"

/* Numbers of very different sizes, so that the order of a sum shows. */
static void fill(float *v, int64_t count, int rank)
{
    uint64_t state = 88172645463325252u + (uint64_t)rank * 7919;
    for (int64_t i = 0; i < count; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        v[i] = ldexpf((float)(int32_t)state, -(int)(state >> 59));
    }
}

/* ------------------------------------------------------------------ meeting */
static int who_is_who(struct sim_ranks *r, void *context)
{
    const int size = *(const int *)context;
    char name[SIM_RANK_HOST_BYTES] = "";
    int mine, all[RANKS_MOST];
    gethostname(name, sizeof name - 1);
    RANKS_ASSERT(r && r->size == size && r->rank == atoi(getenv("RANK")));
    RANKS_ASSERT(r->local_rank == r->rank && r->local_size == size);
    for (int i = 0; i < size; i++) RANKS_ASSERT(strcmp(r->host[i], name) == 0);
    mine = 100 + r->rank;
    RANKS_ASSERT(sim_ranks_gather(r, &mine, all, sizeof mine) == SIM_OK);
    for (int i = 0; i < size; i++) RANKS_ASSERT(all[i] == 100 + i);
    RANKS_ASSERT(sim_ranks_broadcast(r, &mine, sizeof mine) == SIM_OK && mine == 100);
    RANKS_ASSERT(sim_ranks_barrier(r) == SIM_OK && sim_ranks_look(r) == SIM_OK);
    return 0;
}

START_TEST(ranks_meet_and_know_each_other)
{
    static const int sizes[] = {2, 4, 5};
    for (int i = 0; i < 3; i++) {
        ranks_trial(BY_ENVIRONMENT, sizes[i], who_is_who, (void *)(uintptr_t)&sizes[i]);
        ranks_trial(BY_FOLDER, sizes[i], who_is_who, (void *)(uintptr_t)&sizes[i]);
    }
}
END_TEST

static void forget_place(void)
{
    static const char *const names[] = {
        "RANK",           "WORLD_SIZE",       "MASTER_ADDR",          "MASTER_PORT",   "LOCAL_RANK",
        "SIM_RANKS_PORT", "SIM_RANKS_FOLDER", "SIM_RANKS_NAME",       "SLURM_JOB_ID",  "SLURM_STEP_NUM_TASKS",
        "SLURM_PROCID",   "PMI_SIZE",         "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_ID", "TORCHELASTIC_RUN_ID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
}

START_TEST(alone_everything_is_done_already)
{
    struct sim_ranks *r = (struct sim_ranks *)1;
    double x = 3;
    float f = 4;
    int any = 0, mine = 5, all = 0;
    forget_place();
    test_ok(sim_ranks_open(&r));
    ck_assert_ptr_null(r);
    setenv("WORLD_SIZE", "1", 1), setenv("RANK", "0", 1), setenv("MASTER_ADDR", "nowhere", 1);
    test_ok(sim_ranks_open(&r));
    ck_assert_ptr_null(r);
    ck_assert_int_eq(sim_ranks_wanted(), 0);
    test_ok(sim_ranks_sum(NULL, &x, 1));
    test_ok(sim_ranks_sum_floats(NULL, &f, 1));
    test_ok(sim_ranks_mean_begin(NULL, &f, 1));
    test_ok(sim_ranks_mean_wait(NULL));
    test_ok(sim_ranks_gather(NULL, &mine, &all, sizeof mine));
    test_ok(sim_ranks_same(NULL, 1, "nothing"));
    ck_assert(x == 3 && f == 4 && all == 5 && sim_ranks_size(NULL) == 1 && sim_ranks_first(NULL));
    sim_fail(SIM_EIO, "mine");
    ck_assert_int_eq(sim_ranks_agree_on(NULL, SIM_EIO, &any), SIM_EIO);
    sim_ranks_close(NULL, NULL);
}
END_TEST

START_TEST(a_place_half_said_is_an_error)
{
    static const char *const cases[][8] = {
        /* variables, then a word of the sentence */
        {"WORLD_SIZE=2", NULL, "MASTER_ADDR"},
        {"WORLD_SIZE=2", "MASTER_ADDR=localhost", NULL, "RANK"},
        {"WORLD_SIZE=2", "MASTER_ADDR=localhost", "RANK=0", NULL, "MASTER_PORT"},
        {"WORLD_SIZE=2", "MASTER_ADDR=localhost", "RANK=2", "MASTER_PORT=9", NULL, "RANK=2"},
        {"WORLD_SIZE=two", "MASTER_ADDR=localhost", "RANK=0", "MASTER_PORT=9", NULL, "whole number"},
        {"WORLD_SIZE=2", "RANK=0", "SIM_RANKS_FOLDER=/", NULL, "SIM_RANKS_NAME"},
        {"WORLD_SIZE=2", "RANK=0", "SIM_RANKS_FOLDER=/", "SIM_RANKS_NAME=a/b", NULL, "no /"},
        {"SLURM_STEP_NUM_TASKS=3", NULL, "srun"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sim_ranks *r;
        int k = 0;
        forget_place();
        for (; cases[i][k]; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s", cases[i][k]);
            char *value = strchr(name, '=');
            *value++ = 0;
            setenv(name, value, 1);
        }
        test_fails(sim_ranks_open(&r), cases[i][k + 1]);
        ck_assert_ptr_null(r);
        ck_assert_int_eq(sim_ranks_wanted(), 1);
    }
}
END_TEST

START_TEST(who_does_not_come_is_named)
{
    char port[16];
    struct sim_ranks *r;
    setenv("SIM_RANKS_TIMEOUT_S", "0.5", 1);
    snprintf(port, sizeof port, "%d", test_free_port());
    setenv("WORLD_SIZE", "3", 1), setenv("RANK", "0", 1), setenv("MASTER_ADDR", "localhost", 1);
    setenv("MASTER_PORT", port, 1);
    test_fails(sim_ranks_open(&r), "1, 2");
    setenv("RANK", "2", 1);
    test_fails(sim_ranks_open(&r), "rank 0 was not to be met");
    forget_place();
}
END_TEST

/* Others knock at rank 0's door while it waits: nonsense, and somebody who hangs up. */
static pid_t knock(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pid_t child = fork();
    for (int i = 0; child == 0 && i < 40; i++) {
        int s = socket(AF_INET, SOCK_STREAM, 0);
        char words[300];
        memset(words, 'G', sizeof words); /* more than a rank would say of itself */
        if (connect(s, (struct sockaddr *)&a, sizeof a) == 0 && i % 2) (void)!write(s, words, sizeof words);
        close(s);
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    if (child == 0) _exit(0);
    return child;
}

START_TEST(strangers_are_turned_away)
{
    const int port = test_free_port(), size = 3;
    char text[16];
    pid_t stranger = knock(port), child[3];
    forget_place();
    snprintf(text, sizeof text, "%d", port);
    setenv("WORLD_SIZE", "3", 1), setenv("MASTER_ADDR", "localhost", 1), setenv("MASTER_PORT", text, 1);
    for (int i = 0; i < size; i++) {
        struct sim_ranks *r;
        if ((child[i] = fork())) continue;
        snprintf(text, sizeof text, "%d", i);
        setenv("RANK", text, 1);
        if (i) nanosleep(&(struct timespec){0, 50000000 * i}, NULL);
        int code = sim_ranks_open(&r) == SIM_OK ? who_is_who(r, (void *)(uintptr_t)&size) : 2;
        if (code == 2) fprintf(stderr, "%s\n", sim_error_text());
        sim_ranks_close(r, NULL);
        _exit(code);
    }
    for (int i = 0; i < size; i++) {
        int status;
        ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
        ck_assert_int_eq(status, 0);
    }
    waitpid(stranger, NULL, 0);
}
END_TEST

static int disagree(struct sim_ranks *r, void *context)
{
    (void)r, (void)context;
    return 0;
}

/* Started wrongly: two with one number, one that thinks the world larger. */
START_TEST(ranks_that_contradict_each_other_are_found_out)
{
    struct ranks_end ends[RANKS_MOST];
    setenv("SIM_RANKS_TIMEOUT_S", "20", 1); /* who comes when rank 0 has given up already waits that long */
    ranks_trial_ends(AS_TWO_OF_ONE_NUMBER, 3, disagree, NULL, ends);
    ck_assert_msg(strstr(ends[0].said, "two processes say that they are rank 1"), "%s", ends[0].said);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(ends[i].status, 3);
    ranks_trial_ends(AS_OF_TWO_SIZES, 3, disagree, NULL, ends);
    ck_assert_msg(strstr(ends[0].said, "of 4"), "%s", ends[0].said);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(ends[i].status, 3);
}
END_TEST

/* ------------------------------------------------------------------ sums */
enum { LARGE = 1200007 }; /* more than a round, and divisible by nothing */

struct sums {
    int64_t count;
    uint64_t *hash; /* shared: of every rank */
};

static uint64_t hash_of(const void *bytes, size_t size)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < size; i++) h = (h ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
    return h;
}

/* The sum of all ranks' values as it must come out: in double, in the order of ranks. */
static void add_all(float *out, int64_t count, int ranks, double scale)
{
    double *sum = calloc((size_t)count, sizeof *sum);
    for (int i = 0; i < ranks; i++) {
        fill(out, count, i);
        for (int64_t k = 0; k < count; k++) sum[k] += (double)out[k];
    }
    for (int64_t k = 0; k < count; k++) out[k] = (float)(sum[k] * scale);
    free(sum);
}

static int sum_both_ways(struct sim_ranks *r, void *context)
{
    struct sums *s = context;
    const size_t bytes = (size_t)s->count * sizeof(float);
    float *mine = malloc(bytes), *beside = malloc(bytes), *expected = malloc(bytes);
    double number[3] = {1e16 * (r->rank == 0), 1, r->rank};
    fill(mine, s->count, r->rank);
    memcpy(beside, mine, bytes);
    /* beside first, in pieces, while the caller's lane is at work */
    const int64_t cut = s->count / 3;
    RANKS_ASSERT(sim_ranks_mean_begin(r, beside, cut) == SIM_OK);
    RANKS_ASSERT(sim_ranks_mean_begin(r, beside + cut, s->count - cut) == SIM_OK);
    RANKS_ASSERT(sim_ranks_sum_floats(r, mine, s->count) == SIM_OK);
    RANKS_ASSERT(sim_ranks_sum(r, number, 3) == SIM_OK);
    RANKS_ASSERT(sim_ranks_mean_wait(r) == SIM_OK);
    add_all(expected, s->count, r->size, 1);
    RANKS_ASSERT(memcmp(mine, expected, bytes) == 0);
    add_all(expected, s->count, r->size, 1.0 / r->size);
    RANKS_ASSERT(memcmp(beside, expected, bytes) == 0);
    RANKS_ASSERT(number[1] == r->size && number[2] == r->size * (r->size - 1) / 2.0);
    s->hash[r->rank] = hash_of(mine, bytes) ^ hash_of(number, sizeof number);
    free(mine), free(beside), free(expected);
    return 0;
}

START_TEST(sums_are_in_the_order_of_ranks_everywhere)
{
    static const int64_t counts[] = {1, 5, 4096, 4097, 70001, LARGE};
    struct sums s;
    s.hash =
        mmap(NULL, sizeof(uint64_t[RANKS_MOST]), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(s.hash, MAP_FAILED);
    for (int size = 2; size <= 4; size++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            if (counts[i] == LARGE && size != 3) continue;
            s.count = counts[i];
            ranks_trial(BY_ENVIRONMENT, size, sum_both_ways, &s);
            for (int k = 1; k < size; k++) ck_assert_uint_eq(s.hash[k], s.hash[0]);
        }
}
END_TEST

/* ------------------------------------------------------------------ agreeing */
static int agree(struct sim_ranks *r, void *context)
{
    int any = 0;
    (void)context;
    RANKS_ASSERT(sim_ranks_agree(r, SIM_OK) == SIM_OK);
    any = r->rank == 2;
    RANKS_ASSERT(sim_ranks_agree_on(r, SIM_OK, &any) == SIM_OK && any == 1);
    /* two fail: the first of them is what all say, each in its way */
    sim_status mine = r->rank == 0 ? SIM_OK : sim_fail(SIM_EFORMAT, "image of %d", r->rank);
    RANKS_ASSERT(sim_ranks_agree(r, mine) == SIM_EFORMAT);
    RANKS_ASSERT(strstr(sim_error_text(), "image of 1") != NULL);
    RANKS_ASSERT((strstr(sim_error_text(), "rank 1 (") != NULL) == (r->rank != 1));
    sim_context(SIM_EFORMAT, "run trial");
    RANKS_ASSERT(sim_ranks_agreed(r));
    sim_fail(SIM_EIO, "a disk of rank %d alone", r->rank);
    RANKS_ASSERT(!sim_ranks_agreed(r));
    /* a failure that was agreed on is no reason to stop */
    RANKS_ASSERT(sim_ranks_same(r, 7, "the sevens") == SIM_OK);
    RANKS_ASSERT(sim_ranks_same(r, (uint64_t)(r->rank == 2), "the weights") != SIM_OK);
    RANKS_ASSERT(strstr(sim_error_text(), "the weights of rank 2 (") != NULL && sim_ranks_agreed(r));
    return sim_ranks_barrier(r) != SIM_OK;
}

START_TEST(ranks_agree)
{
    ranks_trial(BY_ENVIRONMENT, 3, agree, NULL);
}
END_TEST

/* ------------------------------------------------------------------ gone */
enum how { KILLED, EXITED, GAVE_UP, LEFT, ELSEWHERE, STUCK };

/* Rank 1 goes in the middle of the work; the others are at a sum. */
static int lose_one(struct sim_ranks *r, void *context)
{
    const enum how how = *(const enum how *)context;
    static float v[100000];
    double x = 1;
    for (int i = 0; i < 3; i++) RANKS_ASSERT(sim_ranks_sum_floats(r, v, 100000) == SIM_OK);
    if (r->rank == 1) {
        if (how == KILLED) kill(getpid(), SIGKILL);
        if (how == EXITED) _exit(9);
        if (how == GAVE_UP) sim_ranks_close(r, "the disk is full");
        if (how == LEFT) sim_ranks_close(r, NULL);
        if (how == ELSEWHERE && sim_ranks_sum(r, &x, 1) != SIM_OK) sim_ranks_close(r, sim_error_text());
        if (how == STUCK) sleep(3);
        _exit(9);
    }
    RANKS_ASSERT(sim_ranks_mean_begin(r, v, 100000) == SIM_OK);
    sim_status s = sim_ranks_sum_floats(r, v, 100000);
    ranks_say(sim_error_text());
    RANKS_ASSERT(s != SIM_OK);
    RANKS_ASSERT(sim_ranks_mean_wait(r) != SIM_OK); /* and all that follows */
    RANKS_ASSERT(sim_ranks_barrier(r) != SIM_OK && sim_ranks_look(r) != SIM_OK);
    RANKS_ASSERT(sim_ranks_sum(r, &x, 1) != SIM_OK);
    return 5;
}

START_TEST(a_rank_that_is_gone_is_named_by_all_others)
{
    static const char *const words[] = {"rank 1 (", "rank 1 (",      "the disk is full",
                                        "has left", "another place", "has not answered"};
    struct ranks_end ends[RANKS_MOST];
    const enum how how = (enum how)_i;
    setenv("SIM_RANKS_TIMEOUT_S", how == STUCK ? "1" : "30", 1);
    double took = ranks_trial_ends(BY_ENVIRONMENT, 4, lose_one, (void *)(uintptr_t)&how, ends);
    ck_assert_msg(took < 10, "it took %g s", took);
    for (int i = 0; i < 4; i++) {
        if (i == 1) continue;
        ck_assert_msg(ends[i].status == 5, "rank %d ended with %d: %s", i, ends[i].status, ends[i].said);
        /* who hears of it from another says so */
        ck_assert_msg(strstr(ends[i].said, words[how]) && strstr(ends[i].said, "rank 1 ("), "rank %d: %s", i,
                      ends[i].said);
    }
}
END_TEST

/* Seen without waiting, while the host has other things to do. */
static int look_out(struct sim_ranks *r, void *context)
{
    const double until = sim_now_s() + 10;
    (void)context;
    RANKS_ASSERT(sim_ranks_barrier(r) == SIM_OK);
    if (r->rank == 1) _exit(0);
    while (sim_ranks_look(r) == SIM_OK && sim_now_s() < until)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    RANKS_ASSERT(strstr(sim_error_text(), "rank 1 (") != NULL);
    return 0;
}

START_TEST(a_look_finds_who_is_gone)
{
    ranks_trial(BY_ENVIRONMENT, 2, look_out, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranks");
    TCase *meeting = tcase_create("meeting"), *sums = tcase_create("sums"), *gone = tcase_create("gone");
    tcase_add_test(meeting, ranks_meet_and_know_each_other);
    tcase_add_test(meeting, alone_everything_is_done_already);
    tcase_add_test(meeting, a_place_half_said_is_an_error);
    tcase_add_test(meeting, who_does_not_come_is_named);
    tcase_add_test(meeting, strangers_are_turned_away);
    tcase_add_test(meeting, ranks_that_contradict_each_other_are_found_out);
    tcase_add_test(sums, sums_are_in_the_order_of_ranks_everywhere);
    tcase_add_test(sums, ranks_agree);
    tcase_add_loop_test(gone, a_rank_that_is_gone_is_named_by_all_others, KILLED, STUCK + 1);
    tcase_add_test(gone, a_look_finds_who_is_gone);
    TCase *const all[] = {meeting, sums, gone};
    for (int i = 0; i < 3; i++) {
        tcase_set_timeout(all[i], 120);
        suite_add_tcase(suite, all[i]);
    }
    return test_run(suite);
}
