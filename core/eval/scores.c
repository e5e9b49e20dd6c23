/* The scores together, and what they share. */
#include "scores.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "labeller.h"
#include "protocol.h"
#include "robustness.h"
#include "split.h"

static sim_status check_split(const struct sim_features *f, const char *score, const char *split)
{
    if (f->count < 1 || f->dim < 1 || f->classes < 1)
        return sim_fail(
            SIM_EINVAL,
            "%s: the %s set has %lld rows of %d features in %d classes; at least one of each is needed",
            score, split, (long long)f->count, f->dim, f->classes);
    for (int64_t i = 0; i < f->count; i++)
        if (f->label[i] < 0 || f->label[i] >= f->classes)
            return sim_fail(SIM_EINVAL, "%s: %s row %lld has label %d; classes are 0 to %d", score, split,
                            (long long)i, (int)f->label[i], f->classes - 1);
    for (int64_t k = 0; k < f->count * f->dim; k++)
        if (!isfinite(f->x[k]))
            return sim_fail(
                SIM_ENONFINITE,
                "%s: feature %lld of %s row %lld is not a finite number: the encoder has diverged", score,
                (long long)(k % f->dim), split, (long long)(k / f->dim));
    return SIM_OK;
}

sim_status sim_features_check(const struct sim_features *train, const struct sim_features *val,
                              const char *score)
{
    SIM_TRY(check_split(train, score, "train"));
    SIM_TRY(check_split(val, score, "val"));
    if (train->dim != val->dim)
        return sim_fail(SIM_EINVAL, "%s: train rows have %d features, val rows %d", score, train->dim,
                        val->dim);
    if (train->classes != val->classes)
        return sim_fail(SIM_EINVAL, "%s: the train set has %d classes, the val set %d", score, train->classes,
                        val->classes);
    return SIM_OK;
}

void sim_score_fill(struct sim_score *out, const char *name, int64_t right, int64_t train_images,
                    int64_t val_images)
{
    double p = (double)right / (double)val_images;
    *out = (struct sim_score){.value = p,
                              .standard_error = sqrt(p * (1 - p) / (double)val_images),
                              .train_images = train_images,
                              .val_images = val_images};
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->metric, sizeof out->metric, "top1");
}

int64_t sim_score_count_right(const int32_t *said, const int32_t *label, int64_t n)
{
    int64_t right = 0;
    for (int64_t i = 0; i < n; i++) right += said[i] == label[i];
    return right;
}

sim_status sim_score_go_on(const volatile sig_atomic_t *stop)
{
    return stop && *stop ? sim_fail(SIM_EINTERRUPT, "stopped while scoring") : SIM_OK;
}

/* ------------------------------------------------------------------ one encoder */

struct scoring {
    const struct sim_score_job *job;
    struct sim_split split;
    char split_json[256];
    struct sim_features train, val; /* mean patch tokens of centre crops */
    struct sim_logreg logistic;     /* the heads, where they are to answer once more */
    struct sim_linear_head linear;
    struct sim_score *out;
    int room, count;
    int64_t train_skipped, val_skipped; /* the most that any pass met */
};

static void note_skipped(int64_t *most, int64_t skipped)
{
    if (skipped > *most) *most = skipped;
}

static sim_status choose_split(struct scoring *s)
{
    const struct sim_eval_config *c = s->job->config;
    int n;
    if (c->few_shot_list[0]) {
        SIM_TRY(sim_split_read(&s->split, s->job->train, c->few_shot_list));
        n = snprintf(s->split_json, sizeof s->split_json, "\"split\": \"list\"");
    } else {
        SIM_TRY(sim_split_draw(&s->split, s->job->train, c->few_shot_percent, c->few_shot_per_class,
                               (uint64_t)c->few_shot_seed));
        n = c->few_shot_per_class
                ? snprintf(s->split_json, sizeof s->split_json, "\"split\": \"drawn\", \"per_class\": %lld",
                           (long long)c->few_shot_per_class)
                : snprintf(s->split_json, sizeof s->split_json, "\"split\": \"drawn\", \"percent\": %.9g",
                           c->few_shot_percent);
        n += snprintf(s->split_json + n, sizeof s->split_json - (size_t)n, ", \"split_seed\": %lld",
                      (long long)c->few_shot_seed);
    }
    snprintf(s->split_json + n, sizeof s->split_json - (size_t)n, ", \"split_hash\": \"%s\"", s->split.hash);
    return SIM_OK;
}

static int answers(const struct scoring *s, enum sim_robustness_head head)
{
    return s->job->config->robustness && s->job->config->robustness_head == (int)head;
}

/* What can be said before any image is read. */
static sim_status prepare(struct scoring *s)
{
    const struct sim_eval_config *c = s->job->config;
    SIM_TRY(sim_eval_config_check(c));
    const int robust =
        answers(s, SIM_HEAD_LOGISTIC) || answers(s, SIM_HEAD_LINEAR) ? SIM_ROBUSTNESS_SCORES : 0;
    if (c->knn + c->logistic + c->linear + c->few_shot + robust > s->room)
        return sim_fail(SIM_EINVAL, "scores: room for only %d", s->room);
    if (robust && !s->job->shifted)
        return sim_fail(SIM_EINVAL, "scores: eval.robustness without images for it");
    if (c->linear && c->linear_batch_size > s->job->train->images)
        return sim_fail(
            SIM_EINVAL,
            "eval.linear_batch_size is %lld and the training set has %lld images: the batch cannot be "
            "larger",
            (long long)c->linear_batch_size, (long long)s->job->train->images);
    return c->few_shot ? choose_split(s) : SIM_OK;
}

static struct sim_features_job pass_over(const struct scoring *s, const struct sim_labelled *source,
                                         const char *label)
{
    return (struct sim_features_job){.encoder = s->job->encoder,
                                     .source = source,
                                     .look = {.filter = SIM_RESAMPLE_BICUBIC},
                                     .feature = SIM_FEATURE_MEAN_PATCH,
                                     .batch_size = s->job->config->batch_size,
                                     .label = label,
                                     .stop = s->job->stop};
}

static sim_status take_centre_crops(struct scoring *s)
{
    const struct sim_eval_config *c = s->job->config;
    if (c->knn || c->logistic || (c->linear && !c->linear_augment)) {
        struct sim_features_job train = pass_over(s, s->job->train, "features of the training images");
        SIM_TRY(sim_features_take(&s->train, &train));
        note_skipped(&s->train_skipped, s->train.skipped);
    }
    if (c->knn || c->logistic || c->linear) {
        struct sim_features_job val = pass_over(s, s->job->val, "features of the validation images");
        SIM_TRY(sim_features_take(&s->val, &val));
        note_skipped(&s->val_skipped, s->val.skipped);
    }
    return SIM_OK;
}

static sim_status few_shot(struct scoring *s, struct sim_score *out)
{
    const struct sim_eval_config *c = s->job->config;
    struct sim_features_job few = pass_over(s, s->job->train, "features of the few-shot images");
    struct sim_features_job val = pass_over(s, s->job->val, "few-shot features of the validation images");
    struct sim_features train_rows, val_rows;
    few.index = s->split.index, few.count = s->split.count;
    few.look.filter = val.look.filter = SIM_RESAMPLE_BILINEAR;
    few.feature = val.feature = (enum sim_feature)c->few_shot_feature;
    SIM_TRY(sim_features_take(&train_rows, &few));
    sim_status status = sim_features_take(&val_rows, &val);
    if (status == SIM_OK) {
        note_skipped(&s->train_skipped, train_rows.skipped);
        note_skipped(&s->val_skipped, val_rows.skipped);
        status = sim_score_few_shot(&train_rows, &val_rows, c, s->split_json, s->job->stop, out);
        sim_features_close(&val_rows);
    }
    sim_features_close(&train_rows);
    return status;
}

/* What the head that was kept says of corrupted and shifted images. */
static sim_status robustness(struct scoring *s)
{
    const struct sim_score_job *job = s->job;
    struct sim_frozen_head head = {.encoder = job->encoder, .max_batch = job->config->batch_size};
    struct sim_labeller labeller;
    int made;
    int64_t skipped = 0;
    if (answers(s, SIM_HEAD_LINEAR))
        head.linear = &s->linear;
    else
        head.logistic = &s->logistic;
    SIM_TRY(sim_frozen_head_open(&head, &labeller));
    sim_status status = sim_score_robustness(&(struct sim_robustness_job){.labeller = &labeller,
                                                                          .train = job->train,
                                                                          .train_images = job->train->images,
                                                                          .shifted = job->shifted,
                                                                          .config = job->config,
                                                                          .stop = job->stop},
                                             s->out + s->count, s->room - s->count, &made, &skipped);
    s->count += made;
    note_skipped(&s->val_skipped, skipped);
    sim_frozen_head_close(&head);
    return status;
}

static sim_status score(struct scoring *s)
{
    const struct sim_eval_config *c = s->job->config;
    int64_t skipped = 0;
    SIM_TRY(prepare(s));
    SIM_TRY(take_centre_crops(s));
    if (c->knn) SIM_TRY(sim_score_knn(&s->train, &s->val, c, s->job->stop, &s->out[s->count++]));
    if (c->logistic)
        SIM_TRY(sim_score_logistic(&s->train, &s->val, c, s->job->stop,
                                   answers(s, SIM_HEAD_LOGISTIC) ? &s->logistic : NULL, &s->out[s->count++]));
    if (c->linear)
        SIM_TRY(sim_score_linear(s->job, &s->train, &s->val, answers(s, SIM_HEAD_LINEAR) ? &s->linear : NULL,
                                 &s->out[s->count++], &skipped));
    note_skipped(&s->train_skipped, skipped);
    if (c->few_shot) SIM_TRY(few_shot(s, &s->out[s->count++]));
    return answers(s, SIM_HEAD_LOGISTIC) || answers(s, SIM_HEAD_LINEAR) ? robustness(s) : SIM_OK;
}

sim_status sim_score_encoder(const struct sim_score_job *job, struct sim_score *out, int room, int *count,
                             int64_t *skipped)
{
    struct scoring s = {.job = job, .out = out, .room = room};
    sim_status status = score(&s);
    *count = status == SIM_OK ? s.count : 0;
    *skipped = s.train_skipped + s.val_skipped;
    sim_features_close(&s.train);
    sim_features_close(&s.val);
    sim_logreg_close(&s.logistic);
    sim_linear_head_close(&s.linear);
    sim_split_close(&s.split);
    return status;
}
