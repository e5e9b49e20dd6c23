#include "vit_config.h"

#define F(name, type, low, high, preset, help)                                                               \
    {                                                                                                        \
#name, type, offsetof(struct sim_vit_config, name), low, high, NULL, preset, help                    \
    }

const struct sim_field sim_vit_fields[] = {
    F(img_size, SIM_FIELD_INT, 4, 4096, "64", "side of the square input, pixels"),
    F(patch_size, SIM_FIELD_INT, 1, 256, "8", "side of a patch, pixels; divides img_size"),
    F(embed_dim, SIM_FIELD_INT, 4, 8192, "96", "width of the encoder; a multiple of 4 and of num_heads"),
    F(depth, SIM_FIELD_INT, 1, 100, "4", "transformer blocks in the encoder"),
    F(num_heads, SIM_FIELD_INT, 1, 256, "3", "attention heads in the encoder"),
    F(mlp_ratio, SIM_FIELD_INT, 1, 16, "4", "hidden width of the MLPs over their width, all blocks"),
    F(init_values, SIM_FIELD_REAL, 0, 10, "0", "LayerScale start value in the encoder; 0: no LayerScale"),
    F(drop_path_rate, SIM_FIELD_REAL, 0, 0.99, "0",
      "stochastic depth of the last online block, linear from 0"),
};
const int sim_vit_field_count = sizeof sim_vit_fields / sizeof *sim_vit_fields;

sim_status sim_vit_config_check(const struct sim_vit_config *c)
{
    if (c->img_size % c->patch_size)
        return sim_fail(SIM_EINVAL, "model.patch_size: %ld does not divide model.img_size %ld",
                        (long)c->patch_size, (long)c->img_size);
    if (c->embed_dim % c->num_heads)
        return sim_fail(SIM_EINVAL, "model.num_heads: %ld heads do not divide model.embed_dim %ld",
                        (long)c->num_heads, (long)c->embed_dim);
    if (c->embed_dim % 4)
        return sim_fail(SIM_EINVAL,
                        "model.embed_dim: %ld is no multiple of 4, which the position tables need",
                        (long)c->embed_dim);
    return SIM_OK;
}
