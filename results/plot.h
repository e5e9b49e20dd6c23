/* The plots: each writes FOLDER/STEM.svg and .png, its data as FOLDER/STEM.csv, and prints the paths to
 * `terminal` unless NULL.  `drawn` 0: the records hold nothing to draw, and nothing was written. */
#ifndef SIM_PLOT_H
#define SIM_PLOT_H

#include <stdio.h>

#include "paper_csv.h"
#include "summary.h"
#include "sweep.h"

/* Training loss over epochs: a thick line per run (the mean of its seeds), a thin one per seed, names at the
 * ends of the lines. */
sim_status sim_plot_loss(const struct sim_summary *e, const char *folder, const char *stem, FILE *terminal,
                         int *drawn);

/* A panel per score, a line per run: mean and spread, the single seeds, and the untrained encoder's level. */
sim_status sim_plot_scores(const struct sim_summary *e, const char *folder, const char *stem, FILE *terminal,
                           int *drawn);

/* A panel per score against one axis: lines with 95 % intervals where it is numeric, bars where it is named;
 * the untrained encoder's level; and a panel of the paper's points, where `paper` (may be NULL) has any. */
sim_status sim_plot_sweep(const struct sim_summary *e, const struct sim_sweep *s,
                          const struct sim_paper *paper, const char *folder, const char *stem, FILE *terminal,
                          int *drawn);

/* Training time against score, a panel per score, a mark per run. */
sim_status sim_plot_cost(const struct sim_summary *e, const char *folder, const char *stem, FILE *terminal,
                         int *drawn);

/* Loss, gradient norm, learning rate and momentum of one run; without .csv: the record itself holds them. */
sim_status sim_plot_run(const struct sim_run_record *r, const char *folder, const char *stem, FILE *terminal);

#endif
