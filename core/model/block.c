#include "block.h"

#include <stdio.h>

#include "layernorm.h"

/* ------------------------------------------------------------------ rows */

static int add_vector(struct sim_params *p, int flags, double value, int partner, int64_t size,
                      const char *prefix, const char *name)
{
    return sim_params_add(p, flags & ~SIM_ROW_DECAYED, SIM_INIT_CONSTANT, value, partner, 1, &size, "%s.%s",
                          prefix, name);
}

static int add_matrix(struct sim_params *p, int flags, int partner, int64_t out, int64_t in,
                      const char *prefix, const char *name)
{
    return sim_params_add(p, flags, SIM_INIT_XAVIER, 0, partner, 2, (int64_t[]){out, in}, "%s.%s", prefix,
                          name);
}

static struct sim_norm_rows add_norm(struct sim_params *p, const struct sim_block_shape *s, int flags,
                                     const struct sim_norm_rows *partner, const char *prefix,
                                     const char *name)
{
    struct sim_norm_rows r = {.mean = -1, .var = -1, .counter = -1};
    char path[96];
    snprintf(path, sizeof path, "%s.%s%s", prefix, name, s->norm == SIM_BLOCK_BN ? ".bn" : "");
    if (s->norm == SIM_BLOCK_BN) return sim_batchnorm_add(p, flags, 1, partner, s->dim, path);
    r.w = add_vector(p, flags, 1, partner ? partner->w : -1, s->dim, path, "weight");
    r.b = add_vector(p, flags, 0, partner ? partner->b : -1, s->dim, path, "bias");
    return r;
}

struct sim_block_rows sim_block_add(struct sim_params *p, const struct sim_block_shape *s, int flags,
                                    double init_values, const struct sim_block_rows *partner,
                                    const char *prefix)
{
    struct sim_block_rows r = {.ls1 = -1, .ls2 = -1};
#define PARTNER(member) (partner ? partner->member : -1)
    r.norm1 = add_norm(p, s, flags, partner ? &partner->norm1 : NULL, prefix, "norm1");
    r.qkv_w = add_matrix(p, flags, PARTNER(qkv_w), 3 * s->dim, s->dim, prefix, "attn.qkv.weight");
    r.qkv_b = add_vector(p, flags, 0, PARTNER(qkv_b), 3 * s->dim, prefix, "attn.qkv.bias");
    r.proj_w = add_matrix(p, flags, PARTNER(proj_w), s->dim, s->dim, prefix, "attn.proj.weight");
    r.proj_b = add_vector(p, flags, 0, PARTNER(proj_b), s->dim, prefix, "attn.proj.bias");
    r.norm2 = add_norm(p, s, flags, partner ? &partner->norm2 : NULL, prefix, "norm2");
    r.fc1_w = add_matrix(p, flags, PARTNER(fc1_w), s->hidden, s->dim, prefix, "mlp.fc1.weight");
    r.fc1_b = add_vector(p, flags, 0, PARTNER(fc1_b), s->hidden, prefix, "mlp.fc1.bias");
    r.fc2_w = add_matrix(p, flags, PARTNER(fc2_w), s->dim, s->hidden, prefix, "mlp.fc2.weight");
    r.fc2_b = add_vector(p, flags, 0, PARTNER(fc2_b), s->dim, prefix, "mlp.fc2.bias");
    if (init_values > 0) {
        r.ls1 = add_vector(p, flags, init_values, PARTNER(ls1), s->dim, prefix, "ls1.gamma");
        r.ls2 = add_vector(p, flags, init_values, PARTNER(ls2), s->dim, prefix, "ls2.gamma");
    }
#undef PARTNER
    return r;
}

/* ------------------------------------------------------------------ memory */

void sim_block_plan(struct sim_block_saved *s, const struct sim_ops *o, struct sim_arena *a,
                    const struct sim_block_shape *shape, int64_t batch, int64_t tokens, int training,
                    int branches)
{
    const int64_t rows = batch * tokens, d = shape->dim;
    const int64_t stats = shape->norm == SIM_BLOCK_BN ? d : rows;
    *s = (struct sim_block_saved){0};
    s->n1 = sim_arena_acts(a, o, rows * d);
    s->qkv = sim_arena_acts(a, o, rows * 3 * d);
    s->att = sim_arena_acts(a, o, rows * d);
    s->y = sim_arena_acts(a, o, rows * d);
    s->n2 = training ? sim_arena_acts(a, o, rows * d)
                     : s->n1; /* without a backward norm1's output is dead by then */
    s->hidden = sim_arena_acts(a, o, rows * shape->hidden);
    s->z = training ? sim_arena_acts(a, o, rows * d)
                    : NULL; /* without a backward the output overwrites the input */
    s->mean1 = sim_arena_floats(a, stats), s->rstd1 = sim_arena_floats(a, stats);
    s->mean2 = sim_arena_floats(a, stats), s->rstd2 = sim_arena_floats(a, stats);
    if (training) {
        s->slope = sim_arena_acts(a, o, rows * shape->hidden);
        s->lse = sim_arena_floats(a, rows * shape->heads);
    }
    if (branches) {
        s->branch1 = sim_arena_acts(a, o, rows * d);
        s->branch2 = training ? sim_arena_acts(a, o, rows * d) : s->branch1;
    }
}

void sim_block_scratch_plan(struct sim_block_scratch *s, const struct sim_ops *o, struct sim_arena *a,
                            int64_t rows, int64_t dim, int64_t hidden)
{
    s->hidden = sim_arena_acts(a, o, rows * hidden);
    s->wide = sim_arena_acts(a, o, rows * 3 * dim);
    s->narrow = sim_arena_acts(a, o, rows * dim);
    s->branch = sim_arena_acts(a, o, rows * dim);
}

/* ------------------------------------------------------------------ forward */

static void norm_forward(const struct sim_ops *o, struct sim_params *p, const struct sim_norm_rows *r,
                         enum sim_block_norm kind, sim_act *y, float *mean, float *rstd, const sim_act *x,
                         int64_t rows, int64_t dim)
{
    const float *w = sim_value(p, r->w), *b = sim_value(p, r->b);
    if (kind == SIM_BLOCK_LN) {
        o->layernorm(o, y, mean, rstd, x, w, b, rows, dim, SIM_LN_EPS);
        return;
    }
    o->batchnorm(o, y, mean, rstd, sim_value(p, r->mean), sim_value(p, r->var), x, w, b, 1, rows, dim,
                 SIM_BN_EPS, SIM_BN_MOMENTUM);
}

/* y = x + keep gamma (from w^T + bias): in one product where nothing scales the branch. */
static void add_branch(const struct sim_ops *o, sim_act *y, const sim_act *x, const sim_act *from,
                       const float *w, const float *bias, sim_act *branch, const float *gamma,
                       const float *keep, int64_t batch, int64_t tokens, int64_t in, int64_t dim)
{
    if (!gamma && !keep) {
        o->linear_residual(o, y, x, from, w, bias, batch * tokens, in, dim);
        return;
    }
    o->linear(o, branch, from, w, bias, batch * tokens, in, dim);
    o->scale_residual(o, y, x, branch, gamma, keep, batch, tokens, dim);
}

void sim_block_forward(const struct sim_ops *o, struct sim_params *p, const struct sim_block_rows *r,
                       const struct sim_block_shape *s, struct sim_block_saved *v, int64_t batch,
                       int64_t tokens)
{
    const int64_t rows = batch * tokens, d = s->dim;
    norm_forward(o, p, &r->norm1, s->norm, v->n1, v->mean1, v->rstd1, v->x, rows, d);
    o->linear(o, v->qkv, v->n1, sim_value(p, r->qkv_w), sim_value(p, r->qkv_b), rows, d, 3 * d);
    o->attention(o, v->att, v->lse, v->qkv, batch, tokens, s->heads, d / s->heads);
    add_branch(o, v->y, v->x, v->att, sim_value(p, r->proj_w), sim_value(p, r->proj_b), v->branch1,
               sim_value(p, r->ls1), v->keep1, batch, tokens, d, d);
    norm_forward(o, p, &r->norm2, s->norm, v->n2, v->mean2, v->rstd2, v->y, rows, d);
    o->linear_gelu(o, v->hidden, v->slope, v->n2, sim_value(p, r->fc1_w), sim_value(p, r->fc1_b), rows, d,
                   s->hidden);
    add_branch(o, v->z, v->y, v->hidden, sim_value(p, r->fc2_w), sim_value(p, r->fc2_b), v->branch2,
               sim_value(p, r->ls2), v->keep2, batch, tokens, s->hidden, d);
}

/* ------------------------------------------------------------------ backward */

static void norm_backward(const struct sim_ops *o, struct sim_params *p, const struct sim_norm_rows *r,
                          enum sim_block_norm kind, sim_act *dx, const sim_act *dy, const sim_act *x,
                          const float *mean, const float *rstd, int64_t rows, int64_t dim)
{
    float *dw = sim_gradient(p, r->w), *db = sim_gradient(p, r->b);
    const float *w = sim_value(p, r->w);
    if (kind == SIM_BLOCK_LN)
        o->layernorm_backward(o, dx, 1, dw, db, dy, x, mean, rstd, w, rows, dim);
    else
        o->batchnorm_backward(o, dx, 1, dw, db, dy, x, mean, rstd, w, 1, rows, dim);
}

/* The gradient that enters a branch: d itself, or scaled into scratch. */
static const sim_act *branch_gradient(const struct sim_ops *o, struct sim_params *p, int gamma_row,
                                      const float *keep, const sim_act *branch, sim_act *scratch,
                                      const sim_act *d, int64_t batch, int64_t tokens, int64_t dim)
{
    if (gamma_row < 0 && !keep) return d;
    o->scale_residual_backward(o, scratch, sim_gradient(p, gamma_row), d, branch, sim_value(p, gamma_row),
                               keep, batch, tokens, dim);
    return scratch;
}

void sim_block_backward(const struct sim_ops *o, struct sim_params *p, const struct sim_block_rows *r,
                        const struct sim_block_shape *s, const struct sim_block_saved *v, int64_t batch,
                        int64_t tokens, struct sim_block_scratch *t, sim_act *d)
{
    const int64_t rows = batch * tokens, dim = s->dim;
    const sim_act *g = branch_gradient(o, p, r->ls2, v->keep2, v->branch2, t->branch, d, batch, tokens, dim);
    o->linear_backward_weight(o, sim_gradient(p, r->fc2_w), sim_gradient(p, r->fc2_b), g, v->hidden, rows,
                              s->hidden, dim);
    o->linear_backward_input(o, t->hidden, g, sim_value(p, r->fc2_w), v->slope, rows, s->hidden, dim);
    o->linear_backward_weight(o, sim_gradient(p, r->fc1_w), sim_gradient(p, r->fc1_b), t->hidden, v->n2, rows,
                              dim, s->hidden);
    o->linear_backward_input(o, t->narrow, t->hidden, sim_value(p, r->fc1_w), NULL, rows, dim, s->hidden);
    norm_backward(o, p, &r->norm2, s->norm, d, t->narrow, v->y, v->mean2, v->rstd2, rows, dim);

    g = branch_gradient(o, p, r->ls1, v->keep1, v->branch1, t->branch, d, batch, tokens, dim);
    o->linear_backward_weight(o, sim_gradient(p, r->proj_w), sim_gradient(p, r->proj_b), g, v->att, rows, dim,
                              dim);
    o->linear_backward_input(o, t->narrow, g, sim_value(p, r->proj_w), NULL, rows, dim, dim);
    o->attention_backward(o, t->wide, t->narrow, v->qkv, v->att, v->lse, batch, tokens, s->heads,
                          dim / s->heads);
    o->linear_backward_weight(o, sim_gradient(p, r->qkv_w), sim_gradient(p, r->qkv_b), t->wide, v->n1, rows,
                              dim, 3 * dim);
    o->linear_backward_input(o, t->narrow, t->wide, sim_value(p, r->qkv_w), NULL, rows, dim, 3 * dim);
    norm_backward(o, p, &r->norm1, s->norm, d, t->narrow, v->x, v->mean1, v->rstd1, rows, dim);
}

double sim_block_flop(const struct sim_block_shape *s, int64_t tokens)
{
    double n = (double)tokens, d = (double)s->dim, f = (double)s->hidden;
    return 2 * n * d * (4 * d + 2 * f) + 4 * n * n * d;
}
