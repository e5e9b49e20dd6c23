/* A LayerNorm of its own, outside the blocks: the last one of an encoder or a decoder (timm's `norm`). */
#ifndef SIM_LAYERNORM_H
#define SIM_LAYERNORM_H

#include "buffers.h"
#include "params.h"

#define SIM_LN_EPS 1e-6 /* timm's ViT, everywhere */

struct sim_layernorm {
    int w, b;           /* rows */
    sim_act *y;         /* (R, D) its output */
    float *mean, *rstd; /* (R) of a forward that a backward follows; else NULL */
};

/* Adds NAME.weight, one, and NAME.bias, zero; undecayed.  flags and partner as for sim_params_add. */
void sim_layernorm_add(struct sim_layernorm *n, struct sim_params *p, int flags,
                       const struct sim_layernorm *partner, int64_t dim, const char *name);
void sim_layernorm_plan(struct sim_layernorm *n, const struct sim_ops *o, struct sim_arena *a, int64_t rows,
                        int64_t dim, int training);

/* x (R, D) -> n->y, which is returned. */
sim_act *sim_layernorm_forward(const struct sim_ops *o, const struct sim_params *p, struct sim_layernorm *n,
                               const sim_act *x, int64_t rows, int64_t dim);
/* d (R, D): gradient with respect to y on entry, to x on return; the rows' gradients are declared ready. */
void sim_layernorm_backward(const struct sim_ops *o, const struct sim_params *p,
                            const struct sim_layernorm *n, sim_act *d, const sim_act *x, int64_t rows,
                            int64_t dim);

#endif
