/* Matrix products over cuBLASLt: descriptors and an algorithm per form, made once and looked up since. */
#include <cublasLt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "product_form.h"
#include "progress.h"
#include "tuned.h"

enum {
    WORKSPACE_BYTES = 32 << 20, /* what the fastest algorithms for Hopper ask for */
    BUCKETS = 512,
    CANDIDATES = 12, /* timed where tuning was asked for */
    REPETITIONS = 5
};

struct plan {
    struct plan *next; /* in its bucket */
    struct sim_product_form form;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t first, second, out;
    cublasLtMatmulAlgo_t algorithm;
    const void *bias; /* that the operation holds */
};

struct sim_products {
    cublasLtHandle_t handle;
    void *workspace;
    struct sim_device *device;
    struct plan *bucket[BUCKETS];
    struct sim_tuned *tuned; /* NULL: choices are not kept */
    char machine[192];       /* what a kept choice holds for, besides the form */
};

const char *sim_products_library(void)
{
    static char text[32]; /* the same at every call */
    if (!text[0]) {
        int version = (int)cublasLtGetVersion();
        snprintf(text, sizeof text, "cublaslt %d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    }
    return text;
}

/* ------------------------------------------------------------------ opening */

/* Tuning works without a file too, so a file that cannot be read costs a line of the log, not the run. */
static void open_tuned(struct sim_products *p, const struct sim_cuda *c)
{
    char path[4096];
    const struct sim_device_facts *d = sim_device_facts(c->device);
    if (!c->tune || !sim_tuned_path("products.txt", path, sizeof path)) return;
    snprintf(p->machine, sizeof p->machine, "%s, %d SMs, %s", d->name, d->multiprocessors,
             sim_products_library());
    if (sim_tuned_open(&p->tuned, path) != SIM_OK)
        sim_log("tuned products are not kept: %s", sim_error_text());
}

sim_status sim_products_open(struct sim_products **out, struct sim_cuda *c)
{
    *out = NULL;
    struct sim_products *p = calloc(1, sizeof *p);
    if (!p) return sim_fail(SIM_ENOMEM, "no memory for the plans of matrix products");
    p->device = c->device;
    cublasStatus_t status = cublasLtCreate(&p->handle);
    if (status != CUBLAS_STATUS_SUCCESS) {
        sim_products_close(p);
        return sim_fail(SIM_ELIB, "%s does not open on this device: %s", sim_products_library(),
                        cublasLtGetStatusString(status));
    }
    p->workspace = sim_device_take(c->device, WORKSPACE_BYTES);
    if (!p->workspace) {
        sim_products_close(p);
        return sim_context(SIM_ENOMEM, "the workspace of matrix products");
    }
    open_tuned(p, c);
    *out = p;
    return SIM_OK;
}

static void close_plan(struct plan *plan)
{
    if (!plan) return;
    if (plan->operation) cublasLtMatmulDescDestroy(plan->operation);
    if (plan->first) cublasLtMatrixLayoutDestroy(plan->first);
    if (plan->second) cublasLtMatrixLayoutDestroy(plan->second);
    if (plan->out) cublasLtMatrixLayoutDestroy(plan->out);
    free(plan);
}

void sim_products_close(struct sim_products *p)
{
    if (!p) return;
    for (int i = 0; i < BUCKETS; i++)
        while (p->bucket[i]) {
            struct plan *plan = p->bucket[i];
            p->bucket[i] = plan->next;
            close_plan(plan);
        }
    sim_tuned_close(p->tuned);
    if (p->workspace) sim_device_release(p->device, p->workspace);
    if (p->handle) cublasLtDestroy(p->handle);
    free(p);
}

/* ------------------------------------------------------------------ descriptors */

static cudaDataType_t type_of(int32_t dtype)
{
    return dtype == SIM_ELEMENT_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* Each goes on only where all before it succeeded. */
static cublasStatus_t set_operation(cublasStatus_t before, struct plan *plan,
                                    cublasLtMatmulDescAttributes_t name, const void *value, size_t size)
{
    if (before != CUBLAS_STATUS_SUCCESS) return before;
    return cublasLtMatmulDescSetAttribute(plan->operation, name, value, size);
}

static cublasStatus_t make_layout(cublasStatus_t before, cublasLtMatrixLayout_t *out,
                                  const struct sim_column_matrix *m, int32_t dtype, int64_t batch)
{
    if (before != CUBLAS_STATUS_SUCCESS) return before;
    int32_t count = (int32_t)batch;
    cublasStatus_t status =
        cublasLtMatrixLayoutCreate(out, type_of(dtype), (uint64_t)m->rows, (uint64_t)m->cols, m->ld);
    if (status != CUBLAS_STATUS_SUCCESS || batch == 1) return status;
    status = cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    return cublasLtMatrixLayoutSetAttribute(*out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &m->stride,
                                            sizeof m->stride);
}

static cublasStatus_t set_bias(struct plan *plan, const void *bias)
{
    if (plan->bias == bias) return CUBLAS_STATUS_SUCCESS;
    plan->bias = bias;
    return cublasLtMatmulDescSetAttribute(plan->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                          sizeof bias);
}

/* Everything but the algorithm.  The bias is set before the heuristic is asked, which looks at its alignment;
 * it has the output's type, as cuBLASLt wants it. */
static cublasStatus_t describe(struct plan *plan, const void *bias)
{
    const struct sim_product_form *f = &plan->form;
    const struct sim_product_columns columns = sim_product_columns(f);
    const cublasOperation_t transposition[] = {[SIM_N] = CUBLAS_OP_N, [SIM_T] = CUBLAS_OP_T};
    const cublasComputeType_t compute = f->in == SIM_ELEMENT_F32 && f->precision == SIM_PRECISION_TF32
                                            ? CUBLAS_COMPUTE_32F_FAST_TF32
                                            : CUBLAS_COMPUTE_32F;
    const cublasOperation_t first = transposition[columns.first.trans],
                            second = transposition[columns.second.trans];
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    const int32_t bias_type = (int32_t)type_of(f->out);
    cublasStatus_t status = cublasLtMatmulDescCreate(&plan->operation, compute, CUDA_R_32F);
    status = set_operation(status, plan, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
    status = set_operation(status, plan, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
    if (bias) {
        status = set_operation(status, plan, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
        status =
            set_operation(status, plan, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &bias_type, sizeof bias_type);
        if (status == CUBLAS_STATUS_SUCCESS) status = set_bias(plan, bias);
    }
    status = make_layout(status, &plan->first, &columns.first, f->in, f->batch);
    status = make_layout(status, &plan->second, &columns.second, f->in, f->batch);
    return make_layout(status, &plan->out, &columns.out, f->out, f->batch);
}

/* The library's candidates, best guess first.  Sums over parts of k are only taken where the parts are kept
 * in float32 apart and added in one order: reruns give the same bytes. */
static cublasStatus_t ask(const struct sim_products *p, const struct plan *plan, int want,
                          cublasLtMatmulHeuristicResult_t *found, int *count)
{
    const struct sim_product_form *f = &plan->form;
    const uint64_t workspace = WORKSPACE_BYTES;
    const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    /* cuBLASLt's A is the product's b, and the other way round. */
    const uint32_t align[4] = {(uint32_t)f->align_b, (uint32_t)f->align_a, (uint32_t)f->align_residual,
                               (uint32_t)f->align_c};
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t size;
    } wishes[] = {{CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace},
                  {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions},
                  {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &align[0], sizeof align[0]},
                  {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &align[1], sizeof align[1]},
                  {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &align[2], sizeof align[2]},
                  {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &align[3], sizeof align[3]}};
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t all[CANDIDATES];
    int got = 0;
    *count = 0;
    cublasStatus_t status = cublasLtMatmulPreferenceCreate(&preference);
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes && status == CUBLAS_STATUS_SUCCESS; i++)
        status =
            cublasLtMatmulPreferenceSetAttribute(preference, wishes[i].name, wishes[i].value, wishes[i].size);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatmulAlgoGetHeuristic(p->handle, plan->operation, plan->first, plan->second,
                                                plan->out, plan->out, preference, want, all, &got);
    if (preference) cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    for (int i = 0; i < got; i++)
        if (all[i].state == CUBLAS_STATUS_SUCCESS && all[i].workspaceSize <= WORKSPACE_BYTES)
            found[(*count)++] = all[i];
    return *count > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

/* ------------------------------------------------------------------ running */

static cublasStatus_t multiply(const struct sim_cuda *c, const struct plan *plan,
                               const cublasLtMatmulAlgo_t *algorithm, const struct sim_product *p)
{
    const struct sim_products *s = c->products;
    const void *residual = p->residual ? p->residual : p->c;
    return cublasLtMatmul(s->handle, plan->operation, &p->alpha, p->b, plan->first, p->a, plan->second,
                          &p->beta, residual, plan->out, p->c, plan->out, algorithm, s->workspace,
                          WORKSPACE_BYTES, (cudaStream_t)c->stream);
}

static void refused(struct sim_cuda *c, const struct sim_product_form *f, cublasStatus_t status)
{
    char text[512];
    sim_product_form_text(f, text, sizeof text);
    sim_cuda_fail(c, SIM_ELIB, "matrix product (%s): %s says %s (%s)%s", text, sim_products_library(),
                  cublasLtGetStatusName(status), cublasLtGetStatusString(status),
                  status == CUBLAS_STATUS_NOT_SUPPORTED
                      ? ": no algorithm; CUBLASLT_LOG_LEVEL=2 in the environment names the reason"
                      : "");
}

/* Milliseconds of REPETITIONS runs of one candidate on the real operands; negative where it does not run. */
static double time_candidate(struct sim_cuda *c, const struct plan *plan,
                             const cublasLtMatmulAlgo_t *algorithm, const struct sim_product *p,
                             sim_event from, sim_event to)
{
    if (multiply(c, plan, algorithm, p) != CUBLAS_STATUS_SUCCESS) return -1; /* and loads the code */
    sim_device_event_record(c->device, from, c->stream);
    for (int i = 0; i < REPETITIONS; i++)
        if (multiply(c, plan, algorithm, p) != CUBLAS_STATUS_SUCCESS) return -1;
    sim_device_event_record(c->device, to, c->stream);
    sim_cuda_wait_for(c, to);
    if (sim_device_failure(c->device, 0)) return -1;
    return sim_device_event_ms(c->device, from, to);
}

static void keep_choice(struct sim_products *s, const char *key, const cublasLtMatmulAlgo_t *algorithm)
{
    if (!s->tuned || sim_tuned_keep(s->tuned, key, algorithm, sizeof *algorithm) == SIM_OK) return;
    sim_log("tuned products are no longer kept: %s", sim_error_text());
    sim_tuned_close(s->tuned);
    s->tuned = NULL;
}

/* A choice of an earlier run, if the library still takes it. */
static int known_choice(const struct sim_products *s, struct plan *plan, const char *key)
{
    cublasLtMatmulHeuristicResult_t checked;
    cublasLtMatmulAlgo_t algorithm;
    if (!s->tuned || !sim_tuned_find(s->tuned, key, &algorithm, sizeof algorithm)) return 0;
    if (cublasLtMatmulAlgoCheck(s->handle, plan->operation, plan->first, plan->second, plan->out, plan->out,
                                &algorithm, &checked) != CUBLAS_STATUS_SUCCESS ||
        checked.workspaceSize > WORKSPACE_BYTES)
        return 0;
    plan->algorithm = algorithm;
    return 1;
}

/* Chooses the plan's algorithm: the library's first, or with tuning the fastest on these operands. */
static cublasStatus_t choose(struct sim_cuda *c, struct plan *plan, const struct sim_product *p)
{
    struct sim_products *s = c->products;
    cublasLtMatmulHeuristicResult_t found[CANDIDATES];
    char key[768], form[512];
    int count;
    const int timed = c->tune && !c->capturing && plan->form.add != SIM_ADD_ITSELF;
    sim_product_form_text(&plan->form, form, sizeof form);
    snprintf(key, sizeof key, "%s, %s", s->machine, form);
    if (c->tune && known_choice(s, plan, key)) return CUBLAS_STATUS_SUCCESS;
    cublasStatus_t status = ask(s, plan, timed ? CANDIDATES : 4, found, &count);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    plan->algorithm = found[0].algo;
    if (!timed || count < 2) return CUBLAS_STATUS_SUCCESS;

    sim_event from = sim_device_event_open(c->device), to = sim_device_event_open(c->device);
    double best = -1;
    for (int i = 0; i < count && from && to; i++) {
        double ms = time_candidate(c, plan, &found[i].algo, p, from, to);
        if (ms < 0 || (best >= 0 && ms >= best)) continue;
        best = ms;
        plan->algorithm = found[i].algo;
    }
    if (from) sim_device_event_close(c->device, from);
    if (to) sim_device_event_close(c->device, to);
    if (best >= 0) keep_choice(s, key, &plan->algorithm);
    return CUBLAS_STATUS_SUCCESS;
}

/* The plan of this form, made at its first use; NULL, recorded, where there is none. */
static struct plan *plan_of(struct sim_cuda *c, const struct sim_product_form *form,
                            const struct sim_product *p, const void *bias)
{
    struct plan **bucket = &c->products->bucket[sim_product_form_hash(form) % BUCKETS];
    for (struct plan *plan = *bucket; plan; plan = plan->next)
        if (memcmp(&plan->form, form, sizeof *form) == 0) return plan;
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        sim_cuda_fail(c, SIM_ENOMEM, "no memory for the plan of a matrix product");
        return NULL;
    }
    plan->form = *form;
    cublasStatus_t status = describe(plan, bias);
    if (status == CUBLAS_STATUS_SUCCESS) status = choose(c, plan, p);
    if (status != CUBLAS_STATUS_SUCCESS) {
        refused(c, form, status);
        close_plan(plan);
        return NULL;
    }
    plan->next = *bucket;
    return *bucket = plan;
}

void sim_products_run(struct sim_cuda *c, const struct sim_product *p)
{
    const void *bias = NULL;
    if (p->m == 0 || p->n == 0 || p->batch == 0) return;
    if (p->bias) {
        bias = p->out == SIM_ELEMENT_BF16 ? sim_cuda_weight(c, p->bias) : p->bias;
        if (!bias) return;
    }
    const struct sim_product_form form = sim_product_form(p, bias, c->precision);
    struct plan *plan = plan_of(c, &form, p, bias);
    if (!plan) return;
    cublasStatus_t status = bias ? set_bias(plan, bias) : CUBLAS_STATUS_SUCCESS;
    if (status == CUBLAS_STATUS_SUCCESS) status = multiply(c, plan, &plan->algorithm, p);
    if (status != CUBLAS_STATUS_SUCCESS) refused(c, &form, status);
}
