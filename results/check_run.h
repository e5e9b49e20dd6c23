/* Inside of the check: one run of the reference beside what there is of it now. */
#ifndef SIM_CHECK_RUN_H
#define SIM_CHECK_RUN_H

#include "check.h"

struct sim_check_pair {
    struct sim_check *out;
    const struct sim_check_options *o;
    const struct sim_summary *e; /* the reference's */
    const struct sim_row *was, *is;
};

/* A new row of the check; NULL for want of memory. */
struct sim_check_row *sim_check_add(const struct sim_check_pair *p, enum sim_check_state state,
                                    const char *what);
sim_status sim_check_no_memory(void);

/* Rows for every score, the loss and the cost. */
sim_status sim_check_quantities(const struct sim_check_pair *p);

#endif
