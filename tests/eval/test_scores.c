/* Features through an encoder, the logistic score, and all scores together.  The encoder here is a stand-in
 * with known features (the linker takes these functions before the room's); the real one has its own tests.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
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

static sim_status first_pixels(struct sim_encoder *e, const float *x, int64_t count, float *out, float plus)
{
    if (count > e->max_batch)
        return sim_fail(SIM_EINVAL, "%d images, room for %d", (int)count, (int)e->max_batch);
    e->calls++;
    for (int64_t i = 0; i < count; i++)
        for (int j = 0; j < DIM; j++) out[i * DIM + j] = x[i * PIXELS + j] + plus;
    return SIM_OK;
}

sim_status sim_encoder_mean_patch(struct sim_encoder *e, const float *x, int64_t count, float *out)
{
    return first_pixels(e, x, count, out, 0);
}

sim_status sim_encoder_cls(struct sim_encoder *e, const float *x, int64_t count, float *out)
{
    return first_pixels(e, x, count, out, 0.5f);
}

/* A source whose pixels tell the image's number, or, where `random` is set, lie about the label's corner. */
struct set {
    int64_t damaged_every, fails_at; /* 0: never */
    int32_t shift;                   /* added to labels */
    uint64_t random;
    int64_t looks, augmented, bilinear; /* images shown, how */
    int under_way;
    sim_status status; /* of the read under way */
    char error[64];
    volatile sig_atomic_t *stop; /* set once `stop_after` images were shown */
    int64_t stop_after;
};

static void show(const struct set *s, const struct sim_look *look, int64_t at, float *x)
{
    struct sim_rng r =
        sim_rng_make(s->random, SIM_PURPOSE_TEST, (uint32_t)(look->augment ? look->epoch + 1 : 0),
                     (uint64_t)at, (uint32_t)look->filter);
    for (int j = 0; j < PIXELS; j++)
        x[j] = s->random ? (float)(sim_rng_normal(&r) + 4 * (j == at % 3)) : (float)(100 * at + j);
}

static sim_status start_set(void *self, const struct sim_look *look, const int64_t *index, int64_t count,
                            float *x, int32_t *label)
{
    struct set *s = self;
    ck_assert_msg(!s->under_way, "two reads at once");
    s->under_way = 1, s->status = SIM_OK;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = index[i];
        int damaged = s->damaged_every && at % s->damaged_every == 0;
        if (s->fails_at && at == s->fails_at && s->status == SIM_OK) {
            s->status = SIM_EFORMAT;
            snprintf(s->error, sizeof s->error, "image %d is damaged", (int)at);
        }
        label[i] = damaged ? -1 : (int32_t)(at % 3) + s->shift;
        memset(x + i * PIXELS, 0, PIXELS * sizeof *x);
        if (!damaged) show(s, look, at, x + i * PIXELS);
        s->augmented += look->augment, s->bilinear += look->filter == SIM_RESAMPLE_BILINEAR;
        if (++s->looks == s->stop_after && s->stop) *s->stop = 1;
    }
    return SIM_OK;
}

static sim_status finish_set(void *self)
{
    struct set *s = self;
    ck_assert_msg(s->under_way, "nothing was started");
    s->under_way = 0;
    return s->status == SIM_OK ? SIM_OK : sim_fail(s->status, "%s", s->error);
}

static int32_t label_of(void *self, int64_t i)
{
    (void)self;
    return (int32_t)(i % 3);
}

static void name_of(void *self, int64_t i, char *name, int size)
{
    (void)self;
    snprintf(name, (size_t)size, "images/c%d/%02d.png", (int)(i % 3), (int)i);
}

static const char *class_of(void *self, int label)
{
    static const char *const names[] = {"c0", "c1", "c2"};
    (void)self;
    return names[label];
}

static struct sim_labelled labelled(struct set *s, int64_t images)
{
    return (struct sim_labelled){.self = s,
                                 .images = images,
                                 .classes = 3,
                                 .label = label_of,
                                 .name = name_of,
                                 .class_name = class_of,
                                 .start = start_set,
                                 .finish = finish_set};
}

static sim_status take(struct sim_features *f, struct sim_encoder *e, const struct sim_labelled *source,
                       int64_t batch)
{
    return sim_features_take(f, &(struct sim_features_job){.encoder = e,
                                                           .source = source,
                                                           .feature = SIM_FEATURE_MEAN_PATCH,
                                                           .batch_size = batch,
                                                           .label = "val features"});
}

/* ------------------------------------------------------------------ features */

START_TEST(features_in_order_and_damaged_left_out)
{
    struct set set = {.damaged_every = 5};
    struct sim_labelled source = labelled(&set, 23);
    for (int64_t batch = 1; batch < 30; batch += 7) {
        struct sim_encoder encoder = {.max_batch = batch};
        struct sim_features f;
        test_ok(take(&f, &encoder, &source, batch));
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

START_TEST(features_of_some_images)
{
    struct set set = {0};
    struct sim_labelled source = labelled(&set, 23);
    struct sim_encoder encoder = {.max_batch = 4};
    struct sim_features f;
    const int64_t index[] = {20, 3, 3, 7, 0, 22};
    struct sim_features_job job = {.encoder = &encoder,
                                   .source = &source,
                                   .look = {.filter = SIM_RESAMPLE_BILINEAR},
                                   .index = index,
                                   .count = 6,
                                   .feature = SIM_FEATURE_CLS,
                                   .batch_size = 4,
                                   .label = "some"};
    test_ok(sim_features_take(&f, &job));
    ck_assert_int_eq(f.count, 6);
    ck_assert_int_eq(set.bilinear, 6);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(f.label[i], index[i] % 3);
        ck_assert_float_eq(f.x[i * DIM + 1], (float)(100 * index[i] + 1) + 0.5f);
    }
    sim_features_close(&f);
    job.count = 0;
    test_fails(sim_features_take(&f, &job), "some: the set is empty");
}
END_TEST

START_TEST(features_that_cannot_be_taken)
{
    struct sim_encoder encoder = {.max_batch = 4};
    struct sim_features f;
    struct set set = {0};
    struct sim_labelled source = labelled(&set, 0);
    test_fails(take(&f, &encoder, &source, 4), "val features: the set is empty");
    source.images = 10;
    test_fails(take(&f, &encoder, &source, 0), "batch_size 0");
    test_fails(take(&f, &encoder, &source, 5), "room for 4");
    ck_assert_int_eq(set.under_way, 0);
    set.fails_at = 7;
    test_fails(take(&f, &encoder, &source, 4), "val features: image 7 is damaged");
    encoder.max_batch = 1; /* the batch that was read ahead fails too: the first failure is the one told */
    test_fails(take(&f, &encoder, &source, 4), "val features: 4 images, room for 1");
    encoder.max_batch = 4;
    set = (struct set){.damaged_every = 1};
    test_fails(take(&f, &encoder, &source, 4), "all 10 images are damaged");
    set = (struct set){.shift = 2};
    test_fails(take(&f, &encoder, &source, 4), "image 1 has label 3");
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
    test_ok(sim_score_logistic(&train, &val, &c, NULL, NULL, &s));
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
    test_ok(sim_score_logistic(&train, &val, &c, NULL, NULL, &s));
    ck_assert_double_le(s.value, 0.8);
    ck_assert_double_ge(s.value, 0.78);
    ck_assert(strstr(s.protocol, "\"train_classes\": 4") != NULL);
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

/* ------------------------------------------------------------------ one encoder, all scores */

struct bench {
    struct set train_set, val_set;
    struct sim_labelled train, val;
    struct sim_encoder encoder;
    struct sim_eval_config config;
    struct sim_score_job job;
    struct sim_score score[4];
    int count;
    int64_t skipped;
};

/* 90 images to train on, 45 to score on; every score small. */
static void bench_open(struct bench *b)
{
    *b = (struct bench){.train_set = {.random = 1}, .val_set = {.random = 2}, .encoder = {.max_batch = 16}};
    b->train = labelled(&b->train_set, 90), b->val = labelled(&b->val_set, 45);
    b->config = config();
    b->config.knn_k = 5, b->config.batch_size = 16, b->config.few_shot_per_class = 4;
    b->config.linear_epochs = 12, b->config.linear_batch_size = 15, b->config.linear_lr = 0.5;
    b->config.linear_warmup_epochs = 1, b->config.linear_trust = 0.05;
    b->job = (struct sim_score_job){
        .encoder = &b->encoder, .train = &b->train, .val = &b->val, .config = &b->config, .seed = 3};
}

static sim_status score(struct bench *b)
{
    return sim_score_encoder(&b->job, b->score, 4, &b->count, &b->skipped);
}

static const char *text_of(const struct sim_score *s, const char *key)
{
    static char text[64];
    json_t *protocol = json_loads(s->protocol, 0, NULL);
    ck_assert_msg(json_is_object(protocol), "not a JSON object: %s", s->protocol);
    snprintf(text, sizeof text, "%s", json_string_value(json_object_get(protocol, key)));
    json_decref(protocol);
    return text;
}

START_TEST(all_scores_in_order)
{
    struct bench b;
    bench_open(&b);
    b.config.linear = b.config.few_shot = 1;
    test_ok(score(&b));
    ck_assert_int_eq(b.count, 4);
    const char *names[] = {"knn", "logistic", "linear", "few_shot"};
    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(b.score[i].name, names[i]);
        ck_assert_str_eq(text_of(&b.score[i], "features"), i < 3 ? "mean_patch" : "cls");
        ck_assert_msg(b.score[i].value >= 0.8, "%s: %g %s", names[i], b.score[i].value, b.score[i].protocol);
        ck_assert_int_eq(b.score[i].val_images, 45);
    }
    ck_assert_int_eq(b.score[2].train_images, 90);
    ck_assert_int_eq(b.score[3].train_images, 12);
    ck_assert_int_eq(b.train_set.augmented, 12 * 90);
    ck_assert_int_eq(b.train_set.looks, 12 * 90 + 90 + 12);
    ck_assert_int_eq(b.train_set.bilinear, 12);
    ck_assert_int_eq(b.val_set.looks, 45 + 45);
    test_fails(sim_score_encoder(&b.job, b.score, 3, &b.count, &b.skipped), "room for only 3");
    b.config.linear = b.config.few_shot = b.config.knn = b.config.logistic = 0;
    ck_assert_int_eq(sim_eval_any(&b.config), 0);
    test_ok(score(&b));
    ck_assert_int_eq(b.count, 0);
}
END_TEST

/* Each score asks for the passes that it needs, and has the same value with and without the others. */
START_TEST(scores_do_not_meet)
{
    struct bench all, one;
    bench_open(&all);
    all.config.linear = all.config.few_shot = 1;
    all.config.linear_augment = _i;
    test_ok(score(&all));
    for (int k = 0; k < 4; k++) {
        bench_open(&one);
        one.config.knn = k == 0, one.config.logistic = k == 1, one.config.linear = k == 2;
        one.config.few_shot = k == 3, one.config.linear_augment = _i;
        test_ok(score(&one));
        ck_assert_int_eq(one.count, 1);
        ck_assert_mem_eq(&one.score[0], &all.score[k], sizeof one.score[0]);
        ck_assert_int_eq(one.train_set.looks, k == 3 ? 12 : k == 2 && _i ? 12 * 90 : 90);
    }
}
END_TEST

START_TEST(damaged_images_are_counted_once)
{
    struct bench b;
    bench_open(&b);
    b.train_set.damaged_every = 10, b.val_set.damaged_every = 9;
    b.config.linear = b.config.few_shot = 1;
    test_ok(score(&b));
    ck_assert_int_eq(b.skipped, 9 + 5);
    ck_assert_int_eq(b.score[2].train_images, 81);
}
END_TEST

/* Wherever the wish to stop comes, scoring ends with it, and nothing is left under way. */
START_TEST(stopped_anywhere)
{
    struct bench b;
    for (int64_t after = 1; after < 12 * 90 + 90 + 12; after += 97) {
        volatile sig_atomic_t stop = 0;
        bench_open(&b);
        b.config.linear = b.config.few_shot = 1;
        b.job.stop = b.train_set.stop = &stop, b.train_set.stop_after = after;
        ck_assert_int_eq(score(&b), SIM_EINTERRUPT);
        ck_assert_int_eq(b.train_set.under_way, 0);
        ck_assert_int_eq(b.val_set.under_way, 0);
        ck_assert_int_eq(b.count, 0);
    }
}
END_TEST

/* A probe that was stopped goes on where it was, and ends as if it had not been; a finished one is only read.
 */
START_TEST(probes_are_resumed)
{
    struct bench whole, b;
    char folder[600], path[700];
    int64_t looks = 0;
    snprintf(folder, sizeof folder, "%s", test_scratch());
    snprintf(path, sizeof path, "%s/linear_pretrained.safetensors", folder);
    bench_open(&whole);
    whole.config.knn = whole.config.logistic = 0, whole.config.linear = 1;
    test_ok(score(&whole));
    for (int round = 0;; round++) {
        volatile sig_atomic_t stop = 0;
        bench_open(&b);
        b.config.knn = b.config.logistic = 0, b.config.linear = 1;
        b.job.folder = folder, b.job.encoder_name = "pretrained", b.job.identity = "run a", b.job.resume = 1;
        b.job.stop = b.train_set.stop = &stop, b.train_set.stop_after = 200;
        sim_status status = score(&b);
        looks += b.train_set.looks;
        if (status == SIM_OK) break;
        ck_assert_int_eq(status, SIM_EINTERRUPT);
        ck_assert_int_eq(access(path, F_OK), 0);
        ck_assert_int_lt(round, 12);
    }
    ck_assert_mem_eq(&b.score[0], &whole.score[0], sizeof b.score[0]);
    ck_assert_int_ge(looks, 12 * 90);
    ck_assert_int_le(looks, 12 * 90 + 6 * 90); /* an epoch cut short is begun again */

    bench_open(&b);
    b.config.knn = b.config.logistic = 0, b.config.linear = 1;
    b.job.folder = folder, b.job.encoder_name = "pretrained", b.job.identity = "run a", b.job.resume = 1;
    test_ok(score(&b));
    ck_assert_mem_eq(&b.score[0], &whole.score[0], sizeof b.score[0]);
    ck_assert_int_eq(b.train_set.looks, 0);
    b.job.identity = "run b"; /* another's */
    test_ok(score(&b));
    ck_assert_int_eq(b.train_set.looks, 12 * 90);
    b.job.resume = 0;
    test_ok(score(&b));
    ck_assert_int_eq(b.train_set.looks, 2 * 12 * 90);
    b.job.resume = 1, b.config.linear_epochs = 11;
    test_fails(score(&b), "linear_pretrained.safetensors: 12 epochs of 11 are done");
    test_ok(sim_file_write(path, "no tensors", 10));
    test_fails(score(&b), "linear_pretrained.safetensors");
    test_fails(score(&b), "--fresh");
    b.job.folder = "no/such/folder";
    test_fails(score(&b), "no/such/folder");
}
END_TEST

/* What can be known before is said before the first image is read. */
START_TEST(said_before_any_work)
{
    struct bench b;
    bench_open(&b);
    b.config.linear = 1, b.config.linear_batch_size = 91;
    test_fails(score(&b), "eval.linear_batch_size is 91 and the training set has 90 images");
    b.config.linear_batch_size = 15, b.config.linear_warmup_epochs = 12;
    test_fails(score(&b), "eval.linear_warmup_epochs: 12 leaves nothing");
    b.config.linear = 0, b.config.few_shot = 1, b.config.few_shot_per_class = 31;
    test_fails(score(&b), "class c0 has 1 images fewer");
    b.config.few_shot_per_class = 0, b.config.few_shot_percent = 1;
    test_fails(score(&b), "leaves some of the 3 classes without one");
    snprintf(b.config.few_shot_list, sizeof b.config.few_shot_list, "%s/none.txt", test_scratch());
    test_fails(score(&b), "none.txt");
    b.config.few_shot_per_class = 2;
    test_fails(score(&b), "eval.few_shot_per_class: 2, but eval.few_shot_list");
    ck_assert_int_eq(b.train_set.looks + b.val_set.looks, 0);
}
END_TEST

int main(void)
{
    sim_progress_quiet(1);
    Suite *s = suite_create("scores");
    TCase *c = tcase_create("scores");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, features_in_order_and_damaged_left_out);
    tcase_add_test(c, features_of_some_images);
    tcase_add_test(c, features_that_cannot_be_taken);
    tcase_add_test(c, logistic_separates);
    tcase_add_test(c, logistic_with_a_class_missing);
    tcase_add_test(c, all_scores_in_order);
    tcase_add_loop_test(c, scores_do_not_meet, 0, 2);
    tcase_add_test(c, damaged_images_are_counted_once);
    tcase_add_test(c, stopped_anywhere);
    tcase_add_test(c, probes_are_resumed);
    tcase_add_test(c, said_before_any_work);
    suite_add_tcase(s, c);
    return test_run(s);
}
