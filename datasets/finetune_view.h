/* How a fine-tuned classifier is shown its training images: timm 0.6.12's transform (method.md 3.3), a crop,
 * a flip, RandAugment, and random erasing of the normalised pixels.  Every draw is a function of (seed,
 * epoch, image). */
#ifndef SIM_FINETUNE_VIEW_H
#define SIM_FINETUNE_VIEW_H

#include "batch.h"
#include "randaugment.h"

struct sim_finetune_view {
    int i, j, h, w; /* the crop: top, left, height, width */
    int flip;       /* after the crop */
    int steps;
    struct sim_randaugment_step step[SIM_LOOK_OPERATIONS]; /* (steps) those that are applied, in order */
    struct sim_finetune_box {
        int top, left, height, width; /* height 0: nothing is erased */
    } erase;
};

/* For a source of width x height pixels, shown as size x size.  Crops and flips, operations, and erasing have
 * streams of their own: switching one off leaves the others as they were. */
void sim_finetune_view_draw(const struct sim_look *look, int64_t image, int width, int height, int size,
                            struct sim_finetune_view *out);

/* The crop resized to size x size, flipped and put through the operations: rgb (size, size, 3). */
sim_status sim_finetune_view_make(const struct sim_look *look, const struct sim_finetune_view *v,
                                  const struct sim_image *src, int size, uint8_t *rgb);

/* Normal noise, mean 0 and variance 1, in place of the box of x (3, size, size). */
void sim_finetune_view_erase(const struct sim_look *look, const struct sim_finetune_view *v, int64_t image,
                             int size, float *x);

#endif
