/* The backends that this program was built with. */
#include <string.h>

#include "facts.h"
#include "ops.h"
#ifdef SIM_WITH_CUDA
#include "cuda/cuda.h"
#endif

const char *sim_ops_built_in(void)
{
#ifdef SIM_WITH_CUDA
    return "cpu cuda";
#else
    return "cpu";
#endif
}

sim_status sim_ops_open(struct sim_ops *out, const char *name, const struct sim_device_options *options)
{
    static const struct sim_device_options defaults;
    if (!options) options = &defaults;
    if (strcmp(name, "cpu") == 0) return sim_ops_cpu_open(out, options);
#ifdef SIM_WITH_CUDA
    if (strcmp(name, "cuda") == 0) return sim_ops_cuda_open(out, options);
#else
    if (strcmp(name, "cuda") == 0)
        return sim_fail(SIM_EINVAL,
                        "this program was built without the CUDA Toolkit, so it has no device 'cuda', only: "
                        "cpu (make CUDA=1 CUDA_ROOT=... builds it in)");
#endif
    return sim_fail(SIM_EINVAL, "device '%s' is not in this build, which has: %s", name, sim_ops_built_in());
}

void sim_facts_built_in(struct sim_ops_facts *out)
{
    memset(out, 0, sizeof *out);
    sim_cpu_libraries(out);
#ifdef SIM_WITH_CUDA
    sim_cuda_libraries(out);
#endif
}
