/* Which device a command computes on: `--device cpu|cuda[:N]`. */
#ifndef SIM_DRIVER_BACKEND_H
#define SIM_DRIVER_BACKEND_H

#include "compute_config.h"
#include "ops.h"
#include "ranks.h"

struct sim_backend {
    char name[16]; /* "cpu", "cuda" */
    int ordinal;   /* which device of the machine, from 0 */
};

/* Reads the option's text; NULL: the CPU.  Whether such a backend was compiled in shows when it is opened. */
sim_status sim_backend_parse(const char *text, struct sim_backend *out);

/* One of several ranks (NULL: nothing is done) takes its place on the machine: the device behind the named one by
 * its local rank, unless its launcher shows it one device only, and a share of the cores, unless a number of threads
 * was asked for or its launcher bound it to some.  All but rank 0 show no progress and speak by name. */
void sim_backend_take_place(struct sim_backend *b, const struct sim_ranks *ranks, int threads_given);

/* Opens it for this configuration, with these ranks (NULL: alone). */
sim_status sim_backend_open(struct sim_ops *out, const struct sim_backend *b,
                            const struct sim_compute_config *c, const struct sim_ranks *ranks);

#endif
