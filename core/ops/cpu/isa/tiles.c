/* Loops over tiles of matrices: what surrounds a matrix product. */
#include "kernels.h"
#include "vector_math.h"

static void tile_fill(float *y, int64_t ld, int64_t rows, int64_t cols, const float *bias)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = y + r * ld;
        if (bias)
            memcpy(row, bias, (size_t)cols * sizeof *row);
        else
            memset(row, 0, (size_t)cols * sizeof *row);
    }
}

static void tile_add(float *y, int64_t ld, const float *x, int64_t ldx, int64_t rows, int64_t cols,
                     const float *bias)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = y + r * ld;
        const float *from = x + r * ldx;
        if (bias) {
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) row[c] = from[c] + bias[c];
        } else {
            memcpy(row, from, (size_t)cols * sizeof *row);
        }
    }
}

static void tile_gelu(float *y, float *slope, int64_t ld, int64_t rows, int64_t cols)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = y + r * ld;
        if (slope) {
            float *s = slope + r * ld;
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) {
                float density, x = row[c], phi = sim_normal_cdf(x, &density);
                row[c] = x * phi;
                s[c] = fmaf(x, density, phi);
            }
        } else {
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) {
                float density, x = row[c];
                row[c] = x * sim_normal_cdf(x, &density);
            }
        }
    }
}

static void tile_multiply(float *y, const float *x, int64_t ld, int64_t rows, int64_t cols)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = y + r * ld;
        const float *by = x + r * ld;
#pragma omp simd
        for (int64_t c = 0; c < cols; c++) row[c] *= by[c];
    }
}

static void tile_transpose(float *y, int64_t ldy, const float *x, int64_t ldx, int64_t rows, int64_t cols)
{
    for (int64_t r0 = 0; r0 < rows; r0 += 16)
        for (int64_t c = 0; c < cols; c++)
            for (int64_t r = r0; r < rows && r < r0 + 16; r++) y[c * ldy + r] = x[r * ldx + c];
}

/* Two levels of sums, 64 rows at a time: over thousands of rows a single running float would lose digits. */
SIM_INLINE void column_sums_of(float *sums, const float *x, int64_t ld, int64_t rows, int64_t cols)
{
    float total[SIM_STRIP] = {0};
    for (int64_t r0 = 0; r0 < rows; r0 += 64) {
        float part[SIM_STRIP] = {0};
        int64_t end = rows - r0 < 64 ? rows : r0 + 64;
        for (int64_t r = r0; r < end; r++)
#pragma omp simd
            for (int64_t c = 0; c < cols; c++) part[c] += x[r * ld + c];
        for (int64_t c = 0; c < cols; c++) total[c] += part[c];
    }
    memcpy(sums, total, (size_t)cols * sizeof *sums);
}

static void column_sums(float *sums, const float *x, int64_t ld, int64_t rows, int64_t cols)
{
    SIM_FULL_STRIP(cols, column_sums_of(sums, x, ld, rows, SIM_STRIP),
                   column_sums_of(sums, x, ld, rows, cols));
}

void SIM_ISA_NAME(sim_kernels_tiles)(struct sim_kernels *k)
{
    k->tile_fill = tile_fill;
    k->tile_add = tile_add;
    k->tile_gelu = tile_gelu;
    k->tile_multiply = tile_multiply;
    k->tile_transpose = tile_transpose;
    k->column_sums = column_sums;
}
