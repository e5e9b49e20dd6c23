/* nan_batch.json: what a run was at when its loss or gradient stopped being a number. */
#ifndef SIM_NAN_BATCH_H
#define SIM_NAN_BATCH_H

#include "batch.h"
#include "ranks.h"
#include "step.h"

struct sim_nan_batch {
    int64_t epoch, step; /* 1-based: the step that failed, and the epoch it is in */
    struct sim_step_result result;
    const char *reason;
};

/* Asks the source once more for the batch of that step, and writes FOLDER/nan_batch.json with the numbers and
 * names of its images.  Of several ranks all call this, each with a source of its share; rank 0 writes the
 * whole batch. */
sim_status sim_nan_batch_write(const char *folder, const struct sim_nan_batch *what,
                               const struct sim_source *source, const struct sim_ranks *ranks);

/* Removes that of an earlier try. */
void sim_nan_batch_remove(const char *folder);

#endif
