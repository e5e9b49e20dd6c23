/* A run whose disk fails, whose process is killed or whose machine loses power at its n-th write, fsync or
 * rename, and that is started again with the same words, ends with the bytes and scores of one that was left
 * alone.
 *
 * A few moments of each kind; SIM_FAULTS_EVERY=1, which is `make kills`, takes every n, until the run is over
 * before. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "file.h"
#include "status.h"
#include "support.h"
#include "sweeps.h"
#include "tool.h"

enum { STEPS = 6 };

static char library[1024], file[800], whole[700];

/* Two epochs of three steps, a checkpoint after every step, both scores. */
static void write_file(void)
{
    static const char text[] =
        "name: trial\n"
        "base:\n"
        "  model: {img_size: 16, patch_size: 4, embed_dim: 16, depth: 1, num_heads: 2}\n"
        "  siameseim: {decoder_embed_dim: 16, decoder_num_heads: 2, projector_depth: 1, predictor_depth: 1}\n"
        "  mask: {min_block: 2}\n"
        "  data: {procedural_train_per_class: 3, procedural_val_per_class: 1, procedural_size: 20, cache_mb: "
        "16}\n"
        "  train: {epochs: 2, batch_size: 16, lr: 1.0e-3, warmup_epochs: 1, save_every_steps: 2, "
        "keep_every_epochs: 1}\n"
        "  eval: {knn_k: 5, logistic_max_iter: 5, batch_size: 32}\n"
        "runs: {one: {}}\n";
    snprintf(file, sizeof file, "%s/trial.yaml", fresh());
    test_ok(sim_file_write(file, text, strlen(text)));
}

/* The same words every time, with the library, which spares the disk its fsyncs.  With GOMP_SPINCOUNT set,
 * the program does not start itself anew. */
static int run(const char *out, const char *wish)
{
    char behind[4000];
    snprintf(behind, sizeof behind,
             "env GOMP_SPINCOUNT=1000 ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=%s %s", library, wish);
    return tool_behind(behind, "run %s --out %s --threads 1 --quiet", file, out);
}

/* One run that is struck.  0: it was over before; else *code is how it ended, and hit says at which call. How
 * often it says how far it is (status.json, on which nothing depends) is a matter of time, and not counted.
 */
static int strike(const char *out, enum test_fault kind, int n, int *code, char hit[300])
{
    char wish[1200], mark[800], *text;
    snprintf(mark, sizeof mark, "%s/mark", out);
    snprintf(wish, sizeof wish, "TEST_FAULT=%s:%d:status.json:%s", test_fault_words[kind], n, mark);
    *code = run(out, wish);
    if (access(mark, F_OK) != 0) return 0;
    test_ok(sim_file_read(mark, 4096, &text, NULL));
    snprintf(hit, 300, "%.*s", (int)strcspn(text, "\n"), text);
    free(text);
    return 1;
}

/* The library, and a run left alone. */
static int prepare(void)
{
    const char *path = getenv("SIM_FAULTS");
    if (!path || !realpath(path, library)) {
        test_skip("no library of faults (SIM_FAULTS)");
        return 0;
    }
    write_file();
    snprintf(whole, sizeof whole, "%s", fresh());
    ck_assert_msg(run(whole, "") == 0, "%s", said);
    return 1;
}

/* What a fault of that kind does to a program that is well. */
static int ends_as_it_should(enum test_fault kind, int code)
{
    if (kind == TEST_FAULT_SHORT) return code == 0;
    return kind < TEST_FAULT_KILL ? code == 0 || code == 1 : code == 128 + SIGKILL;
}

/* The same words once more. */
static void goes_on(const char *out, const char *what)
{
    static const char *const files[] = {"one/encoder.safetensors", "one/config.yaml"};
    char run[800];
    int lines, oks;
    ck_assert_msg(tool("run %s --out %s --threads 1 --quiet", file, out) == 0, "%s, and then:\n%s", what,
                  said);
    sweep_same(whole, out);
    json_decref(sweep_records(out, &lines, &oks));
    ck_assert_msg(oks == 1, "%s: recorded as done %d times", what, oks);
    assert_same_checkpoint(whole, out, "one");
    for (int i = 0; i < 2; i++) assert_same_file(whole, out, files[i]);
    snprintf(run, sizeof run, "%s/one", out);
    ck_assert_int_eq(steps_of(run), STEPS);
}

/* Every so many-th call; the first differs from kind to kind. */
START_TEST(no_fault_loses_anything)
{
    const enum test_fault kind = (enum test_fault)_i;
    const char *every = getenv("SIM_FAULTS_EVERY");
    const int stride = every ? atoi(every) : 41;
    int tried = 0, stopped = 0, code;
    if (!prepare()) return;
    for (int n = stride == 1 ? 1 : 7 * _i;; n += stride) {
        const char *out = fresh();
        char hit[300], what[400];
        if (!strike(out, kind, n, &code, hit)) break;
        snprintf(what, sizeof what, "%s at call %d (%s)", test_fault_words[kind], n, hit);
        ck_assert_msg(ends_as_it_should(kind, code), "%s: the program ended with %d:\n%s", what, code, said);
        goes_on(out, what);
        tried++, stopped += code != 0;
    }
    ck_assert_int_gt(tried, 1);
    printf("| %s | %d | %d | %d | 0 |\n", test_fault_words[kind], tried, stopped, tried);
    fflush(stdout);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 7200);
    tcase_add_loop_test(all, no_fault_loses_anything, TEST_FAULT_SHORT, TEST_FAULTS);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
