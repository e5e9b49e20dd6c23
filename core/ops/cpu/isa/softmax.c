/* The softmax of attention, forward and backward, on blocks of query rows. */
#include "kernels.h"
#include "vector_math.h"

static void softmax_rows(float *s, int64_t ld, int64_t rows, int64_t cols, float *inverse, float *lse)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = s + r * ld;
        float top = row[0], sum = 0;
#pragma omp simd reduction(max : top)
        for (int64_t c = 0; c < cols; c++) top = row[c] > top ? row[c] : top;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < cols; c++) {
            float e = sim_expf(row[c] - top);
            row[c] = e;
            sum += e;
        }
        inverse[r] = 1.0f / sum;
        if (lse) lse[r] = top + logf(sum);
    }
}

static void scale_rows(float *x, int64_t ld, int64_t rows, int64_t cols, const float *factor)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = x + r * ld, f = factor[r];
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) row[c] *= f;
    }
}

static void softmax_again(float *s, int64_t ld, int64_t rows, int64_t cols, const float *lse)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = s + r * ld, l = lse[r];
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) row[c] = sim_expf(row[c] - l);
    }
}

static void softmax_backward(float *dp, const float *p, int64_t ld, int64_t rows, int64_t cols,
                             const float *dout, const float *out, int64_t ldo, int64_t head_dim, float scale)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = dp + r * ld;
        const float *pr = p + r * ld, *g = dout + r * ldo, *y = out + r * ldo;
        float dot = 0;
#pragma omp simd reduction(+ : dot)
        for (int64_t d = 0; d < head_dim; d++) dot += g[d] * y[d];
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) row[c] = pr[c] * (row[c] - dot) * scale;
    }
}

void SIM_ISA_NAME(sim_kernels_softmax)(struct sim_kernels *k)
{
    k->softmax_rows = softmax_rows;
    k->scale_rows = scale_rows;
    k->softmax_again = softmax_again;
    k->softmax_backward = softmax_backward;
}
