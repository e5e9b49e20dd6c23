/* A checkpoint: the parameter table written out under its public names, Adam's moments beside it
 * ("optimizer.exp_avg.NAME", "optimizer.exp_avg_sq.NAME"), where the run stood ("train.position") and the
 * curve until then ("train.curve", without its timings).  Nothing in it depends on time or on the machine's
 * load, so that equal runs write equal bytes.  A checksum over all of it stands in the metadata. */
#ifndef SIM_CHECKPOINT_H
#define SIM_CHECKPOINT_H

#include "curve.h"
#include "safetensors.h"
#include "step.h"

struct sim_position {
    int64_t step;                   /* optimiser steps finished in all */
    int64_t steps_per_epoch;        /* must agree on resuming */
    double loss_sum, grad_norm_sum; /* over the unfinished epoch's steps so far */
    double last_lr, last_momentum;
};

/* Epochs that are over at this position, each with its entry of the curve. */
int64_t sim_position_epochs(const struct sim_position *at);

/* Writes atomically; the old file at `path` stays whole if anything fails. */
sim_status sim_checkpoint_save(const char *path, const struct sim_params *params,
                               const struct sim_position *at, const struct sim_epoch_stats *curve,
                               const char *config_hash);

/* Reads one whole and holds it against its checksum.  SIM_EFORMAT, SIM_EIO: it is damaged, and the sentence
 * says how. The caller closes *out. */
sim_status sim_checkpoint_open(struct sim_tensors **out, const char *path);

/* Steps finished, of an open one. */
sim_status sim_checkpoint_step(const struct sim_tensors *file, const char *path, int64_t *step);

/* Restores everything from an open one; *curve gets the entries of the epochs that are over, timings NaN, for
 * the caller to free.  One of another set size or another model is an error that names both. */
sim_status sim_checkpoint_take(const struct sim_tensors *file, const char *path, struct sim_params *params,
                               struct sim_position *at, int64_t steps_per_epoch,
                               struct sim_epoch_stats **curve);

/* What the metadata hold under "checksum" for tensors in this order and this configuration: 16 hex digits. */
void sim_checkpoint_checksum(const struct sim_tensor *tensors, int count, const char *config_hash,
                             char out[17]);

#endif
