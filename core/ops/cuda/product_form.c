#include "product_form.h"

#include <inttypes.h>
#include <stdio.h>

/* Of every matrix of a batch: 16 bytes are the widest access that any algorithm makes. */
static int32_t alignment(const void *at, int64_t batch, int64_t stride, enum sim_element type)
{
    const uintptr_t element = type == SIM_ELEMENT_BF16 ? 2 : 4;
    uintptr_t low = (uintptr_t)at & 15;
    if (batch > 1) low |= (uintptr_t)stride * element & 15;
    return low ? (int32_t)(low & -low) : 16;
}

struct sim_product_form sim_product_form(const struct sim_product *p, const void *bias,
                                         enum sim_precision precision)
{
    int add = p->beta == 0                          ? SIM_ADD_NOTHING
              : !p->residual || p->residual == p->c ? SIM_ADD_ITSELF
                                                    : SIM_ADD_RESIDUAL;
    return (struct sim_product_form){
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .lda = p->lda,
        .ldb = p->ldb,
        .ldc = p->ldc,
        .batch = p->batch,
        .stride_a = p->stride_a,
        .stride_b = p->stride_b,
        .stride_c = p->stride_c,
        .ta = (int32_t)p->ta,
        .tb = (int32_t)p->tb,
        .in = (int32_t)p->in,
        .out = (int32_t)p->out,
        .precision = (int32_t)precision,
        .bias = bias != NULL,
        .add = add,
        .align_a = alignment(p->a, p->batch, p->stride_a, p->in),
        .align_b = alignment(p->b, p->batch, p->stride_b, p->in),
        .align_c = alignment(p->c, p->batch, p->stride_c, p->out),
        .align_residual =
            alignment(add == SIM_ADD_RESIDUAL ? p->residual : p->c, p->batch, p->stride_c, p->out),
        .align_bias = bias ? alignment(bias, 1, 0, p->out) : 16,
    };
}

uint64_t sim_product_form_hash(const struct sim_product_form *f)
{
    const unsigned char *byte = (const unsigned char *)f;
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < sizeof *f; i++) hash = (hash ^ byte[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

void sim_product_form_text(const struct sim_product_form *f, char *out, size_t size)
{
    static const char *const types[] = {"fp32", "bf16"}, *const adds[] = {"", " + itself", " + residual"};
    snprintf(out, size,
             "%s to %s%s, %" PRId64 "x%" PRId64 "%s x %" PRId64 "x%" PRId64 "%s%s%s, ld %" PRId64 " %" PRId64
             " %" PRId64 ", batch %" PRId64 " by %" PRId64 " %" PRId64 " %" PRId64 ", align %d %d %d %d %d",
             types[f->in], types[f->out], f->precision == SIM_PRECISION_TF32 ? " by tf32" : "", f->m, f->k,
             f->ta == SIM_T ? "^T" : "", f->k, f->n, f->tb == SIM_T ? "^T" : "", adds[f->add],
             f->bias ? " + bias" : "", f->lda, f->ldb, f->ldc, f->batch, f->stride_a, f->stride_b,
             f->stride_c, f->align_a, f->align_b, f->align_c, f->align_residual, f->align_bias);
}

/* A row-major (rows, cols) matrix is, byte for byte, a column-major (cols, rows) one: its transpose.  With
 * C^T = op(b)^T op(a)^T, each operand is therefore transposed by the library just where it is by the caller.
 */
struct sim_product_columns sim_product_columns(const struct sim_product_form *f)
{
    struct sim_product_columns c = {
        .first = {f->n, f->k, f->ldb, f->stride_b, (enum sim_trans)f->tb},
        .second = {f->k, f->m, f->lda, f->stride_a, (enum sim_trans)f->ta},
        .out = {f->n, f->m, f->ldc, f->stride_c, SIM_N},
    };
    if (f->tb == SIM_T) c.first.rows = f->k, c.first.cols = f->n;
    if (f->ta == SIM_T) c.second.rows = f->m, c.second.cols = f->k;
    return c;
}
