#include "parts.h"

#include <stdio.h>

struct stage {
    const struct sim_trace *trace;
    const char *name;
    int64_t shape[3];
};

static void see_block(void *context, int block, const sim_act *z)
{
    const struct stage *s = context;
    char name[64];
    snprintf(name, sizeof name, "%s.%d", s->name, block);
    s->trace->see(s->trace->context, name, z, s->shape);
}

sim_act *sim_parts_stack(const struct sim_ops *o, struct sim_params *p, struct sim_stack *s, sim_act *x,
                         int64_t batch, int64_t tokens, const struct sim_trace *trace, const char *name)
{
    struct stage stage = {trace, name, {batch, tokens, s->shape.dim}};
    return sim_stack_forward(o, p, s, x, batch, tokens, trace ? see_block : NULL, &stage);
}

struct sim_cost sim_parts_cost(const struct sim_params *p)
{
    struct sim_cost cost = {0};
    for (int r = 0; r < p->count; r++) {
        const struct sim_param *row = &p->row[r];
        cost.parameters += row->count;
        if (row->flags & SIM_ROW_TRAINED) cost.trainable += row->count;
        if (row->partner >= 0) cost.momentum_copies += row->count;
    }
    cost.state_bytes = 4 * (p->value_count + 3 * p->gradient_count);
    return cost;
}
