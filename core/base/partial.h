/* Large files that are written over several starts: a temporary that outlives the process, appended to, and
 * renamed when it is whole.  One process at a time (claim.h).  What was put is lost with a kill at the most
 * back to the last sync; what is smaller, or written in one go, is file.h's. */
#ifndef SIM_PARTIAL_H
#define SIM_PARTIAL_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct sim_partial {
    int fd;     /* -1: closed */
    char *path; /* owned; of the temporary */
};

/* Opens the temporary, made where it is missing, cut to keep_bytes or filled up with zeros to them. */
sim_status sim_partial_open(struct sim_partial *out, const char *path, uint64_t keep_bytes);
sim_status sim_partial_put(struct sim_partial *p, const void *bytes, size_t count); /* at the end */
/* Over bytes that are there already. */
sim_status sim_partial_put_at(struct sim_partial *p, uint64_t offset, const void *bytes, size_t count);
/* Returns when all that was put is on the disk. */
sim_status sim_partial_sync(struct sim_partial *p);
/* Syncs, closes, renames to `path` in the same folder and syncs that; on failure the temporary stays. */
sim_status sim_partial_commit(struct sim_partial *p, const char *path);
/* Closes; the temporary stays.  A zeroed or closed struct is legal. */
void sim_partial_close(struct sim_partial *p);

#endif
