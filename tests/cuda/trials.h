/* Small kernels that put the host's emulation of a device itself to the test (trials.cu). */
#ifndef SIM_TRIALS_H
#define SIM_TRIALS_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out[i] = the block's and thread's numbers, packed by the test's own formula, over a 3-D grid of 3-D blocks.
 */
void trial_indices(sim_stream s, int64_t *out, const unsigned grid[3], const unsigned block[3]);
/* out (blocks) = sums of in (blocks, threads), added up through shuffles and shared memory. */
void trial_block_sums(sim_stream s, float *out, const float *in, int blocks, int threads);
/* Each block reverses its (threads) numbers through dynamic shared memory, `times` times over. */
void trial_reverse(sim_stream s, int32_t *values, int blocks, int threads, int times);
/* out (5, 32): xor 5, down 3 in groups of 8, up 2, broadcast of lane 7 as a double, ballot of odd lanes. */
void trial_shuffles(sim_stream s, double *out);
/* The two halves of a warp shuffle by themselves. */
void trial_halves(sim_stream s, int32_t *out);
/* out = the first number of shared memory that nobody wrote; dynamic, and an array. */
void trial_unwritten(sim_stream s, float *out, int blocks);
/* A neighbour exchange without, and with, the barrier that it needs. */
void trial_neighbours(sim_stream s, int32_t *out, int threads, int barrier);
/* out = in rounded to bfloat16, and widened again. */
void trial_bfloat16(sim_stream s, uint16_t *bits, float *wide, const float *in, int count);
/* values += 1, barrier-free. */
void trial_increment(sim_stream s, int32_t *values, int64_t count);
/* Kernels that are wrong; `how` is one of these. */
enum trial_fault {
    TRIAL_EXIT,          /* half of the threads end before a barrier */
    TRIAL_TWO_BARRIERS,  /* halves at different __syncthreads */
    TRIAL_WARP_BARRIER,  /* some wait at __syncwarp, some at __syncthreads */
    TRIAL_FOREIGN_LANE,  /* a shuffle from a lane outside the mask */
    TRIAL_MISSING_LANE,  /* a shuffle from a lane that a block of 40 threads does not have */
    TRIAL_OWN_LANE,      /* a mask without the caller */
    TRIAL_SHARED_ARRAYS, /* more shared memory than there is */
    TRIAL_FAULTS
};
void trial_fault(sim_stream s, int how, int blocks);
/* Reads one past the end: 0 of shared memory, 1 of `values` (count). */
void trial_overrun(sim_stream s, float *values, int64_t count, int where);
/* Launches that cannot be: 0 no blocks, 1 too many threads, 2 too many layers, 3 too much shared memory. */
void trial_bad_launch(sim_stream s, int how);

#ifdef __cplusplus
}
#endif

#endif
