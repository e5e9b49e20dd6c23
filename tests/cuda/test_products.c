/* Products of the emulated device against plain loops in double: every transposition, batches, leading
 * dimensions, what is added, and one rounding. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bfloat16.h"
#include "kernels.h"
#include "products.h"
#include "support.h"

static struct sim_ops ops;
static struct sim_cuda *c;

static void open_backend(enum sim_precision precision)
{
    test_ok(sim_ops_cuda_open(&ops, &(struct sim_device_options){.precision = precision}));
    c = sim_cuda(&ops);
}

static void close_backend(void)
{
    test_ok(ops.finish(&ops));
    ops.close(&ops);
}

/* Numbers on the device as a type, and what they are there in double. */
struct numbers {
    void *at;
    double *value;
    int64_t count;
    enum sim_element type;
};

static size_t width(enum sim_element type)
{
    return type == SIM_ELEMENT_BF16 ? 2 : 4;
}

static double rounded(double value, enum sim_element type)
{
    return type == SIM_ELEMENT_BF16 ? sim_bf16_widen(sim_bf16_round((float)value)) : (float)value;
}

static uint64_t state = 1;

static double draw(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(int64_t)(state >> 33) / (double)(1u << 30) - 1;
}

static struct numbers make(int64_t count, enum sim_element type, const double *values)
{
    struct numbers n = {ops.memory.take(ops.memory.context, (size_t)count * width(type)),
                        malloc((size_t)count * sizeof(double)), count, type};
    void *bits = malloc((size_t)count * width(type));
    ck_assert(n.at && n.value && bits);
    for (int64_t i = 0; i < count; i++) {
        n.value[i] = rounded(values ? values[i] : draw(), type);
        if (type == SIM_ELEMENT_BF16)
            ((uint16_t *)bits)[i] = sim_bf16_round((float)n.value[i]);
        else
            ((float *)bits)[i] = (float)n.value[i];
    }
    ops.upload(&ops, n.at, bits, (size_t)count * width(type));
    free(bits);
    return n;
}

static void fetch(struct numbers *n)
{
    void *bits = malloc((size_t)n->count * width(n->type));
    ck_assert_ptr_nonnull(bits);
    ops.download(&ops, bits, n->at, (size_t)n->count * width(n->type));
    for (int64_t i = 0; i < n->count; i++)
        n->value[i] =
            n->type == SIM_ELEMENT_BF16 ? sim_bf16_widen(((uint16_t *)bits)[i]) : ((float *)bits)[i];
    free(bits);
}

static void drop(struct numbers *n)
{
    ops.memory.release(ops.memory.context, n->at);
    free(n->value);
}

enum { FROM_ITSELF = 1, FROM_RESIDUAL = 2, WITH_BIAS = 4 };

/* One product against loops; what lies between the output's rows stays. */
static void try(struct sim_product p, int added)
{
    const int64_t a_rows = p.ta == SIM_T ? p.k : p.m, b_rows = p.tb == SIM_T ? p.n : p.k;
    const int64_t a_count = (p.batch - 1) * p.stride_a + a_rows * p.lda,
                  b_count = (p.batch - 1) * p.stride_b + b_rows * p.ldb,
                  c_count = (p.batch - 1) * p.stride_c + p.m * p.ldc;
    struct numbers a = make(a_count, p.in, NULL), b = make(b_count, p.in, NULL),
                   out = make(c_count, p.out, NULL);
    struct numbers residual = make(c_count, p.out, NULL), bias = make(p.n, SIM_ELEMENT_F32, NULL);
    double *before = malloc((size_t)c_count * sizeof *before);
    memcpy(before, out.value, (size_t)c_count * sizeof *before);
    ops.weights_changed(&ops, bias.at, p.n);
    p.a = a.at, p.b = b.at, p.c = out.at;
    p.beta = added & (FROM_ITSELF | FROM_RESIDUAL) ? 0.5f : 0;
    p.residual = added & FROM_RESIDUAL ? residual.at : NULL;
    p.bias = added & WITH_BIAS ? bias.at : NULL;
    sim_products_run(c, &p);
    test_ok(ops.finish(&ops));
    fetch(&out);
    const double *from = p.residual ? residual.value : before;
    const double bound = p.out == SIM_ELEMENT_BF16 ? 1.0 / 256 : 1e-5;
    for (int64_t t = 0; t < p.batch; t++)
        for (int64_t i = 0; i < p.m; i++)
            for (int64_t j = 0; j < p.ldc; j++) {
                const int64_t at = t * p.stride_c + i * p.ldc + j;
                if (at >= c_count) break;
                if (j >= p.n) {
                    ck_assert_msg(out.value[at] == before[at], "written between rows");
                    continue;
                }
                double sum = 0, size = 0;
                for (int64_t l = 0; l < p.k; l++) {
                    double x = a.value[t * p.stride_a + (p.ta == SIM_T ? l * p.lda + i : i * p.lda + l)],
                           w = b.value[t * p.stride_b + (p.tb == SIM_T ? j * p.ldb + l : l * p.ldb + j)];
                    sum += x * w, size += fabs(x * w);
                }
                double want = p.alpha * sum + p.beta * from[at];
                if (p.bias) want += rounded(bias.value[j], p.out);
                ck_assert_msg(fabs(out.value[at] - want) <= bound * fabs(want) + 1e-6 * (size + 1),
                              "%d x %d x %d, ta %d tb %d, batch %d, added %d, (%d, %d): %.9g, not %.9g",
                              (int)p.m, (int)p.n, (int)p.k, p.ta, p.tb, (int)t, added, (int)i, (int)j,
                              out.value[at], want);
            }
    free(before);
    drop(&a), drop(&b), drop(&out), drop(&residual), drop(&bias);
}

static void try_all(enum sim_element in, enum sim_element out)
{
    static const int64_t shapes[][3] = {{1, 1, 1}, {7, 5, 3}, {16, 8, 33}, {3, 40, 17}};
    for (int s = 0; s < 4; s++)
        for (int variant = 0; variant < 32; variant++) {
            const int64_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
            struct sim_product p = {.ta = variant & 1 ? SIM_T : SIM_N,
                                    .tb = variant & 2 ? SIM_T : SIM_N,
                                    .m = m,
                                    .n = n,
                                    .k = k,
                                    .batch = variant & 4 ? 3 : 1,
                                    .alpha = 1.25f,
                                    .in = in,
                                    .out = out};
            const int64_t more = variant & 8 ? 5 : 0;
            p.lda = (variant & 1 ? m : k) + more, p.ldb = (variant & 2 ? k : n) + more, p.ldc = n + more;
            if (p.batch > 1) {
                p.stride_a = (variant & 1 ? k : m) * p.lda + 2;
                p.stride_b = variant & 16 ? 0 : (variant & 2 ? n : k) * p.ldb; /* 0: one for all */
                p.stride_c = m * p.ldc + more;
            }
            try(p, 0);
            try(p, FROM_ITSELF);
            try(p, FROM_RESIDUAL | WITH_BIAS);
            try(p, WITH_BIAS);
        }
}

START_TEST(in_fp32)
{
    open_backend(SIM_PRECISION_FP32);
    try_all(SIM_ELEMENT_F32, SIM_ELEMENT_F32);
    close_backend();
}
END_TEST

START_TEST(in_bf16)
{
    open_backend(SIM_PRECISION_BF16);
    try_all(SIM_ELEMENT_BF16, SIM_ELEMENT_BF16);
    try_all(SIM_ELEMENT_BF16, SIM_ELEMENT_F32);
    close_backend();
}
END_TEST

START_TEST(an_output_is_rounded_once)
{
    /* 257 + 1 is a bfloat16; 257 is none, and would become 256. */
    open_backend(SIM_PRECISION_BF16);
    struct numbers a = make(2, SIM_ELEMENT_BF16, (double[]){256, 1}),
                   b = make(2, SIM_ELEMENT_BF16, (double[]){1, 1});
    struct numbers out = make(1, SIM_ELEMENT_BF16, (double[]){0}),
                   bias = make(1, SIM_ELEMENT_F32, (double[]){1});
    ops.weights_changed(&ops, bias.at, 1);
    sim_products_run(c, &(struct sim_product){.m = 1,
                                              .n = 1,
                                              .k = 2,
                                              .lda = 2,
                                              .ldb = 1,
                                              .ldc = 1,
                                              .batch = 1,
                                              .alpha = 1,
                                              .in = SIM_ELEMENT_BF16,
                                              .out = SIM_ELEMENT_BF16,
                                              .a = a.at,
                                              .b = b.at,
                                              .c = out.at,
                                              .bias = bias.at});
    test_ok(ops.finish(&ops));
    fetch(&out);
    ck_assert_msg(out.value[0] == 258, "%g", out.value[0]);
    drop(&a), drop(&b), drop(&out), drop(&bias);
    close_backend();
}
END_TEST

START_TEST(a_bias_outside_every_block_is_an_error)
{
    open_backend(SIM_PRECISION_BF16);
    struct numbers x = make(4, SIM_ELEMENT_BF16, NULL), bias = make(2, SIM_ELEMENT_F32, NULL);
    sim_products_run(c, &(struct sim_product){.m = 2,
                                              .n = 2,
                                              .k = 2,
                                              .lda = 2,
                                              .ldb = 2,
                                              .ldc = 2,
                                              .batch = 1,
                                              .alpha = 1,
                                              .in = SIM_ELEMENT_BF16,
                                              .out = SIM_ELEMENT_BF16,
                                              .a = x.at,
                                              .b = x.at,
                                              .c = x.at,
                                              .bias = bias.at});
    test_fails(ops.finish(&ops), "weights_changed");
    drop(&x), drop(&bias);
    close_backend();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("products");
    TCase *t = tcase_create("emulated");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, in_fp32);
    tcase_add_test(t, in_bf16);
    tcase_add_test(t, an_output_is_rounded_once);
    tcase_add_test(t, a_bias_outside_every_block_is_an_error);
    suite_add_tcase(suite, t);
    return test_run(suite);
}
