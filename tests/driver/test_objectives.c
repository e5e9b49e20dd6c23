/* The key `objective`: its defaults, its presets, whose keys may stand where, and what a run says of itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment.h"
#include "file.h"
#include "safetensors.h"
#include "support.h"
#include "tool.h"

static struct sim_experiment e;

/* One folder for a test's files. */
static const char *folder(void)
{
    static char path[600];
    if (!path[0]) snprintf(path, sizeof path, "%s", test_scratch());
    return path;
}

static sim_status open_set(const char *text, const char *set)
{
    char path[700];
    const char *file = path;
    snprintf(path, sizeof path, "%s/trial.yaml", folder());
    test_ok(sim_file_write(path, text, strlen(text)));
    return sim_experiment_open(&e, &file, 1, NULL, &set, set != NULL);
}

static sim_status open_text(const char *text)
{
    return open_set(text, NULL);
}

static void put_preset(const char *name, const char *text)
{
    char path[700];
    snprintf(path, sizeof path, "%s/presets/%s.yaml", folder(), name);
    test_ok(sim_file_write(path, text, strlen(text)));
}

static void make_preset_folders(void)
{
    char path[700];
    snprintf(path, sizeof path, "%s/presets/mae", folder());
    test_ok(sim_make_folder(path));
}

/* ------------------------------------------------------------------ the table */

START_TEST(the_choices_are_the_table)
{
    for (int i = 0; i < SIM_OBJECTIVES; i++) {
        const struct sim_objective_kind *k = &sim_objective_kinds[i];
        struct sim_run_config c;
        struct sim_pretrain_job job;
        struct sim_attention_use uses[SIM_ATTENTION_USES];
        struct sim_cost cost;
        ck_assert_str_eq(sim_objective_field.choices[i], k->name);
        ck_assert_int_ge(sim_fields_is_section(sim_run_schema(), k->name), 1);
        ck_assert(k->views == 1 || k->views == 2);
        test_ok(sim_run_config_preset(&c, i));
        test_ok(sim_run_config_check(&c)); /* the defaults of an objective go together */
        test_ok(sim_run_config_job(&c, 2, &job));
        ck_assert_int_ge(k->attention(uses, &job), 1);
        test_ok(sim_run_config_cost(&c, 2, &cost));
        ck_assert(cost.flop_per_image > 0);
    }
    ck_assert_ptr_null(sim_objective_field.choices[SIM_OBJECTIVES]);
}
END_TEST

/* ------------------------------------------------------------------ defaults and presets */

START_TEST(an_objective_brings_its_defaults)
{
    test_ok(open_text("runs: {a: {}, b: {objective: mae}, c: {objective: mae, augment: {crop_min: 0.5}}, "
                      "d: {objective: moco_v3}}\n"));
    const struct sim_run_config *a = &e.runs[0].config, *b = &e.runs[1].config, *c = &e.runs[2].config,
                                *d = &e.runs[3].config;
    ck_assert_int_eq(a->pretrain.objective, SIM_OBJECTIVE_SIAMESEIM);
    ck_assert_int_eq(b->pretrain.objective, SIM_OBJECTIVE_MAE);
    ck_assert_int_eq(a->mask.kind, SIM_MASK_BLOCKWISE);
    ck_assert_int_eq(b->mask.kind, SIM_MASK_RANDOM);
    ck_assert_double_eq(b->mask.ratio, 0.75);
    ck_assert_double_eq(b->augment.jitter, 0);
    ck_assert_double_eq(b->augment.blur1, 0);
    ck_assert_double_eq(b->augment.crop_min, 0.2);
    ck_assert_double_eq(c->augment.crop_min, 0.5);
    ck_assert_double_eq(b->train.clip_grad, 0);
    ck_assert_int_eq(d->mask.kind, SIM_MASK_NONE);
    ck_assert_int_eq(d->augment.filter, SIM_FILTER_BILINEAR);
    ck_assert(d->augment.flip_last && !a->augment.flip_last);
    ck_assert(d->augment.blur1 == 1 && d->augment.solarize2 == 0.2); /* the views' colours are SiameseIM's */
    ck_assert_double_eq(d->train.weight_decay, 0.1);
    sim_experiment_close(&e);
}
END_TEST

START_TEST(an_objective_may_be_an_axis_or_set)
{
    test_ok(open_text(
        "question: q?\naxes: {objective: [siameseim, mae]}\n"
        "claims: [{id: c, text: t, score: knn, higher: {objective: siameseim}, lower: objective-mae}]\n"));
    ck_assert_int_eq(e.count, 2);
    ck_assert_str_eq(e.runs[1].name, "objective-mae");
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(e.runs[1].study, "axes"), "objective")), "mae");
    sim_experiment_close(&e);
    test_ok(open_set("runs: {a: {}}\n", "objective=mae"));
    ck_assert_int_eq(e.runs[0].config.pretrain.objective, SIM_OBJECTIVE_MAE);
    ck_assert_double_eq(e.runs[0].config.mask.ratio, 0.75);
    sim_experiment_close(&e);
}
END_TEST

START_TEST(a_preset_is_completed_for_an_objective)
{
    make_preset_folders();
    put_preset("tiny", "model: {embed_dim: 24}\nmask: {kind: random, ratio: 0.5}\n");
    put_preset("mae/tiny", "mask: {ratio: 0.9}\nmae: {decoder_depth: 7}\n");
    test_ok(open_text("base: {preset: tiny}\nruns: {a: {}, b: {objective: mae}}\n"));
    ck_assert_double_eq(e.runs[0].config.mask.ratio, 0.5);
    ck_assert_double_eq(e.runs[1].config.mask.ratio, 0.9);
    ck_assert_int_eq(e.runs[1].config.model.embed_dim, 24);
    ck_assert_int_eq(e.runs[1].config.pretrain.mae.decoder_depth, 7);
    sim_experiment_close(&e);
    put_preset("mae/tiny", "objective: siameseim\n");
    test_fails(open_text("base: {preset: tiny}\n"),
               "mae/tiny.yaml: in the folder of an objective, a preset does not");
    put_preset("mae/tiny", "mask: {kind: none}\n");
    test_fails(open_text("base: {preset: tiny, objective: mae}\n"),
               "mae/tiny.yaml:1:14: run trial: mask.kind: MAE");
}
END_TEST

START_TEST(base_and_scale_have_keys_for_an_objective)
{
    test_ok(open_text("base: {train: {epochs: 9}, objectives: {mae: {train: {epochs: 5, batch_size: 4}}}}\n"
                      "scales: {mini: {train: {batch_size: 8}, objectives: {mae: {train: {epochs: 6}}}}}\n"
                      "runs: {a: {}, b: {objective: mae}, c: {objective: mae, train: {epochs: 7}}}\n"));
    const int epochs[] = {9, 6, 7};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(e.runs[i].config.train.epochs, epochs[i]);
        ck_assert_int_eq(e.runs[i].config.train.batch_size, 8); /* a scale is above all of base */
    }
    sim_experiment_close(&e);
}
END_TEST

/* ------------------------------------------------------------------ whose keys stand where */

START_TEST(keys_that_nobody_reads_are_errors)
{
    static const struct {
        const char *text, *set, *sentence;
    } wrong[] = {
        {"runs: {a: {objective: mae, siameseim: {momentum: 0.9}}}\n", NULL,
         "trial.yaml:1:28: siameseim: run a pre-trains mae, which has no such keys"},
        {"runs: {a: {mae: {decoder_depth: 3}}}\n", NULL, "mae: run a pre-trains siameseim"},
        {"base: {objective: mae}\naxes: {siameseim.momentum: [0, 0.9]}\n", NULL,
         "trial.yaml:2:8: siameseim.momentum: run momentum-0 pre-trains mae"},
        {"base: {objective: mae, siameseim: {momentum: 0.9}}\n", NULL,
         "trial.yaml:1:24: siameseim: no run of this file pre-trains siameseim"},
        {"base: {}\nscales: {mini: {mae: {decoder_depth: 3}}}\n", NULL,
         "mae: no run of this file pre-trains mae"},
        {"base: {objectives: {mae: {train: {epochs: 3}}}}\n", NULL,
         "trial.yaml:1:27: train: no run of this file pre-trains mae"},
        {"base: {objectives: {mae: {siameseim: {momentum: 0}}}}\nruns: {a: {}, b: {objective: mae}}\n", NULL,
         "siameseim: no run of this file pre-trains mae"},
        {"base: {objectives: {mae: {objective: mae}}}\n", NULL, "trial.yaml:1:27: objective"},
        {"base: {objectives: {simsiam: {}}}\n", NULL, "trial.yaml:1:21: unknown key `simsiam`"},
        {"base: {objectives: {}}\n", NULL, "such as {mae"},
        {"runs: {a: {objectives: {mae: {}}}}\n", NULL, "trial.yaml:1:12"},
        {"runs: {a: {}}\n", "mae.decoder_depth=3", "--set mae.decoder_depth=3: no run pre-trains mae"},
        {"base: {objective: moco_v3, mask: {kind: random}}\n", NULL, "mask.kind: 38 patches would be hidden"},
        {"base: {objective: moco_v3, model: {drop_path_rate: 0.1}}\n", NULL, "model.drop_path_rate"},
        {"base: {objective: simsiam}\n", NULL, "objective"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        test_fails(open_set(wrong[i].text, wrong[i].set), wrong[i].sentence);
}
END_TEST

START_TEST(keys_that_some_run_reads_may_be_shared)
{
    test_ok(open_set("base: {siameseim: {momentum: 0.9}, mae: {decoder_depth: 3}}\n"
                     "runs: {a: {}, b: {objective: mae}}\n",
                     "mae.decoder_num_heads=2"));
    ck_assert_double_eq(e.runs[0].config.pretrain.siameseim.momentum, 0.9);
    ck_assert_int_eq(e.runs[1].config.pretrain.mae.decoder_depth, 3);
    ck_assert_int_eq(e.runs[1].config.pretrain.mae.decoder_num_heads, 2);
    sim_experiment_close(&e);
    test_ok(open_set("base: {siameseim: {momentum: 0.9}}\n",
                     "objective=mae")); /* a file that was written for another */
    sim_experiment_close(&e);
}
END_TEST

/* ------------------------------------------------------------------ what a run says of itself */

/* Idle sections are neither in the file that a run writes nor part of its identity. */
START_TEST(idle_sections_say_nothing)
{
    char hash[17], *text;
    test_ok(open_text("runs: {a: {}, b: {objective: mae}}\n"));
    struct sim_run *b = &e.runs[1];
    test_ok(sim_run_write_yaml(b, 0, &text));
    ck_assert_ptr_nonnull(strstr(text, "objective: \"mae\""));
    ck_assert_ptr_nonnull(strstr(text, "\n  mae:\n"));
    ck_assert_ptr_null(strstr(text, "siameseim"));
    strcpy(hash, b->config_hash);
    b->config.pretrain.siameseim.momentum = 0.5;
    test_ok(sim_run_config_hash(&b->config, b->config_hash));
    ck_assert_str_eq(b->config_hash, hash);
    b->config.pretrain.mae.decoder_depth++;
    test_ok(sim_run_config_hash(&b->config, b->config_hash));
    ck_assert_str_ne(b->config_hash, hash);
    sim_experiment_close(&e);
    test_ok(open_text(text)); /* written out it is the same run */
    ck_assert_str_eq(e.runs[0].config_hash, hash);
    sim_experiment_close(&e);
    free(text);
}
END_TEST

/* ------------------------------------------------------------------ a run */

/* MAE on a file that was written for SiameseIM: it learns, is scored, and its encoder has its norm. */
START_TEST(a_run_of_another_objective)
{
    const char *out = fresh();
    char path[700];
    struct sim_tensors *file;
    expect(tool("run %s --out %s --threads 1 --set objective=mae --set train.epochs=8 --set train.lr=4e-3",
                smoke_file(), out) == 0,
           "mae: 0.14 M parameters");
    ck_assert_ptr_null(strstr(said, "momentum 0"));
    json_t *record = record_of(out, -1), *config = json_object_get(record, "config"),
           *curve = json_object_get(record, "curve");
    ck_assert_str_eq(json_string_value(json_object_get(config, "objective")), "mae");
    ck_assert_ptr_nonnull(json_object_get(config, "mae"));
    ck_assert_ptr_null(json_object_get(config, "siameseim"));
    ck_assert_uint_eq(json_array_size(curve), 8);
    ck_assert_double_lt(json_number_value(json_object_get(json_array_get(curve, 7), "loss")),
                        0.95 * json_number_value(json_object_get(json_array_get(curve, 0), "loss")));
    ck_assert_uint_ge(json_array_size(json_object_get(record, "scores")), 4);
    json_decref(record);
    snprintf(path, sizeof path, "%s/smoke/encoder.safetensors", out);
    test_ok(sim_tensors_open(&file, path));
    ck_assert_ptr_nonnull(sim_tensors_find(file, "norm.weight"));
    ck_assert_ptr_null(sim_tensors_find(file, "decoder_norm.weight"));
    sim_tensors_close(file);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("objectives");
    TCase *c = tcase_create("objectives");
    tcase_add_test(c, the_choices_are_the_table);
    tcase_add_test(c, an_objective_brings_its_defaults);
    tcase_add_test(c, an_objective_may_be_an_axis_or_set);
    tcase_add_test(c, a_preset_is_completed_for_an_objective);
    tcase_add_test(c, base_and_scale_have_keys_for_an_objective);
    tcase_add_test(c, keys_that_nobody_reads_are_errors);
    tcase_add_test(c, keys_that_some_run_reads_may_be_shared);
    tcase_add_test(c, idle_sections_say_nothing);
    tcase_add_test(c, a_run_of_another_objective);
    tcase_set_timeout(c, 120);
    suite_add_tcase(s, c);
    return test_run(s);
}
