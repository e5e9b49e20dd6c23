/* Sine and cosine, and value noise. */
#include "procedural_parts.h"

/* Taylor terms of sin(2 pi t) on |t| <= 1/8 and of cos(2 pi t) there: the folds below leave nothing larger.
 */
static double sine_part(double t)
{
    double x = 6.283185307179586476925 * t, q = x * x;
    return x * (1 + q * (-1.0 / 6 + q * (1.0 / 120 + q * (-1.0 / 5040 + q * (1.0 / 362880)))));
}

static double cosine_part(double t)
{
    double x = 6.283185307179586476925 * t, q = x * x;
    return 1 + q * (-1.0 / 2 + q * (1.0 / 24 + q * (-1.0 / 720 + q * (1.0 / 40320 + q * (-1.0 / 3628800)))));
}

double sim_procedural_sin(double turns)
{
    double t = turns - floor(turns);
    int quarter = (int)(t * 4 + 0.5); /* the nearest quarter turn, 0 .. 4 */
    t -= quarter * 0.25;
    switch (quarter & 3) {
    case 0:
        return sine_part(t);
    case 1:
        return cosine_part(t);
    case 2:
        return -sine_part(t);
    default:
        return -cosine_part(t);
    }
}

double sim_procedural_cos(double turns)
{
    return sim_procedural_sin(turns + 0.25);
}

void sim_procedural_noise_fill(struct noise *n, struct sim_rng *r)
{
    for (int y = 0; y < NOISE_SIDE; y++)
        for (int x = 0; x < NOISE_SIDE; x += 2) {
            uint32_t bits = sim_rng_u32(r); /* 16 bits are plenty */
            n->value[y][x] = (float)(bits & 0xffffu) * 0x1p-16f;
            n->value[y][x + 1] = (float)(bits >> 16) * 0x1p-16f;
        }
}

float sim_procedural_noise(const struct noise *n, float x, float y)
{
    float fx = floorf(x), fy = floorf(y);
    int ix = (int)fx, iy = (int)fy;
    fx = x - fx, fy = y - fy;
    fx = fx * fx * (3 - 2 * fx), fy = fy * fy * (3 - 2 * fy);
    float top = mix(noise_cell(n, ix, iy), noise_cell(n, ix + 1, iy), fx);
    float bottom = mix(noise_cell(n, ix, iy + 1), noise_cell(n, ix + 1, iy + 1), fx);
    return mix(top, bottom, fy);
}

float sim_procedural_fbm(const struct noise *n, float x, float y, int octaves)
{
    float sum = 0, weight = 0.5f, total = 0;
    for (int k = 0; k < octaves; k++) {
        sum += weight * sim_procedural_noise(n, x, y);
        total += weight;
        weight *= 0.5f;
        x = 2 * x + 17.3f, y = 2 * y + 31.7f; /* octaves read apart, so that lattice lines do not pile up */
    }
    return sum / total;
}
