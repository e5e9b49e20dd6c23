/* How fast a backend multiplies matrices: what a step's rate is held against. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "ops.h"

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* count numbers in [-0.8, 0.8] in the backend's format: products of zeros draw less power and run faster. */
static sim_act *operand(const struct sim_ops *o, int64_t count, int modulus)
{
    unsigned char *host = sim_calloc_aligned((size_t)count, o->act_bytes);
    void *there = o->memory.take(o->memory.context, (size_t)count * o->act_bytes);
    for (int64_t i = 0; host && i < count; i++) {
        float f = (float)(i * 7919 % modulus) * (1.6f / (float)modulus) - 0.8f;
        /* bfloat16 is the upper half of a float */
        memcpy(host + (size_t)i * o->act_bytes, (unsigned char *)&f + (sizeof f - o->act_bytes),
               o->act_bytes);
    }
    if (host && there) o->upload(o, there, host, (size_t)count * o->act_bytes);
    free(host);
    return there;
}

double sim_ops_measure_gemm(const struct sim_ops *o, double seconds)
{
    /* tokens x hidden x width of a ViT's MLP; on a device many tokens, and several products between two waits
     */
    const int64_t m = o->discrete ? 16384 : 1024, n = o->discrete ? 3072 : 1536, k = 768;
    const int together = o->discrete ? 20 : 1;
    sim_act *a = operand(o, m * k, 8191), *b = operand(o, n * k, 4093), *y = operand(o, m * n, 3);
    double best = 0, start = now_s();
    if (a && b && y) {
        do {
            double t = now_s();
            for (int i = 0; i < together; i++) o->gemm(o, SIM_N, SIM_T, m, n, k, 1, a, k, b, k, 0, y, n);
            if (o->finish(o) != SIM_OK) break;
            double rate = 2e-9 * (double)(together * m) * (double)n * (double)k / (now_s() - t);
            if (rate > best) best = rate;
        } while (now_s() - start < seconds);
    }
    o->memory.release(o->memory.context, a);
    o->memory.release(o->memory.context, b);
    o->memory.release(o->memory.context, y);
    return best;
}
