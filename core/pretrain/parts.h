/* What objectives are put together from, besides core/model: stacks that may be watched, and counting costs.
 */
#ifndef SIM_PARTS_H
#define SIM_PARTS_H

#include "objective.h"
#include "vit.h"

/* sim_stack_forward; trace, where not NULL, sees every block as NAME.0, NAME.1 ... */
sim_act *sim_parts_stack(const struct sim_ops *o, struct sim_params *p, struct sim_stack *s, sim_act *x,
                         int64_t batch, int64_t tokens, const struct sim_trace *trace, const char *name);

/* What the table alone says of the cost: parameters, trainable, momentum_copies, state_bytes. */
struct sim_cost sim_parts_cost(const struct sim_params *p);

/* Of y = x w^T over so many tokens, forward (multiply-add = 2). */
static inline double sim_parts_linear_flop(int64_t tokens, int64_t in, int64_t out)
{
    return 2.0 * (double)tokens * (double)in * (double)out;
}

#endif
