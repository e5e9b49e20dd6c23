/* Anything that says which class an image shows: a function from a batch of images to logits.  Robustness is
 * a score of such functions, whatever is behind them: a head on a frozen encoder, or a network trained whole.
 */
#ifndef SIM_LABELLER_H
#define SIM_LABELLER_H

#include "classifier.h"
#include "encoder.h"
#include "linear_head.h"
#include "logreg.h"

struct sim_labeller {
    const char *name; /* "logistic": what it is called in protocols; static */
    void *self;
    int classes, img_size;
    int64_t max_batch; /* images per call */
    /* x (count, 3, S, S) normalised -> out (count, classes), both on the host.  A class that can never be
     * said has -INFINITY. */
    sim_status (*logits)(void *self, const float *x, int64_t count, float *out);
};

/* A head on the mean patch tokens of a frozen encoder.  Everything is borrowed and outlives the labeller. */
struct sim_frozen_head {
    struct sim_encoder *encoder;
    const struct sim_logreg *logistic; /* one of the two */
    struct sim_linear_head *linear;
    int64_t max_batch;
    float *feature; /* (max_batch, dim); owned */
};

/* The labeller that the head makes; it borrows *h, which the caller closes. */
sim_status sim_frozen_head_open(struct sim_frozen_head *h, struct sim_labeller *out);
void sim_frozen_head_close(struct sim_frozen_head *h); /* one that was not opened is legal */

/* The fine-tuned network in a file that fine-tuning left (classifier.safetensors); `classes` it must have. */
sim_status sim_finetuned_open(struct sim_labeller *out, const struct sim_ops *ops,
                              const struct sim_vit_config *vit, int classes, int64_t max_batch,
                              const char *path);
void sim_finetuned_close(struct sim_labeller *l); /* a zeroed one is legal */

#endif
