#include "attention_graph.h"

#include <stdio.h>
#include <string.h>

#include "attention.h"

typedef cudnnBackendDescriptor_t descriptor;
typedef struct sim_cudnn_layout layout;

int64_t sim_attention_sum_bytes(const struct sim_attention_shape *s)
{
    return s->batch * s->heads * s->tokens * (int64_t)sizeof(float);
}

int64_t sim_attention_dq_bytes(const struct sim_attention_shape *s, enum sim_attention_pass pass)
{
    return pass == SIM_ATTENTION_BACKWARD_FAST ? sim_attention_sum_bytes(s) * s->head_dim : 0;
}

/* ------------------------------------------------------------------ layouts, all as (B, H, N, d) */

/* One of q, k, v in (B, N, 3 H d), or a head of (B, N, H d): `parts` tells which. */
static layout heads_of(const struct sim_attention_shape *s, int64_t parts)
{
    const int64_t row = parts * s->heads * s->head_dim;
    return (layout){{s->batch, s->heads, s->tokens, s->head_dim}, {s->tokens * row, s->head_dim, row, 1}};
}

static layout transposed(layout l)
{
    return (layout){{l.dim[0], l.dim[1], l.dim[3], l.dim[2]},
                    {l.stride[0], l.stride[1], l.stride[3], l.stride[2]}};
}

/* Densely packed (B, H, N, last). */
static layout packed(const struct sim_attention_shape *s, int64_t last)
{
    return (layout){{s->batch, s->heads, s->tokens, last},
                    {s->heads * s->tokens * last, s->tokens * last, last, 1}};
}

/* The dimensions of p (B, H, N, N) with the strides of its transpose: what a RESHAPE makes of it. */
static layout turned(const struct sim_attention_shape *s)
{
    layout l = packed(s, s->tokens);
    l.stride[2] = 1, l.stride[3] = s->tokens;
    return l;
}

/* ------------------------------------------------------------------ graphs */

static void build_forward(struct sim_cudnn_graph *g, const struct sim_attention_shape *s, int keeps_stats)
{
    const cudnnDataType_t bf16 = CUDNN_DATA_BFLOAT16, fp32 = CUDNN_DATA_FLOAT;
    const layout in = heads_of(s, 3), out = heads_of(s, 1), row = packed(s, 1);
    sim_cudnn_sdpa_forward(
        g, sim_cudnn_tensor(g, SIM_ATTENTION_Q, bf16, &in), sim_cudnn_tensor(g, SIM_ATTENTION_K, bf16, &in),
        sim_cudnn_tensor(g, SIM_ATTENTION_V, bf16, &in), sim_cudnn_tensor(g, SIM_ATTENTION_O, bf16, &out),
        keeps_stats ? sim_cudnn_tensor(g, SIM_ATTENTION_STATS, fp32, &row) : NULL,
        sim_cudnn_scalar(g, SIM_ATTENTION_SCALE));
}

/* Engines match this graph node by node: its order and its kinds of nodes are not free.  With p = softmax(s),
 * s = scale q k^T:  dv = p^T do;  dp = do v^T;  ds = p (dp - rowsum(do o)) scale;  dq = ds k;  dk = ds^T q.
 */
static void build_backward(struct sim_cudnn_graph *g, const struct sim_attention_shape *s, int fast)
{
    const cudnnDataType_t bf16 = CUDNN_DATA_BFLOAT16, fp32 = CUDNN_DATA_FLOAT;
    const layout in = heads_of(s, 3), in_t = transposed(in), out = heads_of(s, 1), row = packed(s, 1);
    const layout square = packed(s, s->tokens), square_t = turned(s), dense = packed(s, s->head_dim);

    descriptor q = sim_cudnn_tensor(g, SIM_ATTENTION_Q, bf16, &in);
    descriptor k_t = sim_cudnn_tensor(g, SIM_ATTENTION_K, bf16, &in_t);
    descriptor v_t = sim_cudnn_tensor(g, SIM_ATTENTION_V, bf16, &in_t);
    descriptor o = sim_cudnn_tensor(g, SIM_ATTENTION_O, bf16, &out);
    descriptor stats = sim_cudnn_tensor(g, SIM_ATTENTION_STATS, fp32, &row);
    descriptor scale = sim_cudnn_scalar(g, SIM_ATTENTION_SCALE);
    descriptor one = sim_cudnn_scalar(g, SIM_ATTENTION_ONE);
    descriptor d_o = sim_cudnn_tensor(g, SIM_ATTENTION_DO, bf16, &out);
    descriptor dq = sim_cudnn_tensor(g, SIM_ATTENTION_DQ, bf16, &in);
    descriptor dk = sim_cudnn_tensor(g, SIM_ATTENTION_DK, bf16, &in);
    descriptor dv = sim_cudnn_tensor(g, SIM_ATTENTION_DV, bf16, &in);
    descriptor sum = sim_cudnn_tensor(g, SIM_ATTENTION_SUM, fp32, &row);

    descriptor d_o_o = sim_cudnn_virtual(g, fp32, &out), rows = sim_cudnn_virtual(g, fp32, &row);
    sim_cudnn_pointwise(g, CUDNN_POINTWISE_MUL, d_o, o, d_o_o);
    sim_cudnn_sum(g, d_o_o, rows);
    sim_cudnn_pointwise(g, CUDNN_POINTWISE_MUL, rows, one, sum);

    descriptor qk = sim_cudnn_virtual(g, fp32, &square), logits = sim_cudnn_virtual(g, fp32, &square);
    descriptor below = sim_cudnn_virtual(g, fp32, &square), p = sim_cudnn_virtual(g, fp32, &square);
    sim_cudnn_matmul(g, q, k_t, qk);
    sim_cudnn_pointwise(g, CUDNN_POINTWISE_MUL, qk, scale, logits);
    sim_cudnn_pointwise(g, CUDNN_POINTWISE_SUB, logits, stats, below);
    sim_cudnn_pointwise(g, CUDNN_POINTWISE_EXP, below, NULL, p);

    descriptor p_t = sim_cudnn_virtual(g, bf16, &square_t);
    sim_cudnn_reshape(g, p, p_t);
    sim_cudnn_matmul(g, p_t, d_o, dv);

    descriptor dp = sim_cudnn_virtual(g, fp32, &square), less = sim_cudnn_virtual(g, fp32, &square);
    descriptor times = sim_cudnn_virtual(g, fp32, &square), ds = sim_cudnn_virtual(g, fp32, &square);
    sim_cudnn_matmul(g, d_o, v_t, dp);
    sim_cudnn_pointwise(g, CUDNN_POINTWISE_SUB, dp, sum, less);
    sim_cudnn_pointwise(g, CUDNN_POINTWISE_MUL, less, p, times);
    sim_cudnn_pointwise(g, CUDNN_POINTWISE_MUL, times, scale, ds);

    descriptor ds_t = sim_cudnn_virtual(g, bf16, &square_t), k = sim_cudnn_virtual(g, bf16, &in);
    sim_cudnn_reshape(g, ds, ds_t);
    sim_cudnn_matmul(g, ds_t, q, dk);
    sim_cudnn_reshape(g, k_t, k);
    if (fast) {
        descriptor total = sim_cudnn_tensor(g, SIM_ATTENTION_DQ_TOTAL, fp32, &dense);
        sim_cudnn_matmul(g, ds, k, total);
        sim_cudnn_pointwise(g, CUDNN_POINTWISE_IDENTITY, total, NULL, dq);
    } else {
        sim_cudnn_matmul(g, ds, k, dq);
    }
}

sim_status sim_attention_plan(struct sim_cudnn_plan *out, enum sim_attention_pass pass,
                              const struct sim_attention_shape *s, const struct sim_cudnn_target *target)
{
    static const char *const names[] = {"forward", "forward", "backward", "fast backward"};
    memset(out, 0, sizeof *out);
    SIM_TRY(sim_attention_check(s, cudnnGetVersion()));
    sim_cudnn_graph_start(&out->graph);
    if (pass == SIM_ATTENTION_FORWARD || pass == SIM_ATTENTION_FORWARD_STATS)
        build_forward(&out->graph, s, pass == SIM_ATTENTION_FORWARD_STATS);
    else
        build_backward(&out->graph, s, pass == SIM_ATTENTION_BACKWARD_FAST);
    if (sim_cudnn_plan_open(out, target) == SIM_OK) return SIM_OK;
    char reason[1024];
    snprintf(reason, sizeof reason, "%s", sim_error_text());
    return sim_fail(SIM_ELIB,
                    "attention of %lld images, %lld tokens, %lld heads of %lld: %s has no %s plan: %s; "
                    "compute.precision: fp32 or tf32 does without it (" SIM_CUDNN_HINT ")",
                    (long long)s->batch, (long long)s->tokens, (long long)s->heads, (long long)s->head_dim,
                    sim_attention_library(), names[pass], reason);
}

const char *sim_attention_library(void)
{
    static char text[32]; /* the same at every call */
    if (!text[0]) {
        int version = (int)cudnnGetVersion();
        snprintf(text, sizeof text, "cudnn %d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    }
    return text;
}
