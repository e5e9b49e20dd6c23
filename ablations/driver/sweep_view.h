/* A sweep in progress on the terminal: a few lines redrawn in place; elsewhere a line now and then. */
#ifndef SIM_SWEEP_VIEW_H
#define SIM_SWEEP_VIEW_H

#include "sweep.h"

struct sim_sweep_view {
    int terminal, quiet, lines; /* lines: that stand drawn */
    double started_s, shown_s;
};

struct sim_sweep_row {
    const char *run, *folder; /* its name, and where its status.json is */
};

void sim_sweep_view_open(struct sim_sweep_view *v, int quiet);
/* Draws, unless it did a moment ago: the tally of `total` runs, and those under way. */
void sim_sweep_view_show(struct sim_sweep_view *v, const struct sim_tally *t, int total,
                         const struct sim_sweep_row *rows, int count);
/* Takes the drawing away, before something else is printed or at the end. */
void sim_sweep_view_clear(struct sim_sweep_view *v);

#endif
