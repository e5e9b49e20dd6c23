/* The SiameseIM network: its table, its stages, its buffers.  Shared by siameseim.c (the step) and
 * siameseim_model.c (construction and cost).  B images, V visible patches, L patches, D encoder width, Dd
 * decoder width. */
#ifndef SIM_SIAMESEIM_MODEL_H
#define SIM_SIAMESEIM_MODEL_H

#include "linear.h"
#include "siameseim.h"
#include "vit.h"

/* One branch, online or momentum: image to projector output. */
struct sim_branch {
    struct sim_embedding embedding;
    struct sim_stack blocks, projector;
    struct sim_linear_rows decoder_embed;
    sim_act *z0; /* (B, tokens, Dd) decoder_embed's output */
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

    /* The batch as drawn on the host, and where the step reads it: staging, or the host's own. */
    int32_t *host_index; /* (B, V) visible patches in raster order */
    float *host_keep;    /* (2 depth, B) drop-path factors, or NULL */
    struct sim_inputs {
        float *view1, *view2, *geometry, *keep;
        int32_t *index;
    } staging;
    int64_t visible; /* V of the batch at hand */
    const int32_t *index;
    const float *view1, *view2, *geometry;

    sim_act *features, *place;        /* (B, L, 2 Dd) (B, L, Dd): where the targets lie */
    sim_act *joined, *queries, *pred; /* (B, 1 + V + L, Dd) (B, L, Dd) (B, L, Dd) */
    sim_act *normed;                  /* online_ln: (B, L, Dd) */
    float *normed_mean, *normed_rstd; /* (B L) (B L) */
    sim_act *goal;                    /* (B, L, Dd) normalised targets */
    sim_act *pooled, *pooled_goal;    /* (B, Dd) of the global loss */
    float *covariance;                /* (Dd, Dd) */
    /* gradients of activations */
    sim_act *d_pred, *d_queries, *d_joined, *d_z, *d_place,
        *d_tokens; /* d_pred (B, L, Dd), d_tokens (B, 1 + V, D) */
    sim_act *d_pooled;
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
