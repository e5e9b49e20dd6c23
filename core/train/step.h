/* One optimiser step: gradients, clipping, AdamW (method.md 1.9).  A step is queued, and its loss read when
 * the next one is under way, so that on a GPU neither waits for the other. */
#ifndef SIM_STEP_H
#define SIM_STEP_H

#include "objective.h"
#include "train_config.h"

struct sim_optimiser {
    const struct sim_objective *objective; /* borrowed */
    struct sim_segment *segment;           /* the trained rows with decay applied by the table */
    int count;
    int64_t step;                /* updates queued */
    struct sim_scalars *scalars; /* in the backend's memory */
    struct sim_adamw adamw;
    double clip_grad;
};

/* Takes weight decay, betas, eps and clipping from c. */
sim_status sim_optimiser_open(struct sim_optimiser *out, const struct sim_objective *objective,
                              const struct sim_train_config *c);
void sim_optimiser_close(struct sim_optimiser *o); /* a zeroed one is legal */

struct sim_step_result {
    double loss, grad_norm; /* grad_norm before clipping */
};

/* Queues loss, gradients, and unless either is not finite the update.  The batch may go as sim_ops.stage
 * says.  The result waits for sim_step_result_of; at most SIM_POST_SLOTS steps may be ahead of it.  trace:
 * see sim_objective. */
sim_status sim_step_queue(struct sim_optimiser *optimiser, const struct sim_batch *batch, double lr,
                          double momentum, int64_t epoch, const struct sim_trace *trace);
/* Waits for the number'th step queued on this optimiser (from 1: optimiser->step just after queueing) and
 * reads what it left.  SIM_ENONFINITE, with the reason: the loss or the gradient is not finite, and neither
 * this step nor any after it changed a weight. */
sim_status sim_step_result_of(struct sim_optimiser *optimiser, int64_t number,
                              struct sim_step_result *result);

/* Both: a step and its result. */
sim_status sim_train_step(struct sim_optimiser *optimiser, const struct sim_batch *batch, double lr,
                          double momentum, int64_t epoch, const struct sim_trace *trace,
                          struct sim_step_result *result);

#endif
