/* Records put together: one row per run, its seeds merged, with the statistics that the table prints and the
 * plots draw. */
#ifndef SIM_SUMMARY_H
#define SIM_SUMMARY_H

#include "records.h"

#define SIM_MAX_SCORE_NAMES 8

/* A quantity over the seeds of a run. */
struct sim_stat {
    int n; /* seeds that have it; 0: nobody */
    double mean;
    double spread; /* n > 1: standard deviation over seeds (n - 1); n = 1: its standard error, NaN where
                      unknown */
};

struct sim_row {
    char *label; /* the run's name; " #HASH" behind it where several configurations share the name; owned */
    const struct sim_run_record **runs; /* (count) of all seeds, in the order of the records; owned */
    int count, ok;                      /* ok: those with status "ok", the only ones that enter statistics */
    struct sim_stat loss, images_per_s, train_s;
    struct sim_stat pretrained[SIM_MAX_SCORE_NAMES], untrained[SIM_MAX_SCORE_NAMES],
        lift[SIM_MAX_SCORE_NAMES]; /* in [0, 1] */
};

struct sim_summary { /* of one experiment */
    const char *experiment;
    struct sim_row *rows; /* in the order of first appearance; owned */
    int count;
    const char *score_names[SIM_MAX_SCORE_NAMES];
    int score_count;
};

struct sim_summaries {
    struct sim_summary *experiments; /* in the order of first appearance; owned */
    int count;
};

/* The records must outlive the summary.  Repetitions are runs of one experiment and name whose configurations
 * differ in nothing but the seed; others are never averaged.  only_experiment NULL: all. */
sim_status sim_summaries_make(struct sim_summaries *out, const struct sim_run_records *records,
                              const char *only_experiment);
void sim_summaries_close(struct sim_summaries *s); /* a zeroed struct is legal */

/* The record's score of this name, or NULL. */
const struct sim_run_score *sim_run_score_find(const struct sim_run_record *r, const char *name,
                                               int pretrained);
/* images/s over the whole curve: the rates weighted by their seconds; NaN without a curve. */
double sim_run_images_per_s(const struct sim_run_record *r);

#endif
