/* Rows of images, whatever they hold: taken out, put back, averaged, and added to by residual branches. */
#include "trial.h"

/* ------------------------------------------------------------------ take, put, mean of rows: batch tokens
 * first count dim */

static const int64_t rows_shapes[][TRIAL_DIMS] = {
    {1, 1, 0, 1, 1},      {2, 5, 0, 5, 20},      {3, 5, 1, 4, 33}, {2, 79, 1, 78, 8},
    {5, 129, 128, 1, 48}, {1, 275, 79, 196, 40}, {4, 6, 2, 3, 64}, {65, 4, 0, 1, 7},
};
enum { ROWS_X, ROWS_Y, ROWS_DX };

static int64_t rows_whole(const struct trial *t)
{
    return t->n[0] * t->n[1] * t->n[4];
}

static int64_t rows_part(const struct trial *t)
{
    return t->n[0] * t->n[3] * t->n[4];
}

/* Where element i of the part lies in the whole. */
static int64_t rows_place(const struct trial *t, int64_t i)
{
    int64_t image = t->n[3] * t->n[4];
    return i / image * t->n[1] * t->n[4] + t->n[2] * t->n[4] + i % image;
}

static void take_declare(struct trial *t)
{
    trial_act(t, trial_input(t, "x", rows_whole(t)));
    trial_act(t, trial_output(t, "y", rows_part(t)));
}

static void take_reference(struct trial *t)
{
    for (int64_t i = 0; i < rows_part(t); i++) t->b[ROWS_Y].want[i] = trial_real(t, ROWS_X)[rows_place(t, i)];
}

static void take_call(struct trial *t, const struct sim_ops *o)
{
    o->take_rows(o, trial_f(t, ROWS_Y), trial_f(t, ROWS_X), t->n[0], t->n[1], t->n[2], t->n[3], t->n[4]);
}

static void put_declare(struct trial *t)
{
    trial_act(t, trial_input(t, "x", rows_part(t)));
    trial_act(t, trial_output(t, "y", rows_whole(t)));
}

static void put_reference(struct trial *t)
{
    for (int64_t i = 0; i < rows_part(t); i++) t->b[ROWS_Y].want[rows_place(t, i)] = trial_real(t, ROWS_X)[i];
}

static void put_call(struct trial *t, const struct sim_ops *o)
{
    o->put_rows(o, trial_f(t, ROWS_Y), trial_f(t, ROWS_X), t->n[0], t->n[1], t->n[2], t->n[3], t->n[4]);
}

static void mean_declare(struct trial *t)
{
    trial_act(t, trial_input(t, "x", rows_whole(t)));
    trial_act(t, trial_output(t, "y", t->n[0] * t->n[4]));
    t->b[ROWS_Y].floor = 1;
}

static void mean_true(struct trial *t, double *y)
{
    for (int64_t i = 0; i < rows_part(t); i++)
        y[i / (t->n[3] * t->n[4]) * t->n[4] + i % t->n[4]] +=
            trial_real(t, ROWS_X)[rows_place(t, i)] / (double)t->n[3];
}

static void mean_reference(struct trial *t)
{
    mean_true(t, t->b[ROWS_Y].want);
}

static void mean_call(struct trial *t, const struct sim_ops *o)
{
    o->mean_rows(o, trial_f(t, ROWS_Y), trial_f(t, ROWS_X), t->n[0], t->n[1], t->n[2], t->n[3], t->n[4]);
}

static void mean_backward_declare(struct trial *t)
{
    t->n[2] = 0, t->n[3] = t->n[1]; /* the backward is that of all rows */
    trial_act(t, trial_hidden(t, "x", rows_whole(t)));
    trial_act(t, trial_input(t, "dy", t->n[0] * t->n[4]));
    trial_gradient(t, "dx", ROWS_X, 0);
}

static double mean_loss(struct trial *t)
{
    return trial_loss(t, mean_true, ROWS_Y);
}

static void mean_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->mean_rows_backward(o, trial_f(t, ROWS_DX), trial_f(t, ROWS_Y), t->n[0], t->n[1], t->n[4]);
}

/* ------------------------------------------------------------------ scale_residual: batch tokens dim */

static const int64_t residual_shapes[][TRIAL_DIMS] = {
    {1, 1, 1}, {2, 5, 20}, {3, 5, 33}, {4, 79, 8}, {1, 275, 48}, {65, 2, 64},
};
enum { RESIDUAL_X, RESIDUAL_BRANCH, RESIDUAL_GAMMA, RESIDUAL_KEEP, RESIDUAL_Y };
enum { RESIDUAL_NO_GAMMA = 1, RESIDUAL_NO_KEEP = 2, RESIDUAL_IN_PLACE = 4, RESIDUAL_VARIANTS = 8 };

static void residual_inputs(struct trial *t)
{
    trial_act(t, trial_input(t, "x", t->n[0] * t->n[1] * t->n[2]));
    trial_act(t, trial_input(t, "branch", t->n[0] * t->n[1] * t->n[2]));
    if (t->variant & RESIDUAL_NO_GAMMA)
        trial_absent(t, "gamma");
    else
        trial_input(t, "gamma", t->n[2]);
    if (t->variant & RESIDUAL_NO_KEEP)
        trial_absent(t, "keep");
    else
        trial_input(t, "keep", t->n[0]);
    for (int64_t b = 0; !(t->variant & RESIDUAL_NO_KEEP) && b < t->n[0]; b++)
        trial_set(t, RESIDUAL_KEEP, b, b % 3 == 1 ? 0 : 1 / 0.8);
}

static void residual_declare(struct trial *t)
{
    residual_inputs(t);
    trial_act(t, trial_output(t, "y", t->n[0] * t->n[1] * t->n[2]));
    if (t->variant & RESIDUAL_IN_PLACE) trial_alias(t, RESIDUAL_Y, RESIDUAL_X);
    t->b[RESIDUAL_Y].floor = 1;
}

static void residual_true(struct trial *t, double *y)
{
    for (int64_t i = 0; i < t->n[0] * t->n[1] * t->n[2]; i++) {
        double gamma = t->variant & RESIDUAL_NO_GAMMA ? 1 : trial_real(t, RESIDUAL_GAMMA)[i % t->n[2]];
        double keep =
            t->variant & RESIDUAL_NO_KEEP ? 1 : trial_real(t, RESIDUAL_KEEP)[i / (t->n[1] * t->n[2])];
        y[i] = trial_real(t, RESIDUAL_X)[i] + keep * gamma * trial_real(t, RESIDUAL_BRANCH)[i];
    }
}

static void residual_reference(struct trial *t)
{
    residual_true(t, t->b[RESIDUAL_Y].want);
}

static void residual_call(struct trial *t, const struct sim_ops *o)
{
    o->scale_residual(o, trial_f(t, RESIDUAL_Y), trial_f(t, RESIDUAL_X), trial_f(t, RESIDUAL_BRANCH),
                      trial_f(t, RESIDUAL_GAMMA), trial_f(t, RESIDUAL_KEEP), t->n[0], t->n[1], t->n[2]);
}

enum { RESIDUAL_DY = RESIDUAL_Y, RESIDUAL_DBRANCH, RESIDUAL_DGAMMA };
enum { RESIDUAL_NO_DGAMMA = 4 };

static void residual_backward_declare(struct trial *t)
{
    residual_inputs(t);
    trial_act(t, trial_input(t, "dy", t->n[0] * t->n[1] * t->n[2]));
    trial_gradient(t, "dbranch", RESIDUAL_BRANCH, 0);
    if (t->variant & (RESIDUAL_NO_GAMMA | RESIDUAL_NO_DGAMMA))
        trial_absent(t, "dgamma");
    else
        trial_gradient(t, "dgamma", RESIDUAL_GAMMA, 0);
    t->b[RESIDUAL_DGAMMA].floor = 1;
}

static double residual_loss(struct trial *t)
{
    return trial_loss(t, residual_true, RESIDUAL_DY);
}

static void residual_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->scale_residual_backward(o, trial_f(t, RESIDUAL_DBRANCH), trial_f(t, RESIDUAL_DGAMMA),
                               trial_f(t, RESIDUAL_DY), trial_f(t, RESIDUAL_BRANCH),
                               trial_f(t, RESIDUAL_GAMMA), trial_f(t, RESIDUAL_KEEP), t->n[0], t->n[1],
                               t->n[2]);
}

static const struct operation operations[] = {
    {.name = "take_rows",
     .dims = "batch tokens first count dim",
     TRIAL_SHAPES(rows_shapes),
     .variants = 1,
     .declare = take_declare,
     .reference = take_reference,
     .call = take_call,
     .exact = 1},
    {.name = "put_rows",
     .dims = "batch tokens first count dim",
     TRIAL_SHAPES(rows_shapes),
     .variants = 1,
     .declare = put_declare,
     .reference = put_reference,
     .call = put_call,
     .exact = 1},
    {.name = "mean_rows",
     .dims = "batch tokens first count dim",
     TRIAL_SHAPES(rows_shapes),
     .variants = 1,
     .declare = mean_declare,
     .reference = mean_reference,
     .call = mean_call},
    {.name = "mean_rows_backward",
     .dims = "batch tokens first count dim",
     TRIAL_SHAPES(rows_shapes),
     .variants = 1,
     .declare = mean_backward_declare,
     .loss = mean_loss,
     .call = mean_backward_call},
    {.name = "scale_residual",
     .dims = "batch tokens dim",
     TRIAL_SHAPES(residual_shapes),
     .variants = RESIDUAL_VARIANTS,
     .declare = residual_declare,
     .reference = residual_reference,
     .call = residual_call},
    {.name = "scale_residual_backward",
     .dims = "batch tokens dim",
     TRIAL_SHAPES(residual_shapes),
     .variants = RESIDUAL_VARIANTS,
     .declare = residual_backward_declare,
     .loss = residual_loss,
     .call = residual_backward_call},
};

START_TEST(operation)
{
    trial_operation(&operations[_i]);
}
END_TEST

/* take after put gives back what was put; put is take's transpose: <take x, y> = <x, put y>. */
START_TEST(put_is_the_transpose_of_take)
{
    enum {
        BATCH = 3,
        TOKENS = 11,
        FIRST = 2,
        COUNT = 7,
        DIM = 5,
        WHOLE = BATCH * TOKENS * DIM,
        PART = BATCH * COUNT * DIM
    };
    float x[WHOLE], y[PART], taken[PART], put[WHOLE];
    struct sim_rng rng = sim_rng_make(9, SIM_PURPOSE_TEST, 0, 0, 0);
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int i = 0; i < WHOLE; i++) x[i] = (float)sim_rng_below(&rng, 256) - 128; /* exact in any type */
    for (int i = 0; i < PART; i++) y[i] = (float)sim_rng_below(&rng, 256) - 128;
    for (int s = 0; s < count; s++) {
        const struct sim_ops *o = &subjects[s].ops;
        double left = 0, right = 0;
        float *whole = subject_acts(&subjects[s], x, WHOLE), *part = subject_acts(&subjects[s], y, PART),
              *out = subject_empty_acts(&subjects[s], PART), *back = subject_empty_acts(&subjects[s], WHOLE);
        o->take_rows(o, out, whole, BATCH, TOKENS, FIRST, COUNT, DIM);
        o->put_rows(o, back, part, BATCH, TOKENS, FIRST, COUNT, DIM);
        subject_read_acts(&subjects[s], taken, out, PART);
        subject_read_acts(&subjects[s], put, back, WHOLE);
        for (int i = 0; i < PART; i++) left += (double)taken[i] * y[i];
        for (int i = 0; i < WHOLE; i++) right += (double)x[i] * put[i];
        ck_assert(left == right);
        o->take_rows(o, out, back, BATCH, TOKENS, FIRST, COUNT, DIM);
        subject_read_acts(&subjects[s], taken, out, PART);
        ck_assert_mem_eq(taken, y, sizeof y);
        float *const all[] = {whole, part, out, back};
        for (int i = 0; i < TRIAL_COUNT(all); i++) subject_release(&subjects[s], all[i]);
    }
    subjects_close(subjects, count);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rows");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    tcase_add_test(c, put_is_the_transpose_of_take);
    suite_add_tcase(s, c);
    return test_run(s);
}
