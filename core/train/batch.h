/* What training eats: the batch, and the sources that yield it.  core/ knows nothing of where images come
 * from; datasets/ implements these two interfaces. */
#ifndef SIM_BATCH_H
#define SIM_BATCH_H

#include <stdint.h>

#include "batch_tensors.h"
#include "status.h"

/* Training batches, each a pure function of (epoch, step).  `next` may be called in any order (resuming
 * starts in mid-epoch); sources prefetch the successor of the last call.  The batch stays valid until the
 * next call. */
struct sim_source {
    void *self;
    int64_t images;          /* in the set */
    int64_t steps_per_epoch; /* images / batch, the last short batch dropped */
    sim_status (*next)(void *self, int64_t epoch, int64_t step, const struct sim_batch **out);
    int64_t (*skipped)(void *self); /* images passed over so far because they were damaged (policy `skip`) */
    const uint8_t *(*damaged)(void *self); /* (images) 1: that one */
    void (*close)(void *self);
};

/* Labelled images without augmentation (resize shorter side, centre crop, normalise), for scoring. */
struct sim_labelled {
    void *self;
    int64_t images;
    int classes;
    /* images first .. first+count-1 into x (count, 3, S, S) and label (count); label -1: a damaged image that
     * policy `skip` passed over, whose pixels are zero. */
    sim_status (*read)(void *self, int64_t first, int64_t count, float *x, int32_t *label);
    void (*close)(void *self);
};

#endif
