#include "linear.h"

struct sim_linear_rows sim_linear_add(struct sim_params *p, int flags, const struct sim_linear_rows *partner,
                                      int64_t out, int64_t in, const char *name)
{
    struct sim_linear_rows r;
    r.w = sim_params_add(p, flags, SIM_INIT_XAVIER, 0, partner ? partner->w : -1, 2, (int64_t[]){out, in},
                         "%s.weight", name);
    r.b = sim_params_add(p, flags & ~SIM_ROW_DECAYED, SIM_INIT_CONSTANT, 0, partner ? partner->b : -1, 1,
                         &out, "%s.bias", name);
    return r;
}

void sim_linear_backward(const struct sim_ops *o, struct sim_params *p, const struct sim_linear_rows *r,
                         sim_act *dx, const sim_act *dy, const sim_act *x, int64_t rows, int64_t in,
                         int64_t out)
{
    o->linear_backward_weight(o, sim_gradient(p, r->w), sim_gradient(p, r->b), dy, x, rows, in, out);
    if (dx) o->linear_backward_input(o, dx, dy, sim_value(p, r->w), NULL, rows, in, out);
    sim_gradients_ready(p, r->w, r->b);
}
