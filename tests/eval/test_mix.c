/* Mixup and CutMix by timm's rules, and the batches of fine-tuning: what is drawn for them, in what order, on
 * how many ranks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "finetune_source.h"
#include "made_labelled.h"
#include "mix.h"
#include "support.h"

enum { SIDE = 8, IMAGE = 3 * SIDE * SIDE };

static struct sim_finetune_config preset(void)
{
    struct sim_finetune_config c;
    struct sim_section section = {
        .prefix = "finetune", .fields = sim_finetune_fields, .count = sim_finetune_field_count};
    struct sim_schema schema = {.sections = &section, .count = 1, .size_bytes = sizeof c};
    test_ok(sim_fields_preset(&schema, &c));
    return c;
}

/* ------------------------------------------------------------------ the draws */

START_TEST(lambda_has_its_distribution)
{
    enum { COUNT = 20000 };
    const struct sim_finetune_config c = preset();
    int64_t boxes = 0;
    double mixup = 0, squares = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        struct sim_rng r = sim_rng_make(1, SIM_PURPOSE_TEST, 0, i, 0);
        struct sim_mix m;
        sim_mix_draw(&c, &r, 224, &m);
        ck_assert(m.lambda >= 0 && m.lambda <= 1);
        if (m.cutmix) {
            boxes++;
            ck_assert(m.top >= 0 && m.top <= m.bottom && m.bottom <= 224 && m.left >= 0 &&
                      m.left <= m.right && m.right <= 224);
            ck_assert_double_eq_tol(m.lambda, 1 - (m.bottom - m.top) * (m.right - m.left) / 50176.0, 1e-12);
        } else {
            mixup += m.lambda, squares += pow(m.lambda - 0.5, 2);
        }
    }
    const double n = (double)(COUNT - boxes), variance = 0.25 / 2.6; /* Beta(0.8, 0.8) */
    ck_assert_double_eq_tol((double)boxes / COUNT, 0.5, 5 * 0.5 / sqrt(COUNT));
    ck_assert_double_eq_tol(mixup / n, 0.5, 5 * sqrt(variance / n));
    ck_assert_double_eq_tol(squares / n, variance, 0.05 * variance);
}
END_TEST

START_TEST(what_is_switched_off)
{
    struct sim_finetune_config c = preset();
    for (uint64_t i = 0; i < 100; i++) {
        struct sim_rng r = sim_rng_make(2, SIM_PURPOSE_TEST, 0, i, 0);
        struct sim_mix m;
        c.mixup = 0.8, c.cutmix = 0;
        sim_mix_draw(&c, &r, 32, &m);
        ck_assert(!m.cutmix && m.lambda < 1);
        c.mixup = 0, c.cutmix = 1;
        sim_mix_draw(&c, &r, 32, &m);
        ck_assert(m.cutmix);
        c.mix_probability = 0;
        sim_mix_draw(&c, &r, 32, &m);
        ck_assert_double_eq(m.lambda, 1);
        c.mix_probability = 1, c.cutmix = 0;
        sim_mix_draw(&c, &r, 32, &m);
        ck_assert_double_eq(m.lambda, 1);
    }
    ck_assert_int_eq(sim_finetune_group(&c), 1);
    c.mixup = 1, c.batch_size = 64;
    ck_assert_int_eq(sim_finetune_group(&c), 64);
}
END_TEST

/* ------------------------------------------------------------------ what is made of them */

static void fill(float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) x[i] = (float)((i * 37) % 101);
}

START_TEST(images_are_mixed_with_their_counterparts)
{
    enum { N = 6 };
    static float before[N * IMAGE], x[N * IMAGE];
    const struct sim_mix mixup = {.lambda = 0.3}, none = {.lambda = 1},
                         cutmix = {.cutmix = 1, .lambda = 0.8, .top = 2, .bottom = 5, .left = 0, .right = 4};
    fill(before, N * IMAGE);
    memcpy(x, before, sizeof x);
    sim_mix_images(&none, x, N, SIDE);
    ck_assert_mem_eq(x, before, sizeof x);
    sim_mix_images(&mixup, x, N, SIDE);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < IMAGE; k++)
            ck_assert_float_eq_tol(x[i * IMAGE + k],
                                   0.3f * before[i * IMAGE + k] + 0.7f * before[(N - 1 - i) * IMAGE + k],
                                   2e-5f);
    memcpy(x, before, sizeof x);
    sim_mix_images(&cutmix, x, N, SIDE);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < IMAGE; k++) {
            int row = k / SIDE % SIDE, column = k % SIDE, inside = row >= 2 && row < 5 && column < 4;
            ck_assert_float_eq(x[i * IMAGE + k], before[(inside ? N - 1 - i : i) * IMAGE + k]);
        }
}
END_TEST

START_TEST(targets_are_smoothed_and_mixed)
{
    const int32_t label[4] = {0, 2, 2, 1};
    const struct sim_mix m = {.lambda = 0.7};
    float t[12];
    const double off = 0.1 / 3,
                 expected[12] = {0.63 + off, 0.27 + off, off,       off,        off,        0.9 + off,
                                 off,        off,        0.9 + off, 0.27 + off, 0.63 + off, off};
    sim_mix_targets(&m, label, 4, 3, 0.1, t);
    for (int k = 0; k < 12; k++) ck_assert_double_eq_tol(t[k], expected[k], 1e-6);
    const struct sim_mix none = {.lambda = 1};
    sim_mix_targets(&none, label, 1, 3, 0, t);
    ck_assert(t[0] == 1 && t[1] == 0 && t[2] == 0);
}
END_TEST

/* ------------------------------------------------------------------ batches */

static struct sim_finetune_config small(void)
{
    struct sim_finetune_config c = preset();
    c.epochs = 3, c.warmup_epochs = 1, c.batch_size = 8, c.mix_group = 4;
    return c;
}

struct reader {
    struct made made;
    struct sim_labelled set;
    struct sim_finetune_config c;
    struct sim_source source;
};

static void reader_open(struct reader *r, int rank, int ranks)
{
    r->set = made_labelled(&r->made);
    test_ok(sim_finetune_source_open(
        &r->source,
        &(struct sim_finetune_source){
            .train = &r->set, .config = &r->c, .side = SIDE, .seed = 11, .rank = rank, .ranks = ranks}));
}

static const struct sim_batch *get(struct reader *r, int64_t epoch, int64_t step)
{
    const struct sim_batch *b = NULL;
    test_ok(r->source.next(r->source.self, epoch, step, &b));
    return b;
}

static struct reader reader(void)
{
    return (struct reader){.made = {.side = SIDE, .classes = 4, .images = 29, .noise = 1}, .c = small()};
}

/* Every image at most once an epoch, in another order each; any batch can be asked for, and is the same
 * again. */
START_TEST(batches_are_functions_of_their_place)
{
    struct reader a = reader(), b = reader();
    static float x[3][8 * IMAGE], target[3][32];
    int64_t index[3][8];
    int seen[29] = {0};
    reader_open(&a, 0, 0);
    reader_open(&b, 0, 0);
    ck_assert_int_eq(a.source.steps_per_epoch, 3);
    for (int s = 0; s < 3; s++) {
        const struct sim_batch *got = get(&a, 1, s);
        ck_assert_int_eq(got->size, 8);
        memcpy(x[s], got->view1, sizeof x[s]), memcpy(target[s], got->target, sizeof target[s]);
        memcpy(index[s], got->index, sizeof index[s]);
        for (int i = 0; i < 8; i++) ck_assert_int_eq(seen[got->index[i]]++, 0);
        for (int i = 0; i < 8; i++) {
            double sum = 0;
            for (int k = 0; k < 4; k++) sum += got->target[i * 4 + k];
            ck_assert_double_eq_tol(sum, 1, 1e-6);
        }
    }
    ck_assert_int_eq(a.made.look.augment, SIM_LOOK_FINETUNE);
    ck_assert_int_eq(a.made.look.operations, 2);
    ck_assert_double_eq(a.made.look.erase, 0.25);
    const int order[] = {2, 0, 2, 1}; /* not what was read ahead */
    for (int k = 0; k < 4; k++) {
        const int s = order[k];
        const struct sim_batch *got = get(&b, 1, s);
        ck_assert_mem_eq(got->view1, x[s], sizeof x[s]);
        ck_assert_mem_eq(got->target, target[s], sizeof target[s]);
        ck_assert_mem_eq(got->index, index[s], sizeof index[s]);
    }
    ck_assert_mem_ne(get(&b, 2, 0)->index, index[0], sizeof index[0]);
    a.source.close(a.source.self);
    b.source.close(b.source.self);
}
END_TEST

/* Two ranks make the halves of the batch that one makes. */
START_TEST(ranks_share_a_batch)
{
    struct reader whole = reader(), half[2] = {reader(), reader()};
    reader_open(&whole, 0, 0);
    for (int k = 0; k < 2; k++) reader_open(&half[k], k, 2);
    for (int s = 0; s < 3; s++) {
        const struct sim_batch *all = get(&whole, 0, s);
        for (int k = 0; k < 2; k++) {
            const struct sim_batch *part = get(&half[k], 0, s);
            ck_assert_int_eq(part->size, 4);
            ck_assert_mem_eq(part->view1, all->view1 + k * 4 * IMAGE, 4 * IMAGE * sizeof(float));
            ck_assert_mem_eq(part->target, all->target + k * 16, 16 * sizeof(float));
            ck_assert_mem_eq(part->index, all->index + k * 4, 4 * sizeof(int64_t));
        }
    }
    whole.source.close(whole.source.self);
    for (int k = 0; k < 2; k++) half[k].source.close(half[k].source.self);
}
END_TEST

/* A damaged image's row is the next good one's of its group; counted once however often it is met. */
START_TEST(damaged_images_are_replaced)
{
    struct reader r = reader();
    static float want[IMAGE];
    r.made.damaged_every = 3;
    r.c.mix_probability = 0, r.c.smoothing = 0;
    reader_open(&r, 0, 0);
    for (int64_t epoch = 0; epoch < 3; epoch++)
        for (int64_t s = 0; s < 3; s++) {
            const struct sim_batch *b = get(&r, epoch, s);
            for (int i = 0; i < 8; i++) {
                int from = i;
                while (b->index[from] % 3 == 0) from = (from + 1) % 8;
                struct sim_look look = r.made.look;
                look.epoch = epoch;
                made_image(&r.made, &look, b->index[from], want);
                ck_assert_mem_eq(b->view1 + i * IMAGE, want, sizeof want);
                ck_assert_float_eq(b->target[i * 4 + b->index[from] % 4], 1);
            }
        }
    const int64_t skipped = r.source.skipped(r.source.self);
    ck_assert_int_ge(skipped, 8);
    ck_assert_int_le(skipped, 10);
    ck_assert_int_eq(r.source.damaged(r.source.self)[1], 0);
    r.source.close(r.source.self);

    r = reader();
    r.made.damaged_every = 1;
    reader_open(&r, 0, 0);
    const struct sim_batch *b;
    test_fails(r.source.next(r.source.self, 0, 0, &b), "all 4 images that would be mixed are damaged");
    r.source.close(r.source.self);
}
END_TEST

/* A read that fails is told when its step is asked for, and can be tried again. */
START_TEST(reads_that_fail)
{
    struct reader r = reader();
    const struct sim_batch *b;
    r.made.fails_at = 2;
    reader_open(&r, 0, 0);
    get(&r, 0, 0); /* reads the next ahead */
    test_fails(r.source.next(r.source.self, 0, 1, &b), "the disk is gone");
    get(&r, 0, 1);
    r.source.close(r.source.self);
}
END_TEST

/* ------------------------------------------------------------------ what cannot be */

static void refused(struct sim_finetune_config c, const char *sentence)
{
    test_fails(sim_finetune_config_check(&c), sentence);
}

START_TEST(configurations_that_cannot_be)
{
    struct sim_finetune_config c = preset();
    test_ok(sim_finetune_config_check(&c));
    c.batch_size = 1;
    refused(c, "finetune.batch_size: 1, but mixup and cutmix mix every image with another");
    c.mixup = c.cutmix = 0;
    test_ok(sim_finetune_config_check(&c));
    c = preset(), c.mix_group = 7;
    refused(c, "finetune.mix_group: 7,");
    c.mix_group = 96;
    refused(c, "finetune.mix_group: groups of 96 images do not divide finetune.batch_size 1024");
    c = preset(), c.warmup_epochs = 100;
    refused(c, "finetune.warmup_epochs: 100 leaves nothing");
    c = preset(), c.blr = 0;
    refused(c, "finetune.blr");
    c = preset(), c.epochs = 0;
    refused(c, "finetune.epochs: 0 leaves the head as it was drawn");

    struct reader r = reader();
    struct sim_finetune_source s = {.train = &r.set, .config = &r.c, .side = SIDE};
    r.set = made_labelled(&r.made);
    r.c.batch_size = 32;
    test_fails(sim_finetune_source_open(&r.source, &s),
               "finetune.batch_size is 32 and the training set has 29 images");
    r.c.batch_size = 8, s.ranks = 3;
    test_fails(sim_finetune_source_open(&r.source, &s), "8 images do not divide by 3 ranks");
    s.ranks = 4;
    test_fails(sim_finetune_source_open(&r.source, &s),
               "groups of 4 images do not divide the 2 that each of 4 ranks has");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mix");
    TCase *t = tcase_create("mix");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, lambda_has_its_distribution);
    tcase_add_test(t, what_is_switched_off);
    tcase_add_test(t, images_are_mixed_with_their_counterparts);
    tcase_add_test(t, targets_are_smoothed_and_mixed);
    tcase_add_test(t, batches_are_functions_of_their_place);
    tcase_add_test(t, ranks_share_a_batch);
    tcase_add_test(t, damaged_images_are_replaced);
    tcase_add_test(t, reads_that_fail);
    tcase_add_test(t, configurations_that_cannot_be);
    suite_add_tcase(s, t);
    return test_run(s);
}
