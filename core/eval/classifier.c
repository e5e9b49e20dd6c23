#include "classifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drop_path.h"
#include "linear.h"
#include "vit.h"

#define NORM_EPS 1e-6
#define HEAD_DEVIATION 2e-5 /* the official truncation at +-2 is none */

struct sim_classifier {
    const struct sim_ops *ops;
    struct sim_classifier_shape shape;
    struct sim_params params;
    struct sim_arena arena;
    uint64_t seed;
    struct sim_cost cost;

    struct sim_embedding embedding;
    struct sim_stack blocks;
    int norm_w, norm_b;
    struct sim_linear_rows head;
    float *host_keep; /* (2 depth, B) drop-path factors; NULL: nothing is dropped */

    struct sim_classifier_inputs {
        float *images, *target, *keep;
    } staging;
    const float *images; /* (B, 3, S, S) where the step reads them */
    const float *target; /* (B, C) */

    sim_act *pooled, *normed, *logits; /* (B, D) (B, D) (B, C) */
    float *mean, *rstd;                /* (B) of fc_norm */
    /* gradients of activations */
    sim_act *d_logits, *d_normed, *d_pooled, *d_patches, *d_tokens; /* (B, L, D) (B, 1 + L, D) the last two */
    struct sim_block_scratch scratch;
};

/* ------------------------------------------------------------------ rows */

/* Layers count from 0, which embeds patches, to depth + 1, which says the class. */
static double lr_scale(const struct sim_classifier *c, int row, int *block)
{
    const int depth = (int)c->shape.vit.depth;
    while (*block < depth && row >= c->blocks.rows[*block].norm1.w) ++*block;
    int layer = row >= c->norm_w ? depth + 1 : *block;
    return pow(c->shape.layer_decay, depth + 1 - layer);
}

static void add_rows(struct sim_classifier *c)
{
    struct sim_params *p = &c->params;
    const struct sim_vit_config *v = &c->shape.vit;
    const int trained = c->shape.training ? SIM_ROW_TRAINED : 0,
              decayed = c->shape.training ? SIM_ROW_DECAYED : 0;
    const int64_t grid = v->img_size / v->patch_size, d = v->embed_dim;
    const struct sim_block_shape block = {d, v->num_heads, d * v->mlp_ratio, SIM_BLOCK_LN};
    c->embedding = (struct sim_embedding){
        .img_size = v->img_size, .patch_size = v->patch_size, .grid = grid, .patches = grid * grid, .dim = d};
    sim_params_start(p);
    c->embedding.cls = sim_token_add(p, trained, -1, d, "cls_token");
    c->embedding.pos = sim_positions_add(p, SIM_ROWS_FIRST, c->embedding.patches, d, "pos_embed");
    sim_patch_embed_add(p, &c->embedding, trained | decayed, NULL, "patch_embed");
    sim_stack_add(&c->blocks, p, &block, (int)v->depth, trained | decayed, v->init_values, NULL, "blocks");
    c->norm_w = sim_params_add(p, trained, SIM_INIT_CONSTANT, 1, -1, 1, &d, "fc_norm.weight");
    c->norm_b = sim_params_add(p, trained, SIM_INIT_CONSTANT, 0, -1, 1, &d, "fc_norm.bias");
    c->head = sim_linear_add(p, trained | decayed, NULL, c->shape.classes, d, "head");
    if (p->failed) return; /* sim_params_allocate says so */
    p->row[c->head.w].init = SIM_INIT_NORMAL, p->row[c->head.w].init_value = HEAD_DEVIATION;
    for (int r = 0, at = 0; r < p->count; r++) p->row[r].lr_scale = lr_scale(c, r, &at);
}

/* ------------------------------------------------------------------ memory and cost */

static sim_status plan(struct sim_classifier *c)
{
    struct sim_arena *a = &c->arena;
    const struct sim_ops *o = c->ops;
    const struct sim_embedding *e = &c->embedding;
    const int64_t batch = c->shape.batch, d = e->dim, classes = c->shape.classes, tokens = 1 + e->patches;
    const int drops = c->shape.training && c->shape.vit.drop_path_rate > 0;
    c->staging.images = sim_arena_staging(a, o, batch * 3 * e->img_size * e->img_size, sizeof(float));
    sim_embedding_plan(&c->embedding, o, a, batch, e->patches);
    SIM_TRY(sim_stack_plan(&c->blocks, o, a, batch, tokens, c->shape.training, drops));
    c->pooled = sim_arena_acts(a, o, batch * d), c->normed = sim_arena_acts(a, o, batch * d);
    c->logits = sim_arena_acts(a, o, batch * classes);
    if (!c->shape.training) return SIM_OK;
    c->mean = sim_arena_floats(a, batch), c->rstd = sim_arena_floats(a, batch);
    c->staging.target = sim_arena_staging(a, o, batch * classes, sizeof(float));
    if (drops) c->staging.keep = sim_arena_staging(a, o, 2 * c->shape.vit.depth * batch, sizeof(float));
    c->d_logits = sim_arena_acts(a, o, batch * classes);
    c->d_normed = sim_arena_acts(a, o, batch * d), c->d_pooled = sim_arena_acts(a, o, batch * d);
    c->d_patches = sim_arena_acts(a, o, batch * e->patches * d);
    c->d_tokens = sim_arena_acts(a, o, batch * tokens * d);
    sim_block_scratch_plan(&c->scratch, o, a, batch * tokens, d, c->blocks.shape.hidden);
    return SIM_OK;
}

/* A backward costs twice the forward, but that pixels need no gradient. */
static void count_cost(struct sim_classifier *c)
{
    const struct sim_embedding *e = &c->embedding;
    const double patches =
        2.0 * (double)e->patches * (double)(3 * e->patch_size * e->patch_size) * (double)e->dim;
    const double rest = (double)c->blocks.depth * sim_block_flop(&c->blocks.shape, 1 + e->patches) +
                        2.0 * (double)e->dim * (double)c->shape.classes;
    c->cost = (struct sim_cost){.flop_per_image = c->shape.training ? 2 * patches + 3 * rest : patches + rest,
                                .activation_bytes = (int64_t)c->arena.used_bytes,
                                .state_bytes = 4 * (c->params.value_count + 3 * c->params.gradient_count)};
    for (int r = 0; r < c->params.count; r++) {
        c->cost.parameters += c->params.row[r].count;
        if (c->params.row[r].gradient >= 0) c->cost.trainable += c->params.row[r].count;
    }
}

/* Rows, and buffers measured: what costs can be counted from. */
static sim_status describe(struct sim_classifier *c, const struct sim_ops *ops,
                           const struct sim_classifier_shape *shape)
{
    SIM_TRY(sim_vit_config_check(&shape->vit));
    if (shape->classes < 2 || shape->batch < 1)
        return sim_fail(SIM_EINVAL,
                        "a classifier of %ld classes for %ld images at a time: at least 2 and 1 are needed",
                        (long)shape->classes, (long)shape->batch);
    c->ops = ops, c->shape = *shape;
    add_rows(c);
    sim_arena_measure(&c->arena);
    SIM_TRY(plan(c));
    if (c->params.failed || c->arena.failed)
        return sim_fail(SIM_ENOMEM, "the classifier is too large to be counted");
    count_cost(c);
    return SIM_OK;
}

static sim_status build(struct sim_classifier *c)
{
    const int drops = c->shape.training && c->shape.vit.drop_path_rate > 0;
    if (drops) c->host_keep = calloc((size_t)(2 * c->shape.vit.depth * c->shape.batch), sizeof *c->host_keep);
    if (drops && !c->host_keep)
        return sim_fail(SIM_ENOMEM, "no memory for the batch of %ld images", (long)c->shape.batch);
    SIM_TRY(sim_params_allocate(&c->params, c->ops, c->shape.training));
    SIM_TRY(sim_arena_open(&c->arena, &c->ops->memory, c->arena.used_bytes));
    SIM_TRY(plan(c));
    return sim_params_initialise(&c->params, c->seed);
}

sim_status sim_classifier_open(struct sim_classifier **out, const struct sim_ops *ops,
                               const struct sim_classifier_shape *shape, uint64_t seed)
{
    struct sim_classifier *c = calloc(1, sizeof *c);
    if (!c) return sim_fail(SIM_ENOMEM, "no memory for a classifier");
    c->seed = seed;
    sim_status s = describe(c, ops, shape);
    if (s == SIM_OK) s = build(c);
    if (s != SIM_OK) {
        sim_classifier_close(c);
        return sim_context(s, "classifier for %ld images at a time", (long)shape->batch);
    }
    *out = c;
    return SIM_OK;
}

sim_status sim_classifier_cost(struct sim_cost *out, const struct sim_classifier_shape *shape,
                               size_t act_bytes)
{
    const struct sim_ops measuring = {.act_bytes = act_bytes, .discrete = act_bytes < sizeof(float)};
    struct sim_classifier *c = calloc(1, sizeof *c);
    if (!c) return sim_fail(SIM_ENOMEM, "no memory to count a classifier's cost");
    sim_status s = describe(c, &measuring, shape);
    if (s == SIM_OK) *out = c->cost;
    sim_classifier_close(c);
    return s;
}

void sim_classifier_close(struct sim_classifier *c)
{
    if (!c) return;
    sim_stack_close(&c->blocks);
    sim_params_close(&c->params);
    sim_arena_close(&c->arena);
    free(c->host_keep);
    free(c);
}

struct sim_params *sim_classifier_params(struct sim_classifier *c)
{
    return &c->params;
}

/* ------------------------------------------------------------------ forward and backward */

/* What `see` needs. */
struct watched {
    const struct sim_trace *trace;
    int64_t shape[3];
};

static void see(void *context, int block, const sim_act *z)
{
    const struct watched *w = context;
    char name[32];
    snprintf(name, sizeof name, "blocks.%d", block);
    w->trace->see(w->trace->context, name, z, w->shape);
}

/* Images to logits; trace may be NULL. */
static sim_act *forward(struct sim_classifier *c, const float *images, int64_t count,
                        const struct sim_trace *trace)
{
    const struct sim_ops *o = c->ops;
    struct sim_params *p = &c->params;
    const struct sim_embedding *e = &c->embedding;
    struct watched w = {trace, {count, 1 + e->patches, e->dim}};
    sim_act *x = sim_embedding_forward(o, p, &c->embedding, images, NULL, count, e->patches);
    x = sim_stack_forward(o, p, &c->blocks, x, count, 1 + e->patches, trace ? see : NULL, &w);
    o->mean_rows(o, c->pooled, x, count, 1 + e->patches, 1, e->patches, e->dim);
    o->layernorm(o, c->normed, c->mean, c->rstd, c->pooled, sim_value(p, c->norm_w), sim_value(p, c->norm_b),
                 count, e->dim, NORM_EPS);
    o->linear(o, c->logits, c->normed, sim_value(p, c->head.w), sim_value(p, c->head.b), count, e->dim,
              c->shape.classes);
    return c->logits;
}

static void compute(void *self, struct sim_scalars *scalars, const struct sim_trace *trace)
{
    struct sim_classifier *c = self;
    const struct sim_ops *o = c->ops;
    struct sim_params *p = &c->params;
    const struct sim_embedding *e = &c->embedding;
    const int64_t batch = c->shape.batch, d = e->dim, classes = c->shape.classes;
    const sim_act *logits = forward(c, c->images, batch, trace);
    if (trace) trace->see(trace->context, "logits", logits, (int64_t[]){batch, 1, classes});
    o->cross_entropy(o, &scalars->loss, c->d_logits, logits, c->target, batch, classes);
    sim_linear_backward(o, p, &c->head, c->d_normed, c->d_logits, c->normed, batch, d, classes);
    o->layernorm_backward(o, c->d_pooled, 0, sim_gradient(p, c->norm_w), sim_gradient(p, c->norm_b),
                          c->d_normed, c->pooled, c->mean, c->rstd, sim_value(p, c->norm_w), batch, d);
    sim_gradients_ready(p, c->norm_w, c->norm_b);
    o->mean_rows_backward(o, c->d_patches, c->d_pooled, batch, e->patches, d);
    o->put_rows(o, c->d_tokens, c->d_patches, batch, 1 + e->patches, 1, e->patches, d);
    sim_stack_backward(o, p, &c->blocks, batch, 1 + e->patches, &c->scratch, c->d_tokens);
    sim_embedding_backward(o, p, &c->embedding, c->d_tokens, batch, e->patches);
}

/* Where the blocks find the batch's drop-path factors: given, or drawn but for the first block, whose rate is
 * 0. */
static sim_status bring_keep(struct sim_classifier *c, const struct sim_batch *batch, int64_t epoch)
{
    const struct sim_vit_config *v = &c->shape.vit;
    const float *keep = batch->keep ? batch->keep : c->host_keep;
    if (batch->keep && !c->host_keep)
        return sim_fail(SIM_EINVAL, "drop-path factors for a classifier whose drop_path_rate is 0");
    if (!keep) return SIM_OK;
    if (!batch->keep) sim_drop_path_draw(c->host_keep, v, c->seed, epoch, batch->index, c->shape.batch);
    keep =
        c->ops->stage(c->ops, c->staging.keep, keep, (size_t)(2 * v->depth * c->shape.batch) * sizeof *keep);
    sim_drop_path_place(&c->blocks, NULL, 0, c->shape.batch);
    sim_drop_path_place(&c->blocks, keep, batch->keep ? 0 : 1, c->shape.batch);
    return SIM_OK;
}

static sim_status load(void *self, const struct sim_batch *batch, int64_t epoch, int64_t *key)
{
    struct sim_classifier *c = self;
    const struct sim_ops *o = c->ops;
    const int64_t n = c->shape.batch, side = c->embedding.img_size;
    if (batch->size != n || !batch->view1 || !batch->target)
        return sim_fail(SIM_EINVAL, "a batch of %ld images%s for a classifier planned for %ld",
                        (long)batch->size, batch->view1 && batch->target ? "" : " without pixels or targets",
                        (long)n);
    SIM_TRY(bring_keep(c, batch, epoch));
    c->images = o->stage(o, c->staging.images, batch->view1, (size_t)(n * 3 * side * side) * sizeof(float));
    c->target = o->stage(o, c->staging.target, batch->target, (size_t)(n * c->shape.classes) * sizeof(float));
    *key = 0;
    return SIM_OK;
}

static void close_borrowed(struct sim_objective *o)
{
    memset(o, 0, sizeof *o);
}

void sim_classifier_objective(struct sim_classifier *c, struct sim_objective *out)
{
    *out = (struct sim_objective){.self = c,
                                  .name = "classifier",
                                  .ops = c->ops,
                                  .params = &c->params,
                                  .batch_size = c->shape.batch,
                                  .cost = c->cost,
                                  .momentum_constant = 1,
                                  .load = load,
                                  .compute = compute,
                                  .close = close_borrowed};
}

sim_status sim_classifier_logits(struct sim_classifier *c, const float *x, int64_t count, float *out)
{
    const struct sim_ops *o = c->ops;
    const int64_t side = c->embedding.img_size;
    if (count > c->shape.batch)
        return sim_fail(SIM_EINVAL, "classifier: %ld images in a batch planned for %ld", (long)count,
                        (long)c->shape.batch);
    if (c->host_keep) sim_drop_path_place(&c->blocks, NULL, 0, count);
    const float *images = o->stage(o, c->staging.images, x, (size_t)(count * 3 * side * side) * sizeof *x);
    o->read_act(o, out, forward(c, images, count, NULL), count * c->shape.classes);
    return o->finish(o);
}
