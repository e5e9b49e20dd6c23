/* What a folder of ground truth says of its run: configuration, optimiser, inputs of every step. */
#ifndef SIM_VERIFY_CASE_H
#define SIM_VERIFY_CASE_H

#include "batch_tensors.h"
#include "run_config.h"
#include "safetensors.h"

struct sim_case {
    struct sim_tensors *init, *steps, *step0, *final;
    struct sim_run_config
        config; /* the objective's, the model's, and of `train` weight decay, betas, eps, clip */
    int64_t batch, hidden, count; /* hidden: of the step that hides the fewest patches; count: steps */
    int64_t classes;              /* of a classifier that is fine-tuned; 0: pre-training */
    const double *loss, *grad_norm, *lr,
        *momentum;     /* (count); grad_norm, momentum NULL where there are none */
    double first_norm; /* of the gradients of the first step */
    float *keep;       /* drop-path factors of the step asked for last */
    char **zero;       /* names of tensors whose true gradient is zero, NULL-terminated */
};

/* Takes over `steps`, the folder's file of that name, also where it fails. */
sim_status sim_case_open(struct sim_case *out, const char *folder, struct sim_tensors *steps);
void sim_case_close(struct sim_case *c); /* a zeroed case is legal */

/* The inputs of step s; borrowed from the case. */
sim_status sim_case_batch(const struct sim_case *c, int64_t s, struct sim_batch *out);

/* 1 when the true gradient of `name`, online or momentum, is zero everywhere. */
int sim_case_is_zero(const struct sim_case *c, const char *name);

#endif
