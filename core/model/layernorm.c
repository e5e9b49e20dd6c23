#include "layernorm.h"

void sim_layernorm_add(struct sim_layernorm *n, struct sim_params *p, int flags,
                       const struct sim_layernorm *partner, int64_t dim, const char *name)
{
    const int undecayed = flags & ~SIM_ROW_DECAYED;
    n->w = sim_params_add(p, undecayed, SIM_INIT_CONSTANT, 1, partner ? partner->w : -1, 1, &dim, "%s.weight",
                          name);
    n->b = sim_params_add(p, undecayed, SIM_INIT_CONSTANT, 0, partner ? partner->b : -1, 1, &dim, "%s.bias",
                          name);
}

void sim_layernorm_plan(struct sim_layernorm *n, const struct sim_ops *o, struct sim_arena *a, int64_t rows,
                        int64_t dim, int training)
{
    n->y = sim_arena_acts(a, o, rows * dim);
    n->mean = training ? sim_arena_floats(a, rows) : NULL;
    n->rstd = training ? sim_arena_floats(a, rows) : NULL;
}

sim_act *sim_layernorm_forward(const struct sim_ops *o, const struct sim_params *p, struct sim_layernorm *n,
                               const sim_act *x, int64_t rows, int64_t dim)
{
    o->layernorm(o, n->y, n->mean, n->rstd, x, sim_value(p, n->w), sim_value(p, n->b), rows, dim, SIM_LN_EPS);
    return n->y;
}

void sim_layernorm_backward(const struct sim_ops *o, const struct sim_params *p,
                            const struct sim_layernorm *n, sim_act *d, const sim_act *x, int64_t rows,
                            int64_t dim)
{
    o->layernorm_backward(o, d, 0, sim_gradient(p, n->w), sim_gradient(p, n->b), d, x, n->mean, n->rstd,
                          sim_value(p, n->w), rows, dim);
    sim_gradients_ready(p, n->w, n->b);
}
