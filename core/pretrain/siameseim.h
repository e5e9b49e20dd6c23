/* Siamese Image Modeling (method.md section 1): opened, costed, its attention listed. */
#ifndef SIM_SIAMESEIM_H
#define SIM_SIAMESEIM_H

#include "objective.h"
#include "siameseim_config.h"

/* SiameseIM for batches of exactly batch_size images of which at most max_visible patches are visible in
 * view 1. Weights are initialised from seed.  close() releases everything. */
sim_status sim_siameseim_open(struct sim_objective *out, const struct sim_ops *ops,
                              const struct sim_vit_config *vit, const struct sim_siameseim_config *c,
                              int64_t batch_size, int64_t max_visible, uint64_t seed);

/* The cost of the same without allocating it, on a backend with such activations. */
sim_status sim_siameseim_cost(struct sim_cost *out, const struct sim_vit_config *vit,
                              const struct sim_siameseim_config *c, int64_t batch_size, int64_t visible,
                              size_t act_bytes);

/* Every attention of a step of `batch` images of which `visible` patches are seen in view 1; returns how
 * many. */
int sim_siameseim_attention(struct sim_attention_use out[SIM_ATTENTION_USES],
                            const struct sim_vit_config *vit, const struct sim_siameseim_config *c,
                            int64_t batch, int64_t visible);

#endif
