/* Sums over ranks on a device: nvidia/ranks_nccl.c over NCCL, shim/ranks.c over the host's
 * (core/ops/ranks.h); ranks.c puts the gradients beside the backward with either.
 *
 * All are collective: every rank queues the same in the same order. */
#ifndef SIM_CUDA_RANKS_H
#define SIM_CUDA_RANKS_H

#include "cuda.h"
#include "ranks.h"

struct sim_cuda_ranks {
    const struct sim_ranks *ranks;
    sim_event ready, done; /* gradients on the compute stream; their means on the ranks' stream */
    int begun;             /* means were queued that the compute stream does not yet wait for */
    void *library;         /* what carries the sums */
    double looked_s;       /* when alive last looked */
};

/* Connects the devices of `ranks`, which outlive it, into c->ranks; NULL: alone, nothing is done.  The device
 * and its streams are open by then. */
sim_status sim_cuda_ranks_open(struct sim_cuda *c, const struct sim_ranks *ranks);
void sim_cuda_ranks_close(struct sim_cuda *c); /* c->ranks NULL is legal */

/* 1 alone. */
int sim_cuda_ranks_size(const struct sim_cuda *c);

/* values (count), on the device, = their sums over the ranks, queued on the compute stream: what is queued
 * next reads the sums.  Alone: nothing. */
void sim_cuda_sum_over_ranks(struct sim_cuda *c, double *device_values, int64_t count);
void sim_cuda_sum_floats_over_ranks(struct sim_cuda *c, float *device_values, int64_t count);
/* all (size, bytes) = everybody's `mine` (bytes), in the order of ranks, both on the device and apart, queued
 * likewise.  Not alone. */
void sim_cuda_gather_over_ranks(struct sim_cuda *c, void *all, const void *mine, size_t bytes);

/* While the host waits for what was queued, collectives may wait for a rank that is gone; a wait asks this
 * between looks.  1: go on waiting; 0: a rank is gone, the collectives were given up and the failure, which
 * names the rank, is recorded.  `waited_s`: for how long by now. */
int sim_cuda_ranks_alive(struct sim_cuda *c, double waited_s);

/* 1 where `mine` is not 0 on every rank; asked by the host, of all ranks at the same place.  Alone: mine. */
int sim_cuda_ranks_all(struct sim_cuda *c, int mine);

/* Before the device is waited for one last time: where a rank is gone, so that what is queued may never end,
 * the collectives are given up. */
void sim_cuda_ranks_let_go(struct sim_cuda *c);

/* "nccl 2.28.9"; "" for the shim. */
const char *sim_cuda_ranks_library(void);

/* ---- what nvidia/ and shim/ supply */

/* Fills r->library. */
sim_status sim_collectives_open(struct sim_cuda *c, struct sim_cuda_ranks *r);
void sim_collectives_close(struct sim_cuda_ranks *r);
/* values (count) = their sums, or with `mean` their means, queued on the stream. */
void sim_collectives_queue(struct sim_cuda *c, sim_stream s, void *values, int64_t count, int doubles,
                           int mean);
/* all (size, bytes) = everybody's `mine`, queued on the stream. */
void sim_collectives_gather(struct sim_cuda *c, sim_stream s, void *all, const void *mine, size_t bytes);
/* SIM_OK; or a collective failed, or (give_up: the sentence already left) is to be given up. */
sim_status sim_collectives_check(struct sim_cuda_ranks *r, int give_up);

#endif
