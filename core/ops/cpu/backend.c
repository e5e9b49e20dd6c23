/* The CPU backend: opening, choosing the instruction set, scratch memory, failures. */
#include "cpu.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

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

sim_status sim_ops_cpu_open(struct sim_ops *out)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return sim_fail(SIM_EINVAL, "this processor lacks AVX2 and FMA, which the CPU backend is built for");
    struct sim_cpu *c = sim_calloc_aligned(1, sizeof *c);
    if (!c) return sim_fail(SIM_ENOMEM, "no memory for the CPU backend");
    const char *wish = getenv("SIM_ISA");
    int narrow = wish && strcmp(wish, "avx2") == 0;
    if (narrow)
        dnnl_set_max_cpu_isa(
            dnnl_cpu_isa_avx2); /* heeded where oneDNN has not yet been used in this process */
    if (!narrow && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd")) {
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
        .name = "cpu", .isa = c->k.isa, .context = c, .finish = finish, .close = close_backend};
    sim_cpu_products(out);
    sim_cpu_norms(out);
    sim_cpu_attention(out);
    sim_cpu_tokens(out);
    sim_cpu_passes(out);
    return SIM_OK;
}

sim_status sim_ops_open(struct sim_ops *out, const char *name)
{
    if (strcmp(name, "cpu") == 0) return sim_ops_cpu_open(out);
    return sim_fail(SIM_EINVAL, "device '%s' is not in this build, which has: cpu", name);
}

double sim_ops_measure_gemm(const struct sim_ops *o, double seconds)
{
    enum { M = 1024, N = 1536, K = 768 }; /* tokens x hidden x width of a ViT's MLP */
    float *a = sim_calloc_aligned((size_t)M * K, sizeof *a),
          *b = sim_calloc_aligned((size_t)N * K, sizeof *b),
          *y = sim_calloc_aligned((size_t)M * N, sizeof *y);
    double best = 0, start = omp_get_wtime();
    if (a && b && y) {
        for (int64_t i = 0; i < (int64_t)M * K; i++) a[i] = (float)(i % 13) * 0.1f - 0.6f;
        for (int64_t i = 0; i < (int64_t)N * K; i++) b[i] = (float)(i % 17) * 0.1f - 0.8f;
        do {
            double t = omp_get_wtime();
            o->gemm(o, SIM_N, SIM_T, M, N, K, 1, a, K, b, K, 0, y, N);
            if (o->finish(o) != SIM_OK) break;
            double rate = 2e-9 * M * N * K / (omp_get_wtime() - t);
            if (rate > best) best = rate;
        } while (omp_get_wtime() - start < seconds);
    }
    free(a), free(b), free(y);
    return best;
}
