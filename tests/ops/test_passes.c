/* Losses, and the passes over the parameter block. */
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

/* ------------------------------------------------------------------ covariance, unigrad: rows dim */

static const int64_t loss_shapes[][TRIAL_DIMS] = {
    {1, 1}, {1, 48}, {5, 7}, {63, 20}, {64, 33}, {65, 8}, {129, 20}, {275, 17}, {9, 264},
};
enum { COVARIANCE_T, COVARIANCE_C };

/* C = t^T t / M (D, D) */
static void add_covariance(struct trial *t, int target, double *c)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    const double *x = trial_real(t, target);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < dim; i++)
            for (int64_t j = 0; j < dim; j++)
                c[i * dim + j] += x[r * dim + i] * x[r * dim + j] / (double)rows;
}

static void covariance_declare(struct trial *t)
{
    trial_act(t, trial_input(t, "t", t->n[0] * t->n[1]));
    t->b[trial_output(t, "c", t->n[1] * t->n[1])].floor = 1;
}

static void covariance_reference(struct trial *t)
{
    add_covariance(t, COVARIANCE_T, t->b[COVARIANCE_C].want);
}

static void covariance_call(struct trial *t, const struct sim_ops *o)
{
    o->covariance(o, trial_f(t, COVARIANCE_C), trial_f(t, COVARIANCE_T), t->n[0], t->n[1]);
}

enum { UNIGRAD_P, UNIGRAD_T, UNIGRAD_C, UNIGRAD_DP };
static const double neg_weight = 0.02 * 8; /* a little heavier than the paper's, to be seen */

static void unigrad_declare(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    trial_act(t, trial_input(t, "p", rows * dim));
    trial_act(t, trial_input(t, "t", rows * dim));
    trial_input(t, "c", dim * dim);
    trial_gradient(t, "dp", UNIGRAD_P, 0);
    double *c = doubles(dim * dim);
    add_covariance(t, UNIGRAD_T, c);
    for (int64_t i = 0; i < dim * dim; i++) trial_set(t, UNIGRAD_C, i, c[i]);
    free(c);
    t->b[UNIGRAD_DP].floor = 2 / (double)(rows * dim);
    t->work = (double)(rows * dim) * (double)(2 * dim + rows);
}

/* As the official code forms it: the whole M x M matrix P C P^T, of which the diagonal counts. */
static double unigrad_loss(struct trial *t)
{
    const int64_t rows = t->n[0], dim = t->n[1];
    const double *p = trial_real(t, UNIGRAD_P), *target = trial_real(t, UNIGRAD_T),
                 *c = trial_real(t, UNIGRAD_C);
    double *pc = doubles(rows * dim), *full = doubles(rows * rows), positive = 0, negative = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < dim; i++)
            for (int64_t j = 0; j < dim; j++) pc[r * dim + j] += p[r * dim + i] * c[i * dim + j];
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
    o->unigrad(o, &t->scalars->loss, trial_f(t, UNIGRAD_DP), trial_f(t, UNIGRAD_P), trial_f(t, UNIGRAD_T),
               trial_f(t, UNIGRAD_C), t->n[0], t->n[1], neg_weight);
}

/* ------------------------------------------------------------------ cross_entropy: rows classes */

static const int64_t entropy_shapes[][TRIAL_DIMS] = {
    {1, 1}, {1, 2}, {5, 7}, {63, 10}, {64, 33}, {65, 100}, {9, 1000}, {300, 3},
};
enum { ENTROPY_LOGITS, ENTROPY_TARGET, ENTROPY_DLOGITS };
enum { ENTROPY_IN_PLACE = 1, ENTROPY_NO_GRADIENT = 2 };

/* Labels in every third row, else smoothed or mixed; the target's rows sum to 1 but for float's rounding. */
static void entropy_declare(struct trial *t)
{
    const int64_t rows = t->n[0], classes = t->n[1];
    trial_act(t, trial_input(t, "logits", rows * classes));
    trial_input(t, "target", rows * classes);
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0, *row = trial_real(t, ENTROPY_TARGET) + r * classes;
        const int64_t label = (int64_t)sim_rng_below(&t->rng, (uint32_t)classes);
        for (int64_t k = 0; k < classes; k++) row[k] = r % 3 ? exp(row[k]) : k == label, sum += row[k];
        for (int64_t k = 0; k < classes; k++) trial_set(t, ENTROPY_TARGET, r * classes + k, row[k] / sum);
    }
    if (t->variant == ENTROPY_NO_GRADIENT)
        trial_absent(t, "dlogits");
    else
        trial_gradient(t, "dlogits", ENTROPY_LOGITS, 0);
    if (t->variant == ENTROPY_IN_PLACE) trial_alias(t, ENTROPY_DLOGITS, ENTROPY_LOGITS);
    t->b[ENTROPY_DLOGITS].floor = 0.1 / (double)rows;
}

static double entropy_loss(struct trial *t)
{
    const int64_t rows = t->n[0], classes = t->n[1];
    double loss = 0;
    for (int64_t r = 0; r < rows; r++) {
        const double *x = trial_real(t, ENTROPY_LOGITS) + r * classes;
        double sum = 0;
        for (int64_t k = 0; k < classes; k++) sum += exp(x[k]);
        for (int64_t k = 0; k < classes; k++)
            loss -= trial_real(t, ENTROPY_TARGET)[r * classes + k] * (x[k] - log(sum)) / (double)rows;
    }
    return loss;
}

static void entropy_reference(struct trial *t)
{
    t->want_result = entropy_loss(t);
}

static void entropy_call(struct trial *t, const struct sim_ops *o)
{
    o->cross_entropy(o, &t->scalars->loss, trial_f(t, ENTROPY_DLOGITS), trial_f(t, ENTROPY_LOGITS),
                     trial_f(t, ENTROPY_TARGET), t->n[0], t->n[1]);
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
    o->sum_squares(o, &t->scalars->loss, s, SEGMENTS);
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
    const struct sim_scalars_in in = {.momentum = momenta[t->variant]};
    o->upload(o, &t->scalars->in, &in, sizeof in);
    o->ema(o, s, SEGMENTS, t->scalars);
}

/* ---- adamw: buffers p, m, v of each segment, then the gradients of each step */

enum { ADAM_P, ADAM_M, ADAM_V, ADAM_STATES };
static const double decays[SEGMENTS] = {0, 0.05, 0.3}, rates[SEGMENTS] = {1, 0.4225, 0};

struct adamw_case {
    struct sim_adamw h;
    double lr, grad_scale;
};

/* Variant 1 clips, with another learning rate, betas and eps. */
static struct adamw_case adamw_of(const struct trial *t, int64_t step)
{
    if (t->variant == 1) return (struct adamw_case){{.beta1 = 0.5, .beta2 = 0.999, .eps = 1e-3}, 0.05, 0.03};
    /* the first step of a warm-up has rate 0: the moments move, the parameters do not */
    return (struct adamw_case){{.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8}, 1e-2 * (double)(step - 1), 1};
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
            const struct adamw_case one = adamw_of(t, step);
            const struct sim_adamw h = one.h;
            const double lr = one.lr * rates[i];
            const double *g = trial_real(t, adamw_gradient(i, step));
            for (int64_t k = 0; k < t->n[i]; k++) {
                double gk = g[k] * one.grad_scale;
                p[k] *= 1 - lr * (double)(float)decays[i];
                m[k] = h.beta1 * m[k] + (1 - h.beta1) * gk;
                v[k] = h.beta2 * v[k] + (1 - h.beta2) * gk * gk;
                double correction1 = 1 - pow(h.beta1, (double)step),
                       correction2 = 1 - pow(h.beta2, (double)step);
                p[k] -= lr / correction1 * m[k] / (sqrt(v[k]) / sqrt(correction2) + h.eps);
            }
        }
    }
}

static void adamw_call(struct trial *t, const struct sim_ops *o)
{
    for (int64_t step = 1; step <= STEPS; step++) {
        const struct adamw_case one = adamw_of(t, step);
        const struct sim_scalars scalars = {.in = {.lr = one.lr,
                                                   .correction1 = 1 - pow(one.h.beta1, (double)step),
                                                   .correction2 = 1 - pow(one.h.beta2, (double)step)},
                                            .grad_scale = one.grad_scale};
        struct sim_segment s[SEGMENTS];
        for (int i = 0; i < SEGMENTS; i++)
            s[i] = (struct sim_segment){.p = trial_f(t, adamw_state(i, ADAM_P)),
                                        .m = trial_f(t, adamw_state(i, ADAM_M)),
                                        .v = trial_f(t, adamw_state(i, ADAM_V)),
                                        .g = trial_f(t, adamw_gradient(i, step)),
                                        .count = t->n[i],
                                        .weight_decay = (float)decays[i],
                                        .lr_scale = rates[i]};
        o->upload(o, t->scalars, &scalars, sizeof scalars);
        o->adamw(o, s, SEGMENTS, t->scalars, &one.h);
    }
}

static const struct operation operations[] = {
    {.name = "covariance",
     .dims = "rows dim",
     TRIAL_SHAPES(loss_shapes),
     .variants = 1,
     .declare = covariance_declare,
     .reference = covariance_reference,
     .call = covariance_call},
    {.name = "unigrad",
     .dims = "rows dim",
     TRIAL_SHAPES(loss_shapes),
     .variants = 1,
     .declare = unigrad_declare,
     .reference = unigrad_reference,
     .loss = unigrad_loss,
     .call = unigrad_call,
     .coarse = 3}, /* C and p C are rounded, too */
    {.name = "cross_entropy",
     .dims = "rows classes",
     TRIAL_SHAPES(entropy_shapes),
     .variants = 3,
     .declare = entropy_declare,
     .reference = entropy_reference,
     .loss = entropy_loss,
     .call = entropy_call},
    {.name = "sum_squares",
     .dims = "n0 n1 n2",
     TRIAL_SHAPES(segment_shapes),
     .variants = 1,
     .declare = squares_declare,
     .reference = squares_reference,
     .call = squares_call},
    {.name = "ema",
     .dims = "n0 n1 n2",
     TRIAL_SHAPES(segment_shapes),
     .variants = TRIAL_COUNT(momenta),
     .declare = ema_declare,
     .reference = ema_reference,
     .call = ema_call},
    {.name = "adamw",
     .dims = "n0 n1 n2",
     TRIAL_SHAPES(segment_shapes),
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

static struct sim_scalars *scalars_there(const struct subject *s, struct sim_scalars host)
{
    struct sim_scalars *p = subject_take(s, sizeof host);
    subject_upload(s, p, &host, sizeof host);
    return p;
}

static struct sim_scalars scalars_back(const struct subject *s, const struct sim_scalars *there_)
{
    struct sim_scalars host;
    subject_download(s, &host, there_, sizeof host);
    return host;
}

/* Momentum 1 keeps every byte, momentum 0 copies, and a halted run moves nothing. */
START_TEST(ema_is_exact_at_its_ends)
{
    enum { COUNT = 1000 };
    static const struct sim_scalars cases[] = {
        {.in = {.momentum = 1}}, {.in = {.momentum = 0}}, {.in = {.momentum = 0}, .halted = 1}};
    float kept[COUNT], g[COUNT], got[COUNT];
    struct sim_rng rng = sim_rng_make(2, SIM_PURPOSE_TEST, 0, 0, 0);
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int i = 0; i < COUNT; i++) kept[i] = (float)sim_rng_normal(&rng), g[i] = (float)sim_rng_normal(&rng);
    for (int s = 0; s < count; s++)
        for (int i = 0; i < TRIAL_COUNT(cases); i++) {
            const struct sim_ops *o = &subjects[s].ops;
            float *p = subject_floats(&subjects[s], kept, COUNT),
                  *from = subject_floats(&subjects[s], g, COUNT);
            struct sim_scalars *scalars = scalars_there(&subjects[s], cases[i]);
            const struct sim_segment one = {.p = p, .g = from, .count = COUNT};
            o->ema(o, &one, 1, scalars);
            scalars_back(&subjects[s], scalars);
            subject_read(&subjects[s], got, p, COUNT);
            ck_assert_mem_eq(got, i == 1 ? g : kept, sizeof got);
            subject_release(&subjects[s], p), subject_release(&subjects[s], from),
                subject_release(&subjects[s], scalars);
        }
    subjects_close(subjects, count);
}
END_TEST

/* What a run's end depends on: an infinite or undefined gradient shows in the norm. */
START_TEST(non_finite_gradients_show_in_the_sum)
{
    enum { COUNT = 20000 };
    static const float last[] = {0, NAN, INFINITY, 1e30f /* its square is beyond float */};
    static float g[COUNT];
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int s = 0; s < count; s++)
        for (int i = 0; i < TRIAL_COUNT(last); i++) {
            const struct sim_ops *o = &subjects[s].ops;
            g[COUNT - 1] = last[i];
            float *there_ = subject_floats(&subjects[s], g, COUNT);
            struct sim_scalars *scalars = scalars_there(&subjects[s], (struct sim_scalars){.loss = -1});
            const struct sim_segment one = {.g = there_, .count = COUNT};
            o->sum_squares(o, &scalars->sum_squares, &one, 1);
            o->sum_squares(o, &scalars->loss, &one, 0);
            struct sim_scalars left = scalars_back(&subjects[s], scalars);
            ck_assert(left.loss == 0);
            if (i == 0) ck_assert(left.sum_squares == 0);
            if (i == 1) ck_assert(isnan(left.sum_squares));
            if (i == 2) ck_assert(isinf(left.sum_squares));
            if (i == 3) ck_assert(fabs(left.sum_squares / 1e60 - 1) < 1e-6);
            subject_release(&subjects[s], there_), subject_release(&subjects[s], scalars);
        }
    subjects_close(subjects, count);
}
END_TEST

/* Clipping at the norm, and what halts a run; once halted, halted for good. */
START_TEST(clip_scales_and_halts)
{
    static const struct {
        double loss, norm, clip, scale;
        int64_t before, halted;
    } cases[] = {
        {1, 4, 0, 1, 0, 0},        {1, 4, 8, 1, 0, 0},         {1, 4, 1, 1 / (4 + 1e-6), 0, 0},
        {1, 0, 1, 1, 0, 0},        {NAN, 4, 1, -1, 0, 1},      {INFINITY, 4, 0, -1, 0, 1},
        {1, NAN, 1, -1, 0, 1},     {1, INFINITY, 0, -1, 0, 1}, {1, 2e19, 0, -1, 0, 1},
        {1, 2e19, 1, 5e-20, 0, 0}, {1, 4, 1, -1, 1, 1},
    };
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int s = 0; s < count; s++)
        for (int i = 0; i < TRIAL_COUNT(cases); i++) {
            const struct sim_ops *o = &subjects[s].ops;
            struct sim_scalars *scalars =
                scalars_there(&subjects[s], (struct sim_scalars){.loss = cases[i].loss,
                                                                 .sum_squares = cases[i].norm * cases[i].norm,
                                                                 .halted = cases[i].before});
            o->clip(o, scalars, cases[i].clip);
            struct sim_scalars left = scalars_back(&subjects[s], scalars);
            ck_assert_msg(left.halted == cases[i].halted, "case %d", i);
            if (cases[i].scale >= 0)
                ck_assert_double_eq_tol(left.grad_scale, cases[i].scale, 1e-12 * cases[i].scale);
            subject_release(&subjects[s], scalars);
        }
    subjects_close(subjects, count);
}
END_TEST

/* Logits of +-1e4, impossible classes, and logits that are no numbers. */
START_TEST(cross_entropy_at_its_ends)
{
    enum { ROWS = 3, CLASSES = 4 };
    static const float x[ROWS * CLASSES] = {1e4f, -1e4f, 0, 0, 2, 2, 2, 2, -INFINITY, 0, 0, 0},
                                target[ROWS * CLASSES] = {1, 0, 0, 0, 0.25f, 0.25f, 0.25f, 0.25f, 0, 1, 0, 0};
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int s = 0; s < count; s++)
        for (int spoilt = 0; spoilt < 2; spoilt++) {
            const struct sim_ops *o = &subjects[s].ops;
            float logits[ROWS * CLASSES], slope[ROWS * CLASSES];
            memcpy(logits, x, sizeof x);
            if (spoilt) logits[2] = NAN;
            float *in = subject_acts(&subjects[s], logits, ROWS * CLASSES),
                  *goal = subject_floats(&subjects[s], target, ROWS * CLASSES),
                  *out = subject_empty_acts(&subjects[s], ROWS * CLASSES);
            struct sim_scalars *scalars = scalars_there(&subjects[s], (struct sim_scalars){.loss = -1});
            o->cross_entropy(o, &scalars->loss, out, in, goal, ROWS, CLASSES);
            const double loss = scalars_back(&subjects[s], scalars).loss;
            subject_read_acts(&subjects[s], slope, out, ROWS * CLASSES);
            if (spoilt) {
                ck_assert(isnan(loss));
            } else {
                ck_assert_double_eq_tol(loss, (0 + log(4) + log(3)) / 3, 1e-6);
                for (int i = 0; i < ROWS * CLASSES; i++) ck_assert(isfinite(slope[i]));
                ck_assert(slope[0] == 0 && slope[8] == 0);
            }
            float *const all[] = {in, goal, out, (float *)scalars};
            for (int i = 0; i < TRIAL_COUNT(all); i++) subject_release(&subjects[s], all[i]);
        }
    subjects_close(subjects, count);
}
END_TEST

/* A product after a pass sees the weights that the pass left, in whatever format the backend keeps them; the
 * segments lie anywhere in the block, and what lies between them stays. */
START_TEST(products_see_what_passes_wrote)
{
    enum { BLOCK = 20000, FIRST = 3, COUNT = 9001, SECOND = 10240, MORE = 9000 };
    static float w[BLOCK], g[BLOCK], zeros[BLOCK], y[BLOCK], now[BLOCK];
    const float one = 1;
    const struct sim_adamw h = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
    struct sim_rng rng = sim_rng_make(11, SIM_PURPOSE_TEST, 0, 0, 0);
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int i = 0; i < BLOCK; i++) w[i] = (float)sim_rng_normal(&rng), g[i] = (float)sim_rng_normal(&rng);
    for (int s = 0; s < count; s++)
        for (int pass = 0; pass < 2; pass++) {
            const struct subject *u = &subjects[s];
            const struct sim_ops *o = &u->ops;
            float *p = subject_floats(u, w, BLOCK), *slope = subject_floats(u, g, BLOCK),
                  *m = subject_floats(u, zeros, BLOCK), *v = subject_floats(u, zeros, BLOCK),
                  *x = subject_acts(u, &one, 1), *out = subject_empty_acts(u, BLOCK);
            struct sim_scalars *scalars = scalars_there(
                u, (struct sim_scalars){
                       .in = {.lr = 0.1, .momentum = 0.5, .correction1 = 0.1, .correction2 = 0.05},
                       .grad_scale = 1});
            const struct sim_segment list[] = {
                {p + FIRST, slope + FIRST, m + FIRST, v + FIRST, COUNT, 0.1f, 1},
                {p + SECOND, slope + SECOND, m + SECOND, v + SECOND, MORE, 0, 1}};
            o->weights_changed(o, p, BLOCK);
            for (int turn = 0; turn < 2; turn++) { /* the second finds the list on the device */
                if (pass == 0)
                    o->adamw(o, list, 2, scalars, &h);
                else
                    o->ema(o, list, 2, scalars);
            }
            o->linear(o, out, x, p, NULL, 1, 1, BLOCK);
            subject_read_acts(u, y, out, BLOCK);
            subject_read(u, now, p, BLOCK);
            for (int i = 0; i < BLOCK; i++) {
                const int written = (i >= FIRST && i < FIRST + COUNT) || (i >= SECOND && i < SECOND + MORE);
                ck_assert_msg((now[i] != w[i]) == written, "%s: weight %d", o->name, i);
                ck_assert_msg(y[i] == subject_round(u, now[i]), "%s: the product sees %.9g at %d, not %.9g",
                              o->name, (double)y[i], i, (double)now[i]);
            }
            float *const all[] = {p, slope, m, v, x, out, (float *)scalars};
            for (int i = 0; i < TRIAL_COUNT(all); i++) subject_release(u, all[i]);
        }
    subjects_close(subjects, count);
}
END_TEST

/* Analytic values of the loss (method.md 1.8): with white targets, C = I, P = 0 costs 1. */
START_TEST(unigrad_of_nothing_is_one)
{
    enum { ROWS = 96, DIM = 24 };
    static float zeros[ROWS * DIM], t[ROWS * DIM], c[DIM * DIM];
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int i = 0; i < ROWS * DIM; i++) t[i] = i % 5 % 2 ? 1 : -1;
    for (int s = 0; s < count; s++) {
        const struct sim_ops *o = &subjects[s].ops;
        float *p = subject_acts(&subjects[s], zeros, ROWS * DIM),
              *goal = subject_acts(&subjects[s], t, ROWS * DIM),
              *cov = subject_floats(&subjects[s], c, DIM * DIM),
              *dp = subject_empty_acts(&subjects[s], ROWS * DIM);
        struct sim_scalars *scalars = scalars_there(&subjects[s], (struct sim_scalars){.loss = -1});
        o->unigrad(o, &scalars->loss, dp, p, goal, cov, ROWS, DIM, 0.02);
        ck_assert(fabs(scalars_back(&subjects[s], scalars).loss - 1) < 1e-7);
        float *const all[] = {p, goal, cov, dp, (float *)scalars};
        for (int i = 0; i < TRIAL_COUNT(all); i++) subject_release(&subjects[s], all[i]);
    }
    subjects_close(subjects, count);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("passes");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    tcase_add_test(c, ema_is_exact_at_its_ends);
    tcase_add_test(c, non_finite_gradients_show_in_the_sum);
    tcase_add_test(c, clip_scales_and_halts);
    tcase_add_test(c, unigrad_of_nothing_is_one);
    tcase_add_test(c, cross_entropy_at_its_ends);
    tcase_add_test(c, products_see_what_passes_wrote);
    suite_add_tcase(s, c);
    return test_run(s);
}
