#include "step.h"

#include <math.h>
#include <stdlib.h>

sim_status sim_optimiser_open(struct sim_optimiser *out, const struct sim_objective *objective,
                              const struct sim_train_config *c)
{
    const struct sim_ops *o = objective->ops;
    *out = (struct sim_optimiser){.objective = objective,
                                  .adamw = {.beta1 = c->beta1, .beta2 = c->beta2, .eps = c->eps},
                                  .clip_grad = c->clip_grad};
    out->scalars = o->memory.take(o->memory.context, sizeof *out->scalars);
    if (!out->scalars) return sim_memory_lacks(&o->memory, "the optimiser", sizeof *out->scalars);
    return sim_params_trained(objective->params, c->weight_decay, &out->segment, &out->count);
}

void sim_optimiser_close(struct sim_optimiser *o)
{
    if (o->scalars) {
        const struct sim_memory *m = &o->objective->ops->memory;
        m->release(m->context, o->scalars);
    }
    free(o->segment);
    *o = (struct sim_optimiser){0};
}

static void compute_and_update(struct sim_optimiser *s, const struct sim_trace *trace)
{
    const struct sim_objective *objective = s->objective;
    const struct sim_ops *o = objective->ops;
    objective->compute(objective->self, s->scalars, trace);
    o->gradients_wait(o);
    o->sum_squares(o, &s->scalars->sum_squares, s->segment, s->count);
    o->clip(o, s->scalars, s->clip_grad);
    o->adamw(o, s->segment, s->count, s->scalars, &s->adamw);
}

static void work(void *argument)
{
    compute_and_update(argument, NULL);
}

sim_status sim_step_queue(struct sim_optimiser *s, const struct sim_batch *batch, double lr, double momentum,
                          int64_t epoch, const struct sim_trace *trace)
{
    const struct sim_objective *objective = s->objective;
    const struct sim_ops *o = objective->ops;
    int64_t key;
    SIM_TRY(objective->load(objective->self, batch, epoch, &key));
    double steps = (double)++s->step;
    const struct sim_scalars_in in = {.lr = lr,
                                      .momentum = momentum,
                                      .correction1 = 1.0 - pow(s->adamw.beta1, steps),
                                      .correction2 = 1.0 - pow(s->adamw.beta2, steps)};
    o->upload(o, &s->scalars->in, &in, sizeof in);
    if (trace) /* the watcher must see every operation happen */
        compute_and_update(s, trace);
    else
        o->replay(o, key, work, s);
    o->post(o, (int)(s->step % SIM_POST_SLOTS), s->scalars, sizeof *s->scalars);
    return SIM_OK;
}

sim_status sim_step_result_of(struct sim_optimiser *s, int64_t number, struct sim_step_result *result)
{
    const struct sim_ops *o = s->objective->ops;
    struct sim_scalars left;
    SIM_TRY(o->collect(o, (int)(number % SIM_POST_SLOTS), &left, sizeof left));
    *result = (struct sim_step_result){left.loss, sqrt(left.sum_squares)};
    if (!left.halted) return SIM_OK;
    if (!isfinite(result->loss)) return sim_fail(SIM_ENONFINITE, "the loss is %g", result->loss);
    if (!isfinite(result->grad_norm))
        return sim_fail(SIM_ENONFINITE, "the gradient norm is %g at loss %g", result->grad_norm,
                        result->loss);
    return sim_fail(SIM_ENONFINITE,
                    "the gradient norm is %g, too large for Adam's moments (train.clip_grad bounds it)",
                    result->grad_norm);
}

sim_status sim_train_step(struct sim_optimiser *s, const struct sim_batch *batch, double lr, double momentum,
                          int64_t epoch, const struct sim_trace *trace, struct sim_step_result *result)
{
    SIM_TRY(sim_step_queue(s, batch, lr, momentum, epoch, trace));
    return sim_step_result_of(s, s->step, result);
}
