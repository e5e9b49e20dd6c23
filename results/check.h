/* The regression verdict: records made now against reference records of the same runs.
 *
 * The reference sets mean and spread, so it needs more seeds than the check.  With s the reference's standard
 * deviation over its n seeds and m seeds in the check, the check's mean may differ from the reference's by
 * t(n - 1) s sqrt(1/n + 1/m): downwards for a score (one-sided), either way for the loss. */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "grid.h"
#include "summary.h"

struct sim_check_options {
    double level;       /* of each test: how often an unchanged program fails it by chance */
    double time_band;   /* training may take this many times as long; 0: not compared */
    double memory_band; /* and this many times the memory; 0: not compared */
    int other_config;   /* 1: differing configurations are told but do not fail */
};
#define SIM_CHECK_DEFAULTS ((struct sim_check_options){0.01, 1.25, 1.1, 0})

enum sim_check_state {
    SIM_CHECK_OK,
    SIM_CHECK_BETTER,   /* a score above the reference by as much as would have failed it below */
    SIM_CHECK_SKIPPED,  /* not comparable here, and no reason to fail: another device's time */
    SIM_CHECK_TOO_FEW,  /* seeds too few for a verdict: fails */
    SIM_CHECK_MISSING,  /* no finished record of the run: fails */
    SIM_CHECK_DIFFERENT /* moved: fails */
};

struct sim_check_row {
    const struct sim_row *reference; /* the run it speaks of */
    const char *experiment;          /* its title */
    enum sim_check_state state;
    char what[64];                          /* "logistic", "loss curve", "training time" */
    char was[80], is[80], limit[80], p[24]; /* as printed; "" where there is none */
    char note[320];
};

struct sim_check {
    struct sim_check_row *rows; /* owned */
    int count, failed;          /* failed: rows whose state fails the check */
    int tests;                  /* statistical ones among them */
};

/* Every run of the reference is looked for by experiment, scale and name.  Both summaries must outlive *out.
 */
sim_status sim_check_compare(struct sim_check *out, const struct sim_summaries *reference,
                             const struct sim_summaries *now, const struct sim_check_options *o);
void sim_check_close(struct sim_check *c); /* a zeroed struct is legal */

int sim_check_fails(enum sim_check_state s);
/* A line per row, those that fail first; `all` 0: those that are ok are left out. */
sim_status sim_check_grid(struct sim_grid *g, const struct sim_check *c, int all);

#endif
