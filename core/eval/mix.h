/* Mixup and CutMix as timm's "batch" mode has them (method.md 3.3): one draw for a group of images, each of
 * which is mixed with its counterpart from the other end.  The groups are part of the configuration
 * (finetune.mix_group), so that neither the number of ranks nor what a rank holds changes what is drawn. */
#ifndef SIM_MIX_H
#define SIM_MIX_H

#include "finetune_config.h"
#include "rng.h"

struct sim_mix {
    double lambda;                /* the image's own share of the target; 1: nothing is mixed */
    int cutmix;                   /* 0: mixup */
    int top, bottom, left, right; /* CutMix: the box that is exchanged, ends excluded */
};

/* For images of side x side pixels.  CutMix's lambda is what the box, cut at the edges, leaves. */
void sim_mix_draw(const struct sim_finetune_config *c, struct sim_rng *r, int side, struct sim_mix *out);

/* x (count, 3, side, side) in place; count is even. */
void sim_mix_images(const struct sim_mix *m, float *x, int64_t count, int side);

/* target (count, classes) of these labels: lambda of an image's own, the rest of its counterpart's;
 * `smoothing` of either is spread over all classes. */
void sim_mix_targets(const struct sim_mix *m, const int32_t *label, int64_t count, int64_t classes,
                     double smoothing, float *target);

#endif
