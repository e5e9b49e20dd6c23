/* Passes over rows of tokens and flat pieces of the parameter block. */
#include "kernels.h"

#include <math.h>
#include <string.h>

static void residual_rows(float *y, const float *x, const float *branch, const float *gamma, float keep,
                          int64_t rows, int64_t dim)
{
    for (int64_t r = 0; r < rows; r++) {
        float *out = y + r * dim;
        const float *in = x + r * dim, *add = branch + r * dim;
        if (gamma) {
#pragma omp simd
            for (int64_t c = 0; c < dim; c++) out[c] = in[c] + keep * gamma[c] * add[c];
        } else {
#pragma omp simd
            for (int64_t c = 0; c < dim; c++) out[c] = in[c] + keep * add[c];
        }
    }
}

static void residual_backward_rows(float *dbranch, float *dgamma, const float *dy, const float *branch,
                                   const float *gamma, float keep, int64_t rows, int64_t dim)
{
    if (dgamma) memset(dgamma, 0, (size_t)dim * sizeof *dgamma);
    for (int64_t r = 0; r < rows; r++) {
        const float *g = dy + r * dim, *add = branch + r * dim;
        float *out = dbranch + r * dim;
        if (dgamma) {
#pragma omp simd
            for (int64_t c = 0; c < dim; c++) {
                float kept = g[c] * keep;
                dgamma[c] += kept * add[c];
                out[c] = kept * gamma[c];
            }
        } else {
#pragma omp simd
            for (int64_t c = 0; c < dim; c++) out[c] = g[c] * keep * (gamma ? gamma[c] : 1.0f);
        }
    }
}

static double unigrad_rows(float *dp, const float *p, const float *t, const float *pc, int64_t rows,
                           int64_t dim, double neg_weight, double gradient_scale)
{
    const float lambda = (float)neg_weight, scale = (float)gradient_scale;
    double total = 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *pr = p + r * dim, *tr = t + r * dim, *cr = pc + r * dim;
        float pos = 0, neg = 0;
#pragma omp simd reduction(+ : pos, neg)
        for (int64_t c = 0; c < dim; c++) {
            float d = pr[c] - tr[c];
            pos += d * d;
            neg += pr[c] * cr[c];
        }
        total += (double)pos + neg_weight * (double)neg;
        if (dp) {
            float *out = dp + r * dim;
#pragma omp simd
            for (int64_t c = 0; c < dim; c++) out[c] = scale * (pr[c] - tr[c] + lambda * cr[c]);
        }
    }
    return total;
}

static double flat_squares(const float *g, int64_t count)
{
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < count; i++) total += (double)g[i] * (double)g[i];
    return total;
}

static void flat_adamw(float *p, const float *g, float *m, float *v, int64_t count, const struct sim_adamw *h,
                       const struct sim_scalars *s, double lr, float weight_decay)
{
    const float b1 = (float)h->beta1, b2 = (float)h->beta2, c1 = (float)(1 - h->beta1),
                c2 = (float)(1 - h->beta2);
    const float decay = (float)(1.0 - lr * (double)weight_decay), gs = (float)s->grad_scale,
                eps = (float)h->eps;
    const float step = (float)(lr / s->in.correction1);
    const float root = (float)(1.0 / sqrt(s->in.correction2));
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        float gi = g[i] * gs;
        float mi = b1 * m[i] + c1 * gi, vi = b2 * v[i] + c2 * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] = p[i] * decay - step * mi / (sqrtf(vi) * root + eps);
    }
}

static void flat_ema(float *p, const float *g, int64_t count, double momentum)
{
    const float keep = (float)momentum, rest = (float)(1.0 - momentum);
#pragma omp simd
    for (int64_t i = 0; i < count; i++) p[i] = keep * p[i] + rest * g[i];
}

void SIM_ISA_NAME(sim_kernels_flat)(struct sim_kernels *k)
{
    k->residual_rows = residual_rows;
    k->residual_backward_rows = residual_backward_rows;
    k->unigrad_rows = unigrad_rows;
    k->flat_squares = flat_squares;
    k->flat_adamw = flat_adamw;
    k->flat_ema = flat_ema;
}
