/* Learning rate and momentum as functions of the fractional epoch. */
#include <math.h>

#include "loop.h"

double sim_lr_at(const struct sim_train_config *c, double epoch)
{
    double base = c->lr > 0 ? c->lr : c->blr * (double)c->batch_size / 256.0;
    if (epoch < c->warmup_epochs) return base * epoch / c->warmup_epochs;
    double left = ((double)c->epochs - c->warmup_epochs), at = (epoch - c->warmup_epochs) / left;
    return c->min_lr + (base - c->min_lr) * 0.5 * (1 + cos(M_PI * at));
}

double sim_momentum_at(double base, int constant, double epoch, double epochs)
{
    if (constant) return base;
    return 1 - 0.5 * (1 + cos(M_PI * epoch / epochs)) * (1 - base);
}
