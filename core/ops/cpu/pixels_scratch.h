/* Working memory of the operations on pixels: the calling thread's own, used again from one call to the next
 * and given back when the thread ends, so that an image costs no allocation. */
#ifndef SIM_PIXELS_SCRATCH_H
#define SIM_PIXELS_SCRATCH_H

#include "memory.h"

/* For arenas.  One block at a time in each thread; what take gives is not zeroed. */
extern const struct sim_memory sim_pixels_scratch;

#endif
