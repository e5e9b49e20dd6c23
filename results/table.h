/* The table of one experiment, for a terminal and for Markdown. */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include <stdio.h>

#include "summary.h"

/* Aligned columns, a line about what the figures mean, a line for every run that failed. */
sim_status sim_table_terminal(FILE *to, const struct sim_summary *e);

/* The same as a Markdown section, followed by where every row comes from: seeds, hashes, commit, device. */
sim_status sim_table_markdown(FILE *to, const struct sim_summary *e);

/* "45.2 ± 1.3" for several seeds, "45.2 (2.2)" for one with a standard error, "0.8123" without, "–" for none;
 * digits follow the spread.  Values are multiplied by `scale`; `sign`: a plus before what is not negative. */
void sim_table_value(char *out, int size, struct sim_stat s, double scale, int sign);

#endif
