/* A pre-training objective: a model with its parameter table, and one call that makes the loss and every
 * gradient. core/train drives it without knowing which one it is; objectives.h lists those there are. */
#ifndef SIM_OBJECTIVE_H
#define SIM_OBJECTIVE_H

#include "batch_tensors.h"
#include "params.h"
#include "plan.h"

/* What a step costs, from shapes alone. */
struct sim_cost {
    int64_t parameters;      /* floats in the table: trained, frozen, momentum copies, running statistics */
    int64_t trainable;       /* with gradients */
    int64_t momentum_copies; /* followed by EMA */
    double flop_per_image;   /* matrix products of one training step, multiply-add = 2 */
    int64_t activation_bytes, state_bytes; /* activations; weights + gradients + Adam's moments */
};

/* An attention that a step runs: what a device must have a plan for. */
struct sim_attention_use {
    const char *where; /* "online encoder" */
    struct sim_attention_shape shape;
    int trained; /* 1: a backward follows */
};

enum { SIM_ATTENTION_USES = 8 }; /* at most, of one objective */

/* Receives activations by the names of the reference ("online.blocks.0", "pred", ...); shape has 3 numbers,
 * images, tokens, width; the data is the backend's (read_act).
 */
struct sim_trace {
    void (*see)(void *context, const char *name, const sim_act *data, const int64_t shape[3]);
    void *context;
};

struct sim_objective {
    void *self;
    const char *name; /* "siameseim" */
    const struct sim_ops *ops;
    struct sim_params *params; /* owned by the objective */
    int64_t batch_size;
    struct sim_cost cost;
    double momentum;       /* EMA base */
    int momentum_constant; /* 1: no schedule */
    /* The batch is brought to where the step reads it; what of the model is drawn on the host is drawn: epoch
     * keys the drop-path draws together with batch->index.  *key: batches with equal keys make `compute`
     * queue the same operations.  The batch may be released as sim_ops.stage says. */
    sim_status (*load)(void *self, const struct sim_batch *batch, int64_t epoch, int64_t *key);
    /* Queues: the momentum network is updated with the weights as they stand (scalars->in.momentum), then
     * scalars->loss and the gradients (params->gradient, overwritten) are made.  scalars lies in the
     * backend's memory. trace may be NULL. */
    void (*compute)(void *self, struct sim_scalars *scalars, const struct sim_trace *trace);
    void (*close)(struct sim_objective *o);
};

#endif
