/* Construction: the table's rows in the public checkpoint's order (method.md 1.2), the plan of memory, the
 * cost. */
#include "siameseim_model.h"

#include <string.h>

#include "parts.h"

sim_status sim_siameseim_describe(struct sim_siameseim *m, const struct sim_vit_config *vit,
                                  const struct sim_siameseim_config *c, int64_t batch, int64_t max_visible)
{
    memset(m, 0, sizeof *m);
    SIM_TRY(sim_siameseim_config_check(c, vit));
    m->vit = *vit, m->c = *c, m->batch = batch, m->max_visible = max_visible;
    m->grid = vit->img_size / vit->patch_size;
    m->patches = m->grid * m->grid;
    if (batch < 1 || max_visible < 1 || max_visible > m->patches)
        return sim_fail(
            SIM_EINVAL,
            "SiameseIM: %ld images of %ld visible patches; need at least 1 image and 1 to %ld patches",
            (long)batch, (long)max_visible, (long)m->patches);
    return SIM_OK;
}

/* ------------------------------------------------------------------ rows */

void sim_siameseim_add_rows(struct sim_siameseim *m)
{
    struct sim_params *p = &m->params;
    const int64_t d = m->vit.embed_dim, dd = m->c.decoder_embed_dim;
    const int trained = SIM_ROW_TRAINED | SIM_ROW_DECAYED;
    const struct sim_block_shape encoder = {d, m->vit.num_heads, d * m->vit.mlp_ratio, SIM_BLOCK_LN};
    const struct sim_block_shape projector = {dd, m->c.decoder_num_heads, dd * m->vit.mlp_ratio,
                                              m->c.projector_norm == SIM_NORM_BN ? SIM_BLOCK_BN
                                                                                 : SIM_BLOCK_LN};
    const struct sim_block_shape predictor = {dd, m->c.decoder_num_heads, dd * m->vit.mlp_ratio,
                                              m->c.predictor_norm == SIM_NORM_BN ? SIM_BLOCK_BN
                                                                                 : SIM_BLOCK_LN};
    struct sim_branch *on = &m->online, *mm = &m->target;
    on->embedding = mm->embedding = (struct sim_embedding){.img_size = m->vit.img_size,
                                                           .patch_size = m->vit.patch_size,
                                                           .grid = m->grid,
                                                           .patches = m->patches,
                                                           .dim = d};
    sim_params_start(p);
    on->embedding.cls = sim_token_add(p, trained, -1, d, "cls_token"); /* quirk 4: tokens are decayed */
    on->embedding.pos = mm->embedding.pos = sim_positions_add(p, SIM_ROWS_FIRST, m->patches, d, "pos_embed");
    m->mask_token = sim_token_add(p, trained, -1, dd, "mask_token");
    m->decoder_pos = sim_positions_add(p, SIM_ROWS_FIRST, m->patches, dd, "decoder_pos_embed");
    mm->embedding.cls = sim_token_add(p, 0, on->embedding.cls, d, "mm_cls_token");
    m->mm_mask_token = sim_token_add(p, 0, m->mask_token, dd, "mm_mask_token"); /* followed, never used */

    sim_patch_embed_add(p, &on->embedding, m->c.train_patch_embed ? trained : 0, NULL, "patch_embed");
    sim_stack_add(&on->blocks, p, &encoder, (int)m->vit.depth, trained, m->vit.init_values, NULL, "blocks");
    on->decoder_embed = sim_linear_add(p, trained, NULL, dd, d, "decoder_embed");
    sim_stack_add(&on->projector, p, &projector, (int)m->c.projector_depth, trained, 0, NULL,
                  "projector_decoder_blocks");
    sim_stack_add(&m->predictor, p, &predictor, (int)m->c.predictor_depth, trained, 0, NULL,
                  "predictor_decoder_blocks");
    m->decoder_pred = sim_linear_add(p, trained, NULL, dd, dd, "decoder_pred");
    m->decoder_pos_mlp = sim_linear_add(p, trained, NULL, dd, 2 * dd, "decoder_pos_mlp");

    sim_patch_embed_add(p, &mm->embedding, 0, &on->embedding, "mm_patch_embed");
    sim_stack_add(&mm->blocks, p, &encoder, (int)m->vit.depth, 0, m->vit.init_values, &on->blocks,
                  "mm_blocks");
    mm->decoder_embed = sim_linear_add(p, 0, &on->decoder_embed, dd, d, "mm_decoder_embed");
    sim_stack_add(&mm->projector, p, &projector, (int)m->c.projector_depth, 0, 0, &on->projector,
                  "mm_projector_decoder_blocks");
}

/* ------------------------------------------------------------------ memory */

static sim_status plan_branch(struct sim_siameseim *m, struct sim_branch *b, int64_t taken, int training)
{
    struct sim_arena *a = &m->arena;
    const struct sim_ops *o = m->ops;
    int drop = training && m->vit.drop_path_rate > 0;
    sim_embedding_plan(&b->embedding, o, a, m->batch, taken);
    SIM_TRY(sim_stack_plan(&b->blocks, o, a, m->batch, 1 + taken, training, drop));
    b->z0 = sim_arena_acts(a, o, m->batch * (1 + taken) * m->c.decoder_embed_dim);
    return sim_stack_plan(&b->projector, o, a, m->batch, 1 + taken, training, 0);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void plan_inputs(struct sim_siameseim *m)
{
    struct sim_arena *a = &m->arena;
    const struct sim_ops *o = m->ops;
    const int64_t batch = m->batch, pixels = batch * 3 * m->vit.img_size * m->vit.img_size;
    m->staging = (struct sim_inputs){
        .view1 = sim_arena_staging(a, o, pixels, sizeof(float)),
        .view2 = sim_arena_staging(a, o, pixels, sizeof(float)),
        .geometry = sim_arena_staging(a, o, batch * 6, sizeof(float)),
        .index = sim_arena_staging(a, o, batch * m->max_visible, sizeof(int32_t)),
        .keep = m->vit.drop_path_rate > 0 ? sim_arena_staging(a, o, 2 * m->vit.depth * batch, sizeof(float))
                                          : NULL,
    };
}

sim_status sim_siameseim_plan(struct sim_siameseim *m)
{
    struct sim_arena *a = &m->arena;
    const struct sim_ops *o = m->ops;
    const int64_t batch = m->batch, l = m->patches, v = m->max_visible, dd = m->c.decoder_embed_dim;
    const int64_t all = 1 + v + l, m_rows = batch * l;
    plan_inputs(m);
    SIM_TRY(plan_branch(m, &m->online, v, 1));
    m->features = sim_arena_acts(a, o, m_rows * 2 * dd);
    m->place = sim_arena_acts(a, o, m_rows * dd);
    m->joined = sim_arena_acts(a, o, batch * all * dd);
    SIM_TRY(sim_stack_plan(&m->predictor, o, a, batch, all, 1, 0));
    m->queries = sim_arena_acts(a, o, m_rows * dd);
    m->pred = sim_arena_acts(a, o, m_rows * dd);
    if (m->c.online_ln) {
        m->normed = sim_arena_acts(a, o, m_rows * dd);
        m->normed_mean = sim_arena_floats(a, m_rows), m->normed_rstd = sim_arena_floats(a, m_rows);
    }
    m->goal = sim_arena_acts(a, o, m_rows * dd);
    if (m->c.loss == SIM_LOSS_GLOBAL) {
        m->pooled = sim_arena_acts(a, o, batch * dd), m->pooled_goal = sim_arena_acts(a, o, batch * dd);
        m->d_pooled = sim_arena_acts(a, o, batch * dd);
    }
    m->covariance = sim_arena_floats(a, dd * dd);

    /* The target's activations are dead once `goal` is made, and only then do the gradients live: one place
     * for both. */
    size_t mark = a->used_bytes;
    SIM_TRY(plan_branch(m, &m->target, l, 0));
    size_t target_end = a->used_bytes;
    a->used_bytes = mark;
    m->d_pred = sim_arena_acts(a, o, m_rows * dd);
    m->d_queries = sim_arena_acts(a, o, m_rows * dd);
    m->d_joined = sim_arena_acts(a, o, batch * all * dd);
    m->d_z = sim_arena_acts(a, o, batch * (1 + v) * dd);
    m->d_place = sim_arena_acts(a, o, m_rows * dd);
    m->d_tokens = sim_arena_acts(a, o, batch * (1 + v) * m->vit.embed_dim);
    sim_block_scratch_plan(&m->scratch, o, a, batch * larger(all, 1 + v), larger(dd, m->vit.embed_dim),
                           larger(dd, m->vit.embed_dim) * m->vit.mlp_ratio);
    if (a->used_bytes < target_end) a->used_bytes = target_end;
    return a->failed ? sim_fail(SIM_ENOMEM, "SiameseIM: the activations do not fit into one block") : SIM_OK;
}

/* ------------------------------------------------------------------ cost */

static double branch_flop(const struct sim_siameseim *m, int64_t taken)
{
    const struct sim_branch *b = &m->online;
    return (double)m->vit.depth * sim_block_flop(&b->blocks.shape, 1 + taken) +
           sim_parts_linear_flop(1 + taken, m->vit.embed_dim, m->c.decoder_embed_dim) +
           (double)m->c.projector_depth * sim_block_flop(&b->projector.shape, 1 + taken);
}

struct sim_cost sim_siameseim_count(const struct sim_siameseim *m, int64_t visible)
{
    struct sim_cost cost = sim_parts_cost(&m->params);
    const int64_t l = m->patches, d = m->vit.embed_dim, dd = m->c.decoder_embed_dim;
    const int64_t pixels = 3 * m->vit.patch_size * m->vit.patch_size;
    /* forward once, backward twice; the patch embedding needs no input gradient, neither do the position
     * features */
    double online = branch_flop(m, visible) +
                    (double)m->c.predictor_depth * sim_block_flop(&m->predictor.shape, 1 + visible + l) +
                    sim_parts_linear_flop(l, dd, dd);
    cost.flop_per_image = 3 * online + 2 * sim_parts_linear_flop(l, 2 * dd, dd) +
                          (m->c.train_patch_embed ? 2 : 1) * sim_parts_linear_flop(visible, pixels, d) +
                          sim_parts_linear_flop(l, pixels, d) + branch_flop(m, l) +
                          2 * sim_parts_linear_flop(m->c.loss == SIM_LOSS_GLOBAL ? 1 : l, dd, dd);
    cost.activation_bytes = (int64_t)m->arena.used_bytes;
    return cost;
}

sim_status sim_siameseim_cost(struct sim_cost *out, const struct sim_vit_config *vit,
                              const struct sim_siameseim_config *c, int64_t batch_size, int64_t visible,
                              size_t act_bytes)
{
    struct sim_siameseim m;
    const struct sim_ops measuring = {.act_bytes = act_bytes, .discrete = act_bytes < sizeof(float)};
    SIM_TRY(sim_siameseim_describe(&m, vit, c, batch_size, visible));
    m.ops = &measuring;
    sim_siameseim_add_rows(&m);
    sim_arena_measure(&m.arena);
    sim_status s = sim_siameseim_plan(&m);
    *out = sim_siameseim_count(&m, visible);
    sim_stack_close(&m.online.blocks), sim_stack_close(&m.online.projector), sim_stack_close(&m.predictor);
    sim_stack_close(&m.target.blocks), sim_stack_close(&m.target.projector);
    sim_params_close(&m.params);
    return s;
}
