/* Experiment files: what they resolve to, and what every kind of mistake says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment.h"
#include "file.h"
#include "status.h"
#include "support.h"

static struct sim_experiment e;

/* Writes `text` as NAME in a fresh folder; the path (static). */
static const char *file_of(const char *name, const char *text)
{
    static char paths[4][700];
    static int turn;
    char *path = paths[turn++ & 3];
    snprintf(path, sizeof paths[0], "%s/%s", test_scratch(), name);
    test_ok(sim_file_write(path, text, strlen(text)));
    return path;
}

static sim_status open_text(const char *text)
{
    const char *path = file_of("trial.yaml", text);
    return sim_experiment_open(&e, &path, 1, NULL, NULL, 0);
}

static sim_status open_set(const char *text, const char *set)
{
    const char *path = file_of("trial.yaml", text);
    return sim_experiment_open(&e, &path, 1, NULL, &set, 1);
}

/* ------------------------------------------------------------------ what is right */
START_TEST(empty_base_is_the_presets)
{
    test_ok(open_text("base: {}\n"));
    ck_assert_int_eq(e.count, 1);
    ck_assert_str_eq(e.runs[0].name, "trial");
    ck_assert_str_eq(e.runs[0].folder, "trial");
    ck_assert_str_eq(e.runs[0].experiment, "trial");
    ck_assert_int_eq(e.runs[0].config.model.embed_dim, 96);
    ck_assert_int_eq(e.runs[0].config.seed, 0);
    ck_assert_uint_eq(strlen(e.runs[0].config_hash), 16);
    sim_experiment_close(&e);
}
END_TEST

START_TEST(runs_override_base_and_set_overrides_all)
{
    test_ok(open_set(
        "name: x\nabout: two\nseeds: [3, 5]\nbase:\n  model: {embed_dim: 48}\n  train: {epochs: 7}\nruns:\n"
        "  a: {}\n  b: {model: {embed_dim: 24}}\n  c:\n",
        "train.epochs=2"));
    ck_assert_int_eq(e.count, 6);
    static const char *const folders[] = {"a-s3", "a-s5", "b-s3", "b-s5", "c-s3", "c-s5"};
    for (int i = 0; i < 6; i++) {
        ck_assert_str_eq(e.runs[i].folder, folders[i]);
        ck_assert_int_eq(e.runs[i].config.seed, i % 2 ? 5 : 3);
        ck_assert_int_eq(e.runs[i].config.model.embed_dim, i / 2 == 1 ? 24 : 48);
        ck_assert_int_eq(e.runs[i].config.train.epochs, 2);
        ck_assert_str_eq(e.runs[i].about, "two");
    }
    ck_assert_str_ne(e.runs[0].config_hash, e.runs[1].config_hash); /* the seed is part of the identity */
    ck_assert_str_eq(e.runs[0].config_hash, e.runs[4].config_hash); /* the name is not */
    const struct sim_run *run;
    test_ok(sim_experiment_find(&e, "b-s5", &run));
    ck_assert_ptr_eq(run, &e.runs[3]);
    test_ok(sim_experiment_find(&e, "b", &run));
    ck_assert_ptr_eq(run, &e.runs[2]);
    test_fails(sim_experiment_find(&e, "d", &run), "a-s3, a-s5");
    sim_experiment_close(&e);
}
END_TEST

START_TEST(runs_are_selected_and_a_replaced_key_is_told)
{
    test_ok(
        open_set("seeds: [0, 1]\nruns:\n  a: {}\n  b: {train: {epochs: 0}}\n  c: {}\n", "train.epochs=2"));
    ck_assert_str_eq(e.runs[0].note, "");
    ck_assert_str_eq(e.runs[2].note, "--set train.epochs=2 replaces this run's own 0");
    test_fails(sim_experiment_select(&e, (const char *const[]){"b", "d"}, 2), "d");
    test_ok(sim_experiment_select(&e, NULL, 0));
    ck_assert_int_eq(e.count, 6);
    test_ok(sim_experiment_select(&e, (const char *const[]){"c", "a-s1"}, 2));
    ck_assert_int_eq(e.count, 3);
    ck_assert_str_eq(e.runs[0].folder, "a-s1");
    ck_assert_str_eq(e.runs[2].folder, "c-s1");
    sim_experiment_close(&e);
}
END_TEST

START_TEST(set_seed_replaces_the_list)
{
    test_ok(open_set("seeds: [0, 1, 2]\n", "seed=9"));
    ck_assert_int_eq(e.count, 1);
    ck_assert_int_eq(e.runs[0].config.seed, 9);
    ck_assert_str_eq(e.runs[0].folder, "trial");
    sim_experiment_close(&e);
}
END_TEST

START_TEST(hash_leaves_out_what_changes_no_result)
{
    char first[17];
    test_ok(open_text("base: {}\n"));
    memcpy(first, e.runs[0].config_hash, sizeof first);
    sim_experiment_close(&e);
    test_ok(open_text("base: {data: {workers: 3, cache_mb: 7}, train: {save_every_steps: 5, "
                      "save_every_epochs: 2, save_every_minutes: 3, keep_last: 5, "
                      "keep_every_epochs: 4}}\n"));
    ck_assert_str_eq(e.runs[0].config_hash, first);
    sim_experiment_close(&e);
    test_ok(open_text("base: {finetune: {epochs: 7, mixup: 0, encoder: x}}\n")); /* eval.finetune is false */
    ck_assert_str_eq(e.runs[0].config_hash, first);
    sim_experiment_close(&e);
    test_ok(open_text("base: {eval: {finetune: true}, finetune: {batch_size: 16}}\n"));
    ck_assert_str_ne(e.runs[0].config_hash, first);
    sim_experiment_close(&e);
    test_ok(open_text("base: {train: {max_steps: 5}}\n"));
    ck_assert_str_ne(e.runs[0].config_hash, first);
    sim_experiment_close(&e);
}
END_TEST

START_TEST(shipped_files_resolve)
{
    static const char *const files[] = {"smoke", "quickstart", "cifar10", "siameseim_vit_b"};
    const char *paths[4];
    for (int i = 0; i < 4; i++) {
        char relative[100];
        snprintf(relative, sizeof relative, "../ablations/%s.yaml", files[i]);
        paths[i] = test_path(relative);
    }
    test_ok(sim_experiment_open(&e, paths, 4, NULL, NULL, 0));
    ck_assert_int_eq(e.count, 7);
    const struct sim_run *run;
    test_ok(sim_experiment_find(&e, "siameseim_vit_b", &run));
    const struct sim_train_config *t = &run->config.train;
    ck_assert_double_eq_tol(t->blr * (double)t->batch_size / 256, 1.0e-3, 1e-12);
    sim_experiment_close(&e);
}
END_TEST

START_TEST(a_run_written_out_is_the_same_run)
{
    char first[17], *text;
    for (int with_help = 0; with_help < 2; with_help++) {
        test_ok(open_text("name: x\nseeds: [7]\nbase: {data: {train: 'a: \"b\"#'}}\nruns:\n  deep: {model: "
                          "{depth: 9}, train: {lr: 1.0e-3}}\n"));
        memcpy(first, e.runs[0].config_hash, sizeof first);
        test_ok(sim_run_write_yaml(&e.runs[0], with_help, &text));
        sim_experiment_close(&e);
        test_ok(open_text(text));
        ck_assert_int_eq(e.count, 1);
        ck_assert_str_eq(e.runs[0].config_hash, first);
        ck_assert_str_eq(e.runs[0].experiment, "x");
        ck_assert_str_eq(e.runs[0].folder, "deep");
        sim_experiment_close(&e);
        free(text);
    }
}
END_TEST

/* ------------------------------------------------------------------ mistakes, and what is said of them */
static const struct mistake {
    const char *text, *word, *also;
} mistakes[] = {
    {"", "trial.yaml", "trial.yaml"},
    {"- a\n- b\n", "trial.yaml", "map"},
    {"base:\n  model: {embed_dims: 96}\n", "trial.yaml:2:11", "embed_dim"},       /* unknown: nearest */
    {"base:\n  modle: {embed_dim: 96}\n", "trial.yaml:2:3", "model"},             /* unknown section */
    {"base:\n  model:\n    depth: 2\n    depth: 3\n", "trial.yaml:4:5", "depth"}, /* duplicate */
    {"base:\n  model: {depth: 0}\n", "trial.yaml:2:18", "1"},                     /* below its bound */
    {"base:\n  model: {depth: 101}\n", "trial.yaml:2:18", "100"},                 /* above */
    {"base:\n  model: {depth: two}\n", "trial.yaml:2:18", "two"},                 /* type */
    {"base:\n  train: {lr: nan}\n", "trial.yaml:2:15", "nan"},
    {"base:\n  mask: {kind: blockwize}\n", "trial.yaml:2:16", "blockwise"}, /* choice */
    {"base:\n  model: {embed_dim: 96, num_heads: 5}\n", "trial.yaml:2:37",
     "do not divide model.embed_dim 96"},
    {"base:\n  siameseim: {decoder_num_heads: 7}\n", "trial.yaml:2:34", "do not divide"},
    {"base:\n  model: {patch_size: 7}\n", "trial.yaml:2:23", "does not divide"},
    {"base: {}\nruns:\n  x: {mask: {count: 64}}\n", "trial.yaml:3:21", "visible"},
    {"base:\n  augment: {crop_min: 0.9, crop_max: 0.5}\n", "trial.yaml:2:23", "crop_max"},
    {"base:\n  train: {epochs: 3, warmup_epochs: 3}\n", "trial.yaml:2:37", "warmup"},
    {"base:\n  data: {kind: folder}\n", "trial.yaml:2:16",
     "data.train: data.kind folder"}, /* a missing key */
    {"base:\n  data: {kind: folder, train: a}\n", "trial.yaml:2:16", "data.val: data.kind folder"},
    {"base:\n  model: {img_size: 65}\n", "trial.yaml:2:21",
     "model.patch_size: 8 does not divide"}, /* preset against given */
    {"base:\n  data: {kind: folder, train: a, val: b, limit_train: 10}\n  train: {batch_size: 11}\n",
     "trial.yaml:3:23", "larger than the 10 images"},
    {"base:\n  train: {batch_size: 4001}\n", "trial.yaml:2:23", "larger than the 4000 images"},
    {"bases: {}\n", "trial.yaml:1:1", "nearest: base"},
    {"model: {depth: 2}\n", "trial.yaml:1:1", "base:"},
    {"base: {seed: 3}\n", "trial.yaml:1:14", "seeds"},
    {"base: 3\n", "trial.yaml:1:7", "keys"},
    {"name: a/b\n", "trial.yaml:1:7", "folder name"},
    {"name: [a]\n", "trial.yaml:1:7", "text"},
    {"seeds: []\n", "trial.yaml:1:8", "at least one"},
    {"seeds: 3\n", "trial.yaml:1:8", "list"},
    {"seeds: [0, -1]\n", "trial.yaml:1:12", "whole number"},
    {"seeds: [0, 1.5]\n", "trial.yaml:1:12", "whole number"},
    {"seeds: [99999999999999999999]\n", "trial.yaml:1:9", "whole number"},
    {"seeds: [4, 2, 4]\n", "trial.yaml:1:15", "twice"},
    {"runs: {}\n", "trial.yaml:1:7", "map"},
    {"runs: [a]\n", "trial.yaml:1:7", "map"},
    {"runs:\n  a: {}\n  a: {}\n", "trial.yaml:3:3", "a"},
    {"runs:\n  'a b': {}\n", "trial.yaml:2:", "folder name"},
    {"runs:\n  ..: {}\n", "trial.yaml:2:", "folder name"},
    {"seeds: [1, 2]\nruns:\n  a: {}\n  a-s1: {}\n  a-s1-s1: {}\n", NULL, NULL}, /* distinct folders: legal */
    {"runs:\n  a: 3\n", "trial.yaml:2:6", "{}"},
    {"base: {model: {depth: 1}\n", "trial.yaml:", "trial.yaml"}, /* no YAML */
};

START_TEST(a_mistake_says_where_and_what)
{
    const struct mistake *m = &mistakes[_i];
    sim_status status = open_text(m->text);
    if (!m->word) {
        ck_assert_msg(status == SIM_OK, "%s", sim_error_text());
        sim_experiment_close(&e);
        return;
    }
    ck_assert_msg(status != SIM_OK, "accepted: %s", m->text);
    ck_assert_msg(strstr(sim_error_text(), m->word) && strstr(sim_error_text(), m->also),
                  "for\n%ssays \"%s\", without \"%s\" or \"%s\"", m->text, sim_error_text(), m->word,
                  m->also);
    ck_assert_ptr_null(e.runs);
}
END_TEST

START_TEST(a_mistake_on_the_command_line_says_so)
{
    test_fails(open_set("base: {}\n", "model.dept=3"), "model.depth");
    test_fails(open_set("base: {}\n", "model.depth"), "model.depth");
    test_fails(open_set("base: {}\n", "model.depth=0"), "--set");
    test_fails(open_set("base:\n  model: {num_heads: 3}\n", "model.num_heads=7"), "--set model.num_heads=7");
}
END_TEST

START_TEST(files_must_exist_and_not_clash)
{
    const char *two[] = {file_of("one.yaml", "runs: {same: {}}\n"),
                         file_of("two.yaml", "runs: {other: {}, same: {}}\n")};
    test_fails(sim_experiment_open(&e, two, 2, NULL, NULL, 0),
               "two.yaml:1:25: run same would share the folder same with a run of ");
    test_fails(sim_experiment_open(&e, two, 2, NULL, NULL, 0), "one.yaml; rename");
    two[1] = file_of("three.yaml", "runs: {other: {}}\n");
    test_ok(sim_experiment_open(&e, two, 2, NULL, NULL, 0));
    ck_assert_int_eq(e.count, 2);
    sim_experiment_close(&e);
    two[1] = "no/such/file.yaml";
    test_fails(sim_experiment_open(&e, two, 2, NULL, NULL, 0), "no/such/file.yaml");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("experiment");
    TCase *right = tcase_create("right"), *wrong = tcase_create("wrong");
    tcase_add_test(right, empty_base_is_the_presets);
    tcase_add_test(right, runs_override_base_and_set_overrides_all);
    tcase_add_test(right, runs_are_selected_and_a_replaced_key_is_told);
    tcase_add_test(right, set_seed_replaces_the_list);
    tcase_add_test(right, hash_leaves_out_what_changes_no_result);
    tcase_add_test(right, shipped_files_resolve);
    tcase_add_test(right, a_run_written_out_is_the_same_run);
    tcase_add_loop_test(wrong, a_mistake_says_where_and_what, 0, (int)(sizeof mistakes / sizeof *mistakes));
    tcase_add_test(wrong, a_mistake_on_the_command_line_says_so);
    tcase_add_test(wrong, files_must_exist_and_not_clash);
    suite_add_tcase(suite, right);
    suite_add_tcase(suite, wrong);
    return test_run(suite);
}
