/* Every experiment that comes with the program: resolved at every scale, planned, and run for two steps at
 * tiny size; what its records then state is what `results` needs to judge its claims. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment.h"
#include "records.h"
#include "shipped.h"
#include "status.h"
#include "support.h"
#include "tool.h"
#include "yaml.h"

/* Two steps of two images' worth of everything, whatever the file is about.  Its runs keep what they are. */
#define TINY                                                                                                 \
    "--set seed=0 --set model.img_size=32 --set model.patch_size=8 --set model.embed_dim=16 "                \
    "--set model.depth=1 --set model.num_heads=2 --set mask.count=0 --set mask.min_block=2 "                 \
    "--set data.kind=procedural --set data.procedural_train_per_class=1 --set data.limit_train=0 "           \
    "--set data.procedural_val_per_class=1 --set data.procedural_size=32 --set data.val_resize=0 "           \
    "--set train.batch_size=10 --set train.max_steps=2 --set eval.knn_k=3 --set eval.logistic_max_iter=3 "   \
    "--set eval.linear=false --set eval.few_shot=false --set finetune.epochs=1 "                             \
    "--set finetune.warmup_epochs=0 --set finetune.batch_size=10 --set shift.corruptions=fog "               \
    "--set shift.severities=3 --set shift.limit_val=0 --set shift.procedural_per_class=1"

/* The same for the keys of each objective, which stand only where a run has it. */
static const char *const tiny_objectives[SIM_OBJECTIVES] = {
    [SIM_OBJECTIVE_SIAMESEIM] = " --set siameseim.decoder_embed_dim=16 --set siameseim.decoder_num_heads=2",
    [SIM_OBJECTIVE_MAE] =
        " --set mae.decoder_embed_dim=16 --set mae.decoder_num_heads=2 --set mae.decoder_depth=1",
    [SIM_OBJECTIVE_MOCO_V3] = " --set moco_v3.mlp_dim=16 --set moco_v3.dim=8",
};

static void tiny(char out[2000], const struct sim_experiment *e)
{
    strcpy(out, TINY);
    for (int k = 0; k < SIM_OBJECTIVES; k++) {
        int used = 0;
        for (int i = 0; i < e->count; i++) used |= e->runs[i].config.pretrain.objective == k;
        if (used && tiny_objectives[k]) strcat(out, tiny_objectives[k]);
    }
}

/* The experiments of issue and paper, each with its question, its claims and three scales. */
static const char *const studies[] = {"augmentation", "masking", "relative_position", "ema", "normalisation",
                                      "depth",        "loss",    "patch_embedding"};
#define STUDIES ((int)(sizeof studies / sizeof *studies))

START_TEST(a_study_asks_claims_and_scales)
{
    static const char *const scales[] = {"mini", "small", "paper"};
    char relative[80];
    snprintf(relative, sizeof relative, "../ablations/%s.yaml", studies[_i]);
    const char *file = test_path(relative);
    int64_t width = 0;
    for (int s = 0; s < 3; s++) {
        struct sim_experiment e;
        test_ok(sim_experiment_open(&e, &file, 1, scales[s], NULL, 0));
        const struct sim_run *run = &e.runs[0];
        const json_t *study = run->study;
        ck_assert_uint_gt(strlen(json_string_value(json_object_get(study, "question"))), 20);
        ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(study, "paper")), "2206.01204"));
        ck_assert_str_eq(json_string_value(json_object_get(study, "scale")), scales[s]);
        ck_assert_uint_gt(json_array_size(json_object_get(study, "claims")), 0);
        ck_assert_uint_gt(strlen(run->expected), 10);
        ck_assert_int_eq(run->config.data.kind == SIM_DATA_PROCEDURAL, s == 0);
        ck_assert_int_gt(run->config.model.embed_dim, width);
        width = run->config.model.embed_dim;
        /* three seeds decide; what takes a hundred hours has one */
        ck_assert_int_eq(e.runs[1].config.seed, s == 2 ? 0 : 1);
        if (s == 0) { /* the default is the smallest */
            struct sim_experiment plain;
            test_ok(sim_experiment_open(&plain, &file, 1, NULL, NULL, 0));
            ck_assert_int_eq(plain.count, e.count);
            ck_assert_str_eq(plain.runs[e.count - 1].config_hash, e.runs[e.count - 1].config_hash);
            sim_experiment_close(&plain);
        }
        sim_experiment_close(&e);
    }
}
END_TEST

START_TEST(the_paper_scale_is_the_published_recipe)
{
    const char *published = test_path("../ablations/siameseim_vit_b.yaml"),
               *file = test_path("../ablations/ema.yaml");
    struct sim_experiment a, b;
    const struct sim_run *run;
    test_ok(sim_experiment_open(&a, &published, 1, NULL, NULL, 0));
    test_ok(sim_experiment_open(&b, &file, 1, "paper", NULL, 0));
    test_ok(sim_experiment_find(&b, "momentum-0.995_momentum_schedule-cosine", &run));
    ck_assert_str_eq(run->config_hash, a.runs[0].config_hash);
    sim_experiment_close(&a);
    sim_experiment_close(&b);
}
END_TEST

/* Whether a preset has the key below its section. */
static int spells(const struct sim_yaml_file *preset, const struct sim_section *s, const struct sim_field *f)
{
    const struct sim_yaml *map = sim_yaml_root(preset);
    if (s->prefix[0]) map = sim_yaml_find(map, s->prefix);
    return map && sim_yaml_find(map, f->key);
}

/* A rival's recipe is its own from the model to the optimiser; data and scores are the paper's.  All but what
 * is the machine's, or the made-up set's, and weights and images from elsewhere. */
START_TEST(the_paper_preset_spells_out_every_key)
{
    static const char *const others[] = {"seed",
                                         "data.workers",
                                         "data.cache_mb",
                                         "finetune.save",
                                         "data.procedural_",
                                         "finetune.encoder",
                                         "train.save_every_steps",
                                         "compute.tune",
                                         "compute.cuda_graph",
                                         "shift.",
                                         "watch."};
    static const char *const shared[] = {"data", "eval", "finetune", "compute"};
    struct sim_yaml_file *paper = NULL, *own = NULL;
    struct sim_run_config c;
    char path[100];
    test_ok(sim_run_config_preset(&c, _i));
    test_ok(sim_yaml_open(&paper, test_path("../ablations/presets/paper.yaml")));
    snprintf(path, sizeof path, "../ablations/presets/%s/paper.yaml", sim_objective_kinds[_i].name);
    if (_i != SIM_OBJECTIVE_SIAMESEIM) test_ok(sim_yaml_open(&own, test_path(path)));
    const struct sim_schema *schema = sim_run_schema_of(&c);
    for (int i = 0; i < schema->count; i++) {
        const struct sim_section *s = &schema->sections[i];
        int from_paper = !own;
        for (int k = 0; k < 4; k++) from_paper |= strcmp(s->prefix, shared[k]) == 0;
        for (int f = 0; f < s->count; f++) {
            char key[128];
            int other = 0;
            snprintf(key, sizeof key, "%s%s%s", s->prefix, s->prefix[0] ? "." : "", s->fields[f].key);
            for (size_t k = 0; k < sizeof others / sizeof *others; k++)
                other |= strncmp(key, others[k], strlen(others[k])) == 0;
            if (strcmp(key, sim_objective_field.key) == 0) continue; /* whoever takes the preset says it */
            ck_assert_msg(other || spells(from_paper ? paper : own, s, &s->fields[f]), "%s is missing", key);
        }
    }
    sim_yaml_close(paper), sim_yaml_close(own);
}
END_TEST

/* Both files are in one folder of ablations/, or in ablations/ itself. */
static int together(const char *a, const char *b)
{
    const size_t folder = (size_t)(strrchr(a, '/') - a);
    return strncmp(a, b, folder + 1) == 0 && !strchr(b + folder + 1, '/');
}

START_TEST(those_of_a_folder_may_run_into_one)
{
    struct sim_experiment e;
    int count, runs = 0;
    const char *const *files = shipped_files(&count);
    ck_assert_int_ge(count, STUDIES + 4);
    for (int first = 0, next = 0; first < count; first = next) {
        while (next < count && together(files[first], files[next])) next++;
        test_ok(sim_experiment_open(&e, files + first, next - first, NULL, NULL, 0));
        runs += e.count;
        sim_experiment_close(&e);
    }
    ck_assert_int_gt(runs, 200);
}
END_TEST

/* A recorded run of this experiment on the claim's side. */
static int side_ran(const struct sim_run_records *r, const struct sim_side *side)
{
    for (int i = 0; i < r->count; i++)
        if (sim_side_has(side, r->records[i].name, &r->records[i].study)) return 1;
    return 0;
}

START_TEST(planned_and_run_for_two_steps)
{
    int count;
    const char *file = shipped_files(&count)[_i];
    struct sim_experiment e;
    struct sim_run_records r = {0};
    char out[600], path[700], small[2000];
    const char *const seed = "seed=0";
    test_ok(sim_experiment_open(&e, &file, 1, NULL, &seed, 1));
    snprintf(out, sizeof out, "%s", test_scratch());
    tiny(small, &e);
    /* Out of gnuplot's sight: drawing every run takes longer than running it.  The report is drawn below. */
    ck_assert_msg(tool_behind("env PATH=/nonexistent", "run %s --out %s --threads 1 --quiet %s", file, out,
                              small) == 1 &&
                      strstr(said, "the runs are done, but the report"),
                  "%s: %s", file, said);
    ck_assert_msg(tool("report %s --out %s", out, out) == 0, "%s: %s", file, said);
    snprintf(path, sizeof path, "%s/records.jsonl", out);
    test_ok(sim_run_records_read(&r, path));
    ck_assert_int_eq(r.count, e.count);
    ck_assert_msg(r.notes.count == 0, "%s", r.notes.count ? r.notes.notes[0].text : "");
    for (int i = 0; i < r.count; i++) {
        const struct sim_run_record *one = &r.records[i];
        ck_assert_str_eq(one->name, e.runs[i].name);
        ck_assert_str_eq(one->status, "ok");
        ck_assert_int_eq((int)json_object_size(json_object_get(e.runs[i].study, "axes")),
                         one->study.axis_count);
        for (int c = 0; c < one->study.claim_count; c++)
            ck_assert_msg(side_ran(&r, &one->study.claims[c].higher) &&
                              side_ran(&r, &one->study.claims[c].lower),
                          "claim %s speaks of runs that no record has", one->study.claims[c].id);
    }
    /* what is recorded is seen by plan, which is of the same configuration */
    ck_assert_msg(tool("plan %s --gflops 100 --out %s %s", file, out, small) == 0, "%s", said);
    snprintf(path, sizeof path, "\n%d recorded already", e.count);
    ck_assert_msg(strstr(said, path) != NULL, "\"%s\" is missing in:\n%s", path, said);
    sim_run_records_close(&r);
    sim_experiment_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ablations");
    TCase *resolved = tcase_create("resolved"), *run = tcase_create("run");
    tcase_set_timeout(run, 300);
    int count;
    shipped_files(&count);
    tcase_add_loop_test(resolved, a_study_asks_claims_and_scales, 0, STUDIES);
    tcase_add_test(resolved, the_paper_scale_is_the_published_recipe);
    tcase_add_loop_test(resolved, the_paper_preset_spells_out_every_key, 0, SIM_OBJECTIVES);
    tcase_add_test(resolved, those_of_a_folder_may_run_into_one);
    tcase_add_loop_test(run, planned_and_run_for_two_steps, 0, count);
    suite_add_tcase(suite, resolved);
    suite_add_tcase(suite, run);
    return test_run(suite);
}
