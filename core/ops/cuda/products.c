/* The operations around matrix products: what ops.h promises, said in products and the kernels beside them.
 */
#include "products.h"

#include "kernels.h"

static void gemm(const struct sim_ops *o, enum sim_trans ta, enum sim_trans tb, int64_t m, int64_t n,
                 int64_t k, float alpha, const sim_act *a, int64_t lda, const sim_act *b, int64_t ldb,
                 float beta, sim_act *out, int64_t ldc)
{
    struct sim_cuda *c = sim_cuda(o);
    struct sim_product p = sim_product_dense(c->act, ta, tb, m, n, k, a, b, out);
    p.lda = lda;
    p.ldb = ldb;
    p.ldc = ldc;
    p.alpha = alpha;
    p.beta = beta;
    sim_products_run(c, &p);
}

/* y = x w^T (+ bias) (+ residual). */
static void forward(struct sim_cuda *c, void *y, const void *residual, const void *x, const float *w,
                    const float *bias, int64_t rows, int64_t in, int64_t out)
{
    const void *weight = sim_cuda_weight(c, w);
    if (!weight) return;
    struct sim_product p = sim_product_dense(c->act, SIM_N, SIM_T, rows, out, in, x, weight, y);
    p.beta = residual ? 1 : 0;
    p.residual = residual;
    p.bias = bias;
    sim_products_run(c, &p);
}

static void linear(const struct sim_ops *o, sim_act *y, const sim_act *x, const float *w, const float *bias,
                   int64_t rows, int64_t in, int64_t out)
{
    forward(sim_cuda(o), y, NULL, x, w, bias, rows, in, out);
}

static void linear_residual(const struct sim_ops *o, sim_act *y, const sim_act *residual, const sim_act *x,
                            const float *w, const float *bias, int64_t rows, int64_t in, int64_t out)
{
    forward(sim_cuda(o), y, residual, x, w, bias, rows, in, out);
}

/* cuBLASLt fuses only the tanh form of GELU, which is another function: the exact one is a kernel of its own.
 * The slope's place holds the GELU's input, from which the backward makes GELU'. */
static void linear_gelu(const struct sim_ops *o, sim_act *y, sim_act *slope, const sim_act *x, const float *w,
                        const float *bias, int64_t rows, int64_t in, int64_t out)
{
    struct sim_cuda *c = sim_cuda(o);
    void *input = slope ? slope : y;
    forward(c, input, NULL, x, w, bias, rows, in, out);
    sim_k_gelu(c->stream, c->act, y, input, rows * out);
}

static void linear_backward_input(const struct sim_ops *o, sim_act *dx, const sim_act *dy, const float *w,
                                  const sim_act *slope, int64_t rows, int64_t in, int64_t out)
{
    struct sim_cuda *c = sim_cuda(o);
    const void *weight = sim_cuda_weight(c, w);
    if (!weight) return;
    const struct sim_product p = sim_product_dense(c->act, SIM_N, SIM_N, rows, in, out, dy, weight, dx);
    sim_products_run(c, &p);
    if (slope) sim_k_gelu_backward(c->stream, c->act, dx, slope, rows * in);
}

/* Gradients of parameters are float32 whatever the activations are. */
static void linear_backward_weight(const struct sim_ops *o, float *dw, float *db, const sim_act *dy,
                                   const sim_act *x, int64_t rows, int64_t in, int64_t out)
{
    struct sim_cuda *c = sim_cuda(o);
    struct sim_product p = sim_product_dense(c->act, SIM_T, SIM_N, out, in, rows, dy, x, dw);
    p.out = SIM_ELEMENT_F32;
    sim_products_run(c, &p);
    if (!db) return;
    void *scratch = sim_cuda_scratch(c, sim_k_column_sums_bytes(rows, out));
    if (!scratch) return;
    const struct sim_k_rows all = {.images = 1, .tokens = rows, .first = 0, .count = rows};
    sim_k_column_sums(c->stream, c->act, db, dy, all, out, scratch);
}

void sim_cuda_fill_products(struct sim_ops *o)
{
    o->gemm = gemm;
    o->linear = linear;
    o->linear_residual = linear_residual;
    o->linear_gelu = linear_gelu;
    o->linear_backward_input = linear_backward_input;
    o->linear_backward_weight = linear_backward_weight;
}
