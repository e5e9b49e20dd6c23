/* Steps repeated as CUDA graphs: what `work` queues for a key is recorded once and launched from then on.
 *
 * The first two calls run as they are: plans are made, memory is taken, libraries warm up.  The third is
 * recorded.  Where that fails, the key runs as it is for good, and the record of the run says so. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda.h"
#include "cuda_ranks.h"
#include "facts.h"
#include "progress.h"

enum { REPLAYS = 32, EAGER_CALLS = 2 };

struct recorded {
    int64_t key;
    void (*work)(void *argument);
    void *argument;
    int calls;
    int refused; /* it could not be recorded */
    sim_graph graph;
};

struct sim_replays {
    struct recorded list[REPLAYS];
    int count;
};

void sim_cuda_forget_replays(struct sim_cuda *c)
{
    struct sim_replays *r = c->replays;
    if (!r) return;
    sim_device_wait(c->device);
    for (int i = 0; i < r->count; i++) sim_device_graph_close(c->device, r->list[i].graph);
    free(r);
    c->replays = NULL;
}

/* The entry of a call; NULL where the list is full. */
static struct recorded *entry(struct sim_cuda *c, int64_t key, void (*work)(void *argument), void *argument)
{
    if (!c->replays) c->replays = calloc(1, sizeof *c->replays);
    struct sim_replays *r = c->replays;
    if (!r) return NULL;
    for (int i = 0; i < r->count; i++) {
        struct recorded *e = &r->list[i];
        if (e->key == key && e->work == work && e->argument == argument) return e;
    }
    if (r->count == REPLAYS) return NULL;
    r->list[r->count] = (struct recorded){.key = key, .work = work, .argument = argument};
    return &r->list[r->count++];
}

/* Records what `work` queues; NULL where that cannot be, with the reason in `why`.  Of several ranks, whose
 * collectives are in it, all record it or none. */
static sim_graph record(struct sim_cuda *c, void (*work)(void *argument), void *argument, char *why,
                        size_t size)
{
    sim_device_capture_begin(c->device);
    c->capturing = 1;
    work(argument);
    c->capturing = 0;
    sim_graph g = sim_device_capture_end(c->device);
    sim_status status = sim_cuda_report(c);
    const int good = status == SIM_OK && g;
    snprintf(why, size, "%s",
             good               ? "another rank could not record it"
             : status == SIM_OK ? "the device gave no reason"
                                : sim_error_text());
    if (sim_cuda_ranks_all(c, good)) return g;
    sim_device_graph_close(c->device, g);
    return NULL;
}

static void replay(const struct sim_ops *o, int64_t key, void (*work)(void *argument), void *argument)
{
    struct sim_cuda *c = sim_cuda(o);
    struct recorded *e = c->graphs ? entry(c, key, work, argument) : NULL;
    /* With a failure on its way everything runs dry anyhow; it is not to be mistaken for the recording's. */
    const int failed = c->failed != SIM_OK || sim_device_failure(c->device, 0);
    if (!e || e->refused || failed || e->calls < EAGER_CALLS) {
        if (e) e->calls++;
        work(argument);
        return;
    }
    if (!e->graph) {
        char why[160];
        e->graph = record(c, work, argument, why, sizeof why);
        if (!e->graph) {
            e->refused = 1;
            sim_facts_substitute(
                &c->noted, "CUDA graphs: a step could not be recorded (%s), it was queued anew each time",
                why);
            sim_log("compute.cuda_graph: a step could not be recorded (%s); it is queued anew each time",
                    why);
            work(argument);
            return;
        }
    }
    sim_device_graph_launch(c->device, e->graph);
}

void sim_cuda_fill_replay(struct sim_ops *o)
{
    o->replay = replay;
}
