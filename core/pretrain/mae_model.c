/* Construction: the table's rows in the official checkpoint's order, the plan of memory, the cost. */
#include "mae_model.h"

#include <string.h>

#include "parts.h"

sim_status sim_mae_describe(struct sim_mae *m, const struct sim_vit_config *vit,
                            const struct sim_mae_config *c, int64_t batch, int64_t hidden)
{
    memset(m, 0, sizeof *m);
    SIM_TRY(sim_mae_config_check(c, vit, hidden));
    m->vit = *vit, m->c = *c, m->batch = batch, m->hidden = hidden;
    m->grid = vit->img_size / vit->patch_size;
    m->patches = m->grid * m->grid;
    m->visible = m->patches - hidden;
    m->pixels = 3 * vit->patch_size * vit->patch_size;
    if (batch < 1 || m->visible < 1)
        return sim_fail(
            SIM_EINVAL,
            "MAE: %ld images with %ld of %ld patches hidden; need at least 1 image and 1 patch to see",
            (long)batch, (long)hidden, (long)m->patches);
    return SIM_OK;
}

void sim_mae_add_rows(struct sim_mae *m)
{
    struct sim_params *p = &m->params;
    const int64_t d = m->vit.embed_dim, dd = m->c.decoder_embed_dim;
    const int trained = SIM_ROW_TRAINED | SIM_ROW_DECAYED;
    const struct sim_block_shape encoder = {d, m->vit.num_heads, d * m->vit.mlp_ratio, SIM_BLOCK_LN};
    const struct sim_block_shape decoder = {dd, m->c.decoder_num_heads, dd * m->vit.mlp_ratio, SIM_BLOCK_LN};
    m->embedding = (struct sim_embedding){.img_size = m->vit.img_size,
                                          .patch_size = m->vit.patch_size,
                                          .grid = m->grid,
                                          .patches = m->patches,
                                          .dim = d};
    sim_params_start(p);
    m->embedding.cls = sim_token_add(p, trained, -1, d, "cls_token"); /* tokens are decayed */
    m->embedding.pos = sim_positions_add(p, SIM_COLUMNS_FIRST, m->patches, d, "pos_embed");
    m->mask_token = sim_token_add(p, trained, -1, dd, "mask_token");
    m->decoder_pos = sim_positions_add(p, SIM_COLUMNS_FIRST, m->patches, dd, "decoder_pos_embed");
    sim_patch_embed_add(p, &m->embedding, trained, NULL, "patch_embed");
    sim_stack_add(&m->encoder, p, &encoder, (int)m->vit.depth, trained, m->vit.init_values, NULL, "blocks");
    sim_layernorm_add(&m->norm, p, trained, NULL, d, "norm");
    m->decoder_embed = sim_linear_add(p, trained, NULL, dd, d, "decoder_embed");
    sim_stack_add(&m->decoder, p, &decoder, (int)m->c.decoder_depth, trained, 0, NULL, "decoder_blocks");
    sim_layernorm_add(&m->decoder_norm, p, trained, NULL, dd, "decoder_norm");
    m->decoder_pred = sim_linear_add(p, trained, NULL, m->pixels, dd, "decoder_pred");
}

/* ------------------------------------------------------------------ memory */

static void plan_inputs(struct sim_mae *m)
{
    struct sim_arena *a = &m->arena;
    const struct sim_ops *o = m->ops;
    const int64_t batch = m->batch, side = m->vit.img_size;
    m->staging = (struct sim_mae_inputs){
        .view = sim_arena_staging(a, o, batch * 3 * side * side, sizeof(float)),
        .index = sim_arena_staging(a, o, batch * m->visible, sizeof(int32_t)),
        .place = sim_arena_staging(a, o, batch * m->patches, sizeof(int32_t)),
        .keep = m->vit.drop_path_rate > 0 ? sim_arena_staging(a, o, 2 * m->vit.depth * batch, sizeof(float))
                                          : NULL,
    };
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

sim_status sim_mae_plan(struct sim_mae *m)
{
    struct sim_arena *a = &m->arena;
    const struct sim_ops *o = m->ops;
    const int64_t batch = m->batch, seen = batch * (1 + m->visible), all = batch * (1 + m->patches),
                  rows = batch * m->patches, d = m->vit.embed_dim, dd = m->c.decoder_embed_dim;
    plan_inputs(m);
    sim_embedding_plan(&m->embedding, o, a, batch, m->visible);
    SIM_TRY(sim_stack_plan(&m->encoder, o, a, batch, 1 + m->visible, 1, m->vit.drop_path_rate > 0));
    sim_layernorm_plan(&m->norm, o, a, seen, d, 1);
    m->z = sim_arena_acts(a, o, seen * dd);
    m->restored = sim_arena_acts(a, o, all * dd);
    SIM_TRY(sim_stack_plan(&m->decoder, o, a, batch, 1 + m->patches, 1, 0));
    m->decoded = sim_arena_acts(a, o, rows * dd);
    sim_layernorm_plan(&m->decoder_norm, o, a, rows, dd, 1);
    m->pred = sim_arena_acts(a, o, rows * m->pixels);

    m->d_decoded = sim_arena_acts(a, o, rows * dd);
    m->d_restored = sim_arena_acts(a, o, all * dd);
    m->d_z = sim_arena_acts(a, o, seen * dd);
    m->d_tokens = sim_arena_acts(a, o, seen * d);
    sim_block_scratch_plan(&m->scratch, o, a, 1, larger(all * dd, seen * d),
                           larger(all * dd, seen * d) * m->vit.mlp_ratio);
    return a->failed ? sim_fail(SIM_ENOMEM, "MAE: the activations do not fit into one block") : SIM_OK;
}

/* ------------------------------------------------------------------ cost */

struct sim_cost sim_mae_count(const struct sim_mae *m)
{
    struct sim_cost cost = sim_parts_cost(&m->params);
    const int64_t d = m->vit.embed_dim, dd = m->c.decoder_embed_dim;
    /* forward once, backward twice; the patch embedding needs no gradient of its input */
    const double inner = (double)m->vit.depth * sim_block_flop(&m->encoder.shape, 1 + m->visible) +
                         sim_parts_linear_flop(1 + m->visible, d, dd) +
                         (double)m->c.decoder_depth * sim_block_flop(&m->decoder.shape, 1 + m->patches) +
                         sim_parts_linear_flop(m->patches, dd, m->pixels);
    cost.flop_per_image = 3 * inner + 2 * sim_parts_linear_flop(m->visible, m->pixels, d);
    cost.activation_bytes = (int64_t)m->arena.used_bytes;
    return cost;
}

sim_status sim_mae_cost(struct sim_cost *out, const struct sim_vit_config *vit,
                        const struct sim_mae_config *c, int64_t batch_size, int64_t hidden, size_t act_bytes)
{
    struct sim_mae m;
    const struct sim_ops measuring = {.act_bytes = act_bytes, .discrete = act_bytes < sizeof(float)};
    SIM_TRY(sim_mae_describe(&m, vit, c, batch_size, hidden));
    m.ops = &measuring;
    sim_mae_add_rows(&m);
    sim_arena_measure(&m.arena);
    sim_status s = sim_mae_plan(&m);
    *out = sim_mae_count(&m);
    sim_stack_close(&m.encoder), sim_stack_close(&m.decoder);
    sim_params_close(&m.params);
    return s;
}

int sim_mae_attention(struct sim_attention_use out[SIM_ATTENTION_USES], const struct sim_vit_config *vit,
                      const struct sim_mae_config *c, int64_t batch, int64_t hidden)
{
    const int64_t grid = vit->img_size / vit->patch_size;
    const struct sim_attention_shape encoder = {batch, 1 + grid * grid - hidden, vit->num_heads,
                                                vit->embed_dim / vit->num_heads};
    const struct sim_attention_shape decoder = {batch, 1 + grid * grid, c->decoder_num_heads,
                                                c->decoder_embed_dim / c->decoder_num_heads};
    out[0] = (struct sim_attention_use){"encoder", encoder, 1};
    out[1] = (struct sim_attention_use){"decoder", decoder, 1};
    return 2;
}
