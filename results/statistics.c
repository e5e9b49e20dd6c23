#include "statistics.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "rng.h"

/* ------------------------------------------------------------------ Student's t */

/* The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), evaluated from the
 * front by Lentz's method; converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double value = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
               odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), step = 1;
        for (int half = 0; half < 2; half++) {
            double term = half ? odd : even;
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            if (fabs(c) < tiny) c = tiny;
            step = c * d;
            value *= step;
        }
        if (fabs(step - 1) < 4 * DBL_EPSILON) break;
    }
    return value;
}

double sim_beta(double a, double b, double x)
{
    if (!(x > 0)) return 0;
    if (x >= 1) return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(T > |t|): the tail itself, so that small ones keep their digits. */
static double tail(double t, double df)
{
    return 0.5 * sim_beta(df / 2, 0.5, df / (df + t * t));
}

double sim_t_cdf(double t, double df)
{
    if (isnan(t)) return NAN;
    return t > 0 ? 1 - tail(t, df) : tail(t, df);
}

/* The tail falls from 1/2: doubled until it is small enough, then halved to the last bit. */
double sim_t_quantile(double p, double df)
{
    double wanted = p < 0.5 ? p : 1 - p, low = 0, high = 1;
    if (!(wanted > 0)) return p < 0.5 ? -HUGE_VAL : HUGE_VAL;
    while (tail(high, df) > wanted && high < 1e300) low = high, high *= 2;
    for (int i = 0; i < 200 && high > low; i++) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) break;
        if (tail(middle, df) > wanted)
            low = middle;
        else
            high = middle;
    }
    return p < 0.5 ? -high : high;
}

/* ------------------------------------------------------------------ samples */

double sim_half_width(int n, double deviation)
{
    return n > 1 ? sim_t_quantile(0.975, n - 1) * deviation / sqrt(n) : NAN;
}

struct sim_sample sim_sample_of(const double *x, int n)
{
    struct sim_sample s = {.n = n, .mean = NAN, .deviation = NAN, .low = NAN, .high = NAN};
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    if (n > 0) s.mean = sum / n;
    for (int i = 0; i < n; i++) squares += (x[i] - s.mean) * (x[i] - s.mean);
    if (n < 2) return s;
    s.deviation = sqrt(squares / (n - 1));
    double half = sim_half_width(n, s.deviation);
    s.low = s.mean - half, s.high = s.mean + half;
    return s;
}

double sim_t_test(struct sim_sample d)
{
    if (d.n < 2) return NAN;
    if (!(d.deviation > 0)) return d.mean == 0 ? 1 : 0;
    return 2 * tail(d.mean / (d.deviation / sqrt(d.n)), d.n - 1);
}

int sim_seeds_to_decide(double mean, double deviation)
{
    if (mean == 0 || !isfinite(mean) || !isfinite(deviation)) return 0;
    int low = SIM_LEAST_SEEDS - 1, high = SIM_MOST_SEEDS; /* the interval narrows with n: bisection */
    if (!(sim_half_width(high, deviation) < fabs(mean))) return 0;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (sim_half_width(middle, deviation) < fabs(mean))
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* ------------------------------------------------------------------ permutations */

static double flipped(const double *d, int n, uint64_t signs)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += signs >> i & 1 ? -d[i] : d[i];
    return sum;
}

double sim_permutation_test(const double *d, int n, int *exact)
{
    double given = 0, size = 0;
    *exact = n <= SIM_EXACT_FLIPS;
    if (n < 1) return NAN;
    for (int i = 0; i < n; i++) given += d[i], size += fabs(d[i]);
    given = fabs(given) - 1e-12 * size; /* equal sums count as equal, in whatever order they were rounded */
    int64_t far = 0;
    if (*exact) {
        uint64_t all = (uint64_t)1 << n;
        for (uint64_t signs = 0; signs < all; signs++) far += fabs(flipped(d, n, signs)) >= given;
        return (double)far / (double)all;
    }
    struct sim_rng draw = sim_rng_make(0, SIM_PURPOSE_SIGN_FLIP, 0, (uint64_t)n, 0);
    for (int k = 0; k < SIM_SAMPLED_FLIPS; k++) {
        double sum = 0;
        uint32_t word = 0;
        for (int i = 0; i < n; i++) {
            word = i % 32 ? word >> 1 : sim_rng_u32(&draw);
            sum += word & 1 ? -d[i] : d[i];
        }
        far += fabs(sum) >= given;
    }
    return (double)(far + 1) / (SIM_SAMPLED_FLIPS + 1); /* the given one is a flip too */
}

void sim_holm(const double *p, int n, double *adjusted)
{
    int tried = 0;
    for (int i = 0; i < n; i++) tried += !isnan(p[i]);
    /* The k-th smallest times (tried - k), never below one before it.  n is small: each rank by counting. */
    for (int i = 0; i < n; i++) {
        int before = 0;
        for (int j = 0; j < n; j++) before += p[j] < p[i] || (p[j] == p[i] && j < i);
        adjusted[i] = isnan(p[i]) ? NAN : fmin(1, p[i] * (tried - before));
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            if (p[j] <= p[i] && adjusted[j] > adjusted[i]) adjusted[i] = adjusted[j];
}
