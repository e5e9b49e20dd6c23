/* The processes that train together, one per device: who they are, and what they do with host memory.  Over
 * TCP or MPI, chosen by how the program was started (ranks/place.c lists the variables).
 *
 * Every operation is collective: all ranks make the same calls in the same order.  A rank that is gone ends
 * the operation with its number and host on all others, and every later operation fails alike.  NULL stands
 * for a process alone, for which every operation succeeds at once.
 *
 * Operations are called from one thread at a time.  Sums are made in the order of ranks, in double: the same
 * bytes on every rank and from run to run. */
#ifndef SIM_RANKS_H
#define SIM_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

enum { SIM_RANK_HOST_BYTES = 64 };

struct sim_ranks {
    int rank, size; /* size >= 2 */
    int local_rank; /* among the ranks of this machine */
    int local_size;
    const char *transport;             /* "tcp", "mpi": what carries the messages */
    const char *bootstrap;             /* "environment", "folder", "mpi": how the ranks found each other */
    char (*host)[SIM_RANK_HOST_BYTES]; /* (size) names of machines */
    struct sim_ranks_inside *inside;
};

/* Meets the other ranks; *out NULL: started alone.  Waits for all of them for SIM_RANKS_TIMEOUT_S seconds
 * (600), then fails naming who is missing.  Fails where the environment asks for ranks in a way that is half
 * said or that this build cannot do (MPI not compiled in). */
sim_status sim_ranks_open(struct sim_ranks **out);
/* Leaves.  why NULL: the work is done; else the others, where they still wait for this rank, end with this
 * sentence.  r NULL is legal. */
void sim_ranks_close(struct sim_ranks *r, const char *why);
/* The environment asks for more than one rank (whether or not they can be opened). */
int sim_ranks_wanted(void);

static inline int sim_ranks_size(const struct sim_ranks *r)
{
    return r ? r->size : 1;
}
/* Rank 0, or alone: the one that writes files and talks. */
static inline int sim_ranks_first(const struct sim_ranks *r)
{
    return !r || r->rank == 0;
}

/* ---- these wait for rank 0, which may have work of its own to do, as long as it lives; a rank that lives
 * but has not come SIM_RANKS_TIMEOUT_S seconds (600) after it counts as gone */

sim_status sim_ranks_barrier(const struct sim_ranks *r);
/* all (size, bytes) = everybody's `mine` (bytes). */
sim_status sim_ranks_gather(const struct sim_ranks *r, const void *mine, void *all, size_t bytes);
/* blob (bytes) = rank 0's. */
sim_status sim_ranks_broadcast(const struct sim_ranks *r, void *blob, size_t bytes);
/* SIM_OK where all ranks say SIM_OK; else the first failing rank's status on all ranks, with its sentence and
 * name. */
sim_status sim_ranks_agree(const struct sim_ranks *r, sim_status mine);
/* Whether this thread's last failure (contexts in front of it aside) is one that every rank has, from agree
 * or same: rank 0 says it for all. */
int sim_ranks_agreed(const struct sim_ranks *r);
/* Fails, saying which, where some rank's number differs from rank 0's.  `what` names it: "the weights". */
sim_status sim_ranks_same(const struct sim_ranks *r, uint64_t mine, const char *what);

/* ---- in a step, where all have the same to do, so that rank 0 too is waited for no longer than that */

/* sim_ranks_agree, and *any gets the bits that any rank has in its own. */
sim_status sim_ranks_agree_on(const struct sim_ranks *r, sim_status mine, int *any);
/* sim_ranks_gather. */
sim_status sim_ranks_share(const struct sim_ranks *r, const void *mine, void *all, size_t bytes);
sim_status sim_ranks_sum(const struct sim_ranks *r, double *values, int64_t count);
sim_status sim_ranks_sum_floats(const struct sim_ranks *r, float *values, int64_t count);
/* values (count) = their mean over the ranks, by a thread beside the caller, which goes on computing; they
 * are left alone until mean_wait, which returns when all that was begun is done. */
sim_status sim_ranks_mean_begin(const struct sim_ranks *r, float *values, int64_t count);
sim_status sim_ranks_mean_wait(const struct sim_ranks *r);

/* Looks, without waiting, whether all ranks are still there; not collective, and may be called from any
 * thread. */
sim_status sim_ranks_look(const struct sim_ranks *r);
double sim_ranks_timeout_s(void); /* SIM_RANKS_TIMEOUT_S, or 600 */

#endif
