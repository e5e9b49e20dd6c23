#include "encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layernorm.h"
#include "params.h"
#include "vit.h"

struct sim_encoder {
    const struct sim_ops *ops;
    struct sim_params view; /* borrows the caller's table */
    struct sim_embedding embedding;
    struct sim_stack blocks;
    struct sim_layernorm norm; /* behind the blocks; w -1: none */
    struct sim_arena arena;
    float *images;    /* (max_batch, 3, S, S): staging */
    sim_act *feature; /* (max_batch, D) */
    int64_t max_batch;
};

/* Finding rows by name; the first that is missing or of another size ends up in `status`. */
struct finder {
    const struct sim_params *p;
    sim_status status;
    char prefix[32];
};

static int row_of(struct finder *f, const char *name, int64_t rows, int64_t columns)
{
    char path[96];
    snprintf(path, sizeof path, "%s%s", f->prefix, name);
    int row = sim_params_find_encoder(f->p, path);
    if (f->status != SIM_OK) return row;
    if (row < 0)
        f->status = sim_fail(SIM_EINVAL, "the encoder needs %s, which the parameter table lacks", path);
    else if (f->p->row[row].count != rows * columns)
        f->status =
            sim_fail(SIM_EINVAL, "the encoder needs %s of %ld x %ld numbers, the parameter table's has %ld",
                     path, (long)rows, (long)columns, (long)f->p->row[row].count);
    return row;
}

static struct sim_norm_rows norm_of(struct finder *f, const char *weight, const char *bias, int64_t dim)
{
    struct sim_norm_rows r = {.mean = -1, .var = -1, .counter = -1};
    r.w = row_of(f, weight, dim, 1);
    r.b = row_of(f, bias, dim, 1);
    return r;
}

static sim_status find_rows(struct sim_encoder *e, const struct sim_vit_config *vit)
{
    struct finder f = {.p = &e->view};
    const int64_t d = vit->embed_dim, hidden = d * vit->mlp_ratio;
    e->embedding.cls = row_of(&f, "cls_token", 1, d);
    e->embedding.pos = row_of(&f, "pos_embed", 1 + e->embedding.patches, d);
    e->embedding.w = row_of(&f, "patch_embed.proj.weight", d, 3 * vit->patch_size * vit->patch_size);
    e->embedding.b = row_of(&f, "patch_embed.proj.bias", d, 1);
    for (int i = 0; i < e->blocks.depth; i++) {
        struct sim_block_rows *r = &e->blocks.rows[i];
        *r = (struct sim_block_rows){.ls1 = -1, .ls2 = -1};
        snprintf(f.prefix, sizeof f.prefix, "blocks.%d.", i);
        r->norm1 = norm_of(&f, "norm1.weight", "norm1.bias", d);
        r->norm2 = norm_of(&f, "norm2.weight", "norm2.bias", d);
        r->qkv_w = row_of(&f, "attn.qkv.weight", 3 * d, d), r->qkv_b = row_of(&f, "attn.qkv.bias", 3 * d, 1);
        r->proj_w = row_of(&f, "attn.proj.weight", d, d), r->proj_b = row_of(&f, "attn.proj.bias", d, 1);
        r->fc1_w = row_of(&f, "mlp.fc1.weight", hidden, d), r->fc1_b = row_of(&f, "mlp.fc1.bias", hidden, 1);
        r->fc2_w = row_of(&f, "mlp.fc2.weight", d, hidden), r->fc2_b = row_of(&f, "mlp.fc2.bias", d, 1);
        if (vit->init_values > 0)
            r->ls1 = row_of(&f, "ls1.gamma", d, 1), r->ls2 = row_of(&f, "ls2.gamma", d, 1);
    }
    f.prefix[0] = 0;
    e->norm.w = e->norm.b = -1;
    if (sim_params_find_encoder(f.p, "norm.weight") >= 0)
        e->norm.w = row_of(&f, "norm.weight", d, 1), e->norm.b = row_of(&f, "norm.bias", d, 1);
    return f.status;
}

static sim_status plan(struct sim_encoder *e)
{
    const struct sim_embedding *m = &e->embedding;
    e->images =
        sim_arena_staging(&e->arena, e->ops, e->max_batch * 3 * m->img_size * m->img_size, sizeof(float));
    e->feature = sim_arena_acts(&e->arena, e->ops, e->max_batch * m->dim);
    sim_embedding_plan(&e->embedding, e->ops, &e->arena, e->max_batch, e->embedding.patches);
    return sim_stack_plan(&e->blocks, e->ops, &e->arena, e->max_batch, 1 + e->embedding.patches, 0, 0);
}

sim_status sim_encoder_open(struct sim_encoder **out, const struct sim_ops *ops,
                            const struct sim_vit_config *vit, const struct sim_params *params,
                            int64_t max_batch)
{
    SIM_TRY(sim_vit_config_check(vit));
    struct sim_encoder *e = calloc(1, sizeof *e);
    if (!e) return sim_fail(SIM_ENOMEM, "no memory for an encoder");
    int64_t grid = vit->img_size / vit->patch_size;
    e->ops = ops, e->view = *params, e->max_batch = max_batch;
    e->embedding = (struct sim_embedding){.img_size = vit->img_size,
                                          .patch_size = vit->patch_size,
                                          .grid = grid,
                                          .patches = grid * grid,
                                          .dim = vit->embed_dim};
    e->blocks.depth = (int)vit->depth;
    e->blocks.shape = (struct sim_block_shape){vit->embed_dim, vit->num_heads,
                                               vit->embed_dim * vit->mlp_ratio, SIM_BLOCK_LN};
    sim_arena_measure(&e->arena);
    sim_status s = find_rows(e, vit);
    if (s == SIM_OK) s = plan(e);
    if (s == SIM_OK) s = sim_arena_open(&e->arena, &ops->memory, e->arena.used_bytes);
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

static sim_status check_count(const struct sim_encoder *e, int64_t count)
{
    if (count <= e->max_batch) return SIM_OK;
    return sim_fail(SIM_EINVAL, "encoder: %ld images in a batch planned for %ld", (long)count,
                    (long)e->max_batch);
}

/* Images through every block, and the norm behind them: (count, tokens, D). */
static const sim_act *forward(struct sim_encoder *e, const float *x, int64_t count)
{
    const struct sim_ops *o = e->ops;
    const struct sim_embedding *m = &e->embedding;
    const float *images =
        o->stage(o, e->images, x, (size_t)(count * 3 * m->img_size * m->img_size) * sizeof *x);
    sim_act *t = sim_embedding_forward(o, &e->view, &e->embedding, images, NULL, count, m->patches);
    t = sim_stack_forward(o, &e->view, &e->blocks, t, count, 1 + m->patches, NULL, NULL);
    if (e->norm.w < 0) return t;
    e->norm.y = t; /* in place */
    return sim_layernorm_forward(o, &e->view, &e->norm, t, count * (1 + m->patches), m->dim);
}

sim_status sim_encoder_mean_patch(struct sim_encoder *e, const float *x, int64_t count, float *out)
{
    const struct sim_ops *o = e->ops;
    const struct sim_embedding *m = &e->embedding;
    SIM_TRY(check_count(e, count));
    const sim_act *z = forward(e, x, count);
    o->mean_rows(o, e->feature, z, count, 1 + m->patches, 1, m->patches, m->dim);
    o->read_act(o, out, e->feature, count * m->dim);
    return o->finish(o);
}

sim_status sim_encoder_cls(struct sim_encoder *e, const float *x, int64_t count, float *out)
{
    const struct sim_ops *o = e->ops;
    const struct sim_embedding *m = &e->embedding;
    SIM_TRY(check_count(e, count));
    const sim_act *z = forward(e, x, count);
    o->take_rows(o, e->feature, z, count, 1 + m->patches, 0, 1, m->dim);
    o->read_act(o, out, e->feature, count * m->dim);
    return o->finish(o);
}
