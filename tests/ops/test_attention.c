/* Softmax attention, forward and backward: any number of tokens, any head dimension. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>

static const int64_t attention_shapes[][TRIAL_DIMS] = {
    {1, 1, 1, 8},   {1, 5, 2, 8},    {2, 5, 3, 1},    {2, 3, 1, 20},   {3, 17, 1, 20},
    {2, 16, 2, 48}, {1, 79, 2, 64},  {2, 65, 3, 20},  {1, 128, 1, 16}, {1, 129, 2, 48},
    {2, 130, 1, 8}, {1, 275, 2, 20}, {1, 275, 1, 48},
};

enum { ATTENTION_NO_LSE = 1 };
enum { ATTENTION_QKV, ATTENTION_OUT, ATTENTION_LSE, ATTENTION_DOUT, ATTENTION_DQKV };

/* out (B, N, H d) and lse (B, H, N), each where not NULL. */
static void attention_true(double *out, double *lse, const double *qkv, const int64_t n[4])
{
    const int64_t batch = n[0], tokens = n[1], heads = n[2], dim = n[3], width = heads * dim, ld = 3 * width;
    double *p = calloc((size_t)tokens, sizeof *p);
    if (!p) ck_abort_msg("no memory for a test");
    for (int64_t task = 0; task < batch * heads * tokens; task++) {
        int64_t b = task / (heads * tokens), h = task / tokens % heads, i = task % tokens;
        const double *image = qkv + b * tokens * ld + h * dim, *q = image + i * ld;
        double top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < tokens; j++) {
            const double *k = image + j * ld + width;
            p[j] = 0;
            for (int64_t d = 0; d < dim; d++) p[j] += q[d] * k[d];
            p[j] /= sqrt((double)dim);
            top = fmax(top, p[j]);
        }
        for (int64_t j = 0; j < tokens; j++) sum += p[j] = exp(p[j] - top);
        if (lse) lse[task] = top + log(sum);
        double *y = out + (b * tokens + i) * width + h * dim;
        for (int64_t d = 0; d < dim; d++) y[d] = 0;
        for (int64_t j = 0; j < tokens; j++)
            for (int64_t d = 0; d < dim; d++) y[d] += p[j] / sum * image[j * ld + 2 * width + d];
    }
    free(p);
}

static int64_t out_count(const struct trial *t)
{
    return t->n[0] * t->n[1] * t->n[2] * t->n[3];
}

static void attention_declare(struct trial *t)
{
    trial_act(t, trial_input(t, "qkv", 3 * out_count(t)));
    trial_act(t, trial_output(t, "out", out_count(t)));
    if (t->variant & ATTENTION_NO_LSE)
        trial_absent(t, "lse");
    else
        trial_output(t, "lse", t->n[0] * t->n[1] * t->n[2]);
    t->b[ATTENTION_LSE].floor = 1;
}

static void attention_reference(struct trial *t)
{
    attention_true(t->b[ATTENTION_OUT].want, t->variant & ATTENTION_NO_LSE ? NULL : t->b[ATTENTION_LSE].want,
                   trial_real(t, ATTENTION_QKV), t->n);
}

static void attention_call(struct trial *t, const struct sim_ops *o)
{
    o->attention(o, trial_f(t, ATTENTION_OUT), trial_f(t, ATTENTION_LSE), trial_f(t, ATTENTION_QKV), t->n[0],
                 t->n[1], t->n[2], t->n[3]);
}

static void attention_backward_declare(struct trial *t)
{
    const int64_t count = out_count(t), rows = t->n[0] * t->n[1] * t->n[2];
    trial_act(t, trial_input(t, "qkv", 3 * count));
    trial_act(t, trial_input(t, "out", count));
    trial_input(t, "lse", rows);
    trial_act(t, trial_input(t, "dout", count));
    trial_gradient(t, "dqkv", ATTENTION_QKV, 0);
    double *out = calloc((size_t)count, sizeof *out), *lse = calloc((size_t)rows, sizeof *lse);
    if (!out || !lse) ck_abort_msg("no memory for a test");
    attention_true(out, lse, trial_real(t, ATTENTION_QKV), t->n);
    for (int64_t i = 0; i < count; i++) trial_set(t, ATTENTION_OUT, i, out[i]);
    for (int64_t i = 0; i < rows; i++) trial_set(t, ATTENTION_LSE, i, lse[i]);
    free(out), free(lse);
    t->work = 2 * (double)count * (double)t->n[1] + 20 * (double)rows * (double)t->n[1];
}

static double attention_loss(struct trial *t)
{
    const int64_t count = out_count(t);
    double *out = calloc((size_t)count, sizeof *out), loss = 0;
    if (!out) ck_abort_msg("no memory for a test");
    attention_true(out, NULL, trial_real(t, ATTENTION_QKV), t->n);
    for (int64_t i = 0; i < count; i++) loss += out[i] * trial_real(t, ATTENTION_DOUT)[i];
    free(out);
    return loss;
}

static void attention_backward_call(struct trial *t, const struct sim_ops *o)
{
    o->attention_backward(o, trial_f(t, ATTENTION_DQKV), trial_f(t, ATTENTION_DOUT),
                          trial_f(t, ATTENTION_QKV), trial_f(t, ATTENTION_OUT), trial_f(t, ATTENTION_LSE),
                          t->n[0], t->n[1], t->n[2], t->n[3]);
}

static const struct operation operations[] = {
    {.name = "attention",
     .dims = "batch tokens heads head_dim",
     .shapes = attention_shapes,
     .shape_count = TRIAL_COUNT(attention_shapes),
     .variants = 2,
     .declare = attention_declare,
     .reference = attention_reference,
     .call = attention_call,
     .nmse = 1e-12,
     .max = 3e-6,
     .coarse = 2}, /* probabilities are rounded, too */
    {.name = "attention_backward",
     .dims = "batch tokens heads head_dim",
     .shapes = attention_shapes,
     .shape_count = TRIAL_COUNT(attention_shapes),
     .variants = 1,
     .declare = attention_backward_declare,
     .loss = attention_loss,
     .call = attention_backward_call,
     .coarse = 4}, /* and their gradients, and `out` */
};

START_TEST(operation)
{
    trial_operation(&operations[_i]);
}
END_TEST

/* Logits of +-1e4: the maximum is taken off first, so that rows stay probabilities, and gradients finite. */
START_TEST(large_logits_stay_finite)
{
    enum { TOKENS = 133, DIM = 20 };
    const int64_t n[4] = {1, TOKENS, 1, DIM};
    static float qkv[TOKENS * 3 * DIM], out[TOKENS * DIM], lse[TOKENS], dout[TOKENS * DIM],
        dqkv[TOKENS * 3 * DIM];
    static double real[TOKENS * 3 * DIM], want[TOKENS * DIM], want_lse[TOKENS];
    struct sim_rng rng = sim_rng_make(5, SIM_PURPOSE_TEST, 0, 0, 0);
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int i = 0; i < TOKENS * 3 * DIM; i++) {
        double scale =
            i % (3 * DIM) < 2 * DIM ? sqrt(1e4 / sqrt(DIM)) : 1; /* q and k; v stays of order one */
        qkv[i] = (float)(scale * sim_rng_normal(&rng));
    }
    for (int i = 0; i < TOKENS * DIM; i++) dout[i] = (float)sim_rng_normal(&rng);
    for (int s = 0; s < count; s++) {
        const struct subject *one = &subjects[s];
        const struct sim_ops *o = &one->ops;
        float *in = subject_acts(one, qkv, TOKENS * 3 * DIM), *g = subject_acts(one, dout, TOKENS * DIM),
              *y = subject_empty_acts(one, TOKENS * DIM), *dx = subject_empty_acts(one, TOKENS * 3 * DIM),
              *l = subject_floats(one, lse, TOKENS);
        for (int i = 0; i < TOKENS * 3 * DIM; i++) real[i] = subject_round(one, qkv[i]);
        attention_true(want, want_lse, real, n);
        o->attention(o, y, l, in, 1, TOKENS, 1, DIM);
        o->attention_backward(o, dx, g, in, y, l, 1, TOKENS, 1, DIM);
        subject_read(one, lse, l, TOKENS);
        subject_read_acts(one, out, y, TOKENS * DIM);
        subject_read_acts(one, dqkv, dx, TOKENS * 3 * DIM);
        for (int i = 0; i < TOKENS; i++)
            ck_assert_msg(fabs(lse[i] - want_lse[i]) < 1e-6 * 1e4, "%s: lse %g, not %g", o->isa,
                          (double)lse[i], want_lse[i]);
        for (int i = 0; i < TOKENS * DIM; i++) /* logits carry the rounding of 1e4 */
            ck_assert_msg(fabs(out[i] - want[i]) < (one->bf16 ? 3e-2 : 1e-2), "%s: out %g, not %g", o->isa,
                          (double)out[i], want[i]);
        for (int i = 0; i < TOKENS * 3 * DIM; i++) ck_assert(isfinite(dqkv[i]));
        float *const all[] = {in, g, y, dx, l};
        for (int i = 0; i < TRIAL_COUNT(all); i++) subject_release(one, all[i]);
    }
    subjects_close(subjects, count);
}
END_TEST

/* Equal keys: every query sees the mean of the values. */
START_TEST(equal_keys_average_the_values)
{
    enum { TOKENS = 37, DIM = 8 };
    float qkv[TOKENS * 3 * DIM], out[TOKENS * DIM];
    struct sim_rng rng = sim_rng_make(6, SIM_PURPOSE_TEST, 0, 0, 0);
    struct subject subjects[TRIAL_SUBJECTS];
    int count = subjects_open(subjects, NULL);
    for (int i = 0; i < TOKENS * 3 * DIM; i++) {
        int at = i % (3 * DIM);
        qkv[i] = at >= DIM && at < 2 * DIM ? 0.5f : (float)sim_rng_normal(&rng);
    }
    for (int s = 0; s < count; s++) {
        const struct subject *one = &subjects[s];
        double mean[DIM] = {0};
        float *in = subject_acts(one, qkv, TOKENS * 3 * DIM), *y = subject_empty_acts(one, TOKENS * DIM);
        for (int i = 0; i < TOKENS; i++)
            for (int d = 0; d < DIM; d++)
                mean[d] += (double)subject_round(one, qkv[i * 3 * DIM + 2 * DIM + d]) / TOKENS;
        one->ops.attention(&one->ops, y, NULL, in, 1, TOKENS, 1, DIM);
        subject_read_acts(one, out, y, TOKENS * DIM);
        for (int i = 0; i < TOKENS * DIM; i++)
            ck_assert(fabs(out[i] - mean[i % DIM]) < (one->bf16 ? 1e-2 : 1e-6));
        subject_release(one, in), subject_release(one, y);
    }
    subjects_close(subjects, count);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("attention");
    TCase *c = tcase_create("operations");
    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, operation, 0, TRIAL_COUNT(operations));
    tcase_add_test(c, large_logits_stay_finite);
    tcase_add_test(c, equal_keys_average_the_values);
    suite_add_tcase(s, c);
    return test_run(s);
}
