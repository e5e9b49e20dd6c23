/* `--device cuda` through the whole program, on the host emulation ($SIM_TOOL_SHIM): one step against the
 * truth in every precision, equal bytes from equal runs, stopped or not, graphs or not, and what the record
 * says of it. */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "status.h"
#include "support.h"

static char said[65536]; /* what the last command printed, both streams */

static const char *tool_path(void)
{
    const char *path = getenv("SIM_TOOL_SHIM");
    if (path && access(path, X_OK) == 0) return path;
    test_skip("no program over the emulated device (SIM_TOOL_SHIM)");
    return NULL;
}

/* Runs the program to its end and returns its exit status. */
static int tool(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int tool(const char *format, ...)
{
    char command[4096], *end = command;
    va_list args;
    end += snprintf(command, sizeof command, "%s ", getenv("SIM_TOOL_SHIM"));
    va_start(args, format);
    end += vsnprintf(end, sizeof command - 64 - (size_t)(end - command), format, args);
    va_end(args);
    snprintf(end, 32, " 2>&1");
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void expect(int right, const char *word)
{
    ck_assert_msg(right && strstr(said, word), "failed, or \"%s\" is missing in:\n%s", word, said);
}

/* ------------------------------------------------------------------ exactness */

static const char *const precisions[] = {"fp32", "tf32", "bf16"}, *const cases[] = {"golden/fresh/odd",
                                                                                    "golden/fresh/odd",
                                                                                    "golden/base"};

START_TEST(one_step_equals_the_reference)
{
    if (!tool_path()) return;
    char table[700], *text;
    size_t size;
    snprintf(table, sizeof table, "%s/table.md", test_scratch());
    expect(tool("verify --device cuda --precision %s %s --table %s", precisions[_i], test_path(cases[_i]),
                table) == 0,
           "ok    whole update");
    test_ok(sim_file_read(table, 1 << 20, &text, &size));
    ck_assert_msg(strncmp(text, "host emulation (no GPU)", 23) == 0, "the table does not say on what: %s",
                  text);
    ck_assert_ptr_nonnull(strstr(text, precisions[_i]));
    free(text);
}
END_TEST

/* The coarser bounds notice what is wrong, too: another variant's truth. */
START_TEST(wrong_truth_is_noticed_below_fp32)
{
    if (!tool_path()) return;
    static const char *const files[] = {"init", "steps", "step0", "final"};
    char folder[600], from[256], to[700], *bytes;
    size_t size;
    snprintf(folder, sizeof folder, "%s", test_scratch());
    for (int i = 0; i < 4; i++) { /* no_scale's inputs and configuration beside base's activations */
        snprintf(from, sizeof from, "golden/%s/%s.safetensors", i == 1 ? "no_scale" : "base", files[i]);
        snprintf(to, sizeof to, "%s/%s.safetensors", folder, files[i]);
        test_ok(sim_file_read(test_path(from), (size_t)1 << 28, &bytes, &size));
        test_ok(sim_file_write(to, bytes, size));
        free(bytes);
    }
    expect(tool("verify --device cuda %s", folder) == 1, "FAIL  gradients");
    expect(1, "FAIL  activations");
}
END_TEST

START_TEST(what_cannot_be_opened_is_said)
{
    if (!tool_path()) return;
    expect(tool("verify --device cuda --precision fp16 %s", test_path("golden/base")) == 1,
           "fp32, tf32, bf16");
    expect(tool("verify --device cuda:x %s", test_path("golden/base")) == 1, "whole number");
    expect(tool("verify --device cpu --precision bf16 %s", test_path("golden/base")) == 1, "fp32");
    expect(tool("--version") == 0, "backends   cpu cuda");
}
END_TEST

/* ------------------------------------------------------------------ runs */

static int train(const char *folder, const char *more)
{
    return tool("run %s --out %s --quiet --device cuda --set eval.knn=false --set eval.logistic=false %s",
                test_path("../ablations/smoke.yaml"), folder, more);
}

static void assert_same_file(const char *a, const char *b, const char *name)
{
    char path[900], *x, *y;
    size_t m, n;
    snprintf(path, sizeof path, "%s/smoke/%s", a, name);
    test_ok(sim_file_read(path, 1 << 26, &x, &m));
    snprintf(path, sizeof path, "%s/smoke/%s", b, name);
    test_ok(sim_file_read(path, 1 << 26, &y, &n));
    ck_assert_msg(m == n && memcmp(x, y, m) == 0, "%s differs between %s and %s", name, a, b);
    free(x), free(y);
}

static void assert_same_run(const char *a, const char *b)
{
    assert_same_file(a, b, "checkpoint.safetensors");
    assert_same_file(a, b, "encoder.safetensors");
}

static json_t *record_of(const char *folder)
{
    char path[900], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/records.jsonl", folder);
    test_ok(sim_file_read(path, 1 << 24, &text, &size));
    json_t *o = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
    free(text);
    ck_assert_ptr_nonnull(o);
    return o;
}

START_TEST(equal_runs_and_graphs_give_the_same_bytes)
{
    if (!tool_path()) return;
    char a[700], b[700], c[700];
    snprintf(a, sizeof a, "%s", test_scratch());
    snprintf(b, sizeof b, "%s", test_scratch());
    snprintf(c, sizeof c, "%s", test_scratch());
    ck_assert_msg(train(a, "--set train.max_steps=4") == 0, "%s", said);
    ck_assert_msg(train(b, "--set train.max_steps=4 --threads 1") == 0, "%s", said);
    ck_assert_msg(train(c, "--set train.max_steps=4 --set compute.cuda_graph=true") == 0, "%s", said);
    assert_same_run(a, b);
    assert_same_run(a, c);
    json_t *o = record_of(a);
    ck_assert_str_eq(json_string_value(json_object_get(o, "backend")), "cuda");
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(o, "device")), "no GPU"));
    ck_assert_str_eq(json_string_value(json_object_get(o, "precision")), "bf16");
    ck_assert(json_is_true(json_object_get(o, "deterministic")));
    const char *first = json_string_value(json_array_get(json_object_get(o, "substituted"), 0));
    ck_assert_msg(first && strstr(first, "emulated"), "the record does not say that the device was emulated");
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_object_get(json_object_get(o, "config"), "compute"), "precision")),
                     "bf16");
    json_decref(o);
}
END_TEST

/* Stopped by SIGTERM once there is a checkpoint, then taken up again. */
START_TEST(stopping_changes_nothing)
{
    if (!tool_path()) return;
    char whole[700], cut[700], checkpoint[800];
    const char *const more = "--set train.max_steps=8 --set train.save_every_steps=1";
    snprintf(whole, sizeof whole, "%s", test_scratch());
    snprintf(cut, sizeof cut, "%s", test_scratch());
    snprintf(checkpoint, sizeof checkpoint, "%s/smoke/checkpoint.safetensors", cut);
    ck_assert_msg(train(whole, more) == 0, "%s", said);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        char command[2048];
        snprintf(
            command, sizeof command,
            "exec %s run %s --out %s --quiet --device cuda --set eval.knn=false --set eval.logistic=false %s",
            getenv("SIM_TOOL_SHIM"), test_path("../ablations/smoke.yaml"), cut, more);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(126);
    }
    const struct timespec moment = {0, 5000000};
    int status;
    for (int i = 0; i < 6000 && access(checkpoint, F_OK) != 0; i++) nanosleep(&moment, NULL);
    kill(child, SIGTERM);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 130, "the stopped run ended with %d", status);
    ck_assert_msg(train(cut, more) == 0, "%s", said);
    assert_same_run(whole, cut);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("device");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 600);
    tcase_add_loop_test(all, one_step_equals_the_reference, 0, 3);
    tcase_add_test(all, wrong_truth_is_noticed_below_fp32);
    tcase_add_test(all, what_cannot_be_opened_is_said);
    tcase_add_test(all, equal_runs_and_graphs_give_the_same_bytes);
    tcase_add_test(all, stopping_changes_nothing);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
