/* Matrix products where a device is only played: oneDNN's sgemm on float32 copies of the operands, an output
 * rounded once.  TF32 computes in float32 here. */
#include "products.h"

#include <dnnl.h>
#include <stdlib.h>
#include <string.h>

#include "bfloat16.h"
#include "shim.h"

enum { TILE_ROWS = 128 };

struct sim_products {
    char none; /* nothing is kept */
};

sim_status sim_products_open(struct sim_products **out, struct sim_cuda *c)
{
    (void)c;
    *out = calloc(1, sizeof **out);
    return *out ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory for matrix products");
}

void sim_products_close(struct sim_products *p)
{
    free(p);
}

const char *sim_products_library(void)
{
    return "";
}

static float read_number(const void *at, enum sim_element type, int64_t i)
{
    return type == SIM_ELEMENT_BF16 ? sim_bf16_widen(((const uint16_t *)at)[i]) : ((const float *)at)[i];
}

static void write_number(void *at, enum sim_element type, int64_t i, float value)
{
    if (type == SIM_ELEMENT_BF16)
        ((uint16_t *)at)[i] = sim_bf16_round(value);
    else
        ((float *)at)[i] = value;
}

/* A stored (rows, cols) matrix, densely packed. */
static void gather(float *to, const void *from, enum sim_element type, int64_t first, int64_t rows,
                   int64_t cols, int64_t ld)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) to[i * cols + j] = read_number(from, type, first + i * ld + j);
}

/* One of the batch: number `b`; `room` holds m k + k n + m n floats. */
static int multiply(const struct sim_product *p, const void *bias, int64_t b, float *room)
{
    float *x = room, *w = x + p->m * p->k, *y = w + p->k * p->n;
    const void *residual = p->residual ? p->residual : p->c;
    const int64_t at = b * p->stride_c;
    const int64_t a_cols = p->ta == SIM_N ? p->k : p->m, b_cols = p->tb == SIM_N ? p->n : p->k;
    gather(x, p->a, p->in, b * p->stride_a, p->ta == SIM_N ? p->m : p->k, a_cols, p->lda);
    gather(w, p->b, p->in, b * p->stride_b, p->tb == SIM_N ? p->k : p->n, b_cols, p->ldb);
    if (p->beta != 0) gather(y, residual, p->out, at, p->m, p->n, p->ldc);
    /* tiles of rows are shared out; within a parallel region, as with one thread, oneDNN is serial: the
     * number of threads changes no byte */
    int refused = 0;
#pragma omp parallel for reduction(| : refused)
    for (int64_t i = 0; i < p->m; i += TILE_ROWS)
        refused |= dnnl_sgemm(p->ta == SIM_N ? 'N' : 'T', p->tb == SIM_N ? 'N' : 'T',
                              p->m - i < TILE_ROWS ? p->m - i : TILE_ROWS, p->n, p->k, p->alpha,
                              p->ta == SIM_N ? x + i * p->k : x + i, a_cols, w, b_cols, p->beta, y + i * p->n,
                              p->n) != dnnl_success;
    if (refused) return 0;
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++)
            write_number(p->c, p->out, at + i * p->ldc + j,
                         y[i * p->n + j] + (bias ? read_number(bias, p->out, j) : 0));
    return 1;
}

/* A product on its way through a stream, its bias as it is added. */
struct queued {
    struct sim_product p;
    const void *bias;
};

static sim_status work(void *argument)
{
    const struct queued *q = argument;
    const struct sim_product *p = &q->p;
    float *room = malloc((size_t)(p->m * p->k + p->k * p->n + p->m * p->n) * sizeof *room);
    if (!room) return sim_fail(SIM_ENOMEM, "no memory for a matrix product on the host");
    int done = 1;
    for (int64_t b = 0; b < p->batch && done; b++) done = multiply(p, q->bias, b, room);
    free(room);
    if (done) return SIM_OK;
    return sim_fail(SIM_ELIB, "oneDNN refused a matrix product of %lld x %lld x %lld", (long long)p->m,
                    (long long)p->n, (long long)p->k);
}

void sim_products_run(struct sim_cuda *c, const struct sim_product *p)
{
    struct queued q = {.p = *p};
    if (p->m == 0 || p->n == 0 || p->batch == 0) return;
    if (p->bias) {
        q.bias = p->out == SIM_ELEMENT_BF16 ? sim_cuda_weight(c, p->bias) : p->bias;
        if (!q.bias) return;
    }
    sim_shim_queue(c->stream, work, &q, sizeof q);
}
