/* What fine-tuning is shown: the draws' distributions (method.md 3.3), and that the loader shows what was
 * drawn. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "finetune_view.h"
#include "loader.h"
#include "rng.h"
#include "support.h"

enum { IMAGES = 20000, SIZE = 32, PLANE = 3 * SIZE * SIZE };

static struct sim_look recipe(void)
{
    return (struct sim_look){.filter = SIM_RESAMPLE_BICUBIC,
                             .augment = SIM_LOOK_FINETUNE,
                             .crop_min = 0.08,
                             .flip = 0.5,
                             .operations = 2,
                             .magnitude = 9,
                             .magnitude_std = 0.5,
                             .erase = 0.25,
                             .seed = 3};
}

/* A proportion within five standard errors. */
static void near(double got, double want, int64_t count, const char *what)
{
    ck_assert_msg(fabs(got - want) < 5 * sqrt(want * (1 - want) / (double)count), "%s: %g instead of %g",
                  what, got, want);
}

START_TEST(draws_have_their_distributions)
{
    const struct sim_look look = recipe();
    int64_t flips = 0, erased = 0, steps = 0, of[SIM_RA_OPS] = {0}, turned = 0, right = 0;
    double magnitude = 0, squares = 0, smallest = 1, largest = 0;
    for (int64_t i = 0; i < IMAGES; i++) {
        struct sim_finetune_view v;
        sim_finetune_view_draw(&look, i, 80, 50, SIZE, &v);
        ck_assert(v.i >= 0 && v.j >= 0 && v.h > 0 && v.w > 0 && v.i + v.h <= 50 && v.j + v.w <= 80);
        double area = v.h * v.w / 4000.0;
        smallest = fmin(smallest, area), largest = fmax(largest, area);
        flips += v.flip, steps += v.steps;
        for (int k = 0; k < v.steps; k++) {
            of[v.step[k].op]++;
            if (v.step[k].op != SIM_RA_ROTATE) continue;
            double m = fabs(v.step[k].value) / 3;
            turned++, right += v.step[k].value < 0, magnitude += m, squares += (m - 9) * (m - 9);
            ck_assert_double_le(m, 10);
        }
        const struct sim_finetune_box *b = &v.erase;
        if (!b->height) continue;
        erased++;
        ck_assert(b->height < SIZE && b->width < SIZE && b->width > 0 && b->top >= 0 && b->left >= 0 &&
                  b->top + b->height <= SIZE && b->left + b->width <= SIZE);
    }
    near((double)flips / IMAGES, 0.5, IMAGES, "flips");
    near((double)erased / IMAGES, 0.25, IMAGES, "erased boxes");
    near((double)steps / (2 * IMAGES), 0.5, 2 * IMAGES, "applied operations");
    for (int op = 0; op < SIM_RA_OPS; op++)
        near((double)of[op] / (double)steps, 1.0 / SIM_RA_OPS, steps, sim_randaugment_names[op]);
    near((double)right / (double)turned, 0.5, turned, "turns to the right");
    /* N(9, 0.5) cut at 10: 0.0043 of mean and 0.009 of variance are lost */
    ck_assert_double_eq_tol(magnitude / (double)turned, 9 - 0.0043, 5 * 0.5 / sqrt((double)turned));
    ck_assert_double_eq_tol(squares / (double)turned, 0.25, 0.03);
    ck_assert_double_le(smallest, 0.09);
    ck_assert_double_ge(largest, 0.82); /* the highest crop of aspect 4/3 has 0.83 */
}
END_TEST

/* Streams of their own: one switched off leaves the others alone; another epoch or seed is another view. */
START_TEST(what_the_draws_depend_on)
{
    struct sim_finetune_view v, w;
    struct sim_look look = recipe(), other;
    int same = 0;
    for (int64_t i = 0; i < 200; i++) {
        sim_finetune_view_draw(&look, i, 80, 50, SIZE, &v);
        other = look, other.operations = 0, other.erase = 1;
        sim_finetune_view_draw(&other, i, 80, 50, SIZE, &w);
        ck_assert(v.i == w.i && v.j == w.j && v.h == w.h && v.w == w.w && v.flip == w.flip);
        ck_assert_int_eq(w.steps, 0);
        ck_assert_int_gt(w.erase.height, 0);
        if (v.erase.height) ck_assert_mem_eq(&v.erase, &w.erase, sizeof v.erase);
        other = look, other.epoch = 1;
        sim_finetune_view_draw(&other, i, 80, 50, SIZE, &w);
        same += v.i == w.i && v.j == w.j && v.h == w.h && v.w == w.w;
        other = look, other.seed = 4;
        sim_finetune_view_draw(&other, i, 80, 50, SIZE, &w);
        same += v.i == w.i && v.j == w.j && v.h == w.h && v.w == w.w;
    }
    ck_assert_int_le(same, 10);
}
END_TEST

static sim_status read_noise(void *self, int64_t i, struct sim_image *out)
{
    struct sim_rng r = sim_rng_make(9, SIM_PURPOSE_TEST, 0, (uint64_t)i, 0);
    (void)self;
    SIM_TRY(sim_image_open(out, 70, 45));
    for (int k = 0; k < 3 * 70 * 45; k++) out->rgb[k] = (uint8_t)sim_rng_below(&r, 256);
    return SIM_OK;
}

static int32_t label_of(void *self, int64_t i)
{
    (void)self;
    return (int32_t)(i % 3);
}

/* The loader's tensor is the view as drawn, normalised, but for the erased box, which is noise of
 * deviation 1. */
START_TEST(the_loader_shows_what_was_drawn)
{
    enum { N = 60 };
    struct sim_images images = {.count = N, .classes = 3, .read = read_noise, .label = label_of};
    struct sim_data_config data = {.cache_mb = 1};
    struct sim_loader_config c = {.images = &images, .data = &data, .img_size = SIZE, .workers = 2};
    struct sim_look look = recipe();
    struct sim_labelled s;
    static float x[N * PLANE], want[PLANE];
    static uint8_t rgb[PLANE];
    int64_t index[N], boxes = 0, noise = 0;
    int32_t label[N];
    double squares = 0;
    look.epoch = 2;
    for (int i = 0; i < N; i++) index[i] = i;
    test_ok(sim_loader_open_labelled(&s, &c));
    test_ok(s.start(s.self, &look, index, N, x, label));
    test_ok(s.finish(s.self));
    for (int64_t i = 0; i < N; i++) {
        struct sim_finetune_view v;
        struct sim_image source;
        test_ok(read_noise(NULL, i, &source));
        sim_finetune_view_draw(&look, i, 70, 45, SIZE, &v);
        test_ok(sim_finetune_view_make(&look, &v, &source, SIZE, rgb));
        sim_pixels_normalize(rgb, SIZE, SIZE, SIM_NORMALIZE_IMAGENET, want);
        boxes += v.erase.height > 0;
        for (int k = 0; k < PLANE; k++) {
            int row = k / SIZE % SIZE - v.erase.top, column = k % SIZE - v.erase.left;
            if (row >= 0 && row < v.erase.height && column >= 0 && column < v.erase.width)
                noise++, squares += pow(x[i * PLANE + k], 2);
            else
                ck_assert_float_eq(x[i * PLANE + k], want[k]);
        }
        sim_image_close(&source);
    }
    ck_assert_int_gt(boxes, 3);
    ck_assert_double_eq_tol(squares / (double)noise, 1, 6 * sqrt(2.0 / (double)noise));
    s.close(s.self);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("finetune view");
    TCase *c = tcase_create("finetune view");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, draws_have_their_distributions);
    tcase_add_test(c, what_the_draws_depend_on);
    tcase_add_test(c, the_loader_shows_what_was_drawn);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
