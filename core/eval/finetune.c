#include "finetune.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "file.h"
#include "finetune_source.h"
#include "labelled_pass.h"
#include "loop.h"
#include "progress.h"
#include "protocol.h"
#include "ranks.h"

/* What a pass over the validation images adds up. */
struct sum {
    int64_t images, right, among_five, skipped;
    double loss;
};

struct finetune {
    const struct sim_finetune_job *job;
    const struct sim_ranks *ranks;
    struct sim_train_config training;
    struct sim_classifier *classifier;
    struct sim_objective objective;
    struct sim_source source;
    struct sim_train_result result;
    int64_t share;   /* images of a rank's step */
    float *logits;   /* (share, classes) */
    struct sum last; /* after the last epoch; images 0: not taken */
    char folder[PATH_MAX];
};

/* ------------------------------------------------------------------ validation */

struct counting {
    struct finetune *f;
    struct sum sum;
};

/* One image's row of logits: the likeliest class, ties going to the lower one, is the first of a stable
 * order. */
static void count_row(struct sum *s, const float *logit, int64_t classes, int32_t label)
{
    int64_t before = 0;
    double most = logit[0], sum = 0;
    for (int64_t k = 0; k < classes; k++) {
        before += logit[k] > logit[label] || (logit[k] == logit[label] && k < label);
        most = fmax(most, logit[k]);
    }
    for (int64_t k = 0; k < classes; k++) sum += exp(logit[k] - most);
    s->images++, s->right += before == 0, s->among_five += before < 5;
    s->loss += log(sum) + most - logit[label];
}

static sim_status count_batch(void *context, const float *x, const int32_t *label, const int64_t *index,
                              int64_t count)
{
    struct counting *c = context;
    const int64_t classes = c->f->job->val->classes;
    SIM_TRY(sim_classifier_logits(c->f->classifier, x, count, c->f->logits));
    for (int64_t i = 0; i < count; i++) {
        const float *row = c->f->logits + i * classes;
        for (int64_t k = 0; k < classes; k++)
            if (!isfinite(row[k]))
                return sim_fail(SIM_ENONFINITE, "logit %lld of image %lld is not a finite number",
                                (long long)k, (long long)index[i]);
        if (label[i] < 0)
            c->sum.skipped++;
        else
            count_row(&c->sum, row, classes, label[i]);
    }
    return SIM_OK;
}

static sim_status validate(struct finetune *f, struct sum *out)
{
    const struct sim_finetune_job *job = f->job;
    struct counting c = {.f = f};
    SIM_TRY(sim_labelled_pass(&(struct sim_labelled_pass){.source = job->val,
                                                          .look = {.filter = SIM_RESAMPLE_BICUBIC},
                                                          .side = (int)job->vit->img_size,
                                                          .batch_size = f->share,
                                                          .label = "fine-tuning, validation images",
                                                          .stop = job->stop,
                                                          .take = count_batch,
                                                          .context = &c}));
    *out = c.sum;
    return SIM_OK;
}

static double share_of(int64_t part, const struct sum *s)
{
    return (double)part / (double)s->images;
}

/* After an epoch: how good it is now, where that is asked for. */
static sim_status epoch_ends(void *context, struct sim_epoch_stats *e)
{
    struct finetune *f = context;
    const struct sim_finetune_config *c = f->job->config;
    const int last = e->epoch == c->epochs;
    char top1[32] = "";
    if (!f->job->val) return SIM_OK;
    if (last || (c->score_every_epochs && e->epoch % c->score_every_epochs == 0)) {
        struct sum s;
        SIM_TRY(validate(f, &s));
        e->top1 = share_of(s.right, &s);
        if (last) f->last = s;
        snprintf(top1, sizeof top1, "  top1 %.1f %%", 100 * e->top1);
    }
    if (!f->job->quiet)
        sim_log("fine-tuning %s: epoch %lld/%lld  loss %.4f  lr %.2e  %.0f img/s%s", f->job->encoder_name,
                (long long)e->epoch, (long long)c->epochs, e->loss, e->lr, e->images_per_s, top1);
    return SIM_OK;
}

/* ------------------------------------------------------------------ the score */

/* The best of the epochs that were scored; 0 of none. */
static double best_of(const struct finetune *f, int64_t *epoch)
{
    double best = -1;
    *epoch = 0;
    for (int i = 0; i < f->result.epochs; i++) {
        const struct sim_epoch_stats *e = &f->result.curve[i];
        if (e->top1 > best) best = e->top1, *epoch = e->epoch;
    }
    return *epoch ? best : 0;
}

static void write_score(const struct finetune *f, struct sim_score *out)
{
    const struct sim_finetune_config *c = f->job->config;
    int64_t best_epoch;
    double best = best_of(f, &best_epoch);
    const double seen = (double)f->result.steps * (double)c->batch_size;
    sim_score_fill(out, "finetune", f->last.right, f->job->train->images, f->last.images);
    int n = snprintf(
        out->protocol, sizeof out->protocol,
        "{\"features\": \"mean_patch\", \"norm\": \"fc_norm\", \"start\": \"%s\", \"optimizer\": \"adamw\", "
        "\"epochs\": "
        "%lld, \"batch_size\": %lld, \"lr\": %.9g, \"min_lr\": %.9g, \"warmup_epochs\": %.9g, "
        "\"layer_decay\": %.9g, "
        "\"weight_decay\": %.9g, \"beta1\": %.9g, \"beta2\": %.9g, \"eps\": %.9g, \"clip_grad\": %.9g, "
        "\"drop_path_rate\": %.9g, \"smoothing\": %.9g, \"mixup\": %.9g, \"cutmix\": %.9g, "
        "\"mix_probability\": %.9g, "
        "\"cutmix_share\": %.9g, \"mix_group\": %lld, ",
        c->encoder[0] ? "file" : "run", (long long)c->epochs, (long long)c->batch_size,
        c->epochs ? sim_lr_at(&f->training, c->warmup_epochs) : 0, c->min_lr, c->warmup_epochs,
        c->layer_decay, c->weight_decay, c->beta1, c->beta2, c->eps, c->clip_grad, c->drop_path_rate,
        c->smoothing, c->mixup, c->cutmix, c->mix_probability, c->cutmix_share,
        (long long)sim_finetune_group(c));
    snprintf(out->protocol + n, sizeof out->protocol - (size_t)n,
             "\"crop_min\": %.9g, \"flip\": %.9g, \"randaugment_operations\": %lld, "
             "\"randaugment_magnitude\": %.9g, "
             "\"randaugment_deviation\": %.9g, \"erase\": %.9g, \"resample\": \"bicubic\", \"steps\": %lld, "
             "\"gflop\": %.9g, \"train_loss\": %.9g, \"val_loss\": %.9g, \"top5\": %.9g, \"reported\": "
             "\"last epoch\", "
             "\"score_every_epochs\": %lld, \"best_epoch\": %lld, \"best_top1\": %.9g}",
             c->crop_min, c->flip, (long long)c->randaugment_operations, c->randaugment_magnitude,
             c->randaugment_deviation, c->erase, (long long)f->result.steps,
             1e-9 * f->objective.cost.flop_per_image * seen,
             f->result.epochs ? f->result.curve[f->result.epochs - 1].loss : 0,
             f->last.loss / (double)f->last.images, share_of(f->last.among_five, &f->last),
             (long long)c->score_every_epochs, (long long)best_epoch, best);
}

/* ------------------------------------------------------------------ its stages */

static sim_status check(const struct finetune *f)
{
    const struct sim_finetune_job *job = f->job;
    SIM_TRY(sim_finetune_config_check(job->config));
    if (job->val && job->val->classes != job->train->classes)
        return sim_fail(SIM_EINVAL, "finetune: the train set has %d classes, the val set %d",
                        job->train->classes, job->val->classes);
    return SIM_OK;
}

static sim_status make_folder(struct finetune *f)
{
    const struct sim_finetune_job *job = f->job;
    if (!job->folder) return SIM_OK;
    int n = snprintf(f->folder, sizeof f->folder, "%s/finetune_%s", job->folder, job->encoder_name);
    if (n >= (int)sizeof f->folder - 32) /* the files in it have names, too */
        return sim_fail(SIM_EINVAL, "the path %s/finetune_%s is too long", job->folder, job->encoder_name);
    sim_status status = SIM_OK;
    if (sim_ranks_first(f->ranks)) status = sim_make_folder(f->folder);
    if (sim_ranks_first(f->ranks) && status == SIM_OK) status = sim_folder_clean(f->folder);
    return sim_ranks_agree(f->ranks, status);
}

static sim_status open_all(struct finetune *f)
{
    const struct sim_finetune_job *job = f->job;
    const struct sim_finetune_config *c = job->config;
    const struct sim_finetune_source source = {.train = job->train,
                                               .config = c,
                                               .side = (int)job->vit->img_size,
                                               .seed = job->seed,
                                               .rank = f->ranks ? f->ranks->rank : 0,
                                               .ranks = (int)sim_ranks_size(f->ranks)};
    struct sim_classifier_shape shape = {.vit = *job->vit,
                                         .classes = job->train->classes,
                                         .layer_decay = c->layer_decay,
                                         .training = c->epochs > 0};
    if (c->epochs > 0) SIM_TRY(sim_finetune_source_open(&f->source, &source));
    f->share = shape.batch = c->batch_size / sim_ranks_size(f->ranks);
    shape.vit.drop_path_rate = c->drop_path_rate;
    SIM_TRY(sim_classifier_open(&f->classifier, job->ops, &shape, job->seed));
    sim_classifier_objective(f->classifier, &f->objective);
    f->logits = calloc((size_t)f->share, (size_t)shape.classes * sizeof *f->logits);
    if (!f->logits) return sim_fail(SIM_ENOMEM, "no memory for the logits of %ld images", (long)f->share);
    return c->encoder[0] ? sim_classifier_load(f->classifier, c->encoder, c->epochs == 0)
                         : sim_classifier_take_encoder(f->classifier, job->encoder);
}

static sim_status train(struct finetune *f)
{
    const struct sim_finetune_job *job = f->job;
    const struct sim_train_job training = {.objective = &f->objective,
                                           .config = &f->training,
                                           .source = &f->source,
                                           .folder = job->folder ? f->folder : NULL,
                                           .config_hash = job->identity,
                                           .seed = job->seed,
                                           .label = "fine-tuning",
                                           .resume = job->resume,
                                           .gemm_gflops = job->gemm_gflops,
                                           .stop = job->stop,
                                           .on_epoch = epoch_ends,
                                           .context = f};
    sim_status status = sim_train_run(&training, &f->result);
    if (status == SIM_ENONFINITE)
        return sim_context(status, "finetune: a smaller finetune.blr or finetune.lr may help");
    return status;
}

/* The first rank's part after training: the score, and the weights. */
static sim_status conclude(struct finetune *f, struct sim_score *out)
{
    const struct sim_finetune_job *job = f->job;
    char path[PATH_MAX + 32];
    if (!f->last.images) SIM_TRY(validate(f, &f->last)); /* an earlier process trained the last epoch */
    write_score(f, out);
    if (!job->folder || !job->config->epochs) return SIM_OK;
    snprintf(path, sizeof path, "%s/classifier.safetensors", f->folder);
    return sim_classifier_write(f->classifier, path,
                                (const char *const[]){"format", "pt", "config_hash", job->identity, NULL});
}

static sim_status all_stages(struct finetune *f, struct sim_score *out)
{
    SIM_TRY(sim_ranks_agree(f->ranks, check(f)));
    SIM_TRY(make_folder(f));
    SIM_TRY(sim_ranks_agree(f->ranks, open_all(f)));
    if (f->job->config->epochs > 0) SIM_TRY(train(f));
    return sim_ranks_agree(f->ranks, f->job->val ? conclude(f, out) : SIM_OK);
}

sim_status sim_score_finetune(const struct sim_finetune_job *job, struct sim_score *out, int64_t *skipped)
{
    struct finetune f = {
        .job = job, .ranks = job->ops->ranks, .training = sim_finetune_training(job->config)};
    sim_status status = all_stages(&f, out);
    *skipped = f.last.skipped;
    if (f.source.close) {
        *skipped += f.source.skipped(f.source.self);
        f.source.close(f.source.self);
    }
    sim_classifier_close(f.classifier);
    free(f.logits);
    free(f.result.curve);
    return status;
}
