#include "marks.h"

#include <stdlib.h>
#include <string.h>

#include "cuda.h"

struct marks {
    struct sim_device *device;
    sim_stream stream;
    sim_event *event; /* by number; NULL: not made yet */
    size_t count;
};

static void mark(void *self, size_t at)
{
    struct marks *m = self;
    if (at >= m->count) {
        size_t count = 2 * at + 1024;
        sim_event *more = realloc(m->event, count * sizeof *more);
        if (!more) return;
        memset(more + m->count, 0, (count - m->count) * sizeof *more);
        m->event = more, m->count = count;
    }
    if (!m->event[at]) m->event[at] = sim_device_event_open(m->device);
    if (m->event[at]) sim_device_event_record(m->device, m->event[at], m->stream);
}

static double between(void *self, size_t from, size_t to)
{
    const struct marks *m = self;
    if (to >= m->count || !m->event[from] || !m->event[to]) return 0;
    return 1e-3 * sim_device_event_ms(m->device, m->event[from], m->event[to]);
}

sim_status sim_marks_open(struct sim_watch_clock *out, const struct sim_ops *o)
{
    struct marks *m = calloc(1, sizeof *m);
    if (!m) return sim_fail(SIM_ENOMEM, "no memory for marks");
    m->device = sim_cuda(o)->device, m->stream = sim_cuda(o)->stream;
    *out = (struct sim_watch_clock){m, mark, between};
    return SIM_OK;
}

void sim_marks_close(struct sim_watch_clock *c)
{
    struct marks *m = c->self;
    for (size_t i = 0; m && i < m->count; i++)
        if (m->event[i]) sim_device_event_close(m->device, m->event[i]);
    if (m) free(m->event);
    free(m);
    *c = (struct sim_watch_clock){0};
}

void sim_marks_copy(const struct sim_ops *o, void *to, const void *from, size_t bytes)
{
    sim_device_copy(sim_cuda(o)->device, sim_cuda(o)->stream, to, from, bytes, SIM_ON_DEVICE);
}
