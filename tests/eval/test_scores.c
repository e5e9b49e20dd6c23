/* Features through an encoder, the logistic score, and all scores together.  The encoder here is a stand-in
 * with known features (the linker takes these functions before the room's); the real one has its own tests.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "rng.h"
#include "scores.h"
#include "support.h"

enum { SIDE = 2, PIXELS = 3 * SIDE * SIDE, DIM = 4 };

/* ------------------------------------------------------------------ stand-ins */

struct sim_encoder {
    int64_t max_batch, calls;
};

int sim_encoder_dim(const struct sim_encoder *e)
{
    (void)e;
    return DIM;
}

int sim_encoder_img_size(const struct sim_encoder *e)
{
    (void)e;
    return SIDE;
}

/* Features are the first pixels. */
sim_status sim_encoder_mean_patch(struct sim_encoder *e, const float *x, int64_t count, float *out)
{
    if (count > e->max_batch)
        return sim_fail(SIM_EINVAL, "%d images, room for %d", (int)count, (int)e->max_batch);
    e->calls++;
    for (int64_t i = 0; i < count; i++) memcpy(out + i * DIM, x + i * PIXELS, DIM * sizeof *out);
    return SIM_OK;
}

struct set {
    int64_t damaged_every, fails_at; /* 0: never */
    int32_t shift;                   /* added to labels */
};

static sim_status read_set(void *self, int64_t first, int64_t count, float *x, int32_t *label)
{
    const struct set *s = self;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = first + i;
        if (s->fails_at && at == s->fails_at) return sim_fail(SIM_EFORMAT, "image %d is damaged", (int)at);
        int damaged = s->damaged_every && at % s->damaged_every == 0;
        label[i] = damaged ? -1 : (int32_t)(at % 3) + s->shift;
        for (int j = 0; j < PIXELS; j++) x[i * PIXELS + j] = damaged ? 0 : (float)(100 * at + j);
    }
    return SIM_OK;
}

static struct sim_labelled labelled(struct set *s, int64_t images)
{
    return (struct sim_labelled){.self = s, .images = images, .classes = 3, .read = read_set};
}

/* ------------------------------------------------------------------ features */

START_TEST(features_in_order_and_damaged_left_out)
{
    struct set set = {.damaged_every = 5};
    struct sim_labelled source = labelled(&set, 23);
    for (int64_t batch = 1; batch < 30; batch += 7) {
        struct sim_encoder encoder = {.max_batch = batch};
        struct sim_features f;
        test_ok(sim_features_take(&f, &encoder, &source, batch, "features"));
        ck_assert_int_eq(f.count, 18);
        ck_assert_int_eq(f.skipped, 5);
        ck_assert_int_eq(f.dim, DIM);
        ck_assert_int_eq(f.classes, 3);
        ck_assert_int_eq(encoder.calls, (23 + batch - 1) / batch);
        for (int64_t i = 0, at = 0; i < f.count; i++, at++) {
            if (at % 5 == 0) at++;
            ck_assert_int_eq(f.label[i], at % 3);
            for (int j = 0; j < DIM; j++) ck_assert_float_eq(f.x[i * DIM + j], (float)(100 * at + j));
        }
        sim_features_close(&f);
    }
}
END_TEST

START_TEST(features_that_cannot_be_taken)
{
    struct sim_encoder encoder = {.max_batch = 4};
    struct sim_features f;
    struct set set = {0};
    struct sim_labelled source = labelled(&set, 0);
    test_fails(sim_features_take(&f, &encoder, &source, 4, "val features"), "val features: the set is empty");
    source.images = 10;
    test_fails(sim_features_take(&f, &encoder, &source, 0, "val features"), "batch_size 0");
    test_fails(sim_features_take(&f, &encoder, &source, 5, "val features"), "room for 4");
    set.fails_at = 7;
    test_fails(sim_features_take(&f, &encoder, &source, 4, "val features"),
               "val features: image 7 is damaged");
    set = (struct set){.damaged_every = 1};
    test_fails(sim_features_take(&f, &encoder, &source, 4, "val features"), "all 10 images are damaged");
    set = (struct set){.shift = 2};
    test_fails(sim_features_take(&f, &encoder, &source, 4, "val features"), "image 1 has label 3");
    ck_assert_ptr_null(f.x);
    sim_features_close(&f);
}
END_TEST

/* ------------------------------------------------------------------ scores */

static struct sim_features make(int64_t count, int dim, int classes, uint64_t seed, double apart)
{
    struct sim_features f = {.count = count, .dim = dim, .classes = classes};
    struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_TEST, 0, 0, 0);
    f.x = malloc((size_t)count * (size_t)dim * sizeof *f.x);
    f.label = malloc((size_t)count * sizeof *f.label);
    for (int64_t i = 0; i < count; i++) {
        f.label[i] = (int32_t)(i % classes);
        for (int j = 0; j < dim; j++)
            f.x[i * dim + j] = (float)(1000 + 1e-3 * (sim_rng_normal(&r) + apart * (j == f.label[i])));
    }
    return f;
}

static struct sim_eval_config config(void)
{
    struct sim_eval_config c;
    struct sim_section section = {.prefix = "eval", .fields = sim_eval_fields, .count = sim_eval_field_count};
    struct sim_schema schema = {.sections = &section, .count = 1, .size_bytes = sizeof c};
    test_ok(sim_fields_preset(&schema, &c));
    return c;
}

/* Small differences around a large mean: standardising brings them out.  A constant column does no harm. */
START_TEST(logistic_separates)
{
    struct sim_features train = make(300, 8, 5, 1, 9), val = make(100, 8, 5, 2, 9);
    for (int64_t i = 0; i < train.count; i++) train.x[i * 8 + 7] = 0.1f;
    for (int64_t i = 0; i < val.count; i++) val.x[i * 8 + 7] = 1e6f;
    struct sim_eval_config c = config();
    struct sim_score s;
    test_ok(sim_score_logistic(&train, &val, &c, &s));
    ck_assert_double_ge(s.value, 0.99);
    ck_assert_str_eq(s.name, "logistic");
    json_t *protocol = json_loads(s.protocol, 0, NULL);
    ck_assert_msg(protocol != NULL, "not JSON: %s", s.protocol);
    ck_assert_str_eq(json_string_value(json_object_get(protocol, "stopped")), "tolerance");
    ck_assert_int_eq(json_integer_value(json_object_get(protocol, "train_classes")), 5);
    ck_assert_double_eq(json_number_value(json_object_get(protocol, "train_top1")), 1);
    json_decref(protocol);
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

/* A class without train rows is never said: its val rows are wrong, no more. */
START_TEST(logistic_with_a_class_missing)
{
    struct sim_features train = make(300, 6, 4, 3, 9), val = make(100, 6, 5, 4, 9);
    train.classes = 5;
    struct sim_eval_config c = config();
    struct sim_score s;
    test_ok(sim_score_logistic(&train, &val, &c, &s));
    ck_assert_double_le(s.value, 0.8);
    ck_assert_double_ge(s.value, 0.78);
    ck_assert(strstr(s.protocol, "\"train_classes\": 4") != NULL);
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

START_TEST(all_scores_in_order)
{
    struct sim_features train = make(60, 6, 3, 5, 2), val = make(30, 6, 3, 6, 2);
    struct sim_eval_config c = config();
    struct sim_score s[4];
    int count;
    test_ok(sim_score_all(&train, &val, &c, s, 4, &count));
    ck_assert_int_eq(count, 2);
    ck_assert_str_eq(s[0].name, "knn");
    ck_assert_str_eq(s[1].name, "logistic");
    for (int i = 0; i < 2; i++) {
        json_t *protocol = json_loads(s[i].protocol, 0, NULL);
        ck_assert_msg(json_is_object(protocol), "not a JSON object: %s", s[i].protocol);
        json_decref(protocol);
    }
    test_fails(sim_score_all(&train, &val, &c, s, 1, &count), "room for only 1");
    c.knn = 0;
    test_ok(sim_score_all(&train, &val, &c, s, 1, &count));
    ck_assert_int_eq(count, 1);
    ck_assert_str_eq(s[0].name, "logistic");
    c.logistic = 0;
    test_ok(sim_score_all(&train, &val, &c, NULL, 0, &count));
    ck_assert_int_eq(count, 0);
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

int main(void)
{
    sim_progress_quiet(1);
    Suite *s = suite_create("scores");
    TCase *c = tcase_create("scores");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, features_in_order_and_damaged_left_out);
    tcase_add_test(c, features_that_cannot_be_taken);
    tcase_add_test(c, logistic_separates);
    tcase_add_test(c, logistic_with_a_class_missing);
    tcase_add_test(c, all_scores_in_order);
    suite_add_tcase(s, c);
    return test_run(s);
}
