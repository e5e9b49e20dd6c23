/* Test images that are unlike those of training: corrupted ones, and sets of another kind.  As with batch.h,
 * core/ knows nothing of where they come from; datasets/ implements the interface. */
#ifndef SIM_SHIFTED_H
#define SIM_SHIFTED_H

#include "batch.h"
#include "corruption.h"

enum sim_shift_set {
    SIM_SHIFT_C,      /* validation images, corrupted: ImageNet-C */
    SIM_SHIFT_A,      /* found to be hard, some of the classes: ImageNet-A */
    SIM_SHIFT_R,      /* renditions, some of the classes: ImageNet-R */
    SIM_SHIFT_SKETCH, /* sketches, all classes: ImageNet-Sketch */
    SIM_SHIFT_SETS
};

/* One set of images; corruption and severity belong to SIM_SHIFT_C alone. */
struct sim_shift {
    enum sim_shift_set set;
    enum sim_corruption corruption;
    int severity; /* 1 .. 5 */
};

struct sim_shifted {
    void *self;
    int has[SIM_SHIFT_SETS];          /* what there is */
    int corruptions[SIM_CORRUPTIONS]; /* of SIM_SHIFT_C: which, and at which severities (1 at [0]) */
    int severities[SIM_SEVERITIES];
    char facts[SIM_SHIFT_SETS]
              [384]; /* where images come from, for the protocol: a piece of JSON, "images": "made", ... */
    /* Opens one set.  Its classes are sorted by name, and may be fewer than those of training.  The caller
     * closes it before the next is opened. */
    sim_status (*open)(void *self, const struct sim_shift *which, struct sim_labelled *out);
    void (*close)(void *self);
};

#endif
