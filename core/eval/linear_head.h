/* The head of the linear probe and its optimiser (method.md 3.4): LayerNorm and BatchNorm, both without
 * weights, then a linear layer, trained by LARS on cross-entropy.  On the host, in float32. */
#ifndef SIM_LINEAR_HEAD_H
#define SIM_LINEAR_HEAD_H

#define SIM_ACT float /* the CPU backend's, which does the products */
#include "arena.h"
#include "ops.h"

struct sim_linear_head_shape {
    int64_t dim, classes, batch; /* rows of a step, at least 2 */
    double momentum, trust, weight_decay;
};

struct sim_linear_head {
    struct sim_linear_head_shape shape;
    float *w, *b;                      /* (classes, dim), (classes): one block, w first */
    float *gradient, *speed;           /* of the block: of the last step, and LARS's momentum */
    float *running_mean, *running_var; /* (dim) of BatchNorm */
    float *rows, *z, *logits, *target; /* (batch, dim) twice, (batch, classes) twice: scratch */
    float *mean, *rstd;                /* (dim) scratch */
    struct sim_ops ops;
    struct sim_arena arena;
};

/* Weights N(0, 0.01) by seed, biases 0, running statistics 0 and 1.  The caller closes *h. */
sim_status sim_linear_head_open(struct sim_linear_head *h, const struct sim_linear_head_shape *shape,
                                uint64_t seed);
void sim_linear_head_close(struct sim_linear_head *h); /* a zeroed one is legal */

/* One step on rows order[0 .. batch-1] of x (any, dim) with their labels: statistics are the batch's, whose
 * share in the running ones is 0.1.  *loss before the step. */
sim_status sim_linear_head_step(struct sim_linear_head *h, const float *x, const int32_t *label,
                                const uint32_t *order, double lr, double *loss);

/* logits (count, classes) of x (count, dim), at most `batch` rows, under the running statistics. */
sim_status sim_linear_head_logits(struct sim_linear_head *h, const float *x, int64_t count, float *logits);

/* How many rows of x (count, dim) get their own label as the likeliest class, ties going to the lower one. */
sim_status sim_linear_head_count_right(struct sim_linear_head *h, const float *x, const int32_t *label,
                                       int64_t count, int64_t *right);

#endif
