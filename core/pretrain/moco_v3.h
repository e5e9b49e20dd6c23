/* MoCo-v3 (method.md 3.2): opened, costed, its attention listed. */
#ifndef SIM_MOCO_V3_H
#define SIM_MOCO_V3_H

#include "moco_v3_config.h"
#include "objective.h"

/* For batches of exactly batch_size images, of two views each, on each rank; at least 2 on all ranks
 * together. Weights are initialised from seed.  close() releases everything. */
sim_status sim_moco_v3_open(struct sim_objective *out, const struct sim_ops *ops,
                            const struct sim_vit_config *vit, const struct sim_moco_v3_config *c,
                            int64_t batch_size, uint64_t seed);

/* The cost of the same without allocating it, on a backend with such activations; the keys of other ranks are
 * not counted. */
sim_status sim_moco_v3_cost(struct sim_cost *out, const struct sim_vit_config *vit,
                            const struct sim_moco_v3_config *c, int64_t batch_size, size_t act_bytes);

/* Every attention of a step of `batch` images; returns how many. */
int sim_moco_v3_attention(struct sim_attention_use out[SIM_ATTENTION_USES], const struct sim_vit_config *vit,
                          int64_t batch);

#endif
