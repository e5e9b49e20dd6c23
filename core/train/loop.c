#include "loop.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"
#include "curve.h"
#include "equal.h"
#include "nan_batch.h"
#include "progress.h"
#include "ranks.h"
#include "saves.h"

/* What is asked of all ranks alike, as bits. */
enum { TO_STOP = 1, TO_SAVE = 2 };

struct run {
    const struct sim_train_job *job;
    const struct sim_ranks *ranks; /* the objective's; NULL: alone */
    struct sim_train_result *result;
    struct sim_optimiser optimiser;
    struct sim_position at;
    char curve[SIM_SAVES_PATH_BYTES];
    struct sim_progress progress;
    int64_t pending;           /* number of the step queued last whose result has not been read; 0: none */
    int64_t last, epoch_first; /* steps in all; the epoch's first step made by this process */
    struct sim_step_result failed; /* of the step whose loss or gradient was no number */
    int64_t failed_step;           /* its number */
    int64_t saved;                 /* the step that the checkpoint holds; -1: none of this run */
    int asked;                     /* of whichever rank, before the last step */
    double saved_s;                /* when it was, or when this process began */
    double epoch_started_s, last_loss;
};

static sim_status write_files(struct run *r)
{
    const struct sim_train_config *c = r->job->config;
    char path[SIM_SAVES_PATH_BYTES];
    SIM_TRY(sim_saves_path(path, r->job->folder, r->at.step));
    SIM_TRY(sim_curve_save(r->curve, r->result->curve,
                           r->result->epochs)); /* first: it may run ahead of the checkpoint */
    SIM_TRY(
        sim_checkpoint_save(path, r->job->objective->params, &r->at, r->result->curve, r->job->config_hash));
    return sim_saves_prune(r->job->folder, c->keep_last, c->keep_every_epochs * r->at.steps_per_epoch);
}

/* Of several ranks the first writes what all have, and all wait. */
static sim_status save(struct run *r)
{
    if (!r->job->folder || r->saved == r->at.step) return SIM_OK;
    SIM_TRY(sim_params_equal_on_ranks(r->job->objective->params));
    SIM_TRY(sim_ranks_agree(r->ranks, sim_ranks_first(r->ranks) ? write_files(r) : SIM_OK));
    r->saved = r->at.step;
    r->saved_s = sim_now_s();
    return SIM_OK;
}

static sim_status take(struct run *r, const struct sim_tensors *file, const char *path)
{
    const struct sim_train_job *job = r->job;
    struct sim_epoch_stats *curve;
    SIM_TRY(sim_checkpoint_take(file, path, job->objective->params, &r->at, job->source->steps_per_epoch,
                                &curve));
    const int64_t whole = job->config->epochs * r->at.steps_per_epoch, finished = sim_position_epochs(&r->at);
    if (r->at.step > whole) {
        free(curve);
        return sim_fail(SIM_EINVAL, "%s has finished %ld steps, this run has only %ld", path,
                        (long)r->at.step, (long)whole);
    }
    r->optimiser.step = r->saved = r->at.step;
    memcpy(r->result->curve, curve, (size_t)finished * sizeof *curve);
    free(curve);
    r->result->epochs = (int)finished;
    if (sim_ranks_first(r->ranks) && sim_curve_load_timings(r->curve, r->result->curve, finished) != SIM_OK)
        sim_log("how long the first %ld epochs took is lost: %s", (long)finished, sim_error_text());
    return SIM_OK;
}

/* Goes on from the newest good checkpoint, which rank 0 looks for and all read; *can 0: there is none. */
static sim_status resume(struct run *r, int *can)
{
    struct sim_tensors *file = NULL;
    char path[SIM_SAVES_PATH_BYTES] = "";
    const int first = sim_ranks_first(r->ranks);
    SIM_TRY(sim_ranks_agree(r->ranks, first ? sim_saves_open(&file, path, r->job->folder, r->job->config_hash)
                                            : SIM_OK));
    sim_status s = sim_ranks_broadcast(r->ranks, path, sizeof path);
    *can = path[0] != 0;
    if (s == SIM_OK && *can) {
        if (!first) s = sim_checkpoint_open(&file, path);
        if (s == SIM_OK) s = take(r, file, path);
        s = sim_ranks_agree(r->ranks, s);
    }
    sim_tensors_close(file);
    return s;
}

/* The first checkpoint tells of a full or read-only disk now, and is the good one if the first epoch
 * diverges. */
static sim_status begin(struct run *r)
{
    const struct sim_train_job *job = r->job;
    int resumed = 0;
    r->saved_s = sim_now_s();
    if (!job->folder) return SIM_OK;
    if (sim_ranks_first(r->ranks)) sim_nan_batch_remove(job->folder);
    if (job->resume) SIM_TRY(resume(r, &resumed));
    if (resumed) return SIM_OK;
    SIM_TRY(sim_ranks_agree(r->ranks, sim_ranks_first(r->ranks) ? sim_saves_remove(job->folder) : SIM_OK));
    return save(r);
}

/* Images of a step, of all ranks. */
static int64_t images_of_step(const struct run *r)
{
    return r->job->objective->batch_size * sim_ranks_size(r->ranks);
}

static void epoch_starts(struct run *r)
{
    r->epoch_started_s = sim_now_s();
    r->epoch_first = r->at.step;
}

static sim_status epoch_ends(struct run *r)
{
    const struct sim_train_job *job = r->job;
    const struct sim_objective *o = job->objective;
    double steps = (double)r->at.steps_per_epoch, seconds = sim_now_s() - r->epoch_started_s;
    double images = (double)((r->at.step - r->epoch_first) * images_of_step(r));
    struct sim_epoch_stats *e = &r->result->curve[r->result->epochs++];
    *e = (struct sim_epoch_stats){.epoch = r->at.step / r->at.steps_per_epoch,
                                  .step = r->at.step,
                                  .loss = r->at.loss_sum / steps,
                                  .grad_norm = r->at.grad_norm_sum / steps,
                                  .lr = r->at.last_lr,
                                  .momentum = r->at.last_momentum,
                                  .images_per_s = seconds > 0 ? images / seconds : 0,
                                  .seconds = seconds,
                                  .top1 = NAN};
    e->gflops = e->images_per_s * o->cost.flop_per_image * 1e-9;
    e->gemm_share = job->gemm_gflops > 0 ? e->gflops / job->gemm_gflops : 0;
    r->at.loss_sum = r->at.grad_norm_sum = 0;
    return job->on_epoch ? sim_ranks_agree(r->ranks, job->on_epoch(job->context, e)) : SIM_OK;
}

/* What the schedules say of a step, 0-based. */
static void schedules_at(const struct run *r, int64_t step, double *lr, double *momentum)
{
    const struct sim_objective *o = r->job->objective;
    const int64_t per_epoch = r->at.steps_per_epoch;
    const double e = (double)(step / per_epoch) + (double)(step % per_epoch) / (double)per_epoch;
    *lr = sim_lr_at(r->job->config, e);
    *momentum = sim_momentum_at(o->momentum, o->momentum_constant, e, (double)r->job->config->epochs);
}

static void tell_step(const struct run *r, int64_t number, const struct sim_step_result *result)
{
    struct sim_step_stats stats = {.step = number, .loss = result->loss, .grad_norm = result->grad_norm};
    schedules_at(r, number - 1, &stats.lr, &stats.momentum);
    if (r->job->on_step) r->job->on_step(r->job->context, &stats);
}

/* Reads the result of the step under way, if any. */
static sim_status read_result(struct run *r)
{
    struct sim_step_result result;
    int64_t number = r->pending;
    if (!number) return SIM_OK;
    r->pending = 0;
    sim_status s = sim_step_result_of(&r->optimiser, number, &result);
    if (s != SIM_OK) {
        r->failed = result, r->failed_step = number;
        return sim_context(s, "epoch %ld, step %ld", (long)((number - 1) / r->at.steps_per_epoch) + 1,
                           (long)number);
    }
    r->at.loss_sum += result.loss, r->at.grad_norm_sum += result.grad_norm;
    r->last_loss = result.loss;
    tell_step(r, number, &result);
    return SIM_OK;
}

/* The user wants to stop here.  Several ranks stop at the same step: the wish counts from the next on. */
static int stops(const struct run *r)
{
    return r->ranks ? r->asked & TO_STOP : r->job->stop && *r->job->stop;
}

/* Something is saved after this many steps, or so long after the last time, or the user wants to stop here.
 */
static int saves(const struct run *r)
{
    const struct sim_train_config *c = r->job->config;
    return (c->save_every_steps > 0 && r->at.step % c->save_every_steps == 0) || (r->asked & TO_SAVE) ||
           stops(r);
}

/* By the clock of the first rank alone. */
static int is_time_to_save(const struct run *r)
{
    const double minutes = r->job->config->save_every_minutes;
    return sim_ranks_first(r->ranks) && minutes > 0 && sim_now_s() - r->saved_s >= 60 * minutes;
}

/* The batch of a step, there on every rank before any of them begins. */
static sim_status next_batch(struct run *r, int64_t epoch, int64_t within, const struct sim_batch **batch)
{
    const struct sim_source *source = r->job->source;
    sim_status s = source->next(source->self, epoch, within, batch);
    r->asked = (r->job->stop && *r->job->stop ? TO_STOP : 0) | (is_time_to_save(r) ? TO_SAVE : 0);
    return sim_ranks_agree_on(r->ranks, s, &r->asked);
}

/* Queues a step; reads the result of the one before it. */
static sim_status one_step(struct run *r)
{
    const struct sim_train_job *job = r->job;
    int64_t epoch = r->at.step / r->at.steps_per_epoch, within = r->at.step % r->at.steps_per_epoch;
    double lr, momentum;
    const struct sim_batch *batch;
    schedules_at(r, r->at.step, &lr, &momentum);
    SIM_TRY(next_batch(r, epoch, within, &batch));
    SIM_TRY(sim_step_queue(&r->optimiser, batch, lr, momentum, epoch, NULL));
    r->at.step++;
    r->at.last_lr = lr, r->at.last_momentum = momentum;
    SIM_TRY(read_result(r));
    r->pending = r->optimiser.step;
    /* results are summed over an epoch, and nothing may be saved over a step that went wrong */
    if (within + 1 == r->at.steps_per_epoch || saves(r) || r->at.step == r->last) SIM_TRY(read_result(r));
    char note[64];
    snprintf(note, sizeof note, "epoch %ld/%ld, loss %.4f", (long)epoch + 1, (long)job->config->epochs,
             r->last_loss);
    sim_progress_update(&r->progress, r->at.step * images_of_step(r), note);
    return SIM_OK;
}

static sim_status steps(struct run *r)
{
    const struct sim_train_config *c = r->job->config;
    const int64_t per_epoch = r->at.steps_per_epoch;
    epoch_starts(r);
    while (r->at.step < r->last) {
        SIM_TRY(one_step(r));
        int64_t epoch = r->at.step / per_epoch;
        if (r->at.step % per_epoch == 0) {
            SIM_TRY(epoch_ends(r));
            if (c->save_every_epochs > 0 && epoch % c->save_every_epochs == 0) SIM_TRY(save(r));
            if (c->keep_every_epochs > 0 && epoch % c->keep_every_epochs == 0) SIM_TRY(save(r));
            epoch_starts(r);
        }
        const int stop = stops(r);
        if (stop || saves(r)) {
            SIM_TRY(read_result(r)); /* a wish to stop may have come since */
            SIM_TRY(save(r));
        }
        if (stop)
            return sim_fail(SIM_EINTERRUPT, "stopped at step %ld of %ld as asked", (long)r->at.step,
                            (long)r->last);
    }
    return save(r);
}

/* The last good checkpoint stands; the batch is named for whoever wants to look at it. */
static sim_status diverged(struct run *r)
{
    char *reason = r->result->reason;
    const size_t room = sizeof r->result->reason;
    r->result->diverged = 1;
    snprintf(reason, room, "%s", sim_error_text());
    if (!r->job->folder || !r->failed_step) return SIM_ENONFINITE;
    const struct sim_nan_batch what = {.epoch = (r->failed_step - 1) / r->at.steps_per_epoch + 1,
                                       .step = r->failed_step,
                                       .result = r->failed,
                                       .reason = reason};
    if (sim_nan_batch_write(r->job->folder, &what, r->job->source, r->ranks) != SIM_OK)
        sim_log("the batch of the step that failed could not be written down: %s", sim_error_text());
    else
        snprintf(reason + strlen(reason), room - strlen(reason),
                 "; nan_batch.json names the images of that step");
    return sim_fail(SIM_ENONFINITE, "%s", reason);
}

static sim_status train(struct run *r)
{
    const struct sim_train_job *job = r->job;
    SIM_TRY(sim_train_config_check(job->config));
    SIM_TRY(sim_optimiser_open(&r->optimiser, job->objective, job->config));
    r->at.steps_per_epoch = job->source->steps_per_epoch;
    if (r->at.steps_per_epoch < 1 && job->config->epochs > 0)
        return sim_fail(SIM_EINVAL, "the data set gives no batch at all");
    r->last = job->config->epochs * r->at.steps_per_epoch;
    if (job->config->max_steps > 0 && job->config->max_steps < r->last) r->last = job->config->max_steps;
    if (job->folder) {
        SIM_TRY(sim_saves_path(r->curve, job->folder, 0)); /* a longer name */
        snprintf(r->curve, sizeof r->curve, "%s/curve.json", job->folder);
    }
    r->result->curve = calloc((size_t)job->config->epochs + 1, sizeof *r->result->curve);
    if (!r->result->curve)
        return sim_fail(SIM_ENOMEM, "no memory for a curve of %ld epochs", (long)job->config->epochs);
    SIM_TRY(begin(r));

    const int64_t images = images_of_step(r);
    sim_progress_start(&r->progress, job->label ? job->label : "training", "img", r->last * images);
    r->progress.resumed = r->at.step * images;
    double started = sim_now_s();
    sim_status s = steps(r);
    sim_progress_finish(&r->progress);
    r->result->train_s = sim_now_s() - started;
    r->result->steps = r->at.step;
    return s == SIM_ENONFINITE ? diverged(r) : s;
}

sim_status sim_train_run(const struct sim_train_job *job, struct sim_train_result *result)
{
    struct run r = {.job = job, .ranks = job->objective->ops->ranks, .result = result, .saved = -1};
    *result = (struct sim_train_result){0};
    sim_status s = train(&r);
    sim_optimiser_close(&r.optimiser);
    return s;
}
