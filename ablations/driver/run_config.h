/* Everything that describes one run: the sections of all rooms in one struct, under one schema. */
#ifndef SIM_RUN_CONFIG_H
#define SIM_RUN_CONFIG_H

#include "compute_config.h"
#include "data_config.h"
#include "eval_config.h"
#include "fields.h"
#include "finetune_config.h"
#include "objectives.h"
#include "shift_config.h"
#include "train_config.h"
#include "vit_config.h"
#include "watch_config.h"

struct sim_run_config {
    int64_t seed;                        /* "seed": an experiment's `seeds` list fills it */
    struct sim_pretrain_config pretrain; /* "objective", and a section per objective: "siameseim.*" */
    struct sim_vit_config model;         /* "model.*" */
    struct sim_mask_config mask;
    struct sim_augment_config augment;
    struct sim_data_config data;
    struct sim_train_config train;
    struct sim_eval_config eval;
    struct sim_shift_config shift;
    struct sim_finetune_config finetune;
    struct sim_compute_config compute;
    struct sim_watch_config watch; /* the last section: no part of the run's identity */
};

/* The schema of struct sim_run_config: what YAML files and --set go through.  Static. */
const struct sim_schema *sim_run_schema(void);
/* The same without the sections of other objectives than the run's own: what describes the run, in dumps,
 * records and the hash.  Static. */
const struct sim_schema *sim_run_schema_of(const struct sim_run_config *c);

/* Whether a key or a section is among them: known, and not another objective's. */
int sim_run_config_takes(const struct sim_run_config *c, const char *key);

/* Every key's default, as this objective has it; out->pretrain.objective is set to it. */
sim_status sim_run_config_preset(struct sim_run_config *out, int objective);

/* What the bounds of single keys cannot say.  Cheap; opens no file.  The sentence begins with the key at
 * fault ("model.num_heads: 5 heads do not divide model.embed_dim 96"). */
sim_status sim_run_config_check(const struct sim_run_config *c);

/* What `images` of one step on one rank are trained with; points into c. */
sim_status sim_run_config_job(const struct sim_run_config *c, int64_t images, struct sim_pretrain_job *out);
/* The cost of that, with activations of 2 bytes where compute.precision is bf16 and of 4 otherwise. */
sim_status sim_run_config_cost(const struct sim_run_config *c, int64_t images, struct sim_cost *out);

/* Whether an encoder is fine-tuned: the untrained one (the baseline from scratch, or all there is where
 * nothing is pre-trained and no file of weights is given), or the pre-trained one, or that of the file. */
int sim_run_finetunes(const struct sim_run_config *c, int pretrained);

/* The run's identity: the hash over every key that determines the result, the seed included.  Keys that only
 * say how fast or how safely it gets there (data.workers, data.cache_mb, train.save_every_*,
 * train.keep_*, finetune.save_every_*, compute.cuda_graph, compute.tune, all of watch) are left out, as is
 * the section finetune where eval.finetune does not ask for it. */
sim_status sim_run_config_hash(const struct sim_run_config *c, char out[17]);

#endif
