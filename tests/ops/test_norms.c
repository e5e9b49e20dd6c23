/* LayerNorm and token BatchNorm, forward and backward. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COMMON_SHAPES                                                                                        \
    {1, 1}, {1, 48}, {5, 3}, {5, 20}, {63, 20}, {64, 8}, {65, 33}, {65, 64}, {79, 48}, {129, 17}, {128, 96}, \
        {275, 50}, {700, 31},                                                                                \
    {                                                                                                        \
        700, 96                                                                                              \
    }
/* Rows of several registers a lane on a GPU, up to those too wide for registers. */
static const int64_t row_shapes[][TRIAL_DIMS] = {
    COMMON_SHAPES, {9, 264}, {5, 384}, {7, 768}, {3, 1000}, {2, 1032}, {2, 1400}, {2, 1800},
};
/* Columns in many tiles, rows in many parts. */
static const int64_t column_shapes[][TRIAL_DIMS] = {
    COMMON_SHAPES, {9, 264}, {2200, 8}, {40, 768}, {33, 1030}};

static double *doubles(int64_t count)
{
    double *p = calloc((size_t)count, sizeof *p);
    if (!p) ck_abort_msg("no memory for a test");
    return p;
}

/* Statistics of `count` numbers, `stride` apart: the mean, and 1 / sqrt(biased variance + eps). */
static void statistics(const double *x, int64_t count, int64_t stride, double eps, double *mean, double *var,
                       double *rstd)
{
    double sum = 0, square = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i * stride];
    *mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) square += (x[i * stride] - *mean) * (x[i * stride] - *mean);
    *var = square / (double)count;
    *rstd = 1 / sqrt(*var + eps);
}

/* ------------------------------------------------------------------ layernorm: rows dim */

static const double layernorm_eps = 1e-6;
enum { LN_X, LN_W, LN_B, LN_Y, LN_MEAN, LN_RSTD };
enum { LN_PLAIN = 1, LN_NO_STATISTICS = 2, LN_IN_PLACE = 4, LN_VARIANTS = 8 };

static void layernorm_declare(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    trial_act(t, trial_input(t, "x", rows * dim));
    for (int64_t i = 0; i < rows * dim; i++) trial_set(t, LN_X, i, trial_real(t, LN_X)[i] * 2 + 0.5);
    if (t->variant & LN_PLAIN)
        trial_absent(t, "w"), trial_absent(t, "b");
    else
        trial_input(t, "w", dim), trial_input(t, "b", dim);
    trial_act(t, trial_output(t, "y", rows * dim));
    if (t->variant & LN_NO_STATISTICS)
        trial_absent(t, "mean"), trial_absent(t, "rstd");
    else
        trial_output(t, "mean", rows), trial_output(t, "rstd", rows);
    if (t->variant & LN_IN_PLACE) trial_alias(t, LN_Y, LN_X);
    t->b[LN_Y].floor = t->b[LN_MEAN].floor = 1;
}

/* y (rows, dim) of x, w, b (NULL: 1, 0) along the rows. */
static void layernorm_true(double *y, double *mean, double *rstd, const double *x, const double *w,
                           const double *b, int64_t rows, int64_t dim)
{
    for (int64_t r = 0; r < rows; r++) {
        double mu, var, scale;
        statistics(x + r * dim, dim, 1, layernorm_eps, &mu, &var, &scale);
        for (int64_t c = 0; y && c < dim; c++)
            y[r * dim + c] = (x[r * dim + c] - mu) * scale * (w ? w[c] : 1) + (b ? b[c] : 0);
        if (mean) mean[r] = mu, rstd[r] = scale;
    }
}

static void layernorm_reference(struct trial *t)
{
    const int plain = t->variant & LN_PLAIN, none = t->variant & LN_NO_STATISTICS;
    layernorm_true(t->b[LN_Y].want, none ? NULL : t->b[LN_MEAN].want, none ? NULL : t->b[LN_RSTD].want,
                   trial_real(t, LN_X), plain ? NULL : trial_real(t, LN_W),
                   plain ? NULL : trial_real(t, LN_B), t->n[0], t->n[1]);
}

static void layernorm_call(struct trial *t, const struct sim_ops *o)
{
    o->layernorm(o, trial_f(t, LN_Y), trial_f(t, LN_MEAN), trial_f(t, LN_RSTD), trial_f(t, LN_X),
                 trial_f(t, LN_W), trial_f(t, LN_B), t->n[0], t->n[1], layernorm_eps);
}

/* ------------------------------------------------------------------ *norm_backward: rows dim */

enum { BACK_DY, BACK_X, BACK_W, BACK_B, BACK_MEAN, BACK_RSTD, BACK_DX, BACK_DW, BACK_DB };
enum {
    BACK_ACCUMULATE = 1,
    BACK_IN_PLACE = 2,
    BACK_PLAIN = 4,
    BACK_FROZEN = 8
}; /* no w, b; w without gradient */

/* statistics: how many means there are; flags: of the enum above. */
static void backward_declare(struct trial *t, int64_t rows, int64_t statistics_count, int flags)
{
    const int64_t dim = t->n[1];
    const int plain = flags & BACK_PLAIN, gradients = !(flags & (BACK_PLAIN | BACK_FROZEN));
    trial_act(t, trial_input(t, "dy", rows * dim));
    trial_act(t, trial_input(t, "x", rows * dim));
    if (plain)
        trial_absent(t, "w"), trial_absent(t, "b");
    else
        trial_input(t, "w", dim), trial_hidden(t, "b", dim);
    trial_input(t, "mean", statistics_count);
    trial_input(t, "rstd", statistics_count);
    trial_gradient(t, "dx", BACK_X, flags & BACK_ACCUMULATE);
    if (gradients)
        trial_gradient(t, "dw", BACK_W, 0), trial_gradient(t, "db", BACK_B, 0);
    else
        trial_absent(t, "dw"), trial_absent(t, "db");
    if (flags & BACK_IN_PLACE) trial_alias(t, BACK_DX, BACK_DY);
    /* dx is a difference of terms of the size of rstd; the sums that are dw and db may cancel */
    t->b[BACK_DW].floor = t->b[BACK_DB].floor = 1;
}

static void layernorm_backward_declare(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    double *mean = doubles(rows), *rstd = doubles(rows), square = 0;
    backward_declare(t, rows, rows, t->variant);
    layernorm_true(NULL, mean, rstd, trial_real(t, BACK_X), NULL, NULL, rows, dim);
    for (int64_t r = 0; r < rows; r++) {
        trial_set(t, BACK_MEAN, r, mean[r]);
        trial_set(t, BACK_RSTD, r, rstd[r]);
        square += rstd[r] * rstd[r];
    }
    t->b[BACK_DX].floor = sqrt(square / (double)rows);
    free(mean), free(rstd);
}

static double layernorm_loss(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    const int plain = t->variant & BACK_PLAIN;
    double *y = doubles(rows * dim), loss = 0;
    layernorm_true(y, NULL, NULL, trial_real(t, BACK_X), plain ? NULL : trial_real(t, BACK_W),
                   plain ? NULL : trial_real(t, BACK_B), rows, dim);
    for (int64_t i = 0; i < rows * dim; i++) loss += y[i] * trial_real(t, BACK_DY)[i];
    free(y);
    return loss;
}

static void layernorm_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->layernorm_backward(o, trial_f(t, BACK_DX), t->variant & BACK_ACCUMULATE, trial_f(t, BACK_DW),
                          trial_f(t, BACK_DB), trial_f(t, BACK_DY), trial_f(t, BACK_X), trial_f(t, BACK_MEAN),
                          trial_f(t, BACK_RSTD), trial_f(t, BACK_W), t->n[0], t->n[1]);
}

/* ------------------------------------------------------------------ batchnorm: rows dim, of each part */

static const double batchnorm_eps = 1e-5, batchnorm_momentum = 0.1;
enum { BN_X, BN_W, BN_B, BN_Y, BN_MEAN, BN_RSTD, BN_RUNNING_MEAN, BN_RUNNING_VAR };
enum { BN_NO_RUNNING = 1, BN_PLAIN = 2, BN_TWO_PARTS = 4, BN_VARIANTS = 8 };
enum { BN_BACK_TWO_PARTS = 8, BN_BACK_VARIANTS = 16 }; /* beside BACK_ACCUMULATE, BACK_IN_PLACE, BACK_PLAIN */

static int64_t batchnorm_parts(const struct trial *t)
{
    return t->variant & BN_TWO_PARTS ? 2 : 1;
}

static void batchnorm_declare(struct trial *t)
{
    const int64_t parts = batchnorm_parts(t), rows = t->n[0], dim = t->n[1];
    trial_act(t, trial_input(t, "x", parts * rows * dim));
    for (int64_t i = 0; i < parts * rows * dim; i++)
        trial_set(t, BN_X, i,
                  trial_real(t, BN_X)[i] * (0.5 + (double)(i % dim) / (double)dim) +
                      0.25 * (double)(i % dim % 5) + (double)(i / (rows * dim)));
    if (t->variant & BN_PLAIN)
        trial_absent(t, "w"), trial_absent(t, "b");
    else
        trial_input(t, "w", dim), trial_input(t, "b", dim);
    trial_act(t, trial_output(t, "y", parts * rows * dim));
    trial_output(t, "mean", parts * dim);
    trial_output(t, "rstd", parts * dim);
    if (t->variant & BN_NO_RUNNING)
        trial_absent(t, "running_mean"), trial_absent(t, "running_var");
    else
        trial_in_out(t, "running_mean", dim), trial_in_out(t, "running_var", dim);
    t->b[BN_Y].floor = t->b[BN_MEAN].floor = t->b[BN_RUNNING_MEAN].floor = 1;
}

/* Part p of x (parts, rows, dim); w, b (dim) or NULL. */
static void batchnorm_part(struct trial *t, int64_t p, const double *w, const double *b)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    const double *x = trial_real(t, BN_X) + p * rows * dim, rate = batchnorm_momentum;
    double *y = t->b[BN_Y].want + p * rows * dim, *running_mean = t->b[BN_RUNNING_MEAN].want,
           *running_var = t->b[BN_RUNNING_VAR].want;
    for (int64_t c = 0; c < dim; c++) {
        double mu, var, scale;
        statistics(x + c, rows, dim, batchnorm_eps, &mu, &var, &scale);
        for (int64_t r = 0; r < rows; r++)
            y[r * dim + c] = (x[r * dim + c] - mu) * scale * (w ? w[c] : 1) + (b ? b[c] : 0);
        t->b[BN_MEAN].want[p * dim + c] = mu;
        t->b[BN_RSTD].want[p * dim + c] = scale;
        if (t->variant & BN_NO_RUNNING) continue;
        if (rows > 1) var *= (double)rows / (double)(rows - 1); /* of one row there is no unbiased one */
        running_mean[c] = (1 - rate) * running_mean[c] + rate * mu;
        running_var[c] = (1 - rate) * running_var[c] + rate * var;
    }
}

static void batchnorm_reference(struct trial *t)
{
    const int plain = t->variant & BN_PLAIN;
    const size_t bytes = (size_t)t->n[1] * sizeof(double);
    if (!(t->variant & BN_NO_RUNNING)) {
        memcpy(t->b[BN_RUNNING_MEAN].want, trial_real(t, BN_RUNNING_MEAN), bytes);
        memcpy(t->b[BN_RUNNING_VAR].want, trial_real(t, BN_RUNNING_VAR), bytes);
    }
    for (int64_t p = 0; p < batchnorm_parts(t); p++)
        batchnorm_part(t, p, plain ? NULL : trial_real(t, BN_W), plain ? NULL : trial_real(t, BN_B));
}

static void batchnorm_call(struct trial *t, const struct sim_ops *o)
{
    o->batchnorm(o, trial_f(t, BN_Y), trial_f(t, BN_MEAN), trial_f(t, BN_RSTD), trial_f(t, BN_RUNNING_MEAN),
                 trial_f(t, BN_RUNNING_VAR), trial_f(t, BN_X), trial_f(t, BN_W), trial_f(t, BN_B),
                 batchnorm_parts(t), t->n[0], t->n[1], batchnorm_eps, batchnorm_momentum);
}

static int64_t batchnorm_back_parts(const struct trial *t)
{
    return t->variant & BN_BACK_TWO_PARTS ? 2 : 1;
}

static void batchnorm_backward_declare(struct trial *t)
{
    const int64_t parts = batchnorm_back_parts(t), rows = t->n[0], dim = t->n[1];
    double square = 0;
    backward_declare(t, parts * rows, parts * dim, t->variant & ~BN_BACK_TWO_PARTS);
    for (int64_t i = 0; i < parts * dim; i++) {
        double mean, var, rstd;
        statistics(trial_real(t, BACK_X) + i / dim * rows * dim + i % dim, rows, dim, batchnorm_eps, &mean,
                   &var, &rstd);
        trial_set(t, BACK_MEAN, i, mean);
        trial_set(t, BACK_RSTD, i, rstd);
        square += rstd * rstd;
    }
    t->b[BACK_DX].floor = sqrt(square / (double)(parts * dim));
}

static double batchnorm_loss(struct trial *t)
{
    const int64_t parts = batchnorm_back_parts(t), rows = t->n[0], dim = t->n[1];
    const int plain = t->variant & BACK_PLAIN;
    double loss = 0;
    for (int64_t i = 0; i < parts * dim; i++) {
        const int64_t first = i / dim * rows * dim + i % dim, c = i % dim;
        const double *x = trial_real(t, BACK_X) + first, *dy = trial_real(t, BACK_DY) + first;
        const double gain = plain ? 1 : trial_real(t, BACK_W)[c],
                     shift = plain ? 0 : trial_real(t, BACK_B)[c];
        double mean, var, rstd;
        statistics(x, rows, dim, batchnorm_eps, &mean, &var, &rstd);
        for (int64_t r = 0; r < rows; r++) loss += dy[r * dim] * ((x[r * dim] - mean) * rstd * gain + shift);
    }
    return loss;
}

static void batchnorm_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->batchnorm_backward(o, trial_f(t, BACK_DX), t->variant & BACK_ACCUMULATE, trial_f(t, BACK_DW),
                          trial_f(t, BACK_DB), trial_f(t, BACK_DY), trial_f(t, BACK_X), trial_f(t, BACK_MEAN),
                          trial_f(t, BACK_RSTD), trial_f(t, BACK_W), batchnorm_back_parts(t), t->n[0],
                          t->n[1]);
}

static const struct operation operations[] = {
    {.name = "layernorm",
     .dims = "rows dim",
     .shapes = row_shapes,
     .shape_count = TRIAL_COUNT(row_shapes),
     .variants = LN_VARIANTS,
     .declare = layernorm_declare,
     .reference = layernorm_reference,
     .call = layernorm_call},
    {.name = "layernorm_backward",
     .dims = "rows dim",
     .shapes = row_shapes,
     .shape_count = TRIAL_COUNT(row_shapes),
     .variants = 12, /* PLAIN and FROZEN exclude each other */
     .declare = layernorm_backward_declare,
     .loss = layernorm_loss,
     .call = layernorm_backward_call},
    {.name = "batchnorm",
     .dims = "rows dim",
     .shapes = column_shapes,
     .shape_count = TRIAL_COUNT(column_shapes),
     .variants = BN_VARIANTS,
     .declare = batchnorm_declare,
     .reference = batchnorm_reference,
     .call = batchnorm_call},
    {.name = "batchnorm_backward",
     .dims = "rows dim",
     .shapes = column_shapes,
     .shape_count = TRIAL_COUNT(column_shapes),
     .variants = BN_BACK_VARIANTS,
     .declare = batchnorm_backward_declare,
     .loss = batchnorm_loss,
     .call = batchnorm_backward_call},
};

START_TEST(operation)
{
    trial_operation(&operations[_i]);
}
END_TEST

/* A mean far from zero: what is lost is the mean's own rounding (in sums of float32), not the variance. */
START_TEST(norms_survive_an_offset)
{
    enum { ROWS = 130, DIM = 96 };
    const double offset = 1000;
    static float x[ROWS * DIM], y[ROWS * DIM], w[DIM], b[DIM];
    static double real[ROWS * DIM], want[ROWS * DIM];
    struct sim_rng rng = sim_rng_make(3, SIM_PURPOSE_TEST, 0, 0, 0);
    struct subject subjects[TRIAL_SUBJECTS];
    int floats, count = subjects_open(subjects, &floats); /* bfloat16 has no digits left beside 1000 */
    for (int i = 0; i < ROWS * DIM; i++) x[i] = (float)(sim_rng_normal(&rng) + offset), real[i] = x[i];
    for (int c = 0; c < DIM; c++) w[c] = 1;
    for (int s = 0; s < floats; s++) {
        const struct sim_ops *o = &subjects[s].ops;
        float *in = subject_acts(&subjects[s], x, ROWS * DIM),
              *out = subject_empty_acts(&subjects[s], ROWS * DIM),
              *weight = subject_floats(&subjects[s], w, DIM), *bias = subject_floats(&subjects[s], b, DIM),
              *mean = subject_floats(&subjects[s], b, DIM), *rstd = subject_floats(&subjects[s], b, DIM);
        layernorm_true(want, NULL, NULL, real, NULL, NULL, ROWS, DIM);
        o->layernorm(o, out, NULL, NULL, in, NULL, NULL, ROWS, DIM, layernorm_eps);
        subject_read_acts(&subjects[s], y, out, ROWS * DIM);
        for (int i = 0; i < ROWS * DIM; i++)
            ck_assert_msg(fabs(y[i] - want[i]) < 1e-6 * offset, "%s: layernorm %g, not %g", o->isa,
                          (double)y[i], want[i]);
        o->batchnorm(o, out, mean, rstd, NULL, NULL, in, weight, bias, 1, ROWS, DIM, batchnorm_eps,
                     batchnorm_momentum);
        subject_read_acts(&subjects[s], y, out, ROWS * DIM);
        for (int c = 0; c < DIM; c++) {
            double mu, var, scale;
            statistics(real + c, ROWS, DIM, batchnorm_eps, &mu, &var, &scale);
            for (int r = 0; r < ROWS; r++)
                ck_assert_msg(fabs(y[r * DIM + c] - (real[r * DIM + c] - mu) * scale) < 1e-6 * offset,
                              "%s: batchnorm %g, not %g", o->isa, (double)y[r * DIM + c],
                              (real[r * DIM + c] - mu) * scale);
        }
        float *const all[] = {in, out, weight, bias, mean, rstd};
        for (int i = 0; i < TRIAL_COUNT(all); i++) subject_release(&subjects[s], all[i]);
    }
    subjects_close(subjects, count);
}
END_TEST

/* Wider than any table's shapes: float32 sums of so many lose a digit where the compiler makes no vectors. */
START_TEST(wide_rows_are_normalised)
{
    enum { ROWS = 3, DIM = 4096 };
    static float x[ROWS * DIM], y[ROWS * DIM];
    static double real[ROWS * DIM], want[ROWS * DIM];
    struct sim_rng rng = sim_rng_make(4, SIM_PURPOSE_TEST, 0, 0, 0);
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int i = 0; i < ROWS * DIM; i++) x[i] = (float)(2 * sim_rng_normal(&rng) + 0.5);
    for (int s = 0; s < count; s++) {
        const struct sim_ops *o = &subjects[s].ops;
        float *in = subject_acts(&subjects[s], x, ROWS * DIM);
        for (int i = 0; i < ROWS * DIM; i++) real[i] = subject_round(&subjects[s], x[i]);
        layernorm_true(want, NULL, NULL, real, NULL, NULL, ROWS, DIM);
        o->layernorm(o, in, NULL, NULL, in, NULL, NULL, ROWS, DIM, layernorm_eps);
        subject_read_acts(&subjects[s], y, in, ROWS * DIM);
        for (int i = 0; i < ROWS * DIM; i++)
            ck_assert_msg(fabs(y[i] - want[i]) < (subjects[s].bf16 ? 2e-2 : 1e-5), "%s %s: %.9g, not %.9g",
                          o->name, o->isa, (double)y[i], want[i]);
        subject_release(&subjects[s], in);
    }
    subjects_close(subjects, count);
}
END_TEST

/* Rows and columns of one value: a variance of zero is held up by eps. */
START_TEST(constant_inputs_give_the_bias)
{
    enum { ROWS = 70, DIM = 40 };
    float x[ROWS * DIM], y[ROWS * DIM], w[DIM], b[DIM];
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int i = 0; i < ROWS * DIM; i++) x[i] = 3;
    for (int c = 0; c < DIM; c++) w[c] = 2, b[c] = (float)c;
    for (int s = 0; s < count; s++) {
        const struct sim_ops *o = &subjects[s].ops;
        float *in = subject_acts(&subjects[s], x, ROWS * DIM),
              *out = subject_empty_acts(&subjects[s], ROWS * DIM),
              *weight = subject_floats(&subjects[s], w, DIM), *bias = subject_floats(&subjects[s], b, DIM),
              *mean = subject_floats(&subjects[s], x, ROWS), *rstd = subject_floats(&subjects[s], x, ROWS);
        o->layernorm(o, out, mean, rstd, in, weight, bias, ROWS, DIM, layernorm_eps);
        subject_read_acts(&subjects[s], y, out, ROWS * DIM);
        for (int i = 0; i < ROWS * DIM; i++) ck_assert(y[i] == b[i % DIM]);
        o->batchnorm(o, out, mean, rstd, NULL, NULL, in, weight, bias, 1, ROWS, DIM, batchnorm_eps,
                     batchnorm_momentum);
        subject_read_acts(&subjects[s], y, out, ROWS * DIM);
        for (int i = 0; i < ROWS * DIM; i++) ck_assert(y[i] == b[i % DIM]);
        float *const all[] = {in, out, weight, bias, mean, rstd};
        for (int i = 0; i < TRIAL_COUNT(all); i++) subject_release(&subjects[s], all[i]);
    }
    subjects_close(subjects, count);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("norms");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    tcase_add_test(c, norms_survive_an_offset);
    tcase_add_test(c, wide_rows_are_normalised);
    tcase_add_test(c, constant_inputs_give_the_bias);
    suite_add_tcase(s, c);
    return test_run(s);
}
