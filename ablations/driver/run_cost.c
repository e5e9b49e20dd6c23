#include "run_cost.h"

#include <math.h>
#include <string.h>

#include "classifier.h"
#include "images.h"
#include "procedural_shift.h"

enum { CLASSES_UNKNOWN = 1000 };

/* ------------------------------------------------------------------ how many images */

/* The images of one split.  Where its path leads nowhere, as many as it is limited to. */
static sim_status count_split(const struct sim_run_config *c, enum sim_split split, int64_t *count,
                              int *classes)
{
    const int64_t limit = split == SIM_TRAIN ? c->data.limit_train : c->data.limit_val;
    struct sim_images images;
    sim_status status = sim_images_open(&images, &c->data, split, (uint64_t)c->seed);
    *count = limit;
    if (status == SIM_EIO) return SIM_OK; /* not on this machine: the cost per image stands all the same */
    SIM_TRY(status);
    *count = images.count, *classes = images.classes;
    sim_images_close(&images);
    return SIM_OK;
}

/* The images of a set of another kind; 0 where there is none, or not here. */
static sim_status count_other(const struct sim_run_config *c, enum sim_shift_set set, const char *path,
                              int64_t *count)
{
    struct sim_images images;
    *count = 0;
    if (!path[0] && c->data.kind != SIM_DATA_PROCEDURAL) return SIM_OK;
    sim_status status =
        path[0] ? sim_images_open_path(&images, path, "shift")
                : sim_procedural_shift_open(&images, &c->data, set, c->shift.procedural_per_class);
    if (status == SIM_EIO) return SIM_OK;
    SIM_TRY(status);
    *count = images.count;
    sim_images_close(&images);
    return SIM_OK;
}

static sim_status count_shifted(struct sim_run_sets *out, const struct sim_run_config *c)
{
    const struct sim_shift_config *s = &c->shift;
    int corruptions[SIM_CORRUPTIONS], severities[SIM_SEVERITIES];
    int64_t kinds = 0, levels = 0, a, r, sketch;
    SIM_TRY(sim_shift_lists(s, corruptions, severities));
    for (int i = 0; i < SIM_CORRUPTIONS; i++) kinds += corruptions[i];
    for (int i = 0; i < SIM_SEVERITIES; i++) levels += severities[i];
    SIM_TRY(count_other(c, SIM_SHIFT_A, s->a, &a));
    SIM_TRY(count_other(c, SIM_SHIFT_R, s->r, &r));
    SIM_TRY(count_other(c, SIM_SHIFT_SKETCH, s->sketch, &sketch));
    const int64_t each = s->limit_val && s->limit_val < out->val ? s->limit_val : out->val;
    out->shifted = kinds * levels * each + a + r + sketch;
    return SIM_OK;
}

sim_status sim_run_sets_count(struct sim_run_sets *out, const struct sim_run_config *c, int64_t train)
{
    *out = (struct sim_run_sets){.train = train};
    if (!train) SIM_TRY(count_split(c, SIM_TRAIN, &out->train, &out->classes));
    if (sim_eval_any(&c->eval)) SIM_TRY(count_split(c, SIM_VAL, &out->val, &out->classes));
    return c->eval.robustness ? count_shifted(out, c) : SIM_OK;
}

/* ------------------------------------------------------------------ what they cost */

static size_t act_bytes(const struct sim_run_config *c)
{
    return c->compute.precision == SIM_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
}

sim_status sim_run_cost_finetune(struct sim_cost *out, const struct sim_run_config *c, int64_t images,
                                 int classes)
{
    struct sim_classifier_shape shape = {.vit = c->model,
                                         .classes = classes > 1 ? classes : CLASSES_UNKNOWN,
                                         .batch = images,
                                         .layer_decay = c->finetune.layer_decay,
                                         .training = c->finetune.epochs > 0};
    *out = (struct sim_cost){0};
    if (!sim_run_finetunes(c, 0) && !sim_run_finetunes(c, 1)) return SIM_OK;
    shape.vit.drop_path_rate = c->finetune.drop_path_rate;
    return sim_classifier_cost(out, &shape, act_bytes(c));
}

/* Images shown for the scores of one frozen encoder. */
static double frozen_images(const struct sim_run_config *c, const struct sim_run_sets *sets)
{
    const struct sim_eval_config *e = &c->eval;
    const double train = (double)sets->train, val = (double)sets->val;
    double images = 0;
    if (e->knn || e->logistic || (e->linear && !e->linear_augment)) images += train;
    if (e->knn || e->logistic || e->linear) images += val;
    if (e->linear && e->linear_augment) images += (double)e->linear_epochs * train;
    if (e->few_shot)
        images += val + (e->few_shot_per_class ? (double)e->few_shot_per_class * sets->classes
                                               : rint(e->few_shot_percent / 100 * train));
    if (e->robustness && e->robustness_head != SIM_HEAD_FINETUNE) images += (double)sets->shifted;
    return images;
}

/* Images shown to a classifier that is fine-tuned, beside those it learns from. */
static double finetuned_images(const struct sim_run_config *c, const struct sim_run_sets *sets)
{
    const int64_t epochs = c->finetune.epochs, every = c->finetune.score_every_epochs;
    const int64_t scored = every && epochs ? (epochs + every - 1) / every : 1;
    const int tested = c->eval.robustness && c->eval.robustness_head == SIM_HEAD_FINETUNE;
    return (double)scored * (double)sets->val + (tested ? (double)sets->shifted : 0);
}

/* Rows of features that lie in memory together. */
static double feature_bytes(const struct sim_run_config *c, const struct sim_run_sets *sets)
{
    const struct sim_eval_config *e = &c->eval;
    const int64_t rows = e->knn || e->logistic || e->linear ? sets->train + sets->val : 0;
    return (double)sizeof(float) * (double)rows * (double)c->model.embed_dim;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

sim_status sim_run_cost(struct sim_run_cost *out, const struct sim_run_config *c,
                        const struct sim_run_sets *sets)
{
    const struct sim_classifier_shape shown = {.vit = c->model,
                                               .classes = sets->classes > 1 ? sets->classes : CLASSES_UNKNOWN,
                                               .batch = c->eval.batch_size};
    const struct sim_finetune_config *f = &c->finetune;
    const int encoders = 1 + (c->train.epochs > 0),
              finetunings = sim_run_finetunes(c, 0) + sim_run_finetunes(c, 1);
    struct sim_cost forward;
    *out = (struct sim_run_cost){0};
    SIM_TRY(sim_run_config_cost(c, c->train.batch_size, &out->pretrain));
    SIM_TRY(sim_run_cost_finetune(&out->finetune, c, f->batch_size, sets->classes));
    SIM_TRY(sim_classifier_cost(&forward, &shown, act_bytes(c)));

    out->steps = c->train.epochs * (sets->train / c->train.batch_size);
    if (c->train.max_steps && c->train.max_steps < out->steps) out->steps = c->train.max_steps;
    out->pretrain_gflop =
        1e-9 * out->pretrain.flop_per_image * (double)c->train.batch_size * (double)out->steps;
    const double learnt = (double)f->epochs * (double)(sets->train / f->batch_size * f->batch_size);
    out->scoring_gflop = 1e-9 * (encoders * frozen_images(c, sets) * forward.flop_per_image +
                                 finetunings * (learnt * out->finetune.flop_per_image +
                                                finetuned_images(c, sets) * forward.flop_per_image));

    /* While an encoder is scored the objective lies beside it; while one is fine-tuned, its weights alone. */
    const int64_t scoring = sim_eval_frozen(&c->eval) ? forward.activation_bytes : 0;
    const int64_t frozen = out->pretrain.activation_bytes + out->pretrain.state_bytes + scoring +
                           (int64_t)feature_bytes(c, sets);
    const int64_t tuned = finetunings ? out->finetune.activation_bytes + out->finetune.state_bytes +
                                            (int64_t)sizeof(float) * out->finetune.parameters
                                      : 0;
    out->memory_bytes = larger(frozen, tuned);
    return SIM_OK;
}
