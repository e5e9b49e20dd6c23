/* Moving tokens about: patches in, visible tokens out, the predictor's queries, positions, residual branches.
 */
#include "cpu.h"

#include <math.h>
#include <string.h>

static void patchify(const struct sim_ops *o, float *rows, const float *images, const int32_t *index,
                     int64_t batch, int64_t side, int64_t patch, int64_t taken)
{
    (void)o;
    const int64_t grid = side / patch, width = 3 * patch * patch;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < batch * taken; n++) {
        int64_t b = n / taken, l = index ? index[n] : n % taken;
        const float *from = images + b * 3 * side * side + l / grid * patch * side + l % grid * patch;
        float *to = rows + n * width;
        for (int64_t c = 0; c < 3; c++)
            for (int64_t y = 0; y < patch; y++)
                memcpy(to + (c * patch + y) * patch, from + (c * side + y) * side,
                       (size_t)patch * sizeof *to);
    }
}

static void add_rows(float *y, const float *a, const float *b, int64_t dim)
{
#pragma omp simd
    for (int64_t c = 0; c < dim; c++) y[c] = a[c] + b[c];
}

static void embed_tokens(const struct sim_ops *o, float *y, const float *x, const float *cls,
                         const float *pos, const int32_t *index, int64_t batch, int64_t taken, int64_t dim)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++) {
        float *row = y + b * (1 + taken) * dim;
        add_rows(row, cls, pos, dim);
        for (int64_t v = 0; v < taken; v++) {
            int64_t l = index ? index[b * taken + v] : v;
            add_rows(row + (1 + v) * dim, x + (b * taken + v) * dim, pos + (1 + l) * dim, dim);
        }
    }
}

/* out (dim) = sum of rows first..first+count-1 of every image, strip by strip: the rows of an image, then the
 * images, in order. */
static void sum_rows(struct sim_cpu *c, float *out, const float *x, int64_t batch, int64_t tokens,
                     int64_t first, int64_t count, int64_t dim)
{
    float *part = sim_cpu_shared(c, (size_t)(batch * dim));
    if (!part) return;
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++)
        for (int64_t j = 0; j < dim; j += SIM_STRIP)
            c->k.column_sums(part + b * dim + j, x + (b * tokens + first) * dim + j, dim, count,
                             sim_min(SIM_STRIP, dim - j));
    for (int64_t j = 0; j < dim; j += SIM_STRIP)
        c->k.column_sums(out + j, part + j, dim, batch, sim_min(SIM_STRIP, dim - j));
}

static void take_rows(const struct sim_ops *o, float *y, const float *x, int64_t batch, int64_t tokens,
                      int64_t first, int64_t count, int64_t dim)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++)
        memcpy(y + b * count * dim, x + (b * tokens + first) * dim, (size_t)(count * dim) * sizeof *y);
}

static void put_rows(const struct sim_ops *o, float *y, const float *x, int64_t batch, int64_t tokens,
                     int64_t first, int64_t count, int64_t dim)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++) {
        float *to = y + b * tokens * dim;
        memset(to, 0, (size_t)(first * dim) * sizeof *to);
        memcpy(to + first * dim, x + b * count * dim, (size_t)(count * dim) * sizeof *to);
        memset(to + (first + count) * dim, 0, (size_t)((tokens - first - count) * dim) * sizeof *to);
    }
}

static void embed_tokens_backward(const struct sim_ops *o, float *dcls, float *dx, const float *dy,
                                  int64_t batch, int64_t taken, int64_t dim)
{
    sum_rows(sim_cpu(o), dcls, dy, batch, 1 + taken, 0, 1, dim);
    if (dx) take_rows(o, dx, dy, batch, 1 + taken, 1, taken, dim);
}

static void join_queries(const struct sim_ops *o, float *y, const float *z, const float *pos,
                         const int32_t *index, const float *mask_token, const float *place, int64_t batch,
                         int64_t taken, int64_t patches, int64_t dim)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++) {
        float *row = y + b * (1 + taken + patches) * dim;
        const float *from = z + b * (1 + taken) * dim;
        add_rows(row, from, pos, dim);
        for (int64_t v = 0; v < taken; v++) {
            int64_t l = index ? index[b * taken + v] : v;
            add_rows(row + (1 + v) * dim, from + (1 + v) * dim, pos + (1 + l) * dim, dim);
        }
        row += (1 + taken) * dim;
        for (int64_t l = 0; l < patches; l++)
            add_rows(row + l * dim, mask_token, place + (b * patches + l) * dim, dim);
    }
}

static void join_queries_backward(const struct sim_ops *o, float *dz, float *dmask_token, float *dplace,
                                  const float *dy, int64_t batch, int64_t taken, int64_t patches, int64_t dim)
{
    int64_t tokens = 1 + taken + patches;
    take_rows(o, dz, dy, batch, tokens, 0, 1 + taken, dim);
    take_rows(o, dplace, dy, batch, tokens, 1 + taken, patches, dim);
    sum_rows(sim_cpu(o), dmask_token, dy, batch, tokens, 1 + taken, patches, dim);
}

static void mean_rows(const struct sim_ops *o, float *y, const float *x, int64_t batch, int64_t tokens,
                      int64_t first, int64_t count, int64_t dim)
{
    struct sim_cpu *c = sim_cpu(o);
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t j = 0; j < dim; j += SIM_STRIP)
            c->k.column_sums(y + b * dim + j, x + (b * tokens + first) * dim + j, dim, count,
                             sim_min(SIM_STRIP, dim - j));
        for (int64_t j = 0; j < dim; j++) y[b * dim + j] /= (float)count;
    }
}

static void mean_rows_backward(const struct sim_ops *o, float *dx, const float *dy, int64_t batch,
                               int64_t tokens, int64_t dim)
{
    (void)o;
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < batch * tokens; n++)
        for (int64_t j = 0; j < dim; j++) dx[n * dim + j] = dy[n / tokens * dim + j] / (float)tokens;
}

/* sines of `width` frequencies, then cosines; in double: a patch position has few digits to lose at the high
 * ones. */
static void encode(float *to, double p, int64_t width, const double *omega)
{
    for (int64_t k = 0; k < width; k++) {
        to[k] = (float)sin(p * omega[k]);
        to[width + k] = (float)cos(p * omega[k]);
    }
}

/* A row position depends on u alone and a column position on v alone: each is encoded once an image, then
 * copied. */
static void relative_features(const struct sim_ops *o, float *features, const float *geometry, int64_t batch,
                              int64_t grid, int64_t dim, enum sim_features_mode mode)
{
    struct sim_cpu *c = sim_cpu(o);
    const int64_t width = dim / 4, half = 2 * width; /* half of D: one encoded coordinate */
    double *omega = (double *)sim_cpu_shared(c, (size_t)(2 * width));
    if (!omega) return;
    for (int64_t k = 0; k < width; k++) omega[k] = 1.0 / pow(10000.0, (double)k / (double)width);
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++) {
        const float *g = geometry + b * 6;
        double di = g[0], dj = g[1], sh = g[2], sw = g[3], flip = g[4], fj = g[5];
        if (mode == SIM_FEATURES_NONE) di = dj = flip = fj = 0, sh = sw = 1;
        float *code = sim_cpu_scratch(c, (size_t)((2 * grid + 2) * half));
        if (!code) continue;
        float *row = code, *column = row + grid * half, *scale = column + grid * half;
        for (int64_t u = 0; u < grid; u++) {
            double at = (double)u + 0.5;
            encode(row + u * half, sh * at + (double)grid * di - 0.5, width, omega);
            encode(column + u * half,
                   (1 - flip) * (sw * at + (double)grid * dj) + flip * ((double)grid * fj - sw * at) - 0.5,
                   width, omega);
        }
        encode(scale, mode == SIM_FEATURES_NO_SCALE ? 0 : 10 * log(sh), width, omega);
        encode(scale + half, mode == SIM_FEATURES_NO_SCALE ? 0 : 10 * log(sw), width, omega);
        size_t bytes = (size_t)half * sizeof *code;
        for (int64_t l = 0; l < grid * grid; l++) {
            float *to = features + (b * grid * grid + l) * 4 * half;
            memcpy(to, row + l / grid * half, bytes);
            memcpy(to + half, column + l % grid * half, bytes);
            memcpy(to + 2 * half, scale, 2 * bytes);
        }
    }
}

/* Chunks stay inside an image, so that one keep factor holds for a chunk. */
static void scale_residual(const struct sim_ops *o, float *y, const float *x, const float *branch,
                           const float *gamma, const float *keep, int64_t batch, int64_t tokens, int64_t dim)
{
    struct sim_cpu *c = sim_cpu(o);
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++) {
        int64_t at = b * tokens * dim;
        c->k.residual_rows(y + at, x + at, branch + at, gamma, keep ? keep[b] : 1.0f, tokens, dim);
    }
}

static void scale_residual_backward(const struct sim_ops *o, float *dbranch, float *dgamma, const float *dy,
                                    const float *branch, const float *gamma, const float *keep, int64_t batch,
                                    int64_t tokens, int64_t dim)
{
    struct sim_cpu *c = sim_cpu(o);
    float *part = NULL;
    if (dgamma && !(part = sim_cpu_shared(c, (size_t)(batch * dim)))) return;
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < batch; b++) {
        int64_t at = b * tokens * dim;
        c->k.residual_backward_rows(dbranch + at, part ? part + b * dim : NULL, dy + at, branch + at, gamma,
                                    keep ? keep[b] : 1.0f, tokens, dim);
    }
    for (int64_t j = 0; dgamma && j < dim; j += SIM_STRIP)
        c->k.column_sums(dgamma + j, part + j, dim, batch, sim_min(SIM_STRIP, dim - j));
}

void sim_cpu_tokens(struct sim_ops *o)
{
    o->patchify = patchify;
    o->embed_tokens = embed_tokens;
    o->embed_tokens_backward = embed_tokens_backward;
    o->join_queries = join_queries;
    o->join_queries_backward = join_queries_backward;
    o->take_rows = take_rows;
    o->put_rows = put_rows;
    o->mean_rows = mean_rows;
    o->mean_rows_backward = mean_rows_backward;
    o->relative_features = relative_features;
    o->scale_residual = scale_residual;
    o->scale_residual_backward = scale_residual_backward;
}
