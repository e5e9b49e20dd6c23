/* The built program as several ranks, over TCP and over MPI: what they make together is what one makes, and
 * one that goes ends all.  tests/ops/test_ranks.c has the parts. */
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "progress.h"
#include "safetensors.h"
#include "status.h"
#include "support.h"
#include "tool.h"

enum launcher { TCP, FOLDER, MPI };
enum { MOST = 8, PATIENCE_S = 100 };

/* Ranks under way; of MPI only the launcher is known, which stands as the one process. */
struct ranks {
    pid_t child[MOST];
    int code[MOST];                           /* exit status, or 128 + a signal's number */
    char log[MOST][800], said[MOST][1 << 18]; /* Check takes messages of 8192 bytes: they show an end of it */
    int count;                                /* of processes */
};

static int have_mpi(void)
{
    static int known = -1;
    if (known < 0)
        known = system("command -v mpirun > /dev/null 2>&1") == 0 &&
                system("ldd \"${SIM_TOOL:-build/siameseim}\" 2> /dev/null | grep -q libmpi") == 0;
    return known;
}

/* What stands in front of the program, so that it becomes rank `rank`; of MPI, what launches them all. */
static void front_of(char *out, size_t size_bytes, enum launcher how, int rank, int size, int port,
                     const char *folder)
{
    static const char one[] = "env OMP_NUM_THREADS=1";
    if (how == MPI)
        snprintf(out, size_bytes, "%s mpirun --allow-run-as-root --oversubscribe -np %d", one, size);
    else if (size == 1)
        snprintf(out, size_bytes, "%s", one);
    else if (how == TCP)
        snprintf(out, size_bytes, "%s RANK=%d WORLD_SIZE=%d MASTER_ADDR=localhost MASTER_PORT=%d", one, rank,
                 size, port);
    else
        snprintf(out, size_bytes, "%s RANK=%d WORLD_SIZE=%d SIM_RANKS_FOLDER=%s SIM_RANKS_NAME=here", one,
                 rank, size, folder);
}

static void start(struct ranks *r, enum launcher how, int size, const char *arguments)
{
    char front[1000];
    const char *folder = fresh();
    const int port = test_free_port();
    *r = (struct ranks){.count = how == MPI ? 1 : size};
    for (int i = 0; i < r->count; i++) {
        front_of(front, sizeof front, how, i, size, port, folder);
        snprintf(r->log[i], sizeof r->log[i], "%s/log%d", folder, i);
        r->child[i] = tool_start_behind(front, r->log[i], "%s", arguments);
    }
}

/* The last of what a rank said. */
static const char *end_of(const char *words)
{
    const size_t length = strlen(words), most = 3000;
    return length > most ? words + length - most : words;
}

/* Waits for all; returns how long the last took.  Whoever is not done in time is killed, which fails the
 * test. */
static double finish(struct ranks *r)
{
    const double started = sim_now_s();
    for (int left = r->count; left;) {
        left = 0;
        for (int i = 0; i < r->count; i++) {
            int status;
            if (!r->child[i]) continue;
            if (waitpid(r->child[i], &status, WNOHANG) != r->child[i]) {
                left++;
                if (sim_now_s() - started > PATIENCE_S) kill(r->child[i], SIGKILL);
                continue;
            }
            r->child[i] = 0;
            r->code[i] = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        if (left) nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    const double took = sim_now_s() - started;
    for (int i = 0; i < r->count; i++) {
        FILE *f = fopen(r->log[i], "r");
        ck_assert_ptr_nonnull(f);
        fseek(f, 0, SEEK_END);
        long most = (long)sizeof r->said[i] - 1, size = ftell(f);
        fseek(f, size > most ? size - most : 0, SEEK_SET);
        r->said[i][fread(r->said[i], 1, (size_t)most, f)] = 0;
        fclose(f);
    }
    ck_assert_msg(took < PATIENCE_S, "still at work after %g s:\n%s", took, end_of(r->said[0]));
    return took;
}

/* Runs the program as so many ranks; every one must end with `code`. */
static void run(struct ranks *r, enum launcher how, int size, int code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static void run(struct ranks *r, enum launcher how, int size, int code, const char *format, ...)
{
    char arguments[4000];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    start(r, how, size, arguments);
    finish(r);
    for (int i = 0; i < r->count; i++)
        ck_assert_msg(r->code[i] == code, "rank %d of %d ended with %d:\n%s", i, size, r->code[i],
                      end_of(r->said[i]));
}

/* ------------------------------------------------------------------ one step, against the truth */
START_TEST(ranks_together_are_the_golden_run)
{
    static const char *const variants[] = {"base",         "layer_scale", "global_loss",
                                           "no_projector", "mae",         "moco_v3"};
    char folders[3000] = "";
    struct ranks r;
    for (int i = 0; i < 6; i++) {
        char one[64];
        snprintf(one, sizeof one, "golden/%s", variants[i]);
        strcat(strcat(folders, " "), test_path(one));
    }
    for (int size = 2; size <= 4;
         size +=
         2) { /* of a batch of 4: 2 x 2, 4 x 1; moco_v3's 16, whose keys are all ranks': 2 x 8, 4 x 4 */
        run(&r, size == 2 ? TCP : FOLDER, size, 0, "verify%s", folders);
        ck_assert_msg(strstr(r.said[0], "worst of 6 folders"), "%s", end_of(r.said[0]));
        ck_assert_str_eq(r.said[1], "");
    }
    run(&r, TCP, 3, 0, "verify %s", test_path("golden/finetune")); /* of a batch of 6 */
    run(&r, TCP, 3, 1, "verify %s", test_path("golden/base"));
    for (int i = 0; i < 3; i++)
        ck_assert_msg(strstr(r.said[i], "does not divide by 3 ranks"), "%s", end_of(r.said[i]));
    if (!have_mpi()) {
        test_skip("no mpirun, or a program without MPI");
        return;
    }
    run(&r, MPI, 2, 0, "verify%s", folders);
    ck_assert_msg(strstr(r.said[0], "worst of 6 folders"), "%s", end_of(r.said[0]));
}
END_TEST

/* The CUDA backend over ranks, on devices that the host plays. */
START_TEST(emulated_devices_together_are_the_golden_run)
{
    struct ranks r;
    if (!tool_emulated()) return;
    run(&r, TCP, 2, 0, "verify %s --device cuda --precision fp32", test_path("golden/base"));
    ck_assert_msg(strstr(r.said[0], "final state"), "%s", end_of(r.said[0]));
    run(&r, TCP, 2, 0, "verify %s --device cuda --precision bf16", test_path("golden/layer_scale"));
    run(&r, TCP, 2, 0, "verify %s --device cuda --precision fp32", test_path("golden/mae"));
    run(&r, TCP, 2, 0, "verify %s --device cuda --precision fp32", test_path("golden/moco_v3"));
}
END_TEST

/* ------------------------------------------------------------------ a run */
static double curve_number(const json_t *record, int epoch, const char *key)
{
    return json_number_value(
        json_object_get(json_array_get(json_object_get(record, "curve"), (size_t)epoch), key));
}

/* Weights, momentum copies and running statistics but for rounding, tensor by tensor in the L2 norm.  The
 * key third of a qkv bias moves by noise alone, and its momentum copy after it. */
static void assert_close_checkpoints(const char *a, const char *b)
{
    struct sim_tensors *x, *y;
    char folder[900];
    int statistics = 0, copies = 0;
    snprintf(folder, sizeof folder, "%s/smoke", a);
    test_ok(sim_tensors_open(&x, newest_checkpoint(folder)));
    snprintf(folder, sizeof folder, "%s/smoke", b);
    test_ok(sim_tensors_open(&y, newest_checkpoint(folder)));
    for (int i = 0; i < sim_tensors_count(x); i++) {
        const struct sim_tensor *s = sim_tensors_at(x, i), *t = sim_tensors_find(y, s->name);
        double apart = 0, whole = 0;
        ck_assert_msg(t && t->count == s->count && t->dtype == s->dtype, "%s", s->name);
        if (s->dtype == SIM_I64)
            ck_assert_msg(memcmp(s->data, t->data, (size_t)s->count * 8) == 0, "%s", s->name);
        if (s->dtype != SIM_F32 || strstr(s->name, "qkv.bias")) continue;
        statistics += strstr(s->name, "running_") != NULL, copies += strncmp(s->name, "mm_", 3) == 0;
        for (int64_t k = 0; k < s->count; k++) {
            double u = ((const float *)s->data)[k], v = ((const float *)t->data)[k];
            apart += (u - v) * (u - v), whole += u * u;
        }
        ck_assert_msg(sqrt(apart) <= 1e-4 * sqrt(whole) + 1e-6, "%s: %g apart, of %g", s->name, sqrt(apart),
                      sqrt(whole));
    }
    ck_assert(statistics > 4 && copies > 10);
    sim_tensors_close(x), sim_tensors_close(y);
}

START_TEST(one_two_and_four_ranks_train_the_same)
{
    const char *one = fresh(), *two = fresh(), *again = fresh(), *four = fresh();
    struct ranks r;
    run(&r, TCP, 1, 0, "run %s --out %s --quiet", smoke_file(), one);
    run(&r, TCP, 2, 0, "run %s --out %s", smoke_file(), two);
    ck_assert_msg(strstr(r.said[0], "2 ranks over tcp"), "%s", end_of(r.said[0]));
    ck_assert_str_eq(r.said[1], "");
    run(&r, FOLDER, 2, 0, "run %s --out %s --quiet --set data.workers=2", smoke_file(), again);
    run(&r, FOLDER, 4, 0, "run %s --out %s --quiet", smoke_file(), four);
    assert_same_checkpoint(two, again, "smoke");
    assert_close_checkpoints(one, two);
    assert_close_checkpoints(one, four);
    json_t *x = record_of(one, 0), *y = record_of(two, 0), *z = record_of(four, 0);
    for (int e = 0; e < 2; e++) {
        ck_assert_double_eq_tol(curve_number(x, e, "loss"), curve_number(y, e, "loss"), 1e-6);
        ck_assert_double_eq_tol(curve_number(x, e, "loss"), curve_number(z, e, "loss"), 1e-6);
        ck_assert_double_eq_tol(curve_number(x, e, "grad_norm"), curve_number(z, e, "grad_norm"), 1e-4);
    }
    ck_assert_int_eq((int)json_integer_value(json_object_get(x, "ranks")), 1);
    ck_assert_int_eq((int)json_integer_value(json_object_get(z, "ranks")), 4);
    ck_assert_str_eq(json_string_value(json_object_get(y, "transport")), "tcp");
    ck_assert(json_equal(json_object_get(x, "config_hash"), json_object_get(z, "config_hash")));
    json_decref(x), json_decref(y), json_decref(z);
    /* recorded is recorded, by however many */
    run(&r, TCP, 2, 0, "run %s --out %s", smoke_file(), one);
    ck_assert_msg(strstr(r.said[0], "already recorded"), "%s", end_of(r.said[0]));
    if (!have_mpi()) {
        test_skip("no mpirun, or a program without MPI");
        return;
    }
    const char *mpi = fresh();
    run(&r, MPI, 2, 0, "run %s --out %s --quiet", smoke_file(), mpi);
    assert_same_checkpoint(two, mpi, "smoke");
}
END_TEST

/* Each has its share of a batch, groups that are mixed alike are whole, and rank 0 scores. */
START_TEST(ranks_fine_tune_together)
{
    static const char settings[] =
        "--set train.epochs=0 --set eval.knn=false --set eval.logistic=false --set eval.finetune=true --set "
        "finetune.epochs=2 --set finetune.warmup_epochs=1 --set finetune.batch_size=16 --set "
        "finetune.lr=1e-3 --set "
        "finetune.mix_group=";
    const char *one = fresh(), *two = fresh();
    struct ranks r;
    double loss[2];
    run(&r, TCP, 1, 0, "run %s --out %s --quiet %s8", smoke_file(), one, settings);
    run(&r, TCP, 2, 0, "run %s --out %s %s8", smoke_file(), two, settings);
    ck_assert_msg(strstr(r.said[0], "fine-tuning untrained: epoch 2/2"), "%s", end_of(r.said[0]));
    ck_assert_str_eq(r.said[1], "");
    for (int k = 0; k < 2; k++) {
        json_t *record = record_of(k ? two : one, 0),
               *score = json_array_get(json_object_get(record, "scores"), 0);
        ck_assert_str_eq(json_string_value(json_object_get(score, "name")), "finetune");
        loss[k] = json_number_value(json_object_get(json_object_get(score, "protocol"), "val_loss"));
        json_decref(record);
    }
    ck_assert_double_eq_tol(loss[0], loss[1], 1e-5);
    run(&r, TCP, 2, 1, "run %s --out %s %s16", smoke_file(), fresh(), settings);
    ck_assert_msg(strstr(r.said[0], "groups of 16 images do not divide the 8"), "%s", end_of(r.said[0]));
}
END_TEST

/* Rank 0 scores, whatever the number of ranks: every validation image once, to the same score. */
START_TEST(any_number_of_ranks_scores_every_image_once)
{
    static const int sizes[] = {1, 3, 7, 8};
    double want = -1;
    for (int k = 0; k < 4; k++) {
        const char *out = fresh();
        struct ranks r;
        run(&r, TCP, sizes[k], 0,
            "run %s --out %s --quiet --set train.epochs=0 --set train.batch_size=168 --set "
            "data.procedural_train_per_class=9 --set data.procedural_val_per_class=3",
            smoke_file(), out);
        json_t *record = record_of(out, 0), *scores = json_object_get(record, "scores");
        ck_assert_int_ge((int)json_array_size(scores), 1);
        for (size_t i = 0; i < json_array_size(scores); i++)
            ck_assert_int_eq(
                (int)json_integer_value(json_object_get(json_array_get(scores, i), "val_images")), 60);
        const double value = json_number_value(json_object_get(json_array_get(scores, 0), "value"));
        if (k == 0) want = value;
        ck_assert(value == want);
        json_decref(record);
    }
}
END_TEST

/* All end with it, and rank 0 says it for all. */
START_TEST(a_mistake_is_said_once)
{
    struct ranks r;
    char path[800];
    run(&r, TCP, 3, 1, "run %s --out %s", smoke_file(), fresh());
    ck_assert_msg(strstr(r.said[0], "multiple of the 3 ranks"), "%s", end_of(r.said[0]));
    for (int i = 1; i < 3; i++) ck_assert_str_eq(r.said[i], "");
    snprintf(path, sizeof path, "%s/file", fresh());
    test_ok(sim_file_write(path, "x", 1));
    run(&r, TCP, 2, 1, "run %s --out %s/below", smoke_file(),
        path); /* found by rank 0, which makes folders */
    ck_assert_msg(strstr(r.said[0], "below"), "%s", end_of(r.said[0]));
    ck_assert_str_eq(r.said[1], "");
}
END_TEST

/* ------------------------------------------------------------------ being stopped */
/* Long enough to be stopped in the middle: 60 epochs of 5 steps, a checkpoint after every step. */
#define LONG "--set train.epochs=60 --set train.save_every_steps=1"
enum { STEPS = 300, STOP_STEP = 7 };

static void start_and_reach(struct ranks *r, enum launcher how, const char *out)
{
    char arguments[3000], folder[800];
    snprintf(arguments, sizeof arguments, "run %s --out %s " LONG, smoke_file(), out);
    snprintf(folder, sizeof folder, "%s/smoke", out);
    start(r, how, 2, arguments);
    wait_for_step(folder, STOP_STEP, r->child[0]);
}

static void assert_cut_short(const char *out)
{
    char path[800];
    snprintf(path, sizeof path, "%s/smoke", out);
    const int steps = steps_of(path);
    ck_assert_msg(steps >= STOP_STEP && steps < STEPS, "stopped at step %d of %d", steps, STEPS);
    snprintf(path, sizeof path, "%s/records.jsonl", out);
    ck_assert_msg(access(path, F_OK) != 0, "a run cut short was recorded");
}

START_TEST(a_killed_rank_ends_the_job_by_name)
{
    const int victim = _i;
    const char *out = fresh();
    struct ranks r;
    start_and_reach(&r, TCP, out);
    kill(r.child[victim], SIGKILL);
    double took = finish(&r);
    char name[32];
    snprintf(name, sizeof name, "rank %d (", victim);
    ck_assert_msg(took < 20, "it took %g s", took);
    ck_assert_int_eq(r.code[victim], 128 + SIGKILL);
    ck_assert_int_eq(r.code[1 - victim], 1);
    const char *found = strstr(r.said[1 - victim], name);
    ck_assert_msg(found && strstr(found, "is gone"), "%s", end_of(r.said[1 - victim]));
    assert_cut_short(out);
}
END_TEST

START_TEST(a_killed_rank_ends_the_job_under_mpirun)
{
    const char *out = fresh();
    struct ranks r;
    char command[64];
    if (!have_mpi()) {
        test_skip("no mpirun, or a program without MPI");
        return;
    }
    start_and_reach(&r, MPI, out);
    int victim = 0;
    snprintf(command, sizeof command, "/proc/%d/task/%d/children", (int)r.child[0], (int)r.child[0]);
    FILE *f = fopen(command, "r"); /* mpirun's own: the ranks */
    ck_assert(f && fscanf(f, "%*d %d", &victim) == 1);
    fclose(f);
    kill(victim, SIGKILL);
    double took = finish(&r);
    ck_assert_msg(took < 30, "it took %g s", took);
    ck_assert_msg(r.code[0] != 0 && strstr(r.said[0], "process rank"), "%d: %s", r.code[0],
                  end_of(r.said[0]));
    assert_cut_short(out);
}
END_TEST

/* One rank is asked to stop; all do, at one step, and whatever number of ranks goes on from there. */
START_TEST(one_wish_to_stop_is_everybodys)
{
    const char *whole = fresh(), *cut = fresh();
    struct ranks r;
    run(&r, TCP, 2, 0, "run %s --out %s --quiet " LONG, smoke_file(), whole);
    start_and_reach(&r, TCP, cut);
    kill(r.child[1], SIGTERM);
    finish(&r);
    ck_assert_int_eq(r.code[0], 75);
    ck_assert_int_eq(r.code[1], 75);
    assert_cut_short(cut);
    run(&r, FOLDER, 2, 0, "run %s --out %s " LONG, smoke_file(), cut);
    ck_assert_msg(strstr(r.said[0], "resuming from"), "%s", end_of(r.said[0]));
    assert_same_checkpoint(whole, cut, "smoke");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ranks_run");
    TCase *same = tcase_create("same"), *gone = tcase_create("gone");
    tcase_add_test(same, ranks_together_are_the_golden_run);
    tcase_add_test(same, emulated_devices_together_are_the_golden_run);
    tcase_add_test(same, one_two_and_four_ranks_train_the_same);
    tcase_add_test(same, ranks_fine_tune_together);
    tcase_add_test(same, any_number_of_ranks_scores_every_image_once);
    tcase_add_test(same, a_mistake_is_said_once);
    tcase_add_loop_test(gone, a_killed_rank_ends_the_job_by_name, 0, 2);
    tcase_add_test(gone, a_killed_rank_ends_the_job_under_mpirun);
    tcase_add_test(gone, one_wish_to_stop_is_everybodys);
    tcase_set_timeout(same, 600), tcase_set_timeout(gone, 600);
    suite_add_tcase(suite, same), suite_add_tcase(suite, gone);
    return test_run(suite);
}
