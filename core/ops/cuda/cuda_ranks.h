/* Sums over ranks on a device: nvidia/ranks_nccl.c over NCCL, shim/ranks.c over the host's sums (core/ops/ranks.h).
 *
 * Both are collective: every rank makes the same calls in the same order, those on the compute stream among
 * themselves and gradients_ready among themselves. */
#ifndef SIM_CUDA_RANKS_H
#define SIM_CUDA_RANKS_H

#include "cuda.h"

/* The connection between the devices of o->ranks; *out NULL and nothing done where the ranks are NULL
 * (alone). `ranks` outlives it.  The device and its streams are open by then. */
sim_status sim_cuda_ranks_open(struct sim_cuda_ranks **out, struct sim_cuda *c,
                               const struct sim_ranks *ranks);
void sim_cuda_ranks_close(struct sim_cuda *c); /* c->ranks; NULL there is legal */

/* 1 alone. */
int sim_cuda_ranks_size(const struct sim_cuda *c);

/* values (count), on the device, = their sums over the ranks, queued on the compute stream: what is queued
 * next reads the sums.  Alone: nothing. */
void sim_cuda_sum_over_ranks(struct sim_cuda *c, double *device_values, int64_t count);
void sim_cuda_sum_floats_over_ranks(struct sim_cuda *c, float *device_values, int64_t count);

/* While the host waits for what was queued, collectives may wait for a rank that is gone; a wait asks this
 * between looks.  1: go on waiting; 0: a rank is gone, the collectives were given up and the failure, which
 * names the rank, is recorded.  `waited_s`: for how long by now. */
int sim_cuda_ranks_alive(struct sim_cuda *c, double waited_s);

/* "nccl 2.28.9"; "" for the shim. */
const char *sim_cuda_ranks_library(void);

#endif
