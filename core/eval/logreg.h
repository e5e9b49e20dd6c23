/* Multinomial logistic regression: the convex problem and its solution, for the logistic score and few-shot
 * probes. */
#ifndef SIM_LOGREG_H
#define SIM_LOGREG_H

#include <signal.h>
#include <stdint.h>

#include "status.h"

/* Minimise (1/n) sum_i CE(softmax(W^T z_i + b), y_i) + (l2/2) |W|^2, where z_i is row i of x after `shift`
 * and `scale`. The intercept b is never penalised. */
struct sim_logreg_problem {
    const float *x;   /* (n, dim) */
    const int32_t *y; /* (n) in 0 .. classes-1 */
    int64_t n, dim;
    int classes;
    const double *shift, *scale; /* (dim) z = (x - shift) * scale; NULL: z = x */
    int intercept;               /* 0: no b */
    double l2;
    double tolerance; /* stop when |gradient| < tolerance * max(1, |W, b|), Euclidean norms */
    int64_t max_iter;
    const char *label;                 /* progress is shown under it; NULL: none is */
    const volatile sig_atomic_t *stop; /* not 0: SIM_EINTERRUPT after the iteration; may be NULL */
};

struct sim_logreg {
    int64_t dim;
    int classes;
    int present;           /* classes with at least one train row; the others are never predicted */
    double *w;             /* (dim, classes) for z; columns of absent classes are zero; owned */
    double *b;             /* (classes); owned */
    double *shift, *scale; /* (dim) copies, 0 and 1 where the problem had none; owned */
    unsigned char *seen;   /* (classes) 1: present in train; owned */
    double objective, gradient_norm, weight_norm; /* at the solution; weight_norm = |W| without b */
    int64_t iterations;
    int converged;       /* the tolerance was reached */
    const char *stopped; /* "tolerance", "max_iter", "line_search": why it ended; static text */
};

/* Solves by L-BFGS (liblbfgs) from zero, in double precision.  Classes without a train row have no part in
 * the problem: their intercepts would run off to minus infinity.  Not reaching the tolerance is no error: see
 * `converged`.  The result is the same bytes for any number of threads.  Memory: n * dim doubles.  The caller
 * closes *out. */
sim_status sim_logreg_fit(struct sim_logreg *out, const struct sim_logreg_problem *p);

/* Logits (n, classes) of the rows of x (n, dim), that of a class without a train row -INFINITY. */
sim_status sim_logreg_logits(const struct sim_logreg *m, const float *x, int64_t n, float *out);

/* The most likely class of each row of x (n, dim), ties to the lower class. */
sim_status sim_logreg_predict(const struct sim_logreg *m, const float *x, int64_t n, int32_t *out);

void sim_logreg_close(struct sim_logreg *m); /* a zeroed struct is legal */

#endif
