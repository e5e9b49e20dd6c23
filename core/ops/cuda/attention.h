/* Fused attention on a device: nvidia/attention_*.c over cuDNN's graph API for bf16.  attention_products.c
 * composes it of products and a softmax kernel, for fp32 and TF32 (cuDNN fuses no fp32 attention) and for the
 * shim. */
#ifndef SIM_CUDA_ATTENTION_H
#define SIM_CUDA_ATTENTION_H

#include "cuda.h"
#include "plan.h"

/* What the fused form takes of cuDNN and of shapes: not 9.10.0, 9.10.1 nor anything before 9.16 (wrong
 * results), and a head dimension that is a multiple of 8, up to 256.  cudnn: 91900 is 9.19.0.  The sentence
 * names shape or version, and the remedy. */
sim_status sim_attention_check(const struct sim_attention_shape *s, size_t cudnn);
sim_status sim_attention_check_version(size_t cudnn);

sim_status sim_attention_open(struct sim_attention **out, struct sim_cuda *c);
void sim_attention_close(struct sim_attention *a);
/* 1: this shape goes through the library's fused form; 0: composed of products.  Nothing is composed in the
 * fused form's place: a shape that it cannot do fails when it runs, naming shape, version and remedy. */
int sim_attention_fused(struct sim_cuda *c, const struct sim_attention_shape *s);
void sim_attention_fused_forward(struct sim_cuda *c, void *out, float *lse, const void *qkv,
                                 const struct sim_attention_shape *s);
void sim_attention_fused_backward(struct sim_cuda *c, void *dqkv, const void *dout, const void *qkv,
                                  const void *out, const float *lse, const struct sim_attention_shape *s);
/* "cudnn 9.19.0", "" for the shim. */
const char *sim_attention_library(void);

#endif
