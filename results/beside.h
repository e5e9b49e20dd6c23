/* The paper's cells (paper_csv.h) beside ours: on the axes of sweeps, and as tables. */
#ifndef SIM_BESIDE_H
#define SIM_BESIDE_H

#include "grid.h"
#include "paper_csv.h"
#include "sweep.h"

/* The cell's place on a sweep: `table` names the experiment or the axis's key, `row` one of its values.
 * Returns the value's index, or -1. */
int sim_beside_place(const struct sim_paper_cell *c, const struct sim_summary *e, const struct sim_sweep *s);

/* Name of the i-th table in the order of first appearance; NULL behind the last. */
const char *sim_beside_table(const struct sim_paper *p, int i);
/* Whether any of its cells has a value. */
int sim_beside_has_values(const struct sim_paper *p, const char *table);
/* The table with a row per method and row, a column per column; empty cells stay empty. */
sim_status sim_beside_grid(struct sim_grid *g, const struct sim_paper *p, const char *table);
/* Where its cells come from: a line per source, with file and line of the first cell that names it. */
sim_status sim_beside_sources(struct sim_grid *g, const struct sim_paper *p, const char *table);

/* What others published of this experiment's runs, beside ours: a row per cell of the table that bears its
 * name whose row is a run and whose column a score of it.  No such cell: *g is zeroed. */
sim_status sim_beside_runs(struct sim_grid *g, const struct sim_paper *p, const struct sim_summary *e);

#endif
