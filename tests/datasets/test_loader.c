/* Training batches over a made-up set: order, bytes, views and jobs, the cache, damage. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "loader.h"
#include "made_set.h"
#include "support.h"

static uint64_t hash_of(const struct sim_batch *b, int64_t size, int one_view)
{
    uint64_t h = XXH64(b->view1, (size_t)b->size * 3 * (size_t)(size * size) * sizeof(float), 1);
    if (!one_view) h = XXH64(b->view2, (size_t)b->size * 3 * (size_t)(size * size) * sizeof(float), h);
    h = XXH64(b->mask, (size_t)b->size * 16, h);
    h = XXH64(b->geometry, (size_t)b->size * 6 * sizeof(float), h);
    return XXH64(b->index, (size_t)b->size * sizeof *b->index, h);
}

static uint64_t hash_at(struct sim_source *s, int64_t epoch, int64_t step)
{
    const struct sim_batch *batch = NULL;
    test_ok(s->next(s->self, epoch, step, &batch));
    return hash_of(batch, 16, 0);
}

START_TEST(an_epoch_is_a_permutation)
{
    struct bench b;
    struct sim_source s;
    bench_open(&b, 50, 8, 2);
    test_ok(sim_loader_open(&s, &b.loader));
    ck_assert_int_eq(s.images, 50);
    ck_assert_int_eq(s.steps_per_epoch, 6);
    char first[6 * 8 + 1] = "", second[6 * 8 + 1] = "";
    for (int epoch = 0; epoch < 2; epoch++) {
        int met[50] = {0};
        for (int step = 0; step < 6; step++) {
            const struct sim_batch *batch;
            test_ok(s.next(s.self, epoch, step, &batch));
            ck_assert_int_eq(batch->size, 8);
            for (int r = 0; r < 8; r++) {
                ck_assert_int_eq(met[batch->index[r]]++, 0);
                (epoch ? second : first)[step * 8 + r] = (char)(batch->index[r] + 1);
                int hidden = 0;
                for (int p = 0; p < 16; p++) hidden += batch->mask[r * 16 + p];
                ck_assert_int_eq(hidden, 10);
            }
        }
    }
    ck_assert(memcmp(first, second, 48) != 0);
    const struct sim_batch *batch;
    test_fails(s.next(s.self, 0, 6, &batch), "batches 0 to 5");
    test_fails(s.next(s.self, -1, 0, &batch), "epoch -1");
    s.close(s.self);
}
END_TEST

START_TEST(workers_and_order_change_no_byte)
{
    enum { EPOCHS = 3, STEPS = 5 };
    uint64_t want[EPOCHS][STEPS];
    static const int workers[] = {1, 3, 8};
    for (int w = 0; w < 3; w++)
        for (int cache = 0; cache < 2; cache++) {
            struct bench b;
            struct sim_source s;
            bench_open(&b, 33, 6, workers[w]);
            b.fake.slow = 1;
            b.data.cache_mb = cache;
            test_ok(sim_loader_open(&s, &b.loader));
            for (int e = 0; e < EPOCHS; e++)
                for (int k = 0; k < STEPS; k++) {
                    uint64_t h = hash_at(&s, e, k);
                    if (w == 0 && cache == 0) want[e][k] = h;
                    ck_assert_uint_eq(h, want[e][k]);
                }
            /* back and forth, as a resumed or curious caller might */
            for (int k = 0; k < 12; k++) {
                int e = k * 7 % EPOCHS, step = k * 3 % STEPS;
                ck_assert_uint_eq(hash_at(&s, e, step), want[e][step]);
                ck_assert_uint_eq(hash_at(&s, e, step), want[e][step]);
            }
            s.close(s.self);
            bench_open(&b, 33, 6, workers[w]); /* resumed in mid-epoch */
            test_ok(sim_loader_open(&s, &b.loader));
            ck_assert_uint_eq(hash_at(&s, 1, 3), want[1][3]);
            ck_assert_uint_eq(hash_at(&s, 1, 4), want[1][4]);
            ck_assert_uint_eq(hash_at(&s, 2, 0), want[2][0]);
            s.close(s.self);
        }
    for (int e = 1; e < EPOCHS; e++) ck_assert_uint_ne(want[0][0], want[e][0]);
}
END_TEST

START_TEST(batches_of_one_step_per_epoch)
{
    struct bench b;
    struct sim_source s;
    bench_open(&b, 7, 7, 2);
    test_ok(sim_loader_open(&s, &b.loader));
    uint64_t first = hash_at(&s, 0, 0);
    for (int e = 1; e < 6; e++) ck_assert_uint_ne(hash_at(&s, e, 0), first);
    ck_assert_uint_eq(hash_at(&s, 0, 0), first);
    s.close(s.self);
}
END_TEST

START_TEST(one_view_is_the_first_of_two)
{
    struct bench b;
    struct sim_source two, one;
    const struct sim_batch *x, *y;
    bench_open(&b, 20, 4, 2);
    test_ok(sim_loader_open(&two, &b.loader));
    b.loader.one_view = 1;
    test_ok(sim_loader_open(&one, &b.loader));
    test_ok(two.next(two.self, 0, 1, &x));
    test_ok(one.next(one.self, 0, 1, &y));
    ck_assert_ptr_null(y->view2);
    ck_assert_mem_eq(x->view1, y->view1, 4 * 3 * 16 * 16 * sizeof(float));
    ck_assert_mem_eq(x->mask, y->mask, 4 * 16);
    two.close(two.self);
    one.close(one.self);
}
END_TEST

/* Every view that a batch's jobs tell of, made here, is the one that a loader of finished views gives. */
static void same_as_jobs(const struct bench *b, const struct sim_batch *finished,
                         const struct sim_batch *told)
{
    const float *views[2] = {finished->view1, finished->view2};
    const struct sim_view_jobs *jobs[2] = {told->jobs1, told->jobs2};
    ck_assert(!told->view1 && !told->view2 && !finished->jobs1 && !finished->jobs2);
    ck_assert_mem_eq(finished->index, told->index, 6 * sizeof *told->index);
    ck_assert_mem_eq(finished->geometry, told->geometry, 6 * 6 * sizeof(float));
    ck_assert_mem_eq(finished->mask, told->mask, 6 * 16);
    for (int k = 0; k < 2; k++) {
        ck_assert(jobs[k]->count == 6 && jobs[k]->size == 16);
        for (int r = 0; r < 6; r++) {
            const struct sim_view_job *j = &jobs[k]->job[r];
            uint8_t rgb[16 * 16 * 3];
            float made[16 * 16 * 3];
            struct sim_image source = {.width = j->width, .height = j->height, .rgb = (uint8_t *)j->rgb},
                             own = {0};
            ck_assert_int_eq(j->image, told->index[r]);
            if (!j->rgb) test_ok(b->images.read(b->images.self, j->image, &own));
            if (!j->rgb) source.rgb = own.rgb;
            ck_assert(!own.rgb || (own.width == j->width && own.height == j->height));
            test_ok(sim_view_make(&b->augment, &j->view, &source, 16, rgb));
            sim_pixels_normalize(rgb, 16, 16, SIM_NORMALIZE_IMAGENET, made);
            ck_assert_mem_eq(made, views[k] + r * 16 * 16 * 3, sizeof made);
            sim_image_close(&own);
        }
    }
}

/* Also with damage to pass over, with and without a cache, and once the backend holds half of the images. */
START_TEST(jobs_tell_of_the_same_views)
{
    for (int cache_mb = 0; cache_mb < 2; cache_mb++) {
        struct bench b;
        struct sim_source views, jobs;
        const struct sim_batch *x, *y;
        bench_open(&b, 24, 6, 2);
        b.fake.damaged = "...x........x...........";
        b.data.bad_image = SIM_BAD_SKIP;
        b.data.cache_mb = cache_mb;
        memcpy(b.images.manifest_hash, "0123456789abcdef", 17);
        test_ok(sim_loader_open(&views, &b.loader));
        b.loader.jobs = 1;
        test_ok(sim_loader_open(&jobs, &b.loader));
        int without = 0;
        for (int e = 0; e < 4; e++)
            for (int k = 0; k < 4; k++) {
                test_ok(views.next(views.self, e, k, &x));
                test_ok(jobs.next(jobs.self, e, k, &y));
                const struct sim_view_set *set = y->jobs1->set;
                ck_assert_str_eq(set->name, "0123456789abcdef");
                ck_assert_int_eq(set->images, 24);
                for (int r = 0; r < 6; r++) {
                    without += !y->jobs2->job[r].rgb;
                    ck_assert(y->jobs2->job[r].rgb || (y->index[r] % 2 == 0 && set->held[y->index[r]]));
                }
                same_as_jobs(&b, x, y);
                for (int r = 0; r < 6; r++)
                    if (y->index[r] % 2 == 0) atomic_store(&set->held[y->index[r]], 1);
            }
        ck_assert(cache_mb ? without == 0 : without > 20);
        ck_assert_int_eq(views.skipped(views.self), jobs.skipped(jobs.self));
        views.close(views.self);
        jobs.close(jobs.self);
    }
}
END_TEST

/* same_view with same_colour: the same pixels twice, finished by the loader or told of in jobs; either alone:
 * no image has them. */
START_TEST(one_view_is_used_twice)
{
    enum { VIEW = 3 * 16 * 16 };
    for (int keys = 1; keys < 4; keys++) {
        struct bench b;
        struct sim_source views, jobs;
        const struct sim_batch *x, *y;
        int equal = 0;
        bench_open(&b, 24, 6, 2);
        b.augment.same_view = keys & 1, b.augment.same_colour = keys >> 1;
        test_ok(sim_loader_open(&views, &b.loader));
        b.loader.jobs = 1;
        test_ok(sim_loader_open(&jobs, &b.loader));
        for (int k = 0; k < 4; k++) {
            test_ok(views.next(views.self, 0, k, &x));
            test_ok(jobs.next(jobs.self, 0, k, &y));
            same_as_jobs(&b, x, y);
            for (int r = 0; r < 6; r++)
                equal += memcmp(x->view1 + r * VIEW, x->view2 + r * VIEW, VIEW * sizeof(float)) == 0;
        }
        ck_assert_int_eq(equal, keys == 3 ? 24 : 0);
        views.close(views.self);
        jobs.close(jobs.self);
    }
}
END_TEST

START_TEST(decoded_images_are_cached_within_bounds)
{
    struct bench b;
    struct sim_source s;
    bench_open(&b, 24, 6, 2);
    test_ok(sim_loader_open(&s, &b.loader));
    for (int e = 0; e < 5; e++)
        for (int k = 0; k < 4; k++) hash_at(&s, e, k);
    s.close(s.self);
    ck_assert_int_le(b.fake.reads, 24 + 8); /* racing threads may decode one twice */
    b.fake.reads = 0;
    b.data.cache_mb = 0;
    test_ok(sim_loader_open(&s, &b.loader));
    for (int e = 0; e < 5; e++)
        for (int k = 0; k < 4; k++) hash_at(&s, e, k);
    s.close(s.self);
    ck_assert_int_ge(b.fake.reads, 5 * 24);
}
END_TEST

START_TEST(a_damaged_image_stops_the_batch_by_name)
{
    struct bench b;
    struct sim_source s;
    const struct sim_batch *batch;
    bench_open(&b, 30, 5, 3);
    char damaged[31] = "..............................";
    damaged[17] = damaged[4] = 'x';
    b.fake.damaged = damaged;
    test_ok(sim_loader_open(&s, &b.loader));
    int failures = 0;
    char sentences[2][256];
    for (int round = 0; round < 2; round++)
        for (int k = 0; k < 6; k++) {
            sim_status status = s.next(s.self, 0, k, &batch);
            if (status == SIM_OK) continue;
            ck_assert_int_eq(status, SIM_EFORMAT);
            ck_assert(strstr(sim_error_text(), "fake image") != NULL);
            if (failures < 2)
                snprintf(sentences[failures], 256, "%s", sim_error_text());
            else
                ck_assert_str_eq(sim_error_text(), sentences[failures % 2]); /* the same again */
            failures++;
        }
    ck_assert_int_eq(failures % 2, 0);
    ck_assert_int_ge(failures, 2);
    ck_assert_int_eq(s.skipped(s.self), 0);
    s.close(s.self);
}
END_TEST

START_TEST(skipping_replaces_and_counts)
{
    uint64_t want[6];
    for (int workers = 1; workers <= 4; workers += 3) {
        struct bench b;
        struct sim_source s;
        bench_open(&b, 30, 5, workers);
        b.data.bad_image = SIM_BAD_SKIP;
        char damaged[31] = "..xx.....x..........x.........";
        b.fake.damaged = damaged;
        test_ok(sim_loader_open(&s, &b.loader));
        for (int e = 0; e < 2; e++)
            for (int k = 0; k < 6; k++) {
                const struct sim_batch *batch;
                test_ok(s.next(s.self, e, k, &batch));
                for (int r = 0; r < 5; r++) ck_assert(damaged[batch->index[r]] == '.');
                if (e == 0 && workers == 1) want[k] = hash_of(batch, 16, 0);
                if (e == 0) ck_assert_uint_eq(hash_of(batch, 16, 0), want[k]);
            }
        ck_assert_int_eq(s.skipped(s.self), 4);
        s.close(s.self);
    }
}
END_TEST

START_TEST(skipping_everything_is_an_error)
{
    struct bench b;
    struct sim_source s;
    const struct sim_batch *batch;
    bench_open(&b, 10, 5, 2);
    b.data.bad_image = SIM_BAD_SKIP;
    b.fake.damaged = "xxxxxxxxxx";
    test_ok(sim_loader_open(&s, &b.loader));
    test_fails(s.next(s.self, 0, 0, &batch), "every one of the 10");
    s.close(s.self);
    b.fake.damaged = NULL;
    b.fake.unreadable = 3; /* a disk that fails is no damaged image: never passed over */
    test_ok(sim_loader_open(&s, &b.loader));
    sim_status status = s.next(s.self, 0, 0, &batch);
    if (status == SIM_OK) status = s.next(s.self, 0, 1, &batch);
    ck_assert_int_eq(status, SIM_EIO);
    s.close(s.self);
}
END_TEST

START_TEST(closing_early_is_clean)
{
    for (int k = 0; k < 20; k++) {
        struct bench b;
        struct sim_source s;
        bench_open(&b, 64, 16, 1 + k % 4);
        b.fake.slow = 1;
        if (k % 3 == 0) b.fake.damaged = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        test_ok(sim_loader_open(&s, &b.loader));
        const struct sim_batch *batch;
        if (k % 2) (void)s.next(s.self, 0, 1, &batch); /* prefetch is under way */
        s.close(s.self);
    }
}
END_TEST

START_TEST(impossible_requests_are_refused)
{
    struct bench b;
    struct sim_source s;
    bench_open(&b, 10, 11, 2);
    test_fails(sim_loader_open(&s, &b.loader), "11");
    test_fails(sim_loader_open(&s, &b.loader), "10 images");
    ck_assert_int_eq(sim_loader_open(&s, &b.loader), SIM_EINVAL);
    b.loader.batch_size = 0;
    test_fails(sim_loader_open(&s, &b.loader), "batch_size is 0");
    b.loader.batch_size = 2;
    b.loader.patch_size = 5;
    test_fails(sim_loader_open(&s, &b.loader), "patch_size");
    b.loader.patch_size = 4;
    b.mask.count = 16;
    test_fails(sim_loader_open(&s, &b.loader), "visible");
    b.mask.count = 0;
    b.loader.workers = 0;
    test_fails(sim_loader_open(&s, &b.loader), "worker");
    b.loader.workers = 1;
    b.augment.crop_min = 0.9, b.augment.crop_max = 0.5;
    test_fails(sim_loader_open(&s, &b.loader), "crop_min");
}
END_TEST

/* x (3, 16, 16) is image i of the set, each byte from 0 to 255 a number from -1 to 1. */
static void is_whole(const struct bench *b, int64_t i, const float *x)
{
    struct sim_image source;
    test_ok(b->images.read(b->images.self, i, &source));
    for (int p = 0; p < 16 * 16; p++)
        for (int c = 0; c < 3; c++)
            ck_assert_float_eq(x[c * 16 * 16 + p], ((float)source.rgb[3 * p + c] / 255.0f - 0.5f) / 0.5f);
    sim_image_close(&source);
}

/* Nothing cut away, nothing mirrored: the image itself, as networks of 32 px are often trained on CIFAR-10.
 */
START_TEST(whole_images_are_shown_as_they_are)
{
    enum { IMAGES = 40 };
    static float x[IMAGES * 3 * 16 * 16];
    int64_t index[IMAGES];
    int32_t label[IMAGES];
    struct bench b;
    struct sim_source s;
    struct sim_labelled l;
    bench_open(&b, IMAGES, 8, 2);
    b.fake.square = 16;
    b.data.normalize = SIM_NORMALIZE_HALF, b.data.val_resize = 16;
    b.augment = (struct sim_augment_config){
        .crop_min = 1, .crop_max = 1, .ratio_min = 1, .filter = SIM_FILTER_BICUBIC};
    test_ok(sim_loader_open(&s, &b.loader));
    for (int step = 0; step < 15; step++) {
        const struct sim_batch *batch;
        test_ok(s.next(s.self, step / 5, step % 5, &batch));
        for (int r = 0; r < 8; r++)
            for (int v = 0; v < 2; v++)
                is_whole(&b, batch->index[r], (v ? batch->view2 : batch->view1) + r * 3 * 16 * 16);
    }
    s.close(s.self);
    test_ok(sim_loader_open_labelled(&l, &b.loader));
    for (int i = 0; i < IMAGES; i++) index[i] = i;
    for (int training = 0; training < 2; training++) {
        const struct sim_look look = {.filter = SIM_RESAMPLE_BICUBIC,
                                      .augment = training ? SIM_LOOK_FINETUNE : SIM_LOOK_PLAIN,
                                      .crop_min = 1};
        test_ok(l.start(l.self, &look, index, IMAGES, x, label));
        test_ok(l.finish(l.self));
        for (int i = 0; i < IMAGES; i++) is_whole(&b, i, x + i * 3 * 16 * 16);
    }
    l.close(l.self);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *c = tcase_create("training");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, an_epoch_is_a_permutation);
    tcase_add_test(c, workers_and_order_change_no_byte);
    tcase_add_test(c, batches_of_one_step_per_epoch);
    tcase_add_test(c, one_view_is_the_first_of_two);
    tcase_add_test(c, jobs_tell_of_the_same_views);
    tcase_add_test(c, one_view_is_used_twice);
    tcase_add_test(c, whole_images_are_shown_as_they_are);
    tcase_add_test(c, decoded_images_are_cached_within_bounds);
    tcase_add_test(c, a_damaged_image_stops_the_batch_by_name);
    tcase_add_test(c, skipping_replaces_and_counts);
    tcase_add_test(c, skipping_everything_is_an_error);
    tcase_add_test(c, closing_early_is_clean);
    tcase_add_test(c, impossible_requests_are_refused);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
