/* Sweeps: the rows of an experiment laid out along each of its axes. */
#ifndef SIM_SWEEP_H
#define SIM_SWEEP_H

#include "summary.h"

/* All rows that share their values on the other axes, one per value of this axis. */
struct sim_sweep_line {
    char *label;                 /* "predictor_norm bn"; "" where there is one line; owned */
    const struct sim_row **rows; /* (value_count) in the order of the values, NULL where none ran; owned */
};

struct sim_sweep {    /* of one axis */
    const char *key;  /* "siameseim.momentum" */
    const char *name; /* its last part, "momentum" */
    int numeric;      /* every value is a number */
    int even;         /* numeric, but too uneven for a true scale: draw them evenly spaced */
    const struct sim_axis_value **values; /* (value_count) distinct; ascending where numeric, else in the
                                             order of the records; owned */
    int value_count;
    struct sim_sweep_line *lines; /* (line_count) owned */
    int line_count;
};

struct sim_sweeps {
    struct sim_sweep *sweeps; /* (count) in the order of the keys; owned */
    int count;
};

/* An axis counts where at least two of its values ran.  The summary must outlive the sweeps. */
sim_status sim_sweeps_make(struct sim_sweeps *out, const struct sim_summary *e);
void sim_sweeps_close(struct sim_sweeps *s); /* a zeroed struct is legal */

/* Where value i stands on the axis. */
double sim_sweep_position(const struct sim_sweep *s, int i);

#endif
