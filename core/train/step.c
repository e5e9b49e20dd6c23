#include "step.h"

#include <math.h>
#include <stdlib.h>

sim_status sim_optimiser_open(struct sim_optimiser *out, const struct sim_params *params, double weight_decay)
{
    *out = (struct sim_optimiser){0};
    return sim_params_trained(params, weight_decay, &out->segment, &out->count);
}

void sim_optimiser_close(struct sim_optimiser *o)
{
    free(o->segment);
    *o = (struct sim_optimiser){0};
}

sim_status sim_train_step(const struct sim_objective *objective, struct sim_optimiser *optimiser,
                          const struct sim_train_config *c, const struct sim_batch *batch, double lr,
                          double momentum, int64_t epoch, const struct sim_trace *trace,
                          struct sim_step_result *result)
{
    const struct sim_ops *o = objective->ops;
    SIM_TRY(objective->step(objective->self, batch, momentum, epoch, trace, &result->loss));
    result->grad_norm = sqrt(o->sum_squares(o, optimiser->segment, optimiser->count));
    SIM_TRY(o->finish(o));
    if (!isfinite(result->loss)) return sim_fail(SIM_ENONFINITE, "the loss is %g", result->loss);
    if (!isfinite(result->grad_norm))
        return sim_fail(SIM_ENONFINITE, "the gradient norm is %g at loss %g", result->grad_norm,
                        result->loss);
    if (c->clip_grad <= 0 &&
        result->grad_norm > 1e19) /* its square is past float: Adam's second moment would be inf for good */
        return sim_fail(SIM_ENONFINITE,
                        "the gradient norm is %g, too large for Adam's moments (train.clip_grad bounds it)",
                        result->grad_norm);
    double clip = c->clip_grad > 0 ? c->clip_grad / (result->grad_norm + 1e-6) : 1;
    struct sim_adamw h = {.lr = lr,
                          .beta1 = c->beta1,
                          .beta2 = c->beta2,
                          .eps = c->eps,
                          .step = ++optimiser->step,
                          .grad_scale = clip < 1 ? clip : 1};
    o->adamw(o, optimiser->segment, optimiser->count, &h);
    return o->finish(o);
}
