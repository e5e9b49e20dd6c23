#include "cudnn_graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef cudnnBackendDescriptor_t descriptor;

/* Of the library's many lines the first reason: the others say who passed it on. */
static void keep_reason(char *text)
{
    char *reason = strstr(text, "Reason: ");
    if (reason) memmove(text, reason + 8, strlen(reason + 8) + 1);
    text[strcspn(text, "\n")] = 0;
    for (char *end = text + strlen(text); end > text && end[-1] == ' ';) *--end = 0;
}

const char *sim_cudnn_words(cudnnStatus_t status)
{
    static _Thread_local char words[900];
    char last[768] = "";
    cudnnGetLastErrorString(last, sizeof last);
    keep_reason(last);
    snprintf(words, sizeof words, "%s%s%s", cudnnGetErrorString(status), last[0] ? ": " : "", last);
    return words;
}

/* ------------------------------------------------------------------ descriptors */

static void fail(struct sim_cudnn_graph *g, const char *what, cudnnStatus_t status)
{
    if (g->failed) return;
    g->failed = 1;
    snprintf(g->sentence, sizeof g->sentence, "%s: %s", what, sim_cudnn_words(status));
}

void sim_cudnn_graph_start(struct sim_cudnn_graph *g)
{
    memset(g, 0, sizeof *g);
}

void sim_cudnn_graph_close(struct sim_cudnn_graph *g)
{
    while (g->made_count > 0) cudnnBackendDestroyDescriptor(g->made[--g->made_count]);
    memset(g, 0, sizeof *g);
}

static descriptor make(struct sim_cudnn_graph *g, cudnnBackendDescriptorType_t type, const char *what)
{
    descriptor d = NULL;
    if (g->failed) return NULL;
    if (g->made_count == SIM_CUDNN_DESCRIPTORS) {
        fail(g, "the graph has more parts than there is room for", CUDNN_STATUS_NOT_SUPPORTED);
        return NULL;
    }
    cudnnStatus_t status = cudnnBackendCreateDescriptor(type, &d);
    if (status != CUDNN_STATUS_SUCCESS) {
        fail(g, what, status);
        return NULL;
    }
    return g->made[g->made_count++] = d;
}

static void set(struct sim_cudnn_graph *g, descriptor d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values, const char *what)
{
    if (g->failed) return;
    cudnnStatus_t status = cudnnBackendSetAttribute(d, name, type, count, values);
    if (status != CUDNN_STATUS_SUCCESS) fail(g, what, status);
}

static void set_part(struct sim_cudnn_graph *g, descriptor d, cudnnBackendAttributeName_t name,
                     descriptor part, const char *what)
{
    set(g, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &part, what);
}

static void finalize(struct sim_cudnn_graph *g, descriptor d, const char *what)
{
    if (g->failed) return;
    cudnnStatus_t status = cudnnBackendFinalize(d);
    if (status != CUDNN_STATUS_SUCCESS) fail(g, what, status);
}

/* ------------------------------------------------------------------ tensors */

enum { VIRTUAL = 1, BY_VALUE = 2 };

static descriptor tensor(struct sim_cudnn_graph *g, int64_t uid, cudnnDataType_t type,
                         const struct sim_cudnn_layout *l, int flags)
{
    const char *what = "a tensor";
    int64_t alignment = flags & BY_VALUE ? 4 : 16;
    bool is_virtual = flags & VIRTUAL, by_value = (flags & BY_VALUE) != 0;
    descriptor t = make(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR, what);
    set(g, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid, what);
    set(g, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type, what);
    set(g, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, l->dim, what);
    set(g, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, l->stride, what);
    set(g, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment, what);
    set(g, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual, what);
    set(g, t, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &by_value, what);
    finalize(g, t, what);
    return t;
}

descriptor sim_cudnn_tensor(struct sim_cudnn_graph *g, int64_t uid, cudnnDataType_t type,
                            const struct sim_cudnn_layout *l)
{
    return tensor(g, uid, type, l, 0);
}

descriptor sim_cudnn_virtual(struct sim_cudnn_graph *g, cudnnDataType_t type,
                             const struct sim_cudnn_layout *l)
{
    return tensor(g, 100 + g->virtual_count++, type, l, VIRTUAL);
}

descriptor sim_cudnn_scalar(struct sim_cudnn_graph *g, int64_t uid)
{
    static const struct sim_cudnn_layout one = {{1, 1, 1, 1}, {1, 1, 1, 1}};
    return tensor(g, uid, CUDNN_DATA_FLOAT, &one, BY_VALUE);
}

/* ------------------------------------------------------------------ operations */

/* An operation whose parts are set joins the graph. */
static void add(struct sim_cudnn_graph *g, descriptor operation, const char *what)
{
    finalize(g, operation, what);
    if (g->failed) return;
    if (g->operation_count == SIM_CUDNN_OPERATIONS)
        fail(g, "the graph has more operations than there is room for", CUDNN_STATUS_NOT_SUPPORTED);
    else
        g->operation[g->operation_count++] = operation;
}

static const cudnnDataType_t computed_in = CUDNN_DATA_FLOAT;

void sim_cudnn_pointwise(struct sim_cudnn_graph *g, cudnnPointwiseMode_t mode, descriptor x, descriptor b,
                         descriptor y)
{
    const char *what = "a pointwise operation";
    descriptor kind = make(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what);
    set(g, kind, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode, what);
    set(g, kind, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &computed_in, what);
    finalize(g, kind, what);
    descriptor o = make(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x, what);
    if (b) set_part(g, o, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y, what);
    add(g, o, what);
}

void sim_cudnn_sum(struct sim_cudnn_graph *g, descriptor x, descriptor y)
{
    const char *what = "a sum";
    cudnnReduceTensorOp_t sum = CUDNN_REDUCE_TENSOR_ADD;
    descriptor kind = make(g, CUDNN_BACKEND_REDUCTION_DESCRIPTOR, what);
    set(g, kind, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &sum, what);
    set(g, kind, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &computed_in, what);
    finalize(g, kind, what);
    descriptor o = make(g, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_REDUCTION_DESC, kind, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y, what);
    add(g, o, what);
}

void sim_cudnn_matmul(struct sim_cudnn_graph *g, descriptor a, descriptor b, descriptor c)
{
    const char *what = "a matrix product";
    descriptor kind = make(g, CUDNN_BACKEND_MATMUL_DESCRIPTOR, what);
    set(g, kind, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &computed_in, what);
    finalize(g, kind, what);
    descriptor o = make(g, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_MATMUL_DESC, kind, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_MATMUL_CDESC, c, what);
    add(g, o, what);
}

void sim_cudnn_reshape(struct sim_cudnn_graph *g, descriptor x, descriptor y)
{
    const char *what = "a reshape";
    descriptor o = make(g, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x, what);
    set_part(g, o, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y, what);
    add(g, o, what);
}

void sim_cudnn_sdpa_forward(struct sim_cudnn_graph *g, descriptor q, descriptor k, descriptor v, descriptor o,
                            descriptor stats, descriptor scale)
{
    const char *what = "attention's forward operation";
    descriptor op = make(g, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR, what);
    set_part(g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, q, what);
    set_part(g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, k, what);
    set_part(g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, v, what);
    set_part(g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, o, what);
    if (stats) set_part(g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, stats, what);
    set_part(g, op, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, scale, what);
    add(g, op, what);
}

/* ------------------------------------------------------------------ plans */

sim_status sim_cudnn_describe(descriptor *out, const char *json)
{
    *out = NULL;
    cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, out);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(*out, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                          (int64_t)strlen(json) + 1, json);
    if (status == CUDNN_STATUS_SUCCESS) status = cudnnBackendFinalize(*out);
    if (status == CUDNN_STATUS_SUCCESS) return SIM_OK;
    sim_status failed = sim_fail(SIM_EFORMAT, "cuDNN does not understand this description of a device: %s",
                                 sim_cudnn_words(status));
    if (*out) cudnnBackendDestroyDescriptor(*out);
    *out = NULL;
    return failed;
}

/* A number of a descriptor that may not have it. */
static int64_t whole(descriptor d, cudnnBackendAttributeName_t name, int64_t missing)
{
    int64_t value = missing, got = 0;
    if (cudnnBackendGetAttribute(d, name, CUDNN_TYPE_INT64, 1, &got, &value) != CUDNN_STATUS_SUCCESS ||
        got < 1)
        return missing;
    return value;
}

static void read_config(struct sim_cudnn_plan *p, descriptor config)
{
    int64_t got = 0;
    int32_t shared = 0;
    descriptor engine = make(&p->graph, CUDNN_BACKEND_ENGINE_DESCRIPTOR, "an engine");
    p->engine = -1;
    if (engine && cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                           1, &got, &engine) == CUDNN_STATUS_SUCCESS)
        p->engine = whole(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, -1);
    p->workspace_bytes = whole(config, CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, 0);
    if (cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_SHARED_MEMORY_USED, CUDNN_TYPE_INT32, 1, &got,
                                 &shared) == CUDNN_STATUS_SUCCESS)
        p->shared_bytes = shared;
}

/* Everything before the last act went well: the code is made, and the driver has no device for it.  34: the
 * toolkit's stub stands in for the driver; 209: the driver's device is another than the described one. */
static int only_unloaded(cudnnStatus_t status)
{
    char last[1024] = "";
    if (status != CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER) return 0;
    cudnnGetLastErrorString(last, sizeof last);
    return strstr(last, "cuLibraryLoadData") && (strstr(last, "(34)") || strstr(last, "(209)"));
}

enum { CONFIGS = 8 };

/* The heuristic's choices, best first; 0 where it has none, with the reason kept. */
static int64_t choose(struct sim_cudnn_graph *g, const struct sim_cudnn_target *target,
                      descriptor config[CONFIGS])
{
    const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
    int64_t count = 0;
    descriptor graph = make(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "the graph");
    set(g, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, g->operation_count,
        g->operation, "the graph");
    if (target->handle)
        set(g, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target->handle, "the graph");
    finalize(g, graph, "the graph");
    descriptor heuristic = make(g, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "the heuristic");
    set_part(g, heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph, "the heuristic");
    set(g, heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode, "the heuristic");
    if (target->description)
        set_part(g, heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, target->description, "the heuristic");
    finalize(g, heuristic, "the heuristic");
    for (int i = 0; i < CONFIGS; i++)
        config[i] = make(g, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "an engine's choice");
    if (g->failed) return 0;
    cudnnStatus_t status = cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, CONFIGS, &count, config);
    if (status != CUDNN_STATUS_SUCCESS) fail(g, "the heuristic", status);
    if (status == CUDNN_STATUS_SUCCESS && count < 1)
        fail(g, "no engine takes the graph", CUDNN_STATUS_NOT_SUPPORTED);
    return g->failed ? 0 : count < CONFIGS ? count : CONFIGS;
}

/* Makes one choice p's plan; the reason is kept where it cannot be. */
static void plan_choice(struct sim_cudnn_plan *p, const struct sim_cudnn_target *target, descriptor config)
{
    struct sim_cudnn_graph *g = &p->graph;
    const char *what = "an execution plan";
    descriptor plan = make(g, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, what);
    if (target->handle)
        set(g, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &target->handle, what);
    else
        set_part(g, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, target->description, what);
    set_part(g, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config, what);
    read_config(p, config);
    if (g->failed) return;
    cudnnStatus_t status = cudnnBackendFinalize(plan);
    p->unloaded = status != CUDNN_STATUS_SUCCESS && target->description && only_unloaded(status);
    if (status != CUDNN_STATUS_SUCCESS && !p->unloaded) {
        fail(g, what, status);
        return;
    }
    p->plan = plan;
    if (!p->unloaded)
        p->workspace_bytes = whole(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, p->workspace_bytes);
}

sim_status sim_cudnn_plan_open(struct sim_cudnn_plan *p, const struct sim_cudnn_target *target)
{
    struct sim_cudnn_graph *g = &p->graph;
    descriptor config[CONFIGS] = {NULL};
    char
        reason[sizeof g->sentence]; /* why the best choice failed: the others are the library's lesser ones */
    int64_t count = choose(g, target, config);
    memcpy(reason, g->sentence, sizeof reason);
    for (int64_t i = 0; i < count && !p->plan; i++) {
        plan_choice(p, target, config[i]);
        if (i == 0) memcpy(reason, g->sentence, sizeof reason);
        g->failed = 0;
    }
    return p->plan ? SIM_OK : sim_fail(SIM_ELIB, "%s", reason);
}

void sim_cudnn_plan_close(struct sim_cudnn_plan *p)
{
    sim_cudnn_graph_close(&p->graph);
    memset(p, 0, sizeof *p);
}

descriptor sim_cudnn_pack(const int64_t *uids, void *const *pointers, int count, void *workspace)
{
    descriptor pack = NULL;
    cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (status == CUDNN_STATUS_SUCCESS)
        status =
            cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, uids);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                                          count, pointers);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                                          &workspace);
    if (status == CUDNN_STATUS_SUCCESS) status = cudnnBackendFinalize(pack);
    if (status == CUDNN_STATUS_SUCCESS) return pack;
    sim_fail(SIM_ELIB, "cuDNN takes no operands: %s", sim_cudnn_words(status));
    if (pack) cudnnBackendDestroyDescriptor(pack);
    return NULL;
}
