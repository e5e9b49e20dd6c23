/* Configurations beside each other. */
#ifndef SIM_RECIPE_H
#define SIM_RECIPE_H

#include "status.h"

/* What differs between two configurations (struct sim_run_record's `recipe`).  *changed: keys of both whose
 * values differ; *alone: keys that only one has (a program learns new ones, with their defaults).  `sentence`
 * (size bytes) names the first of them, "train.lr 0.001, was 0.002; new: compute.tune". */
sim_status sim_recipe_compare(const char *was, const char *is, int *changed, int *alone, char *sentence,
                              int size);
/* The same of all but the sections and keys ("train", "finetune.epochs") in `passed_over` (NULL last). */
sim_status sim_recipe_compare_rest(const char *was, const char *is, const char *const *passed_over,
                                   int *changed, int *alone, char *sentence, int size);

#endif
