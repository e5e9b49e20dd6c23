/* A program that is broken is told from one that is only seeded otherwise: `siameseim check` against
 * reference records of a tiny experiment.
 *
 * The faults are here, and nowhere in the program.  sim_run_one makes a run with the operations of its
 * session, and keeps a device that is open already: so a session is opened, one operation of its table is
 * replaced by a wrong one, and everything else is the program's own, from images to record. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "progress.h"
#include "run_one.h"
#include "status.h"
#include "support.h"
#include "tool.h"

/* Every part that is broken below must matter within 180 steps.  Views that are only shifted, and wholly
 * seen, can be predicted as far as their places are known; a target that stays near its random start varies
 * little between seeds. */
#define EXPERIMENT                                                                                           \
    "name: regression\n"                                                                                     \
    "seeds: %s\n"                                                                                            \
    "base:\n"                                                                                                \
    "  model: {img_size: 32, patch_size: 8, embed_dim: 32, depth: 1, num_heads: 2}\n"                        \
    "  siameseim: {decoder_embed_dim: 32, decoder_num_heads: 2, projector_depth: 0, predictor_depth: 1,\n"   \
    "              momentum: 0.995, momentum_schedule: const}\n"                                             \
    "  mask: {kind: none}\n"                                                                                 \
    "  augment: {crop_min: 0.25, crop_max: 0.5, same_size: true, flip: 0, jitter: 0, grayscale: 0,\n"        \
    "            blur1: 0, blur2: 0, solarize2: 0}\n"                                                        \
    "  data: {procedural_train_per_class: 48, procedural_val_per_class: 10, procedural_size: 48}\n"          \
    "  train: {epochs: 6, batch_size: 32, lr: 6.0e-3, warmup_epochs: 1, save_every_epochs: 0}\n"             \
    "  eval: {knn_k: 5, logistic_max_iter: 20, batch_size: 64}\n"

/* ------------------------------------------------------------------ faults */

static struct sim_ops sound; /* the table as it was opened */

/* target - (1 - m) (online - target), which is (2 - m) target + (1 - (2 - m)) online */
static void ema_sign(const struct sim_ops *o, const struct sim_segment *s, int count,
                     const struct sim_scalars *scalars)
{
    struct sim_scalars other = *scalars;
    other.in.momentum = 2 - scalars->in.momentum;
    sound.ema(o, s, count, &other);
}

/* Rows for columns: the offsets, and the scales. */
static void places_transposed(const struct sim_ops *o, sim_act *features, const float *geometry,
                              int64_t batch, int64_t grid, int64_t dim, enum sim_features_mode mode)
{
    float *other = calloc((size_t)batch * 6, sizeof *other);
    ck_assert_ptr_nonnull(other);
    for (int64_t b = 0; b < batch; b++) {
        const float *g = geometry + 6 * b;
        const float swapped[6] = {g[1], g[0], g[3], g[2], g[4], g[5]};
        memcpy(other + 6 * b, swapped, sizeof swapped);
    }
    sound.relative_features(o, features, other, batch, grid, dim, mode);
    free(other);
}

enum fault { SOUND, EMA_SIGN, PLACES_TRANSPOSED };

static void break_by(enum fault fault, struct sim_ops *ops)
{
    sound = *ops;
    if (fault == EMA_SIGN) ops->ema = ema_sign;
    if (fault == PLACES_TRANSPOSED) ops->relative_features = places_transposed;
}

/* ------------------------------------------------------------------ runs and their check */

/* Records of these seeds, made with this fault; the folder that holds them. */
static const char *make_records(const char *seeds, enum fault fault)
{
    char path[800], text[2000];
    const char *out = fresh(), *file = path;
    struct sim_experiment e;
    struct sim_session s = {.out = out, .quiet = 1};
    snprintf(path, sizeof path, "%s/regression.yaml", out);
    snprintf(text, sizeof text, EXPERIMENT, seeds);
    test_ok(sim_file_write(path, text, strlen(text)));
    test_ok(sim_experiment_open(&e, &file, 1, NULL, NULL, 0));
    test_ok(sim_backend_parse("cpu", &s.backend));
    test_ok(sim_experiment_resolve(&e, s.backend.name));
    snprintf(s.records, sizeof s.records, "%s/records.jsonl", out);
    test_ok(sim_session_open_device(&s, &e.runs[0].config.compute));
    break_by(fault, &s.ops);
    for (int i = 0; i < e.count; i++) {
        enum sim_outcome outcome;
        test_ok(sim_run_one(&s, &e.runs[i], &outcome));
        ck_assert_int_eq(outcome, SIM_RUN_OK);
    }
    sim_run_images_close(&s.images);
    sim_session_close_device(&s);
    sim_experiment_close(&e);
    return out;
}

START_TEST(faults_are_told_from_seeds)
{
    static const struct {
        const char *what, *isa, *seeds;
        enum fault fault;
        int code;
        const char *says[3];
    } cases[] = {
        {"other seeds", NULL, "[5, 6, 7]", SOUND, 0, {"Nothing moved."}},
        {"other roundings", "avx2", "[0, 1, 2, 3]", SOUND, 0, {"Nothing moved."}},
        {"the moving average's sign",
         NULL,
         "[0, 1, 2]",
         EMA_SIGN,
         1,
         {"(loss, mean of the curve: moved)", "(loss, seed by seed: moved)",
          "(loss, epoch by epoch: moved)"}},
        {"places transposed", NULL, "[0, 1, 2, 3]", PLACES_TRANSPOSED, 1, {"(loss, seed by seed: moved)"}},
    };
    const char *reference = make_records("[0, 1, 2, 3, 4]", SOUND);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].isa) setenv("SIM_ISA", cases[i].isa, 1);
        const char *now = make_records(cases[i].seeds, cases[i].fault);
        unsetenv("SIM_ISA");
        /* time and memory are this machine's, which other tests may load */
        const int code = tool("check %s --against %s --all --time-band 0 --memory-band 0", now, reference);
        printf("%s:\n%s\n", cases[i].what, said);
        for (int k = 0; k < 3 && cases[i].says[k]; k++) expect(code == cases[i].code, cases[i].says[k]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("regression");
    TCase *all = tcase_create("all");
    omp_set_num_threads(1);
    sim_progress_quiet(1);
    tcase_set_timeout(all, 1800);
    tcase_add_test(all, faults_are_told_from_seeds);
    suite_add_tcase(suite, all);
    return test_run(suite);
}
