/* Fused attention on a GPU: plans by shape, operands by address, scratch lent by the backend. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention.h"
#include "attention_graph.h"

/* A plan and the numbers that it is run with by value. */
struct fused {
    struct fused *next;
    struct sim_attention_shape shape;
    enum sim_attention_pass pass;
    struct sim_cudnn_plan plan;
    float scale, one;
};

/* Operands of a plan, ready to run.  A network calls with the same addresses step after step, so few calls
 * make new ones; two calls that share a slot only take turns in it. */
enum { PACKS = 1024 };
struct pack {
    const struct fused *fused;
    void *at[SIM_ATTENTION_OPERANDS]; /* by enum sim_attention_operand; NULL: none */
    void *workspace;
    cudnnBackendDescriptor_t ready;
};

struct sim_attention {
    cudnnHandle_t handle;
    struct fused *plans;
    struct pack pack[PACKS];
};

sim_status sim_attention_open(struct sim_attention **out, struct sim_cuda *c)
{
    *out = NULL;
    if (c->act != SIM_ELEMENT_BF16) return SIM_OK; /* composed of products */
    SIM_TRY(sim_attention_check_version(cudnnGetVersion()));
    struct sim_attention *a = calloc(1, sizeof *a);
    if (!a) return sim_fail(SIM_ENOMEM, "no memory for attention's plans");
    cudnnStatus_t status = cudnnCreate(&a->handle);
    if (status == CUDNN_STATUS_SUCCESS) status = cudnnSetStream(a->handle, (cudaStream_t)c->stream);
    if (status != CUDNN_STATUS_SUCCESS) {
        sim_status failed =
            sim_fail(SIM_ELIB, "%s on this device: %s", sim_attention_library(), sim_cudnn_words(status));
        sim_attention_close(a);
        return failed;
    }
    *out = a;
    return SIM_OK;
}

void sim_attention_close(struct sim_attention *a)
{
    if (!a) return;
    for (int i = 0; i < PACKS; i++)
        if (a->pack[i].ready) cudnnBackendDestroyDescriptor(a->pack[i].ready);
    while (a->plans) {
        struct fused *f = a->plans;
        a->plans = f->next;
        sim_cudnn_plan_close(&f->plan);
        free(f);
    }
    if (a->handle) cudnnDestroy(a->handle);
    free(a);
}

int sim_attention_fused(struct sim_cuda *c, const struct sim_attention_shape *s)
{
    (void)s;
    return c->act == SIM_ELEMENT_BF16;
}

/* The plan for a pass over this shape, made at its first use; NULL, recorded, where there is none. */
static const struct fused *plan_of(struct sim_cuda *c, enum sim_attention_pass pass,
                                   const struct sim_attention_shape *s)
{
    struct sim_attention *a = c->attention;
    for (struct fused *f = a->plans; f; f = f->next)
        if (f->pass == pass && memcmp(&f->shape, s, sizeof *s) == 0) return f;
    if (c->capturing) {
        sim_cuda_fail(c, SIM_EINVAL,
                      "attention of %lld tokens met for the first time while a step is recorded; "
                      "compute.cuda_graph: false does without recording",
                      (long long)s->tokens);
        return NULL;
    }
    struct fused *f = calloc(1, sizeof *f);
    if (!f) {
        sim_cuda_fail(c, SIM_ENOMEM, "no memory for an attention plan");
        return NULL;
    }
    sim_status status =
        sim_attention_plan(&f->plan, pass, s, &(struct sim_cudnn_target){.handle = a->handle});
    if (status != SIM_OK) {
        sim_cuda_fail(c, status, "%s", sim_error_text());
        sim_cudnn_plan_close(&f->plan);
        free(f);
        return NULL;
    }
    f->shape = *s, f->pass = pass;
    f->scale = (float)(1.0 / sqrt((double)s->head_dim)), f->one = 1;
    f->next = a->plans;
    return a->plans = f;
}

static uint64_t mixed(uint64_t hash, const void *p)
{
    return (hash ^ (uint64_t)(uintptr_t)p) * UINT64_C(0x9E3779B97F4A7C15) >> 7 ^ hash << 9;
}

/* The operands for this plan, from the cache or made now; NULL with the sentence recorded. */
static cudnnBackendDescriptor_t pack_of(struct sim_attention *a, const struct fused *f,
                                        void *const at[SIM_ATTENTION_OPERANDS], void *workspace)
{
    uint64_t hash = mixed(mixed(0, f), workspace);
    for (int i = 0; i < SIM_ATTENTION_OPERANDS; i++) hash = mixed(hash, at[i]);
    struct pack *slot = &a->pack[(hash ^ hash >> 32) % PACKS];
    if (slot->ready && slot->fused == f && slot->workspace == workspace &&
        memcmp(slot->at, at, sizeof slot->at) == 0)
        return slot->ready;

    int64_t uids[SIM_ATTENTION_OPERANDS];
    void *pointers[SIM_ATTENTION_OPERANDS];
    int count = 0;
    for (int i = 0; i < SIM_ATTENTION_OPERANDS; i++)
        if (at[i]) uids[count] = i, pointers[count++] = at[i];
    if (slot->ready) cudnnBackendDestroyDescriptor(slot->ready);
    slot->ready = sim_cudnn_pack(uids, pointers, count, workspace);
    slot->fused = f, slot->workspace = workspace;
    memcpy(slot->at, at, sizeof slot->at);
    return slot->ready;
}

static void execute(struct sim_cuda *c, const struct fused *f, void *const at[SIM_ATTENTION_OPERANDS],
                    void *workspace)
{
    cudnnBackendDescriptor_t pack = pack_of(c->attention, f, at, workspace);
    if (!pack) {
        sim_cuda_fail(c, SIM_ELIB, "attention: %s", sim_error_text());
        return;
    }
    cudnnStatus_t status = cudnnBackendExecute(c->attention->handle, f->plan.plan, pack);
    if (status != CUDNN_STATUS_SUCCESS)
        sim_cuda_fail(c, SIM_ELIB,
                      "attention of %lld images, %lld tokens, %lld heads of %lld: %s ran engine %lld "
                      "and says %s",
                      (long long)f->shape.batch, (long long)f->shape.tokens, (long long)f->shape.heads,
                      (long long)f->shape.head_dim, sim_attention_library(), (long long)f->plan.engine,
                      sim_cudnn_words(status));
}

static size_t rounded(int64_t bytes)
{
    return ((size_t)bytes + 255) & ~(size_t)255;
}

/* Operands of both passes: q, k and v lie beside each other in every row.  Elements are two bytes wide. */
static void bind_qkv(void *at[SIM_ATTENTION_OPERANDS], enum sim_attention_operand first, const void *rows,
                     const struct sim_attention_shape *s)
{
    for (int i = 0; i < 3; i++) at[first + i] = (char *)rows + 2 * i * s->heads * s->head_dim;
}

void sim_attention_fused_forward(struct sim_cuda *c, void *out, float *lse, const void *qkv,
                                 const struct sim_attention_shape *s)
{
    void *at[SIM_ATTENTION_OPERANDS] = {NULL}, *workspace = NULL;
    const struct fused *f = plan_of(c, lse ? SIM_ATTENTION_FORWARD_STATS : SIM_ATTENTION_FORWARD, s);
    if (!f) return;
    if (f->plan.workspace_bytes) {
        workspace = sim_cuda_scratch(c, rounded(f->plan.workspace_bytes));
        if (!workspace) return;
    }
    bind_qkv(at, SIM_ATTENTION_Q, qkv, s);
    at[SIM_ATTENTION_O] = out;
    at[SIM_ATTENTION_STATS] = lse;
    at[SIM_ATTENTION_SCALE] = (void *)&f->scale;
    execute(c, f, at, workspace);
}

void sim_attention_fused_backward(struct sim_cuda *c, void *dqkv, const void *dout, const void *qkv,
                                  const void *out, const float *lse, const struct sim_attention_shape *s)
{
    void *at[SIM_ATTENTION_OPERANDS] = {NULL};
    const enum sim_attention_pass pass =
        c->deterministic ? SIM_ATTENTION_BACKWARD : SIM_ATTENTION_BACKWARD_FAST;
    const struct fused *f = plan_of(c, pass, s);
    if (!f) return;
    const size_t sum_bytes = rounded(sim_attention_sum_bytes(s)),
                 dq_bytes = rounded(sim_attention_dq_bytes(s, pass));
    char *scratch = sim_cuda_scratch(c, sum_bytes + dq_bytes + rounded(f->plan.workspace_bytes));
    if (!scratch) return;
    bind_qkv(at, SIM_ATTENTION_Q, qkv, s);
    bind_qkv(at, SIM_ATTENTION_DQ, dqkv, s);
    at[SIM_ATTENTION_O] = (void *)out, at[SIM_ATTENTION_DO] = (void *)dout;
    at[SIM_ATTENTION_STATS] = (void *)lse;
    at[SIM_ATTENTION_SCALE] = (void *)&f->scale, at[SIM_ATTENTION_ONE] = (void *)&f->one;
    at[SIM_ATTENTION_SUM] = scratch;
    if (dq_bytes) at[SIM_ATTENTION_DQ_TOTAL] = scratch + sum_bytes;
    execute(c, f, at, scratch + sum_bytes + dq_bytes);
}
