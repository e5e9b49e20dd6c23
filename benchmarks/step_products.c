#include "step_products.h"

#include <dnnl.h>
#include <immintrin.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "arena.h"

enum { QUERY_ROWS = 128 }; /* of a block, as in core/ops/cpu/attention.c */

sim_status sim_step_products_open(struct sim_step_products *p, struct sim_subject *s)
{
    double seconds;
    *p = (struct sim_step_products){.subject = s};
    sim_watch_on(&s->watch);
    sim_status status = sim_subject_step(s, &seconds);
    sim_watch_off(&s->watch);
    if (status != SIM_OK) return status;
    for (size_t i = 0; i < s->watch.count; i++) {
        const struct sim_call *c = &s->watch.calls[i];
        p->flop += sim_call_flop(c);
        if (c->kind == SIM_CALL_ATTENTION_BACKWARD) p->flop_again += sim_call_flop(c) / 5;
        int64_t lane = 2 * c->tokens * (c->tokens + c->head_dim);
        if (lane > p->lane) p->lane = lane;
    }
    double stated = s->objective.cost.flop_per_image * (double)s->shape->batch, seen = p->flop - p->flop_again;
    if (fabs(seen - stated) > 0.03 * stated)
        return sim_fail(SIM_EINVAL, "%s: a step's operations make %.2f GFLOP of products, the objective states %.2f",
                        s->shape->name, 1e-9 * seen, 1e-9 * stated);
    p->lane = (p->lane + 15) / 16 * 16;
    size_t count = (size_t)(p->lane * omp_get_max_threads());
    p->scratch = sim_calloc_aligned(count, sizeof *p->scratch);
    if (!p->scratch) return sim_fail(SIM_ENOMEM, "no memory for attention's products");
    for (size_t i = 0; i < count; i++) p->scratch[i] = 0.01f * (float)(i % 13);
    return SIM_OK;
}

void sim_step_products_close(struct sim_step_products *p)
{
    free(p->scratch);
    *p = (struct sim_step_products){0};
}

/* ------------------------------------------------------------------ attention, one (image, head) */

static int multiply(char ta, char tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                    int64_t ldb, float *c, int64_t ldc, float beta)
{
    return dnnl_sgemm(ta, tb, m, n, k, 1, a, lda, b, ldb, beta, c, ldc) != dnnl_success;
}

/* a (rows, d) b^T with b (tokens, d) of the step; in tiles, as there, from b transposed beforehand, for which the
 * scratch stands in (transposing is no product, so not timed). */
static int logits(int tiled, int64_t rows, int64_t tokens, int64_t d, const float *a, int64_t lda, const float *b,
                  int64_t ldb, const float *b_transposed, float *to)
{
    return tiled ? multiply('N', 'N', rows, tokens, d, a, lda, b_transposed, tokens, to, tokens, 0)
                 : multiply('N', 'T', rows, tokens, d, a, lda, b, ldb, to, tokens, 0);
}

static int attend(const struct sim_call *c, int64_t task, int tiled, float *scratch)
{
    const int64_t n = c->tokens, d = c->head_dim, width = c->heads * d, ld = 3 * width;
    const int64_t b = task / c->heads, h = task % c->heads, block = tiled ? QUERY_ROWS : n;
    const float *q = c->qkv + b * n * ld + h * d, *k = q + width, *v = k + width;
    float *kt = scratch + 2 * n * n, *s = scratch;
    int failed = 0;
    for (int64_t i = 0; i < n; i += block) {
        int64_t rows = n - i < block ? n - i : block;
        failed |= logits(tiled, rows, n, d, q + i * ld, ld, k, ld, kt, s);
        failed |= multiply('N', 'N', rows, d, n, s, n, v, ld, c->out + (b * n + i) * width + h * d, width, 0);
    }
    return failed;
}

static int attend_backward(const struct sim_call *c, int64_t task, int tiled, float *scratch)
{
    const int64_t n = c->tokens, d = c->head_dim, width = c->heads * d, ld = 3 * width;
    const int64_t b = task / c->heads, h = task % c->heads, at = b * n * ld + h * d, block = tiled ? QUERY_ROWS : n;
    const float *q = c->qkv + at, *k = q + width, *v = k + width;
    float *dq = c->dqkv + at, *dk = dq + width, *dv = dk + width;
    float *p = scratch, *dp = p + n * n, *kt = dp + n * n, *vt = kt + n * d;
    int failed = 0;
    for (int64_t i = 0; i < n; i += block) {
        int64_t rows = n - i < block ? n - i : block;
        const float *g = c->dout + (b * n + i) * width + h * d;
        float more = i > 0; /* dk and dv gather over the blocks */
        failed |= logits(tiled, rows, n, d, q + i * ld, ld, k, ld, kt, p);
        failed |= multiply('T', 'N', n, d, rows, p, n, g, width, dv, ld, more);
        failed |= logits(tiled, rows, n, d, g, width, v, ld, vt, dp);
        failed |= multiply('N', 'N', rows, d, n, dp, n, k, ld, dq + i * ld, ld, 0);
        failed |= multiply('T', 'N', n, d, rows, dp, n, q + i * ld, ld, dk, ld, more);
    }
    return failed;
}

/* ------------------------------------------------------------------ the list */

static int run_call(const struct sim_step_products *p, const struct sim_call *c, int tiled)
{
    const struct sim_ops *o = &p->subject->watch.inner;
    int failed = 0;
    if (c->kind == SIM_CALL_PRODUCT) {
        if (tiled) o->gemm(o, c->ta, c->tb, c->m, c->n, c->k, 1, c->a, c->lda, c->b, c->ldb, 0, c->c, c->ldc);
        else
            failed = multiply(c->ta == SIM_T ? 'T' : 'N', c->tb == SIM_T ? 'T' : 'N', c->m, c->n, c->k, c->a, c->lda, c->b,
                              c->ldb, c->c, c->ldc, 0);
    } else if (c->kind != SIM_CALL_PASS) {
#pragma omp parallel for schedule(dynamic) reduction(| : failed)
        for (int64_t task = 0; task < c->batch * c->heads; task++) {
            float *scratch = p->scratch + p->lane * omp_get_thread_num();
            failed |= c->kind == SIM_CALL_ATTENTION ? attend(c, task, tiled, scratch)
                                                    : attend_backward(c, task, tiled, scratch);
        }
    }
    return failed;
}

/* Without the passes between them, products of products may shrink to denormal numbers, which cost hundreds of cycles
 * each and do not occur in the step: here they are zero. */
static void flush_denormals(int on)
{
    const unsigned bits = _MM_FLUSH_ZERO_ON | 0x0040; /* denormals made, denormals read */
#pragma omp parallel
    _mm_setcsr(on ? _mm_getcsr() | bits : _mm_getcsr() & ~bits);
}

sim_status sim_step_products_run(const struct sim_step_products *p, enum sim_step_products_way way, double *seconds)
{
    const struct sim_watch *w = &p->subject->watch;
    int failed = 0;
    flush_denormals(1);
    double since = omp_get_wtime();
    for (size_t i = 0; i < w->count; i++) failed |= run_call(p, &w->calls[i], way == SIM_STEP_PRODUCTS_TILED);
    *seconds = omp_get_wtime() - since;
    flush_denormals(0);
    SIM_TRY(w->inner.finish(&w->inner));
    return failed ? sim_fail(SIM_ELIB, "oneDNN refused a matrix product") : SIM_OK;
}
