/* Rows of a token BatchNorm (PyTorch's BatchNorm1d), which projectors, predictors and heads have. */
#ifndef SIM_BATCHNORM_H
#define SIM_BATCHNORM_H

#include "params.h"

#define SIM_BN_EPS 1e-5 /* PyTorch's, everywhere */
#define SIM_BN_MOMENTUM 0.1

/* Rows of the table; -1 where the norm has none. */
struct sim_norm_rows {
    int w, b, mean, var, counter;
};

/* Adds NAME.weight, one, and NAME.bias, zero, both undecayed and left out without affine; NAME.running_mean,
 * NAME.running_var and NAME.num_batches_tracked, which a momentum branch has of its own: they never follow
 * the partner.  flags and partner as for sim_params_add. */
struct sim_norm_rows sim_batchnorm_add(struct sim_params *p, int flags, int affine,
                                       const struct sim_norm_rows *partner, int64_t dim, const char *name);

#endif
