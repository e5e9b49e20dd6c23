/* Rows of a linear layer, and its backward: what models have besides blocks. */
#ifndef SIM_LINEAR_H
#define SIM_LINEAR_H

#include "params.h"

struct sim_linear_rows {
    int w, b;
};

/* Adds NAME.weight (out, in), Xavier-uniform, and NAME.bias (out), zero and undecayed; flags as for
 * sim_params_add; partner: the online layer that these follow, or NULL. */
struct sim_linear_rows sim_linear_add(struct sim_params *p, int flags, const struct sim_linear_rows *partner,
                                      int64_t out, int64_t in, const char *name);

/* dx (R, in) or NULL where nothing lies before; the gradients of both rows, declared ready. */
void sim_linear_backward(const struct sim_ops *o, struct sim_params *p, const struct sim_linear_rows *r,
                         sim_act *dx, const sim_act *dy, const sim_act *x, int64_t rows, int64_t in,
                         int64_t out);

#endif
