/* Matrix products: oneDNN's single-threaded sgemm on tiles that the shape alone decides, and what can be done
 * to a tile while it is still in the cache: bias, residual, GELU. */
#include "cpu.h"

#include <dnnl.h>

/* oneDNN runs serially when it is called inside an active parallel region, or with one OpenMP thread. */
void sim_cpu_tile_gemm(struct sim_cpu *c, enum sim_trans ta, enum sim_trans tb, int64_t m, int64_t n,
                       int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                       float beta, float *out, int64_t ldc)
{
    if (m == 0 || n == 0) return;
    if (dnnl_sgemm(ta == SIM_T ? 'T' : 'N', tb == SIM_T ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta,
                   out, ldc) != dnnl_success)
        sim_cpu_fail(c, SIM_ELIB, "oneDNN refused a matrix product");
}

/* Tiles of at most 512 x 384 keep a tile and its operands in the second-level cache; smaller outputs are
 * halved until there are enough tiles to share out, down to 96, where oneDNN still runs at its full rate. */
enum { MOST_ROWS = 512, MOST_COLUMNS = 384, LEAST = 96, ENOUGH_TILES = 8 };

static int64_t rounded_share(int64_t whole, int64_t parts)
{
    return (sim_chunks(whole, parts) + 15) / 16 * 16; /* 16 floats: one line */
}

struct sim_tiling sim_cpu_tiling(int64_t m, int64_t n)
{
    int64_t parts_m = sim_chunks(m, MOST_ROWS), parts_n = sim_chunks(n, MOST_COLUMNS);
    while (parts_m * parts_n < ENOUGH_TILES) {
        int64_t tm = sim_chunks(m, parts_m), tn = sim_chunks(n, parts_n);
        if (tm >= tn && tm >= 2 * LEAST)
            parts_m *= 2;
        else if (tn >= 2 * LEAST)
            parts_n *= 2;
        else if (tm >= 2 * LEAST)
            parts_m *= 2;
        else
            break;
    }
    struct sim_tiling t = {.tile_m = rounded_share(m, parts_m), .tile_n = rounded_share(n, parts_n)};
    t.count_m = sim_chunks(m, t.tile_m);
    t.count_n = sim_chunks(n, t.tile_n);
    return t;
}

enum epilogue { PLAIN, RESIDUAL, GELU, MULTIPLY };

struct product {
    enum sim_trans ta, tb;
    int64_t m, n, k;
    float alpha;
    const float *a, *b;
    int64_t lda, ldb;
    float beta;
    float *c;
    int64_t ldc;
    /* around the product */
    const float *bias;     /* (n) or NULL */
    const float *residual; /* (m, n) like c, RESIDUAL */
    float *slope;          /* (m, n) like c: written by GELU, read by MULTIPLY */
    enum epilogue epilogue;
};

static void run(struct sim_cpu *c, const struct product *p)
{
    const struct sim_kernels *k = &c->k;
    struct sim_tiling t = sim_cpu_tiling(p->m, p->n);
#pragma omp parallel for schedule(dynamic)
    for (int64_t tile = 0; tile < t.count_m * t.count_n; tile++) {
        int64_t i = tile % t.count_m * t.tile_m, j = tile / t.count_m * t.tile_n;
        int64_t m = sim_min(t.tile_m, p->m - i), n = sim_min(t.tile_n, p->n - j), at = i * p->ldc + j;
        float *out = p->c + at;
        float beta = p->beta;
        if (p->epilogue == RESIDUAL) {
            k->tile_add(out, p->ldc, p->residual + at, p->ldc, m, n, p->bias ? p->bias + j : NULL);
            beta = 1;
        } else if (p->bias) {
            k->tile_fill(out, p->ldc, m, n, p->bias + j);
            beta = 1;
        }
        sim_cpu_tile_gemm(c, p->ta, p->tb, m, n, p->k, p->alpha,
                          p->ta == SIM_N ? p->a + i * p->lda : p->a + i, p->lda,
                          p->tb == SIM_N ? p->b + j : p->b + j * p->ldb, p->ldb, beta, out, p->ldc);
        if (p->epilogue == GELU)
            k->tile_gelu(out, p->slope ? p->slope + at : NULL, p->ldc, m, n);
        else if (p->epilogue == MULTIPLY)
            k->tile_multiply(out, p->slope + at, p->ldc, m, n);
    }
}

static void gemm(const struct sim_ops *o, enum sim_trans ta, enum sim_trans tb, int64_t m, int64_t n,
                 int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                 float *out, int64_t ldc)
{
    run(sim_cpu(o), &(struct product){.ta = ta,
                                      .tb = tb,
                                      .m = m,
                                      .n = n,
                                      .k = k,
                                      .alpha = alpha,
                                      .a = a,
                                      .lda = lda,
                                      .b = b,
                                      .ldb = ldb,
                                      .beta = beta,
                                      .c = out,
                                      .ldc = ldc});
}

static struct product linear_product(float *y, const float *x, const float *w, const float *bias,
                                     int64_t rows, int64_t in, int64_t out)
{
    return (struct product){.tb = SIM_T,
                            .m = rows,
                            .n = out,
                            .k = in,
                            .alpha = 1,
                            .a = x,
                            .lda = in,
                            .b = w,
                            .ldb = in,
                            .c = y,
                            .ldc = out,
                            .bias = bias};
}

static void linear(const struct sim_ops *o, float *y, const float *x, const float *w, const float *bias,
                   int64_t rows, int64_t in, int64_t out)
{
    struct product p = linear_product(y, x, w, bias, rows, in, out);
    run(sim_cpu(o), &p);
}

static void linear_residual(const struct sim_ops *o, float *y, const float *residual, const float *x,
                            const float *w, const float *bias, int64_t rows, int64_t in, int64_t out)
{
    struct product p = linear_product(y, x, w, bias, rows, in, out);
    p.residual = residual;
    p.epilogue = RESIDUAL;
    run(sim_cpu(o), &p);
}

static void linear_gelu(const struct sim_ops *o, float *y, float *slope, const float *x, const float *w,
                        const float *bias, int64_t rows, int64_t in, int64_t out)
{
    struct product p = linear_product(y, x, w, bias, rows, in, out);
    p.slope = slope;
    p.epilogue = GELU;
    run(sim_cpu(o), &p);
}

static void linear_backward_input(const struct sim_ops *o, float *dx, const float *dy, const float *w,
                                  const float *slope, int64_t rows, int64_t in, int64_t out)
{
    struct product p = {.m = rows,
                        .n = in,
                        .k = out,
                        .alpha = 1,
                        .a = dy,
                        .lda = out,
                        .b = w,
                        .ldb = in,
                        .c = dx,
                        .ldc = in,
                        .slope = (float *)slope,
                        .epilogue = slope ? MULTIPLY : PLAIN};
    run(sim_cpu(o), &p);
}

static void linear_backward_weight(const struct sim_ops *o, float *dw, float *db, const float *dy,
                                   const float *x, int64_t rows, int64_t in, int64_t out)
{
    struct sim_cpu *c = sim_cpu(o);
    gemm(o, SIM_T, SIM_N, out, in, rows, 1, dy, out, x, in, 0, dw, in);
    if (!db) return;
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < out; j += SIM_STRIP)
        c->k.column_sums(db + j, dy + j, out, rows, sim_min(SIM_STRIP, out - j));
}

void sim_cpu_products(struct sim_ops *o)
{
    o->gemm = gemm;
    o->linear = linear;
    o->linear_residual = linear_residual;
    o->linear_gelu = linear_gelu;
    o->linear_backward_input = linear_backward_input;
    o->linear_backward_weight = linear_backward_weight;
}
