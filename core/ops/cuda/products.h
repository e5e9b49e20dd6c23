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
    enum sim_dtype in, out; /* of a and b; of c */
    const void *a, *b;
    void *c;
    const void *residual; /* laid out like c, not overlapping it but where it is c; NULL: c itself */
    const float *bias;    /* a parameter of (n), or NULL; added to a bf16 output as its bf16 copy */
};

/* handles, one workspace, the cache of plans by shape key */
sim_status sim_products_open(struct sim_products **out, struct sim_cuda *c);
void sim_products_close(struct sim_products *p); /* NULL is legal */
/* Queues it; a failure is kept in the context and names the shape, the library's version and its answer. */
void sim_products_run(struct sim_cuda *c, const struct sim_product *p);
/* "cublaslt 13.1.0": for records; "" for the shim. */
const char *sim_products_library(void);

#endif
