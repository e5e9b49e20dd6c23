/* What a library's plan for a product depends on, addresses aside, and the same product as a column-major
 * library sees it. */
#ifndef SIM_PRODUCT_FORM_H
#define SIM_PRODUCT_FORM_H

#include "products.h"

enum sim_product_add {
    SIM_ADD_NOTHING, /* beta is 0 */
    SIM_ADD_ITSELF,  /* the output's earlier contents: running it twice is not running it once */
    SIM_ADD_RESIDUAL
};

/* Without padding: two forms are equal where their bytes are. */
struct sim_product_form {
    int64_t m, n, k, lda, ldb, ldc;
    int64_t batch, stride_a, stride_b, stride_c;
    int32_t ta, tb, in, out;                                       /* enums of struct sim_product */
    int32_t precision;                                             /* enum sim_precision */
    int32_t bias, add;                                             /* 0 or 1; enum sim_product_add */
    int32_t align_a, align_b, align_c, align_residual, align_bias; /* bytes, at most 16 */
};
_Static_assert(sizeof(struct sim_product_form) == 10 * sizeof(int64_t) + 12 * sizeof(int32_t), "no padding");

struct sim_product_form sim_product_form(const struct sim_product *p, const void *bias,
                                         enum sim_precision precision);
uint64_t sim_product_form_hash(const struct sim_product_form *f);
/* "bf16 to bf16, 50432x768 x 768x3072, ..."; every field, in one line without tabs. */
void sim_product_form_text(const struct sim_product_form *f, char *out, size_t size);

/* A stored matrix in a column-major library's words; trans: it is to be transposed. */
struct sim_column_matrix {
    int64_t rows, cols, ld, stride; /* stride: between the matrices of a batch */
    enum sim_trans trans;
};

/* out = op(first) op(second), (n, m): the transpose of c, which in columns has the very bytes of c in rows.
 * first is the product's b and second its a; the bias runs along out's rows. */
struct sim_product_columns {
    struct sim_column_matrix first, second, out;
};
struct sim_product_columns sim_product_columns(const struct sim_product_form *f);

#endif
