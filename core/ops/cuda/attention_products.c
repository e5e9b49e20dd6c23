/* Attention: the library's fused form where there is one, else composed of products.
 *
 * Composed, the heads of an image, or the images of a head, whichever are more, are the products of a batch;
 * their scores lie in scratch, in chunks that keep it below SCRATCH_BYTES.  Scores and their softmax are
 * float32; the probabilities that are multiplied are of the products' type.  The backward makes the scores
 * again from q and k. */
#include <math.h>

#include "attention.h"
#include "kernels.h"
#include "products.h"

enum { SCRATCH_BYTES = 256 << 20 };

/* One batch: `count` of the matrices (tokens, head_dim) that are `stride` elements apart in qkv, and
 * `stride_out` in out; their rows are `ld` and `width` apart. */
struct heads {
    struct sim_cuda *c;
    int64_t count, tokens, head_dim, ld, width, stride, stride_out;
};

/* A matrix for each of the batch. */
struct operand {
    const void *at;
    int64_t ld, stride;
    enum sim_trans trans;
};

/* out (m, n) = a b, one for each of the batch. */
static void multiply(const struct heads *h, void *out, int64_t ld, int64_t stride, enum sim_element type,
                     struct operand a, struct operand b, int64_t m, int64_t n, int64_t k)
{
    struct sim_product p = sim_product_dense(h->c->act, a.trans, b.trans, m, n, k, a.at, b.at, out);
    p.lda = a.ld;
    p.ldb = b.ld;
    p.ldc = ld;
    p.out = type;
    if (h->count > 1) {
        p.batch = h->count;
        p.stride_a = a.stride;
        p.stride_b = b.stride;
        p.stride_c = stride;
    }
    sim_products_run(h->c, &p);
}

/* Where a batch begins: q in qkv (k and v are `width` and twice that behind), out, and its rows of lse, which
 * are lse_stride apart from one matrix to the next. */
struct batch {
    struct heads h;
    int64_t qkv, out, lse, lse_stride;
};

/* Calls run(batch, argument) for all of batch x heads, at most `most` matrices at a time. */
static void for_batches(struct sim_cuda *c, const struct sim_attention_shape *s, int64_t most,
                        void (*run)(const struct batch *b, void *argument), void *argument)
{
    const int64_t width = s->heads * s->head_dim, ld = 3 * width, n = s->tokens;
    const int by_image = s->heads >= s->batch; /* the batches are heads of one image */
    const int64_t outer = by_image ? s->batch : s->heads, inner = by_image ? s->heads : s->batch;
    for (int64_t i = 0; i < outer; i++)
        for (int64_t k = 0; k < inner; k += most) {
            const int64_t image = by_image ? i : k, head = by_image ? k : i;
            const struct batch b = {.h = {.c = c,
                                          .count = inner - k < most ? inner - k : most,
                                          .tokens = n,
                                          .head_dim = s->head_dim,
                                          .ld = ld,
                                          .width = width,
                                          .stride = by_image ? s->head_dim : n * ld,
                                          .stride_out = by_image ? s->head_dim : n * width},
                                    .qkv = image * n * ld + head * s->head_dim,
                                    .out = image * n * width + head * s->head_dim,
                                    .lse = (image * s->heads + head) * n,
                                    .lse_stride = by_image ? n : s->heads * n};
            run(&b, argument);
        }
}

/* How many matrices of scores fit in scratch at `bytes` an element, at least one. */
static int64_t most_matrices(const struct sim_attention_shape *s, size_t bytes)
{
    const int64_t one = s->tokens * s->tokens * (int64_t)bytes, most = SCRATCH_BYTES / one;
    const int64_t all = s->heads >= s->batch ? s->heads : s->batch;
    return most < 1 ? 1 : most < all ? most : all;
}

/* ------------------------------------------------------------------ forward */

struct forward {
    size_t act_bytes;
    const unsigned char *qkv;
    unsigned char *out;
    float *lse, *score;
    void *p;
};

static void forward_batch(const struct batch *b, void *argument)
{
    const struct forward *f = argument;
    const struct heads *h = &b->h;
    const int64_t n = h->tokens, d = h->head_dim;
    const unsigned char *q = f->qkv + (size_t)b->qkv * f->act_bytes, *k = q + (size_t)h->width * f->act_bytes,
                        *v = k + (size_t)h->width * f->act_bytes;
    multiply(h, f->score, n, n * n, SIM_ELEMENT_F32, (struct operand){q, h->ld, h->stride, SIM_N},
             (struct operand){k, h->ld, h->stride, SIM_T}, n, n, d);
    sim_k_softmax(h->c->stream, h->c->act, f->p, f->lse ? f->lse + b->lse : NULL, b->lse_stride, f->score,
                  h->count, n, n, (float)(1.0 / sqrt((double)d)));
    multiply(h, f->out + (size_t)b->out * f->act_bytes, h->width, h->stride_out, h->c->act,
             (struct operand){f->p, n, n * n, SIM_N}, (struct operand){v, h->ld, h->stride, SIM_N}, n, d, n);
}

static void attention(const struct sim_ops *o, sim_act *out, float *lse, const sim_act *qkv, int64_t batch,
                      int64_t tokens, int64_t heads, int64_t head_dim)
{
    struct sim_cuda *c = sim_cuda(o);
    const struct sim_attention_shape s = {batch, tokens, heads, head_dim};
    if (sim_attention_fused(c, &s)) {
        sim_attention_fused_forward(c, out, lse, qkv, &s);
        return;
    }
    /* probabilities of float32 take the scores' place */
    const size_t each = sizeof(float) + (c->act == SIM_ELEMENT_F32 ? 0 : o->act_bytes);
    const int64_t most = most_matrices(&s, each), elements = most * tokens * tokens;
    float *score = sim_cuda_scratch(c, (size_t)elements * each);
    if (!score) return;
    struct forward f = {.act_bytes = o->act_bytes,
                        .qkv = (const unsigned char *)qkv,
                        .out = (unsigned char *)out,
                        .lse = lse,
                        .score = score,
                        .p = c->act == SIM_ELEMENT_F32 ? score : score + elements};
    for_batches(c, &s, most, forward_batch, &f);
}

/* ------------------------------------------------------------------ backward */

struct backward {
    size_t act_bytes;
    const unsigned char *qkv, *dout;
    unsigned char *dqkv;
    const float *lse;
    float *score, *dp;
    void *p, *ds;
};

static void backward_batch(const struct batch *b, void *argument)
{
    const struct backward *f = argument;
    const struct heads *h = &b->h;
    const int64_t n = h->tokens, d = h->head_dim;
    const size_t width = (size_t)h->width * f->act_bytes;
    const unsigned char *at = f->qkv + (size_t)b->qkv * f->act_bytes;
    unsigned char *to = f->dqkv + (size_t)b->qkv * f->act_bytes;
    const struct operand q = {at, h->ld, h->stride, SIM_N}, k = {at + width, h->ld, h->stride, SIM_N},
                         kt = {at + width, h->ld, h->stride, SIM_T},
                         vt = {at + 2 * width, h->ld, h->stride, SIM_T},
                         g = {f->dout + (size_t)b->out * f->act_bytes, h->width, h->stride_out, SIM_N},
                         pt = {f->p, n, n * n, SIM_T}, ds = {f->ds, n, n * n, SIM_N},
                         dst = {f->ds, n, n * n, SIM_T};
    multiply(h, f->score, n, n * n, SIM_ELEMENT_F32, q, kt, n, n, d);
    multiply(h, f->dp, n, n * n, SIM_ELEMENT_F32, g, vt, n, n, d);
    sim_k_softmax_backward(h->c->stream, h->c->act, f->p, f->ds, f->score, f->dp, f->lse + b->lse,
                           b->lse_stride, h->count, n, n, (float)(1.0 / sqrt((double)d)));
    multiply(h, to, h->ld, h->stride, h->c->act, ds, k, n, d, n);             /* dq */
    multiply(h, to + width, h->ld, h->stride, h->c->act, dst, q, n, d, n);    /* dk */
    multiply(h, to + 2 * width, h->ld, h->stride, h->c->act, pt, g, n, d, n); /* dv */
}

static void attention_backward(const struct sim_ops *o, sim_act *dqkv, const sim_act *dout,
                               const sim_act *qkv, const sim_act *out, const float *lse, int64_t batch,
                               int64_t tokens, int64_t heads, int64_t head_dim)
{
    struct sim_cuda *c = sim_cuda(o);
    const struct sim_attention_shape s = {batch, tokens, heads, head_dim};
    if (sim_attention_fused(c, &s)) {
        sim_attention_fused_backward(c, dqkv, dout, qkv, out, lse, &s);
        return;
    }
    const int apart = c->act != SIM_ELEMENT_F32;
    const size_t each = 2 * (sizeof(float) + (apart ? o->act_bytes : 0));
    const int64_t most = most_matrices(&s, each), elements = most * tokens * tokens;
    float *score = sim_cuda_scratch(c, (size_t)elements * each);
    if (!score) return;
    unsigned char *rest = (unsigned char *)(score + 2 * elements);
    struct backward f = {.act_bytes = o->act_bytes,
                         .qkv = (const unsigned char *)qkv,
                         .dout = (const unsigned char *)dout,
                         .dqkv = (unsigned char *)dqkv,
                         .lse = lse,
                         .score = score,
                         .dp = score + elements,
                         .p = apart ? (void *)rest : score,
                         .ds = apart ? (void *)(rest + (size_t)elements * o->act_bytes)
                                     : (void *)(score + elements)};
    for_batches(c, &s, most, backward_batch, &f);
}

void sim_cuda_fill_attention(struct sim_ops *o)
{
    o->attention = attention;
    o->attention_backward = attention_backward;
}
