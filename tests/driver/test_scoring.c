/* The paper's linear probe and few-shot regression through the built program: in the record, in the table,
 * stopped in the middle, and what is said of bad input. */
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "images.h"
#include "rng.h"
#include "safetensors.h"
#include "support.h"
#include "tool.h"

static const char *folder; /* of the test under way */

/* A run of smoke.yaml into the test's folder, one thread, with these settings; its exit status. */
static int smoke(const char *format, ...)
{
    char settings[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(settings, sizeof settings, format, args);
    va_end(args);
    return tool("run %s --threads 1 --out %s %s", smoke_file(), folder, settings);
}

/* The newest record: a failed run leaves one too. */
static json_t *last_record(void)
{
    json_t *r = record_of(folder, -1);
    ck_assert_msg(r != NULL, "no record in %s", folder);
    return r;
}

/* The protocol's fields of the record's score, which must be the `at`-th. */
static json_t *protocol_of(json_t *record, size_t at, const char *name)
{
    json_t *score = json_array_get(json_object_get(record, "scores"), at);
    ck_assert_str_eq(json_string_value(json_object_get(score, "name")), name);
    return json_object_get(score, "protocol");
}

#define PROBE                                                                                                \
    "--set eval.linear=true --set eval.linear_batch_size=16 --set eval.linear_epochs=3 --set "               \
    "eval.linear_warmup_epochs=1 "
#define FEW "--set eval.few_shot=true "

START_TEST(both_scores_stand_in_record_and_table)
{
    folder = fresh();
    expect(smoke(PROBE FEW "--set eval.few_shot_per_class=2") == 0, "1 done");
    expect(1, "linear %");
    expect(1, "few_shot %");
    json_t *r = last_record(), *p = protocol_of(r, 6, "linear");
    ck_assert_uint_eq(json_array_size(json_object_get(r, "scores")), 8);
    ck_assert_int_eq(json_integer_value(json_object_get(p, "epochs")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(p, "steps")), 15);
    ck_assert(json_is_true(json_object_get(p, "augment")));
    ck_assert_double_eq_tol(json_number_value(json_object_get(p, "lr")), 0.1 * 16 / 256, 1e-9);
    p = protocol_of(r, 7, "few_shot");
    ck_assert_int_eq(json_integer_value(json_object_get(p, "per_class")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(p, "train_classes")), 20);
    ck_assert_str_eq(json_string_value(json_object_get(p, "split")), "drawn");
    json_decref(r);
}
END_TEST

/* FOLDER/{train,val}/{dark,light}/N.png */
static void make_images(void)
{
    static uint8_t rgb[24 * 24 * 3];
    char path[900];
    for (int i = 0; i < 40; i++) {
        int val = i >= 32, light = i % 2;
        struct sim_rng r = sim_rng_make(1, SIM_PURPOSE_TEST, 0, (uint64_t)i, 0);
        snprintf(path, sizeof path, "%s/%s/%s", folder, val ? "val" : "train", light ? "light" : "dark");
        test_ok(sim_make_folder(path));
        for (int k = 0; k < (int)sizeof rgb; k++) rgb[k] = (uint8_t)(light * 128 + sim_rng_below(&r, 100));
        snprintf(path, sizeof path, "%s/%s/%s/%02d.png", folder, val ? "val" : "train",
                 light ? "light" : "dark", i);
        test_ok(sim_png_write(path, rgb, 24, 24));
    }
}

static int with_list(const char *lines)
{
    char path[700];
    snprintf(path, sizeof path, "%s/list.txt", folder);
    test_ok(sim_file_write(path, lines, strlen(lines)));
    return smoke(FEW "--set eval.knn=false --set eval.logistic=false --set data.kind=folder --set "
                     "data.train=%s/train --set data.val=%s/val --set eval.few_shot_list=%s",
                 folder, folder, path);
}

START_TEST(a_list_says_which_images)
{
    folder = fresh();
    make_images();
    expect(with_list("dark/00.png\nlight/99.png\n") == 1, "list.txt:2: light/99.png is none of the 32");
    expect(with_list("dark/00.png\ndark/02.png\n") == 1, "is of class light");
    expect(with_list("dark/00.png\n01.png\nlight/03.png\n") == 0, "1 done");
    json_t *r = last_record();
    json_t *score = json_array_get(json_object_get(r, "scores"), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(score, "train_images")), 3);
    ck_assert_double_eq(json_number_value(json_object_get(score, "value")), 1); /* dark and light */
    json_decref(r);
}
END_TEST

START_TEST(what_cannot_be_scored)
{
    folder = fresh();
    expect(smoke(PROBE "--set eval.linear_batch_size=81") == 1, "eval.linear_batch_size");
    expect(smoke(PROBE "--set eval.linear_warmup_epochs=3") == 1, "eval.linear_warmup_epochs");
    expect(smoke(FEW) == 1, "leaves some of the 20 classes without one; at least 25 %");
    expect(smoke(FEW "--set eval.few_shot_per_class=5") == 1, "fewer than an even share");
    expect(smoke(FEW "--set eval.few_shot_list=%s/none.txt", folder) == 1, "none.txt");
    expect(smoke(FEW "--set eval.few_shot_list=%s --set eval.few_shot_per_class=2", folder) == 1,
           "eval.few_shot_per_class");
}
END_TEST

/* Epochs of the untrained encoder's probe that are saved. */
static double epochs_saved(const char *out)
{
    char path[700];
    struct sim_tensors *t;
    snprintf(path, sizeof path, "%s/smoke/linear_untrained.safetensors", out);
    if (access(path, F_OK) != 0) return 0;
    test_ok(sim_tensors_open(&t, path));
    const struct sim_tensor *position = sim_tensors_find(t, "probe.position");
    ck_assert_ptr_nonnull(position);
    double epochs = *(const double *)position->data;
    sim_tensors_close(t);
    return epochs;
}

/* The wish to stop reaches into the probe, nothing is recorded, and the same command goes on from there. */
START_TEST(stopped_while_scoring)
{
    char out[700], path[800], log[800];
    double before = 0;
    folder = fresh();
    snprintf(out, sizeof out, "%s/out", folder);
    snprintf(log, sizeof log, "%s/log", folder);
    snprintf(path, sizeof path, "%s/smoke/config.yaml", out); /* written just before the scores */
    for (int round = 0; round < 4; round++) { /* a stop amid an epoch's steps saves nothing new: it is rare */
        pid_t child = tool_start(log,
                                 "run %s --out %s --threads 1 --quiet --set eval.linear=true --set "
                                 "eval.linear_batch_size=16 --set eval.linear_epochs=100000",
                                 smoke_file(), out); /* very many epochs */
        for (int k = 0; k < 3000 && access(path, F_OK) != 0; k++) usleep(10000);
        usleep(1500000);
        kill(child, round % 2 ? SIGTERM : SIGINT);
        ck_assert_int_eq(tool_end(child), round % 2 ? 75 : 130);
        double now = epochs_saved(out);
        ck_assert_double_ge(now, before);
        before = now;
    }
    ck_assert_double_gt(before, 0);
    snprintf(path, sizeof path, "%s/records.jsonl", out);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scoring");
    TCase *t = tcase_create("probes");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, both_scores_stand_in_record_and_table);
    tcase_add_test(t, a_list_says_which_images);
    tcase_add_test(t, what_cannot_be_scored);
    tcase_add_test(t, stopped_while_scoring);
    suite_add_tcase(suite, t);
    return test_run(suite);
}
