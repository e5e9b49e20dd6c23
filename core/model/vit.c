#include "vit.h"

#include <stdio.h>
#include <stdlib.h>

void sim_stack_add(struct sim_stack *s, struct sim_params *p, const struct sim_block_shape *shape, int depth,
                   int flags, double init_values, const struct sim_stack *partner, const char *prefix)
{
    *s = (struct sim_stack){.shape = *shape, .depth = depth};
    for (int i = 0; i < depth; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%d", prefix, i);
        s->rows[i] = sim_block_add(p, shape, flags, init_values, partner ? &partner->rows[i] : NULL, name);
    }
}

sim_status sim_stack_plan(struct sim_stack *s, const struct sim_ops *o, struct sim_arena *a, int64_t batch,
                          int64_t tokens, int training, int drop_path)
{
    int kept = training ? s->depth : s->depth > 0;
    s->training = training;
    if (!s->saved) s->saved = calloc((size_t)kept + 1, sizeof *s->saved);
    if (!s->saved) return sim_fail(SIM_ENOMEM, "no memory for %d blocks' bookkeeping", s->depth);
    for (int i = 0; i < kept; i++)
        sim_block_plan(&s->saved[i], o, a, &s->shape, batch, tokens, training,
                       s->rows[i].ls1 >= 0 || drop_path);
    return SIM_OK;
}

void sim_stack_close(struct sim_stack *s)
{
    free(s->saved);
    s->saved = NULL;
}

sim_act *sim_stack_forward(const struct sim_ops *o, struct sim_params *p, struct sim_stack *s, sim_act *x,
                           int64_t batch, int64_t tokens,
                           void (*after)(void *context, int block, const sim_act *z), void *context)
{
    for (int i = 0; i < s->depth; i++) {
        struct sim_block_saved *v = &s->saved[s->training ? i : 0];
        v->x = x;
        if (!s->training) v->z = x; /* the block reads x for the last time before it writes z */
        sim_block_forward(o, p, &s->rows[i], &s->shape, v, batch, tokens);
        if (after) after(context, i, v->z);
        x = v->z;
    }
    return x;
}

void sim_stack_backward(const struct sim_ops *o, struct sim_params *p, struct sim_stack *s, int64_t batch,
                        int64_t tokens, struct sim_block_scratch *scratch, sim_act *d)
{
    for (int i = s->depth - 1; i >= 0; i--) {
        const struct sim_block_rows *rows = &s->rows[i];
        sim_block_backward(o, p, rows, &s->shape, &s->saved[i], batch, tokens, scratch, d);
        sim_gradients_ready(p, rows->norm1.w, rows->ls2 >= 0 ? rows->ls2 : rows->fc2_b);
    }
}

int sim_token_add(struct sim_params *p, int flags, int partner, int64_t dim, const char *name)
{
    return sim_params_add(p, flags, SIM_INIT_NORMAL, 0.02, partner, 3, (int64_t[]){1, 1, dim}, "%s", name);
}

int sim_positions_add(struct sim_params *p, enum sim_position_order order, int64_t patches, int64_t dim,
                      const char *name)
{
    return sim_params_add(p, 0, SIM_INIT_POSITIONS, (double)order, -1, 3, (int64_t[]){1, 1 + patches, dim},
                          "%s", name);
}

void sim_patch_embed_add(struct sim_params *p, struct sim_embedding *e, int flags,
                         const struct sim_embedding *partner, const char *prefix)
{
    const int64_t fan_in = 3 * e->patch_size * e->patch_size;
    e->w = sim_params_add(p, flags, SIM_INIT_XAVIER, 0, partner ? partner->w : -1, 4,
                          (int64_t[]){e->dim, 3, e->patch_size, e->patch_size}, "%s.proj.weight", prefix);
    /* quirk 1: the bias keeps PyTorch's convolution default and, frozen with the weight, stays non-zero */
    e->b = sim_params_add(p, flags & ~SIM_ROW_DECAYED, SIM_INIT_FAN_IN, (double)fan_in,
                          partner ? partner->b : -1, 1, &e->dim, "%s.proj.bias", prefix);
}

void sim_embedding_plan(struct sim_embedding *e, const struct sim_ops *o, struct sim_arena *a, int64_t batch,
                        int64_t taken)
{
    e->rows = sim_arena_acts(a, o, batch * taken * 3 * e->patch_size * e->patch_size);
    e->x = sim_arena_acts(a, o, batch * taken * e->dim);
    e->tokens = sim_arena_acts(a, o, batch * (1 + taken) * e->dim);
}

/* e->rows to e->tokens. */
static sim_act *embed(const struct sim_ops *o, struct sim_params *p, struct sim_embedding *e,
                      const int32_t *index, int64_t batch, int64_t taken)
{
    const int64_t in = 3 * e->patch_size * e->patch_size;
    o->linear(o, e->x, e->rows, sim_value(p, e->w), sim_value(p, e->b), batch * taken, in, e->dim);
    o->embed_tokens(o, e->tokens, e->x, sim_value(p, e->cls), sim_value(p, e->pos), index, batch, taken,
                    e->dim);
    return e->tokens;
}

sim_act *sim_embedding_forward(const struct sim_ops *o, struct sim_params *p, struct sim_embedding *e,
                               const float *images, const int32_t *index, int64_t batch, int64_t taken)
{
    o->patchify(o, e->rows, images, index, batch, e->img_size, e->patch_size, taken);
    return embed(o, p, e, index, batch, taken);
}

sim_act *sim_embedding_of_views(const struct sim_ops *o, struct sim_params *p, struct sim_embedding *e,
                                const float *const *images, int views, int64_t batch)
{
    const int64_t view = batch * e->patches * 3 * e->patch_size * e->patch_size;
    for (int v = 0; v < views; v++)
        o->patchify(o, sim_acts_at(o, e->rows, v * view), images[v], NULL, batch, e->img_size, e->patch_size,
                    e->patches);
    return embed(o, p, e, NULL, views * batch, e->patches);
}

void sim_embedding_backward(const struct sim_ops *o, struct sim_params *p, struct sim_embedding *e,
                            const sim_act *d, int64_t batch, int64_t taken)
{
    float *dw = sim_gradient(p, e->w);
    o->embed_tokens_backward(o, sim_gradient(p, e->cls), dw ? e->x : NULL, d, batch, taken, e->dim);
    if (dw)
        o->linear_backward_weight(o, dw, sim_gradient(p, e->b), e->x, e->rows, batch * taken,
                                  3 * e->patch_size * e->patch_size, e->dim);
    sim_gradients_ready(p, e->cls, e->cls);
    sim_gradients_ready(p, e->w, e->b);
}
