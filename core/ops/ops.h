/* The operations that a backend supplies (DESIGN.md, decision 3): a table of functions, chosen at run time.
 *
 * Everything is row-major and dense unless a leading dimension is given.  Shapes stand beside the arguments:
 * R rows (tokens), D width, B images, N tokens of an image, H heads.  Inputs and outputs do not overlap
 * unless a comment says so.  A `+=` output is added to, every other output is overwritten.
 *
 * Two kinds of numbers: `float` is float32 everywhere (parameters, their gradients, statistics, images, the
 * loss's covariance); `sim_act` is what activations and their gradients are kept in, float32 or, on a backend
 * that computes in it, bfloat16.  Every operand lies in the backend's memory (`memory`), which is the host's
 * own unless `discrete`.
 *
 * Operations return nothing: the first failure is kept in the backend and reported by `finish`, so that a
 * model's forward and backward read as the sequence of operations that they are, on a CPU or on a stream,
 * where an operation is only queued.  Nothing but download, read_act, collect and finish waits.
 *
 * Determinism: work is cut into tiles by shape alone, one thread makes one tile, partial sums are added in a
 * fixed order.  The number of threads changes no byte.
 *
 * With several ranks (`ranks`), the operations whose results belong to the whole batch make them so:
 * batchnorm and its backward, covariance, the losses, info_nce's keys, gradients_ready.  All others are each
 * rank's own.
 */
#ifndef SIM_OPS_H
#define SIM_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "status.h"

/* A number of an activation.  Above the backends the type stays incomplete, so that nothing there can compute
 * with it or step through it; a backend defines SIM_ACT as what it keeps before it includes this header. */
#ifdef SIM_ACT
typedef SIM_ACT sim_act;
#else
typedef struct sim_act sim_act;
#endif

struct sim_ops;
struct sim_ops_facts; /* facts.h */
struct sim_ranks;     /* ranks.h */
struct sim_view_jobs; /* view_jobs.h */

/* One tensor in a pass over the parameter block. */
struct sim_segment {
    float *p;       /* (count) parameters */
    const float *g; /* (count) gradients; or the online weights in `ema` */
    float *m, *v;   /* (count) Adam's moments; NULL where not asked for */
    int64_t count;
    float weight_decay;
    double
        lr_scale; /* AdamW's rate here, of the step's: 1, or less where layers nearer the input move less */
};

/* What a step reads and leaves besides tensors.  One lies in the backend's memory, so that a step never waits
 * for the host: the host writes the first part before the step, and reads the second late. */
struct sim_scalars {
    struct sim_scalars_in {
        double lr, momentum;             /* AdamW's rate; EMA's momentum */
        double correction1, correction2; /* 1 - beta^step, the bias corrections of Adam's moments */
    } in;
    double loss;        /* mean over the batch, of all ranks */
    double sum_squares; /* of all gradients, before clipping */
    double grad_scale;  /* AdamW multiplies gradients by this: clipping */
    int64_t halted;     /* not 0 once a loss or a gradient was not finite: since then no update was made */
};

struct sim_adamw {
    double beta1, beta2, eps;
};

enum sim_trans { SIM_N, SIM_T };
enum sim_features_mode { SIM_FEATURES_FULL, SIM_FEATURES_NO_SCALE, SIM_FEATURES_NONE };

/* What products are computed in.  AUTO: fp32 on the CPU, bf16 on a GPU.  TF32 keeps float32 in memory. */
enum sim_precision { SIM_PRECISION_AUTO, SIM_PRECISION_FP32, SIM_PRECISION_TF32, SIM_PRECISION_BF16 };

/* A gradient norm past this has a square that Adam's second moment, a float, cannot hold. */
#define SIM_LARGEST_NORM 1e19

enum { SIM_POST_SLOTS = 4, SIM_POST_BYTES = 256 };

struct sim_ops {
    const char *name;              /* "cpu", "cuda" */
    const char *isa;               /* instruction set in use: "avx2", "avx512", "sm_90" */
    enum sim_precision precision;  /* in use, never AUTO */
    int deterministic;             /* 0: something faster was asked for whose results vary from run to run */
    int discrete;                  /* 1: the operands' memory is not the host's */
    size_t act_bytes;              /* of one sim_act */
    struct sim_memory memory;      /* where every operand lies */
    const struct sim_ranks *ranks; /* those that train together; NULL: alone */
    void *context;                 /* the backend's own state */

    /* ---- between the host and the backend's memory */

    /* Makes `bytes` of the host's readable to operations: returns `host` itself where memory is shared
     * (device may be NULL there), else `device`, to which a copy is queued.  The host's bytes may change once
     * the operations that read them are done, or at once where `discrete`. */
    const void *(*stage)(const struct sim_ops *o, void *device, const void *host, size_t bytes);
    /* Copies host bytes in; they may change on return. */
    void (*upload)(const struct sim_ops *o, void *to, const void *from, size_t bytes);
    /* Copies out; waits. */
    void (*download)(const struct sim_ops *o, void *to, const void *from, size_t bytes);
    /* Activations as float32 on the host; waits. */
    void (*read_act)(const struct sim_ops *o, float *to, const sim_act *from, int64_t count);
    /* Queues a copy of at most SIM_POST_BYTES for the host, which picks it up with `collect`: that waits for
     * this copy only, and reports failures like `finish`. */
    void (*post)(const struct sim_ops *o, int slot, const void *from, size_t bytes);
    sim_status (*collect)(const struct sim_ops *o, int slot, void *to, size_t bytes);
    /* The values of this block of parameters were written from outside (initialised, loaded).  To be called
     * for every block before its first use: a backend that keeps a copy in another format makes it here;
     * adamw and ema renew it by themselves. */
    void (*weights_changed)(const struct sim_ops *o, const float *block, int64_t count);
    /* Calls work(argument), which queues operations, or repeats what it queued when it was last called with
     * this argument and key (CUDA graphs, where asked for).  Equal keys must mean equal operations on equal
     * addresses; host-side effects of `work` may not happen again. */
    void (*replay)(const struct sim_ops *o, int64_t key, void (*work)(void *argument), void *argument);

    /* ---- matrix products */

    /* C (m, n) = alpha op(A) op(B) + beta C; op(A) is (m, k), op(B) (k, n); ld* are row strides of the stored
     * matrices. */
    void (*gemm)(const struct sim_ops *o, enum sim_trans ta, enum sim_trans tb, int64_t m, int64_t n,
                 int64_t k, float alpha, const sim_act *a, int64_t lda, const sim_act *b, int64_t ldb,
                 float beta, sim_act *c, int64_t ldc);

    /* y (R, out) = x (R, in) w^T + bias; w (out, in) as PyTorch stores it; bias (out) or NULL.  Weights are
     * always given as parameters (float32); weights_changed says how a backend may keep them. */
    void (*linear)(const struct sim_ops *o, sim_act *y, const sim_act *x, const float *w, const float *bias,
                   int64_t rows, int64_t in, int64_t out);
    /* y = residual + x w^T + bias. */
    void (*linear_residual)(const struct sim_ops *o, sim_act *y, const sim_act *residual, const sim_act *x,
                            const float *w, const float *bias, int64_t rows, int64_t in, int64_t out);
    /* y = GELU(x w^T + bias), exact erf; slope (R, out) is what linear_backward_input needs of it (the CPU
     * keeps GELU' there, CUDA the GELU's input), or NULL where no backward follows. */
    void (*linear_gelu)(const struct sim_ops *o, sim_act *y, sim_act *slope, const sim_act *x, const float *w,
                        const float *bias, int64_t rows, int64_t in, int64_t out);
    /* dx (R, in) = dy (R, out) w; where slope (R, in) of linear_gelu is not NULL, times GELU' there: the GELU
     * before this layer. */
    void (*linear_backward_input)(const struct sim_ops *o, sim_act *dx, const sim_act *dy, const float *w,
                                  const sim_act *slope, int64_t rows, int64_t in, int64_t out);
    /* dw (out, in) = dy^T x;  db (out) = column sums of dy, or NULL. */
    void (*linear_backward_weight)(const struct sim_ops *o, float *dw, float *db, const sim_act *dy,
                                   const sim_act *x, int64_t rows, int64_t in, int64_t out);

    /* ---- normalisation */

    /* y = (x - mean) rstd w + b over the last dimension; w, b (D) or NULL for no affine.  mean, rstd (R) are
     * kept for the backward, or both NULL.  y may be x. */
    void (*layernorm)(const struct sim_ops *o, sim_act *y, float *mean, float *rstd, const sim_act *x,
                      const float *w, const float *b, int64_t rows, int64_t dim, double eps);
    /* dx += or = (accumulate 0) gradient; dw, db (D), or both NULL (as they must be where w is
     * NULL).  dx may be dy. */
    void (*layernorm_backward)(const struct sim_ops *o, sim_act *dx, int accumulate, float *dw, float *db,
                               const sim_act *dy, const sim_act *x, const float *mean, const float *rstd,
                               const float *w, int64_t rows, int64_t dim);
    /* Token BatchNorm of x (G, R, D): G parts, the views of a batch, each with statistics of its own, of
     * every column over the part's R rows; biased variance; w, b (D) or NULL for no affine.  running_* (D)
     * are updated with `momentum` and the unbiased variance, part after part (left alone when NULL).  mean,
     * rstd (G, D) are kept for the backward. */
    void (*batchnorm)(const struct sim_ops *o, sim_act *y, float *mean, float *rstd, float *running_mean,
                      float *running_var, const sim_act *x, const float *w, const float *b, int64_t parts,
                      int64_t rows, int64_t dim, double eps, double momentum);
    /* dw, db (D) are sums over all parts, or both NULL (as they must be where w is NULL).  dx may be dy. */
    void (*batchnorm_backward)(const struct sim_ops *o, sim_act *dx, int accumulate, float *dw, float *db,
                               const sim_act *dy, const sim_act *x, const float *mean, const float *rstd,
                               const float *w, int64_t parts, int64_t rows, int64_t dim);
    /* y (R, D) = x / |x|, row by row (|x| not below 1e-12, as PyTorch's normalize); rstd (R) = 1 / |x| is
     * kept for the backward, or NULL. */
    void (*unit_rows)(const struct sim_ops *o, sim_act *y, float *rstd, const sim_act *x, int64_t rows,
                      int64_t dim);
    /* dx = rstd (dy - y (y . dy)).  dx may be dy. */
    void (*unit_rows_backward)(const struct sim_ops *o, sim_act *dx, const sim_act *dy, const sim_act *y,
                               const float *rstd, int64_t rows, int64_t dim);

    /* ---- ReLU */

    /* y = max(x, 0); y may be x.  A NaN stays one. */
    void (*relu)(const struct sim_ops *o, sim_act *y, const sim_act *x, int64_t count);
    /* dx = 0 where y, ReLU's output, is 0; else as it is. */
    void (*relu_backward)(const struct sim_ops *o, sim_act *dx, const sim_act *y, int64_t count);

    /* ---- attention */

    /* qkv (B, N, 3 H d) as [q | k | v], each split into heads contiguously; out (B, N, H d) =
     * softmax(q k^T / sqrt(d)) v, heads concatenated.  lse (B, H, N): log of the softmax's denominator, kept
     * for the backward, or NULL. */
    void (*attention)(const struct sim_ops *o, sim_act *out, float *lse, const sim_act *qkv, int64_t batch,
                      int64_t tokens, int64_t heads, int64_t head_dim);
    void (*attention_backward)(const struct sim_ops *o, sim_act *dqkv, const sim_act *dout,
                               const sim_act *qkv, const sim_act *out, const float *lse, int64_t batch,
                               int64_t tokens, int64_t heads, int64_t head_dim);

    /* ---- tokens */

    /* Patches as rows in the order of a convolution weight (channel, row, column): rows (B, V, 3 P P) from
     * images (B, 3, S, S); index (B, V) names the patches taken, NULL takes all L = (S / P)^2 in raster
     * order. */
    void (*patchify)(const struct sim_ops *o, sim_act *rows, const float *images, const int32_t *index,
                     int64_t batch, int64_t side, int64_t patch, int64_t taken);
    /* y (B, 1 + V, D): row 0 = cls + pos[0], row 1 + v = x[b, v] + pos[1 + index[b, v]] (index NULL: v).  pos
     * (1 + L, D). */
    void (*embed_tokens)(const struct sim_ops *o, sim_act *y, const sim_act *x, const float *cls,
                         const float *pos, const int32_t *index, int64_t batch, int64_t taken, int64_t dim);
    /* dcls (D) = sum over images of dy's row 0;  dx (B, V, D) = the other rows, or NULL. */
    void (*embed_tokens_backward)(const struct sim_ops *o, float *dcls, sim_act *dx, const sim_act *dy,
                                  int64_t batch, int64_t taken, int64_t dim);
    /* The predictor's input, y (B, 1 + V + L, D): z's rows (B, 1 + V, D) plus pos of their own patch, then
     * mask_token + place (B, L, D). */
    void (*join_queries)(const struct sim_ops *o, sim_act *y, const sim_act *z, const float *pos,
                         const int32_t *index, const float *mask_token, const sim_act *place, int64_t batch,
                         int64_t taken, int64_t patches, int64_t dim);
    /* dz (B, 1 + V, D), dplace (B, L, D) = their rows of dy;  dmask_token (D) = sum over the last L rows of
     * every image. */
    void (*join_queries_backward)(const struct sim_ops *o, sim_act *dz, float *dmask_token, sim_act *dplace,
                                  const sim_act *dy, int64_t batch, int64_t taken, int64_t patches,
                                  int64_t dim);
    /* The input of a decoder over all patches, y (B, 1 + L, D), each row plus its own of pos (1 + L, D): row
     * 0 is z's, row 1 + p is row place[b, p] of z (B, 1 + V, D), or the mask token where place (B, L) is 0:
     * hidden. */
    void (*restore_tokens)(const struct sim_ops *o, sim_act *y, const sim_act *z, const float *pos,
                           const int32_t *place, const float *mask_token, int64_t batch, int64_t taken,
                           int64_t patches, int64_t dim);
    /* dz (B, 1 + V, D) = the rows of dy that z's went to, the first and 1 + index[b, v] (B, V);  dmask_token
     * (D) = sum over the hidden rows. */
    void (*restore_tokens_backward)(const struct sim_ops *o, sim_act *dz, float *dmask_token,
                                    const sim_act *dy, const int32_t *index, const int32_t *place,
                                    int64_t batch, int64_t taken, int64_t patches, int64_t dim);
    /* y (B, count, D) = rows first .. first+count-1 of every image of x (B, N, D). */
    void (*take_rows)(const struct sim_ops *o, sim_act *y, const sim_act *x, int64_t batch, int64_t tokens,
                      int64_t first, int64_t count, int64_t dim);
    /* The reverse: those rows of y are overwritten with x, all others with zero. */
    void (*put_rows)(const struct sim_ops *o, sim_act *y, const sim_act *x, int64_t batch, int64_t tokens,
                     int64_t first, int64_t count, int64_t dim);
    /* y (B, D) = mean of rows first .. first+count-1 of every image of x (B, N, D). */
    void (*mean_rows)(const struct sim_ops *o, sim_act *y, const sim_act *x, int64_t batch, int64_t tokens,
                      int64_t first, int64_t count, int64_t dim);
    /* dx (B, N, D) = dy (B, D) / N in every row. */
    void (*mean_rows_backward)(const struct sim_ops *o, sim_act *dx, const sim_act *dy, int64_t batch,
                               int64_t tokens, int64_t dim);
    /* Features of view 2's patch positions in view-1 patch units (method.md 1.4): (B, g g, 2 D) from geometry
     * (B, 6). D is a multiple of 4. */
    void (*relative_features)(const struct sim_ops *o, sim_act *features, const float *geometry,
                              int64_t batch, int64_t grid, int64_t dim, enum sim_features_mode mode);

    /* ---- residual branches */

    /* y = x + keep[row / N] gamma branch;  gamma (D) or NULL (LayerScale), keep (B) or NULL (drop path,
     * already divided by the keep probability).  y may be x. */
    void (*scale_residual)(const struct sim_ops *o, sim_act *y, const sim_act *x, const sim_act *branch,
                           const float *gamma, const float *keep, int64_t batch, int64_t tokens, int64_t dim);
    /* dbranch = dy keep gamma;  dgamma (D) = sum over rows of dy keep branch, or NULL.  The path to x is dy
     * itself. */
    void (*scale_residual_backward)(const struct sim_ops *o, sim_act *dbranch, float *dgamma,
                                    const sim_act *dy, const sim_act *branch, const float *gamma,
                                    const float *keep, int64_t batch, int64_t tokens, int64_t dim);

    /* ---- loss */

    /* C (D, D) = t^T t / R of t (R, D): R counts the rows of all ranks. */
    void (*covariance)(const struct sim_ops *o, float *c, const sim_act *t, int64_t rows, int64_t dim);
    /* The row-wise form of dense UniGrad (method.md 1.8).  p, t (R, D); c (D, D) from `covariance`.
     * *loss, in the backend's memory, = (1/D) [mean |p - t|^2 + lambda mean p . p C], the mean over the rows
     * of all ranks;  dp (R, D) = the gradient of this rank's own mean (gradients are averaged later). */
    void (*unigrad)(const struct sim_ops *o, double *loss, sim_act *dp, const sim_act *p, const sim_act *t,
                    const float *c, int64_t rows, int64_t dim, double neg_weight);

    /* Softmax cross-entropy against distributions (labels, smoothed or mixed, written out): logits (R, C),
     * target (R, C) whose rows sum to 1.  *loss, in the backend's memory, = the mean over the rows of all
     * ranks;  dlogits (R, C) = the gradient of this rank's own mean, or NULL; dlogits may be logits. */
    void (*cross_entropy)(const struct sim_ops *o, double *loss, sim_act *dlogits, const sim_act *logits,
                          const float *target, int64_t rows, int64_t classes);

    /* MAE's loss of predicted pixels (method.md 3.1).  p (B L, 3 P P), a patch in the order (row, column,
     * channel); images (B, 3, S, S); place (B, L) as in restore_tokens: only hidden patches count, `hidden`
     * of every image.  Of a patch x the target is x or, with normalise, (x - mean) / sqrt(variance + 1e-6),
     * the variance unbiased.  *loss, in the backend's memory, = the mean of (p - target)^2 over the hidden
     * patches of all ranks;  dp (B L, 3 P P) = the gradient of this rank's own mean, zero for the others; dp
     * may be p.  target (B L, 3 P P), or NULL: of every patch, for who asks. */
    void (*pixel_loss)(const struct sim_ops *o, double *loss, sim_act *dp, sim_act *target, const sim_act *p,
                       const float *images, const int32_t *place, int64_t batch, int64_t side, int64_t patch,
                       int64_t hidden, int normalise);

    /* InfoNCE as MoCo-v3 has it (method.md 3.2).  q, k (G, R, D) of rows of length 1: in each of G parts
     * query r of this rank is to tell key r of this rank from all N = R times ranks keys of the part.  *loss,
     * in the backend's memory, = the sum over the parts of the mean over the rows of all ranks of -2 T log
     * softmax(q k^T / T) at the own key;  dq = the gradient of this rank's own mean.  None reaches the keys.
     */
    void (*info_nce)(const struct sim_ops *o, double *loss, sim_act *dq, const sim_act *q, const sim_act *k,
                     int64_t parts, int64_t rows, int64_t dim, double temperature);

    /* ---- images */

    /* Views made from decoded images where the backend can (view_jobs.h): out (B, 3, S, S) normalised, byte
     * for byte what the CPU's pixels.h makes.  NULL: this backend takes finished views only. */
    void (*make_views)(const struct sim_ops *o, float *out, const struct sim_view_jobs *jobs);

    /* ---- passes over the parameter block; a list of segments stays where it is from call to call */

    /* *sum, in the backend's memory, = the sum of squares of every g, in double. */
    void (*sum_squares)(const struct sim_ops *o, double *sum, const struct sim_segment *s, int count);
    /* From s->loss and s->sum_squares: s->grad_scale = min(1, clip_grad / (norm + 1e-6)), 1 where clip_grad
     * is 0; s->halted is set where the loss or the norm is not finite, or, without clipping, the norm is past
     * 1e19, whose square Adam's second moment cannot hold. */
    void (*clip)(const struct sim_ops *o, struct sim_scalars *s, double clip_grad);
    /* PyTorch's AdamW: decoupled decay, bias correction, eps outside the root, at every segment's share of
     * the rate (lr_scale); nothing where s->halted.  s in the backend's memory. */
    void (*adamw)(const struct sim_ops *o, const struct sim_segment *s, int count,
                  const struct sim_scalars *scalars, const struct sim_adamw *h);
    /* p = m p + (1 - m) g, m = scalars->in.momentum; nothing where scalars->halted. */
    void (*ema)(const struct sim_ops *o, const struct sim_segment *s, int count,
                const struct sim_scalars *scalars);
    /* These gradients are complete: replaced by their mean over the ranks, beside what is queued next.
     * gradients_wait: everything that was handed over is there.  Nothing happens without ranks. */
    void (*gradients_ready)(const struct sim_ops *o, float *gradient, int64_t count);
    void (*gradients_wait)(const struct sim_ops *o);

    /* What records say of the backend (facts.h); may be NULL. */
    void (*describe)(const struct sim_ops *o, struct sim_ops_facts *out);
    /* Waits for everything queued; the first failure since the last call, or SIM_OK. */
    sim_status (*finish)(const struct sim_ops *o);
    void (*close)(struct sim_ops *o);
};

/* What a backend is opened with; zeroed: the defaults. */
struct sim_device_options {
    enum sim_precision precision;
    int fast;    /* faster forms whose results vary from run to run (attention's backward) */
    int graphs;  /* CUDA graphs: `replay` repeats a recorded step */
    int tune;    /* time the candidates for every product, not only ask the library for its choice */
    int ordinal; /* which device of the machine */
    const struct sim_ranks *ranks; /* borrowed; outlives the backend */
};

/* The CPU backend: oneDNN products, OpenMP, AVX2 or AVX-512 chosen at run time (SIM_ISA=avx2 in the
 * environment keeps to AVX2).  Fails where the processor lacks AVX2 and FMA, and on another precision than
 * fp32. */
sim_status sim_ops_cpu_open(struct sim_ops *out, const struct sim_device_options *options);

/* Backend by name: "cpu", "cuda".  Others, and those not compiled in, fail, naming those that are.  options
 * NULL: the defaults. */
sim_status sim_ops_open(struct sim_ops *out, const char *name, const struct sim_device_options *options);
/* The names of those compiled in, "cpu cuda". */
const char *sim_ops_built_in(void);

/* The backend's matrix rate, GFLOP/s: the best of a few repetitions of products of a transformer's shapes;
 * takes about `seconds`. */
double sim_ops_measure_gemm(const struct sim_ops *o, double seconds);

#endif
