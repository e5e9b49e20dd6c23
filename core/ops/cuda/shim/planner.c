/* Planning needs cuDNN itself, which the host emulation does without. */
#include "plan.h"

#include <stddef.h>

sim_status sim_planner_open(struct sim_planner **out, const char *device_json)
{
    (void)device_json;
    *out = NULL;
    return sim_fail(SIM_EINVAL,
                    "the host emulation plays a device and plans for none: this needs the program "
                    "that was built with the CUDA Toolkit and cuDNN");
}

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
