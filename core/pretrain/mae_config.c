#include "mae_config.h"

#define F(name, type, low, high, preset, help)                                                               \
    {                                                                                                        \
#name, type, offsetof(struct sim_mae_config, name), low, high, NULL, preset, help                    \
    }

const struct sim_field sim_mae_fields[] = {
    F(decoder_embed_dim, SIM_FIELD_INT, 4, 8192, "64",
      "width of the decoder; a multiple of 4, the paper's is 512"),
    F(decoder_depth, SIM_FIELD_INT, 1, 100, "2", "blocks of the decoder; the paper has 8"),
    F(decoder_num_heads, SIM_FIELD_INT, 1, 256, "4", "attention heads of the decoder; the paper has 16"),
    F(norm_pix_loss, SIM_FIELD_BOOL, 0, 0, "true",
      "the target's patches are normalised by their own mean and variance"),
};
const int sim_mae_field_count = sizeof sim_mae_fields / sizeof *sim_mae_fields;

sim_status sim_mae_config_check(const struct sim_mae_config *c, const struct sim_vit_config *vit,
                                int64_t hidden)
{
    SIM_TRY(sim_vit_config_check(vit));
    if (c->decoder_embed_dim % c->decoder_num_heads)
        return sim_fail(SIM_EINVAL,
                        "mae.decoder_num_heads: %ld heads do not divide mae.decoder_embed_dim %ld",
                        (long)c->decoder_num_heads, (long)c->decoder_embed_dim);
    if (c->decoder_embed_dim % 4)
        return sim_fail(SIM_EINVAL,
                        "mae.decoder_embed_dim: %ld is no multiple of 4, which the position tables need",
                        (long)c->decoder_embed_dim);
    if (hidden < 1)
        return sim_fail(SIM_EINVAL,
                        "mask.kind: MAE predicts the patches that are hidden, and none is; random with "
                        "mask.ratio 0.75 is its own");
    return SIM_OK;
}
