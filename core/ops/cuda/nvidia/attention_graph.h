/* Attention as graphs for cuDNN: the library's own forward operation, and the backward as the composite of
 * products and pointwise operations that its fused engines recognise.
 *
 * q, k, v and their gradients are views of one (B, N, 3 H d) tensor, the output of one (B, N, H d).  The
 * softmax's log denominator ("stats") and the backward's scratch are (B, H, N) float32, densely packed:
 * engines ignore other strides and give wrong gradients then, so there is no way to ask for others. */
#ifndef SIM_ATTENTION_GRAPH_H
#define SIM_ATTENTION_GRAPH_H

#include "cudnn_graph.h"
#include "plan.h"

/* The operands that a plan is run with.  One number is one uid. */
enum sim_attention_operand {
    SIM_ATTENTION_Q = 1,
    SIM_ATTENTION_K,
    SIM_ATTENTION_V,
    SIM_ATTENTION_O,
    SIM_ATTENTION_STATS,
    SIM_ATTENTION_SCALE, /* 1 / sqrt(d), by value */
    SIM_ATTENTION_DO,
    SIM_ATTENTION_DQ,
    SIM_ATTENTION_DK,
    SIM_ATTENTION_DV,
    SIM_ATTENTION_ONE,      /* 1, by value */
    SIM_ATTENTION_SUM,      /* scratch: rows of dO * O, summed */
    SIM_ATTENTION_DQ_TOTAL, /* scratch of the fast form: dQ in float32 */
    SIM_ATTENTION_OPERANDS
};

/* The scratch that the caller lends a backward besides the workspace, in bytes. */
int64_t sim_attention_sum_bytes(const struct sim_attention_shape *s);
int64_t sim_attention_dq_bytes(const struct sim_attention_shape *s, enum sim_attention_pass pass);

/* Builds and plans.  The failure's sentence names pass, shape, version, reason and remedy. */
sim_status sim_attention_plan(struct sim_cudnn_plan *out, enum sim_attention_pass pass,
                              const struct sim_attention_shape *s, const struct sim_cudnn_target *target);

#endif
