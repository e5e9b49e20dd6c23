/* The configuration that ground truth states: the keys of the references, which are Python's. */
#ifndef SIM_VERIFY_CONFIG_H
#define SIM_VERIFY_CONFIG_H

#include "run_config.h"

/* Fills out->pretrain and out->model from the names and the JSON object in the metadata of `file` (for
 * messages); every other key has its default.  Of the objective "finetune" it fills out->finetune and sets
 * out->eval.finetune instead of an objective.  Fails on an objective that is not known here, a key that is
 * missing, and a value that the key does not take. */
sim_status sim_verify_config(struct sim_run_config *out, const char *objective, const char *json,
                             const char *file);

#endif
