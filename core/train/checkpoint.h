/* The checkpoint: the parameter table written out under its public names, Adam's moments beside it
 * ("optimizer.exp_avg.NAME", "optimizer.exp_avg_sq.NAME"), and where the run stood.  Nothing in it depends on
 * time or on the machine's load, so that equal runs write equal bytes. */
#ifndef SIM_CHECKPOINT_H
#define SIM_CHECKPOINT_H

#include "step.h"

struct sim_position {
    int64_t step;                   /* optimiser steps finished in all */
    int64_t steps_per_epoch;        /* must agree on resuming */
    double loss_sum, grad_norm_sum; /* over the unfinished epoch's steps so far */
    double last_lr, last_momentum;
};

/* Writes atomically; the old checkpoint stays whole if anything fails. */
sim_status sim_checkpoint_save(const char *path, const struct sim_params *params,
                               const struct sim_position *at, const char *config_hash);

/* Restores everything; a checkpoint of another configuration or set size is an error that names both. */
sim_status sim_checkpoint_load(const char *path, struct sim_params *params, struct sim_position *at,
                               int64_t steps_per_epoch, const char *config_hash);

#endif
