#include "mlp_head.h"

#include <stdio.h>

void sim_mlp_head_add(struct sim_mlp_head *m, struct sim_params *p, int flags,
                      const struct sim_mlp_head *partner, const int64_t *sizes, int layers,
                      const char *prefix)
{
    *m = (struct sim_mlp_head){.layers = layers};
    for (int i = 0; i < layers; i++) {
        struct sim_mlp_layer *l = &m->layer[i];
        const struct sim_mlp_layer *of = partner ? &partner->layer[i] : NULL;
        char norm[64];
        snprintf(norm, sizeof norm, "%s.%d", prefix, 3 * i + 1);
        l->in = sizes[i], l->out = sizes[i + 1];
        l->w = sim_params_add(p, flags, SIM_INIT_FAN_IN, (double)l->in, of ? of->w : -1, 2,
                              (int64_t[]){l->out, l->in}, "%s.%d.weight", prefix, 3 * i);
        l->norm = sim_batchnorm_add(p, flags, i < layers - 1, of ? &of->norm : NULL, l->out, norm);
    }
}

void sim_mlp_head_plan(struct sim_mlp_head *m, const struct sim_ops *o, struct sim_arena *a, int64_t parts,
                       int64_t rows, int training)
{
    for (int i = 0; i < m->layers; i++) {
        struct sim_mlp_layer *l = &m->layer[i];
        l->h = sim_arena_acts(a, o, parts * rows * l->out);
        l->y = sim_arena_acts(a, o, parts * rows * l->out);
        l->mean = sim_arena_floats(a, parts * l->out);
        l->rstd = sim_arena_floats(a, parts * l->out);
        l->d = training ? sim_arena_acts(a, o, parts * rows * l->out) : NULL;
    }
}

sim_act *sim_mlp_head_forward(const struct sim_ops *o, const struct sim_params *p,
                              const struct sim_mlp_head *m, const sim_act *x, int64_t parts, int64_t rows)
{
    sim_act *y = NULL;
    for (int i = 0; i < m->layers; i++) {
        const struct sim_mlp_layer *l = &m->layer[i];
        const struct sim_norm_rows *n = &l->norm;
        y = l->y;
        o->linear(o, l->h, x, sim_value(p, l->w), NULL, parts * rows, l->in, l->out);
        o->batchnorm(o, y, l->mean, l->rstd, sim_value(p, n->mean), sim_value(p, n->var), l->h,
                     sim_value(p, n->w), sim_value(p, n->b), parts, rows, l->out, SIM_BN_EPS,
                     SIM_BN_MOMENTUM);
        if (i < m->layers - 1) o->relu(o, y, y, parts * rows * l->out);
        x = y;
    }
    return y;
}

void sim_mlp_head_backward(const struct sim_ops *o, const struct sim_params *p, const struct sim_mlp_head *m,
                           sim_act *dx, const sim_act *x, int64_t parts, int64_t rows)
{
    for (int i = m->layers - 1; i >= 0; i--) {
        const struct sim_mlp_layer *l = &m->layer[i], *before = i ? &m->layer[i - 1] : NULL;
        const struct sim_norm_rows *n = &l->norm;
        if (i < m->layers - 1) o->relu_backward(o, l->d, l->y, parts * rows * l->out);
        o->batchnorm_backward(o, l->d, 0, sim_gradient(p, n->w), sim_gradient(p, n->b), l->d, l->h, l->mean,
                              l->rstd, sim_value(p, n->w), parts, rows, l->out);
        o->linear_backward_weight(o, sim_gradient(p, l->w), NULL, l->d, before ? before->y : x, parts * rows,
                                  l->in, l->out);
        o->linear_backward_input(o, before ? before->d : dx, l->d, sim_value(p, l->w), NULL, parts * rows,
                                 l->in, l->out);
        sim_gradients_ready(p, l->w, n->b < 0 ? l->w : n->b);
    }
}

double sim_mlp_head_flop(const struct sim_mlp_head *m)
{
    double sum = 0;
    for (int i = 0; i < m->layers; i++) sum += 2.0 * (double)m->layer[i].in * (double)m->layer[i].out;
    return sum;
}
