/* LayerNorm over rows and token BatchNorm over strips of columns. */
#include "kernels.h"

#include <math.h>
#include <string.h>

static void layernorm_rows(float *y, float *mean, float *rstd, const float *x, const float *w, const float *b,
                           int64_t rows, int64_t dim, double eps)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *in = x + r * dim;
        float *out = y + r * dim;
        float sum = 0, rest = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < dim; c++) sum += in[c];
        float mu = sum / (float)dim;
#pragma omp simd reduction(+ : rest, squares)
        for (int64_t c = 0; c < dim; c++) {
            float d = in[c] - mu;
            rest += d;
            squares += d * d;
        }
        /* what rounding the mean left over: nothing for centred rows, digits for rows far from zero */
        double shift = (double)rest / (double)dim;
        mu += (float)shift;
        float scale = (float)(1.0 / sqrt((double)squares / (double)dim - shift * shift + eps));
        if (w) {
#pragma omp simd
            for (int64_t c = 0; c < dim; c++) out[c] = fmaf((in[c] - mu) * scale, w[c], b[c]);
        } else {
#pragma omp simd
            for (int64_t c = 0; c < dim; c++) out[c] = (in[c] - mu) * scale;
        }
        if (mean) mean[r] = mu, rstd[r] = scale;
    }
}

/* dx = rstd (g - mean(g) - xhat mean(g xhat)) with g = dy w. */
static void layernorm_backward_rows(float *dx, int accumulate, float *dw, float *db, const float *dy,
                                    const float *x, const float *mean, const float *rstd, const float *w,
                                    int64_t rows, int64_t dim)
{
    if (dw) {
        memset(dw, 0, (size_t)dim * sizeof *dw);
        memset(db, 0, (size_t)dim * sizeof *db);
    }
    for (int64_t r = 0; r < rows; r++) {
        const float *in = x + r * dim, *g = dy + r * dim;
        float *out = dx + r * dim;
        const float mu = mean[r], scale = rstd[r];
        float s1 = 0, s2 = 0;
        if (w) {
#pragma omp simd reduction(+ : s1, s2)
            for (int64_t c = 0; c < dim; c++) {
                float gw = g[c] * w[c];
                s1 += gw;
                s2 += gw * ((in[c] - mu) * scale);
            }
        } else {
#pragma omp simd reduction(+ : s1, s2)
            for (int64_t c = 0; c < dim; c++) {
                s1 += g[c];
                s2 += g[c] * ((in[c] - mu) * scale);
            }
        }
        s1 /= (float)dim, s2 /= (float)dim;
        if (dw) {
#pragma omp simd
            for (int64_t c = 0; c < dim; c++) {
                float xhat = (in[c] - mu) * scale, gc = g[c];
                dw[c] += gc * xhat;
                db[c] += gc;
                float d = scale * (gc * w[c] - s1 - xhat * s2);
                out[c] = accumulate ? out[c] + d : d;
            }
        } else {
#pragma omp simd
            for (int64_t c = 0; c < dim; c++) {
                float xhat = (in[c] - mu) * scale, gw = w ? g[c] * w[c] : g[c];
                float d = scale * (gw - s1 - xhat * s2);
                out[c] = accumulate ? out[c] + d : d;
            }
        }
    }
}

/* Column statistics: sums of 64 rows in float, their totals in double. */
#define BLOCK 64

SIM_INLINE void batchnorm_strip_of(float *y, float *mean, float *rstd, float *running_mean,
                                   float *running_var, const float *x, const float *w, const float *b,
                                   int64_t rows, int64_t cols, int64_t ld, double eps, double momentum)
{
    double total[SIM_STRIP] = {0};
    float mu[SIM_STRIP], scale[SIM_STRIP], shift[SIM_STRIP];
    for (int64_t r0 = 0; r0 < rows; r0 += BLOCK) {
        float part[SIM_STRIP] = {0};
        int64_t end = rows - r0 < BLOCK ? rows : r0 + BLOCK;
        for (int64_t r = r0; r < end; r++)
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) part[c] += x[r * ld + c];
        for (int64_t c = 0; c < cols; c++) total[c] += part[c];
    }
    for (int64_t c = 0; c < cols; c++) mu[c] = (float)(total[c] / (double)rows);
    memset(total, 0, sizeof total);
    for (int64_t r0 = 0; r0 < rows; r0 += BLOCK) {
        float part[SIM_STRIP] = {0};
        int64_t end = rows - r0 < BLOCK ? rows : r0 + BLOCK;
        for (int64_t r = r0; r < end; r++)
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) part[c] += (x[r * ld + c] - mu[c]) * (x[r * ld + c] - mu[c]);
        for (int64_t c = 0; c < cols; c++) total[c] += part[c];
    }
    for (int64_t c = 0; c < cols; c++) {
        double var = total[c] / (double)rows;
        double r = 1.0 / sqrt(var + eps);
        scale[c] = (float)r * w[c];
        shift[c] = b[c];
        if (running_mean) {
            double unbiased = rows > 1 ? total[c] / (double)(rows - 1) : var;
            running_mean[c] = (float)((1.0 - momentum) * running_mean[c] + momentum * mu[c]);
            running_var[c] = (float)((1.0 - momentum) * running_var[c] + momentum * unbiased);
        }
        mean[c] = mu[c];
        rstd[c] = (float)r;
    }
    for (int64_t r = 0; r < rows; r++)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) y[r * ld + c] = fmaf(x[r * ld + c] - mu[c], scale[c], shift[c]);
}

static void batchnorm_strip(float *y, float *mean, float *rstd, float *running_mean, float *running_var,
                            const float *x, const float *w, const float *b, int64_t rows, int64_t cols,
                            int64_t ld, double eps, double momentum)
{
    SIM_FULL_STRIP(
        cols,
        batchnorm_strip_of(y, mean, rstd, running_mean, running_var, x, w, b, rows, SIM_STRIP, ld, eps,
                           momentum),
        batchnorm_strip_of(y, mean, rstd, running_mean, running_var, x, w, b, rows, cols, ld, eps, momentum));
}

/* dx = w rstd (dy - mean(dy) - xhat mean(dy xhat)), means over rows. */
SIM_INLINE void batchnorm_backward_strip_of(float *dx, int accumulate, float *dw, float *db, const float *dy,
                                            const float *x, const float *mean, const float *rstd,
                                            const float *w, int64_t rows, int64_t cols, int64_t ld)
{
    double sum[SIM_STRIP] = {0}, dot[SIM_STRIP] = {0};
    float mu[SIM_STRIP], r1[SIM_STRIP], m1[SIM_STRIP], m2[SIM_STRIP], scale[SIM_STRIP];
    for (int64_t c = 0; c < cols; c++) mu[c] = mean[c], r1[c] = rstd[c];
    for (int64_t r0 = 0; r0 < rows; r0 += BLOCK) {
        float s[SIM_STRIP] = {0}, d[SIM_STRIP] = {0};
        int64_t end = rows - r0 < BLOCK ? rows : r0 + BLOCK;
        for (int64_t r = r0; r < end; r++)
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) {
                float g = dy[r * ld + c];
                s[c] += g;
                d[c] += g * ((x[r * ld + c] - mu[c]) * r1[c]);
            }
        for (int64_t c = 0; c < cols; c++) sum[c] += s[c], dot[c] += d[c];
    }
    for (int64_t c = 0; c < cols; c++) {
        dw[c] = (float)dot[c];
        db[c] = (float)sum[c];
        m1[c] = (float)(sum[c] / (double)rows);
        m2[c] = (float)(dot[c] / (double)rows) * r1[c];
        scale[c] = w[c] * r1[c];
    }
    for (int64_t r = 0; r < rows; r++)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) {
            float v = scale[c] * (dy[r * ld + c] - m1[c] - (x[r * ld + c] - mu[c]) * m2[c]);
            dx[r * ld + c] = accumulate ? dx[r * ld + c] + v : v;
        }
}

static void batchnorm_backward_strip(float *dx, int accumulate, float *dw, float *db, const float *dy,
                                     const float *x, const float *mean, const float *rstd, const float *w,
                                     int64_t rows, int64_t cols, int64_t ld)
{
    SIM_FULL_STRIP(
        cols, batchnorm_backward_strip_of(dx, accumulate, dw, db, dy, x, mean, rstd, w, rows, SIM_STRIP, ld),
        batchnorm_backward_strip_of(dx, accumulate, dw, db, dy, x, mean, rstd, w, rows, cols, ld));
}

void SIM_ISA_NAME(sim_kernels_norms)(struct sim_kernels *k)
{
    k->layernorm_rows = layernorm_rows;
    k->layernorm_backward_rows = layernorm_backward_rows;
    k->batchnorm_strip = batchnorm_strip;
    k->batchnorm_backward_strip = batchnorm_backward_strip;
}
