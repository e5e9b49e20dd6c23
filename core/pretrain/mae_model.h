/* The network of MAE: its table, its stages, its buffers.  Shared by mae.c (the step) and mae_model.c
 * (construction and cost).  B images, V visible and H hidden of L patches, D encoder width, Dd decoder width,
 * K = 3 P P numbers of a patch. */
#ifndef SIM_MAE_MODEL_H
#define SIM_MAE_MODEL_H

#include "layernorm.h"
#include "linear.h"
#include "mae.h"
#include "vit.h"

struct sim_mae {
    const struct sim_ops *ops;
    struct sim_vit_config vit;
    struct sim_mae_config c;
    struct sim_params params;
    struct sim_arena arena;
    uint64_t seed;
    int64_t batch, grid, patches, visible, hidden, pixels; /* pixels: K */

    struct sim_embedding embedding;
    struct sim_stack encoder, decoder;
    struct sim_layernorm norm, decoder_norm; /* over (B, 1 + V, D) and (B, L, Dd) */
    struct sim_linear_rows decoder_embed, decoder_pred;
    int mask_token, decoder_pos;

    /* The batch as read on the host, and where the step reads it: staging, or the host's own. */
    int32_t *host_index,
        *host_place;  /* (B, V) visible patches in raster order; (B, L) as in restore_tokens */
    float *host_keep; /* (2 depth, B) drop-path factors, or NULL */
    struct sim_mae_inputs {
        float *view, *keep;
        int32_t *index, *place;
    } staging;
    const int32_t *index, *place;
    const float *view;

    sim_act *z;                         /* (B, 1 + V, Dd) decoder_embed's output */
    sim_act *restored, *decoded, *pred; /* (B, 1 + L, Dd), (B, L, Dd), (B, L, K) */
    /* gradients of activations */
    sim_act *d_decoded, *d_restored; /* as decoded, restored; that of pred takes its place */
    sim_act *d_z, *d_tokens;         /* as z, (B, 1 + V, D) */
    struct sim_block_scratch scratch;
};

/* Copies the configuration in and checks it; nothing is allocated. */
sim_status sim_mae_describe(struct sim_mae *m, const struct sim_vit_config *vit,
                            const struct sim_mae_config *c, int64_t batch, int64_t hidden);
/* Adds every row of the state_dict in its order. */
void sim_mae_add_rows(struct sim_mae *m);
/* Plans every buffer; run once over a measuring arena, once over the real one. */
sim_status sim_mae_plan(struct sim_mae *m);
/* The cost once rows are added and buffers measured. */
struct sim_cost sim_mae_count(const struct sim_mae *m);

#endif
