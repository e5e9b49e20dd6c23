/* What the device can do at best: the rates that everything else is held against. */
#include <stdio.h>

#include "gpu_bench.h"
#include "marks.h"

struct product {
    const struct sim_ops *o;
    sim_act *a, *b, *c;
    int64_t m, n, k;
};

static void multiply(void *argument)
{
    struct product *p = argument;
    p->o->gemm(p->o, SIM_N, SIM_T, p->m, p->n, p->k, 1, p->a, p->k, p->b, p->k, 0, p->c, p->n);
}

static sim_status time_product(const struct sim_ops *o, int64_t m, int64_t n, int64_t k, const char *precision)
{
    struct product p = {o, sim_bench_acts(o, m * k), sim_bench_acts(o, n * k), sim_bench_acts(o, m * n), m, n, k};
    const struct sim_repeat r = {o, multiply, &p, 0.1};
    char name[80];
    double seconds = 0;
    snprintf(name, sizeof name, "gemm %s %ld x %ld x %ld", precision, (long)m, (long)n, (long)k);
    sim_status status = p.a && p.b && p.c ? sim_repeat_time(&r, &seconds)
                                          : sim_fail(SIM_ENOMEM, "no memory for %s", name);
    if (status == SIM_OK)
        status = sim_line_print(json_pack("{s:s, s:s, s:s, s:s, s:f, s:s}", "kind", "rate", "name", name,
                                          "precision", precision, "of", "gemm", "value",
                                          2e-12 * (double)m * (double)n * (double)k / seconds, "unit", "TFLOP/s"));
    sim_bench_release(o, p.a), sim_bench_release(o, p.b), sim_bench_release(o, p.c);
    return status;
}

struct copy {
    const struct sim_ops *o;
    void *to, *from;
    size_t bytes;
};

static void copy(void *argument)
{
    struct copy *c = argument;
    sim_marks_copy(c->o, c->to, c->from, c->bytes);
}

/* Bytes read and written, by the driver's own copy. */
static sim_status time_copy(const struct sim_ops *o, size_t bytes)
{
    struct copy c = {o, o->memory.take(o->memory.context, bytes),
                     o->memory.take(o->memory.context, bytes), bytes};
    const struct sim_repeat r = {o, copy, &c, 0.1};
    double seconds = 0;
    sim_status status = c.to && c.from ? sim_repeat_time(&r, &seconds)
                                       : sim_fail(SIM_ENOMEM, "no memory to copy %zu bytes", bytes);
    if (status == SIM_OK)
        status = sim_line_print(json_pack("{s:s, s:s, s:s, s:f, s:s}", "kind", "rate", "name",
                                          "copy on the device, read + written", "of", "copy", "value",
                                          2e-9 * (double)bytes / seconds, "unit", "GB/s"));
    sim_bench_release(o, c.to), sim_bench_release(o, c.from);
    return status;
}

sim_status sim_bench_rates(int tiny)
{
    static const struct {
        enum sim_precision precision;
        const char *name;
    } kinds[] = {{SIM_PRECISION_BF16, "bf16"}, {SIM_PRECISION_TF32, "tf32"}, {SIM_PRECISION_FP32, "fp32"}};
    for (int i = 0; i < 3; i++) {
        struct sim_ops o;
        const int64_t side = tiny ? 32 : 8192;
        SIM_TRY(sim_ops_open(&o, "cuda", &(struct sim_device_options){.precision = kinds[i].precision}));
        sim_status status = time_product(&o, side, side, side, kinds[i].name);
        /* fc1 of ViT-B's predictor at batch 256 */
        if (status == SIM_OK && i == 0)
            status = time_product(&o, tiny ? 40 : 256 * 275, tiny ? 64 : 3072, tiny ? 16 : 768, kinds[i].name);
        if (status == SIM_OK && i == 0) status = time_copy(&o, tiny ? 4096 : (size_t)1 << 30);
        o.close(&o);
        SIM_TRY(status);
    }
    return SIM_OK;
}
