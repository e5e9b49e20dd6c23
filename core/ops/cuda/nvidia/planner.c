/* Planning for a device that is only described: cuDNN chooses engines and compiles their code without one, as
 * long as some libcuda.so.1 can be loaded. */
#include "plan.h"

#include <dlfcn.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "attention.h"
#include "attention_graph.h"

struct sim_planner {
    cudnnBackendDescriptor_t description;
    char device[160];
};

static sim_status check_driver(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (!driver)
        return sim_fail(
            SIM_EINVAL,
            "planning without a GPU needs a libcuda.so.1, and there is no driver here; the toolkit's "
            "stub does: a folder with a link of that name to CUDA_ROOT/lib64/stubs/libcuda.so, on "
            "LD_LIBRARY_PATH for this command (make builds one as stubs/ beside the program)");
    dlclose(driver);
    return SIM_OK;
}

static sim_status read_name(struct sim_planner *p, const char *json)
{
    json_error_t error;
    json_t *o = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    if (!o)
        return sim_fail(SIM_EFORMAT, "the description of a device is no JSON: line %d: %s", error.line,
                        error.text);
    const json_t *version = json_object_get(o, "deviceVer");
    const char *name = json_string_value(json_object_get(o, "deviceName"));
    sim_status status = SIM_OK;
    if (!name || !json_is_integer(version))
        status = sim_fail(SIM_EFORMAT,
                          "the description of a device lacks deviceName or deviceVer (900 for sm_90)");
    else
        snprintf(p->device, sizeof p->device, "%.100s (sm_%d)", name,
                 (int)(json_integer_value(version) / 10));
    json_decref(o);
    return status;
}

sim_status sim_planner_open(struct sim_planner **out, const char *device_json)
{
    *out = NULL;
    SIM_TRY(sim_attention_check_version(cudnnGetVersion()));
    SIM_TRY(check_driver());
    struct sim_planner *p = calloc(1, sizeof *p);
    if (!p) return sim_fail(SIM_ENOMEM, "no memory for planning");
    sim_status status = read_name(p, device_json);
    if (status == SIM_OK) status = sim_cudnn_describe(&p->description, device_json);
    if (status != SIM_OK) {
        sim_planner_close(p);
        return status;
    }
    *out = p;
    return SIM_OK;
}

void sim_planner_close(struct sim_planner *p)
{
    if (!p) return;
    if (p->description) cudnnBackendDestroyDescriptor(p->description);
    free(p);
}

const char *sim_planner_device(const struct sim_planner *p)
{
    return p->device;
}

const char *sim_planner_library(const struct sim_planner *p)
{
    (void)p;
    return sim_attention_library();
}

sim_status sim_planner_attention(struct sim_planner *p, enum sim_attention_pass pass,
                                 const struct sim_attention_shape *s, struct sim_planned *out)
{
    struct sim_cudnn_plan plan;
    sim_status status =
        sim_attention_plan(&plan, pass, s, &(struct sim_cudnn_target){.description = p->description});
    const int backward = pass == SIM_ATTENTION_BACKWARD || pass == SIM_ATTENTION_BACKWARD_FAST;
    *out = (struct sim_planned){
        .engine = plan.engine,
        .workspace_bytes = plan.workspace_bytes,
        .scratch_bytes = backward ? sim_attention_sum_bytes(s) + sim_attention_dq_bytes(s, pass) : 0,
        .shared_bytes = plan.shared_bytes,
        .loaded = status == SIM_OK && !plan.unloaded};
    sim_cudnn_plan_close(&plan);
    return status;
}
