/* Drop path: a residual branch of a block is left out for an image with a probability that grows linearly
 * over the blocks, from 0 at the first to drop_path_rate at the last, and what stays is scaled up for it. */
#ifndef SIM_DROP_PATH_H
#define SIM_DROP_PATH_H

#include "vit.h"

/* keep (2 depth, batch): of block i's branches rows 2i and 2i + 1 are drawn, 0 or 1 / (probability of
 * staying), each a function of (seed, epoch, index of the image, branch); rows of blocks whose rate is 0 are
 * left alone.  index NULL: 0 .. batch-1. */
void sim_drop_path_draw(float *keep, const struct sim_vit_config *vit, uint64_t seed, int64_t epoch,
                        const int64_t *index, int64_t batch);

/* The blocks' forward and backward find their factors in keep (2 depth, batch), in the backend's memory, from
 * block `first` on; NULL: nothing is dropped. */
void sim_drop_path_place(struct sim_stack *blocks, const float *keep, int first, int64_t batch);

#endif
