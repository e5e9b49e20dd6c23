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

SIM_INLINE void batchnorm_sums_of(double *sum, const float *x, int64_t rows, int64_t cols, int64_t ld)
{
    double total[SIM_STRIP] = {0};
    for (int64_t r0 = 0; r0 < rows; r0 += BLOCK) {
        float part[SIM_STRIP] = {0};
        int64_t end = rows - r0 < BLOCK ? rows : r0 + BLOCK;
        for (int64_t r = r0; r < end; r++)
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) part[c] += x[r * ld + c];
        for (int64_t c = 0; c < cols; c++) total[c] += part[c];
    }
    for (int64_t c = 0; c < cols; c++) sum[c] = total[c];
}

static void batchnorm_sums(double *sum, const float *x, int64_t rows, int64_t cols, int64_t ld)
{
    SIM_FULL_STRIP(cols, batchnorm_sums_of(sum, x, rows, SIM_STRIP, ld),
                   batchnorm_sums_of(sum, x, rows, cols, ld));
}

SIM_INLINE void batchnorm_squares_of(double *sum, const float *x, const float *mean, int64_t rows,
                                     int64_t cols, int64_t ld)
{
    double total[SIM_STRIP] = {0};
    float mu[SIM_STRIP];
    for (int64_t c = 0; c < cols; c++) mu[c] = mean[c];
    for (int64_t r0 = 0; r0 < rows; r0 += BLOCK) {
        float part[SIM_STRIP] = {0};
        int64_t end = rows - r0 < BLOCK ? rows : r0 + BLOCK;
        for (int64_t r = r0; r < end; r++)
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) part[c] += (x[r * ld + c] - mu[c]) * (x[r * ld + c] - mu[c]);
        for (int64_t c = 0; c < cols; c++) total[c] += part[c];
    }
    for (int64_t c = 0; c < cols; c++) sum[c] = total[c];
}

static void batchnorm_squares(double *sum, const float *x, const float *mean, int64_t rows, int64_t cols,
                              int64_t ld)
{
    SIM_FULL_STRIP(cols, batchnorm_squares_of(sum, x, mean, rows, SIM_STRIP, ld),
                   batchnorm_squares_of(sum, x, mean, rows, cols, ld));
}

SIM_INLINE void batchnorm_apply_of(float *y, const float *x, const float *mean, const float *rstd,
                                   const float *w, const float *b, int64_t rows, int64_t cols, int64_t ld)
{
    float mu[SIM_STRIP], scale[SIM_STRIP], shift[SIM_STRIP];
    for (int64_t c = 0; c < cols; c++)
        mu[c] = mean[c], scale[c] = w ? rstd[c] * w[c] : rstd[c], shift[c] = b ? b[c] : 0;
    for (int64_t r = 0; r < rows; r++)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) y[r * ld + c] = fmaf(x[r * ld + c] - mu[c], scale[c], shift[c]);
}

static void batchnorm_apply(float *y, const float *x, const float *mean, const float *rstd, const float *w,
                            const float *b, int64_t rows, int64_t cols, int64_t ld)
{
    SIM_FULL_STRIP(cols, batchnorm_apply_of(y, x, mean, rstd, w, b, rows, SIM_STRIP, ld),
                   batchnorm_apply_of(y, x, mean, rstd, w, b, rows, cols, ld));
}

SIM_INLINE void batchnorm_backward_sums_of(double *sum, double *dot, const float *dy, const float *x,
                                           const float *mean, const float *rstd, int64_t rows, int64_t cols,
                                           int64_t ld)
{
    double total[SIM_STRIP] = {0}, products[SIM_STRIP] = {0};
    float mu[SIM_STRIP], r1[SIM_STRIP];
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
        for (int64_t c = 0; c < cols; c++) total[c] += s[c], products[c] += d[c];
    }
    for (int64_t c = 0; c < cols; c++) sum[c] = total[c], dot[c] = products[c];
}

static void batchnorm_backward_sums(double *sum, double *dot, const float *dy, const float *x,
                                    const float *mean, const float *rstd, int64_t rows, int64_t cols,
                                    int64_t ld)
{
    SIM_FULL_STRIP(cols, batchnorm_backward_sums_of(sum, dot, dy, x, mean, rstd, rows, SIM_STRIP, ld),
                   batchnorm_backward_sums_of(sum, dot, dy, x, mean, rstd, rows, cols, ld));
}

SIM_INLINE void batchnorm_backward_apply_of(float *dx, int accumulate, const float *dy, const float *x,
                                            const double *sum, const double *dot, double count,
                                            const float *mean, const float *rstd, const float *w,
                                            int64_t rows, int64_t cols, int64_t ld)
{
    float mu[SIM_STRIP], m1[SIM_STRIP], m2[SIM_STRIP], scale[SIM_STRIP];
    for (int64_t c = 0; c < cols; c++) {
        mu[c] = mean[c];
        m1[c] = (float)(sum[c] / count);
        m2[c] = (float)(dot[c] / count) * rstd[c];
        scale[c] = w ? w[c] * rstd[c] : rstd[c];
    }
    for (int64_t r = 0; r < rows; r++)
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) {
            float v = scale[c] * (dy[r * ld + c] - m1[c] - (x[r * ld + c] - mu[c]) * m2[c]);
            dx[r * ld + c] = accumulate ? dx[r * ld + c] + v : v;
        }
}

static void batchnorm_backward_apply(float *dx, int accumulate, const float *dy, const float *x,
                                     const double *sum, const double *dot, double count, const float *mean,
                                     const float *rstd, const float *w, int64_t rows, int64_t cols,
                                     int64_t ld)
{
    SIM_FULL_STRIP(
        cols,
        batchnorm_backward_apply_of(dx, accumulate, dy, x, sum, dot, count, mean, rstd, w, rows, SIM_STRIP,
                                    ld),
        batchnorm_backward_apply_of(dx, accumulate, dy, x, sum, dot, count, mean, rstd, w, rows, cols, ld));
}

void SIM_ISA_NAME(sim_kernels_norms)(struct sim_kernels *k)
{
    k->layernorm_rows = layernorm_rows;
    k->layernorm_backward_rows = layernorm_backward_rows;
    k->batchnorm_sums = batchnorm_sums;
    k->batchnorm_squares = batchnorm_squares;
    k->batchnorm_apply = batchnorm_apply;
    k->batchnorm_backward_sums = batchnorm_backward_sums;
    k->batchnorm_backward_apply = batchnorm_backward_apply;
}
