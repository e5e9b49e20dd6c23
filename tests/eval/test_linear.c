/* The linear probe's head against the golden truth and against itself, and the probe over rows. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "linear_head.h"
#include "progress.h"
#include "rng.h"
#include "safetensors.h"
#include "scores.h"
#include "support.h"

/* ------------------------------------------------------------------ the golden truth */

enum { DIM = 48, CLASSES = 7, BATCH = 24, STEPS = 4 };

static const void *tensor(struct sim_tensors *t, const char *name)
{
    const struct sim_tensor *found = sim_tensors_find(t, name);
    ck_assert_msg(found != NULL, "no %s", name);
    return found->data;
}

static struct sim_tensors *golden(const char *file)
{
    struct sim_tensors *t;
    char path[64];
    snprintf(path, sizeof path, "golden/linear_probe/%s.safetensors", file);
    test_ok(sim_tensors_open(&t, test_path(path)));
    return t;
}

/* |a - b| / |b|, as the README of the golden files measures. */
static double distance(const float *a, const float *b, int64_t count)
{
    double d = 0, n = 0;
    for (int64_t k = 0; k < count; k++) d += pow((double)a[k] - b[k], 2), n += pow(b[k], 2);
    return sqrt(d / n);
}

/* Four steps of LARS from the golden start: losses, weights, running statistics, logits under them. */
START_TEST(golden_steps)
{
    struct sim_tensors *init = golden("init"), *steps = golden("steps"), *final = golden("final");
    struct sim_linear_head h;
    uint32_t order[BATCH];
    test_ok(sim_linear_head_open(
        &h,
        &(struct sim_linear_head_shape){
            .dim = DIM, .classes = CLASSES, .batch = BATCH, .momentum = 0.9, .trust = 0.001},
        0));
    memcpy(h.w, tensor(init, "fc.weight"), DIM * CLASSES * sizeof *h.w);
    memcpy(h.b, tensor(init, "fc.bias"), CLASSES * sizeof *h.b);
    for (uint32_t i = 0; i < BATCH; i++) order[i] = i;
    const double *loss = tensor(steps, "loss"), *lr = tensor(steps, "lr");
    for (int s = 0; s < STEPS; s++) {
        char name[32];
        int32_t label[BATCH];
        double got;
        snprintf(name, sizeof name, "label.%d", s);
        const int64_t *y = tensor(steps, name);
        for (int i = 0; i < BATCH; i++) label[i] = (int32_t)y[i];
        snprintf(name, sizeof name, "feature.%d", s);
        test_ok(sim_linear_head_step(&h, tensor(steps, name), label, order, lr[s], &got));
        ck_assert_double_eq_tol(got, loss[s], 1e-6);
    }
    ck_assert_double_le(distance(h.w, tensor(final, "fc.weight"), DIM * CLASSES), 4e-7);
    ck_assert_double_le(distance(h.b, tensor(final, "fc.bias"), CLASSES), 4e-7);
    ck_assert_double_le(distance(h.running_mean, tensor(final, "bn.running_mean"), DIM), 4e-7);
    ck_assert_double_le(distance(h.running_var, tensor(final, "bn.running_var"), DIM), 4e-7);
    float logits[BATCH * CLASSES];
    test_ok(sim_linear_head_logits(&h, tensor(steps, "feature.0"), BATCH, logits));
    ck_assert_double_le(distance(logits, tensor(steps, "eval_logits.0"), BATCH * CLASSES), 4e-7);
    sim_linear_head_close(&h);
    sim_tensors_close(init), sim_tensors_close(steps), sim_tensors_close(final);
}
END_TEST

/* ------------------------------------------------------------------ the head by itself */

static void fill(float *x, int32_t *y, int64_t rows, int64_t dim, int32_t classes, uint64_t seed)
{
    struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_TEST, 0, 0, 0);
    for (int64_t i = 0; i < rows; i++) {
        y[i] = (int32_t)sim_rng_below(&r, (uint32_t)classes);
        for (int64_t j = 0; j < dim; j++)
            x[i * dim + j] = (float)(sim_rng_normal(&r) + 2 * (j % classes == y[i]));
    }
}

/* One step with weight decay, written down again in double from the head's own gradient. */
START_TEST(weight_decay_and_trust)
{
    enum { D = 5, C = 3, B = 8 };
    float x[B * D], before[(D + 1) * C];
    int32_t y[B];
    uint32_t order[B] = {7, 2, 0, 1, 3, 6, 5, 4};
    double loss, w2 = 0, d2 = 0;
    fill(x, y, B, D, C, 3);
    struct sim_linear_head h;
    test_ok(sim_linear_head_open(
        &h,
        &(struct sim_linear_head_shape){
            .dim = D, .classes = C, .batch = B, .momentum = 0.5, .trust = 0.02, .weight_decay = 0.3},
        1));
    memcpy(before, h.w, sizeof before);
    test_ok(sim_linear_head_step(&h, x, y, order, 1.5, &loss));
    for (int k = 0; k < D * C; k++) {
        w2 += pow(before[k], 2);
        d2 += pow(h.gradient[k] + 0.3 * before[k], 2);
    }
    for (int k = 0; k < (D + 1) * C; k++) {
        double step = k < D * C ? (h.gradient[k] + 0.3 * before[k]) * 0.02 * sqrt(w2 / d2) : h.gradient[k];
        ck_assert_double_eq_tol(h.w[k], before[k] - 1.5 * step, 1e-7);
        ck_assert_double_eq_tol(h.speed[k], step, 1e-7);
    }
    /* weights of length 0 take the plain step */
    memset(h.w, 0, sizeof before);
    memset(h.speed, 0, sizeof before);
    test_ok(sim_linear_head_step(&h, x, y, order, 1, &loss));
    for (int k = 0; k < D * C; k++) ck_assert_double_eq_tol(h.w[k], -h.gradient[k], 1e-7);
    ck_assert_double_eq_tol(loss, log(C), 1e-6);
    sim_linear_head_close(&h);
}
END_TEST

START_TEST(threads_change_no_byte)
{
    enum { D = 70, C = 33, B = 130 };
    float *x = malloc(B * D * sizeof *x);
    int32_t y[B];
    uint32_t order[B];
    struct sim_linear_head h[2];
    fill(x, y, B, D, C, 4);
    for (uint32_t i = 0; i < B; i++) order[i] = (i * 7) % B;
    for (int k = 0; k < 2; k++) {
        double loss;
        omp_set_num_threads(1 + 2 * k);
        test_ok(sim_linear_head_open(
            &h[k], &(struct sim_linear_head_shape){D, C, B, .momentum = 0.9, .trust = 0.001}, 9));
        for (int s = 0; s < 5; s++) test_ok(sim_linear_head_step(&h[k], x, y, order, 6, &loss));
    }
    ck_assert_mem_eq(h[0].w, h[1].w, (D + 1) * C * sizeof *h[0].w);
    ck_assert_mem_eq(h[0].running_var, h[1].running_var, D * sizeof *x);
    sim_linear_head_close(&h[0]);
    sim_linear_head_close(&h[1]);
    free(x);
}
END_TEST

START_TEST(shapes_that_cannot_be)
{
    struct sim_linear_head h;
    float x[8] = {0};
    test_fails(
        sim_linear_head_open(&h, &(struct sim_linear_head_shape){.dim = 4, .classes = 2, .batch = 1}, 0),
        "no variance of one row");
    sim_linear_head_close(&h);
    test_fails(
        sim_linear_head_open(&h, &(struct sim_linear_head_shape){.dim = 0, .classes = 2, .batch = 2}, 0),
        "0 features");
    test_ok(sim_linear_head_open(&h, &(struct sim_linear_head_shape){.dim = 2, .classes = 2, .batch = 3}, 0));
    test_fails(sim_linear_head_logits(&h, x, 4, x), "4 rows where 3 have room");
    sim_linear_head_close(&h);
}
END_TEST

/* ------------------------------------------------------------------ the score over rows */

static struct sim_features features(int64_t count, uint64_t seed)
{
    struct sim_features f = {.count = count, .dim = 12, .classes = 4};
    f.x = malloc((size_t)(count * f.dim) * sizeof *f.x);
    f.label = malloc((size_t)count * sizeof *f.label);
    fill(f.x, f.label, count, f.dim, f.classes, seed);
    return f;
}

static struct sim_eval_config config(void)
{
    struct sim_eval_config c;
    struct sim_section section = {.prefix = "eval", .fields = sim_eval_fields, .count = sim_eval_field_count};
    struct sim_schema schema = {.sections = &section, .count = 1, .size_bytes = sizeof c};
    test_ok(sim_fields_preset(&schema, &c));
    c.linear = 1, c.linear_augment = 0, c.linear_batch_size = 50, c.linear_lr = 6.4, c.linear_epochs = 20;
    c.linear_warmup_epochs = 2;
    return c;
}

START_TEST(separates_and_repeats)
{
    struct sim_features train = features(430, 1), val = features(200, 2);
    struct sim_eval_config c = config();
    struct sim_score_job job = {.config = &c, .seed = 5};
    struct sim_score one, same, other;
    int64_t skipped = 0;
    test_ok(sim_score_linear(&job, &train, &val, NULL, &one, &skipped));
    ck_assert_double_ge(one.value, 0.95);
    ck_assert_str_eq(one.name, "linear");
    ck_assert_int_eq(one.train_images, 430);
    ck_assert(strstr(one.protocol, "\"steps\": 160,") != NULL);
    ck_assert(strstr(one.protocol, "\"lr\": 6.4,") != NULL);
    ck_assert(strstr(one.protocol, "\"augment\": false") != NULL);
    test_ok(sim_score_linear(&job, &train, &val, NULL, &same, &skipped));
    ck_assert_mem_eq(&one, &same, sizeof one);
    job.seed = 6;
    test_ok(sim_score_linear(&job, &train, &val, NULL, &other, &skipped));
    ck_assert_str_ne(one.protocol, other.protocol);
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

START_TEST(what_stops_it)
{
    struct sim_features train = features(40, 1), val = features(20, 2);
    struct sim_eval_config c = config();
    volatile sig_atomic_t stop = 0;
    struct sim_score_job job = {.config = &c, .stop = &stop};
    struct sim_score s;
    int64_t skipped = 0;
    test_fails(sim_score_linear(&job, &train, &val, NULL, &s, &skipped),
               "eval.linear_batch_size is 50 and 40 training images");
    c.linear_batch_size = 20;
    stop = 1;
    ck_assert_int_eq(sim_score_linear(&job, &train, &val, NULL, &s, &skipped), SIM_EINTERRUPT);
    stop = 0;
    c.linear_lr = 1e6, c.linear_trust = 1e6, c.linear_warmup_epochs = 0;
    test_fails(sim_score_linear(&job, &train, &val, NULL, &s, &skipped), "smaller eval.linear_blr");
    val.x[3] = NAN;
    test_fails(sim_score_linear(&job, &train, &val, NULL, &s, &skipped), "feature 3 of val row 0");
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

int main(void)
{
    sim_progress_quiet(1);
    Suite *s = suite_create("linear");
    TCase *c = tcase_create("linear probe");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, golden_steps);
    tcase_add_test(c, weight_decay_and_trust);
    tcase_add_test(c, threads_change_no_byte);
    tcase_add_test(c, shapes_that_cannot_be);
    tcase_add_test(c, separates_and_repeats);
    tcase_add_test(c, what_stops_it);
    suite_add_tcase(s, c);
    return test_run(s);
}
