/* The training loop: steps, schedules, log lines, checkpoints, resuming. */
#ifndef SIM_LOOP_H
#define SIM_LOOP_H

#include <signal.h>

#include "batch.h"
#include "objective.h"
#include "ops.h"
#include "train_config.h"

/* Means over one epoch's steps (loss, grad_norm) and its closing values. */
struct sim_epoch_stats {
    int64_t epoch; /* 1-based: epochs finished */
    int64_t step;  /* optimiser steps finished in all */
    double loss, grad_norm, lr, momentum;
    double images_per_s, gflops, gemm_share; /* share of the machine's measured GEMM rate; 0: not measured */
    double seconds;
    double top1; /* of a classifier, on other images, when the epoch was over; NaN: not taken */
};

/* One optimiser step. */
struct sim_step_stats {
    int64_t step;                         /* 1-based: steps finished */
    double loss, grad_norm, lr, momentum; /* the last two as used by this step */
};

struct sim_train_job {
    const struct sim_objective *objective; /* open model: siameseim.c fills it */
    const struct sim_train_config *config;
    struct sim_source *source;
    const char *folder;      /* checkpoints (saves.h), curve.json, nan_batch.json; NULL: nothing is written */
    const char *config_hash; /* stands in the checkpoint; resuming under another is an error */
    uint64_t seed;
    const char *label;                 /* progress is shown under it; NULL: "training" */
    int resume;                        /* continue from the folder's newest good checkpoint when there is one;
                                        * else all that are there are removed */
    double gemm_gflops;                /* the machine's measured matrix rate, for gemm_share; 0: unknown */
    const volatile sig_atomic_t *stop; /* set non-zero: checkpoint and return SIM_EINTERRUPT; may be NULL; of
                                        * several ranks one is enough */
    /* The result of a step is there: of each in turn, on every rank.  May be NULL. */
    void (*on_step)(void *context, const struct sim_step_stats *stats);
    /* An epoch is over; may add its top1.  A failure ends training (of several ranks: of all).  May be NULL.
     */
    sim_status (*on_epoch)(void *context, struct sim_epoch_stats *stats);
    void *context;
};

struct sim_train_result {
    struct sim_epoch_stats *curve; /* one per finished epoch, those before a resume included; caller frees */
    int epochs;
    int64_t steps;
    double train_s; /* this process only */
    int diverged; /* the loss became non-finite: the last good checkpoint stands, `reason` says when, and the
                   * folder's nan_batch.json with which images */
    char reason[320];
};

/* Trains to the end of the schedule.  Of several ranks (objective->ops->ranks) each calls this with a source
 * of its share of the batches; rank 0 writes, all read, and what all must have alike is compared before it is
 * written; a failure of one ends all.  SIM_ENONFINITE fills result->reason; the folder keeps the last good
 * checkpoint.  A final checkpoint is always written when there is a folder. */
sim_status sim_train_run(const struct sim_train_job *job, struct sim_train_result *result);

/* lr(e) and momentum at fractional epoch e (method.md 1.9, 1.7). */
double sim_lr_at(const struct sim_train_config *c, double epoch);
double sim_momentum_at(double base, int constant, double epoch, double epochs);

#endif
