/* What masked image modelling needs: tokens back in their places, the loss of predicted pixels. */
#include "cpu.h"

#include <math.h>
#include <string.h>

static void restore_tokens(const struct sim_ops *o, float *y, const float *z, const float *pos,
                           const int32_t *place, const float *mask_token, int64_t batch, int64_t taken,
                           int64_t patches, int64_t dim)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < batch * (1 + patches); n++) {
        const int64_t b = n / (1 + patches), l = n % (1 + patches) - 1,
                      row = l < 0 ? 0 : place[b * patches + l];
        const float *from = l >= 0 && row == 0 ? mask_token : z + (b * (1 + taken) + row) * dim,
                    *own = pos + (1 + l) * dim;
        float *to = y + n * dim;
#pragma omp simd
        for (int64_t c = 0; c < dim; c++) to[c] = from[c] + own[c];
    }
}

/* The mask token's gradient: the rows of an image in order, then the images. */
static void restore_tokens_backward(const struct sim_ops *o, float *dz, float *dmask_token, const float *dy,
                                    const int32_t *index, const int32_t *place, int64_t batch, int64_t taken,
                                    int64_t patches, int64_t dim)
{
    struct sim_cpu *c = sim_cpu(o);
    const size_t row_bytes = (size_t)dim * sizeof *dz;
    float *part = sim_cpu_shared(c, (size_t)(batch * dim));
    if (!part) return;
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++) {
        const float *from = dy + b * (1 + patches) * dim;
        float *to = dz + b * (1 + taken) * dim, *sum = part + b * dim;
        memcpy(to, from, row_bytes);
        for (int64_t v = 0; v < taken; v++)
            memcpy(to + (1 + v) * dim, from + (1 + index[b * taken + v]) * dim, row_bytes);
        memset(sum, 0, row_bytes);
        for (int64_t l = 0; l < patches; l++) {
            const float *hidden = from + (1 + l) * dim;
            if (place[b * patches + l]) continue;
#pragma omp simd
            for (int64_t k = 0; k < dim; k++) sum[k] += hidden[k];
        }
    }
    for (int64_t j = 0; j < dim; j += SIM_STRIP)
        c->k.column_sums(dmask_token + j, part + j, dim, batch, sim_min(SIM_STRIP, dim - j));
}

/* ------------------------------------------------------------------ pixels */

/* Patch l of an image in the order (row, column, channel); with normalise by its own mean and variance. */
static void make_target(float *to, const float *image, int64_t l, int64_t side, int64_t patch, int normalise)
{
    const int64_t grid = side / patch, width = 3 * patch * patch;
    const float *from = image + l / grid * patch * side + l % grid * patch;
    double mean = 0, variance = 0;
    for (int64_t y = 0; y < patch; y++)
        for (int64_t x = 0; x < patch; x++)
            for (int64_t c = 0; c < 3; c++) to[(y * patch + x) * 3 + c] = from[(c * side + y) * side + x];
    if (!normalise) return;
    for (int64_t k = 0; k < width; k++) mean += (double)to[k] / (double)width;
    for (int64_t k = 0; k < width; k++)
        variance += ((double)to[k] - mean) * ((double)to[k] - mean) / (double)(width - 1);
    const double scale = 1 / sqrt(variance + 1e-6);
    for (int64_t k = 0; k < width; k++) to[k] = (float)(scale * ((double)to[k] - mean));
}

/* |p - target|^2, and its share of the gradient. */
static double row_loss(float *dp, const float *p, const float *target, int64_t width, double gradient)
{
    double sum = 0;
    for (int64_t k = 0; k < width; k++) {
        const double d = (double)p[k] - (double)target[k];
        sum += d * d;
        dp[k] = (float)(gradient * d);
    }
    return sum;
}

static void pixel_loss(const struct sim_ops *o, double *loss, float *dp, float *target, const float *p,
                       const float *images, const int32_t *place, int64_t batch, int64_t side, int64_t patch,
                       int64_t hidden, int normalise)
{
    struct sim_cpu *c = sim_cpu(o);
    const int64_t width = 3 * patch * patch, patches = side / patch * (side / patch), rows = batch * patches;
    const int64_t chunks = sim_chunks(rows, SIM_CHUNK_ROWS);
    const double per = 1 / ((double)(batch * hidden) * (double)width);
    double *part = (double *)sim_cpu_shared(c, (size_t)(2 * chunks)), total = 0;
    if (!part) return;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < chunks; n++) {
        float *own = sim_cpu_scratch(c, (size_t)width);
        part[n] = 0;
        for (int64_t r = n * SIM_CHUNK_ROWS; own && r < rows && r < (n + 1) * SIM_CHUNK_ROWS; r++) {
            float *t = target ? target + r * width : own;
            if (target || !place[r])
                make_target(t, images + r / patches * 3 * side * side, r % patches, side, patch, normalise);
            if (place[r])
                memset(dp + r * width, 0, (size_t)width * sizeof *dp);
            else
                part[n] += row_loss(dp + r * width, p + r * width, t, width, 2 * per);
        }
    }
    for (int64_t n = 0; n < chunks; n++) total += part[n];
    *loss = total * per;
    sim_cpu_mean_over_ranks(o, loss);
}

void sim_cpu_masked(struct sim_ops *o)
{
    o->restore_tokens = restore_tokens;
    o->restore_tokens_backward = restore_tokens_backward;
    o->pixel_loss = pixel_loss;
}
