/* A run's objective, from its first weights to those that are kept. */
#include "run_work.h"

#include <string.h>

#include "damaged.h"
#include "progress.h"

sim_status sim_work_open_objective(struct sim_work *w)
{
    const struct sim_run_config *c = &w->run->config;
    const struct sim_ranks *ranks = w->session->ranks;
    struct sim_pretrain_job job;
    SIM_TRY(sim_run_config_job(c, c->train.batch_size / sim_ranks_size(ranks), &job));
    return sim_ranks_agree(
        ranks,
        sim_objective_kind_of(&c->pretrain)->open(&w->objective, &w->session->ops, &job, (uint64_t)c->seed));
}

void sim_work_describe_objective(struct sim_work *w)
{
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
}

/* Damaged images that were passed over, each noted once, whichever rank came upon it; and counted, where no
 * score does that. */
static sim_status count_skipped(struct sim_work *w, const struct sim_source *source, int count)
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

sim_status sim_work_train(struct sim_work *w)
{
    const struct sim_run_config *c = &w->run->config;
    const struct sim_ranks *ranks = w->session->ranks;
    struct sim_source source;
    if (!w->objective.self) SIM_TRY(sim_work_open_objective(w));
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

sim_status sim_work_keep_encoder(struct sim_work *w)
{
    if (!w->objective.self) return SIM_OK;
    sim_params_close(&w->encoder);
    SIM_TRY(sim_ranks_agree(w->session->ranks, sim_params_copy_encoder(&w->encoder, w->objective.params)));
    w->objective.close(&w->objective);
    return SIM_OK;
}
