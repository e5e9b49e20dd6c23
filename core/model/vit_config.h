/* The encoder's shape: a Vision Transformer as in timm (names are timm's). */
#ifndef SIM_VIT_CONFIG_H
#define SIM_VIT_CONFIG_H

#include "fields.h"

struct sim_vit_config {
    int64_t img_size, patch_size, embed_dim, depth, num_heads, mlp_ratio;
    double init_values;    /* LayerScale's start; 0: no LayerScale */
    double drop_path_rate; /* of the last block; linear from 0 over the blocks */
};

extern const struct sim_field sim_vit_fields[];
extern const int sim_vit_field_count;

/* What bounds cannot say: the grid divides, the heads divide the width, the width is a multiple of 4. */
sim_status sim_vit_config_check(const struct sim_vit_config *c);

#endif
