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

static double begin(struct sim_watch *w)
{
    if (w->clock) w->clock->mark(w->clock->self, 2 * w->count);
    return omp_get_wtime();
}

static void keep(struct sim_watch *w, double since, struct sim_call call)
{
    if (w->clock) w->clock->mark(w->clock->self, 2 * w->count + 1);
    call.seconds = omp_get_wtime() - since; /* of queueing it, where a clock says later how long it took */
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
        double since = begin(w);                                                                      \
        w->inner.op(&w->inner, ARGUMENTS arguments);                                                         \
        keep(w, since, (struct sim_call){.name = #op, .m = (rows_), .n = (width_)});                         \
    }
#define PRODUCT(op, call, arguments, ...)                                                                    \
    static void watch_##op(const struct sim_ops *o, __VA_ARGS__)                                             \
    {                                                                                                        \
        struct sim_watch *w = watch_of(o);                                                                   \
        double since = begin(w);                                                                      \
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
    double since = begin(w);
    w->inner.attention(&w->inner, out, lse, qkv, batch, tokens, heads, head_dim);
    keep(w, since, (struct sim_call){.name = "attention", .kind = SIM_CALL_ATTENTION, .batch = batch, .tokens = tokens,
                                     .heads = heads, .head_dim = head_dim, .qkv = qkv, .out = out});
}

static void watch_attention_backward(const struct sim_ops *o, float *dqkv, const float *dout, const float *qkv,
                                     const float *out, const float *lse, int64_t batch, int64_t tokens, int64_t heads,
                                     int64_t head_dim)
{
    struct sim_watch *w = watch_of(o);
    double since = begin(w);
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
PASS(batchnorm, parts *rows, dim, (y, mean, rstd, running_mean, running_var, x, weight, b, parts, rows, dim, eps, momentum), float *y,
     float *mean, float *rstd, float *running_mean, float *running_var, const float *x, const float *weight,
     const float *b, int64_t parts, int64_t rows, int64_t dim, double eps, double momentum)
PASS(batchnorm_backward, parts *rows, dim, (dx, accumulate, dw, db, dy, x, mean, rstd, weight, parts, rows, dim),
     float *dx, int accumulate, float *dw, float *db, const float *dy, const float *x, const float *mean,
     const float *rstd, const float *weight, int64_t parts, int64_t rows, int64_t dim)
PASS(unit_rows, rows, dim, (y, rstd, x, rows, dim), float *y, float *rstd, const float *x, int64_t rows, int64_t dim)
PASS(unit_rows_backward, rows, dim, (dx, dy, y, rstd, rows, dim), float *dx, const float *dy, const float *y,
     const float *rstd, int64_t rows, int64_t dim)
PASS(relu, 1, count, (y, x, count), float *y, const float *x, int64_t count)
PASS(relu_backward, 1, count, (dx, y, count), float *dx, const float *y, int64_t count)
PASS(info_nce, parts *rows, rows, (loss, dq, q, k, parts, rows, dim, temperature), double *loss, float *dq,
     const float *q, const float *k, int64_t parts, int64_t rows, int64_t dim, double temperature)
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
PASS(restore_tokens, batch *(1 + patches), dim, (y, z, pos, place, mask_token, batch, taken, patches, dim), float *y,
     const float *z, const float *pos, const int32_t *place, const float *mask_token, int64_t batch, int64_t taken,
     int64_t patches, int64_t dim)
PASS(restore_tokens_backward, batch *(1 + patches), dim,
     (dz, dmask_token, dy, index, place, batch, taken, patches, dim), float *dz, float *dmask_token, const float *dy,
     const int32_t *index, const int32_t *place, int64_t batch, int64_t taken, int64_t patches, int64_t dim)
PASS(pixel_loss, batch *side / patch *(side / patch), 3 * patch * patch,
     (loss, dp, target, p, images, place, batch, side, patch, hidden, normalise), double *loss, float *dp, float *target,
     const float *p, const float *images, const int32_t *place, int64_t batch, int64_t side, int64_t patch,
     int64_t hidden, int normalise)
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

PASS(sum_squares, 1, floats_in(s, count), (sum, s, count), double *sum, const struct sim_segment *s, int count)
PASS(clip, 1, 1, (s, clip_grad), struct sim_scalars *s, double clip_grad)
PASS(adamw, 1, floats_in(s, count), (s, count, scalars, h), const struct sim_segment *s, int count,
     const struct sim_scalars *scalars, const struct sim_adamw *h)
PASS(ema, 1, floats_in(s, count), (s, count, scalars), const struct sim_segment *s, int count,
     const struct sim_scalars *scalars)
PRODUCT(covariance, free_product(SIM_T, SIM_N, dim, dim, rows, t, dim, t, dim, c, dim), (c, t, rows, dim), float *c,
        const float *t, int64_t rows, int64_t dim)
PRODUCT(unigrad, free_product(SIM_N, SIM_N, rows, dim, dim, p, dim, c, dim, dp, dim),
        (loss, dp, p, t, c, rows, dim, neg_weight), double *loss, float *dp, const float *p, const float *t, const float *c,
        int64_t rows, int64_t dim, double neg_weight)

static sim_status watch_finish(const struct sim_ops *o)
{
    struct sim_watch *w = watch_of(o);
    SIM_TRY(w->inner.finish(&w->inner));
    return w->failed ? sim_fail(SIM_ENOMEM, "no memory for the log of operations") : SIM_OK;
}

/* ------------------------------------------------------------------ opening and switching */

sim_status sim_watch_open(struct sim_watch *w, const char *device, const struct sim_device_options *options)
{
    *w = (struct sim_watch){0};
    SIM_TRY(sim_ops_open(&w->inner, device, options));
    w->ops = w->inner;
    return SIM_OK;
}

static const void *stay(const struct sim_ops *o, void *device, const void *host, size_t bytes)
{
    return o->discrete ? device : watch_of(o)->inner.stage(o, device, host, bytes);
}

void sim_watch_keep_inputs(struct sim_watch *w)
{
    w->inputs_stay = 1;
    w->ops.stage = stay;
}

void sim_watch_on(struct sim_watch *w)
{
    w->count = 0, w->failed = 0;
    w->ops = w->inner; /* what moves no numbers is not watched */
    if (w->inputs_stay) w->ops.stage = stay;
    w->ops.gemm = watch_gemm;
    w->ops.linear = watch_linear;
    w->ops.linear_residual = watch_linear_residual;
    w->ops.linear_gelu = watch_linear_gelu;
    w->ops.linear_backward_input = watch_linear_backward_input;
    w->ops.linear_backward_weight = watch_linear_backward_weight;
    w->ops.layernorm = watch_layernorm;
    w->ops.layernorm_backward = watch_layernorm_backward;
    w->ops.batchnorm = watch_batchnorm;
    w->ops.batchnorm_backward = watch_batchnorm_backward;
    w->ops.unit_rows = watch_unit_rows;
    w->ops.unit_rows_backward = watch_unit_rows_backward;
    w->ops.relu = watch_relu;
    w->ops.relu_backward = watch_relu_backward;
    w->ops.info_nce = watch_info_nce;
    w->ops.attention = watch_attention;
    w->ops.attention_backward = watch_attention_backward;
    w->ops.patchify = watch_patchify;
    w->ops.embed_tokens = watch_embed_tokens;
    w->ops.embed_tokens_backward = watch_embed_tokens_backward;
    w->ops.join_queries = watch_join_queries;
    w->ops.join_queries_backward = watch_join_queries_backward;
    w->ops.restore_tokens = watch_restore_tokens;
    w->ops.restore_tokens_backward = watch_restore_tokens_backward;
    w->ops.pixel_loss = watch_pixel_loss;
    w->ops.take_rows = watch_take_rows;
    w->ops.put_rows = watch_put_rows;
    w->ops.mean_rows = watch_mean_rows;
    w->ops.mean_rows_backward = watch_mean_rows_backward;
    w->ops.relative_features = watch_relative_features;
    w->ops.scale_residual = watch_scale_residual;
    w->ops.scale_residual_backward = watch_scale_residual_backward;
    w->ops.covariance = watch_covariance;
    w->ops.unigrad = watch_unigrad;
    w->ops.sum_squares = watch_sum_squares;
    w->ops.clip = watch_clip;
    w->ops.adamw = watch_adamw;
    w->ops.ema = watch_ema;
    w->ops.finish = watch_finish;
}

void sim_watch_off(struct sim_watch *w)
{
    w->ops = w->inner;
    if (w->inputs_stay) w->ops.stage = stay;
    for (size_t i = 0; w->clock && i < w->count; i++)
        w->calls[i].seconds = w->clock->between(w->clock->self, 2 * i, 2 * i + 1);
}

void sim_watch_close(struct sim_watch *w)
{
    if (w->inner.close) w->inner.close(&w->inner);
    free(w->calls);
    memset(w, 0, sizeof *w);
}
