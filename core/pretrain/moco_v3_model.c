/* Construction: the table's rows in the public checkpoint's order, the plan of memory, the cost. */
#include "moco_v3_model.h"

#include <stdio.h>
#include <string.h>

#include "parts.h"

sim_status sim_moco_v3_describe(struct sim_moco_v3 *m, const struct sim_vit_config *vit,
                                const struct sim_moco_v3_config *c, int64_t batch)
{
    memset(m, 0, sizeof *m);
    SIM_TRY(sim_moco_v3_config_check(c, vit, 0));
    m->vit = *vit, m->c = *c, m->batch = batch;
    const int64_t grid = vit->img_size / vit->patch_size;
    m->patches = grid * grid;
    return batch >= 1 ? SIM_OK : sim_fail(SIM_EINVAL, "MoCo-v3: a batch of %ld images", (long)batch);
}

/* ------------------------------------------------------------------ rows */

/* Query, key and value matrices are drawn one by one, though they lie in one (3 D, D): bound sqrt(6 / (2 D)).
 */
static void draw_apart(struct sim_params *p, const struct sim_stack *blocks)
{
    for (int i = 0; i < blocks->depth; i++) {
        struct sim_param *qkv = &p->row[blocks->rows[i].qkv_w];
        qkv->init = SIM_INIT_FAN_IN;
        qkv->init_value = (double)blocks->shape.dim / 3;
    }
}

static void encoder_rows(struct sim_moco_v3 *m, struct sim_moco_encoder *e, const struct sim_moco_encoder *of,
                         const char *prefix)
{
    struct sim_params *p = &m->params;
    const int64_t d = m->vit.embed_dim, sizes[] = {d, m->c.mlp_dim, m->c.mlp_dim, m->c.dim};
    const int trained = of ? 0 : SIM_ROW_TRAINED;
    const struct sim_block_shape block = {d, m->vit.num_heads, d * m->vit.mlp_ratio, SIM_BLOCK_LN};
    char name[64];
#define NAME(of_prefix) (snprintf(name, sizeof name, "%s." of_prefix, prefix), name)
    e->embedding = (struct sim_embedding){.img_size = m->vit.img_size,
                                          .patch_size = m->vit.patch_size,
                                          .grid = m->vit.img_size / m->vit.patch_size,
                                          .patches = m->patches,
                                          .dim = d};
    e->embedding.cls = sim_token_add(p, trained, of ? of->embedding.cls : -1, d, NAME("cls_token"));
    e->embedding.pos = sim_positions_add(p, SIM_ROWS_FIRST, m->patches, d, NAME("pos_embed"));
    sim_patch_embed_add(p, &e->embedding, m->c.train_patch_embed ? trained : 0, of ? &of->embedding : NULL,
                        NAME("patch_embed"));
    sim_stack_add(&e->blocks, p, &block, (int)m->vit.depth, trained, m->vit.init_values,
                  of ? &of->blocks : NULL, NAME("blocks"));
    sim_layernorm_add(&e->norm, p, trained, of ? &of->norm : NULL, d, NAME("norm"));
    sim_mlp_head_add(&e->head, p, trained, of ? &of->head : NULL, sizes, 3, NAME("head"));
#undef NAME
    if (p->failed) return;
    p->row[e->embedding.cls].init_value = 1e-6;
    p->row[e->embedding.b].init = SIM_INIT_CONSTANT, p->row[e->embedding.b].init_value = 0;
    draw_apart(p, &e->blocks);
}

void sim_moco_v3_add_rows(struct sim_moco_v3 *m)
{
    struct sim_params *p = &m->params;
    const int64_t sizes[] = {m->c.dim, m->c.mlp_dim, m->c.dim};
    sim_params_start(p);
    p->encoder = "base_encoder.";
    encoder_rows(m, &m->online, NULL, "base_encoder");
    encoder_rows(m, &m->momentum, &m->online, "momentum_encoder");
    sim_mlp_head_add(&m->predictor, p, SIM_ROW_TRAINED, NULL, sizes, 2, "predictor");
    for (int r = 0; r < p->count; r++) /* the official optimiser decays every tensor, biases and norms too */
        if (p->row[r].flags & SIM_ROW_TRAINED) p->row[r].flags |= SIM_ROW_DECAYED;
}

/* ------------------------------------------------------------------ memory */

static sim_status plan_encoder(struct sim_moco_v3 *m, struct sim_moco_encoder *e, int training)
{
    struct sim_arena *a = &m->arena;
    const struct sim_ops *o = m->ops;
    const int64_t views = SIM_MOCO_VIEWS * m->batch;
    sim_embedding_plan(&e->embedding, o, a, views, m->patches);
    SIM_TRY(sim_stack_plan(&e->blocks, o, a, views, 1 + m->patches, training, 0));
    e->cls = sim_arena_acts(a, o, views * m->vit.embed_dim);
    sim_layernorm_plan(&e->norm, o, a, views, m->vit.embed_dim, training);
    sim_mlp_head_plan(&e->head, o, a, SIM_MOCO_VIEWS, m->batch, training);
    return SIM_OK;
}

sim_status sim_moco_v3_plan(struct sim_moco_v3 *m)
{
    struct sim_arena *a = &m->arena;
    const struct sim_ops *o = m->ops;
    const int64_t views = SIM_MOCO_VIEWS * m->batch, tokens = 1 + m->patches, d = m->vit.embed_dim;
    for (int v = 0; v < SIM_MOCO_VIEWS; v++)
        m->staging[v] =
            sim_arena_staging(a, o, m->batch * 3 * m->vit.img_size * m->vit.img_size, sizeof(float));
    SIM_TRY(plan_encoder(m, &m->online, 1));
    sim_mlp_head_plan(&m->predictor, o, a, SIM_MOCO_VIEWS, m->batch, 1);
    m->queries = sim_arena_acts(a, o, views * m->c.dim);
    m->keys = sim_arena_acts(a, o, views * m->c.dim);
    m->query_rstd = sim_arena_floats(a, views);
    m->d_queries = sim_arena_acts(a, o, views * m->c.dim);

    /* The momentum encoder's activations are dead once the keys are made, and only then do the gradients
     * live: one place for both. */
    size_t mark = a->used_bytes;
    SIM_TRY(plan_encoder(m, &m->momentum, 0));
    size_t momentum_end = a->used_bytes;
    a->used_bytes = mark;
    m->d_cls = sim_arena_acts(a, o, views * d);
    m->d_tokens = sim_arena_acts(a, o, views * tokens * d);
    sim_block_scratch_plan(&m->scratch, o, a, views * tokens, d, d * m->vit.mlp_ratio);
    if (a->used_bytes < momentum_end) a->used_bytes = momentum_end;
    return a->failed ? sim_fail(SIM_ENOMEM, "MoCo-v3: the activations do not fit into one block") : SIM_OK;
}

/* ------------------------------------------------------------------ cost */

/* Forward once, backward twice, of the online network; the patch embedding needs no input gradient, the keys
 * no gradient at all. */
struct sim_cost sim_moco_v3_count(const struct sim_moco_v3 *m, int64_t keys)
{
    const int64_t pixels = 3 * m->vit.patch_size * m->vit.patch_size;
    struct sim_cost cost = sim_parts_cost(&m->params);
    const double encoder = (double)m->vit.depth * sim_block_flop(&m->online.blocks.shape, 1 + m->patches) +
                           sim_mlp_head_flop(&m->online.head),
                 patches = sim_parts_linear_flop(m->patches, pixels, m->vit.embed_dim);
    const double one_view = 3 * (encoder + sim_mlp_head_flop(&m->predictor)) +
                            (m->c.train_patch_embed ? 2 : 1) * patches + encoder + patches +
                            2 * sim_parts_linear_flop(1, m->c.dim, keys);
    cost.flop_per_image = SIM_MOCO_VIEWS * one_view;
    cost.activation_bytes = (int64_t)m->arena.used_bytes;
    return cost;
}

sim_status sim_moco_v3_cost(struct sim_cost *out, const struct sim_vit_config *vit,
                            const struct sim_moco_v3_config *c, int64_t batch_size, size_t act_bytes)
{
    struct sim_moco_v3 m;
    const struct sim_ops measuring = {.act_bytes = act_bytes, .discrete = act_bytes < sizeof(float)};
    SIM_TRY(sim_moco_v3_describe(&m, vit, c, batch_size));
    m.ops = &measuring;
    sim_moco_v3_add_rows(&m);
    sim_arena_measure(&m.arena);
    sim_status s = sim_moco_v3_plan(&m);
    *out = sim_moco_v3_count(&m, batch_size);
    sim_stack_close(&m.online.blocks), sim_stack_close(&m.momentum.blocks);
    sim_params_close(&m.params);
    return s;
}
