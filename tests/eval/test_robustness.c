/* Counting answers to corrupted and shifted images: a labeller and sets that are stand-ins, so that every
 * number is known beforehand. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "progress.h"
#include "reference_errors.h"
#include "robustness.h"
#include "support.h"

enum { SIDE = 2, PIXELS = 3 * SIDE * SIDE, CLASSES = 4, IMAGES = 20 };

static const char *const names[CLASSES + 1] = {"ant", "bee", "cat", "dog", "elk"}; /* training knows no elk */

/* ------------------------------------------------------------------ stand-ins */

/* The first pixel says the class, the second the number of the image, the third how many of the first are
 * answered wrongly. */
static sim_status logits(void *self, const float *x, int64_t count, float *out)
{
    const float *wrong_class = self;
    for (int64_t i = 0; i < count; i++, x += PIXELS) {
        for (int c = 0; c < CLASSES; c++) out[i * CLASSES + c] = (float)(c == (int)x[0]);
        if (x[1] < x[2]) out[i * CLASSES + (int)*wrong_class] = 2;
    }
    return SIM_OK;
}

struct stand_in {
    struct sim_shift open;
    int classes, first;     /* of the set: names[first] .. */
    int wrong_per_severity; /* answers, of IMAGES */
    int damaged, fewer;     /* image that is; images less at severity 2 */
    int opened, closed;
};

static sim_status start(void *self, const struct sim_look *look, const int64_t *index, int64_t count,
                        float *x, int32_t *label)
{
    const struct stand_in *s = self;
    (void)look;
    memset(x, 0, (size_t)(count * PIXELS) * sizeof *x);
    for (int64_t i = 0; i < count; i++) {
        label[i] = index[i] == s->damaged ? -1 : (int32_t)(index[i] % s->classes);
        x[i * PIXELS] = (float)(s->first + label[i]), x[i * PIXELS + 1] = (float)index[i];
        x[i * PIXELS + 2] = (float)(s->wrong_per_severity * (s->open.severity ? s->open.severity : 5));
    }
    return SIM_OK;
}

static sim_status finish(void *self)
{
    (void)self;
    return SIM_OK;
}

static const char *class_of(void *self, int label)
{
    return names[((const struct stand_in *)self)->first + label];
}

static void close_set(void *self)
{
    ((struct stand_in *)self)->closed++;
}

static sim_status open_set(void *self, const struct sim_shift *which, struct sim_labelled *out)
{
    struct stand_in *s = self;
    ck_assert_int_eq(s->opened++, s->closed);
    s->open = *which;
    *out = (struct sim_labelled){.self = s,
                                 .images = IMAGES - (which->severity == 2 ? s->fewer : 0),
                                 .classes = s->classes,
                                 .class_name = class_of,
                                 .start = start,
                                 .finish = finish,
                                 .close = close_set};
    return SIM_OK;
}

/* Everything that a test changes before it scores. */
struct trial {
    struct stand_in sets, train;
    struct sim_shifted shifted;
    struct sim_eval_config config;
    float wrong_class;
    struct sim_score out[SIM_ROBUSTNESS_SCORES];
    int count;
    int64_t skipped;
};

static struct trial trial_of(enum sim_shift_set set)
{
    struct trial t = {.sets = {.classes = CLASSES, .wrong_per_severity = 2, .damaged = -1},
                      .train = {.classes = CLASSES},
                      .config = {.batch_size = 7, .robustness_reference = "alexnet"},
                      .wrong_class = 3};
    t.shifted.has[set] = 1;
    for (int i = 0; i < SIM_CORRUPTIONS; i++) t.shifted.corruptions[i] = 1;
    for (int i = 0; i < SIM_SEVERITIES; i++) t.shifted.severities[i] = 1;
    for (int i = 0; i < SIM_SHIFT_SETS; i++)
        snprintf(t.shifted.facts[i], sizeof t.shifted.facts[i], "\"images\": \"made\"");
    return t;
}

static sim_status run(struct trial *t)
{
    const struct sim_labeller labeller = {.name = "stand-in",
                                          .self = &t->wrong_class,
                                          .classes = CLASSES,
                                          .img_size = SIDE,
                                          .max_batch = 6,
                                          .logits = logits};
    const struct sim_labelled train = {
        .self = &t->train, .images = 9, .classes = t->train.classes, .class_name = class_of};
    t->shifted.self = &t->sets, t->shifted.open = open_set;
    sim_progress_quiet(1);
    sim_status status = sim_score_robustness(&(struct sim_robustness_job){.labeller = &labeller,
                                                                          .train = &train,
                                                                          .train_images = 9,
                                                                          .shifted = &t->shifted,
                                                                          .config = &t->config},
                                             t->out, SIM_ROBUSTNESS_SCORES, &t->count, &t->skipped);
    ck_assert_int_eq(t->sets.opened, t->sets.closed);
    return status;
}

static json_t *protocol(const struct sim_score *s)
{
    json_t *p = json_loads(s->protocol, 0, NULL);
    ck_assert_msg(p != NULL, "no JSON: %s", s->protocol);
    return p;
}

/* ------------------------------------------------------------------ corrupted images */

/* Wrong at severity s are those of the first 2 s images that are not dogs: 2, 3, 5, 6 and 8 of 20. */
START_TEST(mce_is_the_mean_of_errors_over_the_reference)
{
    static const double errors[SIM_SEVERITIES] = {2 / 20.0, 3 / 20.0, 5 / 20.0, 6 / 20.0, 8 / 20.0};
    struct trial t = trial_of(SIM_SHIFT_C);
    struct sim_reference_errors reference;
    double mce = 0;
    test_ok(run(&t));
    test_ok(sim_reference_errors_open(&reference, "alexnet"));
    for (int c = 0; c < SIM_CORRUPTIONS; c++) mce += 0.24 / reference.error[c] / SIM_CORRUPTIONS;
    ck_assert_int_eq(t.count, 2);
    ck_assert_str_eq(t.out[0].name, "robust_mce");
    ck_assert_str_eq(t.out[0].metric, "1-mce");
    ck_assert_double_eq_tol(t.out[0].value, 1 - mce, 1e-12);
    ck_assert_str_eq(t.out[1].name, "robust_c");
    ck_assert_double_eq_tol(t.out[1].value, 0.76, 1e-12);
    ck_assert_int_eq(t.out[1].val_images, IMAGES);
    ck_assert_int_eq(t.out[1].train_images, 9);
    json_t *p = protocol(&t.out[1]), *fog = json_object_get(json_object_get(p, "errors"), "fog");
    for (size_t k = 0; k < SIM_SEVERITIES; k++)
        ck_assert_double_eq_tol(json_number_value(json_array_get(fog, k)), errors[k], 1e-6);
    ck_assert_str_eq(json_string_value(json_object_get(p, "classifier")), "stand-in");
    json_decref(p);
    p = protocol(&t.out[0]);
    ck_assert_double_eq_tol(json_number_value(json_object_get(p, "mce")), mce, 1e-8);
    ck_assert_double_eq_tol(json_number_value(json_object_get(json_object_get(p, "ce"), "snow")),
                            0.24 / .866816, 1e-5);
    ck_assert_str_eq(json_string_value(json_object_get(p, "reference")), "alexnet");
    json_decref(p);
}
END_TEST

/* The images, not the answers, are what was drawn: an image that is always wrong counts once. */
START_TEST(standard_errors_are_over_images)
{
    struct trial t = trial_of(SIM_SHIFT_C);
    double mean = 0, square = 0;
    test_ok(run(&t));
    for (int i = 0; i < IMAGES; i++) {
        int wrong = 0;
        for (int s = 1; s <= SIM_SEVERITIES; s++) wrong += i < 2 * s && i % CLASSES != 3;
        mean += wrong / 5.0 / IMAGES, square += wrong / 5.0 * wrong / 5.0 / IMAGES;
    }
    ck_assert_double_eq_tol(t.out[1].standard_error, sqrt((square - mean * mean) / (IMAGES - 1)), 1e-12);
    ck_assert_double_gt(t.out[0].standard_error, t.out[1].standard_error);
}
END_TEST

START_TEST(mce_wants_all_corruptions_and_severities)
{
    struct trial t = trial_of(SIM_SHIFT_C);
    t.shifted.corruptions[SIM_FROST] = t.shifted.severities[0] = 0;
    t.sets.damaged = 19;
    test_ok(run(&t));
    ck_assert_int_eq(t.count, 1);
    ck_assert_str_eq(t.out[0].name, "robust_c");
    ck_assert_int_eq(t.skipped, 1);
    ck_assert_int_eq(t.out[0].val_images, IMAGES - 1);
    ck_assert_double_eq_tol(t.out[0].value, 1 - (3 + 5 + 6 + 8) / 4.0 / (IMAGES - 1), 1e-12);
    ck_assert_ptr_null(strstr(t.out[0].protocol, "frost\": ["));
    ck_assert_ptr_nonnull(strstr(t.out[0].protocol, "\"severities\": [2, 3, 4, 5]"));
}
END_TEST

START_TEST(the_made_up_set_has_a_reference_of_its_own)
{
    struct trial t = trial_of(SIM_SHIFT_C);
    struct sim_reference_errors r;
    test_ok(sim_reference_errors_open(&r, "pw-cls"));
    snprintf(t.config.robustness_reference, sizeof t.config.robustness_reference, "pw-cls");
    test_ok(run(&t));
    double mce = 0;
    for (int c = 0; c < SIM_CORRUPTIONS; c++) {
        ck_assert_msg(r.error[c] > 0.7 && r.error[c] < 0.95, "%s: %g, of 20 classes",
                      sim_corruption_name((enum sim_corruption)c), r.error[c]);
        mce += 0.24 / r.error[c] / SIM_CORRUPTIONS;
    }
    ck_assert_double_eq_tol(t.out[0].value, 1 - mce, 1e-12);
    ck_assert_ptr_nonnull(
        strstr(t.out[0].protocol, "\"reference\": \"pw-cls\", \"reference_errors\": [0.83848,"));
}
END_TEST

START_TEST(a_reference_is_a_file)
{
    char path[600], text[2048] = "# errors of ours\n\n";
    struct sim_reference_errors r;
    snprintf(path, sizeof path, "%s/errors.txt", test_scratch());
    for (int c = 0; c < SIM_CORRUPTIONS; c++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s 0.%d\n",
                 sim_corruption_name((enum sim_corruption)c), 10 + c);
    test_ok(sim_file_write(path, text, strlen(text)));
    test_ok(sim_reference_errors_open(&r, path));
    ck_assert_double_eq_tol(r.error[SIM_FOG], 0.19, 1e-12);
    struct trial t = trial_of(SIM_SHIFT_C);
    snprintf(t.config.robustness_reference, sizeof t.config.robustness_reference, "%s", path);
    test_ok(run(&t));
    ck_assert_double_lt(t.out[0].value, 0); /* worse than the reference */
    ck_assert_ptr_nonnull(
        strstr(t.out[0].protocol, "\"reference\": \"file\", \"reference_errors\": [0.1, 0.11,"));

    static const struct {
        const char *text, *said;
    } bad[] = {{"fog 0.5\n", "errors.txt: no line for gaussian_noise"},
               {"fog 0.5\nfgo 1\n", "errors.txt:2: there is no corruption \"fgo\", nearest: fog"},
               {"fog 0.5\nfog 0.4\n", "errors.txt:2: fog stands there twice"},
               {"fog 0\n", "above 0 and up to 1"},
               {"fog 1.5\n", "errors.txt:1"},
               {"fog 0.5 0.5\n", "nothing else"},
               {"fog\n", "after fog an error"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_ok(sim_file_write(path, bad[i].text, strlen(bad[i].text)));
        test_fails(sim_reference_errors_open(&r, path), bad[i].said);
    }
    test_fails(sim_reference_errors_open(&r, "alexnett"), "\"alexnet\", \"pw-cls\" or a file");
}
END_TEST

/* ------------------------------------------------------------------ sets of some classes */

START_TEST(only_the_set_s_classes_are_asked_for)
{
    struct trial t = trial_of(SIM_SHIFT_A);
    t.sets.first = 1, t.sets.classes = 2; /* bee and cat */
    t.shifted.has[SIM_SHIFT_R] = 1;
    t.wrong_class = 3; /* dog is likeliest, and no answer */
    t.sets.wrong_per_severity = 1;
    test_ok(run(&t));
    ck_assert_int_eq(t.count, 2);
    ck_assert_str_eq(t.out[0].name, "robust_a");
    ck_assert_str_eq(t.out[1].name, "robust_r");
    ck_assert_double_eq(t.out[0].value, 1);
    ck_assert_ptr_nonnull(strstr(t.out[0].protocol, "\"classes\": 2, \"of\": 4"));
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    struct trial t = trial_of(SIM_SHIFT_C);
    t.sets.classes = 3;
    test_fails(run(&t), "gaussian_noise 1: the class folder 'dog' is missing");
    t = trial_of(SIM_SHIFT_SKETCH);
    t.sets.first = 1, t.sets.classes = 3;
    test_fails(run(&t), "sketches: the class folder 'ant' is missing");
    t = trial_of(SIM_SHIFT_A);
    t.train.classes = 3;
    test_fails(run(&t), "a classifier of 4 classes for a set of 3");
    t = trial_of(SIM_SHIFT_R);
    t.sets.first = 1;
    test_fails(run(&t), "renditions: the class 'elk' is none of the 4 classes of training");
    t = trial_of(SIM_SHIFT_C);
    t.sets.fewer = 3;
    test_fails(run(&t), "gaussian_noise 2 has 17 images, the first corruption 20");
    t = trial_of(SIM_SHIFT_C);
    memset(t.shifted.severities, 0, sizeof t.shifted.severities);
    test_fails(run(&t), "no severity");
    struct sim_eval_config c = {.robustness = 1, .robustness_head = SIM_HEAD_LINEAR, .logistic = 1};
    test_fails(sim_eval_config_check(&c), "eval.robustness_head: linear");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("robustness");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, mce_is_the_mean_of_errors_over_the_reference);
    tcase_add_test(t, standard_errors_are_over_images);
    tcase_add_test(t, mce_wants_all_corruptions_and_severities);
    tcase_add_test(t, the_made_up_set_has_a_reference_of_its_own);
    tcase_add_test(t, a_reference_is_a_file);
    tcase_add_test(t, only_the_set_s_classes_are_asked_for);
    tcase_add_test(t, what_does_not_fit_is_refused);
    suite_add_tcase(s, t);
    return test_run(s);
}
