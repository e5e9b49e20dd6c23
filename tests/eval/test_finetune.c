/* Fine-tuning as a score: it learns, repeats, survives stops, counts what it says it counts, and refuses what
 * does not fit. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "finetune.h"
#include "made_labelled.h"
#include "progress.h"
#include "support.h"

enum { SIDE = 8, CLASSES = 4 };

struct bench {
    struct sim_ops ops;
    struct sim_vit_config vit;
    struct sim_finetune_config c;
    struct sim_classifier *encoder; /* whose encoder is fine-tuned */
    struct made train, val;
    struct sim_labelled train_set, val_set;
    volatile sig_atomic_t stop;
    struct sim_finetune_job job;
    char folder[600];
};

/* A small ViT that has seen nothing, 64 images to learn from, 40 to be asked about. */
static struct bench *bench_open(void)
{
    struct bench *b = calloc(1, sizeof *b);
    struct sim_section section = {
        .prefix = "finetune", .fields = sim_finetune_fields, .count = sim_finetune_field_count};
    struct sim_schema schema = {.sections = &section, .count = 1, .size_bytes = sizeof b->c};
    ck_assert_ptr_nonnull(b);
    test_ok(sim_fields_preset(&schema, &b->c));
    b->c.epochs = 12, b->c.warmup_epochs = 1, b->c.batch_size = 16, b->c.mix_group = 8, b->c.lr = 5e-3;
    b->c.layer_decay = 0.9;
    b->vit = (struct sim_vit_config){
        .img_size = SIDE, .patch_size = 4, .embed_dim = 24, .depth = 2, .num_heads = 3, .mlp_ratio = 2};
    test_ok(sim_ops_open(&b->ops, "cpu", NULL));
    test_ok(sim_classifier_open(
        &b->encoder, &b->ops,
        &(struct sim_classifier_shape){.vit = b->vit, .classes = CLASSES, .batch = 1, .layer_decay = 1}, 3));
    b->train = (struct made){.side = SIDE, .classes = CLASSES, .images = 70, .noise = 0.5f};
    b->val = (struct made){.side = SIDE, .classes = CLASSES, .images = 41, .noise = 0.5f};
    b->train_set = made_labelled(&b->train), b->val_set = made_labelled(&b->val);
    snprintf(b->folder, sizeof b->folder, "%s", test_scratch());
    b->job = (struct sim_finetune_job){.ops = &b->ops,
                                       .vit = &b->vit,
                                       .encoder = sim_classifier_params(b->encoder),
                                       .train = &b->train_set,
                                       .val = &b->val_set,
                                       .config = &b->c,
                                       .seed = 5,
                                       .stop = &b->stop,
                                       .folder = b->folder,
                                       .encoder_name = "pretrained",
                                       .identity = "0123456789abcdef",
                                       .resume = 1,
                                       .quiet = 1};
    return b;
}

static void bench_close(struct bench *b)
{
    sim_classifier_close(b->encoder);
    b->ops.close(&b->ops);
    free(b);
}

static sim_status run(struct bench *b, struct sim_score *score)
{
    int64_t skipped;
    memset(score, 0, sizeof *score);
    return sim_score_finetune(&b->job, score, &skipped);
}

static char *bytes_of(const struct bench *b, const char *name, size_t *size)
{
    char path[700], *bytes;
    snprintf(path, sizeof path, "%s/finetune_pretrained/%s", b->folder, name);
    test_ok(sim_file_read(path, 1 << 24, &bytes, size));
    return bytes;
}

static double number(const struct sim_score *s, const char *key)
{
    json_t *o = json_loads(s->protocol, 0, NULL);
    ck_assert_msg(json_is_object(o), "%s", s->protocol);
    ck_assert_msg(json_is_number(json_object_get(o, key)), "%s is missing in %s", key, s->protocol);
    double v = json_number_value(json_object_get(o, key));
    json_decref(o);
    return v;
}

START_TEST(learns_and_says_how)
{
    struct bench *b = bench_open();
    struct sim_score s;
    int64_t skipped;
    b->train.damaged_every = 20, b->val.damaged_every = 40;
    b->c.epochs = 16;
    test_ok(sim_score_finetune(&b->job, &s, &skipped));
    ck_assert_int_eq(skipped, 4 + 2);
    ck_assert_str_eq(s.name, "finetune");
    ck_assert_int_eq(s.train_images, 70);
    ck_assert_int_eq(s.val_images, 39);
    ck_assert_double_ge(s.value, 0.9);
    ck_assert_double_eq(number(&s, "steps"), 64);
    ck_assert_double_eq_tol(number(&s, "lr"), 5e-3, 1e-12);
    ck_assert_double_eq(number(&s, "mix_group"), 8);
    ck_assert_double_eq(number(&s, "top5"), 1); /* of four classes */
    ck_assert_double_ge(number(&s, "best_top1"), s.value);
    ck_assert_double_lt(number(&s, "val_loss"), log(CLASSES));
    ck_assert_double_gt(number(&s, "gflop"), 0);
    ck_assert_int_eq(b->train.look.augment, SIM_LOOK_FINETUNE);
    ck_assert_int_eq(b->val.look.augment, SIM_LOOK_PLAIN);
    bench_close(b);
}
END_TEST

/* The fine-tuned weights are kept; scored again from their file, without training, they say the same. */
START_TEST(a_classifier_is_scored_from_its_file)
{
    struct bench *b = bench_open();
    struct sim_score s, again;
    b->c.epochs = 3;
    test_ok(run(b, &s));
    snprintf(b->c.encoder, sizeof b->c.encoder, "%s/finetune_pretrained/classifier.safetensors", b->folder);
    b->c.epochs = 0, b->job.folder = NULL, b->job.encoder = NULL;
    test_ok(run(b, &again));
    ck_assert_double_eq(s.value, again.value);
    ck_assert_double_eq_tol(number(&s, "val_loss"), number(&again, "val_loss"), 1e-6);
    ck_assert(strstr(again.protocol, "\"start\": \"file\"") != NULL);

    b->train.classes = b->val.classes = 3;
    b->train_set = made_labelled(&b->train), b->val_set = made_labelled(&b->val);
    test_fails(run(b, &again), "its head tells 4 classes apart, these images are of 3");
    b->train.classes = b->val.classes = 4, b->vit.embed_dim = 48;
    b->train_set = made_labelled(&b->train), b->val_set = made_labelled(&b->val);
    test_fails(run(b, &again), "classifier.safetensors");
    snprintf(b->c.encoder, sizeof b->c.encoder, "%s/nothing.safetensors", b->folder);
    test_fails(run(b, &again), "nothing.safetensors");
    bench_close(b);
}
END_TEST

/* Interrupted in training and in validation, and gone on from the checkpoint: the same bytes as never
 * stopped; finished, it is only scored again, and what a kill left half written is removed. */
START_TEST(stops_cost_nothing)
{
    struct bench *whole = bench_open(), *b = bench_open();
    struct sim_score expected, s;
    char stray[700];
    size_t size, other;
    int stops = 0;
    whole->c.epochs = b->c.epochs = 6;
    snprintf(b->folder, sizeof b->folder, "%s/b", whole->folder);
    test_ok(sim_make_folder(b->folder));
    test_ok(run(whole, &expected));
    for (;;) {
        struct made *which = stops % 2 ? &b->val : &b->train;
        b->train.stop = b->val.stop = NULL, b->stop = 0;
        if (stops < 4) which->stop = &b->stop, which->stop_at = which->reads + 2 + 3 * (stops == 2);
        sim_status status = run(b, &s);
        if (status == SIM_OK) break;
        ck_assert_int_eq(status, SIM_EINTERRUPT);
        stops++;
    }
    ck_assert_int_eq(stops, 4);
    ck_assert_str_eq(s.protocol, expected.protocol);
    char *one = bytes_of(whole, "classifier.safetensors", &size),
         *two = bytes_of(b, "classifier.safetensors", &other);
    ck_assert_uint_eq(size, other);
    ck_assert_mem_eq(one, two, size);
    free(two);
    const int64_t reads = b->train.reads;
    snprintf(stray, sizeof stray, "%s/finetune_pretrained/.classifier.safetensors.4711-0-1.tmp", b->folder);
    test_ok(sim_file_write(stray, "x", 1)); /* as a kill leaves it */
    test_ok(run(b, &s));
    ck_assert_str_eq(s.protocol, expected.protocol);
    ck_assert_int_eq(b->train.reads, reads);
    ck_assert_int_ne(access(stray, F_OK), 0);
    two = bytes_of(b, "classifier.safetensors", &other);
    ck_assert_mem_eq(one, two, size);
    b->job.identity = "fedcba9876543210";
    test_fails(run(b, &s), "belongs to another configuration (0123456789abcdef");
    b->job.resume = 0; /* begun anew */
    test_ok(run(b, &s));
    ck_assert_int_gt(b->train.reads, reads);
    free(one), free(two);
    bench_close(whole);
    bench_close(b);
}
END_TEST

START_TEST(what_cannot_be_fine_tuned)
{
    struct bench *b = bench_open();
    struct sim_score s;
    b->vit.embed_dim = 48;
    test_fails(run(b, &s), "cls_token of 48 numbers, the encoder's has 24");
    b->vit.embed_dim = 24, b->vit.depth = 3;
    test_fails(run(b, &s), "needs blocks.2.norm1.weight, which the encoder lacks");
    b->vit.depth = 2;
    b->val.classes = 3, b->val_set = made_labelled(&b->val);
    test_fails(run(b, &s), "the train set has 4 classes, the val set 3");
    b->val.classes = 4, b->val_set = made_labelled(&b->val);
    b->c.batch_size = b->c.mix_group = 1;
    test_fails(run(b, &s), "mixup and cutmix mix every image with another");
    b->c.batch_size = b->c.mix_group = 72;
    test_fails(run(b, &s), "finetune.batch_size is 72 and the training set has 70 images");
    b->c.batch_size = 16, b->c.mix_group = 8;
    b->c.lr = 1e30, b->c.warmup_epochs = 0;
    test_fails(run(b, &s), "a smaller finetune.blr");
    b->c.lr = 1e-3;
    b->val.fails_at = b->val.reads + 1;
    b->job.resume = 0;
    test_fails(run(b, &s), "the disk is gone");
    bench_close(b);
}
END_TEST

int main(void)
{
    sim_progress_quiet(1);
    Suite *s = suite_create("finetune");
    TCase *t = tcase_create("finetune");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, learns_and_says_how);
    tcase_add_test(t, a_classifier_is_scored_from_its_file);
    tcase_add_test(t, stops_cost_nothing);
    tcase_add_test(t, what_cannot_be_fine_tuned);
    suite_add_tcase(s, t);
    return test_run(s);
}
