/* The SiameseIM network: its table, its stages, its buffers.  Shared by siameseim.c (the step) and
 * siameseim_model.c (construction and cost).  B images, V visible patches, L patches, D encoder width, Dd
 * decoder width. */
#ifndef SIM_SIAMESEIM_MODEL_H
#define SIM_SIAMESEIM_MODEL_H

#include "objective.h"
#include "vit.h"

struct sim_linear_rows {
    int w, b;
};

/* One branch, online or momentum: image to projector output. */
struct sim_branch {
    struct sim_embedding embedding;
    struct sim_stack blocks, projector;
    struct sim_linear_rows decoder_embed;
    float *z0; /* (B, tokens, Dd) decoder_embed's output */
};

struct sim_siameseim {
    const struct sim_ops *ops;
    struct sim_vit_config vit;
    struct sim_siameseim_config c;
    struct sim_params params;
    struct sim_arena arena;
    uint64_t seed;
    int64_t batch, max_visible, grid, patches;

    struct sim_branch online, target;
    struct sim_stack predictor;
    int mask_token, mm_mask_token, decoder_pos;
    struct sim_linear_rows decoder_pred, decoder_pos_mlp;
    struct sim_segment *ema; /* momentum pairs */
    int ema_count;

    int32_t *index;                            /* (B, V) visible patches in raster order */
    float *keep;                               /* (2 depth, B) drop-path factors, or NULL */
    float *features, *place;                   /* (B, L, 2 Dd) (B, L, Dd): where the targets lie */
    float *joined, *queries, *pred;            /* (B, 1 + V + L, Dd) (B, L, Dd) (B, L, Dd) */
    float *normed, *normed_mean, *normed_rstd; /* online_ln: (B, L, Dd) (B L) (B L) */
    float *goal;                               /* (B, L, Dd) normalised targets */
    float *pooled, *pooled_goal;               /* (B, Dd) of the global loss */
    float *covariance, *pc;                    /* (Dd, Dd) (M, Dd) */
    /* gradients of activations */
    float *d_pred, *d_joined, *d_z, *d_place, *d_tokens; /* d_pred (B, L, Dd), d_tokens (B, 1 + V, D) */
    float *d_pooled;
    struct sim_block_scratch scratch;
};

/* Adds every row of the state_dict in its order. */
void sim_siameseim_add_rows(struct sim_siameseim *m);
/* Plans every buffer; run once over a measuring arena, once over the real one. */
sim_status sim_siameseim_plan(struct sim_siameseim *m);
/* Copies the configuration in and checks it; nothing is allocated. */
sim_status sim_siameseim_describe(struct sim_siameseim *m, const struct sim_vit_config *vit,
                                  const struct sim_siameseim_config *c, int64_t batch, int64_t max_visible);
/* The cost once rows are added and buffers measured. */
struct sim_cost sim_siameseim_count(const struct sim_siameseim *m, int64_t visible);

#endif
