/* A linear probe on its way, as a file: so that hours of augmented epochs survive a stop, and the finished
 * head is kept. */
#ifndef SIM_LINEAR_STATE_H
#define SIM_LINEAR_STATE_H

#include "linear_head.h"

/* Where a probe stands between two epochs. */
struct sim_linear_state {
    int64_t epoch;            /* finished */
    int64_t steps, rows;      /* steps in all; training rows */
    int64_t right;            /* of the val rows after the last epoch */
    int64_t best, best_epoch; /* the most of them, and after which epoch, from 1: the first among equals */
    int64_t skipped;          /* damaged training images */
    double loss;              /* mean over the last epoch */
};

/* Atomic.  bn.running_mean, bn.running_var, head.weight, head.bias with their momentum, and the numbers
 * above; identity is whose probe it is. */
sim_status sim_linear_state_write(const char *path, const char *identity, const struct sim_linear_head *h,
                                  const struct sim_linear_state *s);

/* Where there is a file of this identity, the head and *s are set from it; otherwise both stay as they are.
 * One that is damaged, or of another shape, is an error that names it. */
sim_status sim_linear_state_read(const char *path, const char *identity, struct sim_linear_head *h,
                                 struct sim_linear_state *s);

#endif
