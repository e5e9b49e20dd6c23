/* Attention where a device is only played: never fused, so that the composed form and its kernels run. */
#include "attention.h"

sim_status sim_attention_open(struct sim_attention **out, struct sim_cuda *c)
{
    (void)c;
    *out = NULL;
    return SIM_OK;
}

void sim_attention_close(struct sim_attention *a)
{
    (void)a;
}

int sim_attention_fused(struct sim_cuda *c, const struct sim_attention_shape *s)
{
    (void)c, (void)s;
    return 0;
}

void sim_attention_fused_forward(struct sim_cuda *c, void *out, float *lse, const void *qkv,
                                 const struct sim_attention_shape *s)
{
    (void)out, (void)lse, (void)qkv, (void)s;
    sim_cuda_fail(c, SIM_EINVAL, "the host emulation has no fused attention");
}

void sim_attention_fused_backward(struct sim_cuda *c, void *dqkv, const void *dout, const void *qkv,
                                  const void *out, const float *lse, const struct sim_attention_shape *s)
{
    (void)dqkv, (void)dout, (void)qkv, (void)out, (void)lse, (void)s;
    sim_cuda_fail(c, SIM_EINVAL, "the host emulation has no fused attention");
}

const char *sim_attention_library(void)
{
    return "";
}
