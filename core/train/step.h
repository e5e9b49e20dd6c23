/* One optimiser step: gradients, clipping, AdamW (method.md 1.9). */
#ifndef SIM_STEP_H
#define SIM_STEP_H

#include "objective.h"
#include "train_config.h"

struct sim_optimiser {
    struct sim_segment *segment; /* the trained rows with decay applied by the table */
    int count;
    int64_t step; /* updates made */
};

sim_status sim_optimiser_open(struct sim_optimiser *out, const struct sim_params *params,
                              double weight_decay);
void sim_optimiser_close(struct sim_optimiser *o);

struct sim_step_result {
    double loss, grad_norm; /* grad_norm before clipping */
};

/* Loss, gradients, and unless either is not finite (SIM_ENONFINITE, weights untouched) the update. */
sim_status sim_train_step(const struct sim_objective *objective, struct sim_optimiser *optimiser,
                          const struct sim_train_config *c, const struct sim_batch *batch, double lr,
                          double momentum, int64_t epoch, const struct sim_trace *trace,
                          struct sim_step_result *result);

#endif
