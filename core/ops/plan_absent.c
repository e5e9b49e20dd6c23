/* plan.h without cuDNN: what every program links but the one over NVIDIA's libraries. */
#include "plan.h"

#include <stddef.h>

sim_status sim_planner_open(struct sim_planner **out, const char *device_json)
{
    (void)device_json;
    *out = NULL;
    return sim_fail(SIM_EINVAL, "planning for a GPU needs cuDNN, and this program was built without it "
                                "(make CUDA=1 CUDA_ROOT=... CUDNN_ROOT=... builds it in)");
}

/* Nothing below is reached: no planner is ever open. */
void sim_planner_close(struct sim_planner *p)
{
    (void)p;
}

const char *sim_planner_device(const struct sim_planner *p)
{
    (void)p;
    return "";
}

const char *sim_planner_library(const struct sim_planner *p)
{
    (void)p;
    return "";
}

sim_status sim_planner_attention(struct sim_planner *p, enum sim_attention_pass pass,
                                 const struct sim_attention_shape *s, struct sim_planned *out)
{
    (void)p, (void)pass, (void)s, (void)out;
    return sim_fail(SIM_EINVAL, "no planner is open");
}
