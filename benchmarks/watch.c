#include "watch.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

double sim_call_flop(const struct sim_call *c)
{
    const double one = 2.0 * (double)(c->batch * c->heads) * (double)(c->tokens * c->tokens) * (double)c->head_dim;
    switch (c->kind) {
    case SIM_CALL_PRODUCT: return 2.0 * (double)c->m * (double)c->n * (double)c->k;
    case SIM_CALL_ATTENTION: return 2 * one;
    case SIM_CALL_ATTENTION_BACKWARD: return 5 * one;
    default: return 0;
    }
}

static struct sim_watch *watch_of(const struct sim_ops *o)
{
    return (struct sim_watch *)o;
}

static void keep(struct sim_watch *w, double since, struct sim_call call)
{
    call.seconds = omp_get_wtime() - since;
    if (w->count == w->room) {
        size_t room = w->room ? 2 * w->room : 1024;
        struct sim_call *more = realloc(w->calls, room * sizeof *more);
        if (!more) {
            w->failed = 1;
            return;
        }
        w->calls = more, w->room = room;
    }
    w->calls[w->count++] = call;
}

/* ------------------------------------------------------------------ one function per operation */

/* PASS(operation, rows, width, (arguments), parameters...): an operation without products, of rows x width numbers. */
#define ARGUMENTS(...) __VA_ARGS__
#define PASS(op, rows_, width_, arguments, ...)                                                              \
    static void watch_##op(const struct sim_ops *o, __VA_ARGS__)                                             \
    {                                                                                                        \
        struct sim_watch *w = watch_of(o);                                                                   \
        double since = omp_get_wtime();                                                                      \
        w->inner.op(&w->inner, ARGUMENTS arguments);                                                         \
        keep(w, since, (struct sim_call){.name = #op, .m = (rows_), .n = (width_)});                         \
    }
#define PRODUCT(op, call, arguments, ...)                                                                    \
    static void watch_##op(const struct sim_ops *o, __VA_ARGS__)                                             \
    {                                                                                                        \
        struct sim_watch *w = watch_of(o);                                                                   \
        double since = omp_get_wtime();                                                                      \
        w->inner.op(&w->inner, ARGUMENTS arguments);                                                         \
        struct sim_call product = call;                                                                      \
        product.name = #op;                                                                                  \
        product.kind = SIM_CALL_PRODUCT;                                                                     \
        keep(w, since, product);                                                                             \
    }

static struct sim_call forward_product(float *y, const float *x, const float *weight, int64_t rows, int64_t in,
                                       int64_t out)
{
    return (struct sim_call){.ta = SIM_N, .tb = SIM_T, .m = rows, .n = out, .k = in, .a = x, .lda = in, .b = weight,
                             .ldb = in, .c = y, .ldc = out};
}

static struct sim_call input_product(float *dx, const float *dy, const float *weight, int64_t rows, int64_t in,
                                     int64_t out)
{
    return (struct sim_call){.ta = SIM_N, .tb = SIM_N, .m = rows, .n = in, .k = out, .a = dy, .lda = out, .b = weight,
                             .ldb = in, .c = dx, .ldc = in};
}

static struct sim_call weight_product(float *dw, const float *dy, const float *x, int64_t rows, int64_t in, int64_t out)
{
    return (struct sim_call){.ta = SIM_T, .tb = SIM_N, .m = out, .n = in, .k = rows, .a = dy, .lda = out, .b = x,
                             .ldb = in, .c = dw, .ldc = in};
}

static struct sim_call free_product(enum sim_trans ta, enum sim_trans tb, int64_t m, int64_t n, int64_t k,
                                    const float *a, int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc)
{
    return (struct sim_call){.ta = ta, .tb = tb, .m = m, .n = n, .k = k, .a = a, .lda = lda, .b = b, .ldb = ldb, .c = c,
                             .ldc = ldc};
}

PRODUCT(gemm, free_product(ta, tb, m, n, k, a, lda, b, ldb, c, ldc), (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc),
        enum sim_trans ta, enum sim_trans tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
        const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
PRODUCT(linear, forward_product(y, x, weight, rows, in, out), (y, x, weight, bias, rows, in, out), float *y, const float *x,
        const float *weight, const float *bias, int64_t rows, int64_t in, int64_t out)
PRODUCT(linear_residual, forward_product(y, x, weight, rows, in, out), (y, residual, x, weight, bias, rows, in, out),
        float *y, const float *residual, const float *x, const float *weight, const float *bias, int64_t rows, int64_t in,
        int64_t out)
PRODUCT(linear_gelu, forward_product(y, x, weight, rows, in, out), (y, slope, x, weight, bias, rows, in, out), float *y,
        float *slope, const float *x, const float *weight, const float *bias, int64_t rows, int64_t in, int64_t out)
PRODUCT(linear_backward_input, input_product(dx, dy, weight, rows, in, out), (dx, dy, weight, slope, rows, in, out),
        float *dx, const float *dy, const float *weight, const float *slope, int64_t rows, int64_t in, int64_t out)
PRODUCT(linear_backward_weight, weight_product(dw, dy, x, rows, in, out), (dw, db, dy, x, rows, in, out), float *dw,
        float *db, const float *dy, const float *x, int64_t rows, int64_t in, int64_t out)

static void watch_attention(const struct sim_ops *o, float *out, float *lse, const float *qkv, int64_t batch,
                            int64_t tokens, int64_t heads, int64_t head_dim)
{
    struct sim_watch *w = watch_of(o);
    double since = omp_get_wtime();
    w->inner.attention(&w->inner, out, lse, qkv, batch, tokens, heads, head_dim);
    keep(w, since, (struct sim_call){.name = "attention", .kind = SIM_CALL_ATTENTION, .batch = batch, .tokens = tokens,
                                     .heads = heads, .head_dim = head_dim, .qkv = qkv, .out = out});
}

static void watch_attention_backward(const struct sim_ops *o, float *dqkv, const float *dout, const float *qkv,
                                     const float *out, const float *lse, int64_t batch, int64_t tokens, int64_t heads,
                                     int64_t head_dim)
{
    struct sim_watch *w = watch_of(o);
    double since = omp_get_wtime();
    w->inner.attention_backward(&w->inner, dqkv, dout, qkv, out, lse, batch, tokens, heads, head_dim);
    keep(w, since, (struct sim_call){.name = "attention_backward", .kind = SIM_CALL_ATTENTION_BACKWARD, .batch = batch,
                                     .tokens = tokens, .heads = heads, .head_dim = head_dim, .qkv = qkv, .dout = dout,
                                     .dqkv = dqkv});
}

PASS(layernorm, rows, dim, (y, mean, rstd, x, weight, b, rows, dim, eps), float *y, float *mean, float *rstd,
     const float *x, const float *weight, const float *b, int64_t rows, int64_t dim, double eps)
PASS(layernorm_backward, rows, dim, (dx, accumulate, dw, db, dy, x, mean, rstd, weight, rows, dim), float *dx,
     int accumulate, float *dw, float *db, const float *dy, const float *x, const float *mean, const float *rstd,
     const float *weight, int64_t rows, int64_t dim)
PASS(batchnorm, rows, dim, (y, mean, rstd, running_mean, running_var, x, weight, b, rows, dim, eps, momentum), float *y,
     float *mean, float *rstd, float *running_mean, float *running_var, const float *x, const float *weight,
     const float *b, int64_t rows, int64_t dim, double eps, double momentum)
PASS(batchnorm_backward, rows, dim, (dx, accumulate, dw, db, dy, x, mean, rstd, weight, rows, dim), float *dx,
     int accumulate, float *dw, float *db, const float *dy, const float *x, const float *mean, const float *rstd,
     const float *weight, int64_t rows, int64_t dim)
PASS(patchify, batch *taken, 3 * patch * patch, (rows, images, index, batch, side, patch, taken), float *rows,
     const float *images, const int32_t *index, int64_t batch, int64_t side, int64_t patch, int64_t taken)
PASS(embed_tokens, batch *(1 + taken), dim, (y, x, cls, pos, index, batch, taken, dim), float *y, const float *x,
     const float *cls, const float *pos, const int32_t *index, int64_t batch, int64_t taken, int64_t dim)
PASS(embed_tokens_backward, batch *(1 + taken), dim, (dcls, dx, dy, batch, taken, dim), float *dcls, float *dx,
     const float *dy, int64_t batch, int64_t taken, int64_t dim)
PASS(join_queries, batch *(1 + taken + patches), dim, (y, z, pos, index, mask_token, place, batch, taken, patches, dim),
     float *y, const float *z, const float *pos, const int32_t *index, const float *mask_token, const float *place,
     int64_t batch, int64_t taken, int64_t patches, int64_t dim)
PASS(join_queries_backward, batch *(1 + taken + patches), dim,
     (dz, dmask_token, dplace, dy, batch, taken, patches, dim), float *dz, float *dmask_token, float *dplace,
     const float *dy, int64_t batch, int64_t taken, int64_t patches, int64_t dim)
PASS(take_rows, batch *count, dim, (y, x, batch, tokens, first, count, dim), float *y, const float *x, int64_t batch,
     int64_t tokens, int64_t first, int64_t count, int64_t dim)
PASS(put_rows, batch *tokens, dim, (y, x, batch, tokens, first, count, dim), float *y, const float *x, int64_t batch,
     int64_t tokens, int64_t first, int64_t count, int64_t dim)
PASS(mean_rows, batch *count, dim, (y, x, batch, tokens, first, count, dim), float *y, const float *x, int64_t batch,
     int64_t tokens, int64_t first, int64_t count, int64_t dim)
PASS(mean_rows_backward, batch *tokens, dim, (dx, dy, batch, tokens, dim), float *dx, const float *dy, int64_t batch,
     int64_t tokens, int64_t dim)
PASS(relative_features, batch *grid *grid, 2 * dim, (features, geometry, batch, grid, dim, mode), float *features,
     const float *geometry, int64_t batch, int64_t grid, int64_t dim, enum sim_features_mode mode)
PASS(scale_residual, batch *tokens, dim, (y, x, branch, gamma, keep_, batch, tokens, dim), float *y, const float *x,
     const float *branch, const float *gamma, const float *keep_, int64_t batch, int64_t tokens, int64_t dim)
PASS(scale_residual_backward, batch *tokens, dim, (dbranch, dgamma, dy, branch, gamma, keep_, batch, tokens, dim),
     float *dbranch, float *dgamma, const float *dy, const float *branch, const float *gamma, const float *keep_,
     int64_t batch, int64_t tokens, int64_t dim)

static int64_t floats_in(const struct sim_segment *s, int count)
{
    int64_t sum = 0;
    for (int i = 0; i < count; i++) sum += s[i].count;
    return sum;
}

PASS(adamw, 1, floats_in(s, count), (s, count, h), const struct sim_segment *s, int count, const struct sim_adamw *h)
PASS(ema, 1, floats_in(s, count), (s, count, momentum), const struct sim_segment *s, int count, double momentum)

static double watch_unigrad(const struct sim_ops *o, float *dp, const float *p, const float *t, const float *pc,
                            int64_t rows, int64_t dim, double neg_weight)
{
    struct sim_watch *w = watch_of(o);
    double since = omp_get_wtime(), loss = w->inner.unigrad(&w->inner, dp, p, t, pc, rows, dim, neg_weight);
    keep(w, since, (struct sim_call){.name = "unigrad", .m = rows, .n = dim});
    return loss;
}

static double watch_sum_squares(const struct sim_ops *o, const struct sim_segment *s, int count)
{
    struct sim_watch *w = watch_of(o);
    double since = omp_get_wtime(), sum = w->inner.sum_squares(&w->inner, s, count);
    keep(w, since, (struct sim_call){.name = "sum_squares", .m = 1, .n = floats_in(s, count)});
    return sum;
}

static sim_status watch_finish(const struct sim_ops *o)
{
    struct sim_watch *w = watch_of(o);
    SIM_TRY(w->inner.finish(&w->inner));
    return w->failed ? sim_fail(SIM_ENOMEM, "no memory for the log of operations") : SIM_OK;
}

/* ------------------------------------------------------------------ opening and switching */

sim_status sim_watch_open(struct sim_watch *w)
{
    *w = (struct sim_watch){0};
    SIM_TRY(sim_ops_open(&w->inner, "cpu"));
    w->ops = w->inner;
    return SIM_OK;
}

/* name, isa, context, the operations, finish, close */
_Static_assert(sizeof(struct sim_ops) == 33 * sizeof(void *), "an operation came or went: give it its watch below");

void sim_watch_on(struct sim_watch *w)
{
    w->count = 0, w->failed = 0;
    w->ops = (struct sim_ops){
        .name = w->inner.name,
        .isa = w->inner.isa,
        .context = w->inner.context,
        .gemm = watch_gemm,
        .linear = watch_linear,
        .linear_residual = watch_linear_residual,
        .linear_gelu = watch_linear_gelu,
        .linear_backward_input = watch_linear_backward_input,
        .linear_backward_weight = watch_linear_backward_weight,
        .layernorm = watch_layernorm,
        .layernorm_backward = watch_layernorm_backward,
        .batchnorm = watch_batchnorm,
        .batchnorm_backward = watch_batchnorm_backward,
        .attention = watch_attention,
        .attention_backward = watch_attention_backward,
        .patchify = watch_patchify,
        .embed_tokens = watch_embed_tokens,
        .embed_tokens_backward = watch_embed_tokens_backward,
        .join_queries = watch_join_queries,
        .join_queries_backward = watch_join_queries_backward,
        .take_rows = watch_take_rows,
        .put_rows = watch_put_rows,
        .mean_rows = watch_mean_rows,
        .mean_rows_backward = watch_mean_rows_backward,
        .relative_features = watch_relative_features,
        .scale_residual = watch_scale_residual,
        .scale_residual_backward = watch_scale_residual_backward,
        .unigrad = watch_unigrad,
        .sum_squares = watch_sum_squares,
        .adamw = watch_adamw,
        .ema = watch_ema,
        .finish = watch_finish,
    };
}

void sim_watch_off(struct sim_watch *w)
{
    w->ops = w->inner;
}

void sim_watch_close(struct sim_watch *w)
{
    if (w->inner.close) w->inner.close(&w->inner);
    free(w->calls);
    memset(w, 0, sizeof *w);
}
