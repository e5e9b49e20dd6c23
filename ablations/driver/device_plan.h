/* The part of `siameseim plan` that asks a described GPU's library what it would do with the runs. */
#ifndef SIM_DEVICE_PLAN_H
#define SIM_DEVICE_PLAN_H

#include "experiment.h"

/* Prints for every run of `e`, resolved for "cuda", each attention that it would run on the device of this
 * JSON file, one of `ranks` that share a batch: engines, memory.  Fails where a shape has no plan, after all
 * are listed, and where nothing can be planned here, saying what is missing. */
sim_status sim_device_plan_print(const struct sim_experiment *e, const char *json_file, int64_t ranks);

#endif
