/* The errors that a network's are measured against in the mean corruption error. */
#ifndef SIM_REFERENCE_ERRORS_H
#define SIM_REFERENCE_ERRORS_H

#include "corruption.h"

struct sim_reference_errors {
    const char *name;              /* "alexnet", "pw-cls" or "file" */
    double error[SIM_CORRUPTIONS]; /* 0 .. 1: a network's top-1 errors, the mean over the five severities */
};

/* "alexnet": AlexNet's on ImageNet-C, as published by that set's authors (hendrycks/robustness,
 * ImageNet-C/test.py; mean over severities of the paper's table).  "pw-cls": those of a network without
 * pre-training on the made-up set, so that 1 - mCE is the share of its errors that pre-training saves: the
 * run `untrained` of ablations/tables/main.yaml at mini, trained from scratch on the labels, mean of the
 * five seeds of results/records/mini_main.jsonl (constants for 32 px).  Anything else is a file of fifteen
 * lines `CORRUPTION ERROR`, in any order, with empty lines and lines from # on passed over; what is wrong
 * with it is said with file and line. */
sim_status sim_reference_errors_open(struct sim_reference_errors *out, const char *name_or_file);

#endif
