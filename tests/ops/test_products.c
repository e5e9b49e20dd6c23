/* Matrix products and what is fused to them; the accuracy of GELU. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/isa/vector_math.h"

static double gelu(double x)
{
    return x * 0.5 * erfc(-x * M_SQRT1_2);
}

static double gelu_slope(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-0.5 * x * x) / sqrt(2 * M_PI);
}

/* Rows of one, of tiles cut unevenly, of several tiles; widths of no vector. */
static const int64_t linear_shapes[][TRIAL_DIMS] = {
    {1, 1, 1},    {1, 48, 20},  {5, 7, 9},     {63, 20, 48},  {64, 64, 64},   {65, 33, 7},
    {79, 8, 129}, {129, 48, 1}, {275, 64, 97}, {700, 48, 33}, {700, 40, 400}, {3, 768, 5},
};

/* ------------------------------------------------------------------ gemm: m n k */

static const int64_t gemm_shapes[][TRIAL_DIMS] = {
    {1, 1, 1},    {1, 20, 48},  {5, 9, 7},     {63, 48, 20},   {64, 64, 64},  {65, 7, 33},
    {79, 129, 8}, {129, 1, 48}, {275, 97, 64}, {700, 400, 33}, {48, 33, 700}, {3, 5, 768},
};
enum { GEMM_A, GEMM_B, GEMM_C };
enum { GEMM_TA = 1, GEMM_TB = 2, GEMM_BETA = 4, GEMM_STRIDES = 8, GEMM_VARIANTS = 16 };
static const float gemm_alpha[2] = {1.0f, 0.7f}, gemm_beta[2] = {0.0f, -0.3f};

static void gemm_declare(struct trial *t)
{
    const int64_t m = t->n[0], n = t->n[1], k = t->n[2], pad = t->variant & GEMM_STRIDES ? 5 : 0;
    const int ta = t->variant & GEMM_TA, tb = t->variant & GEMM_TB;
    trial_act(t, trial_matrix(t, "a", INPUT, ta ? k : m, ta ? m : k, (ta ? m : k) + pad));
    trial_act(t, trial_matrix(t, "b", INPUT, tb ? n : k, tb ? k : n, (tb ? k : n) + 2 * pad));
    trial_act(t, trial_matrix(t, "c", t->variant & GEMM_BETA ? IN_OUT : OUTPUT, m, n, n + pad));
    t->b[GEMM_C].floor = 1;
}

static void gemm_reference(struct trial *t)
{
    const int64_t m = t->n[0], n = t->n[1], k = t->n[2];
    const int ta = t->variant & GEMM_TA, tb = t->variant & GEMM_TB, other = !!(t->variant & GEMM_BETA);
    const double *a = trial_real(t, GEMM_A), *b = trial_real(t, GEMM_B), *c = trial_real(t, GEMM_C);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += a[ta ? l * m + i : i * k + l] * b[tb ? j * k + l : l * n + j];
            t->b[GEMM_C].want[i * n + j] =
                (double)gemm_alpha[other] * sum + (other ? (double)gemm_beta[1] * c[i * n + j] : 0);
        }
}

static void gemm_call(struct trial *t, const struct sim_ops *o)
{
    const int other = !!(t->variant & GEMM_BETA);
    o->gemm(o, t->variant & GEMM_TA ? SIM_T : SIM_N, t->variant & GEMM_TB ? SIM_T : SIM_N, t->n[0], t->n[1],
            t->n[2], gemm_alpha[other], trial_f(t, GEMM_A), t->b[GEMM_A].ld, trial_f(t, GEMM_B),
            t->b[GEMM_B].ld, gemm_beta[other], trial_f(t, GEMM_C), t->b[GEMM_C].ld);
}

/* ------------------------------------------------------------------ linear, linear_residual, linear_gelu:
 * rows in out */

enum { LINEAR_X, LINEAR_W, LINEAR_BIAS, LINEAR_Y, LINEAR_MORE }; /* MORE: the residual, or GELU's slope */
enum { LINEAR_NO_BIAS = 1, LINEAR_NO_SLOPE = 2 };

static void linear_declare(struct trial *t)
{
    const int64_t rows = t->n[0], in = t->n[1], out = t->n[2];
    trial_act(t, trial_input(t, "x", rows * in));
    trial_parameter(t, trial_input(t, "w", out * in));
    if (t->variant & LINEAR_NO_BIAS)
        trial_absent(t, "bias");
    else
        trial_parameter(t, trial_input(t, "bias", out));
    trial_act(t, trial_output(t, "y", rows * out));
    t->b[LINEAR_Y].floor = 1; /* sums of products of order one may cancel */
}

static void linear_residual_declare(struct trial *t)
{
    linear_declare(t);
    trial_act(t, trial_input(t, "residual", t->n[0] * t->n[2]));
}

static void linear_gelu_declare(struct trial *t)
{
    linear_declare(t);
    for (int64_t i = 0; i < t->n[2] * t->n[1]; i++) /* arguments of GELU of a few units */
        trial_set(t, LINEAR_W, i, trial_real(t, LINEAR_W)[i] * 1.5 / sqrt((double)t->n[1]));
    if (t->variant & LINEAR_NO_SLOPE)
        trial_absent(t, "slope");
    else
        trial_act(t, trial_scratch(t, "slope", t->n[0] * t->n[2]));
}

/* (x w^T + bias)[r, j] */
static double linear_at(const double *x, const double *w, const double *bias, int64_t in, int64_t r,
                        int64_t j)
{
    double sum = bias ? bias[j] : 0;
    for (int64_t l = 0; l < in; l++) sum += x[r * in + l] * w[j * in + l];
    return sum;
}

static double linear_true(struct trial *t, int64_t r, int64_t j)
{
    return linear_at(trial_real(t, LINEAR_X), trial_real(t, LINEAR_W),
                     t->variant & LINEAR_NO_BIAS ? NULL : trial_real(t, LINEAR_BIAS), t->n[1], r, j);
}

static void linear_reference(struct trial *t)
{
    for (int64_t i = 0; i < t->n[0] * t->n[2]; i++)
        t->b[LINEAR_Y].want[i] = linear_true(t, i / t->n[2], i % t->n[2]);
}

static void linear_residual_reference(struct trial *t)
{
    linear_reference(t);
    for (int64_t i = 0; i < t->n[0] * t->n[2]; i++) t->b[LINEAR_Y].want[i] += trial_real(t, LINEAR_MORE)[i];
}

static void linear_gelu_reference(struct trial *t)
{
    for (int64_t i = 0; i < t->n[0] * t->n[2]; i++) {
        t->b[LINEAR_Y].want[i] = gelu(linear_true(t, i / t->n[2], i % t->n[2]));
    }
}

static void linear_call(struct trial *t, const struct sim_ops *o)
{
    o->linear(o, trial_f(t, LINEAR_Y), trial_f(t, LINEAR_X), trial_f(t, LINEAR_W), trial_f(t, LINEAR_BIAS),
              t->n[0], t->n[1], t->n[2]);
}

static void linear_residual_call(struct trial *t, const struct sim_ops *o)
{
    o->linear_residual(o, trial_f(t, LINEAR_Y), trial_f(t, LINEAR_MORE), trial_f(t, LINEAR_X),
                       trial_f(t, LINEAR_W), trial_f(t, LINEAR_BIAS), t->n[0], t->n[1], t->n[2]);
}

static void linear_gelu_call(struct trial *t, const struct sim_ops *o)
{
    o->linear_gelu(o, trial_f(t, LINEAR_Y), trial_f(t, LINEAR_MORE), trial_f(t, LINEAR_X),
                   trial_f(t, LINEAR_W), trial_f(t, LINEAR_BIAS), t->n[0], t->n[1], t->n[2]);
}

/* ------------------------------------------------------------------ linear_backward_*: rows in out */

enum { BACK_U, BACK_W, BACK_BIAS, BACK_DY, BACK_SLOPE, BACK_D1, BACK_D2, BACK_GELU = BACK_D2, BACK_IDENTITY };

/* Loss = <dy, linear(x)>, x = u or GELU(u). */
static double linear_loss_of(struct trial *t, int through_gelu)
{
    const int64_t rows = t->n[0], in = t->n[1], out = t->n[2];
    const double *u = trial_real(t, BACK_U), *dy = trial_real(t, BACK_DY);
    double *x = malloc((size_t)in * sizeof *x), loss = 0;
    if (!x) ck_abort_msg("no memory for a test");
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t l = 0; l < in; l++) x[l] = through_gelu ? gelu(u[r * in + l]) : u[r * in + l];
        for (int64_t j = 0; j < out; j++)
            loss += dy[r * out + j] * linear_at(x, trial_real(t, BACK_W), trial_real(t, BACK_BIAS), in, 0, j);
    }
    free(x);
    return loss;
}

/* The slope is whatever the backend's linear_gelu left for u, which a product with the identity passes on. */
static void backward_input_declare(struct trial *t)
{
    const int64_t rows = t->n[0], in = t->n[1], out = t->n[2];
    trial_act(t, trial_input(t, "u", rows * in));
    trial_parameter(t, trial_input(t, "w", out * in));
    trial_hidden(t, "bias", out);
    trial_act(t, trial_input(t, "dy", rows * out));
    if (t->variant == 0)
        trial_absent(t, "slope");
    else
        trial_act(t, trial_scratch(t, "slope", rows * in));
    trial_gradient(t, "dx", BACK_U, 0);
    t->b[BACK_D1].floor = 1;
    if (t->variant == 0) return;
    trial_act(t, trial_scratch(t, "gelu", rows * in));
    trial_parameter(t, trial_input(t, "identity", in * in));
    for (int64_t i = 0; i < in * in; i++) trial_set(t, BACK_IDENTITY, i, i / in == i % in);
}

static double backward_input_loss(struct trial *t)
{
    return linear_loss_of(t, t->variant == 1);
}

static void backward_input_call(struct trial *t, const struct sim_ops *o)
{
    if (t->variant == 1)
        o->linear_gelu(o, trial_f(t, BACK_GELU), trial_f(t, BACK_SLOPE), trial_f(t, BACK_U),
                       trial_f(t, BACK_IDENTITY), NULL, t->n[0], t->n[1], t->n[1]);
    o->linear_backward_input(o, trial_f(t, BACK_D1), trial_f(t, BACK_DY), trial_f(t, BACK_W),
                             trial_f(t, BACK_SLOPE), t->n[0], t->n[1], t->n[2]);
}

static void backward_weight_declare(struct trial *t)
{
    const int64_t rows = t->n[0], in = t->n[1], out = t->n[2];
    trial_act(t, trial_input(t, "x", rows * in));
    trial_hidden(t, "w", out * in);
    trial_hidden(t, "bias", out);
    trial_act(t, trial_input(t, "dy", rows * out));
    trial_absent(t, "slope");
    trial_gradient(t, "dw", BACK_W, 0);
    if (t->variant == 0)
        trial_gradient(t, "db", BACK_BIAS, 0);
    else
        trial_absent(t, "db");
    t->b[BACK_D1].floor = t->b[BACK_D2].floor = 1;
}

static double backward_weight_loss(struct trial *t)
{
    return linear_loss_of(t, 0);
}

static void backward_weight_call(struct trial *t, const struct sim_ops *o)
{
    o->linear_backward_weight(o, trial_f(t, BACK_D1), trial_f(t, BACK_D2), trial_f(t, BACK_DY),
                              trial_f(t, BACK_U), t->n[0], t->n[1], t->n[2]);
}

static const struct operation operations[] = {
    {.name = "gemm",
     .dims = "m n k",
     .shapes = gemm_shapes,
     .shape_count = TRIAL_COUNT(gemm_shapes),
     .variants = GEMM_VARIANTS,
     .declare = gemm_declare,
     .reference = gemm_reference,
     .call = gemm_call,
     .nmse = 1e-12,
     .max = 3e-6}, /* sums of 768 products that may cancel */
    {.name = "linear",
     .dims = "rows in out",
     .shapes = linear_shapes,
     .shape_count = TRIAL_COUNT(linear_shapes),
     .variants = 2,
     .declare = linear_declare,
     .reference = linear_reference,
     .call = linear_call},
    {.name = "linear_residual",
     .dims = "rows in out",
     .shapes = linear_shapes,
     .shape_count = TRIAL_COUNT(linear_shapes),
     .variants = 2,
     .declare = linear_residual_declare,
     .reference = linear_residual_reference,
     .call = linear_residual_call},
    {.name = "linear_gelu",
     .dims = "rows in out",
     .shapes = linear_shapes,
     .shape_count = TRIAL_COUNT(linear_shapes),
     .variants = 4,
     .declare = linear_gelu_declare,
     .reference = linear_gelu_reference,
     .call = linear_gelu_call,
     .max = 3e-6,
     .coarse = 2}, /* GELU's input is rounded, too */
    {.name = "linear_backward_input",
     .dims = "rows in out",
     .shapes = linear_shapes,
     .shape_count = TRIAL_COUNT(linear_shapes),
     .variants = 2,
     .declare = backward_input_declare,
     .loss = backward_input_loss,
     .call = backward_input_call,
     .coarse = 2}, /* the gradient before GELU's slope is rounded, too */
    {.name = "linear_backward_weight",
     .dims = "rows in out",
     .shapes = linear_shapes,
     .shape_count = TRIAL_COUNT(linear_shapes),
     .variants = 2,
     .declare = backward_weight_declare,
     .loss = backward_weight_loss,
     .call = backward_weight_call},
};

START_TEST(operation)
{
    trial_operation(&operations[_i]);
}
END_TEST

/* ------------------------------------------------------------------ GELU's accuracy */

START_TEST(exp_is_accurate)
{
    double worst = 0;
    for (double at = -87; at <= 88; at += 1.0 / 4096) {
        float x = (float)at;
        worst = fmax(worst, fabs((double)sim_expf(x) / exp((double)x) - 1));
    }
    ck_assert_msg(worst < 1.2e-7, "exp is off by %.3e", worst);
    ck_assert(sim_expf(0) == 1 && sim_expf(-1e30f) < 1.3e-38f && sim_expf(-INFINITY) < 1.3e-38f);
    ck_assert(isfinite(sim_expf(1e30f)) && isnan(sim_expf(NAN)));
}
END_TEST

START_TEST(normal_distribution_is_accurate)
{
    double worst = 0, worst_density = 0;
    for (double at = -16; at <= 16; at += 1.0 / 8192) {
        float x = (float)at, density, phi = sim_normal_cdf(x, &density);
        worst = fmax(worst, fabs((double)phi - 0.5 * erfc(-(double)x * M_SQRT1_2)));
        worst_density =
            fmax(worst_density, fabs((double)density - exp(-0.5 * (double)x * (double)x) / sqrt(2 * M_PI)));
    }
    ck_assert_msg(worst < 1e-7, "Phi is off by %.2e", worst);
    ck_assert_msg(worst_density < 1e-7, "the density is off by %.2e", worst_density);
}
END_TEST

/* Values, and slopes by way of the backward, through the operations themselves (in = out = 1, w = 1). */
static void apply_gelu(const struct subject *s, float *value, float *slope, const float *x, int64_t count)
{
    const struct sim_ops *o = &s->ops;
    const float one = 1;
    float *ones = malloc((size_t)count * sizeof *ones);
    if (!ones) ck_abort_msg("no memory for a test");
    for (int64_t i = 0; i < count; i++) ones[i] = 1;
    float *in = subject_acts(s, x, count), *y = subject_empty_acts(s, count),
          *kept = subject_empty_acts(s, count), *dy = subject_acts(s, ones, count),
          *dx = subject_empty_acts(s, count), *w = subject_floats(s, &one, 1);
    o->weights_changed(o, w, 1);
    o->linear_gelu(o, y, kept, in, w, NULL, count, 1, 1);
    o->linear_backward_input(o, dx, dy, w, kept, count, 1, 1);
    subject_read_acts(s, value, y, count);
    subject_read_acts(s, slope, dx, count);
    float *const all[] = {in, y, kept, dy, dx, w};
    for (int i = 0; i < TRIAL_COUNT(all); i++) subject_release(s, all[i]);
    free(ones);
}

static void check_gelu(const struct subject *s, const float *x, int64_t count)
{
    float *y = calloc((size_t)count, sizeof *y), *slope = calloc((size_t)count, sizeof *slope);
    const double bound = s->bf16 ? 4.2e-3 : 3e-7;
    if (!y || !slope) ck_abort_msg("no memory for a test");
    apply_gelu(s, y, slope, x, count);
    for (int64_t i = 0; i < count; i++) {
        double at = subject_round(s, x[i]), scale = fmax(1, fabs(at)),
               true_slope = fabs(at) > 50 ? at > 0 : gelu_slope(at);
        double off = fabs(y[i] - gelu(at)), off_slope = fabs(slope[i] - true_slope);
        ck_assert_msg(off <= bound * scale, "%s: gelu(%g) = %.9g, not %.9g", s->ops.isa, at, (double)y[i],
                      gelu(at));
        ck_assert_msg(off_slope <= bound * 1.13, "%s: slope at %g = %.9g, not %.9g", s->ops.isa, at,
                      (double)slope[i], true_slope);
    }
    free(y), free(slope);
}

START_TEST(gelu_is_accurate_and_finite_everywhere)
{
    enum { GRID = 1 << 17 };
    static float x[GRID];
    static const float odd[] = {0.0f,    -0.0f,  1e-45f, -1e-45f, 1e-40f, -1e-40f, 1e-30f,
                                -100.0f, 100.0f, -13.2f, -14.0f,  -37.6f, 1e4f,    -1e4f,
                                1e10f,   -1e10f, 1e19f,  -1e19f,  1e30f,  -1e30f};
    for (int64_t i = 0; i < GRID; i++) x[i] = (float)(-12 + 24 * ((double)i + 0.37) / GRID);
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int s = 0; s < count; s++) {
        check_gelu(&subjects[s], x, GRID);
        check_gelu(&subjects[s], odd, TRIAL_COUNT(odd));
    }
    subjects_close(subjects, count);
}
END_TEST

START_TEST(gelu_passes_nan_on)
{
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int s = 0; s < count; s++) {
        float x[20], y[20], slope[20];
        for (int i = 0; i < 20; i++) x[i] = NAN;
        apply_gelu(&subjects[s], y, slope, x, 20);
        for (int i = 0; i < 20; i++) ck_assert(isnan(y[i]) && isnan(slope[i]));
    }
    subjects_close(subjects, count);
}
END_TEST

/* ------------------------------------------------------------------ the backend */

START_TEST(both_instruction_sets_were_tried)
{
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    if (count < 2 || strcmp(subjects[1].ops.name, "cpu") != 0)
        test_skip("only %s here: the AVX-512 kernels were not tried", subjects[0].ops.isa);
    subjects_close(subjects, count);
}
END_TEST

START_TEST(unknown_devices_are_named)
{
    struct sim_ops o;
    test_ok(sim_ops_open(&o, "cpu", NULL));
    ck_assert_str_eq(o.name, "cpu");
    ck_assert(sim_ops_measure_gemm(&o, 0.01) > 0);
    o.close(&o);
    test_fails(sim_ops_open(&o, "tpu", NULL), "'tpu'");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("products");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    tcase_add_test(c, exp_is_accurate);
    tcase_add_test(c, normal_distribution_is_accurate);
    tcase_add_test(c, gelu_is_accurate_and_finite_everywhere);
    tcase_add_test(c, gelu_passes_nan_on);
    tcase_add_test(c, both_instruction_sets_were_tried);
    tcase_add_test(c, unknown_devices_are_named);
    suite_add_tcase(s, c);
    return test_run(s);
}
