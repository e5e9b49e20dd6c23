#include "run_one.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "damaged.h"
#include "file.h"
#include "progress.h"
#include "run_work.h"
#include "saves.h"

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

int sim_work_stopped(const struct sim_work *w)
{
    return w->session->stop && *w->session->stop;
}

/* A stage of the run that is rank 0's alone: the others wait for it, and fail with it. */
static sim_status by_first(struct sim_work *w, sim_status (*stage)(struct sim_work *w))
{
    const struct sim_ranks *r = w->session->ranks;
    return sim_ranks_agree(r, sim_ranks_first(r) ? stage(w) : SIM_OK);
}

sim_status sim_work_path(char out[PATH_MAX], const char *folder, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX) return SIM_OK;
    return sim_fail(SIM_EINVAL, "the path %s/%s is too long", folder, name);
}

/* ------------------------------------------------------------------ what is there already */
/* A checkpoint under another configuration must not be continued, nor overwritten without being asked. */
static sim_status check_checkpoint(const struct sim_work *w)
{
    struct sim_tensors *file;
    char path[SIM_SAVES_PATH_BYTES];
    SIM_TRY(sim_saves_open(&file, path, w->folder, w->run->config_hash));
    if (file) sim_session_say(w->session, "resuming from %s", path);
    sim_tensors_close(file);
    return SIM_OK;
}

static sim_status find_record(struct sim_work *w)
{
    struct sim_recorded last;
    w->found = SIM_FOUND_NOTHING;
    if (w->session->fresh) return SIM_OK;
    SIM_TRY(sim_record_find(w->session->records, w->run->name, w->run->config_hash, &last));
    if (sim_recorded_is_final(&last))
        w->found = strcmp(last.status, "ok") ? SIM_FOUND_DIVERGED : SIM_FOUND_DONE;
    return SIM_OK;
}

/* Finds out whether the run is recorded; if not, makes the folder, claims it, and finds out whether its
 * checkpoint can be continued. */
static sim_status look_around(struct sim_work *w)
{
    SIM_TRY(find_record(w));
    if (w->found) return SIM_OK;
    SIM_TRY(sim_make_folder(w->folder));
    SIM_TRY(sim_claim_take(&w->claim, w->folder, "run", w->who, w->session->stop));
    if (!w->claim) {
        w->found = SIM_FOUND_IN_OTHER_HANDS;
        return SIM_OK;
    }
    SIM_TRY(sim_folder_clean(w->folder));
    SIM_TRY(find_record(w)); /* by who held the folder until now */
    if (w->found) return SIM_OK;
    return w->session->fresh ? sim_saves_remove(w->folder) : check_checkpoint(w);
}

/* All ranks were asked for the same run. */
static sim_status same_run(const struct sim_work *w)
{
    uint64_t hash = 0;
    for (const char *c = w->run->config_hash; *c; c++) hash = hash * 257 + (unsigned char)*c;
    return sim_ranks_same(w->session->ranks, hash, "the configurations");
}

static sim_status find_out(struct sim_work *w)
{
    SIM_TRY(sim_work_path(w->folder, w->session->out, w->run->folder));
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

static sim_status open_images(struct sim_work *w)
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

static void describe_images(struct sim_work *w)
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

/* ------------------------------------------------------------------ what is kept */
static sim_status write_config(struct sim_work *w)
{
    char path[PATH_MAX], *text;
    SIM_TRY(sim_work_path(path, w->folder, "config.yaml"));
    SIM_TRY(sim_run_write_yaml(w->run, 0, &text));
    sim_status status = sim_file_write(path, text, strlen(text));
    free(text);
    return status;
}

static sim_status write_encoder(struct sim_work *w)
{
    char path[PATH_MAX], seed[24];
    snprintf(seed, sizeof seed, "%lld", (long long)w->run->config.seed);
    const char *const metadata[] = {"format", "pt", "experiment",  w->run->experiment,  "run", w->run->name,
                                    "seed",   seed, "config_hash", w->run->config_hash, NULL};
    SIM_TRY(sim_work_path(path, w->folder, "encoder.safetensors"));
    return sim_params_write_encoder(&w->encoder, path, metadata);
}

/* Ours no more: this process was frozen, and another took the run over. */
static sim_status check_claim(struct sim_work *w)
{
    if (!w->claim || sim_claim_holds(w->claim)) return SIM_OK;
    return sim_fail(SIM_EINTERRUPT, "run %s was taken over by another process", w->run->folder);
}

static sim_status record(struct sim_work *w)
{
    struct sim_record *r = &w->record;
    r->curve = w->result.curve, r->epochs = w->result.epochs;
    for (int i = 0; i < r->epochs; i++) r->train_s += r->curve[i].seconds;
    r->gflop = r->gflop_per_image * (double)w->result.steps * (double)w->run->config.train.batch_size;
    r->wall_s = sim_now_s() - w->started_s;
    sim_facts_of(&w->session->ops, &w->session->machine.facts); /* what was substituted since it was opened */
    for (int i = 0; i < w->session->machine.facts.substituted_count; i++)
        sim_session_say(w->session, "substituted: %s", w->session->machine.facts.substituted[i]);
    SIM_TRY(check_claim(w));
    sim_watch_scores(&w->watch, r->scores, r->score_count, w->result.steps);
    return sim_record_commit(r, w->session->out, w->session->fresh, NULL);
}

/* A run that could not be finished is a result too, for the table's readers and for those who start it again.
 * Ranks leave it to their launcher: after a failure they may not agree where they are. */
static void record_failure(struct sim_work *w, sim_status status)
{
    char why[sizeof((struct sim_recorded *)0)->reason];
    if (status == SIM_EINTERRUPT || w->session->ranks) return;
    snprintf(why, sizeof why, "%s", sim_error_text());
    w->record.status = "failed", w->record.reason = why, w->record.score_count = 0;
    if (record(w) != SIM_OK)
        sim_log("the failure of run %s could not be recorded: %s", w->run->folder, sim_error_text());
    sim_fail(status, "%s", why);
}

static void draw(const struct sim_work *w)
{
    const struct sim_run *run = w->run;
    if (!w->session->drawing || !w->result.epochs) return;
    if (w->session->drawing->run(w->session->records, run->experiment, run->name, run->config.seed,
                                 w->folder) != SIM_OK)
        sim_log("the plots of run %s could not be drawn: %s", run->folder, sim_error_text());
}

/* ------------------------------------------------------------------ the run */
static sim_status score_untrained(struct sim_work *w)
{
    return sim_work_score(w, "untrained");
}

static sim_status score_pretrained(struct sim_work *w)
{
    return sim_work_score(w, "pretrained");
}

static sim_status all_stages(struct sim_work *w)
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
    SIM_TRY(sim_work_open_objective(w));
    sim_work_describe_objective(w);
    w->watch = (struct sim_watch){.run = w->run,
                                  .images = &w->session->images.train,
                                  .folder = w->folder,
                                  .quiet = w->session->quiet,
                                  .writes = sim_ranks_first(ranks),
                                  .has_momentum = w->objective.cost.momentum_copies != 0};
    SIM_TRY(by_first(w, write_config));
    /* The weights are the seed's here, also when a checkpoint waits to be resumed. */
    SIM_TRY(by_first(w, score_untrained));
    if (sim_run_finetunes(c, 0)) SIM_TRY(sim_work_finetune(w, "untrained"));
    if (c->train.epochs > 0) {
        SIM_TRY(sim_work_train(w));
        SIM_TRY(sim_ranks_agree(ranks, sim_work_stopped(w) ? SIM_EINTERRUPT : SIM_OK));
    }
    if (strcmp(w->record.status, "ok") == 0) {
        if (c->train.epochs > 0) SIM_TRY(by_first(w, score_pretrained));
        SIM_TRY(sim_work_keep_encoder(w));
        if (sim_run_finetunes(c, 1)) SIM_TRY(sim_work_finetune(w, "pretrained"));
        SIM_TRY(by_first(w, write_encoder));
    }
    SIM_TRY(by_first(w, record));
    if (sim_ranks_first(ranks)) draw(w);
    return SIM_OK;
}

/* For whom it may concern while the run is at work, and after. */
static void tell_end(struct sim_work *w, sim_status status)
{
    const char *state = status == SIM_OK           ? w->record.status
                        : status == SIM_EINTERRUPT ? "interrupted"
                                                   : "failed";
    sim_run_status_end(&w->status, state, status == SIM_OK ? w->record.reason : sim_error_text());
}

/* Whatever went wrong in a folder that is another's by now (who removes what we were writing) is no failure
 * of the run; its status is the new owner's to write.  Of several ranks the others would not know. */
static int was_taken_over(struct sim_work *w, sim_status status)
{
    char why[2048];
    if (w->session->ranks) return 0;
    snprintf(why, sizeof why, "%s", sim_error_text());
    if (check_claim(w) != SIM_OK) return 1;
    sim_fail(status, "%s", why); /* looking may have had words of its own */
    return 0;
}

static sim_status begin_and_end(struct sim_work *w)
{
    if (w->claim) sim_run_status_begin(&w->status, w->folder);
    sim_status status = all_stages(w);
    if (status != SIM_OK && was_taken_over(w, status)) {
        status = SIM_EINTERRUPT;
        sim_log("%s", sim_error_text());
        sim_run_status_end(&w->status, NULL, NULL);
    } else {
        if (status != SIM_OK) record_failure(w, status);
        if (w->claim) tell_end(w, status);
    }
    sim_watch_end(&w->watch);
    return status;
}

sim_status sim_run_one(struct sim_session *s, const struct sim_run *run, enum sim_outcome *outcome)
{
    static const enum sim_outcome of_found[] = {[SIM_FOUND_DONE] = SIM_RUN_SKIPPED,
                                                [SIM_FOUND_DIVERGED] = SIM_RUN_DIVERGED,
                                                [SIM_FOUND_IN_OTHER_HANDS] = SIM_RUN_LEFT};
    struct sim_work *w = calloc(1, sizeof *w);
    if (!w) return sim_fail(SIM_ENOMEM, "no memory to start run %s", run->folder);
    w->session = s, w->run = run, w->started_s = sim_now_s();
    w->record = (struct sim_record){
        .run = run, .machine = &s->machine, .ranks = s->ranks, .status = "ok", .reason = ""};
    sim_machine_utc(w->record.started);
    sim_status status = find_out(w);
    if (status == SIM_OK && w->found == SIM_FOUND_IN_OTHER_HANDS)
        sim_session_say(s, "%s is left alone: another process is at work in this folder%s%s%s", run->folder,
                        w->who[0] ? " (" : "", w->who, w->who[0] ? ")" : "");
    else if (status == SIM_OK && w->found)
        sim_session_say(s, "%s is already recorded in %s%s", run->folder, s->records,
                        w->found == SIM_FOUND_DIVERGED ? ": it diverged" : "");
    else if (status == SIM_OK)
        status = begin_and_end(w);
    *outcome = w->found ? of_found[w->found] : strcmp(w->record.status, "ok") ? SIM_RUN_DIVERGED : SIM_RUN_OK;
    if (w->objective.close) w->objective.close(&w->objective);
    sim_params_close(&w->encoder);
    free(w->result.curve);
    sim_claim_release(&w->claim);
    free(w);
    return status;
}
