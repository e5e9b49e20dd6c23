#include "run_one.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "claim.h"
#include "damaged.h"
#include "file.h"
#include "finetune.h"
#include "loader.h"
#include "loop.h"
#include "progress.h"
#include "record.h"
#include "robustness.h"
#include "run_status.h"
#include "saves.h"
#include "shift_sets.h"
#include "watch.h"

#define GEMM_SECONDS 0.4 /* long enough for a few products of a transformer's shapes */

/* ------------------------------------------------------------------ the device */
void sim_session_close_device(struct sim_session *s)
{
    if (s->ops.close) s->ops.close(&s->ops);
    memset(&s->ops, 0, sizeof s->ops);
}

sim_status sim_session_open_device(struct sim_session *s, const struct sim_compute_config *c)
{
    if (s->ops.close && !s->used && memcmp(&s->compute, c, sizeof *c) == 0) return SIM_OK;
    sim_session_close_device(s);
    s->compute = *c, s->used = 0;
    SIM_TRY(sim_ranks_agree(s->ranks, sim_backend_open(&s->ops, &s->backend, c, s->ranks)));
    sim_machine_read(&s->machine, &s->ops, GEMM_SECONDS);
    sim_session_say(s, "machine: %s, %s, %d thread%s, matrix products at %.0f GFLOP/s",
                    s->machine.facts.device, sim_precision_name(s->machine.precision), s->machine.threads,
                    s->machine.threads == 1 ? "" : "s", s->machine.gemm_gflops);
    return SIM_OK;
}

/* What was there before the run. */
enum found { NOTHING, DONE, DIVERGED, IN_OTHER_HANDS };

/* One run under way. */
struct work {
    struct sim_session *session;
    const struct sim_run *run;
    char folder[PATH_MAX];
    struct sim_claim *claim;       /* of the folder; NULL: not held */
    char who[SIM_CLAIM_WHO_BYTES]; /* holds it instead */
    struct sim_loader_config loader;
    struct sim_objective objective;
    struct sim_train_result result;
    struct sim_record record;
    double started_s;
    struct sim_run_status_writer status;
    struct sim_watch watch;
    enum found found;
};

static int stopped(const struct work *w)
{
    return w->session->stop && *w->session->stop;
}

/* A stage of the run that is rank 0's alone: the others wait for it, and fail with it. */
static sim_status by_first(struct work *w, sim_status (*stage)(struct work *w))
{
    const struct sim_ranks *r = w->session->ranks;
    return sim_ranks_agree(r, sim_ranks_first(r) ? stage(w) : SIM_OK);
}

static sim_status put_path(char out[PATH_MAX], const char *folder, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX) return SIM_OK;
    return sim_fail(SIM_EINVAL, "the path %s/%s is too long", folder, name);
}

/* ------------------------------------------------------------------ what is there already */
/* A checkpoint under another configuration must not be continued, nor overwritten without being asked. */
static sim_status check_checkpoint(const struct work *w)
{
    struct sim_tensors *file;
    char path[SIM_SAVES_PATH_BYTES];
    SIM_TRY(sim_saves_open(&file, path, w->folder, w->run->config_hash));
    if (file) sim_session_say(w->session, "resuming from %s", path);
    sim_tensors_close(file);
    return SIM_OK;
}

static sim_status find_record(struct work *w)
{
    struct sim_recorded last;
    w->found = NOTHING;
    if (w->session->fresh) return SIM_OK;
    SIM_TRY(sim_record_find(w->session->records, w->run->name, w->run->config_hash, &last));
    if (sim_recorded_is_final(&last)) w->found = strcmp(last.status, "ok") ? DIVERGED : DONE;
    return SIM_OK;
}

/* Finds out whether the run is recorded; if not, makes the folder, claims it, and finds out whether its
 * checkpoint can be continued. */
static sim_status look_around(struct work *w)
{
    SIM_TRY(find_record(w));
    if (w->found) return SIM_OK;
    SIM_TRY(sim_make_folder(w->folder));
    SIM_TRY(sim_claim_take(&w->claim, w->folder, "run", w->who, w->session->stop));
    if (!w->claim) {
        w->found = IN_OTHER_HANDS;
        return SIM_OK;
    }
    SIM_TRY(sim_folder_clean(w->folder));
    SIM_TRY(find_record(w)); /* by who held the folder until now */
    if (w->found) return SIM_OK;
    return w->session->fresh ? sim_saves_remove(w->folder) : check_checkpoint(w);
}

/* All ranks were asked for the same run. */
static sim_status same_run(const struct work *w)
{
    uint64_t hash = 0;
    for (const char *c = w->run->config_hash; *c; c++) hash = hash * 257 + (unsigned char)*c;
    return sim_ranks_same(w->session->ranks, hash, "the configurations");
}

static sim_status find_out(struct work *w)
{
    SIM_TRY(put_path(w->folder, w->session->out, w->run->folder));
    SIM_TRY(same_run(w));
    SIM_TRY(by_first(w, look_around));
    return sim_ranks_broadcast(w->session->ranks, &w->found, sizeof w->found);
}

/* ------------------------------------------------------------------ images */
void sim_run_images_close(struct sim_run_images *i)
{
    sim_images_close(&i->train);
    sim_images_close(&i->val);
    memset(i, 0, sizeof *i);
}

static sim_status open_images(struct work *w)
{
    struct sim_run_images *i = &w->session->images;
    const struct sim_run_config *c = &w->run->config;
    int scored = sim_ranks_first(w->session->ranks) && sim_eval_any(&c->eval);
    if (i->open && i->scored >= scored && i->seed == c->seed && memcmp(&i->of, &c->data, sizeof i->of) == 0)
        return SIM_OK;
    sim_run_images_close(i);
    i->of = c->data, i->seed = c->seed, i->scored = scored;
    SIM_TRY(sim_images_open(&i->train, &c->data, SIM_TRAIN, (uint64_t)c->seed));
    if (scored) SIM_TRY(sim_images_open(&i->val, &c->data, SIM_VAL, (uint64_t)c->seed));
    if (scored) SIM_TRY(sim_images_agree(&i->train, &i->val));
    i->open = 1;
    return SIM_OK;
}

static void describe_images(struct work *w)
{
    const struct sim_run_images *i = &w->session->images;
    struct sim_record *r = &w->record;
    r->sets[0] = &i->train, r->sets[1] = &i->val;
    for (int k = 0; k < 2; k++) sim_damaged_forget(r->sets[k]); /* of the run before */
    r->train_images = i->train.count, r->val_images = i->val.count, r->classes = i->train.classes;
    memcpy(r->train_hash, i->train.manifest_hash, sizeof r->train_hash);
    memcpy(r->train_pack, i->train.pack_hash, sizeof r->train_pack);
    if (i->scored) memcpy(r->val_hash, i->val.manifest_hash, sizeof r->val_hash);
    if (i->scored) memcpy(r->val_pack, i->val.pack_hash, sizeof r->val_pack);
    sim_session_say(w->session, "images: %lld to train on (%s), %lld to score on, %d classes",
                    (long long)r->train_images, r->train_hash, (long long)r->val_images, r->classes);
}

/* ------------------------------------------------------------------ scores */
/* Opens the sets that this rank scores with.  Training images may be shown in every epoch, and are kept in
 * memory; validation images only where they, too, are `seen_often`. */
static sim_status open_labelled(struct work *w, struct sim_labelled *train, struct sim_labelled *val,
                                int seen_often)
{
    struct sim_data_config uncached = w->run->config.data;
    struct sim_loader_config c = w->loader;
    SIM_TRY(sim_loader_open_labelled(train, &c));
    if (!w->session->images.scored) return SIM_OK;
    uncached.cache_mb = 0;
    c.images = &w->session->images.val;
    if (!seen_often) c.data = &uncached;
    return sim_loader_open_labelled(val, &c);
}

static void close_labelled(struct sim_labelled *train, struct sim_labelled *val)
{
    if (train->close) train->close(train->self);
    if (val->close) val->close(val->self);
}

static void keep_scores(struct work *w, const char *encoder_name, const struct sim_score *scores, int count)
{
    struct sim_record *r = &w->record;
    for (int i = 0; i < count && r->score_count < SIM_MAX_SCORES; i++) {
        r->scores[r->score_count++] = (struct sim_scored){encoder_name, scores[i]};
        sim_session_say(w->session, "%s encoder: %s %s %.1f %% +- %.1f", encoder_name, scores[i].name,
                        scores[i].metric, 100 * scores[i].value, 100 * scores[i].standard_error);
    }
}

/* The images of the robustness score, where such a head, or the fine-tuned network, is to answer for it; else
 * *out is zeroed. */
static sim_status open_shifted(struct work *w, int finetuned, struct sim_shifted *out)
{
    const struct sim_run_config *c = &w->run->config;
    *out = (struct sim_shifted){0};
    if (!c->eval.robustness || (c->eval.robustness_head == SIM_HEAD_FINETUNE) != finetuned) return SIM_OK;
    return sim_shift_sets_open(out, &(struct sim_shift_sets_config){.shift = &c->shift,
                                                                    .data = &c->data,
                                                                    .seed = (uint64_t)c->seed,
                                                                    .img_size = c->model.img_size,
                                                                    .workers = w->loader.workers});
}

static void close_shifted(struct sim_shifted *s)
{
    if (s->close) s->close(s->self);
}

/* Scores the weights as they stand and adds the scores to the record as those of `encoder_name`. */
static sim_status score_encoder(struct work *w, const char *encoder_name)
{
    const struct sim_run_config *c = &w->run->config;
    struct sim_encoder *encoder = NULL;
    struct sim_labelled train = {0}, val = {0};
    struct sim_shifted shifted = {0};
    struct sim_score scores[SIM_MAX_SCORES];
    int count = 0;
    if (!w->session->images.scored || !sim_eval_frozen(&c->eval)) return SIM_OK;
    sim_status status =
        sim_encoder_open(&encoder, &w->session->ops, &c->model, w->objective.params, c->eval.batch_size);
    if (status == SIM_OK) status = open_labelled(w, &train, &val, 0);
    if (status == SIM_OK) status = open_shifted(w, 0, &shifted);
    if (status == SIM_OK)
        status = sim_score_encoder(&(struct sim_score_job){.encoder = encoder,
                                                           .train = &train,
                                                           .val = &val,
                                                           .shifted = shifted.open ? &shifted : NULL,
                                                           .config = &c->eval,
                                                           .seed = (uint64_t)c->seed,
                                                           .stop = w->session->stop,
                                                           .folder = w->folder,
                                                           .encoder_name = encoder_name,
                                                           .identity = w->run->config_hash,
                                                           .resume = !w->session->fresh},
                                   scores, SIM_MAX_SCORES, &count, &w->record.skipped);
    keep_scores(w, encoder_name, scores, count);
    close_shifted(&shifted);
    close_labelled(&train, &val);
    sim_encoder_close(encoder);
    if (status == SIM_OK && stopped(w)) return SIM_EINTERRUPT;
    return status == SIM_OK ? SIM_OK : sim_context(status, "scoring the %s encoder", encoder_name);
}

static sim_status score_untrained(struct work *w)
{
    return score_encoder(w, "untrained");
}

static sim_status score_pretrained(struct work *w)
{
    return score_encoder(w, "pretrained");
}

/* What the network that fine-tuning left says of corrupted and other images. */
static sim_status score_finetuned(struct work *w, const char *encoder_name, const struct sim_labelled *train)
{
    const struct sim_run_config *c = &w->run->config;
    char path[PATH_MAX], name[80];
    struct sim_shifted shifted;
    struct sim_labeller labeller = {0};
    struct sim_score scores[SIM_ROBUSTNESS_SCORES];
    int count = 0;
    int64_t skipped = 0;
    SIM_TRY(open_shifted(w, 1, &shifted));
    if (!shifted.open) return SIM_OK;
    snprintf(name, sizeof name, "finetune_%s/classifier.safetensors", encoder_name);
    sim_status status = put_path(path, w->folder, name);
    if (status == SIM_OK)
        status = sim_finetuned_open(&labeller, &w->session->ops, &c->model, train->classes,
                                    c->eval.batch_size, path);
    if (status == SIM_OK)
        status = sim_score_robustness(&(struct sim_robustness_job){.labeller = &labeller,
                                                                   .train = train,
                                                                   .train_images = train->images,
                                                                   .shifted = &shifted,
                                                                   .config = &c->eval,
                                                                   .stop = w->session->stop},
                                      scores, SIM_ROBUSTNESS_SCORES, &count, &skipped);
    if (status == SIM_OK) keep_scores(w, encoder_name, scores, count);
    if (skipped > w->record.skipped) w->record.skipped = skipped;
    sim_finetuned_close(&labeller);
    close_shifted(&shifted);
    return status;
}

/* Fine-tunes the weights as they stand, or those of a file, on all ranks; the first adds the score to the
 * record. */
static sim_status finetune(struct work *w, const char *encoder_name)
{
    const struct sim_run_config *c = &w->run->config;
    struct sim_labelled train = {0}, val = {0};
    struct sim_score score;
    int64_t skipped = 0;
    const struct sim_ranks *ranks = w->session->ranks;
    const int first = sim_ranks_first(ranks);
    sim_status status = sim_ranks_agree(ranks, open_labelled(w, &train, &val, 1));
    if (status == SIM_OK)
        status = sim_score_finetune(
            &(struct sim_finetune_job){.ops = &w->session->ops,
                                       .vit = &c->model,
                                       .encoder = w->objective.params,
                                       .train = &train,
                                       .val = first ? &val : NULL,
                                       .config = &c->finetune,
                                       .seed = (uint64_t)c->seed,
                                       .gemm_gflops = w->session->machine.gemm_gflops * sim_ranks_size(ranks),
                                       .stop = w->session->stop,
                                       .folder = w->folder,
                                       .encoder_name = encoder_name,
                                       .identity = w->run->config_hash,
                                       .resume = !w->session->fresh,
                                       .quiet = w->session->quiet || !first},
            &score, &skipped);
    if (status == SIM_OK && first) keep_scores(w, encoder_name, &score, 1);
    if (status == SIM_OK)
        status = sim_ranks_agree(ranks, first ? score_finetuned(w, encoder_name, &train) : SIM_OK);
    if (skipped > w->record.skipped) w->record.skipped = skipped;
    close_labelled(&train, &val);
    return status == SIM_OK ? SIM_OK : sim_context(status, "fine-tuning the %s encoder", encoder_name);
}

/* ------------------------------------------------------------------ training */
static sim_status open_objective(struct work *w)
{
    const struct sim_run_config *c = &w->run->config;
    struct sim_pretrain_job job;
    SIM_TRY(sim_run_config_job(c, c->train.batch_size / sim_ranks_size(w->session->ranks), &job));
    SIM_TRY(
        sim_objective_kind_of(&c->pretrain)->open(&w->objective, &w->session->ops, &job, (uint64_t)c->seed));
    const struct sim_cost *cost = &w->objective.cost;
    struct sim_record *r = &w->record;
    r->parameters = cost->parameters, r->trainable = cost->trainable;
    r->gflop_per_image = 1e-9 * cost->flop_per_image;
    r->memory_bytes = cost->activation_bytes + cost->state_bytes;
    sim_session_say(w->session,
                    "%s: %.2f M parameters (%.2f M trained, %.2f M momentum copies), %.3g GFLOP per image, "
                    "%.0f MiB for activations, %.0f MiB for weights and optimiser",
                    w->objective.name, 1e-6 * (double)cost->parameters, 1e-6 * (double)cost->trainable,
                    1e-6 * (double)cost->momentum_copies, r->gflop_per_image,
                    (double)cost->activation_bytes / 1048576, (double)cost->state_bytes / 1048576);
    return SIM_OK;
}

/* Damaged images that were passed over, each noted once, whichever rank came upon it; and counted, where no
 * score does that. */
static sim_status count_skipped(struct work *w, const struct sim_source *source, int count)
{
    enum { PIECE = 4096 };
    const uint8_t *mine = source->damaged(source->self);
    double seen[PIECE];
    for (int64_t at = 0; at < source->images; at += PIECE) {
        int64_t here = source->images - at < PIECE ? source->images - at : PIECE;
        for (int64_t i = 0; i < here; i++) seen[i] = mine[at + i];
        SIM_TRY(sim_ranks_sum(w->session->ranks, seen, here));
        for (int64_t i = 0; i < here; i++) {
            if (seen[i] > 0) sim_damaged_note(&w->session->images.train, at + i);
            w->record.skipped += count && seen[i] > 0;
        }
    }
    return SIM_OK;
}

/* A run whose loss stopped being a number is a result, not a failure: it is recorded as diverged. */
static sim_status train(struct work *w)
{
    const struct sim_run_config *c = &w->run->config;
    const struct sim_ranks *ranks = w->session->ranks;
    struct sim_source source;
    SIM_TRY(sim_ranks_agree(ranks, sim_loader_open(&source, &w->loader)));
    struct sim_train_job job = {.objective = &w->objective,
                                .config = &c->train,
                                .source = &source,
                                .folder = w->folder,
                                .config_hash = w->run->config_hash,
                                .seed = (uint64_t)c->seed,
                                .resume = !w->session->fresh,
                                .gemm_gflops = w->session->machine.gemm_gflops * sim_ranks_size(ranks),
                                .stop = w->session->stop,
                                .on_step = sim_watch_step,
                                .on_epoch = sim_watch_epoch,
                                .context = &w->watch};
    sim_status status = sim_train_run(&job, &w->result);
    if (status == SIM_OK || status == SIM_ENONFINITE) {
        sim_status counted = count_skipped(w, &source, !sim_eval_any(&c->eval));
        if (counted != SIM_OK) status = counted;
    }
    source.close(source.self);
    if (status == SIM_ENONFINITE) {
        w->record.status = "diverged", w->record.reason = w->result.reason;
        if (sim_ranks_first(ranks)) sim_log("run %s diverged: %s", w->run->folder, w->result.reason);
        return SIM_OK;
    }
    return status;
}

/* ------------------------------------------------------------------ what is kept */
static sim_status write_config(struct work *w)
{
    char path[PATH_MAX], *text;
    SIM_TRY(put_path(path, w->folder, "config.yaml"));
    SIM_TRY(sim_run_write_yaml(w->run, 0, &text));
    sim_status status = sim_file_write(path, text, strlen(text));
    free(text);
    return status;
}

static sim_status write_encoder(struct work *w)
{
    char path[PATH_MAX], seed[24];
    snprintf(seed, sizeof seed, "%lld", (long long)w->run->config.seed);
    const char *const metadata[] = {"format", "pt", "experiment",  w->run->experiment,  "run", w->run->name,
                                    "seed",   seed, "config_hash", w->run->config_hash, NULL};
    SIM_TRY(put_path(path, w->folder, "encoder.safetensors"));
    return sim_params_write_encoder(w->objective.params, path, metadata);
}

static sim_status record(struct work *w)
{
    struct sim_record *r = &w->record;
    r->curve = w->result.curve, r->epochs = w->result.epochs;
    for (int i = 0; i < r->epochs; i++) r->train_s += r->curve[i].seconds;
    r->gflop = r->gflop_per_image * (double)w->result.steps * (double)w->run->config.train.batch_size;
    r->wall_s = sim_now_s() - w->started_s;
    sim_facts_of(&w->session->ops, &w->session->machine.facts); /* what was substituted since it was opened */
    for (int i = 0; i < w->session->machine.facts.substituted_count; i++)
        sim_session_say(w->session, "substituted: %s", w->session->machine.facts.substituted[i]);
    /* Ours no more: this process was frozen, and another took the run over. */
    if (w->claim && !sim_claim_holds(w->claim))
        return sim_fail(SIM_EINTERRUPT, "run %s was taken over by another process", w->run->folder);
    sim_watch_scores(&w->watch, r->scores, r->score_count, w->result.steps);
    return sim_record_commit(r, w->session->out, w->session->fresh, NULL);
}

/* A run that could not be finished is a result too, for the table's readers and for those who start it again.
 * Ranks leave it to their launcher: after a failure they may not agree where they are. */
static void record_failure(struct work *w, sim_status status)
{
    char why[sizeof((struct sim_recorded *)0)->reason];
    if (status == SIM_EINTERRUPT || w->session->ranks) return;
    snprintf(why, sizeof why, "%s", sim_error_text());
    w->record.status = "failed", w->record.reason = why, w->record.score_count = 0;
    if (record(w) != SIM_OK)
        sim_log("the failure of run %s could not be recorded: %s", w->run->folder, sim_error_text());
    sim_fail(status, "%s", why);
}

static void draw(const struct work *w)
{
    const struct sim_run *run = w->run;
    if (!w->session->drawing || !w->result.epochs) return;
    if (w->session->drawing->run(w->session->records, run->experiment, run->name, run->config.seed,
                                 w->folder) != SIM_OK)
        sim_log("the plots of run %s could not be drawn: %s", run->folder, sim_error_text());
}

/* ------------------------------------------------------------------ the run */
static sim_status all_stages(struct work *w)
{
    const struct sim_run_config *c = &w->run->config;
    const struct sim_ranks *ranks = w->session->ranks;
    SIM_TRY(sim_session_open_device(w->session, &c->compute));
    w->session->used = w->session->ops.discrete; /* the CPU substitutes nothing, and may stay open */
    SIM_TRY(sim_ranks_agree(ranks, open_images(w)));
    describe_images(w);
    w->loader = (struct sim_loader_config){.images = &w->session->images.train,
                                           .data = &c->data,
                                           .augment = &c->augment,
                                           .mask = &c->mask,
                                           .batch_size = c->train.batch_size,
                                           .img_size = c->model.img_size,
                                           .patch_size = c->model.patch_size,
                                           .seed = (uint64_t)c->seed,
                                           .rank = ranks ? ranks->rank : 0,
                                           .ranks = sim_ranks_size(ranks),
                                           .one_view = sim_objective_kind_of(&c->pretrain)->views == 1,
                                           .jobs = w->session->ops.make_views != NULL,
                                           .workers = c->data.workers ? (int)c->data.workers
                                                                      : w->session->machine.threads};
    SIM_TRY(sim_ranks_agree(ranks, sim_loader_check(&w->loader)));
    SIM_TRY(sim_ranks_agree(ranks, open_objective(w)));
    w->watch = (struct sim_watch){.run = w->run,
                                  .images = &w->session->images.train,
                                  .folder = w->folder,
                                  .quiet = w->session->quiet,
                                  .writes = sim_ranks_first(ranks),
                                  .has_momentum = w->objective.cost.momentum_copies != 0};
    SIM_TRY(by_first(w, write_config));
    /* The weights are the seed's here, also when a checkpoint waits to be resumed. */
    SIM_TRY(by_first(w, score_untrained));
    if (sim_run_finetunes(c, 0)) SIM_TRY(finetune(w, "untrained"));
    if (c->train.epochs > 0) {
        SIM_TRY(train(w));
        SIM_TRY(sim_ranks_agree(ranks, stopped(w) ? SIM_EINTERRUPT : SIM_OK));
    }
    if (strcmp(w->record.status, "ok") == 0) {
        if (c->train.epochs > 0) SIM_TRY(by_first(w, score_pretrained));
        if (sim_run_finetunes(c, 1)) SIM_TRY(finetune(w, "pretrained"));
        SIM_TRY(by_first(w, write_encoder));
    }
    SIM_TRY(by_first(w, record));
    if (sim_ranks_first(ranks)) draw(w);
    return SIM_OK;
}

/* For whom it may concern while the run is at work, and after. */
static void tell_end(struct work *w, sim_status status)
{
    const char *state = status == SIM_OK           ? w->record.status
                        : status == SIM_EINTERRUPT ? "interrupted"
                                                   : "failed";
    sim_run_status_end(&w->status, state, status == SIM_OK ? w->record.reason : sim_error_text());
}

static sim_status begin_and_end(struct work *w)
{
    if (w->claim) sim_run_status_begin(&w->status, w->folder);
    sim_status status = all_stages(w);
    if (status != SIM_OK) record_failure(w, status);
    sim_watch_end(&w->watch);
    if (w->claim) tell_end(w, status);
    return status;
}

sim_status sim_run_one(struct sim_session *s, const struct sim_run *run, enum sim_outcome *outcome)
{
    static const enum sim_outcome of_found[] = {
        [DONE] = SIM_RUN_SKIPPED, [DIVERGED] = SIM_RUN_DIVERGED, [IN_OTHER_HANDS] = SIM_RUN_LEFT};
    struct work *w = calloc(1, sizeof *w);
    if (!w) return sim_fail(SIM_ENOMEM, "no memory to start run %s", run->folder);
    w->session = s, w->run = run, w->started_s = sim_now_s();
    w->record = (struct sim_record){
        .run = run, .machine = &s->machine, .ranks = s->ranks, .status = "ok", .reason = ""};
    sim_machine_utc(w->record.started);
    sim_status status = find_out(w);
    if (status == SIM_OK && w->found == IN_OTHER_HANDS)
        sim_session_say(s, "%s is left alone: another process is at work in this folder%s%s%s", run->folder,
                        w->who[0] ? " (" : "", w->who, w->who[0] ? ")" : "");
    else if (status == SIM_OK && w->found)
        sim_session_say(s, "%s is already recorded in %s%s", run->folder, s->records,
                        w->found == DIVERGED ? ": it diverged" : "");
    else if (status == SIM_OK)
        status = begin_and_end(w);
    *outcome = w->found ? of_found[w->found] : strcmp(w->record.status, "ok") ? SIM_RUN_DIVERGED : SIM_RUN_OK;
    if (w->objective.close) w->objective.close(&w->objective);
    free(w->result.curve);
    sim_claim_release(&w->claim);
    free(w);
    return status;
}
