#include "rng.h"

#include <math.h>

void sim_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

struct sim_rng sim_rng_make(uint64_t seed, enum sim_purpose purpose, uint32_t epoch, uint64_t index,
                            uint32_t view)
{
    struct sim_rng r = {.key = {(uint32_t)seed, (uint32_t)(seed >> 32)}};
    r.counter[1] = (uint32_t)purpose << 24 | (view & 255u) << 16 | (uint32_t)(index >> 32 & 0xffffu);
    r.counter[2] = epoch;
    r.counter[3] = (uint32_t)index;
    return r;
}

uint32_t sim_rng_u32(struct sim_rng *r)
{
    if (r->left == 0) {
        sim_philox4x32(r->counter, r->key, r->word);
        r->counter[0]++;
        r->left = 4;
    }
    return r->word[4 - r->left--];
}

double sim_rng_uniform(struct sim_rng *r)
{
    uint64_t high = sim_rng_u32(r), low = sim_rng_u32(r);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

double sim_rng_between(struct sim_rng *r, double low, double high)
{
    return low + (high - low) * sim_rng_uniform(r);
}

double sim_rng_normal(struct sim_rng *r)
{
    double u = 1.0 - sim_rng_uniform(r), v = sim_rng_uniform(r); /* u in (0, 1] */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

/* The logarithm of a Gamma(a) variable: Marsaglia and Tsang (2000), whose rejection wants a >= 1, at a + 1;
 * what that is too large by is a power of a uniform number.  As a logarithm, because for small a it may be
 * too small for a double. */
static double log_gamma_variate(struct sim_rng *r, double a)
{
    const double d = a + 1 - 1.0 / 3, c = 1 / sqrt(9 * d), shrink = log(1.0 - sim_rng_uniform(r)) / a;
    for (;;) {
        double x = sim_rng_normal(r), u = 1.0 - sim_rng_uniform(r), v = 1 + c * x;
        v = v * v * v;
        if (v > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v)) return log(d * v) + shrink;
    }
}

double sim_rng_beta(struct sim_rng *r, double a, double b)
{
    double x = log_gamma_variate(r, a), y = log_gamma_variate(r, b);
    return 1 / (1 + exp(y - x));
}

uint32_t sim_rng_below(struct sim_rng *r, uint32_t n)
{
    /* Lemire's multiply-shift with rejection of the short remainder. */
    uint64_t m = (uint64_t)sim_rng_u32(r) * n;
    if ((uint32_t)m < n) {
        uint32_t threshold = (0u - n) % n;
        while ((uint32_t)m < threshold) m = (uint64_t)sim_rng_u32(r) * n;
    }
    return (uint32_t)(m >> 32);
}

void sim_rng_permutation(struct sim_rng *r, uint32_t n, uint32_t *out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = sim_rng_below(r, i + 1);
        if (j != i) out[i] = out[j];
        out[j] = i;
    }
}
