/* The linear score: the paper's probe over the features of frozen images, epoch by epoch. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "linear_state.h"
#include "loop.h"
#include "progress.h"
#include "protocol.h"
#include "rng.h"

#define SAVE_EVERY_S 30 /* an epoch takes longer where it matters: then each is saved */

struct probe {
    const struct sim_score_job *job;
    const struct sim_features *val;
    struct sim_linear_head head;
    struct sim_train_config schedule;
    struct sim_progress progress;
    uint32_t *order; /* (room) of rows in an epoch */
    int64_t room;
    struct sim_linear_state at;
    int between;    /* the head stands between two epochs: `at` tells all of it */
    double saved_s; /* when it was last saved */
    char path[PATH_MAX], identity[64];
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
    p->between = 0;
    p->at.loss = 0, p->at.rows = train->count, p->at.skipped = train->skipped;
    for (int64_t s = 0; s < steps; s++) {
        SIM_TRY(sim_score_go_on(p->job->stop));
        double lr = sim_lr_at(&p->schedule, (double)epoch + (double)s / (double)steps);
        SIM_TRY(sim_linear_head_step(&p->head, train->x, train->label, p->order + s * batch, lr, &loss));
        if (!isfinite(loss))
            return sim_fail(SIM_ENONFINITE,
                            "linear: the loss of step %lld of epoch %lld is not a finite number; a smaller "
                            "eval.linear_blr or eval.linear_lr may help",
                            (long long)s + 1, (long long)epoch + 1);
        p->at.loss += loss / (double)steps;
        p->at.steps++;
    }
    return SIM_OK;
}

static sim_status save(struct probe *p)
{
    if (!p->path[0]) return SIM_OK;
    p->saved_s = sim_now_s();
    return sim_linear_state_write(p->path, p->identity, &p->head, &p->at);
}

static sim_status finish_epoch(struct probe *p)
{
    struct sim_linear_state *at = &p->at;
    SIM_TRY(sim_linear_head_count_right(&p->head, p->val->x, p->val->label, p->val->count, &at->right));
    at->epoch++;
    if (at->best_epoch == 0 || at->right > at->best) at->best = at->right, at->best_epoch = at->epoch;
    p->between = 1;
    return at->epoch == p->schedule.epochs || sim_now_s() - p->saved_s > SAVE_EVERY_S ? save(p) : SIM_OK;
}

/* What progress says beside images or epochs: "epoch 3 of 90, 45.1 % so far". */
static void write_note(const struct probe *p, int64_t epoch, char out[64])
{
    int n = snprintf(out, 64, "epoch %lld of %lld", (long long)epoch, (long long)p->schedule.epochs);
    if (p->at.epoch)
        snprintf(out + n, 64 - (size_t)n, ", %.1f %% so far",
                 100.0 * (double)p->at.right / (double)p->val->count);
}

/* An epoch on crops of its own. */
static sim_status augmented_epoch(struct probe *p)
{
    const struct sim_eval_config *c = p->job->config;
    char note[64];
    struct sim_features train;
    write_note(p, p->at.epoch + 1, note);
    SIM_TRY(sim_features_take(&train, &(struct sim_features_job){.encoder = p->job->encoder,
                                                                 .source = p->job->train,
                                                                 .look = {.filter = SIM_RESAMPLE_BICUBIC,
                                                                          .augment = SIM_LOOK_PROBE,
                                                                          .crop_min = c->linear_crop_min,
                                                                          .flip = c->linear_flip,
                                                                          .seed = p->job->seed,
                                                                          .epoch = p->at.epoch},
                                                                 .feature = SIM_FEATURE_MEAN_PATCH,
                                                                 .batch_size = c->batch_size,
                                                                 .label = "linear probe",
                                                                 .progress = &p->progress,
                                                                 .note = note,
                                                                 .stop = p->job->stop}));
    sim_status status = sim_features_check(&train, p->val, "linear");
    if (status == SIM_OK) status = train_epoch(p, &train, p->at.epoch);
    sim_features_close(&train);
    return status == SIM_OK ? finish_epoch(p) : status;
}

/* An epoch on the same rows as the others. */
static sim_status plain_epoch(struct probe *p, const struct sim_features *train)
{
    char note[64];
    SIM_TRY(train_epoch(p, train, p->at.epoch));
    SIM_TRY(finish_epoch(p));
    write_note(p, p->at.epoch, note);
    sim_progress_update(&p->progress, p->at.epoch, note);
    return SIM_OK;
}

static void write_score(const struct probe *p, struct sim_score *out)
{
    const struct sim_eval_config *c = p->job->config;
    char shown[128] = "\"augment\": false";
    sim_score_fill(out, "linear", p->at.right, p->at.rows, p->val->count);
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
        c->linear_momentum, c->linear_trust, c->linear_weight_decay, (long long)p->at.steps, p->at.loss,
        (long long)p->at.best_epoch, (double)p->at.best / (double)p->val->count);
}

/* From where it stands to the end of the schedule.  A stop between two epochs loses nothing. */
static sim_status run(struct probe *p, const struct sim_features *train)
{
    const int64_t unit = train ? 1 : p->job->train->images;
    sim_status status = SIM_OK;
    sim_progress_start(&p->progress, "linear probe", train ? "epochs" : "images", p->schedule.epochs * unit);
    p->progress.done = p->progress.resumed = p->at.epoch * unit;
    p->saved_s = sim_now_s(), p->between = 1;
    while (status == SIM_OK && p->at.epoch < p->schedule.epochs)
        status = train ? plain_epoch(p, train) : augmented_epoch(p);
    sim_progress_finish(&p->progress);
    if (status != SIM_EINTERRUPT || !p->between) return status;
    sim_status saved = save(p);
    return saved == SIM_OK
               ? sim_fail(SIM_EINTERRUPT, "linear: stopped after epoch %lld", (long long)p->at.epoch)
               : saved;
}

/* Goes on from what an earlier process left of the same probe. */
static sim_status resume(struct probe *p)
{
    const struct sim_score_job *j = p->job;
    if (!j->folder) return SIM_OK;
    int n = snprintf(p->path, sizeof p->path, "%s/linear_%s.safetensors", j->folder, j->encoder_name);
    if (n >= (int)sizeof p->path)
        return sim_fail(SIM_EINVAL, "the path %s/linear_%s.safetensors is too long", j->folder,
                        j->encoder_name);
    snprintf(p->identity, sizeof p->identity, "%s", j->identity);
    if (!j->resume) return SIM_OK;
    sim_status status = sim_linear_state_read(p->path, p->identity, &p->head, &p->at);
    if (status == SIM_OK && p->at.epoch > p->schedule.epochs)
        status = sim_fail(SIM_EFORMAT, "%s: %lld epochs of %lld are done", p->path, (long long)p->at.epoch,
                          (long long)p->schedule.epochs);
    if (status != SIM_OK)
        return sim_context(status, "this probe cannot be continued (--fresh starts the run again)");
    if (p->at.epoch && p->at.epoch < p->schedule.epochs)
        sim_log("linear probe: goes on after epoch %lld of %lld", (long long)p->at.epoch,
                (long long)p->schedule.epochs);
    return SIM_OK;
}

sim_status sim_score_linear(const struct sim_score_job *job, const struct sim_features *train,
                            const struct sim_features *val, struct sim_linear_head *keep,
                            struct sim_score *out, int64_t *skipped)
{
    const struct sim_eval_config *c = job->config;
    const struct sim_linear_head_shape shape = {.dim = val->dim,
                                                .classes = val->classes,
                                                .batch = c->linear_batch_size,
                                                .momentum = c->linear_momentum,
                                                .trust = c->linear_trust,
                                                .weight_decay = c->linear_weight_decay};
    struct probe p = {.job = job, .val = val, .schedule = schedule_of(c)};
    if (c->linear_augment) train = NULL;
    if (train) SIM_TRY(sim_features_check(train, val, "linear"));
    p.room = train ? train->count : job->train->images;
    SIM_TRY(sim_linear_head_open(&p.head, &shape, job->seed));
    p.order = malloc((size_t)p.room * sizeof *p.order);
    sim_status status =
        p.order ? resume(&p)
                : sim_fail(SIM_ENOMEM, "linear: no memory for the order of %lld rows", (long long)p.room);
    if (status == SIM_OK) status = run(&p, train);
    if (status == SIM_OK) write_score(&p, out);
    *skipped = train ? 0 : p.at.skipped;
    free(p.order);
    if (status == SIM_OK && keep)
        *keep = p.head;
    else
        sim_linear_head_close(&p.head);
    return status;
}
