/* Matrix products on a device: nvidia/products.c over cuBLASLt, shim/products.c over oneDNN on the host.
 * Everything row-major; operands are fp32 or bf16, sums fp32, an output is rounded once. */
#ifndef SIM_CUDA_PRODUCTS_H
#define SIM_CUDA_PRODUCTS_H

#include "cuda.h"

/* c (m, n) = alpha op(a) op(b) + beta residual (+ bias (n) in every row); op(a) is (m, k), op(b) (k, n); ld*
 * row strides of the stored matrices.  `batch` such products, stride_* elements apart (1 and 0 for one). */
struct sim_product {
    enum sim_trans ta, tb;
    int64_t m, n, k, lda, ldb, ldc;
    int64_t batch, stride_a, stride_b, stride_c;
    float alpha, beta;
    enum sim_element in, out; /* of a and b; of c */
    const void *a, *b;
    void *c;
    const void *residual; /* laid out like c, not overlapping it but where it is c; NULL: c itself */
    const float *bias;    /* a parameter of (n), or NULL; added to a bf16 output as its bf16 copy */
};

/* out (m, n) = op(a) op(b), once: dense matrices whose elements are all `type`.  The caller changes what is
 * otherwise. */
static inline struct sim_product sim_product_dense(enum sim_element type, enum sim_trans ta,
                                                   enum sim_trans tb, int64_t m, int64_t n, int64_t k,
                                                   const void *a, const void *b, void *out)
{
    return (struct sim_product){.ta = ta,
                                .tb = tb,
                                .m = m,
                                .n = n,
                                .k = k,
                                .lda = ta == SIM_N ? k : m,
                                .ldb = tb == SIM_N ? n : k,
                                .ldc = n,
                                .batch = 1,
                                .alpha = 1,
                                .in = type,
                                .out = type,
                                .a = a,
                                .b = b,
                                .c = out};
}

/* handles, one workspace, the cache of plans by shape key */
sim_status sim_products_open(struct sim_products **out, struct sim_cuda *c);
void sim_products_close(struct sim_products *p); /* NULL is legal */
/* Queues it; a failure is kept in the context and names the shape, the library's version and its answer. */
void sim_products_run(struct sim_cuda *c, const struct sim_product *p);
/* "cublaslt 13.1.0": for records; "" for the shim. */
const char *sim_products_library(void);

#endif
