#include "drop_path.h"

#include "rng.h"

void sim_drop_path_draw(float *keep, const struct sim_vit_config *vit, uint64_t seed, int64_t epoch,
                        const int64_t *index, int64_t batch)
{
    const int64_t depth = vit->depth;
    for (int64_t i = 0; i < depth; i++) {
        double rate = depth > 1 ? vit->drop_path_rate * (double)i / (double)(depth - 1) : 0;
        float *pair = keep + 2 * i * batch;
        if (rate <= 0) continue;
        for (int64_t b = 0; b < batch; b++)
            for (int branch = 0; branch < 2; branch++) {
                uint64_t sample = index ? (uint64_t)index[b] : (uint64_t)b;
                struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_DROP_PATH, (uint32_t)epoch, sample,
                                                (uint32_t)(2 * i + branch));
                pair[branch * batch + b] = sim_rng_uniform(&r) < rate ? 0.0f : (float)(1.0 / (1.0 - rate));
            }
    }
}

void sim_drop_path_place(struct sim_stack *blocks, const float *keep, int first, int64_t batch)
{
    for (int i = first; i < blocks->depth; i++) {
        blocks->saved[i].keep1 = keep ? keep + 2 * i * batch : NULL;
        blocks->saved[i].keep2 = keep ? keep + (2 * i + 1) * batch : NULL;
    }
}
