/* The loaders over a made-up set whose pixels tell their index, with damage where the test wants it. */
#include "recipe.h"
#include "loader.h"
#include "pool.h"
#include "support.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

/* ------------------------------------------------------------------ the made-up set */

struct fake {
    const char *damaged; /* damaged[i] == 'x': image i is damaged; NULL: none */
    int unreadable;      /* this image fails with SIM_EIO; -1: none */
    int slow;            /* reading takes a while, differently for each image */
    _Atomic int reads;
};

static sim_status fake_read(void *self, int64_t i, struct sim_image *out)
{
    struct fake *f = self;
    f->reads++;
    if (f->slow) {
        struct timespec t = {.tv_nsec = (long)(i * 7919 % 13) * 200000};
        nanosleep(&t, NULL);
    }
    if (f->damaged && f->damaged[i] == 'x')
        return sim_fail(SIM_EFORMAT, "fake image %ld is damaged", (long)i);
    if (f->unreadable == i) return sim_fail(SIM_EIO, "fake image %ld cannot be read", (long)i);
    SIM_TRY(sim_image_open(out, 20 + (int)i % 5, 16 + (int)i % 3));
    for (int p = 0; p < out->width * out->height; p++) {
        out->rgb[3 * p] = (uint8_t)i, out->rgb[3 * p + 1] = (uint8_t)p,
                     out->rgb[3 * p + 2] = (uint8_t)(p * 7 + i);
    }
    return SIM_OK;
}

static int32_t fake_label(void *self, int64_t i)
{
    (void)self;
    return (int32_t)(i % 4);
}

static void fake_name(void *self, int64_t i, char *name, int size)
{
    (void)self;
    snprintf(name, (size_t)size, "fake %ld", (long)i);
}

static struct sim_images fake_set(struct fake *f, int64_t count)
{
    return (struct sim_images){
        .self = f, .count = count, .classes = 4, .read = fake_read, .label = fake_label, .name = fake_name};
}

struct bench {
    struct fake fake;
    struct sim_images images;
    struct sim_data_config data;
    struct sim_augment_config augment;
    struct sim_mask_config mask;
    struct sim_loader_config loader;
};

static void bench_open(struct bench *b, int64_t images, int64_t batch, int workers)
{
    memset(b, 0, sizeof *b);
    b->fake.unreadable = -1;
    b->images = fake_set(&b->fake, images);
    b->data = (struct sim_data_config){.cache_mb = 1};
    b->augment = test_recipe();
    b->augment.crop_min = 0.2;
    b->mask =
        (struct sim_mask_config){.kind = SIM_MASK_BLOCKWISE, .ratio = 0.6, .min_block = 4, .min_aspect = 0.3};
    b->loader = (struct sim_loader_config){.images = &b->images,
                                           .data = &b->data,
                                           .augment = &b->augment,
                                           .mask = &b->mask,
                                           .batch_size = batch,
                                           .img_size = 16,
                                           .patch_size = 4,
                                           .seed = 42,
                                           .workers = workers};
}

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

/* ------------------------------------------------------------------ training batches */

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
            struct sim_image source = {j->width, j->height, (uint8_t *)j->rgb}, own = {0};
            ck_assert_int_eq(j->image, told->index[r]);
            if (!j->rgb) test_ok(b->images.read(b->images.self, j->image, &own));
            if (!j->rgb) source.rgb = own.rgb;
            ck_assert(!own.rgb || (own.width == j->width && own.height == j->height));
            test_ok(sim_view_make(&b->augment, &j->view, &source, 16, rgb));
            sim_pixels_normalize(rgb, 16, 16, made);
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

/* ------------------------------------------------------------------ scoring batches */

static const struct sim_look plain = {.filter = SIM_RESAMPLE_BICUBIC};

/* Images first .. first+count-1. */
static sim_status read_range(struct sim_labelled *s, const struct sim_look *look, int64_t first,
                             int64_t count, float *x, int32_t *label)
{
    int64_t index[64];
    for (int64_t k = 0; k < count; k++) index[k] = first + k;
    SIM_TRY(s->start(s->self, look, index, count, x, label));
    return s->finish(s->self);
}

START_TEST(labelled_reads_any_range_alike)
{
    struct bench b;
    struct sim_labelled s;
    enum { N = 23, PLANE = 3 * 16 * 16 };
    float *all = malloc(sizeof(float) * N * PLANE), *part = malloc(sizeof(float) * N * PLANE);
    int32_t label[N], some[N];
    bench_open(&b, N, 1, 3);
    test_ok(sim_loader_open_labelled(&s, &b.loader));
    ck_assert_int_eq(s.images, N);
    ck_assert_int_eq(s.classes, 4);
    test_ok(read_range(&s, &plain, 0, N, all, label));
    for (int i = 0; i < N; i++) ck_assert_int_eq(label[i], i % 4);
    for (int first = 0; first < N; first += 4) {
        int count = N - first < 5 ? N - first : 5;
        test_ok(read_range(&s, &plain, first, count, part, some));
        ck_assert_mem_eq(part, all + first * PLANE, sizeof(float) * PLANE * (size_t)count);
        ck_assert_mem_eq(some, label + first, sizeof *some * (size_t)count);
    }
    test_ok(read_range(&s, &plain, N, 0, part, some));
    test_fails(read_range(&s, &plain, N - 1, 2, part, some), "set of 23");
    test_fails(read_range(&s, &plain, -1, 2, part, some), "set of 23");
    s.close(s.self);
    free(all);
    free(part);
}
END_TEST

START_TEST(labelled_policies)
{
    struct bench b;
    struct sim_labelled s;
    float x[6 * 3 * 16 * 16];
    int32_t label[6];
    bench_open(&b, 6, 1, 2);
    b.fake.damaged = "..x.x.";
    test_ok(sim_loader_open_labelled(&s, &b.loader));
    test_fails(read_range(&s, &plain, 0, 6, x, label), "fake image 2");
    s.close(s.self);
    b.data.bad_image = SIM_BAD_SKIP;
    test_ok(sim_loader_open_labelled(&s, &b.loader));
    memset(x, 0xff, sizeof x);
    test_ok(read_range(&s, &plain, 0, 6, x, label));
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(label[i], i == 2 || i == 4 ? -1 : i % 4);
        int zero = 1;
        for (int p = 0; p < 768; p++) zero &= x[i * 768 + p] == 0;
        ck_assert_int_eq(zero, label[i] < 0);
    }
    s.close(s.self);
    b.data.val_resize = 8;
    test_fails(sim_loader_open_labelled(&s, &b.loader), "val_resize");
}
END_TEST

/* torchvision: Resize(s) of 50 x 33 to 18 gives int(18 * 50 / 33) = 27 x 18; CenterCrop(16) starts at
 * round((27 - 16) / 2) = round(5.5) = 6 (half to even) and round((18 - 16) / 2) = 1. */
static sim_status wide_read(void *self, int64_t i, struct sim_image *out)
{
    (void)self, (void)i;
    SIM_TRY(sim_image_open(out, 50, 33));
    for (int p = 0; p < 50 * 33; p++)
        out->rgb[3 * p] = (uint8_t)(p % 50 * 5), out->rgb[3 * p + 1] = (uint8_t)(p / 50 * 7),
                     out->rgb[3 * p + 2] = 9;
    return SIM_OK;
}

START_TEST(labelled_follows_torchvisions_rounding)
{
    struct bench b;
    struct sim_labelled s;
    struct sim_image source;
    float x[768], want[768];
    int32_t label[1];
    uint8_t resized[27 * 18 * 3], cropped[16 * 16 * 3];
    bench_open(&b, 1, 1, 1);
    b.images.read = wide_read;
    test_ok(sim_loader_open_labelled(&s, &b.loader)); /* 16 * 256 / 224 = 18.3 */
    test_ok(read_range(&s, &plain, 0, 1, x, label));
    s.close(s.self);
    test_ok(wide_read(NULL, 0, &source));
    test_ok(sim_pixels_crop_resize(&source, 0, 0, 0, 33, 50, 27, 18, SIM_RESAMPLE_BICUBIC, resized));
    for (int y = 0; y < 16; y++) memcpy(cropped + y * 48, resized + ((y + 1) * 27 + 6) * 3, 48);
    sim_pixels_normalize(cropped, 16, 16, want);
    ck_assert_mem_eq(x, want, sizeof x);
    sim_image_close(&source);
}
END_TEST

/* The filter is the caller's; names, labels and classes are told without reading. */
START_TEST(labelled_tells_and_filters)
{
    struct bench b;
    struct sim_labelled s;
    float x[768], y[768];
    int32_t label[1];
    char name[32];
    bench_open(&b, 6, 1, 1);
    test_ok(sim_loader_open_labelled(&s, &b.loader));
    s.name(s.self, 5, name, sizeof name);
    ck_assert_str_eq(name, "fake 5");
    ck_assert_int_eq(s.label(s.self, 5), 1);
    ck_assert_int_eq(b.fake.reads, 0);
    test_ok(read_range(&s, &plain, 3, 1, x, label));
    test_ok(read_range(&s, &(struct sim_look){.filter = SIM_RESAMPLE_BILINEAR}, 3, 1, y, label));
    ck_assert_mem_ne(x, y, sizeof x);
    ck_assert_int_eq(b.fake.reads, 1); /* the decoded image was kept */
    s.close(s.self);
}
END_TEST

/* Crops of a probe: a function of seed, epoch and image alone; mirrored where they are flipped. */
START_TEST(labelled_crops_at_random)
{
    struct bench b;
    struct sim_labelled s;
    enum { N = 23, PLANE = 3 * 16 * 16 };
    const struct sim_look look = {
        .filter = SIM_RESAMPLE_BICUBIC, .augment = SIM_LOOK_PROBE, .crop_min = 0.08, .seed = 7, .epoch = 3};
    struct sim_look other = look;
    float *all = malloc(sizeof(float) * N * PLANE), *part = malloc(sizeof(float) * N * PLANE);
    int32_t label[N];
    bench_open(&b, N, 1, 3);
    test_ok(sim_loader_open_labelled(&s, &b.loader));
    test_ok(read_range(&s, &look, 0, N, all, label));
    for (int i = 0; i < N; i++) ck_assert_int_eq(label[i], i % 4);
    s.close(s.self);
    b.loader.workers = 1, b.data.cache_mb = 0, b.fake.slow = 1;
    test_ok(sim_loader_open_labelled(&s, &b.loader));
    const int64_t index[] = {22, 5, 5, 0};
    test_ok(s.start(s.self, &look, index, 4, part, label));
    test_ok(s.finish(s.self));
    for (int k = 0; k < 4; k++)
        ck_assert_mem_eq(part + k * PLANE, all + index[k] * PLANE, sizeof(float) * PLANE);
    for (int change = 0; change < 3; change++) { /* nearly every image looks otherwise */
        other = look;
        if (change == 0) other.epoch = 4;
        if (change == 1) other.seed = 8;
        if (change == 2) other.crop_min = 0.5;
        int same = 0;
        test_ok(read_range(&s, &other, 0, N, part, label));
        for (int i = 0; i < N; i++)
            same += memcmp(part + i * PLANE, all + i * PLANE, sizeof(float) * PLANE) == 0;
        ck_assert_int_le(same, 1);
    }
    other = look, other.flip = 1;
    test_ok(read_range(&s, &other, 0, N, part, label));
    for (int row = 0; row < N * 3 * 16; row++)
        for (int column = 0; column < 16; column++)
            ck_assert_float_eq(part[row * 16 + column], all[row * 16 + 15 - column]);
    other.flip = 0.5;
    int flipped = 0;
    for (other.epoch = 0; other.epoch < 20; other.epoch++) {
        struct sim_look bare = other;
        bare.flip = 0;
        test_ok(read_range(&s, &bare, 0, N, all, label));
        test_ok(read_range(&s, &other, 0, N, part, label));
        for (int i = 0; i < N; i++)
            flipped += memcmp(part + i * PLANE, all + i * PLANE, sizeof(float) * PLANE) != 0;
    }
    ck_assert_int_ge(flipped, 180);
    ck_assert_int_le(flipped, 280);
    s.close(s.self);
    free(all);
    free(part);
}
END_TEST

/* A picture of its own coordinates: where the crop lies can be read off its corners.  Area and aspect cover
 * their ranges, sides cut to the image's where the draw is larger. */
static sim_status ramp_read(void *self, int64_t i, struct sim_image *out)
{
    (void)self, (void)i;
    SIM_TRY(sim_image_open(out, 240, 120));
    for (int p = 0; p < 240 * 120; p++)
        out->rgb[3 * p] = (uint8_t)(p % 240), out->rgb[3 * p + 1] = (uint8_t)(p / 240),
                     out->rgb[3 * p + 2] = 0;
    return SIM_OK;
}

START_TEST(labelled_crops_cover_their_range)
{
    struct bench b;
    struct sim_labelled s;
    enum { N = 64, SIDE = 16, PLANE = 3 * SIDE * SIDE };
    struct sim_look look = {
        .filter = SIM_RESAMPLE_BILINEAR, .augment = SIM_LOOK_PROBE, .crop_min = 0.08, .flip = 0};
    float *x = malloc(sizeof(float) * N * PLANE);
    int32_t label[N];
    double area_min = 1, area_max = 0, left_max = 0;
    int full_height = 0;
    bench_open(&b, N, 1, 2);
    b.images.read = ramp_read;
    test_ok(sim_loader_open_labelled(&s, &b.loader));
    for (look.epoch = 0; look.epoch < 10; look.epoch++) {
        test_ok(read_range(&s, &look, 0, N, x, label));
        for (int i = 0; i < N; i++) {
            const float *red = x + i * PLANE + 8 * SIDE, *green = x + i * PLANE + SIDE * SIDE + 8;
            /* between pixels 4 and 11 lie 7/16 of the crop */
            double w = (red[11] - red[4]) * 0.229 * 255 * 16 / 7;
            double h = (green[11 * SIDE] - green[4 * SIDE]) * 0.224 * 255 * 16 / 7;
            double left = (red[4] * 0.229 + 0.485) * 255 - w * 4.5 / 16;
            double area = w * h / (240 * 120);
            area_min = fmin(area_min, area), area_max = fmax(area_max, area), left_max = fmax(left_max, left);
            full_height += h > 117;
            if (h < 117) ck_assert(w / h > 0.75 - 0.12 && w / h < 1.34 + 0.12);
            ck_assert(left > -4 && left + w < 244);
        }
    }
    ck_assert_double_le(area_min, 0.1);
    ck_assert_double_ge(area_max, 0.58); /* 160 x 120: a square image's worth, a third wider */
    ck_assert_double_ge(left_max, 150);
    ck_assert_int_ge(full_height, 200);
    s.close(s.self);
    free(x);
}
END_TEST

/* ------------------------------------------------------------------ the pool */

struct tally {
    _Atomic int64_t sum, tasks;
};

static void add(void *context, int64_t i)
{
    struct tally *t = context;
    t->sum += i;
    t->tasks++;
}

START_TEST(the_pool_runs_every_task_once)
{
    struct sim_pool *p;
    test_ok(sim_pool_open(&p, 3));
    for (int round = 0; round < 50; round++) {
        struct tally t[4] = {0};
        struct sim_job job[4];
        for (int k = 0; k < 4; k++) {
            job[k] = (struct sim_job){.task = add, .context = &t[k], .count = k * 40};
            sim_pool_submit(p, &job[k]);
        }
        sim_pool_cancel(p, &job[2]);
        for (int k = 3; k >= 0; k--) sim_pool_wait(p, &job[k]);
        for (int k = 0; k < 4; k++) {
            if (k == 2) continue;
            ck_assert_int_eq(t[k].tasks, k * 40);
            ck_assert_int_eq(t[k].sum, (int64_t)k * 40 * (k * 40 - 1) / 2);
        }
        ck_assert_int_le(t[2].tasks, 80);
    }
    sim_pool_close(p);
    sim_pool_close(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *training = tcase_create("training"), *scoring = tcase_create("scoring");
    tcase_set_timeout(training, 60);
    tcase_set_timeout(scoring, 60);
    tcase_add_test(training, an_epoch_is_a_permutation);
    tcase_add_test(training, workers_and_order_change_no_byte);
    tcase_add_test(training, batches_of_one_step_per_epoch);
    tcase_add_test(training, one_view_is_the_first_of_two);
    tcase_add_test(training, jobs_tell_of_the_same_views);
    tcase_add_test(training, one_view_is_used_twice);
    tcase_add_test(training, decoded_images_are_cached_within_bounds);
    tcase_add_test(training, a_damaged_image_stops_the_batch_by_name);
    tcase_add_test(training, skipping_replaces_and_counts);
    tcase_add_test(training, skipping_everything_is_an_error);
    tcase_add_test(training, closing_early_is_clean);
    tcase_add_test(training, impossible_requests_are_refused);
    tcase_add_test(scoring, labelled_reads_any_range_alike);
    tcase_add_test(scoring, labelled_policies);
    tcase_add_test(scoring, labelled_follows_torchvisions_rounding);
    tcase_add_test(scoring, labelled_tells_and_filters);
    tcase_add_test(scoring, labelled_crops_at_random);
    tcase_add_test(scoring, labelled_crops_cover_their_range);
    tcase_add_test(scoring, the_pool_runs_every_task_once);
    suite_add_tcase(suite, training);
    suite_add_tcase(suite, scoring);
    return test_run(suite);
}
