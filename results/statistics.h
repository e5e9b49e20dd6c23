/* The statistics behind every interval, p-value and verdict: Student's t, paired differences, permutations,
 * Holm's correction.  Plain functions of plain numbers: the same bytes everywhere. */
#ifndef SIM_STATISTICS_H
#define SIM_STATISTICS_H

/* Fewer repetitions than this decide nothing: with two, one more could turn anything round. */
#define SIM_LEAST_SEEDS 3

struct sim_sample {
    int n;
    double mean;      /* NaN where n is 0 */
    double deviation; /* n - 1 in the denominator; NaN below n 2 */
    double low, high; /* of the 95 % interval of the mean (Student's t); NaN below n 2 */
};

struct sim_sample sim_sample_of(const double *x, int n);
/* Half of the 95 % interval's width; NaN below n 2. */
double sim_half_width(int n, double deviation);

/* The regularised incomplete beta function I_x(a, b); a, b > 0, x in [0, 1]. */
double sim_beta(double a, double b, double x);
/* P(T <= t) of Student's t with df > 0 degrees of freedom (need not be whole). */
double sim_t_cdf(double t, double df);
/* The t with P(T <= t) = p, p in (0, 1). */
double sim_t_quantile(double p, double df);

/* P that a mean of differences is zero by chance, both directions: the paired t test.  1 where nothing
 * differs at all, 0 where all differ by exactly the same; NaN below n 2. */
double sim_t_test(struct sim_sample differences);

/* The share of sign flips of d (n) whose mean lies as far from zero as the given one, or further: both
 * directions.  Every flip is counted up to SIM_EXACT_FLIPS differences (*exact 1), beyond that
 * SIM_SAMPLED_FLIPS are drawn from a fixed stream (*exact 0).  With n differences it cannot fall below
 * 2 / 2^n.  NaN where n is 0. */
#define SIM_EXACT_FLIPS 16
#define SIM_SAMPLED_FLIPS 65536
double sim_permutation_test(const double *d, int n, int *exact);

/* The least number of differences at which one of this mean and deviation would stand outside its own 95 %
 * interval; 0 where none up to SIM_MOST_SEEDS would. */
#define SIM_MOST_SEEDS 10000
int sim_seeds_to_decide(double mean, double deviation);

/* Holm's step-down: adjusted[i] for n p-values tried together.  NaN stays NaN and counts as not tried. */
void sim_holm(const double *p, int n, double *adjusted);

#endif
