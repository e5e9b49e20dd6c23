/* SiameseIM's step (method.md 1.7, 1.8): the online network predicts from the visible patches of view 1 what
 * the momentum network sees in view 2. */
#include "siameseim_model.h"

#include <stdlib.h>
#include <string.h>

#include "drop_path.h"
#include "inputs.h"
#include "parts.h"

#define TEACHER_EPS 1e-5 /* LayerNorm without affine on targets, and on predictions with online_ln */

static sim_act *run_stack(struct sim_siameseim *m, struct sim_stack *s, sim_act *x, int64_t tokens,
                          const struct sim_trace *trace, const char *name)
{
    return sim_parts_stack(m->ops, &m->params, s, x, m->batch, tokens, trace, name);
}

/* ------------------------------------------------------------------ forward */

static sim_status load(void *self, const struct sim_batch *batch, int64_t epoch, int64_t *key)
{
    struct sim_siameseim *m = self;
    const struct sim_ops *o = m->ops;
    const size_t size = (size_t)m->batch;
    const int64_t side = m->vit.img_size;
    SIM_TRY(sim_inputs_size(batch, m->batch));
    SIM_TRY(
        sim_inputs_visible(m->host_index, &m->visible, batch->mask, m->batch, m->patches, m->max_visible));
    if (m->host_keep) sim_drop_path_draw(m->host_keep, &m->vit, m->seed, epoch, batch->index, m->batch);
    SIM_TRY(sim_inputs_view(o, &m->view1, m->staging.view1, batch->view1, batch->jobs1, m->batch, side));
    SIM_TRY(sim_inputs_view(o, &m->view2, m->staging.view2, batch->view2, batch->jobs2, m->batch, side));
    m->geometry = o->stage(o, m->staging.geometry, batch->geometry, size * 6 * sizeof(float));
    m->index = o->stage(o, m->staging.index, m->host_index, size * (size_t)m->visible * sizeof *m->index);
    if (m->host_keep)
        sim_drop_path_place(
            &m->online.blocks,
            o->stage(o, m->staging.keep, m->host_keep, 2 * (size_t)m->vit.depth * size * sizeof(float)), 1,
            m->batch); /* the first block's rate is 0 */
    sim_params_count_batch(&m->params);
    *key = m->visible;
    return SIM_OK;
}

/* Images to projector output (B, 1 + taken, Dd). */
static sim_act *run_branch(struct sim_siameseim *m, struct sim_branch *b, const float *images,
                           const int32_t *index, int64_t taken, const struct sim_trace *trace,
                           const char *blocks, const char *projector)
{
    sim_act *x = sim_embedding_forward(m->ops, &m->params, &b->embedding, images, index, m->batch, taken);
    x = run_stack(m, &b->blocks, x, 1 + taken, trace, blocks);
    m->ops->linear(m->ops, b->z0, x, sim_value(&m->params, b->decoder_embed.w),
                   sim_value(&m->params, b->decoder_embed.b), m->batch * (1 + taken), m->vit.embed_dim,
                   m->c.decoder_embed_dim);
    return run_stack(m, &b->projector, b->z0, 1 + taken, trace, projector);
}

/* Predictor input, blocks and decoder_pred on the rows that are asked for. */
static void predict(struct sim_siameseim *m, const sim_act *z, const struct sim_trace *trace)
{
    static const enum sim_features_mode modes[] = {SIM_FEATURES_FULL, SIM_FEATURES_NO_SCALE,
                                                   SIM_FEATURES_NONE};
    const struct sim_ops *o = m->ops;
    const struct sim_params *p = &m->params;
    const int64_t l = m->patches, dd = m->c.decoder_embed_dim, all = 1 + m->visible + l;
    o->relative_features(o, m->features, m->geometry, m->batch, m->grid, dd, modes[m->c.relative_position]);
    o->linear(o, m->place, m->features, sim_value(p, m->decoder_pos_mlp.w),
              sim_value(p, m->decoder_pos_mlp.b), m->batch * l, 2 * dd, dd);
    o->join_queries(o, m->joined, z, sim_value(p, m->decoder_pos), m->index, sim_value(p, m->mask_token),
                    m->place, m->batch, m->visible, l, dd);
    const sim_act *x = run_stack(m, &m->predictor, m->joined, all, trace, "online.predictor");
    o->take_rows(o, m->queries, x, m->batch, all, 1 + m->visible, l, dd);
    o->linear(o, m->pred, m->queries, sim_value(p, m->decoder_pred.w), sim_value(p, m->decoder_pred.b),
              m->batch * l, dd, dd);
    if (m->c.online_ln)
        o->layernorm(o, m->normed, m->normed_mean, m->normed_rstd, m->pred, NULL, NULL, m->batch * l, dd,
                     TEACHER_EPS);
}

static void make_goal(struct sim_siameseim *m, const struct sim_trace *trace)
{
    const struct sim_ops *o = m->ops;
    const int64_t l = m->patches, dd = m->c.decoder_embed_dim;
    const sim_act *z =
        run_branch(m, &m->target, m->view2, NULL, l, trace, "target.blocks", "target.projector");
    o->take_rows(o, m->goal, z, m->batch, 1 + l, 1, l, dd);
    if (m->c.target_norm == SIM_TARGET_LN)
        o->layernorm(o, m->goal, NULL, NULL, m->goal, NULL, NULL, m->batch * l, dd, TEACHER_EPS);
}

/* Row-wise dense UniGrad; leaves the gradient with respect to m->pred in m->d_pred. */
static void loss_and_gradient(struct sim_siameseim *m, double *loss)
{
    const struct sim_ops *o = m->ops;
    const int64_t l = m->patches, dd = m->c.decoder_embed_dim;
    const int global = m->c.loss == SIM_LOSS_GLOBAL;
    const sim_act *p = m->c.online_ln ? m->normed : m->pred, *t = m->goal;
    int64_t rows = m->batch * l;
    sim_act *d = m->d_pred;
    if (global) {
        o->mean_rows(o, m->pooled, p, m->batch, l, 0, l, dd);
        o->mean_rows(o, m->pooled_goal, t, m->batch, l, 0, l, dd);
        p = m->pooled, t = m->pooled_goal, d = m->d_pooled, rows = m->batch;
    }
    o->covariance(o, m->covariance, t, rows, dd);
    o->unigrad(o, loss, d, p, t, m->covariance, rows, dd, m->c.neg_weight);
    if (global) o->mean_rows_backward(o, m->d_pred, m->d_pooled, m->batch, l, dd);
    if (m->c.online_ln)
        o->layernorm_backward(o, m->d_pred, 0, NULL, NULL, m->d_pred, m->pred, m->normed_mean, m->normed_rstd,
                              NULL, m->batch * l, dd);
}

/* ------------------------------------------------------------------ backward */

static void backward(struct sim_siameseim *m, const sim_act *encoded)
{
    const struct sim_ops *o = m->ops;
    const int64_t batch = m->batch, visible = m->visible, l = m->patches, d = m->vit.embed_dim,
                  dd = m->c.decoder_embed_dim;
    sim_linear_backward(o, &m->params, &m->decoder_pred, m->d_queries, m->d_pred, m->queries, batch * l, dd,
                        dd);
    o->put_rows(o, m->d_joined, m->d_queries, batch, 1 + visible + l, 1 + visible, l, dd);
    sim_stack_backward(o, &m->params, &m->predictor, batch, 1 + visible + l, &m->scratch, m->d_joined);
    o->join_queries_backward(o, m->d_z, sim_gradient(&m->params, m->mask_token), m->d_place, m->d_joined,
                             batch, visible, l, dd);
    sim_gradients_ready(&m->params, m->mask_token, m->mask_token);
    sim_linear_backward(o, &m->params, &m->decoder_pos_mlp, NULL, m->d_place, m->features, batch * l, 2 * dd,
                        dd);
    sim_stack_backward(o, &m->params, &m->online.projector, batch, 1 + visible, &m->scratch, m->d_z);
    sim_linear_backward(o, &m->params, &m->online.decoder_embed, m->d_tokens, m->d_z, encoded,
                        batch * (1 + visible), d, dd);
    sim_stack_backward(o, &m->params, &m->online.blocks, batch, 1 + visible, &m->scratch, m->d_tokens);
    sim_embedding_backward(o, &m->params, &m->online.embedding, m->d_tokens, batch, visible);
}

/* ------------------------------------------------------------------ the objective */

static void compute(void *self, struct sim_scalars *scalars, const struct sim_trace *trace)
{
    struct sim_siameseim *m = self;
    const struct sim_ops *o = m->ops;
    const sim_act *z =
        run_branch(m, &m->online, m->view1, m->index, m->visible, trace, "online.blocks", "online.projector");
    predict(m, z, trace);
    o->ema(o, m->ema, m->ema_count,
           scalars); /* quirk 6: after the online forward, with the weights before this step */
    make_goal(m, trace);
    if (trace) {
        const int64_t shape[3] = {m->batch, m->patches, m->c.decoder_embed_dim};
        trace->see(trace->context, "pred", m->pred, shape);
        trace->see(trace->context, "target", m->goal, shape);
    }
    loss_and_gradient(m, &scalars->loss);
    const struct sim_stack *blocks = &m->online.blocks;
    backward(m, blocks->saved[blocks->depth - 1].z);
}

static void close_objective(struct sim_objective *o)
{
    struct sim_siameseim *m = o->self;
    if (!m) return;
    sim_stack_close(&m->online.blocks), sim_stack_close(&m->online.projector), sim_stack_close(&m->predictor);
    sim_stack_close(&m->target.blocks), sim_stack_close(&m->target.projector);
    sim_params_close(&m->params);
    sim_arena_close(&m->arena);
    free(m->ema), free(m->host_index), free(m->host_keep);
    free(m);
    memset(o, 0, sizeof *o);
}

static sim_status build(struct sim_siameseim *m, struct sim_cost *cost)
{
    sim_siameseim_add_rows(m);
    sim_arena_measure(&m->arena);
    SIM_TRY(sim_siameseim_plan(m));
    *cost = sim_siameseim_count(m, m->max_visible);
    m->host_index = calloc((size_t)(m->batch * m->max_visible), sizeof *m->host_index);
    if (m->vit.drop_path_rate > 0)
        m->host_keep = calloc((size_t)(2 * m->vit.depth * m->batch), sizeof *m->host_keep);
    if (!m->host_index || (m->vit.drop_path_rate > 0 && !m->host_keep))
        return sim_fail(SIM_ENOMEM, "no memory for the batch of %ld images", (long)m->batch);
    SIM_TRY(sim_params_allocate(&m->params, m->ops, 1));
    SIM_TRY(sim_arena_open(&m->arena, &m->ops->memory, m->arena.used_bytes));
    SIM_TRY(sim_siameseim_plan(m));
    SIM_TRY(sim_params_initialise(&m->params, m->seed));
    return sim_params_momentum(&m->params, &m->ema, &m->ema_count);
}

sim_status sim_siameseim_open(struct sim_objective *out, const struct sim_ops *ops,
                              const struct sim_vit_config *vit, const struct sim_siameseim_config *c,
                              int64_t batch_size, int64_t max_visible, uint64_t seed)
{
    struct sim_siameseim *m = calloc(1, sizeof *m);
    if (!m) return sim_fail(SIM_ENOMEM, "no memory for a model");
    *out = (struct sim_objective){.self = m,
                                  .name = "siameseim",
                                  .ops = ops,
                                  .params = &m->params,
                                  .batch_size = batch_size,
                                  .momentum = c->momentum,
                                  .momentum_constant =
                                      sim_momentum_is_constant(c->momentum, c->momentum_schedule),
                                  .load = load,
                                  .compute = compute,
                                  .close = close_objective};
    sim_status s = sim_siameseim_describe(m, vit, c, batch_size, max_visible);
    m->ops = ops, m->seed = seed;
    if (s == SIM_OK) s = build(m, &out->cost);
    if (s != SIM_OK) close_objective(out);
    return s;
}
