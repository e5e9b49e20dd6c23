/* Records: what a line holds, and finding one again. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "damaged.h"
#include "file.h"
#include "record.h"
#include "support.h"

static struct sim_run run;
static struct sim_machine machine;
static struct sim_epoch_stats curve[2];
static struct sim_record r;

static void fill(void)
{
    memset(&run, 0, sizeof run);
    test_ok(sim_fields_preset(sim_run_schema(), &run.config));
    run.config.seed = 4;
    strcpy(run.experiment, "trial"), strcpy(run.name, "full"), strcpy(run.folder, "full-s4");
    test_ok(sim_run_config_hash(&run.config, run.config_hash));
    strcpy(machine.backend, "cpu"), strcpy(machine.facts.device, "a \"fine\" machine (avx2)");
    machine.threads = 2, machine.precision = SIM_PRECISION_BF16, machine.deterministic = 1;
    machine.facts.library_count = machine.facts.substituted_count = 0;
    sim_facts_library(&machine.facts, "cudnn 9.19.0");
    sim_facts_substitute(&machine.facts, "attention %d composed", 7);
    sim_facts_substitute(&machine.facts, "attention %d composed", 7); /* once is enough */
    curve[0] = (struct sim_epoch_stats){
        .epoch = 1, .step = 62, .loss = 0.75, .grad_norm = 1.5, .lr = 1e-3, .momentum = 0.995};
    curve[1] = (struct sim_epoch_stats){.epoch = 2, .step = 124, .loss = NAN, .grad_norm = INFINITY};
    r = (struct sim_record){.run = &run,
                            .machine = &machine,
                            .status = "ok",
                            .reason = "",
                            .started = "2026-11-23T07:00:00Z",
                            .train_hash = "0123456789abcdef",
                            .train_images = 4000,
                            .classes = 20,
                            .parameters = 1000,
                            .gflop_per_image = 0.25,
                            .curve = curve,
                            .epochs = 2,
                            .score_count = 1,
                            .wall_s = 3};
    r.scores[0].encoder = "untrained";
    r.scores[0].score =
        (struct sim_score){.name = "knn", .metric = "top1", .value = 0.25, .protocol = "{\"k\": 20}"};
}

static double number(const json_t *o, const char *key)
{
    ck_assert_msg(json_is_number(json_object_get(o, key)), "%s is no number", key);
    return json_number_value(json_object_get(o, key));
}

START_TEST(a_line_holds_everything)
{
    char *line;
    fill();
    test_ok(sim_record_write(&r, &line));
    ck_assert_ptr_null(strchr(line, '\n'));
    json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(o);
    ck_assert_double_eq(number(o, "schema"), 1);
    ck_assert_double_eq(number(o, "seed"), 4);
    ck_assert_str_eq(json_string_value(json_object_get(o, "device")), machine.facts.device);
    ck_assert_str_eq(json_string_value(json_object_get(o, "config_hash")), run.config_hash);
    ck_assert_double_eq(number(json_object_get(json_object_get(o, "config"), "model"), "embed_dim"), 96);
    ck_assert_double_eq(number(json_object_get(o, "model"), "gflop_per_image"), 0.25);
    ck_assert_double_eq(number(json_object_get(o, "data"), "train_images"), 4000);
    ck_assert_double_eq(number(json_object_get(o, "cost"), "wall_s"), 3);
    ck_assert_double_gt(number(json_object_get(o, "cost"), "peak_memory_bytes"), 1e5);
    ck_assert_str_eq(json_string_value(json_object_get(o, "precision")), "bf16");
    ck_assert(json_is_true(json_object_get(o, "deterministic")));
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(o, "libraries"), "cudnn")), "9.19.0");
    ck_assert_uint_eq(json_array_size(json_object_get(o, "substituted")), 1);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(o, "substituted"), 0)),
                     "attention 7 composed");
    ck_assert_ptr_nonnull(
        strchr(json_string_value(json_object_get(json_object_get(o, "libraries"), "onednn")), '.'));
    json_t *points = json_object_get(o, "curve"), *score = json_array_get(json_object_get(o, "scores"), 0);
    ck_assert_uint_eq(json_array_size(points), 2);
    ck_assert_double_eq(number(json_array_get(points, 0), "lr"), 1e-3);
    ck_assert_msg(json_is_null(json_object_get(json_array_get(points, 1), "loss")),
                  "a loss that is no number becomes null");
    ck_assert_double_eq(number(json_object_get(score, "protocol"), "k"), 20);
    json_decref(o);
    free(line);
}
END_TEST

START_TEST(what_cannot_be_written_is_an_error)
{
    char *line;
    fill();
    strcpy(r.scores[0].score.protocol, "{\"k\":");
    test_fails(sim_record_write(&r, &line), "full-s4");
    fill();
    strcpy(machine.facts.device, "\xff");
    test_fails(sim_record_write(&r, &line), "UTF-8");
}
END_TEST

START_TEST(found_again_by_name_hash_and_status)
{
    char path[700];
    struct sim_recorded found;
    fill();
    snprintf(path, sizeof path, "%s/records.jsonl", test_scratch());
    test_ok(sim_record_find(path, "full", run.config_hash, &found));
    ck_assert_str_eq(found.status, "");
    r.status = "diverged", r.reason = "loss nan at step 7";
    test_ok(sim_record_append(&r, path));
    test_ok(sim_record_find(path, "full", run.config_hash, &found));
    ck_assert_str_eq(found.status, "diverged");
    ck_assert_str_eq(found.reason, "loss nan at step 7");
    ck_assert(sim_recorded_is_final(&found));
    FILE *f = fopen(path, "a"); /* a half line, as a power cut leaves it */
    fputs("{\"schema\": 1, \"name\": \"full\", \"config_hash\": \"", f);
    fputs(run.config_hash, f);
    fclose(f);
    r.status = "ok", r.reason = "";
    test_ok(sim_record_append(&r, path));
    test_ok(sim_record_find(path, "full", run.config_hash, &found));
    ck_assert_str_eq(found.status, "ok");
    test_ok(sim_record_find(path, "other", run.config_hash, &found));
    ck_assert_str_eq(found.status, "");
    test_ok(sim_record_find(path, "full", "0000000000000000", &found));
    ck_assert_str_eq(found.status, "");
    test_fails(sim_record_find("/dev/null/records.jsonl", "full", run.config_hash, &found),
               "/dev/null/records.jsonl");
}
END_TEST

static int lines_of(const char *path)
{
    char *text;
    size_t size;
    int n = 0;
    test_ok(sim_file_read(path, 1 << 20, &text, &size));
    for (size_t i = 0; i < size; i++) n += text[i] == '\n';
    free(text);
    return n;
}

START_TEST(committed_once)
{
    char out[600], path[700];
    struct sim_recorded found;
    int appended;
    fill();
    snprintf(out, sizeof out, "%s", test_scratch());
    snprintf(path, sizeof path, "%s/records.jsonl", out);
    r.status = "failed", r.reason = "no images";
    for (int i = 0; i < 2; i++) test_ok(sim_record_commit(&r, out, 0, &appended));
    ck_assert_int_eq(lines_of(path), 1); /* the same failure again says nothing new */
    r.reason = "no memory";
    test_ok(sim_record_commit(&r, out, 0, &appended));
    ck_assert_int_eq(lines_of(path), 2);
    test_ok(sim_record_find(path, "full", run.config_hash, &found));
    ck_assert_str_eq(found.reason, "no memory");
    ck_assert(!sim_recorded_is_final(&found));
    r.status = "ok", r.reason = "";
    for (int i = 0; i < 3; i++) test_ok(sim_record_commit(&r, out, 0, &appended));
    ck_assert_int_eq(lines_of(path), 3);
    ck_assert_int_eq(appended, 0);
    test_ok(sim_record_commit(&r, out, 1, &appended));
    ck_assert_int_eq(lines_of(path), 4);
}
END_TEST

static void give_name(void *self, int64_t i, char *name, int size)
{
    (void)self;
    snprintf(name, (size_t)size, i == 3 ? "a/\xe9.png" : "a/%lld.png", (long long)i);
}

/* Those of the training set, the first twenty of them in the set's order, then those of the other. */
START_TEST(damaged_images_are_named)
{
    char *line;
    struct sim_images train = {.count = 100, .name = give_name}, val = {.count = 10, .name = give_name};
    fill();
    test_ok(sim_damaged_open(&train));
    test_ok(sim_damaged_open(&val));
    for (int i = 49; i > 2; i -= 2) sim_damaged_note(&train, i), sim_damaged_note(&train, i);
    sim_damaged_note(&val, 9);
    r.sets[0] = &train, r.sets[1] = &val;
    test_ok(sim_record_write(&r, &line));
    json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL),
           *names = json_object_get(json_object_get(o, "data"), "damaged");
    static const char *const wanted[] = {"image 3, whose name is not UTF-8", "a/5.png", [19] = "a/41.png",
                                         "and 4 more", "a/9.png"};
    ck_assert_uint_eq(json_array_size(names), 22);
    for (size_t i = 0; i < 22; i++)
        if (wanted[i]) ck_assert_str_eq(json_string_value(json_array_get(names, i)), wanted[i]);
    json_decref(o);
    free(line);
    sim_damaged_forget(&train);
    ck_assert_int_eq(sim_damaged_list(&train, NULL, 0), 0);
    sim_images_close(&train);
    sim_images_close(&val);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *all = tcase_create("all");
    tcase_add_test(all, a_line_holds_everything);
    tcase_add_test(all, what_cannot_be_written_is_an_error);
    tcase_add_test(all, found_again_by_name_hash_and_status);
    tcase_add_test(all, committed_once);
    tcase_add_test(all, damaged_images_are_named);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
