/* The parts of SiameseIM that ablations switch (method.md section 1; names of the official flags). */
#ifndef SIM_SIAMESEIM_CONFIG_H
#define SIM_SIAMESEIM_CONFIG_H

#include "momentum_schedule.h"
#include "vit_config.h"

enum sim_norm_kind { SIM_NORM_BN, SIM_NORM_LN };
enum sim_relative_position { SIM_RELATIVE_FULL, SIM_RELATIVE_NO_SCALE, SIM_RELATIVE_NONE };
enum sim_loss_kind { SIM_LOSS_DENSE, SIM_LOSS_GLOBAL };
enum sim_target_norm { SIM_TARGET_LN, SIM_TARGET_PLAIN };

struct sim_siameseim_config {
    int64_t decoder_embed_dim, decoder_num_heads, projector_depth, predictor_depth;
    int projector_norm, predictor_norm; /* enum sim_norm_kind */
    int online_ln;                      /* frozen LayerNorm (no affine change) on the predictions */
    int target_norm; /* enum sim_target_norm: LayerNorm without affine on the targets, or none */
    int train_patch_embed;
    int relative_position; /* enum sim_relative_position */
    int loss;              /* enum sim_loss_kind */
    double neg_weight;     /* lambda of the UniGrad loss */
    double momentum;       /* EMA base; 0: the target is the online network itself */
    int momentum_schedule; /* enum sim_momentum_schedule */
};

extern const struct sim_field sim_siameseim_fields[];
extern const int sim_siameseim_field_count;

sim_status sim_siameseim_config_check(const struct sim_siameseim_config *c, const struct sim_vit_config *vit);

#endif
