/* The launchers of every kernel: what C files call, what .cu files fill.  Each queues on a stream and
 * returns; a launch that fails is kept by the device (device.h).  Buffers of type void hold activations of
 * `act`; floats and doubles are what they say.  Pointers are aligned to one element at least: where rows
 * happen to lie on 16 bytes, kernels read and write 16 bytes at a time.  No dimension is 0.
 *
 * Sums over rows run in two stages, in an order that the shape alone decides, with partial sums in `scratch`
 * of as many bytes as the function beside the launcher says. */
#ifndef SIM_KERNELS_H
#define SIM_KERNELS_H

#ifdef __cplusplus
extern "C" {
#endif

#include "cuda.h"

/* ---- convert.cu */

/* to (count) of type `to_type` = from (count) of the other, or the same, type. */
void sim_k_convert(sim_stream s, void *to, enum sim_element to_type, const void *from,
                   enum sim_element from_type, int64_t count);
/* out (cols) = sums of the columns of x: rows (image, first + i) for i < count of every image, an image being
 * `tokens` rows of x.  A plain matrix is one image: images 1, tokens = count = rows, first 0. */
struct sim_k_rows {
    int64_t images, tokens, first, count;
};
size_t sim_k_column_sums_bytes(int64_t rows, int64_t cols); /* rows: images * count */
void sim_k_column_sums(sim_stream s, enum sim_element act, float *out, const void *x, struct sim_k_rows r,
                       int64_t cols, void *scratch);
/* out (cols) = sums over `parts` rows of part (parts, ld): the second stage of anyone's sums. */
void sim_k_sum_parts(sim_stream s, float *out, const float *part, int64_t parts, int64_t ld, int64_t cols);
/* The same in double: out (cols) = factor * sums. */
void sim_k_sum_parts_double(sim_stream s, double *out, const double *part, int64_t parts, int64_t ld,
                            int64_t cols, double factor);

/* ---- activations.cu: ReLU; GELU in its exact form, x Phi(x) */

void sim_k_relu(sim_stream s, enum sim_element act, void *y, const void *x, int64_t count); /* y may be x */
/* dx = 0 where y, the ReLU's output, is 0. */
void sim_k_relu_backward(sim_stream s, enum sim_element act, void *dx, const void *y, int64_t count);

void sim_k_gelu(sim_stream s, enum sim_element act, void *y, const void *x, int64_t count); /* y may be x */
/* dx *= GELU'(x), x the GELU's input. */
void sim_k_gelu_backward(sim_stream s, enum sim_element act, void *dx, const void *x, int64_t count);

/* ---- layernorm.cu, batchnorm.cu: the contracts are ops.h's */

void sim_k_layernorm(sim_stream s, enum sim_element act, void *y, float *mean, float *rstd, const void *x,
                     const float *w, const float *b, int64_t rows, int64_t dim, double eps);
size_t sim_k_layernorm_backward_bytes(int64_t rows, int64_t dim); /* of scratch where dw is asked for */
void sim_k_layernorm_backward(sim_stream s, enum sim_element act, void *dx, int accumulate, float *dw,
                              float *db, const void *dy, const void *x, const float *mean, const float *rstd,
                              const float *w, int64_t rows, int64_t dim, void *scratch);

/* BatchNorm of one part in three steps, between which sums (2, dim) may be added over ranks.
 * 1. sums = of every column the sum and the sum of squares. */
size_t sim_k_batchnorm_bytes(int64_t rows, int64_t dim); /* of scratch, forward and backward */
void sim_k_batchnorm_sums(sim_stream s, enum sim_element act, double *sums, const void *x, int64_t rows,
                          int64_t dim, void *scratch);
/* 2. mean, rstd (dim) from the sums over `count` rows; running_* (NULL: left alone) follow. */
void sim_k_batchnorm_statistics(sim_stream s, float *mean, float *rstd, float *running_mean,
                                float *running_var, const double *sums, int64_t count, int64_t dim,
                                double eps, double momentum);
/* 3. y = (x - mean) rstd w + b; w, b NULL: 1, 0. */
void sim_k_batchnorm_apply(sim_stream s, enum sim_element act, void *y, const void *x, const float *mean,
                           const float *rstd, const float *w, const float *b, int64_t rows, int64_t dim);
/* Backward: 1. sums = of every column the sum of dy and of dy xhat. */
void sim_k_batchnorm_backward_sums(sim_stream s, enum sim_element act, double *sums, const void *dy,
                                   const void *x, const float *mean, const float *rstd, int64_t rows,
                                   int64_t dim, void *scratch);
/* 2. Over all parts, sums (parts, 2, dim), they are this rank's db and dw. */
void sim_k_batchnorm_gradients(sim_stream s, float *dw, float *db, const double *sums, int64_t parts,
                               int64_t dim);
/* 3. dx += or = w rstd (dy - sum / count - xhat dot / count), w NULL: 1.  dx may be dy. */
void sim_k_batchnorm_backward_apply(sim_stream s, enum sim_element act, void *dx, int accumulate,
                                    const void *dy, const void *x, const float *mean, const float *rstd,
                                    const float *w, const double *sums, int64_t count, int64_t rows,
                                    int64_t dim);

/* ---- softmax.cu: around the products of composed attention; `matrices` blocks of (rows, cols) */

/* p = softmax(scale * score) of every row, score in float32; lse: matrix n's rows at lse + n lse_stride, or
 * NULL.  p may be score where act is float32. */
void sim_k_softmax(sim_stream s, enum sim_element act, void *p, float *lse, int64_t lse_stride,
                   const float *score, int64_t matrices, int64_t rows, int64_t cols, float scale);
/* p = exp(scale * score - lse);  ds = p (dp - sum over the row of p dp) scale.  p may be score and ds dp
 * where act is float32. */
void sim_k_softmax_backward(sim_stream s, enum sim_element act, void *p, void *ds, const float *score,
                            const float *dp, const float *lse, int64_t lse_stride, int64_t matrices,
                            int64_t rows, int64_t cols, float scale);

/* ---- tokens.cu, features.cu, residual.cu: the contracts are ops.h's */

void sim_k_patchify(sim_stream s, enum sim_element act, void *rows, const float *images, const int32_t *index,
                    int64_t batch, int64_t side, int64_t patch, int64_t taken);
void sim_k_embed_tokens(sim_stream s, enum sim_element act, void *y, const void *x, const float *cls,
                        const float *pos, const int32_t *index, int64_t batch, int64_t taken, int64_t dim);
void sim_k_join_queries(sim_stream s, enum sim_element act, void *y, const void *z, const float *pos,
                        const int32_t *index, const float *mask_token, const void *place, int64_t batch,
                        int64_t taken, int64_t patches, int64_t dim);
void sim_k_take_rows(sim_stream s, enum sim_element act, void *y, const void *x, int64_t batch,
                     int64_t tokens, int64_t first, int64_t count, int64_t dim);
void sim_k_put_rows(sim_stream s, enum sim_element act, void *y, const void *x, int64_t batch, int64_t tokens,
                    int64_t first, int64_t count, int64_t dim);
void sim_k_mean_rows(sim_stream s, enum sim_element act, void *y, const void *x, int64_t batch,
                     int64_t tokens, int64_t first, int64_t count, int64_t dim);
void sim_k_mean_rows_backward(sim_stream s, enum sim_element act, void *dx, const void *dy, int64_t batch,
                              int64_t tokens, int64_t dim);
void sim_k_relative_features(sim_stream s, enum sim_element act, void *features, const float *geometry,
                             int64_t batch, int64_t grid, int64_t dim, enum sim_features_mode mode);
void sim_k_scale_residual(sim_stream s, enum sim_element act, void *y, const void *x, const void *branch,
                          const float *gamma, const float *keep, int64_t batch, int64_t tokens, int64_t dim);
size_t sim_k_scale_residual_backward_bytes(int64_t rows, int64_t dim); /* where dgamma is asked for */
void sim_k_scale_residual_backward(sim_stream s, enum sim_element act, void *dbranch, float *dgamma,
                                   const void *dy, const void *branch, const float *gamma, const float *keep,
                                   int64_t batch, int64_t tokens, int64_t dim, void *scratch);

/* ---- loss.cu */

/* dp holds p C on entry, the gradient afterwards: dp = gradient (p - t + lambda p C).  *loss = factor * sum
 * over the rows of |p - t|^2 + lambda p . p C. */
size_t sim_k_unigrad_bytes(int64_t rows);
void sim_k_unigrad(sim_stream s, enum sim_element act, double *loss, void *dp, const void *p, const void *t,
                   int64_t rows, int64_t dim, double lambda, double factor, double gradient, void *scratch);
/* *loss = factor * sum over the rows of -sum t log softmax(x);  dlogits = gradient * its gradient, or NULL;
 * dlogits may be logits. */
size_t sim_k_cross_entropy_bytes(int64_t rows);
void sim_k_cross_entropy(sim_stream s, enum sim_element act, double *loss, void *dlogits, const void *logits,
                         const float *target, int64_t rows, int64_t classes, double factor, double gradient,
                         void *scratch);

/* ---- masked.cu: the contracts are ops.h's */

void sim_k_restore_tokens(sim_stream s, enum sim_element act, void *y, const void *z, const float *pos,
                          const int32_t *place, const float *mask_token, int64_t batch, int64_t taken,
                          int64_t patches, int64_t dim);
size_t sim_k_restore_tokens_backward_bytes(int64_t batch, int64_t patches, int64_t dim);
void sim_k_restore_tokens_backward(sim_stream s, enum sim_element act, void *dz, float *dmask_token,
                                   const void *dy, const int32_t *index, const int32_t *place, int64_t batch,
                                   int64_t taken, int64_t patches, int64_t dim, void *scratch);
/* *loss = factor * the sum over hidden patches of |p - target|^2;  dp = gradient * (p - target). */
size_t sim_k_pixel_loss_bytes(int64_t rows);
void sim_k_pixel_loss(sim_stream s, enum sim_element act, double *loss, void *dp, void *target, const void *p,
                      const float *images, const int32_t *place, int64_t rows, int64_t side, int64_t patch,
                      int normalise, double factor, double gradient, void *scratch);

/* ---- contrast.cu */

void sim_k_unit_rows(sim_stream s, enum sim_element act, void *y, float *rstd, const void *x, int64_t rows,
                     int64_t dim);
void sim_k_unit_rows_backward(sim_stream s, enum sim_element act, void *dx, const void *dy, const void *y,
                              const float *rstd, int64_t rows, int64_t dim);
/* logits (parts, rows, keys) in float32; the own key of row r of a part is number first + r.  *loss = factor
 * * sum over all rows of -log softmax there;  dlogits = gradient * its gradient, which may be logits where
 * act is float32. */
size_t sim_k_info_nce_bytes(int64_t rows); /* of scratch; rows: parts * rows */
void sim_k_info_nce(sim_stream s, enum sim_element act, double *loss, void *dlogits, const float *logits,
                    int64_t parts, int64_t rows, int64_t first, int64_t keys, double factor, double gradient,
                    void *scratch);

/* ---- passes.cu: all segments in one launch, cut into chunks of SIM_K_CHUNK elements, one block each */

enum { SIM_K_CHUNK = 8192 };

struct sim_k_segment {
    float *p;
    const float *g;
    float *m, *v;
    void *shadow; /* p in bfloat16, written where p is, or NULL */
    int64_t count, first_chunk;
    float weight_decay;
    double lr_scale;
};

/* On the device: the segments, and of every chunk the segment it belongs to. */
struct sim_k_segments {
    const struct sim_k_segment *segment;
    const int32_t *of_chunk;
    int64_t chunks; /* 0: nothing to do */
};

size_t sim_k_sum_squares_bytes(int64_t chunks);
void sim_k_sum_squares(sim_stream s, double *sum, struct sim_k_segments list, void *scratch);
void sim_k_clip(sim_stream s, struct sim_scalars *scalars, double clip_grad);
void sim_k_adamw(sim_stream s, struct sim_k_segments list, const struct sim_scalars *scalars,
                 struct sim_adamw h);
void sim_k_ema(sim_stream s, struct sim_k_segments list, const struct sim_scalars *scalars);

#ifdef __cplusplus
}
#endif

#endif
