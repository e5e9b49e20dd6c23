/* Contrastive heads: ReLU, rows of length 1, InfoNCE.  Over several ranks: tests/driver/test_ranks_run.c. */
#include "trial.h"

#include <math.h>

/* ------------------------------------------------------------------ relu: rows dim */

static const int64_t flat_shapes[][TRIAL_DIMS] = {{1, 1}, {3, 5}, {7, 8}, {64, 33}, {16385, 1}, {300, 264}};
enum { RELU_X, RELU_Y };
enum { RELU_IN_PLACE = 1 };

static void relu_declare(struct trial *t)
{
    const int64_t count = t->n[0] * t->n[1];
    trial_act(t, trial_input(t, "x", count));
    for (int64_t i = 0; i < count; i += 5) trial_set(t, RELU_X, i, i % 2 ? 0.0 : -0.0);
    trial_act(t, trial_output(t, "y", count));
    if (t->variant & RELU_IN_PLACE) trial_alias(t, RELU_Y, RELU_X);
}

static void relu_reference(struct trial *t)
{
    for (int64_t i = 0; i < t->n[0] * t->n[1]; i++) {
        const double x = trial_real(t, RELU_X)[i];
        t->b[RELU_Y].want[i] = x > 0 ? x : 0;
    }
}

static void relu_call(struct trial *t, const struct sim_ops *o)
{
    o->relu(o, trial_f(t, RELU_Y), trial_f(t, RELU_X), t->n[0] * t->n[1]);
}

enum { RELU_BACK_Y, RELU_BACK_DX };

static void relu_backward_declare(struct trial *t)
{
    const int64_t count = t->n[0] * t->n[1];
    trial_act(t, trial_input(t, "y", count));
    for (int64_t i = 0; i < count; i++)
        if (trial_real(t, RELU_BACK_Y)[i] < 0) trial_set(t, RELU_BACK_Y, i, i % 2 ? 0.0 : -0.0);
    trial_act(t, trial_in_out(t, "dx", count));
}

static void relu_backward_reference(struct trial *t)
{
    for (int64_t i = 0; i < t->n[0] * t->n[1]; i++)
        t->b[RELU_BACK_DX].want[i] = trial_real(t, RELU_BACK_Y)[i] > 0 ? trial_real(t, RELU_BACK_DX)[i] : 0;
}

static void relu_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->relu_backward(o, trial_f(t, RELU_BACK_DX), trial_f(t, RELU_BACK_Y), t->n[0] * t->n[1]);
}

/* ------------------------------------------------------------------ unit_rows: rows dim */

static const int64_t row_shapes[][TRIAL_DIMS] = {
    {1, 1}, {1, 48}, {5, 3}, {63, 20}, {64, 8}, {65, 33}, {9, 264}, {3, 1000}, {130, 16},
};
enum { UNIT_X, UNIT_Y, UNIT_RSTD };
enum { UNIT_NO_LENGTHS = 1 };

static double length(const double *x, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i] * x[i];
    return fmax(sqrt(sum), 1e-12);
}

static void unit_rows_declare(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    trial_act(t, trial_input(t, "x", rows * dim));
    for (int64_t i = 0; i < dim && rows > 1; i++)
        trial_set(t, UNIT_X, i, 0); /* a row that has no direction */
    trial_act(t, trial_output(t, "y", rows * dim));
    if (t->variant & UNIT_NO_LENGTHS)
        trial_absent(t, "rstd");
    else
        trial_output(t, "rstd", rows);
}

static void unit_rows_reference(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    for (int64_t r = 0; r < rows; r++) {
        const double *x = trial_real(t, UNIT_X) + r * dim, scale = 1 / length(x, dim);
        for (int64_t i = 0; i < dim; i++) t->b[UNIT_Y].want[r * dim + i] = scale * x[i];
        if (!(t->variant & UNIT_NO_LENGTHS)) t->b[UNIT_RSTD].want[r] = scale;
    }
}

static void unit_rows_call(struct trial *t, const struct sim_ops *o)
{
    o->unit_rows(o, trial_f(t, UNIT_Y), trial_f(t, UNIT_RSTD), trial_f(t, UNIT_X), t->n[0], t->n[1]);
}

/* x is what was normalised; the operation reads its direction and 1 / its length. */
enum { UNIT_BACK_DY, UNIT_BACK_X, UNIT_BACK_Y, UNIT_BACK_RSTD, UNIT_BACK_DX };
enum { UNIT_BACK_IN_PLACE = 1 };

static void unit_rows_backward_declare(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    trial_act(t, trial_input(t, "dy", rows * dim));
    trial_act(t, trial_hidden(t, "x", rows * dim));
    trial_act(t, trial_input(t, "y", rows * dim));
    trial_input(t, "rstd", rows);
    double largest = 0;
    for (int64_t r = 0; r < rows; r++) {
        const double *x = trial_real(t, UNIT_BACK_X) + r * dim, scale = 1 / length(x, dim);
        for (int64_t i = 0; i < dim; i++) trial_set(t, UNIT_BACK_Y, r * dim + i, scale * x[i]);
        trial_set(t, UNIT_BACK_RSTD, r, scale);
        largest = fmax(largest, scale);
    }
    trial_gradient(t, "dx", UNIT_BACK_X, 0);
    t->b[UNIT_BACK_DX].floor = largest; /* dx is a difference, of nothing where a row has one number */
    if (t->variant & UNIT_BACK_IN_PLACE) trial_alias(t, UNIT_BACK_DX, UNIT_BACK_DY);
}

static double unit_rows_loss(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    double loss = 0;
    for (int64_t r = 0; r < rows; r++) {
        const double *x = trial_real(t, UNIT_BACK_X) + r * dim, *dy = trial_real(t, UNIT_BACK_DY) + r * dim,
                     scale = 1 / length(x, dim);
        for (int64_t i = 0; i < dim; i++) loss += dy[i] * scale * x[i];
    }
    return loss;
}

static void unit_rows_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->unit_rows_backward(o, trial_f(t, UNIT_BACK_DX), trial_f(t, UNIT_BACK_DY), trial_f(t, UNIT_BACK_Y),
                          trial_f(t, UNIT_BACK_RSTD), t->n[0], t->n[1]);
}

/* ------------------------------------------------------------------ info_nce: rows dim, of each part */

static const int64_t contrast_shapes[][TRIAL_DIMS] = {
    {1, 1}, {2, 3}, {5, 16}, {16, 16}, {33, 20}, {64, 8}, {65, 33}, {130, 24},
};
enum { NCE_Q, NCE_K, NCE_DQ };
enum { NCE_TWO_PARTS = 1, NCE_WARM = 2, NCE_VARIANTS = 4 };

static int64_t nce_parts(const struct trial *t)
{
    return t->variant & NCE_TWO_PARTS ? 2 : 1;
}

static double temperature_of(const struct trial *t)
{
    return t->variant & NCE_WARM ? 1.5 : 0.2;
}

/* Every other query lies near its key, as in training. */
static void nce_declare(struct trial *t)
{
    const int64_t rows = nce_parts(t) * t->n[0], dim = t->n[1];
    trial_act(t, trial_input(t, "q", rows * dim));
    trial_act(t, trial_input(t, "k", rows * dim));
    for (int64_t r = 0; r < rows; r++) {
        double *q = trial_real(t, NCE_Q) + r * dim, *k = trial_real(t, NCE_K) + r * dim;
        for (int64_t i = 0; r % 2 && i < dim; i++) q[i] = k[i] + 0.3 * q[i];
        const double of_q = length(q, dim), of_k = length(k, dim);
        for (int64_t i = 0; i < dim; i++) {
            trial_set(t, NCE_Q, r * dim + i, q[i] / of_q);
            trial_set(t, NCE_K, r * dim + i, k[i] / of_k);
        }
    }
    trial_gradient(t, "dq", NCE_Q, 0);
    t->b[NCE_DQ].floor = 0.1 / (double)t->n[0];
    t->work = (double)(rows * t->n[0] * dim);
}

static double nce_loss(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    const double temperature = temperature_of(t);
    double loss = 0;
    for (int64_t r = 0; r < nce_parts(t) * rows; r++) {
        const double *q = trial_real(t, NCE_Q) + r * dim,
                     *keys = trial_real(t, NCE_K) + r / rows * rows * dim;
        double sum = 0, own = 0;
        for (int64_t n = 0; n < rows; n++) {
            double logit = 0;
            for (int64_t i = 0; i < dim; i++) logit += q[i] * keys[n * dim + i] / temperature;
            sum += exp(logit);
            if (n == r % rows) own = logit;
        }
        loss += 2 * temperature * (log(sum) - own) / (double)rows;
    }
    return loss;
}

static void nce_reference(struct trial *t)
{
    t->want_result = nce_loss(t);
}

static void nce_call(struct trial *t, const struct sim_ops *o)
{
    o->info_nce(o, &t->scalars->loss, trial_f(t, NCE_DQ), trial_f(t, NCE_Q), trial_f(t, NCE_K), nce_parts(t),
                t->n[0], t->n[1], temperature_of(t));
}

static const struct operation operations[] = {
    {.name = "relu",
     .dims = "rows dim",
     TRIAL_SHAPES(flat_shapes),
     .variants = 2,
     .declare = relu_declare,
     .reference = relu_reference,
     .call = relu_call,
     .exact = 1},
    {.name = "relu_backward",
     .dims = "rows dim",
     TRIAL_SHAPES(flat_shapes),
     .variants = 1,
     .declare = relu_backward_declare,
     .reference = relu_backward_reference,
     .call = relu_backward_call,
     .exact = 1},
    {.name = "unit_rows",
     .dims = "rows dim",
     TRIAL_SHAPES(row_shapes),
     .variants = 2,
     .declare = unit_rows_declare,
     .reference = unit_rows_reference,
     .call = unit_rows_call},
    {.name = "unit_rows_backward",
     .dims = "rows dim",
     TRIAL_SHAPES(row_shapes),
     .variants = 2,
     .declare = unit_rows_backward_declare,
     .loss = unit_rows_loss,
     .call = unit_rows_backward_call},
    {.name = "info_nce",
     .dims = "rows dim",
     TRIAL_SHAPES(contrast_shapes),
     .variants = NCE_VARIANTS,
     .declare = nce_declare,
     .reference = nce_reference,
     .loss = nce_loss,
     .call = nce_call,
     .coarse = 3}, /* the slope of every logit is rounded, too */
};

START_TEST(operation)
{
    trial_operation(&operations[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("contrast");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    suite_add_tcase(s, c);
    return test_run(s);
}
