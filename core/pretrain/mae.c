/* MAE's step (method.md 3.1): the encoder sees the visible patches alone; a narrow decoder sees them back in
 * their places among mask tokens and predicts the pixels of the hidden ones. */
#include "mae_model.h"

#include <stdlib.h>
#include <string.h>

#include "drop_path.h"
#include "inputs.h"
#include "parts.h"

/* ------------------------------------------------------------------ the batch */

/* Where each patch finds its token among the encoder's: 1 + its number among the visible, 0 where hidden. */
static void fill_places(struct sim_mae *m)
{
    memset(m->host_place, 0, (size_t)(m->batch * m->patches) * sizeof *m->host_place);
    for (int64_t n = 0; n < m->batch * m->visible; n++)
        m->host_place[n / m->visible * m->patches + m->host_index[n]] = (int32_t)(1 + n % m->visible);
}

static sim_status load(void *self, const struct sim_batch *batch, int64_t epoch, int64_t *key)
{
    struct sim_mae *m = self;
    const struct sim_ops *o = m->ops;
    const size_t size = (size_t)m->batch;
    int64_t visible;
    SIM_TRY(sim_inputs_size(batch, m->batch));
    SIM_TRY(sim_inputs_visible(m->host_index, &visible, batch->mask, m->batch, m->patches, m->visible));
    if (visible != m->visible)
        return sim_fail(SIM_EINVAL, "the masks leave %ld patches visible; this model is planned for %ld",
                        (long)visible, (long)m->visible);
    fill_places(m);
    if (m->host_keep) sim_drop_path_draw(m->host_keep, &m->vit, m->seed, epoch, batch->index, m->batch);
    SIM_TRY(
        sim_inputs_view(o, &m->view, m->staging.view, batch->view1, batch->jobs1, m->batch, m->vit.img_size));
    m->index = o->stage(o, m->staging.index, m->host_index, size * (size_t)m->visible * sizeof *m->index);
    m->place = o->stage(o, m->staging.place, m->host_place, size * (size_t)m->patches * sizeof *m->place);
    if (m->host_keep)
        sim_drop_path_place(
            &m->encoder,
            o->stage(o, m->staging.keep, m->host_keep, 2 * (size_t)m->vit.depth * size * sizeof(float)), 1,
            m->batch); /* the first block's rate is 0 */
    sim_params_count_batch(&m->params);
    *key = 0;
    return SIM_OK;
}

/* ------------------------------------------------------------------ forward */

/* Visible patches to the encoder's last block: (B, 1 + V, D). */
static const sim_act *encode(struct sim_mae *m, const struct sim_trace *trace)
{
    sim_act *x =
        sim_embedding_forward(m->ops, &m->params, &m->embedding, m->view, m->index, m->batch, m->visible);
    return sim_parts_stack(m->ops, &m->params, &m->encoder, x, m->batch, 1 + m->visible, trace,
                           "encoder.blocks");
}

/* Its norm, and the decoder: m->pred (B, L, K).  The class token helps the decoder and is dropped behind it.
 */
static void decode(struct sim_mae *m, const sim_act *encoded, const struct sim_trace *trace)
{
    const struct sim_ops *o = m->ops;
    const struct sim_params *p = &m->params;
    const int64_t seen = m->batch * (1 + m->visible), rows = m->batch * m->patches, d = m->vit.embed_dim,
                  dd = m->c.decoder_embed_dim;
    const sim_act *x = sim_layernorm_forward(o, p, &m->norm, encoded, seen, d);
    o->linear(o, m->z, x, sim_value(p, m->decoder_embed.w), sim_value(p, m->decoder_embed.b), seen, d, dd);
    o->restore_tokens(o, m->restored, m->z, sim_value(p, m->decoder_pos), m->place,
                      sim_value(p, m->mask_token), m->batch, m->visible, m->patches, dd);
    x = sim_parts_stack(o, &m->params, &m->decoder, m->restored, m->batch, 1 + m->patches, trace,
                        "decoder.blocks");
    o->take_rows(o, m->decoded, x, m->batch, 1 + m->patches, 1, m->patches, dd);
    x = sim_layernorm_forward(o, p, &m->decoder_norm, m->decoded, rows, dd);
    o->linear(o, m->pred, x, sim_value(p, m->decoder_pred.w), sim_value(p, m->decoder_pred.b), rows, dd,
              m->pixels);
}

/* Leaves the gradient in m->pred's place.  The target stands nowhere, unless someone looks. */
static void loss_and_gradient(struct sim_mae *m, double *loss, const struct sim_trace *trace)
{
    const struct sim_ops *o = m->ops;
    const struct sim_memory *memory = &o->memory;
    const int64_t shape[3] = {m->batch, m->patches, m->pixels}, count = shape[0] * shape[1] * shape[2];
    sim_act *target = trace ? memory->take(memory->context, (size_t)count * o->act_bytes) : NULL;
    if (trace) trace->see(trace->context, "pred", m->pred, shape);
    o->pixel_loss(o, loss, m->pred, target, m->pred, m->view, m->place, m->batch, m->vit.img_size,
                  m->vit.patch_size, m->hidden, m->c.norm_pix_loss);
    if (!target) return;
    trace->see(trace->context, "target", target, shape);
    memory->release(memory->context, target);
}

/* ------------------------------------------------------------------ backward */

static void backward(struct sim_mae *m, const sim_act *encoded)
{
    const struct sim_ops *o = m->ops;
    struct sim_params *p = &m->params;
    const int64_t batch = m->batch, visible = m->visible, l = m->patches, d = m->vit.embed_dim,
                  dd = m->c.decoder_embed_dim;
    sim_linear_backward(o, p, &m->decoder_pred, m->d_decoded, m->pred, m->decoder_norm.y, batch * l, dd,
                        m->pixels);
    sim_layernorm_backward(o, p, &m->decoder_norm, m->d_decoded, m->decoded, batch * l, dd);
    o->put_rows(o, m->d_restored, m->d_decoded, batch, 1 + l, 1, l, dd);
    sim_stack_backward(o, p, &m->decoder, batch, 1 + l, &m->scratch, m->d_restored);
    o->restore_tokens_backward(o, m->d_z, sim_gradient(p, m->mask_token), m->d_restored, m->index, m->place,
                               batch, visible, l, dd);
    sim_gradients_ready(p, m->mask_token, m->mask_token);
    sim_linear_backward(o, p, &m->decoder_embed, m->d_tokens, m->d_z, m->norm.y, batch * (1 + visible), d,
                        dd);
    sim_layernorm_backward(o, p, &m->norm, m->d_tokens, encoded, batch * (1 + visible), d);
    sim_stack_backward(o, p, &m->encoder, batch, 1 + visible, &m->scratch, m->d_tokens);
    sim_embedding_backward(o, p, &m->embedding, m->d_tokens, batch, visible);
}

/* ------------------------------------------------------------------ the objective */

static void compute(void *self, struct sim_scalars *scalars, const struct sim_trace *trace)
{
    struct sim_mae *m = self;
    const sim_act *encoded = encode(m, trace);
    decode(m, encoded, trace);
    loss_and_gradient(m, &scalars->loss, trace);
    backward(m, encoded);
}

static void close_objective(struct sim_objective *o)
{
    struct sim_mae *m = o->self;
    if (!m) return;
    sim_stack_close(&m->encoder), sim_stack_close(&m->decoder);
    sim_params_close(&m->params);
    sim_arena_close(&m->arena);
    free(m->host_index), free(m->host_place), free(m->host_keep);
    free(m);
    memset(o, 0, sizeof *o);
}

static sim_status build(struct sim_mae *m, struct sim_cost *cost)
{
    const size_t batch = (size_t)m->batch;
    sim_mae_add_rows(m);
    sim_arena_measure(&m->arena);
    SIM_TRY(sim_mae_plan(m));
    *cost = sim_mae_count(m);
    m->host_index = calloc(batch * (size_t)m->visible, sizeof *m->host_index);
    m->host_place = calloc(batch * (size_t)m->patches, sizeof *m->host_place);
    if (m->vit.drop_path_rate > 0)
        m->host_keep = calloc(2 * (size_t)m->vit.depth * batch, sizeof *m->host_keep);
    if (!m->host_index || !m->host_place || (m->vit.drop_path_rate > 0 && !m->host_keep))
        return sim_fail(SIM_ENOMEM, "no memory for the batch of %ld images", (long)m->batch);
    SIM_TRY(sim_params_allocate(&m->params, m->ops, 1));
    SIM_TRY(sim_arena_open(&m->arena, &m->ops->memory, m->arena.used_bytes));
    SIM_TRY(sim_mae_plan(m));
    return sim_params_initialise(&m->params, m->seed);
}

sim_status sim_mae_open(struct sim_objective *out, const struct sim_ops *ops,
                        const struct sim_vit_config *vit, const struct sim_mae_config *c, int64_t batch_size,
                        int64_t hidden, uint64_t seed)
{
    struct sim_mae *m = calloc(1, sizeof *m);
    if (!m) return sim_fail(SIM_ENOMEM, "no memory for a model");
    *out = (struct sim_objective){.self = m,
                                  .name = "mae",
                                  .ops = ops,
                                  .params = &m->params,
                                  .batch_size = batch_size,
                                  .momentum_constant = 1, /* and 0: there is no momentum network */
                                  .load = load,
                                  .compute = compute,
                                  .close = close_objective};
    sim_status s = sim_mae_describe(m, vit, c, batch_size, hidden);
    m->ops = ops, m->seed = seed;
    if (s == SIM_OK) s = build(m, &out->cost);
    if (s != SIM_OK) close_objective(out);
    return s;
}
