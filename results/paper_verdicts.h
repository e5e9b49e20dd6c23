/* The paper's claims, judged by our records: every claim that rests on the main table becomes differences
 * between the rows of a comparison, seed by seed, judged as the claims of studies are (claims.h). */
#ifndef SIM_PAPER_VERDICTS_H
#define SIM_PAPER_VERDICTS_H

#include <stdio.h>

#include "claims.h"
#include "comparison.h"

struct sim_judged {
    const struct sim_paper_claim *claim;
    int first, count;         /* its differences among the parts; count 0: none of what it needs was run */
    enum sim_verdict verdict; /* where count > 0: of `value` supported where every part is, contradicted where
                                 one is; of `gain` its one part's */
    char on[500]; /* the columns that it was judged on, by their titles; of `gain` with the leads there */
    char missing[300]; /* what it needs and was not run, and why; "" for nothing */
};

struct sim_paper_verdicts {
    struct sim_judged *claims; /* (count) in the paper's order; owned */
    int count;
    struct sim_claim_results parts; /* each with a claim of its own, below; p corrected for all of them */
    struct sim_claim *statements;   /* (parts.count) id: the paper's claim; owned */
};

/* A value is judged place by place and rival by rival: the difference of two rows in one score.  A gain is
 * one difference: what `higher` has above the best rival (by its mean over the seeds that all have), averaged
 * over the places, less the same averaged over the places of `than`.  Places without a score are left out and
 * named.  Comparison and its paper must outlive the verdicts. */
sim_status sim_paper_verdicts_judge(struct sim_paper_verdicts *out, const struct sim_comparison *c);
void sim_paper_verdicts_close(struct sim_paper_verdicts *v); /* a zeroed struct is legal */

/* A row per claim, and below it one per part where it has several: verdict and figures, what the paper's own
 * numbers say, on what it was judged and what is missing. */
sim_status sim_paper_verdicts_grid(struct sim_grid *g, const struct sim_paper_verdicts *v,
                                   const struct sim_paper *p);
/* "12 claims of the paper: 1 supported, 2 not decided, 9 not run." */
void sim_paper_verdicts_sum(const struct sim_paper_verdicts *v, char *out, int size);
/* "supported", ..., "not run" */
const char *sim_judged_name(const struct sim_judged *j);
/* How the verdicts are made, in a few sentences. */
const char *sim_paper_verdicts_legend(void);

#endif
