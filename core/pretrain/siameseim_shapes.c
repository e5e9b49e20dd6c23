/* The attention that SiameseIM runs, as shapes. */
#include "siameseim.h"

int sim_siameseim_attention(struct sim_attention_use out[SIM_ATTENTION_USES],
                            const struct sim_vit_config *vit, const struct sim_siameseim_config *c,
                            int64_t batch, int64_t visible)
{
    const int64_t grid = vit->img_size / vit->patch_size, patches = grid * grid;
    const struct sim_attention_shape encoder = {batch, 0, vit->num_heads, vit->embed_dim / vit->num_heads};
    const struct sim_attention_shape decoder = {batch, 0, c->decoder_num_heads,
                                                c->decoder_embed_dim / c->decoder_num_heads};
    const struct {
        struct sim_attention_use use;
        int64_t depth, tokens;
    } all[] = {
        {{"online encoder", encoder, 1}, vit->depth, 1 + visible},
        {{"online projector", decoder, 1}, c->projector_depth, 1 + visible},
        {{"predictor", decoder, 1}, c->predictor_depth, 1 + visible + patches},
        {{"target encoder", encoder, 0}, vit->depth, 1 + patches},
        {{"target projector", decoder, 0}, c->projector_depth, 1 + patches},
    };
    int count = 0;
    for (int i = 0; i < (int)(sizeof all / sizeof *all); i++) {
        if (all[i].depth == 0) continue;
        out[count] = all[i].use;
        out[count++].shape.tokens = all[i].tokens;
    }
    return count;
}
