/* Keys of MAE (method.md 3.1; names of the official code's arguments). */
#ifndef SIM_MAE_CONFIG_H
#define SIM_MAE_CONFIG_H

#include "vit_config.h"

struct sim_mae_config {
    int64_t decoder_embed_dim, decoder_depth, decoder_num_heads;
    int norm_pix_loss; /* targets are normalised patch by patch */
};

extern const struct sim_field sim_mae_fields[];
extern const int sim_mae_field_count;

sim_status sim_mae_config_check(const struct sim_mae_config *c, const struct sim_vit_config *vit,
                                int64_t hidden);

#endif
