/* What makes an experiment a study: scales over presets, grids, claims; and what every mistake in them says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment.h"
#include "file.h"
#include "status.h"
#include "support.h"

static struct sim_experiment e;

/* Writes `text` as trial.yaml in a fresh folder, beside it presets/wide.yaml (`preset`, or NULL); its path.
 */
static const char *file_of(const char *text, const char *preset)
{
    static char path[700];
    char folder[600], other[700];
    snprintf(folder, sizeof folder, "%s", test_scratch());
    snprintf(path, sizeof path, "%s/trial.yaml", folder);
    test_ok(sim_file_write(path, text, strlen(text)));
    if (!preset) return path;
    snprintf(other, sizeof other, "%s/presets", folder);
    test_ok(sim_make_folder(other));
    snprintf(other, sizeof other, "%s/presets/wide.yaml", folder);
    test_ok(sim_file_write(other, preset, strlen(preset)));
    return path;
}

static sim_status open_text(const char *text, const char *preset, const char *scale, const char *set)
{
    const char *path = file_of(text, preset);
    return sim_experiment_open(&e, &path, 1, scale, &set, set ? 1 : 0);
}

/* ------------------------------------------------------------------ scales and presets */

#define SCALED                                                                                               \
    "expected: a minute\nseeds: [0, 1]\nbase: {model: {depth: 3}}\nscales:\n"                                \
    "  small: {preset: wide, train: {epochs: 5}}\n"                                                          \
    "  paper: {seeds: [7], expected: a year, model: {depth: 2}}\n"                                           \
    "runs: {a: {}, b: {train: {epochs: 6}}}\n"
#define WIDE "model: {embed_dim: 48, depth: 9}\ntrain: {epochs: 4, batch_size: 8}\n"

START_TEST(presets_then_base_then_scale_then_run)
{
    test_ok(open_text(SCALED, WIDE, NULL, NULL)); /* the first is the default */
    ck_assert_int_eq(e.count, 4);
    ck_assert_int_eq(e.runs[0].config.model.embed_dim, 48);
    ck_assert_int_eq(e.runs[0].config.model.depth, 3);
    ck_assert_int_eq(e.runs[0].config.train.epochs, 5);
    ck_assert_int_eq(e.runs[2].config.train.epochs, 6);
    ck_assert_int_eq(e.runs[0].config.train.batch_size, 8);
    ck_assert_str_eq(e.runs[0].expected, "a minute");
    ck_assert_str_eq(json_string_value(json_object_get(e.runs[0].study, "scale")), "small");
    sim_experiment_close(&e);
    test_ok(open_text(SCALED, WIDE, "paper", NULL));
    ck_assert_int_eq(e.count, 2);
    ck_assert_int_eq(e.runs[0].config.seed, 7);
    ck_assert_int_eq(e.runs[0].config.model.depth, 2);
    ck_assert_int_eq(e.runs[0].config.model.embed_dim, 96);
    ck_assert_str_eq(e.runs[0].expected, "a year");
    sim_experiment_close(&e);
    test_ok(open_text("base: {preset: wide, model: {depth: 2}}\n", WIDE, NULL, NULL));
    ck_assert_int_eq(e.runs[0].config.model.embed_dim, 48);
    ck_assert_int_eq(e.runs[0].config.model.depth, 2);
    ck_assert_ptr_null(e.runs[0].study); /* it asks nothing */
    sim_experiment_close(&e);
    test_fails(open_text(SCALED, WIDE, "mini", NULL), "there is no scale mini; there are: small, paper");
    test_fails(open_text("base: {}\n", NULL, "mini", NULL), "has no scales");
}
END_TEST

START_TEST(presets_lie_beside_the_file_or_a_folder_up)
{
    char folder[800], path[900];
    const char *above = file_of("{}\n", WIDE), *file = path;
    snprintf(folder, sizeof folder, "%.*s/tables", (int)(strrchr(above, '/') - above), above);
    snprintf(path, sizeof path, "%s/below.yaml", folder);
    test_ok(sim_make_folder(folder));
    test_ok(sim_file_write(path, "base: {preset: wide}\n", 21));
    test_ok(sim_experiment_open(&e, &file, 1, NULL, NULL, 0));
    ck_assert_int_eq(e.runs[0].config.model.embed_dim, 48);
    sim_experiment_close(&e);
}
END_TEST

START_TEST(a_mistake_in_a_preset_names_its_file)
{
    test_fails(open_text(SCALED, "model: {dept: 2}\n", NULL, NULL), "presets/wide.yaml:1:9");
    test_fails(open_text(SCALED, "preset: wide\n", NULL, NULL), "presets/wide.yaml:1:1");
    test_fails(open_text(SCALED, "seed: 3\n", NULL, NULL), "without a seed");
    test_fails(open_text(SCALED, "- a\n", NULL, NULL), "map of configuration keys");
    test_fails(open_text(SCALED, "model: {num_heads: 7}\n", NULL, NULL), "presets/wide.yaml:1:20: run a");
    test_fails(open_text(SCALED, NULL, NULL, NULL), "trial.yaml:5:19: preset wide");
}
END_TEST

/* ------------------------------------------------------------------ grids */

START_TEST(a_grid_is_every_combination)
{
    static const char *const names[] = {"plain", "momentum-0_loss-dense", "momentum-0_loss-global",
                                        "momentum-0.99_loss-dense", "momentum-0.99_loss-global"};
    test_ok(open_text("seeds: [4, 5]\nruns: {plain: {}}\naxes:\n  siameseim.momentum: [0, 0.99]\n"
                      "  siameseim.loss: [dense, global]\n",
                      NULL, NULL, NULL));
    ck_assert_int_eq(e.count, 10);
    for (int i = 0; i < 10; i++) {
        const struct sim_run *run = &e.runs[i];
        ck_assert_str_eq(run->name, names[i / 2]);
        ck_assert_int_eq(run->config.seed, 4 + i % 2);
        const json_t *axes = json_object_get(run->study, "axes");
        ck_assert_uint_eq(json_object_size(axes), i < 2 ? 0 : 2); /* named runs stand beside the grid */
        if (i < 2) continue;
        ck_assert_double_eq(run->config.pretrain.siameseim.momentum, i < 6 ? 0 : 0.99);
        ck_assert_int_eq(run->config.pretrain.siameseim.loss, i / 2 % 2 ? SIM_LOSS_DENSE : SIM_LOSS_GLOBAL);
        ck_assert_double_eq(json_number_value(json_object_get(axes, "siameseim.momentum")), i < 6 ? 0 : 0.99);
        ck_assert_str_eq(json_string_value(json_object_get(axes, "siameseim.loss")),
                         i / 2 % 2 ? "dense" : "global");
    }
    sim_experiment_close(&e);
}
END_TEST

/* `plain` is the point 0.9, which is not made again under a name of its own; it can still be meant by its
 * value. */
START_TEST(a_named_run_stands_for_its_point)
{
    static const char *const names[] = {"plain", "other", "momentum-0.99"};
    test_ok(open_text("seeds: [4, 5]\nbase: {siameseim: {momentum: 0.9}}\n"
                      "runs: {plain: {}, other: {model: {depth: 2}}}\n"
                      "axes: {siameseim.momentum: [0.9, 0.99]}\nclaims:\n"
                      "  - {id: c, text: t, score: knn, higher: {siameseim.momentum: 0.9}, lower: other}\n",
                      NULL, NULL, NULL));
    ck_assert_int_eq(e.count, 6);
    for (int i = 0; i < 6; i++) {
        const json_t *axes = json_object_get(e.runs[i].study, "axes");
        ck_assert_str_eq(e.runs[i].name, names[i / 2]);
        ck_assert_int_eq(e.runs[i].config.seed, 4 + i % 2);
        ck_assert_uint_eq(json_object_size(axes), i / 2 == 1 ? 0 : 1);
        if (i / 2 != 1)
            ck_assert_double_eq(json_number_value(json_object_get(axes, "siameseim.momentum")),
                                i < 2 ? 0.9 : 0.99);
    }
    sim_experiment_close(&e);
    test_ok(open_text("runs: {plain: {}}\naxes: {siameseim.momentum: [0.5, 0.995]}\n", NULL, NULL, NULL));
    ck_assert_int_eq(e.count, 2); /* where the file asks nothing, too */
    ck_assert_uint_eq(json_object_size(json_object_get(e.runs[0].study, "axes")), 1);
    sim_experiment_close(&e);
}
END_TEST

START_TEST(several_grids_over_the_same_axes)
{
    test_ok(open_text("axes:\n  - {model.depth: [1, 2], siameseim.online_ln: [false, true]}\n"
                      "  - {siameseim.online_ln: [true], model.depth: [5]}\n",
                      NULL, NULL, NULL));
    ck_assert_int_eq(e.count, 5);
    ck_assert_str_eq(e.runs[4].name, "online_ln-true_depth-5");
    ck_assert(json_is_true(json_object_get(json_object_get(e.runs[4].study, "axes"), "siameseim.online_ln")));
    sim_experiment_close(&e);
}
END_TEST

/* ------------------------------------------------------------------ claims and the study */

#define AXES                                                                                                 \
    "axes: {siameseim.momentum: [0, 0.99], siameseim.loss: [dense, global]}\nruns: {plain: {}, other: {}}\n"

START_TEST(the_study_of_a_record)
{
    char *text, hash[17];
    test_ok(
        open_text("name: x\nabout: a line\nquestion: Is it so?\npaper: 'a: paper'\n" AXES "claims:\n"
                  "  - {id: c1, text: It is., score: knn untrained, higher: plain, lower: [other, "
                  "momentum-0_loss-dense], why: reasons}\n"
                  "  - {id: c2, text: And so., score: logistic, higher: {siameseim.momentum: 0.990}, lower: "
                  "{siameseim.momentum: 0, siameseim.loss: global}}\n",
                  NULL, NULL, NULL));
    for (int turn = 0; turn < 2; turn++) { /* as read, and as read back from what was written out */
        const struct sim_run *run = &e.runs[turn ? 0 : e.count - 1];
        const json_t *study = run->study, *claims = json_object_get(study, "claims"),
                     *c = json_array_get(claims, 1);
        ck_assert_str_eq(run->name, "momentum-0.99_loss-global");
        ck_assert_str_eq(run->about, "a line");
        ck_assert_str_eq(json_string_value(json_object_get(study, "question")), "Is it so?");
        ck_assert_str_eq(json_string_value(json_object_get(study, "paper")), "a: paper");
        ck_assert_double_eq(
            json_number_value(json_object_get(json_object_get(study, "axes"), "siameseim.momentum")), 0.99);
        ck_assert_uint_eq(json_array_size(claims), 2);
        ck_assert_str_eq(json_string_value(json_object_get(c, "id")), "c2");
        ck_assert_double_eq(
            json_number_value(json_object_get(json_object_get(c, "higher"), "siameseim.momentum")), 0.99);
        ck_assert_ptr_null(json_object_get(c, "why"));
        c = json_array_get(claims, 0);
        ck_assert_str_eq(json_string_value(json_object_get(c, "score")), "knn untrained");
        ck_assert_uint_eq(json_array_size(json_object_get(c, "lower")), 2);
        ck_assert_str_eq(json_string_value(json_object_get(c, "why")), "reasons");
        if (turn) ck_assert_str_eq(run->config_hash, hash);
        memcpy(hash, run->config_hash, sizeof hash);
        test_ok(sim_run_write_yaml(run, turn, &text));
        sim_experiment_close(&e);
        test_ok(open_text(text, NULL, NULL, NULL));
        ck_assert_int_eq(e.count, 1);
        free(text);
    }
    sim_experiment_close(&e);
}
END_TEST

START_TEST(a_run_written_out_keeps_its_scale)
{
    char *text;
    test_ok(open_text("scales: {mini: {}, paper: {model: {depth: 2}}}\n", NULL, "paper", NULL));
    test_ok(sim_run_write_yaml(&e.runs[0], 0, &text));
    sim_experiment_close(&e);
    test_ok(open_text(text, NULL, "paper", NULL));
    ck_assert_str_eq(json_string_value(json_object_get(e.runs[0].study, "scale")), "paper");
    sim_experiment_close(&e);
    test_fails(open_text(text, NULL, "mini", NULL), "has no scales");
    free(text);
}
END_TEST

/* ------------------------------------------------------------------ mistakes */

#define CLAIM(inside) AXES "claims:\n  - {" inside "}\n"
#define WHOLE(score, higher, lower)                                                                          \
    CLAIM("id: a, text: t, score: " score ", higher: " higher ", lower: " lower)

static const struct mistake {
    const char *text, *where, *word;
} mistakes[] = {
    /* axes */
    {"axes:\n  siameseim.momentun: [0]\n", "trial.yaml:2:3", "siameseim.momentum"}, /* unknown: nearest */
    {"axes: {model: [1]}\n", "trial.yaml:1:8", "model"},
    {"axes: {seed: [1]}\n", "trial.yaml:1:8", "seeds"},
    {"axes: {model.depth: [1, 0]}\n", "trial.yaml:1:25", "out of bounds"},
    {"axes: {model.depth: [1, deep]}\n", "trial.yaml:1:25", "whole number"},
    {"axes: {siameseim.loss: [dense, sparse]}\n", "trial.yaml:1:32", "dense, global"},
    {"axes: {model.depth: [1, [2]]}\n", "trial.yaml:1:25", "one value"},
    {"axes: {siameseim.momentum: [0.9, 0.90]}\n", "trial.yaml:1:34", "twice"},
    {"axes: {model.num_heads: [3, 5]}\n", "trial.yaml:1:29", "do not divide"}, /* what no run accepts */
    {"base: {mask: {count: 64}}\naxes: {model.depth: [1]}\n", "trial.yaml:1:22", "run depth-1"},
    {"axes: {model.depth: []}\n", "trial.yaml:1:21", "grid is empty"},
    {"axes: {model.depth: 3}\n", "trial.yaml:1:21", "list"},
    {"axes: {}\n", "trial.yaml:1:7", "not empty"},
    {"axes: []\n", "trial.yaml:1:7", "empty"},
    {"axes: [3]\n", "trial.yaml:1:8", "map"},
    {"axes:\n  - {model.depth: [1]}\n  - {model.mlp_ratio: [2]}\n", "trial.yaml:3:6", "first grid"},
    {"axes:\n  - {model.depth: [1], model.mlp_ratio: [2]}\n  - {model.depth: [2]}\n", "trial.yaml:3:5",
     "lacks"},
    {"axes:\n  - {model.depth: [1, 2]}\n  - {model.depth: [2]}\n", "trial.yaml:3:20", "share the folder"},
    {"axes: {data.workers: [1, 2]}\n", "trial.yaml:1:26", "run workers-1 once more"}, /* changes no result */
    {"axes: {data.val: [a/b]}\n", "trial.yaml:1:19", "named below `runs`"},
    {"runs:\n  depth-2: {}\naxes: {model.depth: [1, 2]}\n", "trial.yaml:3:25", "share the folder depth-2"},
    {"axes: {train.epochs: [1, 2], model.depth: [1, 2], train.batch_size: [1, 2], eval.knn_k: [1, 2], "
     "train.lr: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], train.blr: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "
     "train.min_lr: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}\n",
     "trial.yaml:1:7", "16000 points"},
    /* scales */
    {"scales: {tiny: {}}\n", "trial.yaml:1:10", "mini, small, paper"},
    {"scales: {}\n", "trial.yaml:1:9", "map"},
    {"scales: {mini: 3}\n", "trial.yaml:1:16", "keys"},
    {"scales: {mini: {seed: 3}}\n", "trial.yaml:1:23", "seeds"},
    {"scales: {mini: {seeds: [1, 1]}}\n", "trial.yaml:1:28", "twice"},
    {"scales: {mini: {preset: ../x}}\n", "trial.yaml:1:25", "folder name"},
    {"scales: {mini: {preset: none}}\n", "trial.yaml:1:25", "presets/none.yaml"},
    {"scales: {mini: {modle: {depth: 2}}}\n", "trial.yaml:1:17", "model"},
    {"base: {expected: a day}\n", "trial.yaml:1:8", "expected"},
    {"question: [a]\n", "trial.yaml:1:11", "text"},
    /* claims */
    {"claims: 3\n", "trial.yaml:1:9", "list"},
    {"claims: [a]\n", "trial.yaml:1:10", "id, text, score"},
    {CLAIM("id: a"), "trial.yaml:4:5", "no `text`"},
    {CLAIM("id: a, txt: b"), "trial.yaml:4:13", "text"},
    {CLAIM("id: a b, text: t"), "trial.yaml:4:", "claim"},
    {WHOLE("knn", "plain", "[]"), "trial.yaml:4:", "a list of runs"},
    {WHOLE("knm", "plain", "other"), "trial.yaml:4:29", "knn, logistic or robust_c"},
    {WHOLE("robustness", "plain", "other"), "trial.yaml:4:29", "robust_c"}, /* it makes several */
    {WHOLE("robust_mce", "plain", "no"), "trial.yaml:4:", "no run is called no"},
    {WHOLE("logistic_standardize", "plain", "other"), "trial.yaml:4:29", "score"},
    {WHOLE("knn trained", "plain", "other"), "trial.yaml:4:29", "untrained"},
    {WHOLE("knn", "plane", "other"), "trial.yaml:4:42", "there are: plain, other, momentum-0_loss-dense"},
    {WHOLE("knn", "plain", "[other, no]"), "trial.yaml:4:64", "no run is called no"},
    {WHOLE("knn", "plain", "{siameseim.momentum: 0.5}"), "trial.yaml:4:56", "no run of the grids"},
    {WHOLE("knn", "plain", "{siameseim.momentum: 2}"), "trial.yaml:4:77", "out of bounds"},
    {WHOLE("knn", "plain", "{siameseim.momentun: 0}"), "trial.yaml:4:77", "nearest"},
    {WHOLE("knn", "plain", "{model.depth: 4}"), "trial.yaml:4:57", "no axis"},
    {WHOLE("knn", "plain", "{seed: 4}"), "trial.yaml:4:57", "no axis"},
    {AXES "claims:\n  - {id: a, text: t, score: knn, higher: plain, lower: other}\n"
          "  - {id: a, text: t, score: knn, higher: other, lower: plain}\n",
     "trial.yaml:5:10", "another claim"},
    {"study: 3\n", "trial.yaml:1:8", "map"},
    {"study: {axes: {model.dept: 3}}\n", "trial.yaml:1:28", "model.depth"},
};

START_TEST(a_mistake_says_where_and_what)
{
    const struct mistake *m = &mistakes[_i];
    ck_assert_msg(open_text(m->text, NULL, NULL, NULL) != SIM_OK, "accepted: %s", m->text);
    ck_assert_msg(strstr(sim_error_text(), m->where) && strstr(sim_error_text(), m->word),
                  "for\n%ssays \"%s\", without \"%s\" or \"%s\"", m->text, sim_error_text(), m->where,
                  m->word);
    ck_assert_ptr_null(e.runs);
}
END_TEST

START_TEST(an_axis_is_not_set_from_outside)
{
    test_fails(open_text("axes: {model.depth: [1, 2]}\n", NULL, NULL, "model.depth=3"), "trial.yaml:1:8");
    test_ok(open_text("axes: {model.depth: [1, 2]}\n", NULL, NULL, "model.mlp_ratio=3"));
    sim_experiment_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("experiment study");
    TCase *right = tcase_create("right"), *wrong = tcase_create("wrong");
    tcase_add_test(right, presets_then_base_then_scale_then_run);
    tcase_add_test(right, presets_lie_beside_the_file_or_a_folder_up);
    tcase_add_test(right, a_grid_is_every_combination);
    tcase_add_test(right, a_named_run_stands_for_its_point);
    tcase_add_test(right, several_grids_over_the_same_axes);
    tcase_add_test(right, the_study_of_a_record);
    tcase_add_test(right, a_run_written_out_keeps_its_scale);
    tcase_add_test(wrong, a_mistake_in_a_preset_names_its_file);
    tcase_add_loop_test(wrong, a_mistake_says_where_and_what, 0, (int)(sizeof mistakes / sizeof *mistakes));
    tcase_add_test(wrong, an_axis_is_not_set_from_outside);
    suite_add_tcase(suite, right);
    suite_add_tcase(suite, wrong);
    return test_run(suite);
}
