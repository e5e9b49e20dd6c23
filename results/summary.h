/* Records put together: one row per run, its seeds merged, with the statistics that the table prints and the
 * plots draw. */
#ifndef SIM_SUMMARY_H
#define SIM_SUMMARY_H

#include "records.h"

#define SIM_MAX_SCORE_NAMES 16

/* A quantity over the seeds of a run. */
struct sim_stat {
    int n; /* seeds that have it; 0: nobody */
    double mean;
    double spread; /* n > 1: standard deviation over seeds (n - 1); n = 1: its standard error, NaN where
                      unknown */
    double half;   /* n > 1: half the width of the mean's 95 % interval (Student's t); else NaN */
};

struct sim_row {
    char *label; /* the run's name; " #HASH" behind it where several configurations share the name; owned */
    const struct sim_run_record **runs; /* (count) of all seeds, in the order of the records; owned */
    int count, ok;                      /* ok: those with status "ok", the only ones that enter statistics */
    struct sim_stat loss, images_per_s, train_s;
    struct sim_stat pretrained[SIM_MAX_SCORE_NAMES], untrained[SIM_MAX_SCORE_NAMES],
        lift[SIM_MAX_SCORE_NAMES]; /* in [0, 1] */
};

struct sim_summary {                /* of one experiment at one scale */
    const char *experiment, *scale; /* scale: "" where the records do not say */
    char *title;                    /* "momentum", or "momentum (small)"; owned */
    const struct sim_study *study;  /* of the record read last: the question and its claims */
    struct sim_row *rows;           /* in the order of first appearance; owned */
    int count;
    const char *score_names[SIM_MAX_SCORE_NAMES];
    int score_count;
};

struct sim_summaries {
    struct sim_summary *experiments; /* larger scales first, then in the order of first appearance; owned */
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
/* The `order` of the row's newest record: of two rows that answer to one name, the newer speaks for it. */
int64_t sim_row_last_order(const struct sim_row *row);
/* A score as claims name it: "knn pretrained", "knn untrained", "knn lift" (the difference of the two), or
 * "knn": of the run's own encoder, which is the untrained one where the run was to train for no epoch.  NaN
 * where the record lacks it. */
double sim_run_score_value(const struct sim_run_record *r, const char *score);
/* The same of the row's finished run of this seed; NaN where there is none, or it lacks the score. */
double sim_row_score_at(const struct sim_row *row, const char *score, int64_t seed);
/* images/s over the whole curve: the rates weighted by their seconds; NaN without a curve. */
double sim_run_images_per_s(const struct sim_run_record *r);

#endif
