/* The transformer block (method.md 1.3): y = x + A(norm1(x)), z = y + M(norm2(y)), forward and backward
 * written out. */
#ifndef SIM_BLOCK_H
#define SIM_BLOCK_H

#include "batchnorm.h"
#include "buffers.h"

enum sim_block_norm { SIM_BLOCK_BN, SIM_BLOCK_LN };

struct sim_block_shape {
    int64_t dim, heads, hidden;
    enum sim_block_norm norm;
};

/* Rows of the table; -1 where the block has none. */
struct sim_block_rows {
    struct sim_norm_rows norm1, norm2;
    int qkv_w, qkv_b, proj_w, proj_b, fc1_w, fc1_b, fc2_w, fc2_b, ls1, ls2;
};

/* Adds the block's rows under `prefix` ("blocks.3"); flags as for sim_params_add; partner: the online block
 * whose rows these follow, or NULL.  init_values 0: no LayerScale. */
struct sim_block_rows sim_block_add(struct sim_params *p, const struct sim_block_shape *s, int flags,
                                    double init_values, const struct sim_block_rows *partner,
                                    const char *prefix);

/* What a block keeps for its backward; R = B N rows. */
struct sim_block_saved {
    const sim_act *x;                     /* (R, D) the input, borrowed */
    sim_act *n1, *qkv, *att, *y;          /* (R, D) (R, 3D) (R, D) (R, D) */
    sim_act *n2, *hidden, *slope, *z;     /* (R, D) (R, F) (R, F) (R, D); z is the output */
    float *mean1, *rstd1, *mean2, *rstd2; /* (R) for LN, (D) for BN */
    float *lse;                           /* (B, H, N) */
    sim_act *branch1, *branch2;           /* (R, D) with LayerScale or drop path */
    const float *keep1, *keep2;           /* (B) drop-path factors, borrowed, or NULL */
};

/* Takes the buffers from an arena (also a measuring one).  For inference (training 0) one struct serves every
 * block in turn: slope, lse and the branches of a block without LayerScale are left out, and the caller sets
 * z (it may be x). */
void sim_block_plan(struct sim_block_saved *s, const struct sim_ops *o, struct sim_arena *a,
                    const struct sim_block_shape *shape, int64_t batch, int64_t tokens, int training,
                    int branches);

/* s->x must be set, and s->z (which may be x); fills s->z.  BN updates its running statistics; counting the
 * batches is the caller's (sim_params_count_batch), because a replayed step does not pass here. */
void sim_block_forward(const struct sim_ops *o, struct sim_params *p, const struct sim_block_rows *rows,
                       const struct sim_block_shape *shape, struct sim_block_saved *s, int64_t batch,
                       int64_t tokens);

/* Buffers that every block's backward uses in turn. */
struct sim_block_scratch {
    sim_act *hidden;          /* (R, F) */
    sim_act *wide;            /* (R, 3D) */
    sim_act *narrow, *branch; /* (R, D) each */
};
void sim_block_scratch_plan(struct sim_block_scratch *s, const struct sim_ops *o, struct sim_arena *a,
                            int64_t rows, int64_t dim, int64_t hidden);

/* d (R, D): gradient with respect to z on entry, to x on return.  Parameter gradients are overwritten. */
void sim_block_backward(const struct sim_ops *o, struct sim_params *p, const struct sim_block_rows *rows,
                        const struct sim_block_shape *shape, const struct sim_block_saved *s, int64_t batch,
                        int64_t tokens, struct sim_block_scratch *scratch, sim_act *d);

/* Matrix-product operations of one block's forward pass over one image of `tokens` tokens (multiply-add = 2).
 */
double sim_block_flop(const struct sim_block_shape *s, int64_t tokens);

#endif
