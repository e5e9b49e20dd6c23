/* One optimiser step: the whole model's gradient against finite differences, clipping, decay, EMA, what stays
 * put, and batches that cannot be. */
#include "rng.h"
#include "small_model.h"
#include "step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ finite differences */

enum { VARIANTS = 13 };

static struct small variant(int i)
{
    struct small s = small_model();
    switch (i) {
    case 0:
        s.name = "base";
        break;
    case 1:
        s.name = "layer norms, online_ln";
        s.c.projector_norm = s.c.predictor_norm = SIM_NORM_LN;
        s.c.online_ln = 1;
        break;
    case 2:
        s.name = "trained patch embedding";
        s.c.train_patch_embed = 1;
        break;
    case 3:
        s.name = "LayerScale";
        s.vit.init_values = 0.5;
        break;
    case 4:
        s.name = "drop path";
        s.vit.drop_path_rate = 0.5;
        s.vit.depth = 3;
        break;
    case 5:
        s.name = "drop path and LayerScale";
        s.vit.drop_path_rate = 0.5;
        s.vit.init_values = 0.5;
        s.vit.depth = 3;
        break;
    case 6:
        s.name = "global loss";
        s.c.loss = SIM_LOSS_GLOBAL;
        break;
    case 7:
        s.name = "global loss, online_ln";
        s.c.loss = SIM_LOSS_GLOBAL;
        s.c.online_ln = 1;
        break;
    case 8:
        s.name = "no projector, no scales";
        s.c.projector_depth = 0;
        s.c.relative_position = SIM_RELATIVE_NO_SCALE;
        break;
    case 9:
        s.name = "no mask, no geometry";
        s.hidden = 0;
        s.c.relative_position = SIM_RELATIVE_NONE;
        break;
    case 10:
        s.name = "targets without norm";
        s.c.target_norm = SIM_TARGET_PLAIN;
        break;
    case 11:
        s.name = "deep, no decorrelation";
        s.c.projector_depth = 3;
        s.c.predictor_depth = 6;
        s.c.neg_weight = 0;
        s.c.online_ln = 1;
        s.c.target_norm = SIM_TARGET_PLAIN;
        break;
    default:
        s.name = "odd sizes";
        s.vit.embed_dim = 20;
        s.vit.num_heads = 5;
        s.vit.mlp_ratio = 3;
        s.c.decoder_embed_dim = 28;
        s.c.decoder_num_heads = 2;
        s.batch = 3;
        s.vit.img_size = 15;
        s.vit.patch_size = 5;
        s.hidden = 2;
        s.c.neg_weight = 0.5;
    }
    return s;
}

/* The loss at start + h direction over the floats of `gradient`.  Momentum 1: the target stays where it is.
 */
static double loss_at(struct small_bench *b, const float *start, const float *direction, double h)
{
    struct sim_params *p = b->o.params;
    memcpy(p->value, start, (size_t)p->value_count * sizeof(float));
    for (int i = 0; i < p->count; i++) {
        const struct sim_param *r = &p->row[i];
        for (int64_t k = 0; r->gradient >= 0 && k < r->count; k++)
            p->value[r->offset + k] =
                (float)((double)p->value[r->offset + k] + h * (double)direction[r->gradient + k]);
    }
    double loss;
    test_ok(small_step(&b->o, b->batch, 1, 3, NULL, &loss));
    return loss;
}

/* Fourth order; the largest step reaches 2 h. */
static double slope_along(struct small_bench *b, const float *start, const float *direction, double h)
{
    return (8 * (loss_at(b, start, direction, h) - loss_at(b, start, direction, -h)) -
            (loss_at(b, start, direction, 2 * h) - loss_at(b, start, direction, -2 * h))) /
           (12 * h);
}

static double dot(const float *a, const float *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* float32 losses of about 1 carry an error of about 1e-7, which a difference over h turns into ROUNDING / h.
 */
#define ROUNDING 3e-7

START_TEST(gradient_is_the_slope_of_the_loss)
{
    struct small s = variant(_i);
    struct small_bench b;
    small_bench_open(&b, &s, NULL);
    struct sim_params *p = b.o.params;
    const int64_t n = p->gradient_count;
    float *start = malloc((size_t)p->value_count * sizeof(float)); /* to come back to */
    float *gradient = malloc((size_t)n * sizeof(float)), *direction = malloc((size_t)n * sizeof(float));
    memcpy(start, p->value, (size_t)p->value_count * sizeof(float));
    double loss;
    test_ok(small_step(&b.o, b.batch, 1, 3, NULL, &loss));
    memcpy(gradient, p->gradient, (size_t)n * sizeof(float)); /* the padding between tensors is zero */
    double norm = sqrt(dot(gradient, gradient, n)), h = 2e-3;
    ck_assert_double_gt(norm, 1e-2);

    for (int64_t i = 0; i < n; i++) direction[i] = (float)(gradient[i] / norm);
    double slope = slope_along(&b, start, direction, h);
    ck_assert_msg(fabs(slope - norm) <= 1e-4 * norm, "%s: along the gradient %.9g, finite differences %.9g",
                  s.name, norm, slope);

    for (int i = 0; i < p->count; i++) { /* and every tensor for itself */
        const struct sim_param *r = &p->row[i];
        if (r->gradient < 0) continue;
        double own = sqrt(dot(gradient + r->gradient, gradient + r->gradient, r->count));
        memset(direction, 0, (size_t)n * sizeof(float));
        for (int64_t k = 0; own > 0 && k < r->count; k++)
            direction[r->gradient + k] = (float)(gradient[r->gradient + k] / own);
        slope = slope_along(&b, start, direction, h);
        ck_assert_msg(fabs(slope - own) <= 1e-3 * own + ROUNDING / h, "%s: %s: %.9g, finite differences %.9g",
                      s.name, r->name, own, slope);
    }
    free(start), free(gradient), free(direction);
    small_bench_close(&b);
}
END_TEST

/* ------------------------------------------------------------------ the update */

struct trial {
    struct small_bench b;
    struct sim_optimiser optimiser;
    struct sim_train_config c;
    float *before; /* every value when the trial was opened */
};

/* An open model with shaken weights; the caller closes it and does not move it. */
static void trial_open(struct trial *t, const struct small *s)
{
    *t = (struct trial){.c = small_training(s)};
    small_bench_open(&t->b, s, NULL);
    test_ok(sim_optimiser_open(&t->optimiser, &t->b.o, &t->c));
    size_t bytes = (size_t)t->b.o.params->value_count * sizeof(float);
    t->before = malloc(bytes);
    memcpy(t->before, t->b.o.params->value, bytes);
}

static void trial_close(struct trial *t)
{
    free(t->before);
    sim_optimiser_close(&t->optimiser);
    small_bench_close(&t->b);
}

static struct sim_step_result trial_step(struct trial *t, double lr, double momentum)
{
    struct sim_step_result result;
    test_ok(sim_train_step(&t->optimiser, t->b.batch, lr, momentum, 0, NULL, &result));
    return result;
}

static int unchanged(const struct trial *t, int row)
{
    const struct sim_param *r = &t->b.o.params->row[row];
    return memcmp(t->before + r->offset, t->b.o.params->value + r->offset,
                  (size_t)r->count * sizeof(float)) == 0;
}

/* The first moments after one step are (1 - beta1) times the clipped gradient. */
static double clipped_share(const struct trial *t)
{
    const struct sim_params *p = t->b.o.params;
    double m = sqrt(dot(p->moment1, p->moment1, p->gradient_count)),
           g = sqrt(dot(p->gradient, p->gradient, p->gradient_count));
    return m / ((1 - t->c.beta1) * g);
}

START_TEST(clipping)
{
    struct trial t;
    struct small s = small_model();
    trial_open(&t, &s);
    double norm = trial_step(&t, 1e-3, 1).grad_norm;
    trial_close(&t);
    static const double clips[] = {0, 100, 1.001, 0.999, 0.5, 0.01}; /* shares of the norm; 0: off */
    for (int i = 0; i < 6; i++) {
        trial_open(&t, &s);
        t.optimiser.clip_grad = clips[i] * norm;
        struct sim_step_result r = trial_step(&t, 1e-3, 1);
        ck_assert_double_eq(r.grad_norm, norm); /* reported before clipping */
        ck_assert_double_eq_tol(
            norm, sqrt(dot(t.b.o.params->gradient, t.b.o.params->gradient, t.b.o.params->gradient_count)),
            1e-9 * norm);
        double wanted = clips[i] == 0 || clips[i] > 1 ? 1 : clips[i] * norm / (norm + 1e-6);
        ck_assert_double_eq_tol(clipped_share(&t) / wanted, 1, 1e-6);
        trial_close(&t);
    }
}
END_TEST

/* Three steps against AdamW in double. */
START_TEST(adamw_by_the_book)
{
    struct trial t;
    struct small s = small_model();
    trial_open(&t, &s);
    struct sim_params *p = t.b.o.params;
    double *w = calloc((size_t)p->gradient_count, sizeof *w),
           *m = calloc((size_t)p->gradient_count, sizeof *m),
           *v = calloc((size_t)p->gradient_count, sizeof *v);
    static const double rates[] = {0, 1e-2, 3e-3};
    t.optimiser.clip_grad = 0.05;
    for (int step = 0; step < 3; step++) {
        struct sim_step_result r = trial_step(&t, rates[step], 0.99);
        double scale = fmin(1, 0.05 / (r.grad_norm + 1e-6));
        for (int i = 0; i < p->count; i++) {
            const struct sim_param *row = &p->row[i];
            for (int64_t k = 0; row->gradient >= 0 && k < row->count; k++) {
                int64_t at = row->gradient + k;
                if (step == 0) w[at] = (double)t.before[row->offset + k];
                double g = scale * (double)p->gradient[at],
                       decay = row->flags & SIM_ROW_DECAYED ? t.c.weight_decay : 0;
                m[at] = t.c.beta1 * m[at] + (1 - t.c.beta1) * g;
                v[at] = t.c.beta2 * v[at] + (1 - t.c.beta2) * g * g;
                double m_hat = m[at] / (1 - pow(t.c.beta1, step + 1)),
                       v_hat = v[at] / (1 - pow(t.c.beta2, step + 1));
                w[at] = w[at] * (1 - rates[step] * decay) - rates[step] * m_hat / (sqrt(v_hat) + t.c.eps);
                /* the key third of a qkv bias has only rounding for a gradient: of its size, eps decides */
                double ours = (double)p->value[row->offset + k];
                ck_assert_msg(fabs(ours - w[at]) <= 2e-6, "step %d, %s[%ld]: %.9g, by the book %.9g", step,
                              row->name, (long)k, ours, w[at]);
            }
        }
        if (step == 0) /* lr 0 moves the moments only */
            for (int i = 0; i < p->count; i++)
                if (p->row[i].gradient >= 0) ck_assert(unchanged(&t, i));
    }
    free(w), free(m), free(v);
    trial_close(&t);
}
END_TEST

START_TEST(decay_touches_decayed_rows_only)
{
    struct small s = small_model();
    s.vit.init_values = 0.5, s.c.train_patch_embed = 1;
    struct trial none, some;
    trial_open(&none, &s), trial_open(&some, &s);
    sim_optimiser_close(&none.optimiser), sim_optimiser_close(&some.optimiser);
    none.c.weight_decay = 0, some.c.weight_decay = 0.5;
    test_ok(sim_optimiser_open(&none.optimiser, &none.b.o, &none.c));
    test_ok(sim_optimiser_open(&some.optimiser, &some.b.o, &some.c));
    trial_step(&none, 1e-2, 1), trial_step(&some, 1e-2, 1);
    const struct sim_params *p = none.b.o.params, *q = some.b.o.params;
    for (int i = 0; i < p->count; i++) {
        const struct sim_param *r = &p->row[i];
        for (int64_t k = r->offset; k < r->offset + r->count; k++) {
            double lost = (double)p->value[k] - (double)q->value[k];
            double wanted = r->flags & SIM_ROW_DECAYED ? 1e-2 * 0.5 * (double)none.before[k] : 0;
            ck_assert_msg(wanted == 0 ? lost == 0 : fabs(lost - wanted) < 1e-7, "%s lost %g, not %g", r->name,
                          lost, wanted);
        }
    }
    trial_close(&none), trial_close(&some);
}
END_TEST

/* ------------------------------------------------------------------ the momentum network */

START_TEST(momentum_follows_the_weights_before_the_step)
{
    static const double momenta[] = {0, 0.9, 1};
    struct trial t;
    struct small s = small_model();
    double m = momenta[_i];
    trial_open(&t, &s);
    trial_step(&t, 1e-2, m);
    for (int i = 0; i < t.b.o.params->count; i++) {
        const struct sim_param *r = &t.b.o.params->row[i];
        if (r->partner < 0) continue;
        const float *own = t.before + r->offset, *online = t.before + t.b.o.params->row[r->partner].offset,
                    *now = sim_value(t.b.o.params, i);
        for (int64_t k = 0; k < r->count; k++) {
            double wanted = m * (double)own[k] + (1 - m) * (double)online[k];
            if (m == 0 || m == 1)
                ck_assert_msg(now[k] == (float)wanted, "%s: %g, not %g", r->name, (double)now[k], wanted);
            else
                ck_assert_msg(fabs((double)now[k] - wanted) < 1e-7, "%s: %g, not %g", r->name, (double)now[k],
                              wanted);
        }
    }
    trial_close(&t);
}
END_TEST

START_TEST(running_statistics_are_each_networks_own)
{
    struct small s = small_model();
    struct small_bench b;
    small_bench_open(&b, &s, NULL);
    const struct sim_params *p = b.o.params;
    int online = sim_params_find(p, "projector_decoder_blocks.0.norm2.bn.running_mean"),
        mm = sim_params_find(p, "mm_projector_decoder_blocks.0.norm2.bn.running_mean");
    for (int k = 0; k < 16; k++) sim_value(p, online)[k] = 1000, sim_value(p, mm)[k] = -1000;
    double loss;
    test_ok(small_step(&b.o, b.batch, 0, 0, NULL, &loss)); /* momentum 0 copies every parameter */
    for (int k = 0; k < 16; k++) {
        ck_assert_float_eq_tol(sim_value(p, online)[k], 900, 5); /* BN momentum .1, statistics of about 0 */
        ck_assert_float_eq_tol(sim_value(p, mm)[k], -900, 5);
    }
    for (int i = 0; i < p->counters; i++) ck_assert_msg(p->counter[i].value == 1, "%s", p->counter[i].name);
    small_bench_close(&b);
}
END_TEST

START_TEST(frozen_rows_stay)
{
    for (int train_patch_embed = 0; train_patch_embed < 2; train_patch_embed++) {
        struct trial t;
        struct small s = small_model();
        s.c.train_patch_embed = train_patch_embed;
        trial_open(&t, &s);
        for (int step = 0; step < 3; step++) trial_step(&t, 1e-2, 1);
        for (int i = 0; i < t.b.o.params->count; i++) {
            const struct sim_param *r = &t.b.o.params->row[i];
            int frozen = strstr(r->name, "pos_embed") ||
                         (strncmp(r->name, "mm_", 3) == 0 && !(r->flags & SIM_ROW_BUFFER)) ||
                         (strncmp(r->name, "patch_embed", 11) == 0 && !train_patch_embed);
            ck_assert_msg(unchanged(&t, i) == frozen, "%s %s", r->name, frozen ? "moved" : "stayed");
        }
        trial_close(&t);
    }
}
END_TEST

/* ------------------------------------------------------------------ batches that cannot be */

START_TEST(bad_batches_are_refused)
{
    struct trial t;
    struct small s = small_model();
    struct sim_step_result r;
    trial_open(&t, &s);
    uint8_t *mask = (uint8_t *)t.b.batch->mask, whole[4 * 16];
    memcpy(whole, mask, sizeof whole);
#define REFUSED(word) test_fails(sim_train_step(&t.optimiser, t.b.batch, 1e-2, 0.5, 0, NULL, &r), word)
    for (int i = 0; i < 16; i++)
        if (!mask[2 * 16 + i]) {
            mask[2 * 16 + i] = 1;
            break;
        }
    REFUSED("image 2 leaves 6 patches visible, that of image 0 7");
    memset(mask, 1, sizeof whole);
    REFUSED("leaves 0 patches visible");
    memset(mask, 0, sizeof whole);
    REFUSED("leaves 16 patches visible; this model is planned for 1 to 7");
    memcpy(mask, whole, sizeof whole);
    t.b.batch->size = 3;
    REFUSED("a batch of 3 images for a model planned for 4");
#undef REFUSED
    t.b.batch->size = 4;
    for (int i = 0; i < t.b.o.params->count; i++) ck_assert(unchanged(&t, i));
    ck_assert_int_eq(t.optimiser.step, 0);
    trial_step(&t, 1e-2, 0.5);
    trial_close(&t);
}
END_TEST

/* A model planned for more visible patches than a batch has computes what one planned exactly does. */
START_TEST(fewer_visible_patches_than_planned)
{
    struct small exact = small_model(), roomy = exact;
    roomy.hidden = 3;
    struct sim_ops ops = small_ops();
    struct sim_objective a = small_open(&ops, &exact, 2), b = small_open(&ops, &roomy, 2);
    struct sim_batch *batch = small_batch(&exact, 1);
    double x, y;
    test_ok(small_step(&a, batch, 0.9, 0, NULL, &x));
    test_ok(small_step(&b, batch, 0.9, 0, NULL, &y));
    ck_assert_double_eq(x, y);
    ck_assert(memcmp(a.params->gradient, b.params->gradient,
                     (size_t)a.params->gradient_count * sizeof(float)) == 0);
    small_batch_close(batch);
    a.close(&a), b.close(&b);
    ops.close(&ops);
}
END_TEST

START_TEST(a_loss_that_is_no_number_moves_nothing)
{
    struct trial t;
    struct small s = small_model();
    struct sim_step_result r;
    trial_open(&t, &s);
    ((float *)t.b.batch->view1)[0] = NAN;
    t.b.batch->mask = memset((uint8_t *)t.b.batch->mask, 0, 64);
    for (int i = 0; i < 4; i++) memset((uint8_t *)t.b.batch->mask + 16 * i + 7, 1, 9); /* pixel 0 is seen */
    ck_assert_int_eq(sim_train_step(&t.optimiser, t.b.batch, 1e-2, 1, 0, NULL, &r), SIM_ENONFINITE);
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "the loss is"));
    for (int i = 0; i < t.b.o.params->count; i++)
        if (!(t.b.o.params->row[i].flags & SIM_ROW_BUFFER)) ck_assert(unchanged(&t, i));
    trial_close(&t);
}
END_TEST

/* Which branches drop is a function of (seed, epoch, sample): not of where the sample stands, nor of earlier
 * calls. */
START_TEST(drop_path_is_a_function)
{
    struct small s = small_model();
    s.vit.drop_path_rate = 0.5, s.vit.depth = 4;
    struct sim_ops ops = small_ops();
    struct sim_objective o = small_open(&ops, &s, 2), other = small_open(&ops, &s, 3);
    memcpy(other.params->value, o.params->value, (size_t)o.params->value_count * sizeof(float));
    struct sim_batch *batch = small_batch(&s, 1);
    double first, again, next_epoch, other_seed, other_samples;
    test_ok(small_step(&o, batch, 1, 0, NULL, &first));
    test_ok(small_step(&o, batch, 1, 1, NULL, &next_epoch));
    test_ok(small_step(&o, batch, 1, 0, NULL, &again));
    test_ok(small_step(&other, batch, 1, 0, NULL, &other_seed));
    ((int64_t *)batch->index)[0] += 1000;
    test_ok(small_step(&o, batch, 1, 0, NULL, &other_samples));
    ck_assert_double_eq(first, again);
    ck_assert_double_ne(first, next_epoch);
    ck_assert_double_ne(first, other_seed);
    ck_assert_double_ne(first, other_samples);
    small_batch_close(batch);
    o.close(&o), other.close(&other);
    ops.close(&ops);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("step");
    TCase *gradients = tcase_create("gradients"), *update = tcase_create("update"),
          *batches = tcase_create("batches");
    tcase_set_timeout(gradients, 60);
    tcase_add_loop_test(gradients, gradient_is_the_slope_of_the_loss, 0, VARIANTS);
    tcase_add_test(update, clipping);
    tcase_add_test(update, adamw_by_the_book);
    tcase_add_test(update, decay_touches_decayed_rows_only);
    tcase_add_loop_test(update, momentum_follows_the_weights_before_the_step, 0, 3);
    tcase_add_test(update, running_statistics_are_each_networks_own);
    tcase_add_test(update, frozen_rows_stay);
    tcase_add_test(batches, bad_batches_are_refused);
    tcase_add_test(batches, fewer_visible_patches_than_planned);
    tcase_add_test(batches, a_loss_that_is_no_number_moves_nothing);
    tcase_add_test(batches, drop_path_is_a_function);
    suite_add_tcase(s, gradients);
    suite_add_tcase(s, update);
    suite_add_tcase(s, batches);
    return test_run(s);
}
