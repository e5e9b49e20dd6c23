/* The emulated device's streams, events and graphs.
 *
 * Nothing that is queued runs before somebody waits for it, and then only what that wait needs: the laziest
 * GPU there could be.  Whoever reads without waiting, or forgets that one stream must wait for another, sees
 * the bytes that were there before. */
#include <stdlib.h>
#include <string.h>

#include "emulated.h"
#include "progress.h"

/* ------------------------------------------------------------------ queues */

static void push(struct sim_tasks *list, struct sim_task *t)
{
    if (list->last)
        list->last->next = t;
    else
        list->first = t;
    list->last = t;
}

static struct sim_task *new_task(struct sim_device *d, const void *argument, size_t bytes)
{
    struct sim_task *t = malloc(sizeof *t + bytes);
    if (!t) {
        sim_device_fail(d, "no memory for the queue of the host emulation of a device");
        return NULL;
    }
    *t = (struct sim_task){0};
    if (bytes) memcpy(t->argument, argument, bytes);
    return t;
}

static void queue(struct sim_emulated_stream *s, struct sim_task *t)
{
    if (!s->captured) {
        push(&s->queued, t);
        return;
    }
    push(&s->device->capture->tasks, t);
    if (s != &s->device->streams[SIM_STREAM_COMPUTE]) s->unjoined = 1;
}

void sim_shim_queue(sim_stream stream, sim_status (*work)(void *argument), const void *argument, size_t bytes)
{
    struct sim_emulated_stream *s = stream;
    struct sim_task *t = s->device->failed ? NULL : new_task(s->device, argument, bytes);
    if (!t) return;
    t->kind = SIM_TASK_WORK;
    t->work = work;
    queue(s, t);
}

static sim_status work_launch(void *argument)
{
    struct sim_shim_launch *l = argument;
    l->arguments = l + 1;
    return sim_shim_run(l);
}

void sim_shim_queue_launch(sim_stream stream, const struct sim_shim_launch *l, size_t argument_bytes)
{
    struct sim_device *d = ((struct sim_emulated_stream *)stream)->device;
    unsigned char *both = malloc(sizeof *l + argument_bytes);
    if (!both) {
        sim_device_fail(d, "no memory to queue kernel %s", l->kernel);
        return;
    }
    memcpy(both, l, sizeof *l);
    memcpy(both + sizeof *l, l->arguments, argument_bytes);
    sim_shim_queue(stream, work_launch, both, sizeof *l + argument_bytes);
    free(both);
}

void sim_emulated_forget(struct sim_tasks *tasks)
{
    for (struct sim_task *t = tasks->first, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    *tasks = (struct sim_tasks){0};
}

/* ------------------------------------------------------------------ running what is queued */

static void work(struct sim_device *d, struct sim_task *t)
{
    if (!d->failed && t->work(t->argument) != SIM_OK) sim_device_fail(d, "%s", sim_error_text());
}

static void run_until(struct sim_emulated_event *e, int64_t ticket);

static void run_first(struct sim_emulated_stream *s)
{
    struct sim_task *t = s->queued.first;
    if (t->kind == SIM_TASK_WAIT) run_until(t->event, t->ticket);
    if (t->kind == SIM_TASK_WORK) work(s->device, t);
    if (t->kind == SIM_TASK_RECORD) {
        t->event->done = t->ticket;
        t->event->at_s = sim_now_s();
    }
    s->queued.first = t->next;
    if (!t->next) s->queued.last = NULL;
    free(t);
}

/* Waits go to records that were queued before them, so this comes to an end. */
static void run_until(struct sim_emulated_event *e, int64_t ticket)
{
    while (e->done < ticket && e->stream->queued.first) run_first(e->stream);
}

void sim_emulated_drain(struct sim_device *d)
{
    /* The compute stream last: what it should have waited for comes too early for it, never too late. */
    for (int i = SIM_STREAMS - 1; i >= 0; i--)
        while (d->streams[i].queued.first) run_first(&d->streams[i]);
}

int sim_emulated_capturing(struct sim_device *d, const char *what)
{
    if (d->capture) sim_device_fail(d, "%s while a graph is captured", what);
    return d->capture != NULL;
}

void sim_device_wait(struct sim_device *d)
{
    if (!sim_emulated_capturing(d, "the device waited for")) sim_emulated_drain(d);
}

/* ------------------------------------------------------------------ events */

sim_event sim_device_event_open(struct sim_device *d)
{
    struct sim_emulated_event *e = calloc(1, sizeof *e);
    if (e)
        e->device = d;
    else
        sim_device_fail(d, "no memory for an event");
    return e;
}

void sim_device_event_close(struct sim_device *d, sim_event event)
{
    if (!event) return;
    sim_emulated_drain(d); /* nothing queued may speak of it any more */
    free(event);
}

void sim_device_event_record(struct sim_device *d, sim_event event, sim_stream stream)
{
    struct sim_emulated_event *e = event;
    struct sim_emulated_stream *s = stream;
    if (d->failed || !e) return;
    e->captured = s->captured;
    if (s->captured) {
        e->stream = s;
        return;
    }
    struct sim_task *t = new_task(d, NULL, 0);
    if (!t) return;
    if (e->stream && e->stream != s) run_until(e, e->recorded); /* its records stay in one queue */
    e->stream = s;
    t->kind = SIM_TASK_RECORD;
    t->event = e;
    t->ticket = ++e->recorded;
    queue(s, t);
}

void sim_device_stream_waits(struct sim_device *d, sim_stream stream, sim_event event)
{
    struct sim_emulated_event *e = event;
    struct sim_emulated_stream *s = stream;
    if (d->failed || !e || !e->stream) return;
    if (e->captured) {
        /* Graphs are launched in the order of their capture: streams only join. */
        if (!d->capture) sim_device_fail(d, "a stream waits for an event that was captured into a graph");
        s->captured = 1;
        if (s == &d->streams[SIM_STREAM_COMPUTE]) e->stream->unjoined = 0;
        return;
    }
    if (s->captured) {
        sim_device_fail(d, "a captured stream waits for an event from outside the graph");
        return;
    }
    struct sim_task *t = new_task(d, NULL, 0);
    if (!t) return;
    t->kind = SIM_TASK_WAIT;
    t->event = e;
    t->ticket = e->recorded;
    queue(s, t);
}

void sim_device_event_wait(struct sim_device *d, sim_event event)
{
    struct sim_emulated_event *e = event;
    if (d->failed || !e || !e->stream) return;
    if (e->captured)
        sim_device_fail(d, "the host waits for an event that was captured into a graph");
    else
        run_until(e, e->recorded);
}

/* Looking is what makes this device work. */
int sim_device_event_passed(struct sim_device *d, sim_event event)
{
    sim_device_event_wait(d, event);
    return 1;
}

double sim_device_event_ms(struct sim_device *d, sim_event from, sim_event to)
{
    (void)d;
    return 1e3 * (((struct sim_emulated_event *)to)->at_s - ((struct sim_emulated_event *)from)->at_s);
}

/* ------------------------------------------------------------------ graphs */

void sim_device_capture_begin(struct sim_device *d)
{
    if (d->failed || sim_emulated_capturing(d, "a graph begun")) return;
    d->capture = calloc(1, sizeof *d->capture);
    if (!d->capture) {
        sim_device_fail(d, "no memory for a graph");
        return;
    }
    d->streams[SIM_STREAM_COMPUTE].captured = 1;
}

sim_graph sim_device_capture_end(struct sim_device *d)
{
    static const char *const names[SIM_STREAMS] = {"compute", "copy", "ranks"};
    struct sim_emulated_graph *g = d->capture;
    d->capture = NULL;
    for (int i = 0; i < SIM_STREAMS; i++) {
        if (d->streams[i].unjoined)
            sim_device_fail(d, "the graph ends while the compute stream does not wait for the %s stream",
                            names[i]);
        d->streams[i].captured = d->streams[i].unjoined = 0;
    }
    if (!d->failed) return g;
    if (g) sim_emulated_forget(&g->tasks);
    free(g);
    return NULL;
}

struct graph_run {
    struct sim_device *device;
    struct sim_emulated_graph *graph;
};

static sim_status work_graph(void *argument)
{
    const struct graph_run *r = argument;
    for (struct sim_task *t = r->graph->tasks.first; t; t = t->next) work(r->device, t);
    return SIM_OK;
}

void sim_device_graph_launch(struct sim_device *d, sim_graph g)
{
    struct graph_run r = {d, g};
    if (g) sim_shim_queue(&d->streams[SIM_STREAM_COMPUTE], work_graph, &r, sizeof r);
}

void sim_device_graph_close(struct sim_device *d, sim_graph graph)
{
    struct sim_emulated_graph *g = graph;
    if (!g) return;
    sim_emulated_drain(d);
    sim_emulated_forget(&g->tasks);
    free(g);
}
