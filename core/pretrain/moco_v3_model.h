/* The MoCo-v3 network: its table, its stages, its buffers.  Shared by moco_v3.c (the step) and
 * moco_v3_model.c (construction and cost).  B images, so 2 B views, those of view 1 first; L patches, D
 * encoder width, E width of queries and keys.
 *
 * Both views go through the encoders as one batch; only the heads' BatchNorms tell them apart. */
#ifndef SIM_MOCO_V3_MODEL_H
#define SIM_MOCO_V3_MODEL_H

#include "layernorm.h"
#include "mlp_head.h"
#include "moco_v3.h"
#include "vit.h"

enum { SIM_MOCO_VIEWS = 2 };

/* One encoder, online (base_encoder) or momentum: images to the projector's output. */
struct sim_moco_encoder {
    struct sim_embedding embedding;
    struct sim_stack blocks;
    struct sim_layernorm norm;
    struct sim_mlp_head head;
    sim_act *cls; /* (2 B, D) cls tokens after the last block */
};

struct sim_moco_v3 {
    const struct sim_ops *ops;
    struct sim_vit_config vit;
    struct sim_moco_v3_config c;
    struct sim_params params;
    struct sim_arena arena;
    int64_t batch, patches;

    struct sim_moco_encoder online, momentum;
    struct sim_mlp_head predictor;
    struct sim_segment *ema; /* momentum pairs */
    int ema_count;

    float *staging[SIM_MOCO_VIEWS];    /* (B, 3, S, S) each */
    const float *view[SIM_MOCO_VIEWS]; /* of the batch at hand */

    sim_act *queries, *keys; /* (2, B, E) of length 1: those of views 1, 2, and the keys of views 2, 1 */
    float *query_rstd;       /* (2 B) */
    /* gradients of activations */
    sim_act *d_queries;        /* (2 B, E) */
    sim_act *d_cls, *d_tokens; /* (2 B, D), (2 B, 1 + L, D) */
    struct sim_block_scratch scratch;
};

/* Adds every row of the state_dict in its order. */
void sim_moco_v3_add_rows(struct sim_moco_v3 *m);
/* Plans every buffer; run once over a measuring arena, once over the real one. */
sim_status sim_moco_v3_plan(struct sim_moco_v3 *m);
/* Copies the configuration in and checks it; nothing is allocated. */
sim_status sim_moco_v3_describe(struct sim_moco_v3 *m, const struct sim_vit_config *vit,
                                const struct sim_moco_v3_config *c, int64_t batch);
/* The cost once rows are added and buffers measured; every query meets `keys` keys. */
struct sim_cost sim_moco_v3_count(const struct sim_moco_v3 *m, int64_t keys);

#endif
