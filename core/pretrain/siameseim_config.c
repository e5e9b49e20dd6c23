#include "siameseim_config.h"

static const char *const norms[] = {"bn", "ln", NULL};
static const char *const positions[] = {"full", "no_scale", "none", NULL};
static const char *const losses[] = {"dense", "global", NULL};
static const char *const target_norms[] = {"ln", "none", NULL};
static const char *const schedules[] = SIM_MOMENTUM_SCHEDULE_NAMES;

#define F(name, type, low, high, choices, preset, help)                                                      \
    {                                                                                                        \
#name, type, offsetof(struct sim_siameseim_config, name), low, high, choices, preset, help           \
    }

const struct sim_field sim_siameseim_fields[] = {
    F(decoder_embed_dim, SIM_FIELD_INT, 4, 8192, NULL, "96",
      "width of projector and predictor; a multiple of 4"),
    F(decoder_num_heads, SIM_FIELD_INT, 1, 256, NULL, "6", "attention heads of projector and predictor"),
    F(projector_depth, SIM_FIELD_INT, 0, 100, NULL, "1", "blocks of the projector; the paper's ViT-B has 2"),
    F(predictor_depth, SIM_FIELD_INT, 1, 100, NULL, "2", "blocks of the predictor; the paper's ViT-B has 4"),
    F(projector_norm, SIM_FIELD_CHOICE, 0, 0, norms, "bn", "normalisation in the projector blocks"),
    F(predictor_norm, SIM_FIELD_CHOICE, 0, 0, norms, "bn", "normalisation in the predictor blocks"),
    F(online_ln, SIM_FIELD_BOOL, 0, 0, NULL, "false", "frozen LayerNorm on the predictions before the loss"),
    F(target_norm, SIM_FIELD_CHOICE, 0, 0, target_norms, "ln",
      "LayerNorm without affine on the targets (the paper's), or none"),
    F(train_patch_embed, SIM_FIELD_BOOL, 0, 0, NULL, "false",
      "train the patch embedding (the paper freezes it)"),
    F(relative_position, SIM_FIELD_CHOICE, 0, 0, positions, "full",
      "what the predictor is told of view 2: full geometry, positions without scales, or nothing"),
    F(loss, SIM_FIELD_CHOICE, 0, 0, losses, "dense", "per patch, or on the mean of an image's patches"),
    F(neg_weight, SIM_FIELD_REAL, 0, 1000, NULL, "0.02", "lambda, weight of the decorrelation term"),
    F(momentum, SIM_FIELD_REAL, 0, 1, NULL, "0.995", "EMA base of the target network; 0: shared weights"),
    F(momentum_schedule, SIM_FIELD_CHOICE, 0, 0, schedules, "cosine",
      "momentum over the run: cosine to 1, or const"),
};
const int sim_siameseim_field_count = sizeof sim_siameseim_fields / sizeof *sim_siameseim_fields;

sim_status sim_siameseim_config_check(const struct sim_siameseim_config *c, const struct sim_vit_config *vit)
{
    SIM_TRY(sim_vit_config_check(vit));
    if (c->decoder_embed_dim % c->decoder_num_heads)
        return sim_fail(
            SIM_EINVAL,
            "siameseim.decoder_num_heads: %ld heads do not divide siameseim.decoder_embed_dim %ld",
            (long)c->decoder_num_heads, (long)c->decoder_embed_dim);
    if (c->decoder_embed_dim % 4)
        return sim_fail(
            SIM_EINVAL,
            "siameseim.decoder_embed_dim: %ld is no multiple of 4, which the position tables need",
            (long)c->decoder_embed_dim);
    return SIM_OK;
}
