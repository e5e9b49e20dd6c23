/* Backends of this program, each with the memory its operations work on. */
#include "trial.h"

#include <stdlib.h>
#include <string.h>

#include "cuda/bfloat16.h"

/* One CPU subject with the instruction set asked for, or what the machine has instead. */
static struct subject open_cpu(const char *isa)
{
    struct subject s = {.run = {{1, 19, 0}, {2, 19, 0}, {3, 19, 0}}, .runs = 3};
    if (isa) setenv("SIM_ISA", isa, 1);
    test_ok(sim_ops_open(&s.ops, "cpu", NULL));
    return s;
}

/* Off every boundary, where kernels take one element at a time, and on one, where they take 16 bytes; the
 * same bytes again, emulated with another number of threads and in another order. */
static struct subject open_cuda(enum sim_precision precision)
{
    struct subject s = {.run = {{2, 19, 0}, {1, 64, 0}, {2, 64, 1}}, .runs = 3};
    test_ok(sim_ops_open(&s.ops, "cuda", &(struct sim_device_options){.precision = precision}));
    s.bf16 = s.ops.act_bytes == 2;
    ck_assert_int_eq(s.bf16, precision == SIM_PRECISION_BF16);
    return s;
}

int subjects_open(struct subject list[TRIAL_SUBJECTS], int *floats)
{
    const char *wish = getenv("SIM_ISA");
    int narrow = wish && strcmp(wish, "avx2") == 0, count = 0;
    list[count++] = open_cpu("avx2");
    ck_assert_str_eq(list[0].ops.isa, "avx2");
    if (!narrow) {
        unsetenv("SIM_ISA");
        list[count++] = open_cpu(NULL);
        if (strcmp(list[1].ops.isa, list[0].ops.isa) == 0) list[1].ops.close(&list[1].ops), count--;
    }
    const int built = strstr(sim_ops_built_in(), "cuda") != NULL;
    if (built) list[count++] = open_cuda(SIM_PRECISION_FP32);
    if (floats) *floats = count;
    if (built) list[count++] = open_cuda(SIM_PRECISION_BF16);
    return count;
}

void subjects_close(struct subject *list, int count)
{
    for (int i = 0; i < count; i++) list[i].ops.close(&list[i].ops);
}

/* ------------------------------------------------------------------ memory */

void *subject_take(const struct subject *s, size_t bytes)
{
    void *p = s->ops.memory.take(s->ops.memory.context, bytes);
    ck_assert_msg(p != NULL, "no memory for a test: %s", sim_error_text());
    return p;
}

void subject_release(const struct subject *s, void *device)
{
    s->ops.memory.release(s->ops.memory.context, device);
}

void subject_upload(const struct subject *s, void *device, const void *host, size_t bytes)
{
    s->ops.upload(&s->ops, device, host, bytes);
    test_ok(s->ops.finish(&s->ops));
}

void subject_download(const struct subject *s, void *host, const void *device, size_t bytes)
{
    s->ops.download(&s->ops, host, device, bytes);
    test_ok(s->ops.finish(&s->ops));
}

float *subject_floats(const struct subject *s, const float *host, int64_t count)
{
    float *p = subject_take(s, (size_t)count * sizeof *p);
    subject_upload(s, p, host, (size_t)count * sizeof *p);
    return p;
}

float *subject_acts(const struct subject *s, const float *host, int64_t count)
{
    if (!s->bf16) return subject_floats(s, host, count);
    uint16_t *half = calloc((size_t)count, sizeof *half);
    void *p = subject_take(s, (size_t)count * sizeof *half);
    if (!half) ck_abort_msg("no memory for a test");
    for (int64_t i = 0; i < count; i++) half[i] = sim_bf16_round(host[i]);
    subject_upload(s, p, half, (size_t)count * sizeof *half);
    free(half);
    return p;
}

float *subject_empty_acts(const struct subject *s, int64_t count)
{
    return subject_take(s, (size_t)count * s->ops.act_bytes);
}

void subject_read(const struct subject *s, float *host, const float *device, int64_t count)
{
    subject_download(s, host, device, (size_t)count * sizeof *host);
}

void subject_read_acts(const struct subject *s, float *host, const float *device, int64_t count)
{
    s->ops.read_act(&s->ops, host, device, count);
    test_ok(s->ops.finish(&s->ops));
}

float subject_round(const struct subject *s, float x)
{
    return s->bf16 ? sim_bf16_widen(sim_bf16_round(x)) : x;
}
