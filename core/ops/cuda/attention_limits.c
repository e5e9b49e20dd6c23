/* What cuDNN's fused attention can be trusted with: versions and shapes. */
#include "attention.h"

enum { LEAST_CUDNN = 91600, LARGEST_HEAD = 256 };

sim_status sim_attention_check_version(size_t cudnn)
{
    const int version = (int)cudnn;
    const char *why = NULL;
    if (version == 91000 || version == 91001)
        why = "its attention is broken";
    else if (version < LEAST_CUDNN)
        why = "its attention gives wrong gradients where the number of tokens is no multiple of 128";
    if (!why) return SIM_OK;
    return sim_fail(SIM_EINVAL,
                    "cuDNN %d.%d.%d: %s; 9.16 or later does (9.19 is what this program was written for), or "
                    "compute.precision: fp32 or tf32, which does without it",
                    version / 10000, version / 100 % 100, version % 100, why);
}

sim_status sim_attention_check(const struct sim_attention_shape *s, size_t cudnn)
{
    const int version = (int)cudnn;
    SIM_TRY(sim_attention_check_version(cudnn));
    if (s->batch >= 1 && s->tokens >= 1 && s->heads >= 1 && s->head_dim >= 8 && s->head_dim % 8 == 0 &&
        s->head_dim <= LARGEST_HEAD)
        return SIM_OK;
    return sim_fail(SIM_EINVAL,
                    "attention of %lld images, %lld tokens, %lld heads of %lld: cuDNN %d.%d.%d fuses bf16 "
                    "attention only for head dimensions that are multiples of 8, up to %d; choose another "
                    "number of heads, or compute.precision: fp32 or tf32",
                    (long long)s->batch, (long long)s->tokens, (long long)s->heads, (long long)s->head_dim,
                    version / 10000, version / 100 % 100, version % 100, LARGEST_HEAD);
}
