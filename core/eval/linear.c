/* The linear score: the paper's probe over the features of frozen images, epoch by epoch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "linear_head.h"
#include "loop.h"
#include "progress.h"
#include "protocol.h"
#include "rng.h"

struct probe {
    const struct sim_score_job *job;
    const struct sim_features *val;
    struct sim_linear_head head;
    struct sim_train_config schedule;
    struct sim_progress progress;
    uint32_t *order; /* (room) of rows in an epoch */
    int64_t room;
    int64_t rows, steps;      /* training rows; steps in all */
    double loss;              /* mean over the last epoch */
    int64_t right;            /* of the val rows after the last epoch */
    int64_t best, best_epoch; /* epochs from 1, the first among equals */
};

/* The schedule is pre-training's: the same formula with the probe's numbers. */
static struct sim_train_config schedule_of(const struct sim_eval_config *c)
{
    return (struct sim_train_config){.epochs = c->linear_epochs,
                                     .batch_size = c->linear_batch_size,
                                     .blr = c->linear_blr,
                                     .lr = c->linear_lr,
                                     .min_lr = c->linear_min_lr,
                                     .warmup_epochs = c->linear_warmup_epochs};
}

/* The steps of one epoch over these rows, the last short batch dropped. */
static sim_status train_epoch(struct probe *p, const struct sim_features *train, int64_t epoch)
{
    const int64_t batch = p->head.shape.batch, steps = train->count / batch;
    struct sim_rng r = sim_rng_make(p->job->seed, SIM_PURPOSE_PROBE, (uint32_t)epoch, 0, 1);
    double loss;
    if (steps < 1)
        return sim_fail(
            SIM_EINVAL,
            "eval.linear_batch_size is %lld and %lld training images can be read: the batch cannot "
            "be larger",
            (long long)batch, (long long)train->count);
    sim_rng_permutation(&r, (uint32_t)train->count, p->order);
    p->loss = 0, p->rows = train->count;
    for (int64_t s = 0; s < steps; s++) {
        SIM_TRY(sim_score_go_on(p->job->stop));
        double lr = sim_lr_at(&p->schedule, (double)epoch + (double)s / (double)steps);
        SIM_TRY(sim_linear_head_step(&p->head, train->x, train->label, p->order + s * batch, lr, &loss));
        if (!isfinite(loss))
            return sim_fail(SIM_ENONFINITE,
                            "linear: the loss of step %lld of epoch %lld is not a finite number; a smaller "
                            "eval.linear_blr or eval.linear_lr may help",
                            (long long)s + 1, (long long)epoch + 1);
        p->loss += loss / (double)steps;
        p->steps++;
    }
    return SIM_OK;
}

static sim_status score_epoch(struct probe *p, int64_t epoch)
{
    SIM_TRY(sim_linear_head_count_right(&p->head, p->val->x, p->val->label, p->val->count, &p->right));
    if (p->best_epoch == 0 || p->right > p->best) p->best = p->right, p->best_epoch = epoch + 1;
    return SIM_OK;
}

/* What progress says beside images or epochs: "epoch 3 of 90, 45.1 % so far". */
static void write_note(const struct probe *p, int64_t epoch, char out[64])
{
    int n = snprintf(out, 64, "epoch %lld of %lld", (long long)epoch + 1,
                     (long long)p->job->config->linear_epochs);
    if (p->best_epoch)
        snprintf(out + n, 64 - (size_t)n, ", %.1f %% so far",
                 100.0 * (double)p->right / (double)p->val->count);
}

/* Every epoch on crops of its own. */
static sim_status run_augmented(struct probe *p, int64_t *skipped)
{
    const struct sim_eval_config *c = p->job->config;
    char note[64];
    for (int64_t e = 0; e < c->linear_epochs; e++) {
        struct sim_features train;
        write_note(p, e, note);
        SIM_TRY(sim_features_take(&train, &(struct sim_features_job){.encoder = p->job->encoder,
                                                                     .source = p->job->train,
                                                                     .look = {.filter = SIM_RESAMPLE_BICUBIC,
                                                                              .augment = 1,
                                                                              .crop_min = c->linear_crop_min,
                                                                              .flip = c->linear_flip,
                                                                              .seed = p->job->seed,
                                                                              .epoch = e},
                                                                     .feature = SIM_FEATURE_MEAN_PATCH,
                                                                     .batch_size = c->batch_size,
                                                                     .label = "linear probe",
                                                                     .progress = &p->progress,
                                                                     .note = note,
                                                                     .stop = p->job->stop}));
        sim_status status = sim_features_check(&train, p->val, "linear");
        if (status == SIM_OK) status = train_epoch(p, &train, e);
        if (status == SIM_OK) status = score_epoch(p, e);
        *skipped = train.skipped;
        sim_features_close(&train);
        if (status != SIM_OK) return status;
    }
    return SIM_OK;
}

/* Every epoch on the same rows. */
static sim_status run_on_rows(struct probe *p, const struct sim_features *train)
{
    char note[64];
    for (int64_t e = 0; e < p->job->config->linear_epochs; e++) {
        SIM_TRY(train_epoch(p, train, e));
        SIM_TRY(score_epoch(p, e));
        write_note(p, e, note);
        sim_progress_update(&p->progress, e + 1, note);
    }
    return SIM_OK;
}

static void write_score(const struct probe *p, struct sim_score *out)
{
    const struct sim_eval_config *c = p->job->config;
    char shown[128] = "\"augment\": false";
    sim_score_fill(out, "linear", p->right, p->rows, p->val->count);
    if (c->linear_augment)
        snprintf(shown, sizeof shown, "\"augment\": true, \"crop_min\": %.9g, \"flip\": %.9g",
                 c->linear_crop_min, c->linear_flip);
    snprintf(
        out->protocol, sizeof out->protocol,
        "{\"features\": \"mean_patch\", \"norms\": \"layernorm, batchnorm\", \"resample\": \"bicubic\", %s, "
        "\"optimizer\": \"lars\", \"epochs\": %lld, \"batch_size\": %lld, \"lr\": %.9g, \"min_lr\": %.9g, "
        "\"warmup_epochs\": %.9g, \"momentum\": %.9g, \"trust\": %.9g, \"weight_decay\": %.9g, "
        "\"steps\": %lld, \"train_loss\": %.9g, \"reported\": \"last epoch\", \"best_epoch\": %lld, "
        "\"best_top1\": %.9g}",
        shown, (long long)c->linear_epochs, (long long)c->linear_batch_size,
        sim_lr_at(&p->schedule, c->linear_warmup_epochs), c->linear_min_lr, c->linear_warmup_epochs,
        c->linear_momentum, c->linear_trust, c->linear_weight_decay, (long long)p->steps, p->loss,
        (long long)p->best_epoch, (double)p->best / (double)p->val->count);
}

static sim_status run(struct probe *p, const struct sim_features *train, int64_t *skipped)
{
    const struct sim_eval_config *c = p->job->config;
    const int64_t epochs = c->linear_epochs;
    if (c->linear_augment)
        sim_progress_start(&p->progress, "linear probe", "images", epochs * p->job->train->images);
    else
        sim_progress_start(&p->progress, "linear probe", "epochs", epochs);
    sim_status status = c->linear_augment ? run_augmented(p, skipped) : run_on_rows(p, train);
    sim_progress_finish(&p->progress);
    return status;
}

sim_status sim_score_linear(const struct sim_score_job *job, const struct sim_features *train,
                            const struct sim_features *val, struct sim_score *out, int64_t *skipped)
{
    const struct sim_eval_config *c = job->config;
    const struct sim_linear_head_shape shape = {.dim = val->dim,
                                                .classes = val->classes,
                                                .batch = c->linear_batch_size,
                                                .momentum = c->linear_momentum,
                                                .trust = c->linear_trust,
                                                .weight_decay = c->linear_weight_decay};
    struct probe p = {.job = job, .val = val, .schedule = schedule_of(c)};
    if (!c->linear_augment) SIM_TRY(sim_features_check(train, val, "linear"));
    p.room = c->linear_augment ? job->train->images : train->count;
    SIM_TRY(sim_linear_head_open(&p.head, &shape, job->seed));
    p.order = malloc((size_t)p.room * sizeof *p.order);
    sim_status status =
        p.order ? run(&p, train, skipped)
                : sim_fail(SIM_ENOMEM, "linear: no memory for the order of %lld rows", (long long)p.room);
    if (status == SIM_OK) write_score(&p, out);
    free(p.order);
    sim_linear_head_close(&p.head);
    return status;
}
