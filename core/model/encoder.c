#include "encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "params.h"
#include "vit.h"

struct sim_encoder {
    const struct sim_ops *ops;
    struct sim_params view; /* borrows the caller's table */
    struct sim_embedding embedding;
    struct sim_stack blocks;
    struct sim_arena arena;
    int64_t max_batch;
};

static int row_of(const struct sim_params *p, sim_status *status, const char *prefix, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s%s", prefix, name);
    int row = sim_params_find(p, path);
    if (row < 0) *status = sim_fail(SIM_EINVAL, "the encoder needs %s, which the parameter table lacks", path);
    return row;
}

static sim_status find_rows(struct sim_encoder *e, const struct sim_vit_config *vit)
{
    const struct sim_params *p = &e->view;
    sim_status s = SIM_OK;
    e->embedding.cls = row_of(p, &s, "", "cls_token");
    e->embedding.pos = row_of(p, &s, "", "pos_embed");
    e->embedding.w = row_of(p, &s, "patch_embed.proj.", "weight");
    e->embedding.b = row_of(p, &s, "patch_embed.proj.", "bias");
    for (int i = 0; i < e->blocks.depth; i++) {
        char at[32];
        snprintf(at, sizeof at, "blocks.%d.", i);
        struct sim_norm_rows none = {-1, -1, -1, -1, -1};
        struct sim_block_rows *r = &e->blocks.rows[i];
        *r = (struct sim_block_rows){.norm1 = none, .norm2 = none, .ls1 = -1, .ls2 = -1};
        r->norm1.w = row_of(p, &s, at, "norm1.weight"), r->norm1.b = row_of(p, &s, at, "norm1.bias");
        r->norm2.w = row_of(p, &s, at, "norm2.weight"), r->norm2.b = row_of(p, &s, at, "norm2.bias");
        r->qkv_w = row_of(p, &s, at, "attn.qkv.weight"), r->qkv_b = row_of(p, &s, at, "attn.qkv.bias");
        r->proj_w = row_of(p, &s, at, "attn.proj.weight"), r->proj_b = row_of(p, &s, at, "attn.proj.bias");
        r->fc1_w = row_of(p, &s, at, "mlp.fc1.weight"), r->fc1_b = row_of(p, &s, at, "mlp.fc1.bias");
        r->fc2_w = row_of(p, &s, at, "mlp.fc2.weight"), r->fc2_b = row_of(p, &s, at, "mlp.fc2.bias");
        if (vit->init_values > 0)
            r->ls1 = row_of(p, &s, at, "ls1.gamma"), r->ls2 = row_of(p, &s, at, "ls2.gamma");
    }
    return s;
}

static sim_status plan(struct sim_encoder *e)
{
    sim_embedding_plan(&e->embedding, &e->arena, e->max_batch, e->embedding.patches);
    return sim_stack_plan(&e->blocks, &e->arena, e->max_batch, 1 + e->embedding.patches, 0, 0);
}

sim_status sim_encoder_open(struct sim_encoder **out, const struct sim_ops *ops, const struct sim_vit_config *vit,
                            const struct sim_params *params, int64_t max_batch)
{
    SIM_TRY(sim_vit_config_check(vit));
    struct sim_encoder *e = calloc(1, sizeof *e);
    if (!e) return sim_fail(SIM_ENOMEM, "no memory for an encoder");
    int64_t grid = vit->img_size / vit->patch_size;
    e->ops = ops, e->view = *params, e->max_batch = max_batch;
    e->embedding = (struct sim_embedding){.img_size = vit->img_size, .patch_size = vit->patch_size, .grid = grid,
                                          .patches = grid * grid, .dim = vit->embed_dim};
    e->blocks.depth = (int)vit->depth;
    e->blocks.shape = (struct sim_block_shape){vit->embed_dim, vit->num_heads, vit->embed_dim * vit->mlp_ratio,
                                               SIM_BLOCK_LN};
    sim_arena_measure(&e->arena);
    sim_status s = find_rows(e, vit);
    if (s == SIM_OK) s = plan(e);
    if (s == SIM_OK) s = sim_arena_open(&e->arena, e->arena.used_bytes);
    if (s == SIM_OK) s = plan(e);
    if (s != SIM_OK) {
        sim_encoder_close(e);
        return sim_context(s, "encoder for %ld images at a time", (long)max_batch);
    }
    *out = e;
    return SIM_OK;
}

void sim_encoder_close(struct sim_encoder *e)
{
    if (!e) return;
    sim_stack_close(&e->blocks);
    sim_arena_close(&e->arena);
    free(e);
}

int sim_encoder_dim(const struct sim_encoder *e)
{
    return (int)e->embedding.dim;
}

int sim_encoder_img_size(const struct sim_encoder *e)
{
    return (int)e->embedding.img_size;
}

sim_status sim_encoder_mean_patch(struct sim_encoder *e, const float *x, int64_t count, float *out)
{
    const struct sim_ops *o = e->ops;
    int64_t tokens = 1 + e->embedding.patches;
    if (count > e->max_batch)
        return sim_fail(SIM_EINVAL, "encoder: %ld images in a batch planned for %ld", (long)count, (long)e->max_batch);
    float *t = sim_embedding_forward(o, &e->view, &e->embedding, x, NULL, count, e->embedding.patches);
    const float *z = sim_stack_forward(o, &e->view, &e->blocks, t, count, tokens, NULL, NULL);
    o->mean_rows(o, out, z, count, tokens, 1, e->embedding.patches, e->embedding.dim);
    return o->finish(o);
}
