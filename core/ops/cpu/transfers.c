/* What passes between the host and a backend's memory, where both are the same. */
#include <string.h>

#include "cpu.h"

static const void *stage(const struct sim_ops *o, void *device, const void *host, size_t bytes)
{
    (void)o, (void)device, (void)bytes;
    return host;
}

static void transfer(const struct sim_ops *o, void *to, const void *from, size_t bytes)
{
    (void)o;
    if (bytes && to != from) memcpy(to, from, bytes);
}

static void read_act(const struct sim_ops *o, float *to, const float *from, int64_t count)
{
    transfer(o, to, from, (size_t)count * sizeof *to);
}

static void post(const struct sim_ops *o, int slot, const void *from, size_t bytes)
{
    memcpy(sim_cpu(o)->posted[slot], from, bytes);
}

static sim_status collect(const struct sim_ops *o, int slot, void *to, size_t bytes)
{
    memcpy(to, sim_cpu(o)->posted[slot], bytes);
    return o->finish(o);
}

static void weights_changed(const struct sim_ops *o, const float *block, int64_t count)
{
    (void)o, (void)block, (void)count; /* products read the parameters themselves */
}

static void replay(const struct sim_ops *o, int64_t key, void (*work)(void *argument), void *argument)
{
    (void)o, (void)key;
    work(argument);
}

void sim_cpu_transfers(struct sim_ops *o)
{
    o->stage = stage;
    o->upload = transfer;
    o->download = transfer;
    o->read_act = read_act;
    o->post = post;
    o->collect = collect;
    o->weights_changed = weights_changed;
    o->replay = replay;
}
