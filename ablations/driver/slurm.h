/* `siameseim run --launcher slurm`: the runs as a Slurm job array, one task per run. */
#ifndef SIM_SLURM_H
#define SIM_SLURM_H

#include "options.h"
#include "run_one.h"

struct sim_slurm_options {
    char *
        *argv; /* the words of `siameseim run`, which the tasks repeat, less those that are the launcher's */
    int argc;
    const struct sim_words *sbatch; /* words of the user's for sbatch */
    int dry_run;
    int at_a_time;      /* tasks; 0: as many as there is room for */
    int threads;        /* of each; 0: 4 */
    const char *gflops; /* matrix rate of the nodes; NULL: measured here */
};

/* Writes OUT/slurm/sweep.sh for the runs that are not recorded yet, and submits it unless dry_run.  Memory,
 * cores and time limit are those of the most demanding run.  A task whose time is up is told 120 s before
 * (--signal), saves, and is queued again; so is one whose node fails (--requeue).  Needs a session with out,
 * records and backend filled. */
sim_status sim_slurm_launch(struct sim_session *s, const struct sim_experiment *e,
                            const struct sim_slurm_options *o);

#endif
