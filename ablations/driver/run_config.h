/* Everything that describes one run: the sections of all rooms in one struct, under one schema. */
#ifndef SIM_RUN_CONFIG_H
#define SIM_RUN_CONFIG_H

#include "compute_config.h"
#include "data_config.h"
#include "eval_config.h"
#include "fields.h"
#include "siameseim_config.h"
#include "train_config.h"
#include "vit_config.h"

struct sim_run_config {
    int64_t seed;                          /* "seed": an experiment's `seeds` list fills it */
    struct sim_vit_config model;           /* "model.*" */
    struct sim_siameseim_config siameseim; /* "siameseim.*" */
    struct sim_mask_config mask;
    struct sim_augment_config augment;
    struct sim_data_config data;
    struct sim_train_config train;
    struct sim_eval_config eval;
    struct sim_compute_config compute;
};

/* The schema of struct sim_run_config: what YAML files, --set, the dumps and the hash go through.  Static. */
const struct sim_schema *sim_run_schema(void);

/* What the bounds of single keys cannot say.  Cheap; opens no file.  The sentence begins with the key at
 * fault ("model.num_heads: 5 heads do not divide model.embed_dim 96"). */
sim_status sim_run_config_check(const struct sim_run_config *c);

/* The run's identity: the hash over every key that determines the result, the seed included.  Keys that only
 * say how fast or how safely it gets there (data.workers, data.cache_mb, train.save_every_*,
 * compute.cuda_graph, compute.tune) are left out. */
sim_status sim_run_config_hash(const struct sim_run_config *c, char out[17]);

#endif
