#include "moco_v3_model.h"

int sim_moco_v3_attention(struct sim_attention_use out[SIM_ATTENTION_USES], const struct sim_vit_config *vit,
                          int64_t batch)
{
    const int64_t grid = vit->img_size / vit->patch_size;
    const struct sim_attention_shape encoder = {SIM_MOCO_VIEWS * batch, 1 + grid * grid, vit->num_heads,
                                                vit->embed_dim / vit->num_heads};
    out[0] = (struct sim_attention_use){"online encoder", encoder, 1};
    out[1] = (struct sim_attention_use){"momentum encoder", encoder, 0};
    return 2;
}
