/* The MLP heads of contrastive learning (MoCo-v3's projector and predictor): linear layers without bias, each
 * followed by a token BatchNorm, all but the last by a ReLU, too; the last BatchNorm has no affine.
 *
 * Rows come in G parts, the views of a batch: weights are shared, statistics are each part's own. */
#ifndef SIM_MLP_HEAD_H
#define SIM_MLP_HEAD_H

#include "batchnorm.h"
#include "buffers.h"

enum { SIM_MLP_LAYERS = 3 }; /* at most */

struct sim_mlp_head {
    int layers;
    struct sim_mlp_layer {
        int64_t in, out;
        int w;
        struct sim_norm_rows norm;
        sim_act *h, *y;     /* (G R, out) the product, and what comes of it */
        float *mean, *rstd; /* (G, out) */
        sim_act *d;         /* (G R, out) gradient of y, where a backward follows */
    } layer[SIM_MLP_LAYERS];
};

/* Adds the rows of `layers` layers from sizes[0] to sizes[layers] wide under torch.nn.Sequential's names:
 * PREFIX.0.weight, PREFIX.1.*, PREFIX.3.weight ...  Weights are uniform as PyTorch leaves them, bound 1 /
 * sqrt(in).  flags as for sim_params_add; partner: the online head whose rows these follow, or NULL. */
void sim_mlp_head_add(struct sim_mlp_head *m, struct sim_params *p, int flags,
                      const struct sim_mlp_head *partner, const int64_t *sizes, int layers,
                      const char *prefix);
void sim_mlp_head_plan(struct sim_mlp_head *m, const struct sim_ops *o, struct sim_arena *a, int64_t parts,
                       int64_t rows, int training);

/* x (G R, in) -> the last layer's y, which is returned. */
sim_act *sim_mlp_head_forward(const struct sim_ops *o, const struct sim_params *p,
                              const struct sim_mlp_head *m, const sim_act *x, int64_t parts, int64_t rows);
/* Where the gradient of the output is to be written before the backward. */
static inline sim_act *sim_mlp_head_gradient(const struct sim_mlp_head *m)
{
    return m->layer[m->layers - 1].d;
}
/* dx (G R, in); every row's gradient, declared ready. */
void sim_mlp_head_backward(const struct sim_ops *o, const struct sim_params *p, const struct sim_mlp_head *m,
                           sim_act *dx, const sim_act *x, int64_t parts, int64_t rows);

/* Matrix-product operations of one row's forward (multiply-add = 2). */
double sim_mlp_head_flop(const struct sim_mlp_head *m);

#endif
