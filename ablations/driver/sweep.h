/* Several runs side by side, each in a process of its own: `siameseim run --jobs N`. */
#ifndef SIM_SWEEP_H
#define SIM_SWEEP_H

#include "run_one.h"

/* What became of the runs of one command. */
struct sim_tally {
    int done, skipped, diverged, failed;
    int left; /* to other processes that are at them, or cut off by somebody */
    int interrupted, undrawn;
};

struct sim_sweep_options {
    int jobs;             /* at most so many at a time */
    int threads;          /* of each; 0: the cores divided */
    int64_t memory_bytes; /* that all may take together; 0: what is free */
};

/* Makes all runs, in their order as far as there is memory for them: a run waits while it does not fit beside
 * those under way, and fails where it does not fit alone.  Each is a child of this process, which must have
 * no other thread and have opened no device: the runs go on with what was read here, whatever becomes of the
 * files.  A child's words go to OUT/FOLDER/log.txt.  A child that is killed is recorded as failed, like one
 * that fails, and the others go on. SIGINT or SIGTERM stops all, each saving first; a second one stops them
 * at once.  Children end when this process does, however it ends. */
sim_status sim_sweep_run(struct sim_session *s, const struct sim_experiment *e,
                         const struct sim_sweep_options *o, struct sim_tally *t);

#endif
