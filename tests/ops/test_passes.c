/* The loss, and the passes over the parameter block. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *doubles(int64_t count)
{
    double *p = calloc((size_t)count, sizeof *p);
    if (!p) ck_abort_msg("no memory for a test");
    return p;
}

/* ------------------------------------------------------------------ unigrad: rows dim */

static const int64_t unigrad_shapes[][TRIAL_DIMS] = {
    {1, 1}, {1, 48}, {5, 7}, {63, 20}, {64, 33}, {65, 8}, {129, 20}, {275, 17},
};
enum { UNIGRAD_P, UNIGRAD_T, UNIGRAD_PC, UNIGRAD_DP };
enum { UNIGRAD_NO_DP = 1, UNIGRAD_IN_PLACE = 2 }; /* variants 0 .. 2: the two exclude each other */
static const double neg_weight = 0.02 * 8;        /* a little heavier than the paper's, to be seen */

/* C = t^T t / M (D, D) */
static void covariance(struct trial *t, double *c)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    const double *target = trial_real(t, UNIGRAD_T);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < dim; i++)
            for (int64_t j = 0; j < dim; j++)
                c[i * dim + j] += target[r * dim + i] * target[r * dim + j] / (double)rows;
}

/* p C (M, D) */
static void times_covariance(struct trial *t, double *pc)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    double *c = doubles(dim * dim);
    covariance(t, c);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < dim; i++)
            for (int64_t j = 0; j < dim; j++)
                pc[r * dim + j] += trial_real(t, UNIGRAD_P)[r * dim + i] * c[i * dim + j];
    free(c);
}

static void unigrad_declare(struct trial *t)
{
    const int64_t count = t->n[0] * t->n[1];
    trial_input(t, "p", count);
    trial_input(t, "t", count);
    trial_input(t, "pc", count);
    if (t->variant == UNIGRAD_NO_DP)
        trial_absent(t, "dp");
    else
        trial_gradient(t, "dp", UNIGRAD_P, 0);
    double *pc = doubles(count);
    times_covariance(t, pc);
    for (int64_t i = 0; i < count; i++) trial_set(t, UNIGRAD_PC, i, pc[i]);
    free(pc);
    if (t->variant == UNIGRAD_IN_PLACE) trial_alias(t, UNIGRAD_DP, UNIGRAD_PC);
    t->b[UNIGRAD_DP].floor = 2 / (double)count;
    t->work = (double)count * (double)(2 * t->n[1] + t->n[0]);
}

/* As the official code forms it: the whole M x M matrix P C P^T, of which the diagonal counts. */
static double unigrad_loss(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    const double *p = trial_real(t, UNIGRAD_P), *target = trial_real(t, UNIGRAD_T);
    double *pc = doubles(rows * dim), *full = doubles(rows * rows), positive = 0, negative = 0;
    times_covariance(t, pc);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < rows; j++)
            for (int64_t k = 0; k < dim; k++) full[i * rows + j] += pc[i * dim + k] * p[j * dim + k];
    for (int64_t i = 0; i < rows * dim; i++)
        positive += (p[i] - target[i]) * (p[i] - target[i]) / (double)rows;
    for (int64_t i = 0; i < rows; i++) negative += full[i * rows + i] / (double)rows;
    free(pc), free(full);
    return (positive + neg_weight * negative) / (double)dim;
}

static void unigrad_reference(struct trial *t)
{
    t->want_result = unigrad_loss(t);
}

static void unigrad_call(struct trial *t, const struct sim_ops *o)
{
    t->result = o->unigrad(o, trial_f(t, UNIGRAD_DP), trial_f(t, UNIGRAD_P), trial_f(t, UNIGRAD_T),
                           trial_f(t, UNIGRAD_PC), t->n[0], t->n[1], neg_weight);
}

/* ------------------------------------------------------------------ passes: three segments of n0, n1, n2
 * elements */

/* Shorter than a vector, of no vector's length, longer than a thread's piece of the block. */
static const int64_t segment_shapes[][TRIAL_DIMS] = {
    {1, 1, 1}, {7, 64, 33}, {16384, 1, 16385}, {3, 50001, 768}};
enum { SEGMENTS = 3, STEPS = 4 };

static void segment_trial_inputs(struct trial *t)
{
    for (int i = 0; i < SEGMENTS; i++) trial_input(t, "g", t->n[i]);
}

static void squares_reference(struct trial *t)
{
    for (int i = 0; i < SEGMENTS; i++)
        for (int64_t k = 0; k < t->n[i]; k++) t->want_result += trial_real(t, i)[k] * trial_real(t, i)[k];
}

static void squares_call(struct trial *t, const struct sim_ops *o)
{
    struct sim_segment s[SEGMENTS] = {{0}};
    for (int i = 0; i < SEGMENTS; i++) s[i].g = trial_f(t, i), s[i].count = t->n[i];
    t->result = o->sum_squares(o, s, SEGMENTS);
}

static void squares_declare(struct trial *t)
{
    segment_trial_inputs(t);
}

/* ---- ema: variants are momenta */

static const double momenta[] = {0, 1, 0.995, 0.5};

static void ema_declare(struct trial *t)
{
    segment_trial_inputs(t);
    for (int i = 0; i < SEGMENTS; i++) t->b[trial_in_out(t, "p", t->n[i])].floor = 1;
}

static void ema_reference(struct trial *t)
{
    const double m = momenta[t->variant];
    for (int i = 0; i < SEGMENTS; i++)
        for (int64_t k = 0; k < t->n[i]; k++)
            t->b[SEGMENTS + i].want[k] = m * trial_real(t, SEGMENTS + i)[k] + (1 - m) * trial_real(t, i)[k];
}

static void ema_call(struct trial *t, const struct sim_ops *o)
{
    struct sim_segment s[SEGMENTS] = {{0}};
    for (int i = 0; i < SEGMENTS; i++)
        s[i] = (struct sim_segment){.p = trial_f(t, SEGMENTS + i), .g = trial_f(t, i), .count = t->n[i]};
    o->ema(o, s, SEGMENTS, momenta[t->variant]);
}

/* ---- adamw: buffers p, m, v of each segment, then the gradients of each step */

enum { ADAM_P, ADAM_M, ADAM_V, ADAM_STATES };
static const double decays[SEGMENTS] = {0, 0.05, 0.3};

/* Variant 1 clips, with another learning rate, betas and eps. */
static struct sim_adamw adamw_of(const struct trial *t, int64_t step)
{
    if (t->variant == 1)
        return (struct sim_adamw){
            .lr = 0.05, .beta1 = 0.5, .beta2 = 0.999, .eps = 1e-3, .step = step, .grad_scale = 0.03};
    /* the first step of a warm-up has rate 0: the moments move, the parameters do not */
    return (struct sim_adamw){.lr = 1e-2 * (double)(step - 1),
                              .beta1 = 0.9,
                              .beta2 = 0.95,
                              .eps = 1e-8,
                              .step = step,
                              .grad_scale = 1};
}

static int adamw_state(int segment, int which)
{
    return segment * ADAM_STATES + which;
}

static int adamw_gradient(int segment, int64_t step)
{
    return SEGMENTS * ADAM_STATES + (int)(step - 1) * SEGMENTS + segment;
}

static void adamw_declare(struct trial *t)
{
    static const char *const names[] = {"p", "m", "v"};
    for (int i = 0; i < SEGMENTS; i++)
        for (int which = 0; which < ADAM_STATES; which++) {
            int b = trial_in_out(t, names[which], t->n[i]);
            for (int64_t k = 0; which != ADAM_P && k < t->n[i]; k++) trial_set(t, b, k, 0);
            t->b[b].floor = which == ADAM_V ? 0 : 0.1;
        }
    for (int64_t step = 1; step <= STEPS; step++)
        for (int i = 0; i < SEGMENTS; i++) {
            int b = trial_input(t, "g", t->n[i]);
            for (int64_t k = 0; k < t->n[i]; k++) /* some gradients are nothing, some next to nothing */
                if (k % 7 == 5) trial_set(t, b, k, k % 2 ? 0 : 1e-20 * trial_real(t, b)[k]);
        }
}

/* torch.optim.AdamW, in its own order. */
static void adamw_reference(struct trial *t)
{
    for (int i = 0; i < SEGMENTS; i++) {
        double *p = t->b[adamw_state(i, ADAM_P)].want, *m = t->b[adamw_state(i, ADAM_M)].want,
               *v = t->b[adamw_state(i, ADAM_V)].want;
        memcpy(p, trial_real(t, adamw_state(i, ADAM_P)), (size_t)t->n[i] * sizeof *p);
        for (int64_t step = 1; step <= STEPS; step++) {
            const struct sim_adamw h = adamw_of(t, step);
            const double *g = trial_real(t, adamw_gradient(i, step));
            for (int64_t k = 0; k < t->n[i]; k++) {
                double gk = g[k] * h.grad_scale;
                p[k] *= 1 - h.lr * (double)(float)decays[i];
                m[k] = h.beta1 * m[k] + (1 - h.beta1) * gk;
                v[k] = h.beta2 * v[k] + (1 - h.beta2) * gk * gk;
                double correction1 = 1 - pow(h.beta1, (double)step),
                       correction2 = 1 - pow(h.beta2, (double)step);
                p[k] -= h.lr / correction1 * m[k] / (sqrt(v[k]) / sqrt(correction2) + h.eps);
            }
        }
    }
}

static void adamw_call(struct trial *t, const struct sim_ops *o)
{
    for (int64_t step = 1; step <= STEPS; step++) {
        const struct sim_adamw h = adamw_of(t, step);
        struct sim_segment s[SEGMENTS];
        for (int i = 0; i < SEGMENTS; i++)
            s[i] = (struct sim_segment){.p = trial_f(t, adamw_state(i, ADAM_P)),
                                        .m = trial_f(t, adamw_state(i, ADAM_M)),
                                        .v = trial_f(t, adamw_state(i, ADAM_V)),
                                        .g = trial_f(t, adamw_gradient(i, step)),
                                        .count = t->n[i],
                                        .weight_decay = (float)decays[i]};
        o->adamw(o, s, SEGMENTS, &h);
    }
}

#define SHAPES(list) .shapes = list, .shape_count = TRIAL_COUNT(list)
static const struct operation operations[] = {
    {.name = "unigrad",
     .dims = "rows dim",
     SHAPES(unigrad_shapes),
     .variants = 3,
     .declare = unigrad_declare,
     .reference = unigrad_reference,
     .loss = unigrad_loss,
     .call = unigrad_call},
    {.name = "sum_squares",
     .dims = "n0 n1 n2",
     SHAPES(segment_shapes),
     .variants = 1,
     .declare = squares_declare,
     .reference = squares_reference,
     .call = squares_call},
    {.name = "ema",
     .dims = "n0 n1 n2",
     SHAPES(segment_shapes),
     .variants = TRIAL_COUNT(momenta),
     .declare = ema_declare,
     .reference = ema_reference,
     .call = ema_call},
    {.name = "adamw",
     .dims = "n0 n1 n2",
     SHAPES(segment_shapes),
     .variants = 2,
     .declare = adamw_declare,
     .reference = adamw_reference,
     .call = adamw_call},
};

START_TEST(operation)
{
    trial_operation(&operations[_i]);
}
END_TEST

/* ------------------------------------------------------------------ exact promises */

/* Momentum 1 keeps every byte, momentum 0 copies. */
START_TEST(ema_is_exact_at_its_ends)
{
    enum { COUNT = 1000 };
    float p[COUNT], g[COUNT], kept[COUNT];
    struct sim_rng rng = sim_rng_make(2, SIM_PURPOSE_TEST, 0, 0, 0);
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects);
    for (int i = 0; i < COUNT; i++) kept[i] = (float)sim_rng_normal(&rng), g[i] = (float)sim_rng_normal(&rng);
    for (int s = 0; s < count; s++) {
        const struct sim_ops *o = &subjects[s].ops;
        memcpy(p, kept, sizeof p);
        o->ema(o, &(struct sim_segment){.p = p, .g = g, .count = COUNT}, 1, 1);
        test_ok(o->finish(o));
        ck_assert_mem_eq(p, kept, sizeof p);
        o->ema(o, &(struct sim_segment){.p = p, .g = g, .count = COUNT}, 1, 0);
        test_ok(o->finish(o));
        ck_assert_mem_eq(p, g, sizeof p);
    }
    subjects_close(subjects, count);
}
END_TEST

/* What a run's end depends on: an infinite or undefined gradient shows in the norm. */
START_TEST(non_finite_gradients_show_in_the_sum)
{
    enum { COUNT = 20000 };
    static float g[COUNT];
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects);
    for (int s = 0; s < count; s++) {
        const struct sim_ops *o = &subjects[s].ops;
        const struct sim_segment one = {.g = g, .count = COUNT};
        memset(g, 0, sizeof g);
        ck_assert(o->sum_squares(o, &one, 1) == 0);
        ck_assert(o->sum_squares(o, &one, 0) == 0);
        g[COUNT - 1] = NAN;
        ck_assert(isnan(o->sum_squares(o, &one, 1)));
        g[COUNT - 1] = INFINITY;
        ck_assert(isinf(o->sum_squares(o, &one, 1)));
        g[COUNT - 1] = 1e30f; /* its square is beyond float */
        ck_assert(fabs(o->sum_squares(o, &one, 1) / 1e60 - 1) < 1e-6);
        test_ok(o->finish(o));
    }
    subjects_close(subjects, count);
}
END_TEST

/* Analytic values of the loss (method.md 1.8): with white targets, C = I, P = 0 costs 1. */
START_TEST(unigrad_of_nothing_is_one)
{
    enum { ROWS = 96, DIM = 24 };
    float p[ROWS * DIM] = {0}, t[ROWS * DIM], pc[ROWS * DIM] = {0};
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects);
    for (int i = 0; i < ROWS * DIM; i++) t[i] = i % 5 % 2 ? 1 : -1;
    for (int s = 0; s < count; s++) {
        const struct sim_ops *o = &subjects[s].ops;
        double loss = o->unigrad(o, NULL, p, t, pc, ROWS, DIM, 0.02);
        test_ok(o->finish(o));
        ck_assert(fabs(loss - 1) < 1e-7);
    }
    subjects_close(subjects, count);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("passes");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    tcase_add_test(c, ema_is_exact_at_its_ends);
    tcase_add_test(c, non_finite_gradients_show_in_the_sum);
    tcase_add_test(c, unigrad_of_nothing_is_one);
    suite_add_tcase(s, c);
    return test_run(s);
}
