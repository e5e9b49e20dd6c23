/* The operations that a backend supplies (DESIGN.md, decision 3): a table of functions, chosen at run time.
 *
 * Everything is float32, row-major and dense unless a leading dimension is given.  Shapes stand beside the
 * arguments: R rows (tokens), D width, B images, N tokens of an image, H heads.  Inputs and outputs do not
 * overlap unless a comment says so.  A `+=` output is added to, every other output is overwritten.
 *
 * Operations return nothing: the first failure is kept in the backend and reported by `finish`, so that a
 * model's forward and backward read as the sequence of operations that they are, on a CPU or on a stream.
 *
 * Determinism: work is cut into tiles by shape alone, one thread makes one tile, partial sums are added in a
 * fixed order.  The number of threads changes no byte. */
#ifndef SIM_OPS_H
#define SIM_OPS_H

#include <stdint.h>

#include "status.h"

struct sim_ops;

/* One tensor in a pass over the parameter block. */
struct sim_segment {
    float *p;       /* (count) parameters */
    const float *g; /* (count) gradients; or the online weights in `ema` */
    float *m, *v;   /* (count) Adam's moments; NULL where not asked for */
    int64_t count;
    float weight_decay;
};

struct sim_adamw {
    double lr, beta1, beta2, eps;
    int64_t step;      /* 1-based, for the bias correction */
    double grad_scale; /* gradients are multiplied by this first (clipping) */
};

enum sim_trans { SIM_N, SIM_T };
enum sim_features_mode { SIM_FEATURES_FULL, SIM_FEATURES_NO_SCALE, SIM_FEATURES_NONE };

struct sim_ops {
    const char *name; /* "cpu" */
    const char *isa;  /* instruction set in use: "avx2", "avx512" */
    void *context;    /* the backend's own state */

    /* ---- matrix products */

    /* C (m, n) = alpha op(A) op(B) + beta C; op(A) is (m, k), op(B) (k, n); ld* are row strides of the stored
     * matrices. */
    void (*gemm)(const struct sim_ops *o, enum sim_trans ta, enum sim_trans tb, int64_t m, int64_t n,
                 int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                 float *c, int64_t ldc);

    /* y (R, out) = x (R, in) w^T + bias; w (out, in) as PyTorch stores it; bias (out) or NULL. */
    void (*linear)(const struct sim_ops *o, float *y, const float *x, const float *w, const float *bias,
                   int64_t rows, int64_t in, int64_t out);
    /* y = residual + x w^T + bias. */
    void (*linear_residual)(const struct sim_ops *o, float *y, const float *residual, const float *x,
                            const float *w, const float *bias, int64_t rows, int64_t in, int64_t out);
    /* y = GELU(x w^T + bias), exact erf; slope (R, out) = GELU'(same), or NULL where no backward follows. */
    void (*linear_gelu)(const struct sim_ops *o, float *y, float *slope, const float *x, const float *w,
                        const float *bias, int64_t rows, int64_t in, int64_t out);
    /* dx (R, in) = dy (R, out) w, times slope (R, in) where slope is not NULL: the GELU before this layer. */
    void (*linear_backward_input)(const struct sim_ops *o, float *dx, const float *dy, const float *w,
                                  const float *slope, int64_t rows, int64_t in, int64_t out);
    /* dw (out, in) = dy^T x;  db (out) = column sums of dy, or NULL. */
    void (*linear_backward_weight)(const struct sim_ops *o, float *dw, float *db, const float *dy,
                                   const float *x, int64_t rows, int64_t in, int64_t out);

    /* ---- normalisation */

    /* y = (x - mean) rstd w + b over the last dimension; w, b (D) or NULL for no affine.  mean, rstd (R) are
     * kept for the backward, or both NULL.  y may be x. */
    void (*layernorm)(const struct sim_ops *o, float *y, float *mean, float *rstd, const float *x,
                      const float *w, const float *b, int64_t rows, int64_t dim, double eps);
    /* dx += or = (accumulate 0) gradient; dw, db (D), or both NULL (as they must be where w is
     * NULL).  dx may be dy. */
    void (*layernorm_backward)(const struct sim_ops *o, float *dx, int accumulate, float *dw, float *db,
                               const float *dy, const float *x, const float *mean, const float *rstd,
                               const float *w, int64_t rows, int64_t dim);
    /* Token BatchNorm: statistics of every column over all R rows, biased variance; running_* are updated
     * with `momentum` and the unbiased variance (left alone when NULL).  mean, rstd (D) are kept for the
     * backward. */
    void (*batchnorm)(const struct sim_ops *o, float *y, float *mean, float *rstd, float *running_mean,
                      float *running_var, const float *x, const float *w, const float *b, int64_t rows,
                      int64_t dim, double eps, double momentum);
    void (*batchnorm_backward)(const struct sim_ops *o, float *dx, int accumulate, float *dw, float *db,
                               const float *dy, const float *x, const float *mean, const float *rstd,
                               const float *w, int64_t rows, int64_t dim);

    /* ---- attention */

    /* qkv (B, N, 3 H d) as [q | k | v], each split into heads contiguously; out (B, N, H d) =
     * softmax(q k^T / sqrt(d)) v, heads concatenated.  lse (B, H, N): log of the softmax's denominator, kept
     * for the backward, or NULL. */
    void (*attention)(const struct sim_ops *o, float *out, float *lse, const float *qkv, int64_t batch,
                      int64_t tokens, int64_t heads, int64_t head_dim);
    void (*attention_backward)(const struct sim_ops *o, float *dqkv, const float *dout, const float *qkv,
                               const float *out, const float *lse, int64_t batch, int64_t tokens,
                               int64_t heads, int64_t head_dim);

    /* ---- tokens */

    /* Patches as rows in the order of a convolution weight (channel, row, column): rows (B, V, 3 P P) from
     * images (B, 3, S, S); index (B, V) names the patches taken, NULL takes all L = (S / P)^2 in raster
     * order. */
    void (*patchify)(const struct sim_ops *o, float *rows, const float *images, const int32_t *index,
                     int64_t batch, int64_t side, int64_t patch, int64_t taken);
    /* y (B, 1 + V, D): row 0 = cls + pos[0], row 1 + v = x[b, v] + pos[1 + index[b, v]] (index NULL: v).  pos
     * (1 + L, D). */
    void (*embed_tokens)(const struct sim_ops *o, float *y, const float *x, const float *cls,
                         const float *pos, const int32_t *index, int64_t batch, int64_t taken, int64_t dim);
    /* dcls (D) = sum over images of dy's row 0;  dx (B, V, D) = the other rows, or NULL. */
    void (*embed_tokens_backward)(const struct sim_ops *o, float *dcls, float *dx, const float *dy,
                                  int64_t batch, int64_t taken, int64_t dim);
    /* The predictor's input, y (B, 1 + V + L, D): z's rows (B, 1 + V, D) plus pos of their own patch, then
     * mask_token + place (B, L, D). */
    void (*join_queries)(const struct sim_ops *o, float *y, const float *z, const float *pos,
                         const int32_t *index, const float *mask_token, const float *place, int64_t batch,
                         int64_t taken, int64_t patches, int64_t dim);
    /* dz (B, 1 + V, D), dplace (B, L, D) = their rows of dy;  dmask_token (D) = sum over the last L rows of
     * every image. */
    void (*join_queries_backward)(const struct sim_ops *o, float *dz, float *dmask_token, float *dplace,
                                  const float *dy, int64_t batch, int64_t taken, int64_t patches,
                                  int64_t dim);
    /* y (B, count, D) = rows first .. first+count-1 of every image of x (B, N, D). */
    void (*take_rows)(const struct sim_ops *o, float *y, const float *x, int64_t batch, int64_t tokens,
                      int64_t first, int64_t count, int64_t dim);
    /* The reverse: those rows of y are overwritten with x, all others with zero. */
    void (*put_rows)(const struct sim_ops *o, float *y, const float *x, int64_t batch, int64_t tokens,
                     int64_t first, int64_t count, int64_t dim);
    /* y (B, D) = mean of rows first .. first+count-1 of every image of x (B, N, D). */
    void (*mean_rows)(const struct sim_ops *o, float *y, const float *x, int64_t batch, int64_t tokens,
                      int64_t first, int64_t count, int64_t dim);
    /* dx (B, N, D) = dy (B, D) / N in every row. */
    void (*mean_rows_backward)(const struct sim_ops *o, float *dx, const float *dy, int64_t batch,
                               int64_t tokens, int64_t dim);
    /* Features of view 2's patch positions in view-1 patch units (method.md 1.4): (B, g g, 2 D) from geometry
     * (B, 6). D is a multiple of 4. */
    void (*relative_features)(const struct sim_ops *o, float *features, const float *geometry, int64_t batch,
                              int64_t grid, int64_t dim, enum sim_features_mode mode);

    /* ---- residual branches */

    /* y = x + keep[row / N] gamma branch;  gamma (D) or NULL (LayerScale), keep (B) or NULL (drop path,
     * already divided by the keep probability).  y may be x. */
    void (*scale_residual)(const struct sim_ops *o, float *y, const float *x, const float *branch,
                           const float *gamma, const float *keep, int64_t batch, int64_t tokens, int64_t dim);
    /* dbranch = dy keep gamma;  dgamma (D) = sum over rows of dy keep branch, or NULL.  The path to x is dy
     * itself. */
    void (*scale_residual_backward)(const struct sim_ops *o, float *dbranch, float *dgamma, const float *dy,
                                    const float *branch, const float *gamma, const float *keep, int64_t batch,
                                    int64_t tokens, int64_t dim);

    /* ---- loss */

    /* The row-wise form of dense UniGrad (method.md 1.8).  p, t (M, D); pc (M, D) = p C with C = t^T t / M.
     * Returns (1/D) [mean |p - t|^2 + lambda mean p . pc];  dp (M, D) = its gradient, or NULL; dp may be pc.
     */
    double (*unigrad)(const struct sim_ops *o, float *dp, const float *p, const float *t, const float *pc,
                      int64_t rows, int64_t dim, double neg_weight);

    /* ---- passes over the parameter block */

    /* Sum of squares of every g, in double. */
    double (*sum_squares)(const struct sim_ops *o, const struct sim_segment *s, int count);
    /* PyTorch's AdamW: decoupled decay, bias correction, eps outside the root. */
    void (*adamw)(const struct sim_ops *o, const struct sim_segment *s, int count, const struct sim_adamw *h);
    /* p = m p + (1 - m) g. */
    void (*ema)(const struct sim_ops *o, const struct sim_segment *s, int count, double momentum);

    /* Waits for everything queued; the first failure since the last call, or SIM_OK. */
    sim_status (*finish)(const struct sim_ops *o);
    void (*close)(struct sim_ops *o);
};

/* The CPU backend: oneDNN products, OpenMP, AVX2 or AVX-512 chosen at run time (SIM_ISA=avx2 in the
 * environment keeps to AVX2).  Fails where the processor lacks AVX2 and FMA. */
sim_status sim_ops_cpu_open(struct sim_ops *out);

/* Backend by name: "cpu".  Others fail, naming those built in. */
sim_status sim_ops_open(struct sim_ops *out, const char *name);

/* The backend's matrix rate, GFLOP/s: the best of a few repetitions of products of a transformer's shapes;
 * takes about `seconds`. */
double sim_ops_measure_gemm(const struct sim_ops *o, double seconds);

#endif
