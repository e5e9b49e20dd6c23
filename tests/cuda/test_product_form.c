/* How a row-major product reaches a column-major library: the mapping against plain loops in either order,
 * and what tells two plans apart. */
#include <stdlib.h>
#include <string.h>

#include "product_form.h"
#include "status.h"
#include "support.h"

static float number(int64_t i)
{
    return (float)((i * 7 + 3) % 11) - 5;
}

static float *filled(int64_t count)
{
    float *x = malloc((size_t)count * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (int64_t i = 0; i < count; i++) x[i] = number(i);
    return x;
}

/* The element (i, j) of op(matrix), stored column by column. */
static float column_element(const float *at, const struct sim_column_matrix *m, int64_t i, int64_t j)
{
    int64_t row = m->trans == SIM_T ? j : i, col = m->trans == SIM_T ? i : j;
    ck_assert_int_lt(row, m->rows);
    ck_assert_int_lt(col, m->cols);
    ck_assert_int_ge(m->ld, m->rows);
    return at[row + col * m->ld];
}

/* What a column-major library would do. */
static void multiply_columns(const struct sim_product_columns *c, const float *first, const float *second,
                             float *out, int64_t k)
{
    ck_assert_int_eq(c->first.trans == SIM_T ? c->first.rows : c->first.cols, k);
    ck_assert_int_eq(c->second.trans == SIM_T ? c->second.cols : c->second.rows, k);
    for (int64_t j = 0; j < c->out.cols; j++)
        for (int64_t i = 0; i < c->out.rows; i++) {
            float sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += column_element(first, &c->first, i, l) * column_element(second, &c->second, l, j);
            out[i + j * c->out.ld] = sum;
        }
}

START_TEST(columns)
{
    const int64_t m = 3, n = 5, k = 4, batch = 2;
    for (int variant = 0; variant < 8; variant++) {
        struct sim_product p = {.ta = variant & 1 ? SIM_T : SIM_N,
                                .tb = variant & 2 ? SIM_T : SIM_N,
                                .m = m,
                                .n = n,
                                .k = k,
                                .batch = batch,
                                .alpha = 1};
        const int64_t a_rows = variant & 1 ? k : m, b_rows = variant & 2 ? n : k, more = variant & 4 ? 3 : 0;
        p.lda = (variant & 1 ? m : k) + more, p.ldb = (variant & 2 ? k : n) + more, p.ldc = n + more;
        p.stride_a = a_rows * p.lda, p.stride_b = b_rows * p.ldb, p.stride_c = m * p.ldc;
        float *a = filled(batch * p.stride_a), *b = filled(batch * p.stride_b),
              *out = filled(batch * p.stride_c);
        p.a = a, p.b = b, p.c = out;
        struct sim_product_form form = sim_product_form(&p, NULL, SIM_PRECISION_FP32);
        struct sim_product_columns c = sim_product_columns(&form);
        for (int64_t t = 0; t < batch; t++)
            multiply_columns(&c, b + t * c.first.stride, a + t * c.second.stride, out + t * c.out.stride, k);
        for (int64_t t = 0; t < batch; t++)
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < p.ldc; j++) {
                    const int64_t at = t * p.stride_c + i * p.ldc + j;
                    float sum = 0;
                    for (int64_t l = 0; l < k; l++)
                        sum += (p.ta == SIM_T ? a[t * p.stride_a + l * p.lda + i]
                                              : a[t * p.stride_a + i * p.lda + l]) *
                               (p.tb == SIM_T ? b[t * p.stride_b + j % n * p.ldb + l]
                                              : b[t * p.stride_b + l * p.ldb + j % n]);
                    if (j >= n) sum = number(at); /* between the rows nothing is written */
                    ck_assert_msg(out[at] == sum, "variant %d, batch %d, (%d, %d): %g, not %g", variant,
                                  (int)t, (int)i, (int)j, out[at], sum);
                }
        free(a), free(b), free(out);
    }
}
END_TEST

static struct sim_product_form form_of(const struct sim_product *p, const void *bias)
{
    return sim_product_form(p, bias, SIM_PRECISION_BF16);
}

START_TEST(what_a_plan_depends_on)
{
    _Alignas(32) static char memory[256];
    struct sim_product p = {.m = 8, .n = 8, .k = 8, .lda = 8, .ldb = 8, .ldc = 8, .batch = 1, .alpha = 1};
    p.a = memory, p.b = memory + 64, p.c = memory + 128;
    const struct sim_product_form plain = form_of(&p, NULL);
    char text[512], other_text[512];
    sim_product_form_text(&plain, text, sizeof text);
    ck_assert_ptr_null(strpbrk(text, "\t\n"));

    struct sim_product elsewhere = p;
    elsewhere.a = memory + 32, elsewhere.alpha = 2; /* neither address nor factor is part of it */
    struct sim_product_form same = form_of(&elsewhere, NULL);
    ck_assert_mem_eq(&plain, &same, sizeof same);
    ck_assert_uint_eq(sim_product_form_hash(&plain), sim_product_form_hash(&same));

    struct sim_product other[6];
    for (int i = 0; i < 6; i++) other[i] = p;
    other[0].ta = SIM_T;
    other[1].a = memory + 2; /* less aligned */
    other[2].beta = 1;       /* onto itself */
    other[3].beta = 1, other[3].residual = memory + 192;
    other[4].out = SIM_ELEMENT_BF16;
    other[5].ldc = 16;
    for (int i = 0; i < 6; i++) {
        struct sim_product_form f = form_of(&other[i], NULL);
        sim_product_form_text(&f, other_text, sizeof other_text);
        ck_assert_msg(memcmp(&plain, &f, sizeof f) != 0, "case %d is the same plan", i);
        ck_assert_msg(strcmp(text, other_text) != 0, "case %d has the same text", i);
    }
    ck_assert_int_eq(form_of(&other[1], NULL).align_a, 2);
    other[1].a = memory, other[1].batch = 2, other[1].stride_a = 66; /* the second matrix is */
    ck_assert_int_eq(form_of(&other[1], NULL).align_a, 8);
    ck_assert_int_eq(form_of(&other[2], NULL).add, SIM_ADD_ITSELF);
    ck_assert_int_eq(form_of(&other[3], NULL).add, SIM_ADD_RESIDUAL);
    other[3].residual = other[3].c;
    ck_assert_int_eq(form_of(&other[3], NULL).add, SIM_ADD_ITSELF);
    ck_assert_int_eq(form_of(&p, memory + 4).bias, 1);
    ck_assert_int_eq(form_of(&p, memory + 4).align_bias, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("product_form");
    TCase *t = tcase_create("forms");
    tcase_add_test(t, columns);
    tcase_add_test(t, what_a_plan_depends_on);
    suite_add_tcase(suite, t);
    return test_run(suite);
}
