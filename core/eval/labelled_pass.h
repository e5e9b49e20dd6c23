/* One pass over labelled images, batch by batch, the next batch being read while one is at work on the last.
 */
#ifndef SIM_LABELLED_PASS_H
#define SIM_LABELLED_PASS_H

#include <signal.h>

#include "batch.h"

struct sim_progress;

struct sim_labelled_pass {
    const struct sim_labelled *source;
    struct sim_look look;
    int side;             /* of the images, pixels */
    const int64_t *index; /* the images, in the order wanted; NULL: all */
    int64_t count;        /* of index */
    int64_t batch_size;
    const char *label;                 /* heads errors; progress is shown under it */
    struct sim_progress *progress;     /* not NULL: images are counted on in this one instead */
    const char *note;                  /* with it; may be NULL */
    const volatile sig_atomic_t *stop; /* not 0: SIM_EINTERRUPT at the next batch; may be NULL */
    /* Images index[0 .. count-1] of the source, x (count, 3, side, side); every label is one of the set's
     * classes, or -1 of a damaged image. */
    sim_status (*take)(void *context, const float *x, const int32_t *label, const int64_t *index,
                       int64_t count);
    void *context;
};

/* An empty set, and one whose images are all damaged, are errors. */
sim_status sim_labelled_pass(const struct sim_labelled_pass *pass);

#endif
