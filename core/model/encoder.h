/* A frozen ViT encoder for inference: the online network's blocks, and the norm behind them where the
 * objective trains one (SiameseIM has none; MAE's `norm`). */
#ifndef SIM_ENCODER_H
#define SIM_ENCODER_H

#include "ops.h"
#include "vit_config.h"

struct sim_params; /* params.h */

struct sim_encoder;

/* Reads weights from `params` (borrowed, rows named as timm's ViT, behind params->encoder: cls_token,
 * pos_embed, patch_embed.*, blocks.*, and norm.* where it is there); activations for up to max_batch images
 * are planned and allocated here. */
sim_status sim_encoder_open(struct sim_encoder **out, const struct sim_ops *ops,
                            const struct sim_vit_config *vit, const struct sim_params *params,
                            int64_t max_batch);
void sim_encoder_close(struct sim_encoder *e); /* NULL is legal */

int sim_encoder_dim(const struct sim_encoder *e);
int sim_encoder_img_size(const struct sim_encoder *e);

/* x (count, 3, S, S) normalised -> out (count, embed_dim), both on the host: mean of the patch tokens
 * behind all that. count beyond max_batch is an error. */
sim_status sim_encoder_mean_patch(struct sim_encoder *e, const float *x, int64_t count, float *out);
/* The same of the cls token. */
sim_status sim_encoder_cls(struct sim_encoder *e, const float *x, int64_t count, float *out);

#endif
