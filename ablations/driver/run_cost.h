/* What a run costs from its first step to its last score: arithmetic and memory, from shapes and numbers of
 * images alone. */
#ifndef SIM_RUN_COST_H
#define SIM_RUN_COST_H

#include "objective.h"
#include "run_config.h"

/* How many images a run has; 0: they are not on this machine. */
struct sim_run_sets {
    int64_t train, val;
    int64_t
        shifted; /* shown to a labeller under test (eval.robustness): of every set and severity together */
    int classes;
};

/* Counts what the configuration names.  `train` not 0 is taken as it is.  Nothing is decoded. */
sim_status sim_run_sets_count(struct sim_run_sets *out, const struct sim_run_config *c, int64_t train);

struct sim_run_cost {
    struct sim_cost pretrain; /* of a step of train.batch_size images */
    struct sim_cost finetune; /* of one of finetune.batch_size images; zeros where nothing is fine-tuned */
    int64_t steps;            /* of pre-training, and its images */
    double pretrain_gflop;
    /* Fine-tuning, and every image that is shown to an encoder or a classifier for a score: the matrix
     * products of networks.  What regressions and neighbours take on top of the features is left out. */
    double scoring_gflop;
    int64_t memory_bytes; /* activations, weights, optimiser and features, where they are most at one time */
};

/* The whole cost, on one rank, with activations as compute.precision has them.  Sets that are not here count
 * as empty; classes 0 as 1000. */
sim_status sim_run_cost(struct sim_run_cost *out, const struct sim_run_config *c,
                        const struct sim_run_sets *sets);

/* A step of fine-tuning on `images`, zeros where nothing is fine-tuned. */
sim_status sim_run_cost_finetune(struct sim_cost *out, const struct sim_run_config *c, int64_t images,
                                 int classes);

#endif
