/* The parts of MoCo-v3 that may be chosen (method.md 3.2; the official flags in brackets). */
#ifndef SIM_MOCO_V3_CONFIG_H
#define SIM_MOCO_V3_CONFIG_H

#include "momentum_schedule.h"
#include "vit_config.h"

struct sim_moco_v3_config {
    int64_t mlp_dim, dim;  /* hidden and output width of projector and predictor [moco-mlp-dim, moco-dim] */
    double temperature;    /* [moco-t] */
    int train_patch_embed; /* [without stop-grad-conv1] */
    double momentum;       /* EMA base [moco-m]; 0: the keys are the online network's own */
    int momentum_schedule; /* enum sim_momentum_schedule [moco-m-cos] */
};

extern const struct sim_field sim_moco_v3_fields[];
extern const int sim_moco_v3_field_count;

/* hidden: patches hidden in view 1. */
sim_status sim_moco_v3_config_check(const struct sim_moco_v3_config *c, const struct sim_vit_config *vit,
                                    int64_t hidden);

#endif
