#include "batchnorm.h"

static int add(struct sim_params *p, int flags, double value, int partner, int64_t dim, const char *name,
               const char *what)
{
    return sim_params_add(p, flags & ~SIM_ROW_DECAYED, SIM_INIT_CONSTANT, value, partner, 1, &dim, "%s.%s",
                          name, what);
}

struct sim_norm_rows sim_batchnorm_add(struct sim_params *p, int flags, int affine,
                                       const struct sim_norm_rows *partner, int64_t dim, const char *name)
{
    struct sim_norm_rows r = {.w = -1, .b = -1};
    if (affine) {
        r.w = add(p, flags, 1, partner ? partner->w : -1, dim, name, "weight");
        r.b = add(p, flags, 0, partner ? partner->b : -1, dim, name, "bias");
    }
    r.mean = add(p, SIM_ROW_BUFFER, 0, -1, dim, name, "running_mean");
    r.var = add(p, SIM_ROW_BUFFER, 1, -1, dim, name, "running_var");
    r.counter = sim_params_add_counter(p, "%s.num_batches_tracked", name);
    return r;
}
