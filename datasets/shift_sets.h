/* The shifted sets as labelled images (core/train/shifted.h): corrupted on the fly or read from folders, and
 * the sets of another kind. */
#ifndef SIM_SHIFT_SETS_H
#define SIM_SHIFT_SETS_H

#include "data_config.h"
#include "shift_config.h"
#include "shifted.h"

struct sim_shift_sets_config {
    const struct sim_shift_config *shift; /* copied, as is data */
    const struct sim_data_config
        *data;     /* validation images, their size when scored, what to do with damaged ones */
    uint64_t seed; /* of which validation images a limited run uses */
    int64_t img_size;
    int workers; /* >= 1 threads */
};

/* Made corruptions: the validation image, shorter side resized (bilinear) and its middle cut out as when
 * scoring, is corrupted at the size the classifier sees, and passes through a JPEG file as the published sets
 * did.  Read ones are shown at the classifier's size without any further crop.  Sets of other kinds are
 * resized and cropped like validation images.  A set without a path is left out, where data.kind is not
 * procedural. */
sim_status sim_shift_sets_open(struct sim_shifted *out, const struct sim_shift_sets_config *c);

#endif
