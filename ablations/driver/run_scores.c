/* A run's scores: of its encoder as it is, and fine-tuned. */
#include "run_work.h"

#include <string.h>

#include "finetune.h"
#include "robustness.h"
#include "shift_sets.h"

/* Opens the sets that this rank scores with.  Training images may be shown in every epoch, and are kept in
 * memory; validation images only where they, too, are `seen_often`. */
static sim_status open_labelled(struct sim_work *w, struct sim_labelled *train, struct sim_labelled *val,
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

static void keep_scores(struct sim_work *w, const char *encoder_name, const struct sim_score *scores,
                        int count)
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
static sim_status open_shifted(struct sim_work *w, int finetuned, struct sim_shifted *out)
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

sim_status sim_work_score(struct sim_work *w, const char *encoder_name)
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
    if (status == SIM_OK && sim_work_stopped(w)) return SIM_EINTERRUPT;
    return status == SIM_OK ? SIM_OK : sim_context(status, "scoring the %s encoder", encoder_name);
}

/* What the network that fine-tuning left says of corrupted and other images. */
static sim_status score_finetuned(struct sim_work *w, const char *encoder_name,
                                  const struct sim_labelled *train)
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
    sim_status status = sim_work_path(path, w->folder, name);
    if (status == SIM_OK) /* weights that are only scored stay where they came from */
        status = sim_finetuned_open(&labeller, &w->session->ops, &c->model, train->classes,
                                    c->eval.batch_size, c->finetune.epochs ? path : c->finetune.encoder);
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

sim_status sim_work_finetune(struct sim_work *w, const char *encoder_name)
{
    const struct sim_run_config *c = &w->run->config;
    struct sim_labelled train = {0}, val = {0};
    struct sim_score score;
    int64_t skipped = 0;
    const struct sim_ranks *ranks = w->session->ranks;
    const int first = sim_ranks_first(ranks);
    SIM_TRY(sim_work_keep_encoder(w));
    sim_status status = sim_ranks_agree(ranks, open_labelled(w, &train, &val, 1));
    if (status == SIM_OK)
        status = sim_score_finetune(
            &(struct sim_finetune_job){.ops = &w->session->ops,
                                       .vit = &c->model,
                                       .encoder = &w->encoder,
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
