/* The built program, end to end: $SIM_TOOL (default build/siameseim) on ablations/smoke.yaml and on files
 * made here. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "claim.h"
#include "file.h"
#include "images.h"
#include "safetensors.h"
#include "status.h"
#include "support.h"
#include "tool.h"

static const char *made_file(const char *folder, const char *name, const char *text)
{
    static char path[800];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    test_ok(sim_file_write(path, text, strlen(text)));
    return path;
}

static void assert_same_run(const char *a, const char *b)
{
    assert_same_checkpoint(a, b, "smoke");
    assert_same_file(a, b, "smoke/encoder.safetensors");
    assert_same_file(a, b, "smoke/config.yaml");
}

static void assert_text(const json_t *o, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(o, key));
    ck_assert_msg(text != NULL, "the record lacks %s", key);
    ck_assert_str_eq(text, value);
}

/* ------------------------------------------------------------------ words */
START_TEST(every_command_teaches)
{
    static const char *const commands[] = {"run",   "plan",  "config", "report",
                                           "views", "image", "verify", "status"};
    ck_assert_int_eq(tool("--help"), 0);
    for (int i = 0; i < 8; i++) expect(1, commands[i]);
    for (int i = 0; i < 8; i++) {
        int code = tool("%s --help", commands[i]);
        expect(code == 0, "usage: siameseim");
        expect(1, commands[i]);
        ck_assert_int_eq(tool("help %s", commands[i]), 0);
    }
    expect(tool("--version") == 0, "siameseim ");
}
END_TEST

START_TEST(mistakes_on_the_command_line)
{
    ck_assert_int_eq(tool("%s", ""), 2);
    expect(tool("pln") == 2, "nearest: plan");
    expect(tool("run %s", smoke_file()) == 1, "--out");
    expect(tool("run --out %s", fresh()) == 1, "FILE");
    expect(tool("run %s --out %s --thread 2", smoke_file(), fresh()) == 1, "nearest: --threads");
    expect(tool("run %s --out %s --threads 0", smoke_file(), fresh()) == 1, "--threads");
    expect(tool("run %s --out %s --threads two", smoke_file(), fresh()) == 1, "whole number");
    expect(tool("run %s --out %s --device cuda", smoke_file(), fresh()) == 1, "cuda");
    expect(tool("run %s --out %s --device tpu", smoke_file(), fresh()) == 1, "tpu");
    expect(tool("run %s --out %s --resume --fresh", smoke_file(), fresh()) == 1, "--fresh");
    expect(tool("run %s --out %s --set train.epoch=3", smoke_file(), fresh()) == 1, "train.epochs");
    expect(tool("run no-such.yaml --out %s", fresh()) == 1, "no-such.yaml");
    expect(tool("run %s --out %s --set data.kind=folder --set data.train=no/images --set data.val=no/images",
                smoke_file(), fresh()) == 1,
           "no/images");
    expect(tool("run %s --out %s --run nobody", smoke_file(), fresh()) == 1, "nobody");
    expect(tool("config %s --run nobody", smoke_file()) == 1, "nobody");
    expect(tool("plan") == 1, "FILE");
}
END_TEST

START_TEST(an_unwritable_folder_is_found_before_any_work)
{
    const char *file = made_file(fresh(), "file", "in the way\n");
    expect(tool("run %s --out %s/below", smoke_file(), file) == 1, "below");
    ck_assert_ptr_null(strstr(said, "epoch"));
    expect(tool("run %s --out %s", smoke_file(), file) == 1, "file");
}
END_TEST

START_TEST(config_prints_what_run_would_use)
{
    expect(tool("config %s --set train.epochs=9 --plain", smoke_file()) == 0, "epochs: 9");
    expect(1, "config_hash");
    expect(tool("config --help-keys") == 0, "siameseim.relative_position");
    expect(tool("plan %s", smoke_file()) == 0, "GFLOP");
    expect(1, "smoke");
}
END_TEST

START_TEST(help_is_clean_under_valgrind)
{
#ifdef __SANITIZE_ADDRESS__
    test_skip("valgrind does not run what the sanitizers instrument");
#else
    if (system("command -v valgrind > /dev/null") != 0) {
        test_skip("no valgrind");
        return;
    }
    expect(tool_behind("valgrind -q --error-exitcode=9 --leak-check=full", "--help") == 0,
           "usage: siameseim");
#endif
}
END_TEST

START_TEST(words_that_do_not_arrive_are_a_failure)
{
    static const char *const commands[] = {"--help", "config", "config --help-keys"};
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(tool_end(tool_start("/dev/full", "%s", commands[i])) == 1,
                      "%s onto a full disk succeeds", commands[i]);
    }
}
END_TEST

/* ------------------------------------------------------------------ the same bytes */
START_TEST(two_runs_and_two_threads_give_the_same_bytes)
{
    const char *a = fresh(), *b = fresh(), *c = fresh();
    expect(tool("run %s --out %s --threads 1", smoke_file(), a) == 0, "smoke");
    ck_assert_int_eq(tool("run %s --out %s --threads 1", smoke_file(), b), 0);
    ck_assert_int_eq(tool("run %s --out %s --threads 2 --set data.workers=3", smoke_file(), c), 0);
    assert_same_run(a, b);
    assert_same_checkpoint(a, c, "smoke");
    assert_same_file(a, c, "smoke/encoder.safetensors");
    json_t *x = record_of(a, 0), *y = record_of(c, 0);
    ck_assert_msg(json_equal(json_object_get(x, "scores"), json_object_get(y, "scores")),
                  "scores differ between threads");
    ck_assert_uint_eq(json_array_size(json_object_get(x, "scores")), 4);
    ck_assert_uint_eq(json_array_size(json_object_get(x, "curve")), 2);
    assert_text(x, "status", "ok");
    ck_assert_int_eq((int)json_integer_value(json_object_get(x, "threads")), 1);
    ck_assert_int_eq((int)json_integer_value(json_object_get(y, "threads")), 2);
    json_decref(x), json_decref(y);
}
END_TEST

START_TEST(a_recorded_run_is_skipped_and_another_configuration_is_not_mixed_in)
{
    const char *a = fresh();
    ck_assert_int_eq(tool("run %s --out %s --threads 1", smoke_file(), a), 0);
    expect(tool("run %s --out %s --threads 1", smoke_file(), a) == 0, "already recorded");
    ck_assert_ptr_null(record_of(a, 1));
    expect(tool("run %s/smoke/config.yaml --out %s --threads 1", a, a) == 0,
           "already recorded"); /* the same run, written out */
    expect(tool("run %s --out %s --threads 1 --set train.epochs=3", smoke_file(), a) == 1, "--fresh");
    ck_assert_ptr_null(record_of(a, 1));
    ck_assert_int_eq(
        tool("run %s --out %s --threads 1 --set train.epochs=3 --fresh --quiet", smoke_file(), a), 0);
    ck_assert_str_eq(said, "");
    json_t *second = record_of(a, 1);
    ck_assert_uint_eq(json_array_size(json_object_get(second, "curve")), 3);
    json_decref(second);
}
END_TEST

START_TEST(a_folder_at_work_is_left_alone)
{
    const char *out = fresh();
    char folder[800], stale[900];
    struct sim_claim *claim;
    char who[SIM_CLAIM_WHO_BYTES];
    snprintf(folder, sizeof folder, "%s/smoke", out);
    snprintf(stale, sizeof stale, "%s/.checkpoint.safetensors.1-2.tmp", folder);
    test_ok(sim_make_folder(folder));
    test_ok(sim_claim_take(&claim, folder, "run", who, NULL));
    expect(tool("run %s --out %s --threads 1", smoke_file(), out) == 3, "another process is at work");
    ck_assert_str_eq(who, "");
    char mine[64];
    snprintf(mine, sizeof mine, "process %d on ", (int)getpid());
    expect(1, mine);
    sim_claim_release(&claim);
    test_ok(sim_file_write(stale, "x", 1)); /* as a killed run leaves it */
    expect(tool("run %s --out %s --threads 1", smoke_file(), out) == 0, "1 done");
    ck_assert_int_ne(access(stale, F_OK), 0);
}
END_TEST

START_TEST(a_report_that_cannot_be_written_is_a_failure)
{
    const char *out = fresh();
    made_file(out, "records.jsonl", "no record\n");
    expect(tool("run %s --out %s --threads 1 --set train.epochs=0", smoke_file(), out) == 1,
           "report could not be");
    expect(1, "records.jsonl:1");
    json_t *r = record_of(out, 1);
    assert_text(r, "status", "ok"); /* the run itself is recorded */
    json_decref(r);
}
END_TEST

/* A handler on a thread that computes would run inside oneDNN (cmd_run.c says what that did): signals that
 * stop a run must be blocked and waited for. */
static void assert_no_handlers(pid_t child)
{
    char path[64], line[256];
    unsigned long long caught = ~0ull, blocked = 0;
    const unsigned long long stops = 1ull << (SIGINT - 1) | 1ull << (SIGTERM - 1) | 1ull << (SIGUSR1 - 1);
    snprintf(path, sizeof path, "/proc/%d/status", (int)child);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "SigBlk:", 7) == 0) blocked = strtoull(line + 7, NULL, 16);
        if (strncmp(line, "SigCgt:", 7) == 0) caught = strtoull(line + 7, NULL, 16);
    }
    fclose(f);
    ck_assert_msg((caught & stops) == 0 && (blocked & stops) == stops, "caught %llx, blocked %llx", caught,
                  blocked);
}

/* Long enough to be stopped in the middle: 8 epochs of 5 steps, a checkpoint after every step. */
#define LONG "--threads 1 --set train.epochs=8 --set train.save_every_steps=1"
#define STOP_STEP 7 /* within the second epoch */

static void stopped_equals_never_stopped(int signal_number, int expected)
{
    const char *whole = fresh(), *cut = fresh();
    char arguments[3000], log[800], run[800];
    ck_assert_int_eq(tool("run %s --out %s " LONG, smoke_file(), whole), 0);
    snprintf(arguments, sizeof arguments, "run %s --out %s " LONG, smoke_file(), cut);
    snprintf(log, sizeof log, "%s/log", cut);
    snprintf(run, sizeof run, "%s/smoke", cut);
    pid_t child = tool_start(log, "%s", arguments);
    wait_for_step(run, STOP_STEP, child);
    assert_no_handlers(child);
    kill(child, signal_number);
    expect(tool_end_said(child, log) == expected, "");
    int steps = steps_of(run);
    ck_assert_msg(steps >= STOP_STEP && steps < 40, "stopped at step %d of 40", steps);
    snprintf(log, sizeof log, "%s/records.jsonl", cut);
    ck_assert_msg(access(log, F_OK) != 0, "a run cut short was recorded");
    expect(tool("%s", arguments) == 0, "resum");
    assert_same_run(whole, cut);
    json_t *x = record_of(whole, 0), *y = record_of(cut, 0);
    ck_assert_msg(json_equal(json_object_get(x, "scores"), json_object_get(y, "scores")),
                  "scores differ after resuming");
    ck_assert_uint_eq(json_array_size(json_object_get(y, "curve")), 8);
    json_decref(x), json_decref(y);
}

START_TEST(killed_and_resumed_is_never_stopped)
{
    stopped_equals_never_stopped(SIGKILL, 128 + SIGKILL);
}
END_TEST

START_TEST(interrupted_and_resumed_is_never_stopped)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1}, expected[] = {130, 75, 75};
    stopped_equals_never_stopped(signals[_i], expected[_i]);
}
END_TEST

/* ------------------------------------------------------------------ when it goes wrong */
START_TEST(a_diverged_run_is_recorded_and_the_others_go_on)
{
    const char *out = fresh();
    char folder[900];
    const char *file = made_file(
        fresh(), "two.yaml",
        "base:\n"
        "  model: {img_size: 32, patch_size: 8, embed_dim: 32, depth: 1, num_heads: 2}\n"
        "  siameseim: {decoder_embed_dim: 32, decoder_num_heads: 4, predictor_depth: 1}\n"
        "  mask: {min_block: 2}\n"
        "  data: {procedural_train_per_class: 4, procedural_val_per_class: 2, procedural_size: 40}\n"
        "  train: {epochs: 2, batch_size: 16, lr: 1.0e-3, save_every_steps: 1}\n"
        "  eval: {knn_k: 5, logistic: false}\n"
        "runs:\n"
        "  wild: {train: {lr: 1000, weight_decay: 100}}\n"
        "  tame: {}\n");
    expect(tool("run %s --out %s --threads 1", file, out) == 1, "diverged");
    json_t *wild = record_of(out, 0), *tame = record_of(out, 1);
    assert_text(wild, "name", "wild");
    assert_text(wild, "status", "diverged");
    ck_assert_uint_gt(strlen(json_string_value(json_object_get(wild, "reason"))), 10);
    assert_text(tame, "name", "tame");
    assert_text(tame, "status", "ok");
    json_decref(wild), json_decref(tame);
    struct sim_tensors *kept;
    snprintf(folder, sizeof folder, "%s/wild", out);
    ck_assert_int_ge(steps_of(folder), 1);
    test_ok(sim_tensors_open(&kept, newest_checkpoint(folder)));
    for (int i = 0; i < sim_tensors_count(kept); i++) {
        const struct sim_tensor *t = sim_tensors_at(kept, i);
        for (int64_t k = 0; t->dtype == SIM_F32 && k < t->count; k++)
            ck_assert_msg(((const float *)t->data)[k] - ((const float *)t->data)[k] == 0,
                          "%s of the kept checkpoint is not finite", t->name);
    }
    sim_tensors_close(kept);
}
END_TEST

/* FOLDER/{train,val}/{dark,light}/N.png */
static void make_images(const char *folder)
{
    static uint8_t rgb[24 * 24 * 3];
    char path[900];
    for (int i = 0; i < 40; i++) {
        int val = i >= 32, light = i % 2;
        snprintf(path, sizeof path, "%s/%s/%s", folder, val ? "val" : "train", light ? "light" : "dark");
        test_ok(sim_make_folder(path));
        for (int k = 0; k < (int)sizeof rgb; k++) rgb[k] = (uint8_t)(light * 128 + (k * (i + 3)) % 100);
        snprintf(path, sizeof path, "%s/%s/%s/%02d.png", folder, val ? "val" : "train",
                 light ? "light" : "dark", i);
        test_ok(sim_png_write(path, rgb, 24, 24));
    }
}

START_TEST(a_damaged_image_stops_the_run_or_is_counted)
{
    const char *images = fresh(), *out = fresh();
    char damaged[900], arguments[3000];
    make_images(images);
    snprintf(damaged, sizeof damaged, "%s/train/dark/04.png", images);
    test_ok(sim_file_write(damaged, "\x89PNG\r\n\x1a\nno more", 15));
    snprintf(arguments, sizeof arguments,
             "run %s --out %s --threads 1 --set data.kind=folder --set data.train=%s/train --set "
             "data.val=%s/val --set eval.knn_k=3",
             smoke_file(), out, images, images);
    expect(tool("%s", arguments) == 1, "04.png");
    expect(tool("%s --set data.bad_image=skip", arguments) == 0, "2 classes");
    json_t *r = record_of(out, 0);
    assert_text(r, "status", "failed");
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(r, "reason")), "04.png"));
    json_decref(r);
    r = record_of(out, 1);
    json_t *data = json_object_get(r, "data");
    ck_assert_int_eq((int)json_integer_value(json_object_get(data, "skipped")), 1);
    const json_t *names = json_object_get(data, "damaged");
    ck_assert_uint_eq(json_array_size(names), 1);
    ck_assert_str_eq(json_string_value(json_array_get(names, 0)), damaged);
    ck_assert_int_eq((int)json_integer_value(json_object_get(data, "train_images")), 32);
    json_decref(r);
    expect(tool("%s --set data.bad_image=skip --set train.batch_size=33 --fresh", arguments) == 1, "33");
}
END_TEST

START_TEST(an_untrained_run_is_scored_once)
{
    const char *out = fresh();
    ck_assert_int_eq(tool("run %s --out %s --threads 1 --set train.epochs=0", smoke_file(), out), 0);
    json_t *r = record_of(out, 0);
    ck_assert_uint_eq(json_array_size(json_object_get(r, "scores")), 2);
    assert_text(json_array_get(json_object_get(r, "scores"), 0), "encoder", "untrained");
    ck_assert_uint_eq(json_array_size(json_object_get(r, "curve")), 0);
    json_decref(r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli");
    TCase *words = tcase_create("words"), *bytes = tcase_create("bytes"), *wrong = tcase_create("wrong");
    tcase_add_test(words, every_command_teaches);
    tcase_add_test(words, mistakes_on_the_command_line);
    tcase_add_test(words, an_unwritable_folder_is_found_before_any_work);
    tcase_add_test(words, config_prints_what_run_would_use);
    tcase_add_test(words, help_is_clean_under_valgrind);
    tcase_add_test(words, words_that_do_not_arrive_are_a_failure);
    tcase_add_test(bytes, two_runs_and_two_threads_give_the_same_bytes);
    tcase_add_test(bytes, a_recorded_run_is_skipped_and_another_configuration_is_not_mixed_in);
    tcase_add_test(bytes, a_folder_at_work_is_left_alone);
    tcase_add_test(bytes, killed_and_resumed_is_never_stopped);
    tcase_add_loop_test(bytes, interrupted_and_resumed_is_never_stopped, 0, 3);
    tcase_add_test(wrong, a_diverged_run_is_recorded_and_the_others_go_on);
    tcase_add_test(wrong, a_damaged_image_stops_the_run_or_is_counted);
    tcase_add_test(wrong, a_report_that_cannot_be_written_is_a_failure);
    tcase_add_test(wrong, an_untrained_run_is_scored_once);
    TCase *const all[] = {words, bytes, wrong};
    for (int i = 0; i < 3; i++) {
        tcase_set_timeout(all[i], 300);
        suite_add_tcase(suite, all[i]);
    }
    return test_run(suite);
}
