/* Exactness against ground truth: a folder in the layout of tests/golden/base (init, steps, step0, final
 * .safetensors). */
#ifndef SIM_VERIFY_H
#define SIM_VERIFY_H

#include "ops.h"

/* The bounds of the promise: relative, L2 per tensor where a tensor is meant. */
#define SIM_BOUND_LOSS 2e-6
#define SIM_BOUND_GRAD_NORM 2e-6
#define SIM_BOUND_ACTIVATIONS 1e-5
#define SIM_BOUND_GRADIENTS 1e-5
#define SIM_BOUND_STATE 2e-5

enum {
    SIM_VERIFY_LOSS,
    SIM_VERIFY_GRAD_NORM,
    SIM_VERIFY_ACTIVATIONS,
    SIM_VERIFY_GRADIENTS,
    SIM_VERIFY_STATE,
    SIM_VERIFY_ZEROS,
    SIM_VERIFY_QUANTITIES
};

/* One quantity: its worst error over its bound's kind, and the tensor (or step) where that stood. */
struct sim_verdict {
    const char *name;
    double worst, bound;
    char where[128];
    int compared; /* tensors or steps */
};

/* Runs the folder's steps from its initial state.  SIM_OK says that everything could be compared, not that it
 * agrees: sim_verify_passes does. */
sim_status sim_verify(const struct sim_ops *ops, const char *folder,
                      struct sim_verdict verdict[SIM_VERIFY_QUANTITIES]);
int sim_verify_passes(const struct sim_verdict verdict[SIM_VERIFY_QUANTITIES]);

#endif
