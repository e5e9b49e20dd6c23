/* Noise: every channel value on its own. */
#include <math.h>
#include <string.h>

#include "corrupt_parts.h"

static size_t values(const struct corrupting *c)
{
    return (size_t)c->image->width * (size_t)c->image->height * 3;
}

/* x + N(0, deviation) */
sim_status corrupt_gaussian_noise(struct corrupting *c)
{
    static const double deviation[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {.08, .12, .18, .26, .38}, {.04, .08, .12, .15, .18}, {.04, .06, .08, .09, .10}};
    const double s = deviation[c->set][c->level];
    uint8_t *v = c->image->rgb;
    for (size_t i = 0, n = values(c); i < n; i++)
        v[i] = corrupt_byte((float)(v[i] / 255.0 + s * sim_rng_normal(&c->rng)));
    return SIM_OK;
}

/* Poisson's distribution of one mean, entered at its mode. */
struct poisson {
    double mean, p, below; /* probability of the mode; of everything up to it */
    int mode, ready;
};

static void poisson_prepare(struct poisson *d, double mean)
{
    *d = (struct poisson){.mean = mean, .mode = (int)mean, .ready = 1};
    d->p = exp(d->mode * log(mean) - mean - lgamma(d->mode + 1.0));
    double p = d->p;
    for (int k = d->mode; k >= 0 && p > 1e-20; p *= k / mean, k--) d->below += p;
}

/* The smallest k whose cumulated probability reaches u. */
static int poisson_at(const struct poisson *d, double u)
{
    double p = d->p, sum = d->below;
    int k = d->mode;
    if (u <= sum) {
        while (k > 0 && u <= sum - p) sum -= p, p *= k / d->mean, k--;
        return k;
    }
    while (u > sum && p > 1e-20) k++, p *= d->mean / k, sum += p;
    return k;
}

/* Poisson(x * photons) / photons: there are 256 means. */
sim_status corrupt_shot_noise(struct corrupting *c)
{
    static const double photons[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {60, 25, 12, 5, 3}, {250, 100, 50, 30, 15}, {500, 250, 100, 75, 50}};
    const double full = photons[c->set][c->level];
    struct poisson of[256];
    uint8_t *v = c->image->rgb;
    memset(of, 0, sizeof of);
    for (size_t i = 0, n = values(c); i < n; i++) {
        struct poisson *d = &of[v[i]];
        double u = sim_rng_uniform(&c->rng);
        if (v[i] == 0) continue;
        if (!d->ready) poisson_prepare(d, v[i] / 255.0 * full);
        v[i] = corrupt_byte((float)(poisson_at(d, u) / full));
    }
    return SIM_OK;
}

/* A share of all values becomes black or white, either as likely. */
sim_status corrupt_impulse_noise(struct corrupting *c)
{
    static const double share[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {.03, .06, .09, .17, .27}, {.01, .02, .05, .08, .14}, {.01, .02, .03, .05, .07}};
    const double s = share[c->set][c->level];
    uint8_t *v = c->image->rgb;
    for (size_t i = 0, n = values(c); i < n; i++) {
        double u = sim_rng_uniform(&c->rng);
        if (u < s) v[i] = u < s / 2 ? 255 : 0;
    }
    return SIM_OK;
}
