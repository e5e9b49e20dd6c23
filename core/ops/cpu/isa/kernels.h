/* The CPU backend's inner loops.  Every .c file in this folder is compiled twice, for x86-64-v3 and
 * x86-64-v4, and fills its part of a table; the backend picks one table at run time.  A kernel is serial: it
 * makes one tile, and the files one folder up decide what a tile is. */
#ifndef SIM_KERNELS_H
#define SIM_KERNELS_H

#include <stdint.h>

#define SIM_ACT float /* the CPU keeps activations in float32 */
#include "ops.h"

struct sim_kernels {
    const char *isa;

    /* ---- tiles of a matrix with row stride ld */
    void (*tile_fill)(float *y, int64_t ld, int64_t rows, int64_t cols,
                      const float *bias); /* y = bias (NULL: 0) */
    void (*tile_add)(float *y, int64_t ld, const float *x, int64_t ldx, int64_t rows, int64_t cols,
                     const float *bias); /* y = x + bias (NULL: 0) */
    void (*tile_gelu)(float *y, float *slope, int64_t ld, int64_t rows,
                      int64_t cols); /* in place; slope or NULL */
    void (*tile_multiply)(float *y, const float *x, int64_t ld, int64_t rows, int64_t cols); /* y *= x */
    void (*tile_transpose)(float *y, int64_t ldy, const float *x, int64_t ldx, int64_t rows, int64_t cols);
    /* sums (cols <= SIM_STRIP) of the columns of x */
    void (*column_sums)(float *sums, const float *x, int64_t ld, int64_t rows, int64_t cols);

    /* ---- normalisation */
    void (*layernorm_rows)(float *y, float *mean, float *rstd, const float *x, const float *w, const float *b,
                           int64_t rows, int64_t dim, double eps);
    /* dw, db: sums over these rows only (overwritten), or NULL */
    void (*layernorm_backward_rows)(float *dx, int accumulate, float *dw, float *db, const float *dy,
                                    const float *x, const float *mean, const float *rstd, const float *w,
                                    int64_t rows, int64_t dim);
    /* Token BatchNorm on a strip of cols <= SIM_STRIP columns, all rows of a part here; w, b NULL: no affine.
     * The sums are overwritten; of several ranks they are added up before they are used. */
    void (*batchnorm_sums)(double *sum, const float *x, int64_t rows, int64_t cols, int64_t ld);
    void (*batchnorm_squares)(double *sum, const float *x, const float *mean, int64_t rows, int64_t cols,
                              int64_t ld); /* of x - mean */
    void (*batchnorm_apply)(float *y, const float *x, const float *mean, const float *rstd, const float *w,
                            const float *b, int64_t rows, int64_t cols, int64_t ld);
    /* sum of dy, and of dy xhat */
    void (*batchnorm_backward_sums)(double *sum, double *dot, const float *dy, const float *x,
                                    const float *mean, const float *rstd, int64_t rows, int64_t cols,
                                    int64_t ld);
    /* dx += or = w rstd (dy - sum / count - xhat dot / count) */
    void (*batchnorm_backward_apply)(float *dx, int accumulate, const float *dy, const float *x,
                                     const double *sum, const double *dot, double count, const float *mean,
                                     const float *rstd, const float *w, int64_t rows, int64_t cols,
                                     int64_t ld);

    /* ---- attention, on a block of query rows */
    /* s (rows, cols) -> exp(s - max of the row); inverse[row] = 1 / sum, lse[row] = max + log(sum) or NULL */
    void (*softmax_rows)(float *s, int64_t ld, int64_t rows, int64_t cols, float *inverse, float *lse);
    void (*scale_rows)(float *x, int64_t ld, int64_t rows, int64_t cols, const float *factor);
    /* s -> p = exp(s - lse) in place */
    void (*softmax_again)(float *s, int64_t ld, int64_t rows, int64_t cols, const float *lse);
    /* dp -> p * (dp - sum over d of dout * out) * scale in place */
    void (*softmax_backward)(float *dp, const float *p, int64_t ld, int64_t rows, int64_t cols,
                             const float *dout, const float *out, int64_t ldo, int64_t head_dim, float scale);

    /* ---- rows of tokens */
    void (*residual_rows)(float *y, const float *x, const float *branch, const float *gamma, float keep,
                          int64_t rows, int64_t dim);
    /* dgamma: sum over these rows only (overwritten), or NULL */
    void (*residual_backward_rows)(float *dbranch, float *dgamma, const float *dy, const float *branch,
                                   const float *gamma, float keep, int64_t rows, int64_t dim);
    double (*unigrad_rows)(float *dp, const float *p, const float *t, const float *pc, int64_t rows,
                           int64_t dim, double neg_weight, double gradient_scale);

    /* ---- flat pieces of the parameter block */
    double (*flat_squares)(const float *g, int64_t count);
    void (*flat_adamw)(float *p, const float *g, float *m, float *v, int64_t count, const struct sim_adamw *h,
                       const struct sim_scalars *s, double lr, float weight_decay);
    void (*flat_ema)(float *p, const float *g, int64_t count, double momentum);
};

#define SIM_STRIP 32 /* columns of a strip: two cache lines of a row */

/* Each file fills in its members. */
/* A kernel whose inner loop runs over the columns of a strip is written once with `cols` as a variable and
 * compiled twice: a full strip gets its constant width, and so straight vector code. */
#define SIM_FULL_STRIP(cols, call_full, call_part)                                                           \
    do {                                                                                                     \
        if ((cols) == SIM_STRIP)                                                                             \
            call_full;                                                                                       \
        else                                                                                                 \
            call_part;                                                                                       \
    } while (0)
#define SIM_INLINE static inline __attribute__((always_inline))

#define SIM_JOIN_(a, b) a##_##b
#define SIM_JOIN(a, b) SIM_JOIN_(a, b)
#define SIM_ISA_NAME(name) SIM_JOIN(name, SIM_ISA)

void sim_kernels_tiles_v3(struct sim_kernels *k);
void sim_kernels_tiles_v4(struct sim_kernels *k);
void sim_kernels_norms_v3(struct sim_kernels *k);
void sim_kernels_norms_v4(struct sim_kernels *k);
void sim_kernels_softmax_v3(struct sim_kernels *k);
void sim_kernels_softmax_v4(struct sim_kernels *k);
void sim_kernels_flat_v3(struct sim_kernels *k);
void sim_kernels_flat_v4(struct sim_kernels *k);

#endif
