/* Claims against records: each is the difference of two sides in one score, paired by seed (both sides of a
 * pair share the draws of images, order, masks and first weights, as far as both have them, so the pairs
 * differ by less than the seeds do). */
#ifndef SIM_CLAIMS_H
#define SIM_CLAIMS_H

#include <stdio.h>

#include "grid.h"
#include "statistics.h"
#include "summary.h"

enum sim_verdict {
    SIM_SUPPORTED,     /* the 95 % interval of the difference lies above zero */
    SIM_CONTRADICTED,  /* below zero */
    SIM_NOT_DECIDED,   /* around it */
    SIM_TOO_FEW_SEEDS, /* fewer than SIM_LEAST_SEEDS pairs, or a side without runs */
};

struct sim_claim_result {
    const struct sim_claim *claim;
    enum sim_verdict verdict;
    struct sim_sample difference; /* higher - lower over the seeds that both sides have */
    double p, holm;               /* paired t test, both directions; corrected for this experiment's claims */
    double permutation;           /* p by sign flips, both directions */
    int exact;                    /* of the permutation: 1 counted, 0 drawn */
    int more_seeds;    /* would decide at this mean and deviation; 0: none needed, or see `outlook` */
    char outlook[200]; /* what is missing for a verdict, as a sentence without a full stop; or "" */
};

struct sim_claim_results {
    const struct sim_summary *experiment;
    struct sim_claim_result *results; /* (count) in the order of the study's claims; owned */
    int count;
};

/* Judges every claim of the experiment's study.  A side averages, seed by seed, over all the rows it names; a
 * seed counts where every row of both sides finished with the score.  Where a name stands for several
 * configurations, the one recorded last speaks for it. */
sim_status sim_claims_judge(struct sim_claim_results *out, const struct sim_summary *e);
void sim_claims_close(struct sim_claim_results *r); /* a zeroed struct is legal */

/* What n differences say, one per seed: fills all of r but its claim and `holm`. */
void sim_claims_decide(struct sim_claim_result *r, const double *d, int n);
/* Fills `holm` of every result: the claims of one list are tried together. */
sim_status sim_claims_correct(struct sim_claim_results *r);

const char *sim_verdict_name(enum sim_verdict v); /* "supported", "not enough runs" */

/* Verdict, difference, interval, n, p, Holm's and the flips' from column `col` on, and the names of these
 * columns in the head; or the verdict alone. */
enum { SIM_CLAIM_COLUMNS = 7 };
void sim_claims_put_head(struct sim_grid *g, int col);
void sim_claims_put(struct sim_grid *g, int row, int col, const struct sim_claim_result *x);
void sim_claims_put_verdict(struct sim_grid *g, int row, int col, enum sim_verdict v);

/* A row per claim: text, verdict, difference with its interval, n, p-values, score, what would decide. */
sim_status sim_claims_grid(struct sim_grid *g, const struct sim_claim_results *r);
/* What the columns mean, one or two sentences; "" without claims. */
const char *sim_claims_legend(void);

/* claims.csv: the same with all digits, a line per claim; `head` 1 writes the head first. */
sim_status sim_claims_csv(FILE *to, const struct sim_claim_results *r, int head);

#endif
