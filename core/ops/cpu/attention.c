/* Softmax attention, one (image, head) a task, a block of query rows at a time: the logits of a block live in
 * the thread's scratch and are never stored; the backward makes them again from q, k and the softmax's
 * denominator. */
#include "cpu.h"

#include <math.h>

enum { QUERY_ROWS = 128 };

static void attention(const struct sim_ops *o, float *out, float *lse, const float *qkv, int64_t batch,
                      int64_t tokens, int64_t heads, int64_t head_dim)
{
    struct sim_cpu *c = sim_cpu(o);
    const int64_t width = heads * head_dim, ld = 3 * width;
    const float scale = (float)(1.0 / sqrt((double)head_dim));
#pragma omp parallel for schedule(dynamic)
    for (int64_t task = 0; task < batch * heads; task++) {
        int64_t b = task / heads, h = task % heads;
        const float *q = qkv + b * tokens * ld + h * head_dim, *k = q + width, *v = k + width;
        float *s = sim_cpu_scratch(c, (size_t)(QUERY_ROWS * tokens + head_dim * tokens + QUERY_ROWS));
        if (!s) continue;
        float *kt = s + QUERY_ROWS * tokens, *inverse = kt + head_dim * tokens; /* k transposed: (d, N) */
        c->k.tile_transpose(kt, tokens, k, ld, tokens, head_dim);
        for (int64_t i = 0; i < tokens; i += QUERY_ROWS) {
            int64_t rows = sim_min(QUERY_ROWS, tokens - i);
            float *y = out + (b * tokens + i) * width + h * head_dim;
            sim_cpu_tile_gemm(c, SIM_N, SIM_N, rows, tokens, head_dim, scale, q + i * ld, ld, kt, tokens, 0,
                              s, tokens);
            c->k.softmax_rows(s, tokens, rows, tokens, inverse,
                              lse ? lse + (b * heads + h) * tokens + i : NULL);
            sim_cpu_tile_gemm(c, SIM_N, SIM_N, rows, head_dim, tokens, 1, s, tokens, v, ld, 0, y, width);
            c->k.scale_rows(y, width, rows, head_dim, inverse);
        }
    }
}

static void attention_backward(const struct sim_ops *o, float *dqkv, const float *dout, const float *qkv,
                               const float *out, const float *lse, int64_t batch, int64_t tokens,
                               int64_t heads, int64_t head_dim)
{
    struct sim_cpu *c = sim_cpu(o);
    const int64_t width = heads * head_dim, ld = 3 * width;
    const float scale = (float)(1.0 / sqrt((double)head_dim));
#pragma omp parallel for schedule(dynamic)
    for (int64_t task = 0; task < batch * heads; task++) {
        int64_t b = task / heads, h = task % heads;
        const int64_t at = b * tokens * ld + h * head_dim;
        const float *q = qkv + at, *k = q + width, *v = k + width;
        float *dq = dqkv + at, *dk = dq + width, *dv = dk + width;
        float *p = sim_cpu_scratch(c, (size_t)(2 * QUERY_ROWS * tokens + 2 * head_dim * tokens));
        if (!p) continue;
        float *dp = p + QUERY_ROWS * tokens, *kt = dp + QUERY_ROWS * tokens, *vt = kt + head_dim * tokens;
        c->k.tile_transpose(kt, tokens, k, ld, tokens, head_dim);
        c->k.tile_transpose(vt, tokens, v, ld, tokens, head_dim);
        for (int64_t i = 0; i < tokens; i += QUERY_ROWS) {
            int64_t rows = sim_min(QUERY_ROWS, tokens - i), first = (b * tokens + i) * width + h * head_dim;
            const float *g = dout + first, *y = out + first;
            float more = i > 0; /* dk and dv gather over the blocks, in order */
            sim_cpu_tile_gemm(c, SIM_N, SIM_N, rows, tokens, head_dim, scale, q + i * ld, ld, kt, tokens, 0,
                              p, tokens);
            c->k.softmax_again(p, tokens, rows, tokens, lse + (b * heads + h) * tokens + i);
            sim_cpu_tile_gemm(c, SIM_T, SIM_N, tokens, head_dim, rows, 1, p, tokens, g, width, more, dv, ld);
            sim_cpu_tile_gemm(c, SIM_N, SIM_N, rows, tokens, head_dim, 1, g, width, vt, tokens, 0, dp,
                              tokens);
            c->k.softmax_backward(dp, p, tokens, rows, tokens, g, y, width, head_dim, scale);
            sim_cpu_tile_gemm(c, SIM_N, SIM_N, rows, head_dim, tokens, 1, dp, tokens, k, ld, 0, dq + i * ld,
                              ld);
            sim_cpu_tile_gemm(c, SIM_T, SIM_N, tokens, head_dim, rows, 1, dp, tokens, q + i * ld, ld, more,
                              dk, ld);
        }
    }
}

void sim_cpu_attention(struct sim_ops *o)
{
    o->attention = attention;
    o->attention_backward = attention_backward;
}
