/* Several devices, one per rank: sums that belong to the whole batch on the compute stream, and gradients
 * meaned on a stream beside it while the backward goes on. */
#include <stdlib.h>

#include "cuda_ranks.h"
#include "progress.h"

static const double look_every_s = 0.2;

sim_status sim_cuda_ranks_open(struct sim_cuda *c, const struct sim_ranks *ranks)
{
    c->ranks = NULL;
    if (!ranks) return SIM_OK;
    struct sim_cuda_ranks *r = calloc(1, sizeof *r);
    if (!r) return sim_fail(SIM_ENOMEM, "no memory for the ranks' devices");
    r->ranks = ranks;
    c->ranks = r;
    r->ready = sim_device_event_open(c->device);
    r->done = sim_device_event_open(c->device);
    sim_status s = r->ready && r->done ? sim_collectives_open(c, r)
                                       : sim_fail(SIM_ELIB, "no events for the ranks' devices");
    s = sim_ranks_agree(ranks, s);
    if (s != SIM_OK) sim_cuda_ranks_close(c);
    return s;
}

void sim_cuda_ranks_close(struct sim_cuda *c)
{
    struct sim_cuda_ranks *r = c->ranks;
    if (!r) return;
    sim_collectives_close(r);
    if (r->ready) sim_device_event_close(c->device, r->ready);
    if (r->done) sim_device_event_close(c->device, r->done);
    free(r);
    c->ranks = NULL;
}

int sim_cuda_ranks_size(const struct sim_cuda *c)
{
    return c->ranks ? c->ranks->ranks->size : 1;
}

void sim_cuda_sum_over_ranks(struct sim_cuda *c, double *device_values, int64_t count)
{
    if (c->ranks) sim_collectives_queue(c, c->stream, device_values, count, 1, 0);
}

void sim_cuda_sum_floats_over_ranks(struct sim_cuda *c, float *device_values, int64_t count)
{
    if (c->ranks) sim_collectives_queue(c, c->stream, device_values, count, 0, 0);
}

void sim_cuda_gather_over_ranks(struct sim_cuda *c, void *all, const void *mine, size_t bytes)
{
    sim_collectives_gather(c, c->stream, all, mine, bytes);
}

int sim_cuda_ranks_alive(struct sim_cuda *c, double waited_s)
{
    struct sim_cuda_ranks *r = c->ranks;
    const double now = sim_now_s();
    if (!r || now - r->looked_s < look_every_s) return 1;
    r->looked_s = now;
    sim_status s = sim_collectives_check(r, 0);
    if (s == SIM_OK) s = sim_ranks_look(r->ranks);
    if (s == SIM_OK && waited_s > sim_ranks_timeout_s())
        s = sim_fail(SIM_EIO,
                     "rank %d (%s) has waited for its device for %.0f s (SIM_RANKS_TIMEOUT_S): another rank "
                     "lives but does not come",
                     r->ranks->rank, r->ranks->host[r->ranks->rank], waited_s);
    if (s == SIM_OK) return 1;
    s = sim_collectives_check(r, 1);
    sim_cuda_fail(c, s, "%s", sim_error_text());
    return 0;
}

int sim_cuda_ranks_all(struct sim_cuda *c, int mine)
{
    int missing = !mine;
    if (!c->ranks) return mine;
    sim_status s = sim_ranks_agree_on(c->ranks->ranks, SIM_OK, &missing);
    if (s != SIM_OK) sim_cuda_fail(c, s, "%s", sim_error_text());
    return s == SIM_OK && !missing;
}

void sim_cuda_ranks_let_go(struct sim_cuda *c)
{
    struct sim_cuda_ranks *r = c->ranks;
    if (r && sim_ranks_look(r->ranks) != SIM_OK) sim_collectives_check(r, 1);
}

/* ------------------------------------------------------------------ gradients */
static void gradients_ready(const struct sim_ops *o, float *gradient, int64_t count)
{
    struct sim_cuda *c = sim_cuda(o);
    struct sim_cuda_ranks *r = c->ranks;
    if (!r || count < 1) return;
    sim_stream beside = sim_device_stream(c->device, SIM_STREAM_RANKS);
    sim_device_event_record(c->device, r->ready, c->stream);
    sim_device_stream_waits(c->device, beside, r->ready);
    sim_collectives_queue(c, beside, gradient, count, 0, 1);
    r->begun = 1;
}

static void gradients_wait(const struct sim_ops *o)
{
    struct sim_cuda *c = sim_cuda(o);
    struct sim_cuda_ranks *r = c->ranks;
    if (!r || !r->begun) return;
    sim_device_event_record(c->device, r->done, sim_device_stream(c->device, SIM_STREAM_RANKS));
    sim_device_stream_waits(c->device, c->stream, r->done);
    r->begun = 0;
}

void sim_cuda_fill_ranks(struct sim_ops *o)
{
    o->gradients_ready = gradients_ready;
    o->gradients_wait = gradients_wait;
}
