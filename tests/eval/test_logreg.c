/* The solver of multinomial logistic regression: the golden optimum, the conditions of an optimum, odd
 * problems. */
#include <jansson.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "logreg.h"
#include "rng.h"
#include "support.h"

enum { N = 2003, DIM = 13, CLASSES = 11 };

static float x[N * DIM];
static int32_t y[N];

/* Random rows whose class shifts one feature. */
static void make_rows(uint64_t seed, int classes)
{
    struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_TEST, 0, 0, 0);
    for (int i = 0; i < N; i++) {
        y[i] = i % classes;
        for (int j = 0; j < DIM; j++) x[i * DIM + j] = (float)(sim_rng_normal(&r) + (j == y[i]));
    }
}

static struct sim_logreg_problem problem(int intercept, double l2)
{
    return (struct sim_logreg_problem){.x = x,
                                       .y = y,
                                       .n = N,
                                       .dim = DIM,
                                       .classes = CLASSES,
                                       .intercept = intercept,
                                       .l2 = l2,
                                       .tolerance = 1e-9,
                                       .max_iter = 2000};
}

static double top1(const struct sim_logreg *m, const float *rows, const int32_t *label, int64_t n)
{
    int32_t *said = malloc((size_t)n * sizeof *said);
    int64_t right = 0;
    test_ok(sim_logreg_predict(m, rows, n, said));
    for (int64_t i = 0; i < n; i++) right += said[i] == label[i];
    free(said);
    return (double)right / (double)n;
}

/* Few-shot (downstream.md, section 5): every row centred by its own mean and scaled to length 1, no
 * intercept, l2 = lambda_total / n.  The optimum stands in the golden file. */
START_TEST(golden_optimum)
{
    json_error_t error;
    json_t *golden = json_load_file(test_path("golden/eval/logreg.json"), 0, &error);
    ck_assert_msg(golden != NULL, "%s", error.text);
    int n = (int)json_integer_value(json_object_get(golden, "n")),
        d = (int)json_integer_value(json_object_get(golden, "d"));
    int k = (int)json_integer_value(json_object_get(golden, "k"));
    float *rows = malloc((size_t)(n * d) * sizeof *rows);
    int32_t *label = malloc((size_t)n * sizeof *label);
    for (int i = 0; i < n; i++) {
        json_t *row = json_array_get(json_object_get(golden, "X"), (size_t)i);
        double mean = 0, squares = 0;
        for (int j = 0; j < d; j++) mean += json_number_value(json_array_get(row, (size_t)j)) / d;
        for (int j = 0; j < d; j++)
            squares += pow(json_number_value(json_array_get(row, (size_t)j)) - mean, 2);
        for (int j = 0; j < d; j++)
            rows[i * d + j] =
                (float)((json_number_value(json_array_get(row, (size_t)j)) - mean) / sqrt(squares));
        label[i] = (int32_t)json_integer_value(json_array_get(json_object_get(golden, "y"), (size_t)i));
    }
    struct sim_logreg m;
    test_ok(sim_logreg_fit(&m, &(struct sim_logreg_problem){
                                   .x = rows,
                                   .y = label,
                                   .n = n,
                                   .dim = d,
                                   .classes = k,
                                   .tolerance = 1e-9,
                                   .max_iter = 2000,
                                   .l2 = json_number_value(json_object_get(golden, "lambda_total")) / n}));
    ck_assert_double_eq_tol(m.objective, json_number_value(json_object_get(golden, "objective")), 1e-7);
    ck_assert_double_eq_tol(m.objective, 0.32802679, 1e-7);
    ck_assert_double_eq_tol(m.weight_norm, json_number_value(json_object_get(golden, "W_fro")), 1e-5);
    ck_assert_double_eq(top1(&m, rows, label, n), json_number_value(json_object_get(golden, "train_acc")));
    ck_assert(m.converged);
    ck_assert_str_eq(m.stopped, "tolerance");
    for (int c = 0; c < k; c++) ck_assert_double_eq(m.b[c], 0);
    sim_logreg_close(&m);
    free(rows);
    free(label);
    json_decref(golden);
}
END_TEST

/* Loss and gradient written down once more, row by row: at the solution the gradient vanishes, and the
 * objective is the one reported. */
START_TEST(gradient_vanishes)
{
    make_rows(1, CLASSES);
    double shift[DIM], scale[DIM];
    for (int j = 0; j < DIM; j++) shift[j] = 0.1 * j, scale[j] = 1 + 0.05 * j;
    for (int intercept = 0; intercept < 2; intercept++) {
        struct sim_logreg_problem p = problem(intercept, 1e-2);
        p.shift = shift, p.scale = scale;
        struct sim_logreg m;
        test_ok(sim_logreg_fit(&m, &p));
        double loss = 0, gw[DIM * CLASSES] = {0}, gb[CLASSES] = {0};
        for (int i = 0; i < N; i++) {
            double logit[CLASSES], sum = 0;
            for (int c = 0; c < CLASSES; c++) {
                logit[c] = m.b[c];
                for (int j = 0; j < DIM; j++)
                    logit[c] += (x[i * DIM + j] - shift[j]) * scale[j] * m.w[j * CLASSES + c];
                sum += exp(logit[c]);
            }
            loss += (log(sum) - logit[y[i]]) / N;
            for (int c = 0; c < CLASSES; c++) {
                double d = (exp(logit[c]) / sum - (c == y[i])) / N;
                gb[c] += d;
                for (int j = 0; j < DIM; j++)
                    gw[j * CLASSES + c] += d * (x[i * DIM + j] - shift[j]) * scale[j];
            }
        }
        for (int k = 0; k < DIM * CLASSES; k++) {
            loss += 0.5 * p.l2 * m.w[k] * m.w[k];
            ck_assert_double_eq_tol(gw[k] + p.l2 * m.w[k], 0, 1e-7);
        }
        for (int c = 0; c < CLASSES; c++) {
            if (intercept)
                ck_assert_double_eq_tol(gb[c], 0, 1e-7);
            else
                ck_assert_double_eq(m.b[c], 0);
        }
        ck_assert_double_eq_tol(m.objective, loss, 1e-12);
        sim_logreg_close(&m);
    }
}
END_TEST

START_TEST(threads_change_no_byte)
{
    make_rows(2, CLASSES);
    struct sim_logreg_problem p = problem(1, 1e-4);
    struct sim_logreg one, three;
    omp_set_num_threads(1);
    test_ok(sim_logreg_fit(&one, &p));
    omp_set_num_threads(3);
    test_ok(sim_logreg_fit(&three, &p));
    ck_assert_mem_eq(one.w, three.w, DIM * CLASSES * sizeof *one.w);
    ck_assert_mem_eq(one.b, three.b, CLASSES * sizeof *one.b);
    ck_assert_int_eq(one.iterations, three.iterations);
    sim_logreg_close(&one);
    sim_logreg_close(&three);
}
END_TEST

/* A class that train lacks changes nothing for the others and is never predicted. */
START_TEST(missing_class)
{
    make_rows(3, 5);
    struct sim_logreg_problem five = problem(1, 1e-3), many = five;
    five.classes = 5;
    struct sim_logreg a, b;
    test_ok(sim_logreg_fit(&a, &five));
    test_ok(sim_logreg_fit(&b, &many));
    ck_assert_int_eq(b.present, 5);
    ck_assert_double_eq(a.objective, b.objective);
    int32_t said_a[N], said_b[N];
    test_ok(sim_logreg_predict(&a, x, N, said_a));
    test_ok(sim_logreg_predict(&b, x, N, said_b));
    ck_assert_mem_eq(said_a, said_b, sizeof said_a);
    sim_logreg_close(&a);
    sim_logreg_close(&b);
}
END_TEST

START_TEST(one_class)
{
    make_rows(4, 1);
    for (int i = 0; i < N; i++) y[i] = 7;
    struct sim_logreg_problem p = problem(1, 1e-3);
    struct sim_logreg m;
    test_ok(sim_logreg_fit(&m, &p));
    ck_assert_int_eq(m.present, 1);
    ck_assert_double_eq(m.objective, 0);
    ck_assert_double_eq(top1(&m, x, y, N), 1);
    sim_logreg_close(&m);
}
END_TEST

/* Without a penalty separable rows have no optimum; the iterations end, and the result says so. */
START_TEST(not_converged_is_said)
{
    make_rows(5, CLASSES);
    for (int i = 0; i < N; i++) x[i * DIM + y[i]] += 50;
    struct sim_logreg_problem p = problem(1, 0);
    p.max_iter = 5;
    struct sim_logreg m;
    test_ok(sim_logreg_fit(&m, &p));
    ck_assert(!m.converged);
    ck_assert_str_eq(m.stopped, "max_iter");
    ck_assert_int_eq(m.iterations, 5);
    sim_logreg_close(&m);
}
END_TEST

START_TEST(bad_problems_are_errors)
{
    make_rows(6, CLASSES);
    struct sim_logreg m;
    struct sim_logreg_problem p = problem(1, 1e-3);
    p.n = 0;
    test_fails(sim_logreg_fit(&m, &p), "0 rows");
    p = problem(1, -1);
    test_fails(sim_logreg_fit(&m, &p), "l2 -1");
    p = problem(1, NAN);
    test_fails(sim_logreg_fit(&m, &p), "l2");
    p = problem(1, 1e-3);
    y[17] = CLASSES;
    test_fails(sim_logreg_fit(&m, &p), "row 17 has class 11");
    y[17] = -1;
    test_fails(sim_logreg_fit(&m, &p), "row 17");
    y[17] = 0;
    x[5 * DIM + 3] = NAN;
    test_fails(sim_logreg_fit(&m, &p), "feature 3 of row 5");
    x[5 * DIM + 3] = INFINITY;
    test_fails(sim_logreg_fit(&m, &p), "feature 3 of row 5");
    sim_logreg_close(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("logreg");
    TCase *c = tcase_create("solver");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, golden_optimum);
    tcase_add_test(c, gradient_vanishes);
    tcase_add_test(c, threads_change_no_byte);
    tcase_add_test(c, missing_class);
    tcase_add_test(c, one_class);
    tcase_add_test(c, not_converged_is_said);
    tcase_add_test(c, bad_problems_are_errors);
    suite_add_tcase(s, c);
    return test_run(s);
}
