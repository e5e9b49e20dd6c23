/* MoCo-v3's step (method.md 3.2): from each view the online network is to tell, among the keys of all images
 * of the batch, the one that the momentum encoder made of the same image's other view. */
#include <stdlib.h>
#include <string.h>

#include "inputs.h"
#include "moco_v3_model.h"
#include "ranks.h"

/* ------------------------------------------------------------------ forward */

static sim_status load(void *self, const struct sim_batch *batch, int64_t epoch, int64_t *key)
{
    struct sim_moco_v3 *m = self;
    const struct sim_ops *o = m->ops;
    const int64_t side = m->vit.img_size;
    (void)epoch; /* nothing of the model is drawn */
    SIM_TRY(sim_inputs_size(batch, m->batch));
    SIM_TRY(sim_inputs_view(o, &m->view[0], m->staging[0], batch->view1, batch->jobs1, m->batch, side));
    SIM_TRY(sim_inputs_view(o, &m->view[1], m->staging[1], batch->view2, batch->jobs2, m->batch, side));
    for (int v = 0; v < SIM_MOCO_VIEWS; v++) /* each view passes every BatchNorm by itself */
        sim_params_count_batch(&m->params);
    *key = 0;
    return SIM_OK;
}

/* Both views to the projector's output (2 B, E). */
static sim_act *encode(struct sim_moco_v3 *m, struct sim_moco_encoder *e)
{
    const struct sim_ops *o = m->ops;
    const int64_t views = SIM_MOCO_VIEWS * m->batch, tokens = 1 + m->patches, d = m->vit.embed_dim;
    sim_act *x = sim_embedding_of_views(o, &m->params, &e->embedding, m->view, SIM_MOCO_VIEWS, m->batch);
    x = sim_stack_forward(o, &m->params, &e->blocks, x, views, tokens, NULL, NULL);
    o->take_rows(o, e->cls, x, views, tokens, 0, 1, d);
    x = sim_layernorm_forward(o, &m->params, &e->norm, e->cls, views, d);
    return sim_mlp_head_forward(o, &m->params, &e->head, x, SIM_MOCO_VIEWS, m->batch);
}

/* Activations by the reference's names: one view's half of a buffer (2 B, E). */
static void see_views(const struct sim_moco_v3 *m, const struct sim_trace *trace, const char *const names[],
                      sim_act *x)
{
    const int64_t shape[3] = {m->batch, 1, m->c.dim};
    for (int v = 0; trace && v < SIM_MOCO_VIEWS; v++)
        trace->see(trace->context, names[v], sim_acts_at(m->ops, x, v * m->batch * m->c.dim), shape);
}

/* Symmetric InfoNCE: queries of view 1 meet keys of view 2, those of view 2 keys of view 1.  Leaves the
 * gradient of q where the predictor's backward finds it. */
static void contrast(struct sim_moco_v3 *m, double *loss, const sim_act *q, sim_act *k)
{
    const struct sim_ops *o = m->ops;
    const int64_t b = m->batch, e = m->c.dim;
    o->unit_rows(o, m->queries, m->query_rstd, q, SIM_MOCO_VIEWS * b, e);
    o->unit_rows(o, m->keys, NULL, sim_acts_at(o, k, b * e), b, e);
    o->unit_rows(o, sim_acts_at(o, m->keys, b * e), NULL, k, b, e);
    o->info_nce(o, loss, m->d_queries, m->queries, m->keys, SIM_MOCO_VIEWS, b, e, m->c.temperature);
    o->unit_rows_backward(o, sim_mlp_head_gradient(&m->predictor), m->d_queries, m->queries, m->query_rstd,
                          SIM_MOCO_VIEWS * b, e);
}

/* ------------------------------------------------------------------ backward */

static void backward(struct sim_moco_v3 *m, const sim_act *projected)
{
    const struct sim_ops *o = m->ops;
    struct sim_params *p = &m->params;
    struct sim_moco_encoder *e = &m->online;
    const int64_t b = m->batch, views = SIM_MOCO_VIEWS * b, tokens = 1 + m->patches, d = m->vit.embed_dim;
    sim_mlp_head_backward(o, p, &m->predictor, sim_mlp_head_gradient(&e->head), projected, SIM_MOCO_VIEWS, b);
    sim_mlp_head_backward(o, p, &e->head, m->d_cls, e->norm.y, SIM_MOCO_VIEWS, b);
    sim_layernorm_backward(o, p, &e->norm, m->d_cls, e->cls, views, d);
    o->put_rows(o, m->d_tokens, m->d_cls, views, tokens, 0, 1, d);
    sim_stack_backward(o, p, &e->blocks, views, tokens, &m->scratch, m->d_tokens);
    sim_embedding_backward(o, p, &e->embedding, m->d_tokens, views, m->patches);
}

/* ------------------------------------------------------------------ the objective */

static void compute(void *self, struct sim_scalars *scalars, const struct sim_trace *trace)
{
    static const char *const of_queries[] = {"q1", "q2"}, *const of_keys[] = {"k1", "k2"};
    struct sim_moco_v3 *m = self;
    const struct sim_ops *o = m->ops;
    const sim_act *projected = encode(m, &m->online);
    sim_act *q = sim_mlp_head_forward(o, &m->params, &m->predictor, projected, SIM_MOCO_VIEWS, m->batch);
    see_views(m, trace, of_queries, q);
    o->ema(o, m->ema, m->ema_count, scalars); /* after the queries, with the weights before this step */
    sim_act *k = encode(m, &m->momentum);
    see_views(m, trace, of_keys, k);
    contrast(m, &scalars->loss, q, k);
    backward(m, projected);
}

static void close_objective(struct sim_objective *o)
{
    struct sim_moco_v3 *m = o->self;
    if (!m) return;
    sim_stack_close(&m->online.blocks), sim_stack_close(&m->momentum.blocks);
    sim_params_close(&m->params);
    sim_arena_close(&m->arena);
    free(m->ema);
    free(m);
    memset(o, 0, sizeof *o);
}

static sim_status build(struct sim_moco_v3 *m, uint64_t seed, struct sim_cost *cost)
{
    const int64_t keys = m->batch * sim_ranks_size(m->ops->ranks);
    if (keys < 2)
        return sim_fail(
            SIM_EINVAL,
            "train.batch_size: moco_v3 tells images of a batch apart, so that 1 image is too few");
    sim_moco_v3_add_rows(m);
    sim_arena_measure(&m->arena);
    SIM_TRY(sim_moco_v3_plan(m));
    *cost = sim_moco_v3_count(m, keys);
    SIM_TRY(sim_params_allocate(&m->params, m->ops, 1));
    SIM_TRY(sim_arena_open(&m->arena, &m->ops->memory, m->arena.used_bytes));
    SIM_TRY(sim_moco_v3_plan(m));
    SIM_TRY(sim_params_initialise(&m->params, seed));
    return sim_params_momentum(&m->params, &m->ema, &m->ema_count);
}

sim_status sim_moco_v3_open(struct sim_objective *out, const struct sim_ops *ops,
                            const struct sim_vit_config *vit, const struct sim_moco_v3_config *c,
                            int64_t batch_size, uint64_t seed)
{
    struct sim_moco_v3 *m = calloc(1, sizeof *m);
    if (!m) return sim_fail(SIM_ENOMEM, "no memory for a model");
    *out = (struct sim_objective){.self = m,
                                  .name = "moco_v3",
                                  .ops = ops,
                                  .params = &m->params,
                                  .batch_size = batch_size,
                                  .momentum = c->momentum,
                                  .momentum_constant =
                                      sim_momentum_is_constant(c->momentum, c->momentum_schedule),
                                  .load = load,
                                  .compute = compute,
                                  .close = close_objective};
    sim_status s = sim_moco_v3_describe(m, vit, c, batch_size);
    m->ops = ops;
    if (s == SIM_OK) s = build(m, seed, &out->cost);
    if (s != SIM_OK) close_objective(out);
    return s;
}
