/* Masked autoencoders (arXiv 2111.06377; method.md 3.1): the pixels of hidden patches from those that are
 * seen. Opened, costed, its attention listed. */
#ifndef SIM_MAE_H
#define SIM_MAE_H

#include "mae_config.h"
#include "objective.h"

/* MAE for batches of exactly batch_size images, each with `hidden` patches masked.  The tensors have the
 * names of the official checkpoints and come in their order.  Weights are initialised from seed.  close()
 * releases everything. */
sim_status sim_mae_open(struct sim_objective *out, const struct sim_ops *ops,
                        const struct sim_vit_config *vit, const struct sim_mae_config *c, int64_t batch_size,
                        int64_t hidden, uint64_t seed);

/* The cost of the same without allocating it, on a backend with such activations. */
sim_status sim_mae_cost(struct sim_cost *out, const struct sim_vit_config *vit,
                        const struct sim_mae_config *c, int64_t batch_size, int64_t hidden, size_t act_bytes);

/* Every attention of a step; returns how many. */
int sim_mae_attention(struct sim_attention_use out[SIM_ATTENTION_USES], const struct sim_vit_config *vit,
                      const struct sim_mae_config *c, int64_t batch, int64_t hidden);

#endif
