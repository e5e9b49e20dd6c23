/* What can be seen of a run while it trains: a line per epoch, and event files for TensorBoard (events.h) in
 * its folder, which hold
 *
 *   train/loss, grad_norm, lr, momentum, images_per_s     every watch.every_steps steps
 *   epoch/loss, grad_norm, images_per_s                   means over an epoch, at its last step
 *   views/I/view1, view2, mask                            what training image I looked like in an epoch
 *   scores/ENCODER/NAME                                   at the end; of the untrained encoder at step 0
 *
 * Each process that trains a run makes a file of its own, which supersedes what earlier ones say of steps
 * that it makes again.  A file that cannot be written is said once and given up: it is no result. */
#ifndef SIM_WATCH_H
#define SIM_WATCH_H

#include "images.h"
#include "loop.h"
#include "record.h"

struct sim_watch {
    const struct sim_run *run; /* borrowed, as the two below */
    const struct sim_images *images;
    const char *folder;
    int quiet;        /* no lines */
    int writes;       /* this process is the one that writes files */
    int has_momentum; /* there is a network that follows */

    struct sim_events *events; /* NULL: not yet, or given up */
    int given_up;
    int64_t window_step; /* last step shown, and when: what images_per_s is of */
    double window_s;
};

/* For sim_train_job, with the struct as context. */
void sim_watch_step(void *watch, const struct sim_step_stats *stats);
sim_status sim_watch_epoch(void *watch, struct sim_epoch_stats *stats); /* SIM_OK */

/* The scores of a run that trained so many steps. */
void sim_watch_scores(struct sim_watch *w, const struct sim_scored *scores, int count, int64_t steps);

void sim_watch_end(struct sim_watch *w); /* a zeroed struct is legal */

#endif
