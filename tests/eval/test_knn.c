/* Weighted kNN against a brute-force computation in double, and its edges. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "scores.h"
#include "support.h"

static struct sim_features make(int64_t count, int dim, int classes, uint64_t seed)
{
    struct sim_features f = {.count = count, .dim = dim, .classes = classes};
    struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_TEST, 0, 0, 0);
    f.x = malloc((size_t)count * (size_t)dim * sizeof *f.x);
    f.label = malloc((size_t)count * sizeof *f.label);
    for (int64_t i = 0; i < count; i++) {
        f.label[i] = (int32_t)sim_rng_below(&r, (uint32_t)classes);
        for (int j = 0; j < dim; j++)
            f.x[i * dim + j] = (float)(3 * sim_rng_normal(&r) + (j % classes == f.label[i]));
    }
    return f;
}

static struct sim_eval_config config(int64_t k, double temperature)
{
    return (struct sim_eval_config){.knn = 1, .knn_k = k, .knn_temperature = temperature};
}

static double cosine(const struct sim_features *a, int64_t i, const struct sim_features *b, int64_t j)
{
    double ab = 0, aa = 0, bb = 0;
    for (int d = 0; d < a->dim; d++) {
        double x = a->x[i * a->dim + d], y = b->x[j * a->dim + d];
        ab += x * y, aa += x * x, bb += y * y;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* Top-1 by definition: k times the most similar row not yet taken votes. */
static double brute_force(const struct sim_features *train, const struct sim_features *val, int64_t k,
                          double temperature)
{
    double *s = malloc((size_t)train->count * sizeof *s),
           *vote = malloc((size_t)train->classes * sizeof *vote);
    int64_t right = 0;
    for (int64_t i = 0; i < val->count; i++) {
        for (int64_t j = 0; j < train->count; j++) s[j] = cosine(val, i, train, j);
        for (int c = 0; c < train->classes; c++) vote[c] = 0;
        for (int64_t n = 0; n < k; n++) {
            int64_t best = -1;
            for (int64_t j = 0; j < train->count; j++)
                if (s[j] > -2 && (best < 0 || s[j] > s[best])) best = j;
            vote[train->label[best]] += exp(s[best] / temperature);
            s[best] = -3;
        }
        int c = 0;
        for (int m = 1; m < train->classes; m++)
            if (vote[m] > vote[c]) c = m;
        right += c == val->label[i];
    }
    free(s);
    free(vote);
    return (double)right / (double)val->count;
}

/* Sizes that cross the tiles (256 val rows, 2048 train rows) and sizes below everything. */
START_TEST(equals_brute_force)
{
    static const struct {
        int64_t train, val, k;
        int dim, classes;
        double temperature;
    } cases[] = {{2100, 300, 20, 24, 7, 0.07},
                 {50, 31, 50, 5, 4, 0.5},
                 {9, 257, 1, 3, 2, 0.1},
                 {400, 64, 399, 16, 10, 1}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct sim_features train = make(cases[c].train, cases[c].dim, cases[c].classes, 10 + c);
        struct sim_features val = make(cases[c].val, cases[c].dim, cases[c].classes, 20 + c);
        struct sim_eval_config e = config(cases[c].k, cases[c].temperature);
        struct sim_score score;
        test_ok(sim_score_knn(&train, &val, &e, NULL, &score));
        double p = brute_force(&train, &val, cases[c].k, cases[c].temperature);
        ck_assert_double_eq_tol(score.value, p, 1e-12);
        ck_assert_double_eq_tol(score.standard_error, sqrt(p * (1 - p) / (double)cases[c].val), 1e-12);
        ck_assert_str_eq(score.name, "knn");
        ck_assert_str_eq(score.metric, "top1");
        ck_assert_int_eq(score.train_images, cases[c].train);
        ck_assert_int_eq(score.val_images, cases[c].val);
        sim_features_close(&train);
        sim_features_close(&val);
    }
}
END_TEST

START_TEST(threads_change_nothing)
{
    struct sim_features train = make(600, 12, 5, 1), val = make(300, 12, 5, 2);
    struct sim_eval_config e = config(10, 0.07);
    struct sim_score one, three;
    omp_set_num_threads(1);
    test_ok(sim_score_knn(&train, &val, &e, NULL, &one));
    omp_set_num_threads(3);
    test_ok(sim_score_knn(&train, &val, &e, NULL, &three));
    ck_assert_mem_eq(&one, &three, sizeof one);
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

/* Two equal votes go to the lower class, equal similarities to the lower row; neither overflows at a tiny
 * temperature. */
START_TEST(ties)
{
    float x[] = {1, 0, 1, 0, 0, 1}, v[] = {1, 1, 1, 0};
    int32_t label[] = {2, 1, 1}, want[] = {1, 2};
    struct sim_features train = {.count = 3, .dim = 2, .classes = 3, .x = x, .label = label};
    struct sim_features val = {.count = 1, .dim = 2, .classes = 3, .x = v, .label = want};
    struct sim_eval_config e = config(2, 1e-4);
    struct sim_score s;
    test_ok(sim_score_knn(&train, &val, &e, NULL, &s)); /* rows 0 and 1 vote 1 each for classes 2 and 1 */
    ck_assert_double_eq(s.value, 1);
    val.x = v + 2, val.label = want + 1;
    e.knn_k = 1;
    test_ok(sim_score_knn(&train, &val, &e, NULL, &s)); /* rows 0 and 1 are as near: row 0, class 2 */
    ck_assert_double_eq(s.value, 1);
}
END_TEST

/* Rows of zeros have no direction: they are alike to nothing (similarity 0), and the protocol counts them. */
START_TEST(zero_rows)
{
    float x[] = {0, 0, 1, 0, -1, 0}, v[] = {0, 0, 2, 0, -2, 0};
    int32_t label[] = {0, 1, 2};
    struct sim_features train = {.count = 3, .dim = 2, .classes = 3, .x = x, .label = label};
    struct sim_features val = {.count = 3, .dim = 2, .classes = 3, .x = v, .label = label};
    struct sim_eval_config e = config(1, 0.07);
    struct sim_score s;
    test_ok(sim_score_knn(&train, &val, &e, NULL, &s));
    ck_assert_double_eq(s.value, 1);
    ck_assert(strstr(s.protocol, "\"zero_rows\": 2") != NULL);
}
END_TEST

START_TEST(bad_features_are_errors)
{
    struct sim_features train = make(30, 4, 3, 1), val = make(10, 4, 3, 2), none = {.dim = 4, .classes = 3};
    struct sim_eval_config e = config(31, 0.07);
    struct sim_score s;
    test_fails(sim_score_knn(&train, &val, &e, NULL, &s), "eval.knn_k is 31; the train set offers 1 to 30");
    e.knn_k = 30;
    test_ok(sim_score_knn(&train, &val, &e, NULL, &s));
    e.knn_temperature = 0;
    test_fails(sim_score_knn(&train, &val, &e, NULL, &s), "temperature");
    e.knn_temperature = 0.1;
    test_fails(sim_score_knn(&none, &val, &e, NULL, &s), "train set has 0 rows");
    test_fails(sim_score_knn(&train, &none, &e, NULL, &s), "val set has 0 rows");
    val.x[4 * 7 + 2] = NAN;
    test_fails(sim_score_knn(&train, &val, &e, NULL, &s), "feature 2 of val row 7");
    val.x[4 * 7 + 2] = 0;
    train.x[3] = -INFINITY;
    test_fails(sim_score_logistic(&train, &val, &e, NULL, NULL, &s), "feature 3 of train row 0");
    train.x[3] = 0;
    train.label[5] = 3;
    test_fails(sim_score_knn(&train, &val, &e, NULL, &s), "train row 5 has label 3");
    train.label[5] = 2;
    val.classes = 4;
    test_fails(sim_score_knn(&train, &val, &e, NULL, &s), "train set has 3 classes, the val set 4");
    val.classes = 3, val.dim = 2;
    test_fails(sim_score_knn(&train, &val, &e, NULL, &s), "train rows have 4 features, val rows 2");
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

START_TEST(stopped_by_the_user)
{
    struct sim_features train = make(30, 4, 3, 1), val = make(10, 4, 3, 2);
    struct sim_eval_config e = config(3, 0.07);
    const volatile sig_atomic_t stop = 1;
    struct sim_score s;
    ck_assert_int_eq(sim_score_knn(&train, &val, &e, &stop, &s), SIM_EINTERRUPT);
    e.logistic_l2 = 1e-3, e.logistic_tolerance = 1e-9, e.logistic_max_iter = 100;
    ck_assert_int_eq(sim_score_logistic(&train, &val, &e, &stop, NULL, &s), SIM_EINTERRUPT);
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("knn");
    TCase *c = tcase_create("knn");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, equals_brute_force);
    tcase_add_test(c, threads_change_nothing);
    tcase_add_test(c, ties);
    tcase_add_test(c, zero_rows);
    tcase_add_test(c, bad_features_are_errors);
    tcase_add_test(c, stopped_by_the_user);
    suite_add_tcase(s, c);
    return test_run(s);
}
