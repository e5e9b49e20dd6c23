/* The CPU backend: opening, choosing the instruction set, scratch memory, failures. */
#include "cpu.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "isa.h"

void sim_cpu_fail(struct sim_cpu *c, sim_status code, const char *sentence)
{
#pragma omp critical(sim_cpu_failure)
    if (c->failed == SIM_OK) {
        c->failed = code;
        snprintf(c->sentence, sizeof c->sentence, "%s", sentence);
    }
}

static float *grow(struct sim_cpu *c, struct sim_lane *lane, size_t count)
{
    size_t bytes = count * sizeof(float);
    if (bytes <= lane->bytes && lane->data) return lane->data;
    free(lane->data);
    lane->data = sim_calloc_aligned(count, sizeof(float));
    lane->bytes = lane->data ? bytes : 0;
    if (!lane->data) sim_cpu_fail(c, SIM_ENOMEM, "no memory for an operation's scratch space");
    return lane->data;
}

void sim_cpu_sum_over_ranks(const struct sim_ops *o, double *values, int64_t count)
{
    sim_status s = sim_ranks_sum(o->ranks, values, count);
    if (s != SIM_OK) sim_cpu_fail(sim_cpu(o), s, sim_error_text());
}

void sim_cpu_mean_over_ranks(const struct sim_ops *o, double *value)
{
    if (!o->ranks) return;
    sim_cpu_sum_over_ranks(o, value, 1);
    *value /= o->ranks->size;
}

float *sim_cpu_scratch(struct sim_cpu *c, size_t count)
{
    int lane = omp_get_thread_num();
    if (lane >= SIM_MAX_LANES) {
        sim_cpu_fail(c, SIM_EINVAL, "more than 512 threads");
        return NULL;
    }
    return grow(c, &c->lane[lane], count);
}

float *sim_cpu_shared(struct sim_cpu *c, size_t count)
{
    return grow(c, &c->shared, count);
}

static sim_status finish(const struct sim_ops *o)
{
    struct sim_cpu *c = sim_cpu(o);
    sim_status failed = c->failed;
    if (failed == SIM_OK) return SIM_OK;
    c->failed = SIM_OK;
    return sim_fail(failed, "CPU backend: %s", c->sentence);
}

static void close_backend(struct sim_ops *o)
{
    struct sim_cpu *c = o->context;
    if (!c) return;
    free(c->shared.data);
    for (int i = 0; i < SIM_MAX_LANES; i++) free(c->lane[i].data);
    free(c);
    memset(o, 0, sizeof *o);
}

sim_status sim_ops_cpu_open(struct sim_ops *out, const struct sim_device_options *options)
{
    enum sim_precision precision = options ? options->precision : SIM_PRECISION_AUTO;
    if (precision != SIM_PRECISION_AUTO && precision != SIM_PRECISION_FP32)
        return sim_fail(SIM_EINVAL,
                        "the CPU computes in fp32 only; compute.precision must be fp32 or auto here");
    if (!sim_cpu_has_v3())
        return sim_fail(SIM_EINVAL, "this processor lacks AVX2 and FMA, which the CPU backend is built for");
    struct sim_cpu *c = sim_calloc_aligned(1, sizeof *c);
    if (!c) return sim_fail(SIM_ENOMEM, "no memory for the CPU backend");
    if (sim_cpu_kept_narrow())
        dnnl_set_max_cpu_isa(
            dnnl_cpu_isa_avx2); /* heeded where oneDNN has not yet been used in this process */
    if (sim_cpu_has_v4()) {
        c->k.isa = "avx512";
        sim_kernels_tiles_v4(&c->k);
        sim_kernels_norms_v4(&c->k);
        sim_kernels_softmax_v4(&c->k);
        sim_kernels_flat_v4(&c->k);
    } else {
        c->k.isa = "avx2";
        sim_kernels_tiles_v3(&c->k);
        sim_kernels_norms_v3(&c->k);
        sim_kernels_softmax_v3(&c->k);
        sim_kernels_flat_v3(&c->k);
    }
    *out = (struct sim_ops){
        .name = "cpu",
        .isa = c->k.isa,
        .precision = SIM_PRECISION_FP32,
        .deterministic = 1,
        .act_bytes = sizeof(float),
        .memory = sim_host_memory,
        .ranks = options ? options->ranks : NULL,
        .context = c,
        .finish = finish,
        .close = close_backend,
    };
    sim_cpu_transfers(out);
    sim_cpu_products(out);
    sim_cpu_norms(out);
    sim_cpu_attention(out);
    sim_cpu_tokens(out);
    sim_cpu_cross_entropy(out);
    sim_cpu_masked(out);
    sim_cpu_contrast(out);
    sim_cpu_passes(out);
    sim_cpu_facts(out);
    return SIM_OK;
}
