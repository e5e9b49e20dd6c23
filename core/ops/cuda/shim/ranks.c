/* Collectives of the emulated device: the host's, at the moment that the stream comes to them. */
#include "cuda_ranks.h"
#include "shim.h"

const char *sim_cuda_ranks_library(void)
{
    return "";
}

sim_status sim_collectives_open(struct sim_cuda *c, struct sim_cuda_ranks *r)
{
    (void)c, (void)r;
    return SIM_OK;
}

void sim_collectives_close(struct sim_cuda_ranks *r)
{
    (void)r;
}

struct collective {
    const struct sim_ranks *ranks;
    void *values;
    int64_t count;
    int doubles, mean;
};

static sim_status work(void *argument)
{
    const struct collective *w = argument;
    if (w->doubles) return sim_ranks_sum(w->ranks, w->values, w->count);
    if (!w->mean) return sim_ranks_sum_floats(w->ranks, w->values, w->count);
    SIM_TRY(sim_ranks_mean_begin(w->ranks, w->values, w->count));
    return sim_ranks_mean_wait(w->ranks);
}

void sim_collectives_queue(struct sim_cuda *c, sim_stream s, void *values, int64_t count, int doubles,
                           int mean)
{
    const struct collective w = {c->ranks->ranks, values, count, doubles, mean};
    sim_shim_queue(s, work, &w, sizeof w);
}

struct gathering {
    const struct sim_ranks *ranks;
    void *all;
    const void *mine;
    size_t bytes;
};

static sim_status gather(void *argument)
{
    const struct gathering *g = argument;
    return sim_ranks_share(g->ranks, g->mine, g->all, g->bytes);
}

void sim_collectives_gather(struct sim_cuda *c, sim_stream s, void *all, const void *mine, size_t bytes)
{
    const struct gathering g = {c->ranks->ranks, all, mine, bytes};
    sim_shim_queue(s, gather, &g, sizeof g);
}

sim_status sim_collectives_check(struct sim_cuda_ranks *r, int give_up)
{
    (void)r;
    return give_up ? SIM_EIO : SIM_OK;
}
