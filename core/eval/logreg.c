/* The solver behind logreg.h.
 *
 * Everything is double: the optimum is flat (its curvature is l2), so in float32 products L-BFGS would stop
 * where rounding noise and not the tolerance says.  Matrices are padded with zeros, rows to 4, columns and
 * classes to 8, so that one kernel of 4 x 8 serves the logits and the gradient without edges; padded weights
 * have a zero gradient and stay zero.  The intercept is one more column of ones.  Each output element is
 * summed by one thread in the order of the inner index, so the number of threads changes no byte. */
#include "logreg.h"

#include <lbfgs.h>
#include <limits.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "progress.h"

enum { LANES = 8, TILE_ROWS = 4, LOGIT_ROWS = 64, GRADIENT_ROWS = 256 };

struct solver {
    const struct sim_logreg_problem *problem;
    int64_t rows, cols;  /* padded n and dim + intercept */
    int classes, panels; /* present classes; groups of 8 of them */
    double
        *z; /* (rows, cols) standardised, the column after the last feature 1 where there is an intercept */
    double *p;    /* (panels, rows, 8) logits, then (softmax - one hot) / n */
    double *loss; /* (n) cross-entropy of each row */
    int32_t *y;   /* (n) as an index into the present classes */
    int64_t iterations;
    struct sim_progress progress;
};

/* ------------------------------------------------------------------ products */

typedef double v4 __attribute__((vector_size(32), aligned(8), may_alias));

/* c (4, 8) += sum over t < count of a[r * row + t * step] * b[t * 8 + lane]; c's rows are 8 apart. */
static void tile(const double *a, int64_t row, int64_t step, const double *b, int64_t count, double *c)
{
    v4 sum[TILE_ROWS][2];
    for (int r = 0; r < TILE_ROWS; r++)
        for (int h = 0; h < 2; h++) sum[r][h] = *(const v4 *)(c + r * LANES + 4 * h);
    for (int64_t t = 0; t < count; t++) {
        v4 b0 = *(const v4 *)(b + t * LANES), b1 = *(const v4 *)(b + t * LANES + 4);
        for (int r = 0; r < TILE_ROWS; r++) {
            double s = a[r * row + t * step];
            sum[r][0] += s * b0;
            sum[r][1] += s * b1;
        }
    }
    for (int r = 0; r < TILE_ROWS; r++)
        for (int h = 0; h < 2; h++) *(v4 *)(c + r * LANES + 4 * h) = sum[r][h];
}

/* Small problems are done before a second thread has woken up. */
static int worth_threads(const struct solver *s)
{
    return s->rows * s->cols * s->panels > 50000;
}

/* p = z w for rows first .. last-1 (multiples of 4); w (panels, cols, 8). */
static void logits(struct solver *s, const double *w, int64_t first, int64_t last)
{
    for (int q = 0; q < s->panels; q++) {
        double *p = s->p + (int64_t)q * s->rows * LANES;
        memset(p + first * LANES, 0, (size_t)(last - first) * LANES * sizeof *p);
        for (int64_t i = first; i < last; i += TILE_ROWS)
            tile(s->z + i * s->cols, s->cols, 1, w + (int64_t)q * s->cols * LANES, s->cols, p + i * LANES);
    }
}

/* Row i's logits become (softmax - one hot) / n; returns its cross-entropy. */
static double softmax_row(struct solver *s, int64_t i)
{
    int64_t panel = s->rows * LANES;
    double *p = s->p + i * LANES, top = -HUGE_VAL, sum = 0, own = 0;
    for (int c = 0; c < s->classes; c++) top = fmax(top, p[c / LANES * panel + c % LANES]);
    for (int c = 0; c < s->classes; c++) {
        double *v = &p[c / LANES * panel + c % LANES];
        if (c == s->y[i]) own = *v;
        *v = exp(*v - top);
        sum += *v;
    }
    double n = (double)s->problem->n;
    for (int c = 0; c < s->classes; c++) {
        double *v = &p[c / LANES * panel + c % LANES];
        *v = (*v / sum - (c == s->y[i])) / n;
    }
    return log(sum) + top - own;
}

/* g (panels, cols, 8) = z^T p, a thread making eight columns at a time. */
static void products_with_rows(const struct solver *s, double *g)
{
    memset(g, 0, (size_t)(s->panels * s->cols * LANES) * sizeof *g);
#pragma omp parallel for schedule(dynamic, 1) if (worth_threads(s))
    for (int64_t j = 0; j < s->cols; j += 2 * TILE_ROWS)
        for (int64_t first = 0; first < s->rows; first += GRADIENT_ROWS) {
            int64_t count = first + GRADIENT_ROWS < s->rows ? GRADIENT_ROWS : s->rows - first;
            for (int q = 0; q < s->panels; q++)
                for (int64_t k = j; k < j + 2 * TILE_ROWS; k += TILE_ROWS)
                    tile(s->z + first * s->cols + k, 1, s->cols, s->p + (q * s->rows + first) * LANES, count,
                         g + (q * s->cols + k) * LANES);
        }
}

/* ------------------------------------------------------------------ objective */

/* Objective and gradient at w, as liblbfgs asks for them. */
static lbfgsfloatval_t evaluate(void *instance, const lbfgsfloatval_t *w, lbfgsfloatval_t *g, const int size,
                                const lbfgsfloatval_t step)
{
    struct solver *s = instance;
    (void)size, (void)step;
#pragma omp parallel for schedule(dynamic, 1) if (worth_threads(s))
    for (int64_t first = 0; first < s->rows; first += LOGIT_ROWS) {
        int64_t last = first + LOGIT_ROWS < s->rows ? first + LOGIT_ROWS : s->rows;
        logits(s, w, first, last);
        for (int64_t i = first; i < last && i < s->problem->n; i++) s->loss[i] = softmax_row(s, i);
    }
    products_with_rows(s, g);

    double loss = 0, squares = 0;
    for (int64_t i = 0; i < s->problem->n; i++) loss += s->loss[i];
    for (int q = 0; q < s->panels; q++)
        for (int64_t k = 0; k < s->problem->dim * LANES; k++) {
            int64_t at = q * s->cols * LANES + k;
            squares += w[at] * w[at];
            g[at] += s->problem->l2 * w[at];
        }
    return loss / (double)s->problem->n + 0.5 * s->problem->l2 * squares;
}

static int stopped(const struct sim_logreg_problem *p)
{
    return p->stop && *p->stop;
}

static int show(void *instance, const lbfgsfloatval_t *w, const lbfgsfloatval_t *g, const lbfgsfloatval_t fx,
                const lbfgsfloatval_t wnorm, const lbfgsfloatval_t gnorm, const lbfgsfloatval_t step,
                int size, int k, int trials)
{
    struct solver *s = instance;
    (void)w, (void)g, (void)fx, (void)wnorm, (void)gnorm, (void)step, (void)size, (void)trials;
    s->iterations = k;
    if (s->problem->label) sim_progress_update(&s->progress, k, NULL);
    return stopped(s->problem);
}

/* ------------------------------------------------------------------ fit */

static void solver_close(struct solver *s)
{
    free(s->z);
    free(s->p);
    free(s->loss);
    free(s->y);
}

/* Which classes there are, and everything the solver needs in its padded form. */
static sim_status solver_open(struct solver *s, const struct sim_logreg_problem *p, struct sim_logreg *m)
{
    int32_t *index = malloc((size_t)p->classes * sizeof *index);
    if (!index) return sim_fail(SIM_ENOMEM, "logistic regression: no memory for %d classes", p->classes);
    for (int64_t i = 0; i < p->n; i++) m->seen[p->y[i]] = 1;
    for (int c = 0; c < p->classes; c++) {
        index[c] = m->present;
        m->present += m->seen[c];
    }
    s->problem = p;
    s->classes = m->present;
    s->panels = (s->classes + LANES - 1) / LANES;
    s->rows = (p->n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
    s->cols = (p->dim + (p->intercept != 0) + LANES - 1) / LANES * LANES;
    s->z = sim_calloc_aligned((size_t)s->rows * (size_t)s->cols, sizeof *s->z);
    s->p = sim_calloc_aligned((size_t)s->rows * (size_t)(s->panels * LANES), sizeof *s->p);
    s->loss = sim_calloc_aligned((size_t)p->n, sizeof *s->loss);
    s->y = sim_calloc_aligned((size_t)p->n, sizeof *s->y);
    if (!s->z || !s->p || !s->loss || !s->y) {
        free(index);
        return sim_fail(SIM_ENOMEM, "logistic regression: no memory for %lld rows of %lld features",
                        (long long)p->n, (long long)p->dim);
    }
    for (int64_t i = 0; i < p->n; i++) {
        double *z = s->z + i * s->cols;
        for (int64_t j = 0; j < p->dim; j++)
            z[j] = ((double)p->x[i * p->dim + j] - m->shift[j]) * m->scale[j];
        if (p->intercept) z[p->dim] = 1;
        s->y[i] = index[p->y[i]];
    }
    free(index);
    return SIM_OK;
}

/* Takes the padded solution w apart into the model, with its objective and norms. */
static void keep_solution(struct sim_logreg *m, struct solver *s, const double *w, double *g)
{
    const struct sim_logreg_problem *p = s->problem;
    int64_t size = s->panels * s->cols * LANES;
    double squares = 0, gradient = 0, all = 0;
    m->objective = evaluate(s, w, g, (int)size, 0);
    for (int64_t k = 0; k < size; k++) {
        gradient += g[k] * g[k];
        all += w[k] * w[k];
    }
    for (int c = 0, kept = 0; c < p->classes; c++) {
        if (!m->seen[c]) continue;
        const double *column = w + (int64_t)(kept / LANES) * s->cols * LANES + kept % LANES;
        for (int64_t j = 0; j < p->dim; j++) {
            m->w[j * p->classes + c] = column[j * LANES];
            squares += column[j * LANES] * column[j * LANES];
        }
        if (p->intercept) m->b[c] = column[p->dim * LANES];
        kept++;
    }
    m->gradient_norm = sqrt(gradient);
    m->weight_norm = sqrt(squares);
    m->converged = m->gradient_norm <= p->tolerance * fmax(1, sqrt(all));
}

static sim_status minimise(struct sim_logreg *m, struct solver *s)
{
    const struct sim_logreg_problem *p = s->problem;
    int64_t size;
    if (__builtin_mul_overflow(s->panels * (int64_t)LANES, s->cols, &size) || size > INT_MAX)
        return sim_fail(
            SIM_EINVAL,
            "logistic regression: %lld features times %d classes are more weights than liblbfgs counts",
            (long long)p->dim, s->classes);
    lbfgsfloatval_t *w = lbfgs_malloc((int)size), *g = lbfgs_malloc((int)size);
    if (!w || !g) {
        lbfgs_free(w);
        lbfgs_free(g);
        return sim_fail(SIM_ENOMEM, "logistic regression: no memory for %lld weights", (long long)size);
    }
    memset(w, 0, (size_t)size * sizeof *w);
    lbfgs_parameter_t options;
    lbfgs_parameter_init(&options);
    options.m = 10;
    options.epsilon = p->tolerance;
    options.max_iterations = p->max_iter > INT_MAX ? INT_MAX : (int)p->max_iter;
    if (p->label) sim_progress_start(&s->progress, p->label, "iterations", p->max_iter);
    int result = lbfgs((int)size, w, NULL, evaluate, show, s, &options);
    if (p->label) sim_progress_finish(&s->progress);

    sim_status status = SIM_OK;
    if (stopped(p))
        status = sim_fail(SIM_EINTERRUPT, "logistic regression: stopped in iteration %lld",
                          (long long)s->iterations);
    else if (result == LBFGSERR_OUTOFMEMORY)
        status = sim_fail(SIM_ENOMEM, "logistic regression: no memory for L-BFGS over %lld weights",
                          (long long)size);
    else if (result < LBFGSERR_OUTOFINTERVAL) /* those below it say that a parameter is wrong */
        status = sim_fail(SIM_ELIB, "logistic regression: liblbfgs refuses, code %d (lbfgs.h)", result);
    else {
        keep_solution(m, s, w, g);
        m->stopped = m->converged                          ? "tolerance"
                     : result == LBFGSERR_MAXIMUMITERATION ? "max_iter"
                                                           : "line_search";
    }
    lbfgs_free(w);
    lbfgs_free(g);
    return status;
}

static sim_status check_problem(const struct sim_logreg_problem *p)
{
    if (p->n < 1 || p->dim < 1 || p->classes < 1)
        return sim_fail(
            SIM_EINVAL,
            "logistic regression: %lld rows of %lld features in %d classes; at least one of each is needed",
            (long long)p->n, (long long)p->dim, p->classes);
    if (!(p->l2 >= 0) || !(p->tolerance > 0) || p->max_iter < 1)
        return sim_fail(SIM_EINVAL,
                        "logistic regression: l2 %g must be >= 0, tolerance %g > 0, max_iter %lld >= 1",
                        p->l2, p->tolerance, (long long)p->max_iter);
    for (int64_t i = 0; i < p->n; i++)
        if (p->y[i] < 0 || p->y[i] >= p->classes)
            return sim_fail(SIM_EINVAL, "logistic regression: row %lld has class %d; classes are 0 to %d",
                            (long long)i, (int)p->y[i], p->classes - 1);
    for (int64_t k = 0; k < p->n * p->dim; k++)
        if (!isfinite(p->x[k]))
            return sim_fail(SIM_ENONFINITE,
                            "logistic regression: feature %lld of row %lld is not a finite number",
                            (long long)(k % p->dim), (long long)(k / p->dim));
    return SIM_OK;
}

sim_status sim_logreg_fit(struct sim_logreg *out, const struct sim_logreg_problem *p)
{
    *out = (struct sim_logreg){.dim = p->dim, .classes = p->classes, .stopped = ""};
    SIM_TRY(check_problem(p));
    size_t dim = (size_t)p->dim, classes = (size_t)p->classes;
    struct solver s = {0};
    sim_status status = SIM_OK;
    out->w = sim_calloc_aligned(dim * classes, sizeof *out->w);
    out->b = sim_calloc_aligned(classes, sizeof *out->b);
    out->shift = sim_calloc_aligned(dim, sizeof *out->shift);
    out->scale = sim_calloc_aligned(dim, sizeof *out->scale);
    out->seen = sim_calloc_aligned(classes, 1);
    if (!out->w || !out->b || !out->shift || !out->scale || !out->seen)
        status = sim_fail(SIM_ENOMEM, "logistic regression: no memory for %d classes of %lld features",
                          p->classes, (long long)p->dim);
    for (size_t j = 0; j < dim && status == SIM_OK; j++) {
        out->shift[j] = p->shift ? p->shift[j] : 0;
        out->scale[j] = p->scale ? p->scale[j] : 1;
    }
    if (status == SIM_OK) status = solver_open(&s, p, out);
    if (status == SIM_OK) status = minimise(out, &s);
    out->iterations = s.iterations;
    solver_close(&s);
    if (status != SIM_OK) sim_logreg_close(out);
    return status;
}

/* The logits of one row, in double precision. */
static void row_logits(const struct sim_logreg *m, const float *x, double *logit)
{
    memcpy(logit, m->b, (size_t)m->classes * sizeof *logit);
    for (int64_t j = 0; j < m->dim; j++) {
        double z = ((double)x[j] - m->shift[j]) * m->scale[j];
        for (int64_t c = 0; c < m->classes; c++) logit[c] += z * m->w[j * m->classes + c];
    }
}

/* Of every row the logits, or the likeliest class, whichever is not NULL. */
static sim_status apply(const struct sim_logreg *m, const float *x, int64_t n, float *logits, int32_t *said)
{
    const int64_t classes = m->classes;
    double *block = sim_calloc_aligned((size_t)(omp_get_max_threads() * classes), sizeof *block);
    if (!block)
        return sim_fail(SIM_ENOMEM, "logistic regression: no memory for the logits of %lld classes",
                        (long long)classes);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        double *logit = block + omp_get_thread_num() * classes;
        int32_t best = -1;
        row_logits(m, x + i * m->dim, logit);
        for (int32_t c = 0; c < classes; c++)
            if (m->seen[c] && (best < 0 || logit[c] > logit[best])) best = c;
        if (said) said[i] = best;
        for (int64_t c = 0; logits && c < classes; c++)
            logits[i * classes + c] = m->seen[c] ? (float)logit[c] : -INFINITY;
    }
    free(block);
    return SIM_OK;
}

sim_status sim_logreg_logits(const struct sim_logreg *m, const float *x, int64_t n, float *out)
{
    return apply(m, x, n, out, NULL);
}

sim_status sim_logreg_predict(const struct sim_logreg *m, const float *x, int64_t n, int32_t *out)
{
    return apply(m, x, n, NULL, out);
}

void sim_logreg_close(struct sim_logreg *m)
{
    free(m->w);
    free(m->b);
    free(m->shift);
    free(m->scale);
    free(m->seen);
    *m = (struct sim_logreg){0};
}
