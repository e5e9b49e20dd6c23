#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct sim_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, ended; /* a task may be there; a job has ended */
    struct sim_job *first, *last;
    int quit, count;
    int started; /* workers that have taken their number */
    pthread_t threads[];
};

/* The head of the queue is left there until its last task is started. */
static void unlink_job(struct sim_pool *p, struct sim_job *job)
{
    struct sim_job **at = &p->first, *before = NULL;
    while (*at && *at != job) before = *at, at = &(*at)->link;
    if (!*at) return;
    *at = job->link;
    if (p->last == job) p->last = before;
}

static void *worker(void *argument)
{
    struct sim_pool *p = argument;
    pthread_mutex_lock(&p->lock);
    const int number = p->started++;
    for (;;) {
        while (!p->quit && !p->first) pthread_cond_wait(&p->work, &p->lock);
        if (p->quit) break;
        struct sim_job *job = p->first;
        int64_t i = job->started++;
        job->running++;
        if (job->started == job->count) unlink_job(p, job);
        pthread_mutex_unlock(&p->lock);
        job->task(job->context, i, number);
        pthread_mutex_lock(&p->lock);
        if (--job->running == 0 && job->started == job->count) pthread_cond_broadcast(&p->ended);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

sim_status sim_pool_open(struct sim_pool **out, int workers)
{
    *out = NULL;
    if (workers < 1) return sim_fail(SIM_EINVAL, "a loader needs at least one worker, not %d", workers);
    struct sim_pool *p = calloc(1, sizeof *p + (size_t)workers * sizeof *p->threads);
    if (!p) return sim_fail(SIM_ENOMEM, "no memory for %d loader threads", workers);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->ended, NULL);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int failed = 0;
    while (!failed && p->count < workers) {
        failed = pthread_create(&p->threads[p->count], NULL, worker, p);
        p->count += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed) {
        sim_fail(SIM_EIO, "cannot start loader thread %d of %d: %s", p->count + 1, workers, strerror(failed));
        sim_pool_close(p);
        return SIM_EIO;
    }
    *out = p;
    return SIM_OK;
}

void sim_pool_submit(struct sim_pool *p, struct sim_job *job)
{
    job->started = job->running = 0;
    job->link = NULL;
    if (job->count == 0) return;
    pthread_mutex_lock(&p->lock);
    if (p->first)
        p->last->link = job;
    else
        p->first = job;
    p->last = job;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void sim_pool_wait(struct sim_pool *p, struct sim_job *job)
{
    pthread_mutex_lock(&p->lock);
    while (job->running > 0 || job->started < job->count) pthread_cond_wait(&p->ended, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void sim_pool_cancel(struct sim_pool *p, struct sim_job *job)
{
    pthread_mutex_lock(&p->lock);
    if (job->started < job->count) {
        unlink_job(p, job);
        job->started = job->count;
    }
    while (job->running > 0) pthread_cond_wait(&p->ended, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void sim_pool_close(struct sim_pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->quit = 1;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int k = 0; k < p->count; k++) pthread_join(p->threads[k], NULL);
    pthread_cond_destroy(&p->ended);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
