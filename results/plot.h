/* The plots: each writes FOLDER/STEM.svg and .png and prints the paths to `terminal` unless NULL. */
#ifndef SIM_PLOT_H
#define SIM_PLOT_H

#include <stdio.h>

#include "summary.h"

/* Training loss over epochs: a thick line per run (the mean of its seeds), a thin one per seed, names at the
 * ends of the lines.  `drawn` 0: no run has a curve, and nothing was written. */
sim_status sim_plot_loss(const struct sim_summary *e, const char *folder, const char *stem, FILE *terminal,
                         int *drawn);

/* A panel per score, a line per run: mean and spread, the single seeds, and the untrained encoder's level. */
sim_status sim_plot_scores(const struct sim_summary *e, const char *folder, const char *stem, FILE *terminal,
                           int *drawn);

/* Loss, gradient norm, learning rate and momentum of one run. */
sim_status sim_plot_run(const struct sim_run_record *r, const char *folder, const char *stem, FILE *terminal);

#endif
