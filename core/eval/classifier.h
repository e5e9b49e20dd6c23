/* A vision transformer that names classes (method.md 3.3): the last block's patch tokens, averaged and
 * without the encoder's norm, through a fresh LayerNorm (fc_norm) and a linear layer (head).  Trained whole
 * but for its position table, on distributions over classes; or for inference alone.  Tensors have timm's
 * names. */
#ifndef SIM_CLASSIFIER_H
#define SIM_CLASSIFIER_H

#include "objective.h"
#include "vit_config.h"

struct sim_classifier_shape {
    struct sim_vit_config vit; /* drop_path_rate is that of training */
    int64_t classes;
    int64_t batch;      /* images of a step, or at most of an inference */
    double layer_decay; /* the learning rate's factor from block to block, down from the head; 1: none */
    int training;       /* 0: inference only; no gradients, activations of one block */
};

struct sim_classifier;

/* All weights are initialised from seed: the head's N(0, 2e-5), biases 0, fc_norm 1 and 0, the encoder as an
 * untrained one.  Two classes at least. */
sim_status sim_classifier_open(struct sim_classifier **out, const struct sim_ops *ops,
                               const struct sim_classifier_shape *shape, uint64_t seed);
void sim_classifier_close(struct sim_classifier *c); /* NULL is legal */

/* What it costs, without allocating it, on a backend with such activations. */
sim_status sim_classifier_cost(struct sim_cost *out, const struct sim_classifier_shape *shape,
                               size_t act_bytes);

/* The same, trained by core/train: a batch brings view1, target and index (or keep).  Borrowed: *out is not
 * closed, and dies with the classifier. */
void sim_classifier_objective(struct sim_classifier *c, struct sim_objective *out);
struct sim_params *sim_classifier_params(struct sim_classifier *c);

/* The encoder's weights, position table included, from a table with rows of the same names: everything but
 * fc_norm and head.  A row that is missing or of another size is an error that names it. */
sim_status sim_classifier_take_encoder(struct sim_classifier *c, const struct sim_params *from);
/* The same from a file; of a file with fc_norm and head these too, which then must have as many classes, and
 * which needs_head asks for: where they stay as they were drawn, and are not trained, answers say nothing. */
sim_status sim_classifier_load(struct sim_classifier *c, const char *path, int needs_head);
/* Every tensor under its public name.  Atomic. */
sim_status sim_classifier_write(struct sim_classifier *c, const char *path, const char *const *metadata);

/* out (count, classes), x (count, 3, S, S) normalised, both on the host; count is at most `batch`.  Nothing
 * is dropped. */
sim_status sim_classifier_logits(struct sim_classifier *c, const float *x, int64_t count, float *out);

#endif
