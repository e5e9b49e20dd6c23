/* Stacks of blocks, and the embedding of patches in front of an encoder. */
#ifndef SIM_VIT_H
#define SIM_VIT_H

#include "block.h"
#include "positions.h"
#include "vit_config.h"

#define SIM_MAX_DEPTH 100

/* A row of blocks of one shape and what they keep. */
struct sim_stack {
    struct sim_block_shape shape;
    int depth;
    struct sim_block_rows rows[SIM_MAX_DEPTH];
    struct sim_block_saved *saved; /* (depth) when training, one otherwise */
    int training;
};

/* Adds `depth` blocks named PREFIX.0 ...; partner as for sim_block_add. */
void sim_stack_add(struct sim_stack *s, struct sim_params *p, const struct sim_block_shape *shape, int depth,
                   int flags, double init_values, const struct sim_stack *partner, const char *prefix);
/* Plans activations for up to batch x tokens; drop_path: the blocks are given drop-path factors. */
sim_status sim_stack_plan(struct sim_stack *s, const struct sim_ops *o, struct sim_arena *a, int64_t batch,
                          int64_t tokens, int training, int drop_path);
void sim_stack_close(struct sim_stack *s);

/* x (B, N, D) through every block; returns the result: the last block's buffer when training, x overwritten
 * when not. after: called with each block's number and output, may be NULL. */
sim_act *sim_stack_forward(const struct sim_ops *o, struct sim_params *p, struct sim_stack *s, sim_act *x,
                           int64_t batch, int64_t tokens,
                           void (*after)(void *context, int block, const sim_act *z), void *context);
/* d as in sim_block_backward, through every block from the last; each block's gradients are declared ready.
 */
void sim_stack_backward(const struct sim_ops *o, struct sim_params *p, struct sim_stack *s, int64_t batch,
                        int64_t tokens, struct sim_block_scratch *scratch, sim_act *d);

/* The front of an encoder. */
struct sim_embedding {
    int cls, pos, w, b; /* rows */
    int64_t img_size, patch_size, grid, patches, dim;
    sim_act *rows;   /* (B V, 3 P P) */
    sim_act *x;      /* (B V, D) */
    sim_act *tokens; /* (B, 1 + V, D) */
};

/* Rows of the front of an encoder, and of a decoder: a token (1, 1, D), N(0, 0.02); the fixed position table
 * (1, 1 + patches, D); PREFIX.proj.weight and .bias, whose numbers and shape *e takes and gives.  flags and
 * partner as for sim_params_add. */
int sim_token_add(struct sim_params *p, int flags, int partner, int64_t dim, const char *name);
int sim_positions_add(struct sim_params *p, enum sim_position_order order, int64_t patches, int64_t dim,
                      const char *name);
void sim_patch_embed_add(struct sim_params *p, struct sim_embedding *e, int flags,
                         const struct sim_embedding *partner, const char *prefix);

void sim_embedding_plan(struct sim_embedding *e, const struct sim_ops *o, struct sim_arena *a, int64_t batch,
                        int64_t taken);
/* images (B, 3, S, S) -> tokens (B, 1 + V, D); index (B, V) or NULL for all patches. */
sim_act *sim_embedding_forward(const struct sim_ops *o, struct sim_params *p, struct sim_embedding *e,
                               const float *images, const int32_t *index, int64_t batch, int64_t taken);
/* The same of all patches of several views of a batch, as one: images[v] (B, 3, S, S) of view v -> tokens
 * (views B, 1 + L, D), those of view 0 first. */
sim_act *sim_embedding_of_views(const struct sim_ops *o, struct sim_params *p, struct sim_embedding *e,
                                const float *const *images, int views, int64_t batch);
/* Gradients of cls_token and, where trained, of the patch projection, declared ready; x is used as scratch.
 */
void sim_embedding_backward(const struct sim_ops *o, struct sim_params *p, struct sim_embedding *e,
                            const sim_act *d, int64_t batch, int64_t taken);

#endif
