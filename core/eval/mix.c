#include "mix.h"

#include <math.h>

static int clipped(int at, int side)
{
    return at < 0 ? 0 : at > side ? side : at;
}

static void draw_box(struct sim_rng *r, double lambda, int side, struct sim_mix *out)
{
    const int cut = (int)(side * sqrt(1 - lambda));
    const int y = (int)sim_rng_below(r, (uint32_t)side), x = (int)sim_rng_below(r, (uint32_t)side);
    out->top = clipped(y - cut / 2, side), out->bottom = clipped(y + cut / 2, side);
    out->left = clipped(x - cut / 2, side), out->right = clipped(x + cut / 2, side);
    out->lambda = 1 - (double)(out->bottom - out->top) * (out->right - out->left) / ((double)side * side);
}

void sim_mix_draw(const struct sim_finetune_config *c, struct sim_rng *r, int side, struct sim_mix *out)
{
    *out = (struct sim_mix){.lambda = 1};
    if ((c->mixup <= 0 && c->cutmix <= 0) || sim_rng_uniform(r) >= c->mix_probability) return;
    out->cutmix = c->mixup <= 0 || (c->cutmix > 0 && sim_rng_uniform(r) < c->cutmix_share);
    const double alpha = out->cutmix ? c->cutmix : c->mixup;
    out->lambda = sim_rng_beta(r, alpha, alpha);
    if (out->cutmix) draw_box(r, out->lambda, side, out);
}

static void mixup(float *a, float *b, int64_t count, float own)
{
    const float other = (float)(1 - (double)own);
    for (int64_t i = 0; i < count; i++) {
        float x = a[i], y = b[i];
        a[i] = x * own + y * other;
        b[i] = y * own + x * other;
    }
}

static void exchange(const struct sim_mix *m, float *a, float *b, int side)
{
    for (int64_t c = 0; c < 3; c++)
        for (int64_t row = m->top; row < m->bottom; row++)
            for (int64_t i = (c * side + row) * side + m->left, end = i + m->right - m->left; i < end; i++) {
                float keep = a[i];
                a[i] = b[i], b[i] = keep;
            }
}

void sim_mix_images(const struct sim_mix *m, float *x, int64_t count, int side)
{
    const int64_t image = 3 * (int64_t)side * side;
    if (m->lambda == 1) return;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count / 2; i++) {
        float *a = x + i * image, *b = x + (count - 1 - i) * image;
        if (m->cutmix)
            exchange(m, a, b, side);
        else
            mixup(a, b, image, (float)m->lambda);
    }
}

void sim_mix_targets(const struct sim_mix *m, const int32_t *label, int64_t count, int64_t classes,
                     double smoothing, float *target)
{
    const double off = smoothing / (double)classes, on = 1 - smoothing;
    for (int64_t i = 0; i < count; i++) {
        float *row = target + i * classes;
        for (int64_t k = 0; k < classes; k++) row[k] = (float)off;
        const int32_t own = label[i], other = label[count - 1 - i];
        if (own == other) {
            row[own] = (float)(on + off);
        } else {
            row[own] = (float)(on * m->lambda + off);
            row[other] = (float)(on * (1 - m->lambda) + off);
        }
    }
}
