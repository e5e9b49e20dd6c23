/* What a model takes from an arena over a backend's memory. */
#ifndef SIM_BUFFERS_H
#define SIM_BUFFERS_H

#include "arena.h"
#include "ops.h"

/* Activations of the backend's kind. */
static inline sim_act *sim_arena_acts(struct sim_arena *a, const struct sim_ops *o, int64_t count)
{
    return sim_arena_take(a, (size_t)count, o->act_bytes);
}

/* Activation number `count` from x on: the second view's half of a buffer. */
static inline sim_act *sim_acts_at(const struct sim_ops *o, sim_act *x, int64_t count)
{
    return (sim_act *)(void *)((unsigned char *)x + (size_t)count * o->act_bytes);
}

/* Room for what `stage` brings from the host; NULL where the backend reads the host's memory. */
static inline void *sim_arena_staging(struct sim_arena *a, const struct sim_ops *o, int64_t count,
                                      size_t element_bytes)
{
    return o->discrete ? sim_arena_take(a, (size_t)count, element_bytes) : NULL;
}

#endif
