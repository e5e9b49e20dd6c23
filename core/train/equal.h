/* What must be the same on all ranks at any time: weights, momentum copies, running statistics, moments. */
#ifndef SIM_TRAIN_EQUAL_H
#define SIM_TRAIN_EQUAL_H

#include "params.h"

/* Brings values and moments to the host and compares every tensor's hash with rank 0's, on all ranks; one
 * that differs is an error that names it and the rank.  Nothing alone. */
sim_status sim_params_equal_on_ranks(const struct sim_params *p);

#endif
