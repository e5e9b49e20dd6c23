/* Images with their labels, as scoring reads them: any range alike, policies for damage, crops. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader.h"
#include "made_set.h"
#include "support.h"

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
    b.images.read = wide_read, b.images.read_into = NULL;
    test_ok(sim_loader_open_labelled(&s, &b.loader)); /* 16 * 256 / 224 = 18.3 */
    test_ok(read_range(&s, &plain, 0, 1, x, label));
    s.close(s.self);
    test_ok(wide_read(NULL, 0, &source));
    test_ok(sim_pixels_crop_resize(&source, 0, 0, 0, 33, 50, 27, 18, SIM_RESAMPLE_BICUBIC, resized));
    for (int y = 0; y < 16; y++) memcpy(cropped + y * 48, resized + ((y + 1) * 27 + 6) * 3, 48);
    sim_pixels_normalize(cropped, 16, 16, SIM_NORMALIZE_IMAGENET, want);
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
    b.images.read = ramp_read, b.images.read_into = NULL;
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

int main(void)
{
    Suite *suite = suite_create("labelled");
    TCase *c = tcase_create("scoring");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, labelled_reads_any_range_alike);
    tcase_add_test(c, labelled_policies);
    tcase_add_test(c, labelled_follows_torchvisions_rounding);
    tcase_add_test(c, labelled_tells_and_filters);
    tcase_add_test(c, labelled_crops_at_random);
    tcase_add_test(c, labelled_crops_cover_their_range);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
