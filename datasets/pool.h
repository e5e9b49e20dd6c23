/* Worker threads for the loaders: a queue of jobs, each a number of independent tasks.  Which thread runs a
 * task, and in which order tasks end, must not matter to the result. */
#ifndef SIM_POOL_H
#define SIM_POOL_H

#include <stdint.h>

#include "status.h"

struct sim_job {
    void (*task)(void *context, int64_t i, int worker); /* i = 0 .. count-1, by worker 0 .. workers-1 */
    void *context;
    int64_t count;
    int64_t started, running; /* the pool's, under its lock */
    struct sim_job *link;
};

struct sim_pool;

/* Threads that take no signals: those are main's. */
sim_status sim_pool_open(struct sim_pool **out, int workers);

/* Puts a job, owned by the caller, at the end of the queue. */
void sim_pool_submit(struct sim_pool *p, struct sim_job *job);
/* Returns when every task of a submitted job has ended. */
void sim_pool_wait(struct sim_pool *p, struct sim_job *job);
/* Starts no further task of the job and returns when those under way have ended. */
void sim_pool_cancel(struct sim_pool *p, struct sim_job *job);

/* Ends the threads after the tasks under way; jobs that wait are dropped.  NULL is legal. */
void sim_pool_close(struct sim_pool *p);

#endif
