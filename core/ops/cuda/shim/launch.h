/* Runs a kernel on the host as a GPU would: every block's threads one by one, each up to its next barrier.
 *
 * What a GPU leaves to luck is an error here, with the kernel's name and the lines: a barrier that not all
 * threads reach, a shuffle from a lane that takes no part, more shared memory than the smallest supported
 * device has.  Shared memory is full of NaN (bytes 0xff) when a block starts, with room between its arrays
 * that AddressSanitizer watches.
 *
 * Blocks are shared out over OpenMP's threads.  Threads run in rising order between barriers, or, where the
 * environment has SIM_SHIM_ORDER=falling, in falling order: a kernel that lacks a barrier answers
 * differently. */
#ifndef SIM_LAUNCH_H
#define SIM_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The least that sm_80, sm_90 and sm_100 offer a block. */
enum { SIM_SHIM_SHARED_BYTES = 163 << 10, SIM_SHIM_WARP = 32 };

struct sim_shim_launch {
    const char *kernel; /* its name, for sentences */
    unsigned grid[3], block[3];
    size_t shared_bytes; /* dynamic */
    void (*thread)(const void *arguments);
    const void *arguments;
};

/* Runs it to its end; fails with a sentence that begins with the kernel's name. */
sim_status sim_shim_run(const struct sim_shim_launch *l);

/* ---- what the code of a kernel calls, on the thread that it plays */

struct sim_shim_index {
    unsigned x, y, z;
};
extern __thread struct sim_shim_index sim_shim_thread, sim_shim_block, sim_shim_block_size,
    sim_shim_grid_size;

/* The block's dynamic shared memory; and a shared array of its own for each `site`. */
void *sim_shim_dynamic_shared(void);
void *sim_shim_shared(const void *site, size_t bytes, const char *name);

enum sim_shim_meeting { SIM_MEET_BLOCK, SIM_MEET_WARP, SIM_MEET_SHUFFLE, SIM_MEET_BALLOT };

/* __syncthreads. */
void sim_shim_meet_block(const char *file, int line);
/* The lanes of `mask` meet.  A shuffle brings back what lane `from` of the same warp gave; a ballot the set
 * of lanes that gave something other than 0; __syncwarp nothing. */
uint64_t sim_shim_meet_warp(enum sim_shim_meeting what, uint32_t mask, uint64_t given, int from,
                            const char *file, int line);
/* This thread's number in its block, x fastest; its lane is that modulo 32. */
int sim_shim_thread_number(void);

#ifdef __cplusplus
}
#endif

#endif
