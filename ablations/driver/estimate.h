/* What runs would cost: arithmetic from shapes, time from a rate of matrix products. */
#ifndef SIM_ESTIMATE_H
#define SIM_ESTIMATE_H

#include "experiment.h"
#include "record.h"
#include "run_cost.h"

/* Of the measured matrix rate that a training step reaches: the median over the epochs of quickstart's
 * trained runs (gemm_share in results/records/quickstart.jsonl). */
#define SIM_STEP_SHARE 0.63
/* What one H200 is taken to reach on bf16 matrix products, two fifths of its peak: an assumption, the one
 * behind the hours of paper/tables too. */
#define SIM_H200_TFLOPS 400.0

struct sim_estimate {
    struct sim_run_sets sets; /* train 0: unknown, and so is the cost but for that of a step */
    struct sim_run_cost cost;
    double seconds, h200_hours;   /* of pre-training and scoring; reading comes on top */
    struct sim_recorded recorded; /* what there is already */
};

struct sim_estimate_from {
    int64_t images;             /* of the training set; 0: as configured, or counted */
    double gflops;              /* the machine's matrix rate */
    const char *const *records; /* (record_count) files with records */
    int record_count;
    /* The run counted last and its sets, which others of the same images share; NULL: none */
    const struct sim_run_config *counted;
    struct sim_run_sets sets;
};

sim_status sim_estimate_run(const struct sim_run *run, const struct sim_estimate_from *from,
                            struct sim_estimate *out);

/* A row per run, the sums, then what the files ask and expect. */
sim_status sim_estimate_print(const struct sim_experiment *e, const struct sim_estimate_from *from);

#endif
