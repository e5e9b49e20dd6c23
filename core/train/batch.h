/* What training eats: the batch, and the sources that yield it.  core/ knows nothing of where images come
 * from; datasets/ implements these two interfaces. */
#ifndef SIM_BATCH_H
#define SIM_BATCH_H

#include <stdint.h>

#include "batch_tensors.h"
#include "pixels.h"
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
    const uint8_t *(*damaged)(void *self);                     /* (images) 1: that one */
    void (*name)(void *self, int64_t i, char *name, int size); /* of an image; NULL: they have none */
    void (*close)(void *self);
};

enum sim_look_augment {
    SIM_LOOK_PLAIN,   /* shorter side resized, centre crop */
    SIM_LOOK_PROBE,   /* a random crop of one draw, resized, then a random flip: MAE's linear probe */
    SIM_LOOK_FINETUNE /* torchvision's random crop, resized, a flip, RandAugment, random erasing: timm's
                         training */
};
enum { SIM_LOOK_OPERATIONS = 8 }; /* of RandAugment on one image, at most */

/* How labelled images are shown to an encoder. */
struct sim_look {
    enum sim_resample filter;
    enum sim_look_augment augment;
    double crop_min, flip; /* smallest share of the image's area in a crop (1 the largest); probability */
    int operations;        /* of RandAugment that are chosen; 0: none */
    double magnitude, magnitude_std; /* of RandAugment, 0 to 10: mean and deviation of the draw */
    double erase;                    /* probability that a box of the finished view is replaced by noise */
    uint64_t seed;                   /* with epoch and the image's number it keys the draw */
    int64_t epoch;
};

/* A set of labelled images, for scoring: what is read is normalised, x (count, 3, S, S). */
struct sim_labelled {
    void *self;
    int64_t images;
    int classes;
    int32_t (*label)(void *self, int64_t i); /* without decoding */
    void (*name)(void *self, int64_t i, char *name, int size);
    const char *(*class_name)(void *self, int label);
    /* Starts reading images index[0 .. count-1] into x and label; label -1: a damaged image that policy
     * `skip` passed over, whose pixels are zero.  What was started is finished before anything else is
     * started; until then index, x and label stay where they are.  Where start fails, nothing was started. */
    sim_status (*start)(void *self, const struct sim_look *look, const int64_t *index, int64_t count,
                        float *x, int32_t *label);
    sim_status (*finish)(void *self); /* waits; the failure of the first image in order that failed */
    void (*close)(void *self);
};

#endif
