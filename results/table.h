/* The tables of one experiment: scores and cost of every run, and where every figure comes from. */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include <stdio.h>

#include "grid.h"
#include "summary.h"

/* A row per run, its seeds merged.  `number` is the experiment's in the report; row i links to "eN-rI". */
sim_status sim_table_scores(struct sim_grid *g, const struct sim_summary *e, int number);

/* A row per record: seed, file and line, configuration, commit, machine.  The first record of row i carries
 * the anchor "eN-rI". */
sim_status sim_table_origins(struct sim_grid *g, const struct sim_summary *e, int number);

/* What the figures, signs and brackets of the first table mean: only what occurs in it; each sentence between
 * `before` and `after`. */
void sim_table_explain(FILE *to, const struct sim_summary *e, const char *before, const char *after);

/* Every run that did not end well, between `before` and `after`; names and reasons pass through `put`. */
void sim_table_failures(FILE *to, const struct sim_summary *e, const char *before, const char *after,
                        void (*put)(FILE *, const char *));

/* table.csv: a line per run, quantity and encoder with all digits, the seeds and the records behind it;
 * `head` 1 writes the head first. */
sim_status sim_table_csv(FILE *to, const struct sim_summary *e, int head);

/* "45.2 ± 1.3" for several seeds, "45.2 (2.2)" for one with a standard error, "0.8123" without, "–" for none;
 * digits follow the spread.  Values are multiplied by `scale`; `sign`: a plus before what is not negative. */
void sim_table_value(char *out, int size, struct sim_stat s, double scale, int sign);
/* "kNN" for "knn"; other names stand for themselves. */
const char *sim_score_title(const char *name);

#endif
