/* `--device cuda` through the whole program, on the host emulation ($SIM_TOOL_SHIM): one step against the
 * truth in every precision, equal bytes from equal runs, stopped or not, graphs or not, and what the record
 * says of it. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "status.h"
#include "support.h"
#include "tool.h"

/* ------------------------------------------------------------------ exactness */

static const struct {
    const char *precision, *folder;
} cases[] = {{"fp32", "golden/fresh/odd"},
             {"tf32", "golden/fresh/odd"},
             {"bf16", "golden/base"},
             {"fp32", "golden/finetune"},
             {"bf16", "golden/finetune"},
             {"fp32", "golden/fresh/deep_still"},
             {"bf16", "golden/fresh/deep_still"},
             {"fp32", "golden/fresh/shared_bare"},
             {"bf16", "golden/fresh/shared_bare"},
             {"fp32", "golden/fresh/global_bare"},
             {"bf16", "golden/fresh/global_bare"},
             {"fp32", "golden/mae"},
             {"bf16", "golden/mae"},
             {"fp32", "golden/moco_v3"},
             {"bf16", "golden/moco_v3"}};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(one_step_equals_the_reference)
{
    if (!tool_emulated()) return;
    char table[700], *text;
    size_t size;
    snprintf(table, sizeof table, "%s/table.md", test_scratch());
    expect(tool("verify --device cuda --precision %s %s --table %s", cases[_i].precision,
                test_path(cases[_i].folder), table) == 0,
           "ok    whole update");
    test_ok(sim_file_read(table, 1 << 20, &text, &size));
    ck_assert_msg(strncmp(text, "host emulation (no GPU)", 23) == 0, "the table does not say on what: %s",
                  text);
    ck_assert_ptr_nonnull(strstr(text, cases[_i].precision));
    free(text);
}
END_TEST

/* The coarser bounds notice what is wrong, too: another variant's truth. */
START_TEST(wrong_truth_is_noticed_below_fp32)
{
    if (!tool_emulated()) return;
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
    if (!tool_emulated()) return;
    expect(tool("verify --device cuda --precision fp16 %s", test_path("golden/base")) == 1,
           "fp32, tf32, bf16");
    expect(tool("verify --device cuda:x %s", test_path("golden/base")) == 1, "whole number");
    expect(tool("verify --device cpu --precision bf16 %s", test_path("golden/base")) == 1, "fp32");
    expect(tool("--version") == 0, "backends   cpu cuda");
}
END_TEST

/* ------------------------------------------------------------------ runs */

#define ON_THE_DEVICE "--quiet --device cuda --set eval.knn=false --set eval.logistic=false"

static int train(const char *folder, const char *more)
{
    return tool("run %s --out %s " ON_THE_DEVICE " %s", smoke_file(), folder, more);
}

static void assert_same_run(const char *a, const char *b)
{
    assert_same_checkpoint(a, b, "smoke");
    assert_same_file(a, b, "smoke/encoder.safetensors");
}

START_TEST(equal_runs_and_graphs_give_the_same_bytes)
{
    if (!tool_emulated()) return;
    const char *a = fresh(), *b = fresh(), *c = fresh();
    ck_assert_msg(train(a, "--set train.max_steps=4") == 0, "%s", said);
    ck_assert_msg(train(b, "--set train.max_steps=4 --threads 1") == 0, "%s", said);
    ck_assert_msg(train(c, "--set train.max_steps=4 --set compute.cuda_graph=true") == 0, "%s", said);
    assert_same_run(a, b);
    assert_same_run(a, c);
    json_t *o = record_of(a, 0);
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
    if (!tool_emulated()) return;
    const char *const more = "--set train.max_steps=8 --set train.save_every_steps=1";
    const char *whole = fresh(), *cut = fresh();
    char log[800], run[800];
    snprintf(log, sizeof log, "%s/log", cut);
    snprintf(run, sizeof run, "%s/smoke", cut);
    ck_assert_msg(train(whole, more) == 0, "%s", said);
    pid_t child = tool_start(log, "run %s --out %s " ON_THE_DEVICE " %s", smoke_file(), cut, more);
    wait_for_step(run, 1, child);
    kill(child, SIGTERM);
    ck_assert_int_eq(tool_end(child), 75);
    ck_assert_msg(train(cut, more) == 0, "%s", said);
    assert_same_run(whole, cut);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("device");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 600);
    tcase_add_loop_test(all, one_step_equals_the_reference, 0, CASES);
    tcase_add_test(all, wrong_truth_is_noticed_below_fp32);
    tcase_add_test(all, what_cannot_be_opened_is_said);
    tcase_add_test(all, equal_runs_and_graphs_give_the_same_bytes);
    tcase_add_test(all, stopping_changes_nothing);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
