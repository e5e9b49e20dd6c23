/* Configurations beside each other. */
#ifndef SIM_RECIPE_H
#define SIM_RECIPE_H

#include "status.h"

/* What differs between two configurations (struct sim_run_record's `recipe`).  *changed: keys of both whose
 * values differ; *alone: keys that only one has (a program learns new ones, with their defaults).  `sentence`
 * (size bytes) names the first of them, "train.lr 0.001, was 0.002; new: compute.tune". */
sim_status sim_recipe_compare(const char *was, const char *is, int *changed, int *alone, char *sentence,
                              int size);

#endif
