/* Exactness against ground truth: a folder in the layout of tests/golden/base (init, steps, step0, final
 * .safetensors). */
#ifndef SIM_VERIFY_H
#define SIM_VERIFY_H

#include "ops.h"

/* The bounds of the promise in fp32: relative, L2 per tensor where a tensor is meant. */
#define SIM_BOUND_LOSS 2e-6
#define SIM_BOUND_GRAD_NORM 2e-6
#define SIM_BOUND_ACTIVATIONS 1e-5
#define SIM_BOUND_GRADIENTS 1e-5
#define SIM_BOUND_STATE 2e-5
#define SIM_BOUND_UPDATE 1e-6 /* 1 - cosine */

/* The bounds in bf16 and TF32, whose rounding is 2^16 and 2^13 times coarser.  A tensor is judged by its
 * direction, 1 - cosine with the truth.  Of the state after the steps only what is not a multiple of a
 * learning rate can be held to a relative bound (running statistics, frozen tensors): AdamW divides every
 * gradient by its own size, so a gradient element that is mostly rounding noise makes a full step in a
 * direction that means nothing.  What means something is where the whole network went: the direction of the
 * update, final - initial, over all trained weights together, and likewise over all momentum copies.  The
 * losses of the later steps, which see those weights, are held to the same 0.5 % as the first. */
#define SIM_COARSE_LOSS 5e-3
#define SIM_COARSE_GRAD_NORM 2e-2
#define SIM_COARSE_DIRECTION 1e-3
#define SIM_COARSE_STATE 2e-2
#define SIM_COARSE_UPDATE 1e-2

/* The cls tokens of a young network hardly differ, and MoCo-v3's heads divide by what they differ by,
 * rounding and all.  Its bounds are what PyTorch reaches on tests/golden/moco_v3, and a little: in
 * float32 2.3e-6 of the gradient norm, the rest as above; in bf16 (autocast) 3e-2 of the loss, 9e-2 of the
 * norm, 9e-4, 6e-2 and 0.34 off the directions of activations, gradients and the update.  So bf16 proves
 * little here but that nothing is upside down; TF32 is held to the coarse bounds. */
#define SIM_MOCO_V3_BOUND_GRAD_NORM 5e-6
#define SIM_MOCO_V3_BF16_LOSS 5e-2
#define SIM_MOCO_V3_BF16_GRAD_NORM 0.5
#define SIM_MOCO_V3_BF16_ACTIVATIONS 2e-3
#define SIM_MOCO_V3_BF16_GRADIENTS 0.1
#define SIM_MOCO_V3_BF16_STATE 0.1
#define SIM_MOCO_V3_BF16_UPDATE 0.5

enum {
    SIM_VERIFY_LOSS,
    SIM_VERIFY_GRAD_NORM,
    SIM_VERIFY_ACTIVATIONS,
    SIM_VERIFY_GRADIENTS,
    SIM_VERIFY_STATE,
    SIM_VERIFY_UPDATE,
    SIM_VERIFY_ZEROS,
    SIM_VERIFY_QUANTITIES
};

/* One quantity: its worst error over its bound's kind, and the tensor (or step) where that stood. */
struct sim_verdict {
    const char *name, *measure; /* measure: "relative", "1 - cosine", "of the absolute bound" */
    double worst, bound;
    char where[128];
    int compared; /* tensors or steps */
};

/* Runs the folder's steps from its initial state, judged by the bounds of the backend's precision.  SIM_OK
 * says that everything could be compared, not that it agrees: sim_verify_passes does.  Of several ranks
 * (ops->ranks) each runs its share of the batch, and everything but the activations must be what one makes of
 * all. */
sim_status sim_verify(const struct sim_ops *ops, const char *folder,
                      struct sim_verdict verdict[SIM_VERIFY_QUANTITIES]);
int sim_verify_passes(const struct sim_verdict verdict[SIM_VERIFY_QUANTITIES]);

/* Adds up what was seen: `all` (zeroed at first) becomes the worst of itself and `v`, found in `folder`. */
void sim_verify_merge(struct sim_verdict all[SIM_VERIFY_QUANTITIES],
                      const struct sim_verdict v[SIM_VERIFY_QUANTITIES], const char *folder);

#endif
