/* Blocks of device memory that the backend gave out, and the bfloat16 copies of those that hold parameters:
 * weights.c.  The copies are sim_shadows. */
#ifndef SIM_CUDA_WEIGHTS_H
#define SIM_CUDA_WEIGHTS_H

#include "cuda.h"

/* sim_ops.weights_changed. */
void sim_cuda_weights_changed(const struct sim_ops *o, const float *block, int64_t count);
/* The copies of every block of parameters that overlaps these bytes are dropped. */
void sim_cuda_forget_weights(struct sim_cuda *c, const void *at, size_t bytes);
void sim_cuda_close_weights(struct sim_cuda *c);

#endif
