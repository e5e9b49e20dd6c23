/* Shifted sets as labelled images: corrupted on the fly, read from folders, and the made-up set's own. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "centre_crop.h"
#include "images.h"
#include "file.h"
#include "procedural_shift.h"
#include "shift_sets.h"
#include "support.h"

enum { SIDE = 32, COUNT = 20 };

static struct sim_shift_config shift_presets(void)
{
    static const struct sim_section section = {"shift", sim_shift_fields, 0, 0, ""};
    struct sim_section filled = section;
    struct sim_shift_config c;
    filled.count = sim_shift_field_count;
    test_ok(sim_fields_preset(&(struct sim_schema){&filled, 1, sizeof c}, &c));
    return c;
}

static struct sim_data_config made_up(void)
{
    return (struct sim_data_config){.kind = SIM_DATA_PROCEDURAL,
                                    .cache_mb = 1,
                                    .procedural_train_per_class = 1,
                                    .procedural_val_per_class = 1,
                                    .procedural_size = 40};
}

static struct sim_shifted open_sets(const struct sim_shift_config *shift, const struct sim_data_config *data,
                                    int workers)
{
    struct sim_shifted s;
    test_ok(sim_shift_sets_open(&s, &(struct sim_shift_sets_config){
                                        .shift = shift, .data = data, .img_size = SIDE, .workers = workers}));
    return s;
}

/* The first `count` images of one set. */
static sim_status read_set(const struct sim_shifted *s, struct sim_shift which, int count, float *x,
                           int32_t *label)
{
    struct sim_labelled set;
    int64_t index[COUNT];
    const struct sim_look look = {.filter = SIM_RESAMPLE_BICUBIC};
    for (int i = 0; i < count; i++) index[i] = i;
    SIM_TRY(s->open(s->self, &which, &set));
    sim_status status = set.start(set.self, &look, index, count, x, label);
    if (status == SIM_OK) status = set.finish(set.self);
    set.close(set.self);
    return status;
}

static float x[COUNT * 3 * SIDE * SIDE], y[COUNT * 3 * SIDE * SIDE];
static int32_t label[COUNT];

START_TEST(made_corruptions_are_those_of_the_crop)
{
    struct sim_shift_config shift = shift_presets();
    struct sim_data_config data = made_up();
    struct sim_shifted s = open_sets(&shift, &data, 2);
    struct sim_image whole, crop;
    float want[3 * SIDE * SIDE];
    ck_assert(s.has[SIM_SHIFT_C] && s.has[SIM_SHIFT_A] && s.has[SIM_SHIFT_R] && s.has[SIM_SHIFT_SKETCH]);
    ck_assert_ptr_nonnull(strstr(s.facts[SIM_SHIFT_C], "\"constants\": \"32\", \"jpeg_quality\": 0"));
    for (int severity = 1; severity <= 5; severity += 4) {
        test_ok(read_set(&s, (struct sim_shift){SIM_SHIFT_C, SIM_SNOW, severity}, COUNT, x, label));
        for (int i = 0; i < COUNT; i++) {
            ck_assert_int_eq(label[i], i);
            test_ok(sim_procedural_scene(&data, SIM_VAL, i, &whole, NULL));
            test_ok(sim_image_open(&crop, SIDE, SIDE));
            test_ok(sim_centre_crop(&whole, (int)sim_centre_resize(0, SIDE), SIDE, SIM_RESAMPLE_BILINEAR,
                                    crop.rgb));
            test_ok(sim_corrupt(&(struct sim_corrupt_job){.corruption = SIM_SNOW,
                                                          .severity = severity,
                                                          .constants = SIM_CONSTANTS_32,
                                                          .index = (uint64_t)i},
                                &crop));
            sim_pixels_normalize(crop.rgb, SIDE, SIDE, SIM_NORMALIZE_IMAGENET, want);
            ck_assert_msg(!memcmp(want, x + (size_t)i * 3 * SIDE * SIDE, sizeof want), "image %d differs", i);
            sim_image_close(&whole), sim_image_close(&crop);
        }
    }
    s.close(s.self);
}
END_TEST

START_TEST(the_number_of_threads_and_the_cache_change_nothing)
{
    struct sim_shift_config shift = shift_presets();
    struct sim_data_config data = made_up();
    shift.jpeg_quality = 85;
    const struct sim_shift which = {SIM_SHIFT_C, SIM_FOG, 3};
    struct sim_shifted s = open_sets(&shift, &data, 1);
    test_ok(read_set(&s, which, COUNT, x, label));
    s.close(s.self);
    data.cache_mb = 0;
    s = open_sets(&shift, &data, 4);
    test_ok(read_set(&s, which, COUNT, y, label));
    ck_assert_int_eq(memcmp(x, y, sizeof x), 0);
    shift.seed = 1;
    s.close(s.self);
    s = open_sets(&shift, &data, 1);
    test_ok(read_set(&s, which, COUNT, y, label));
    ck_assert_int_ne(memcmp(x, y, sizeof x), 0);
    s.close(s.self);
}
END_TEST

/* FOLDER/fog/3/{ant,bee}/0.png, pixels of one level. */
static void make_folder(const char *folder, const char *corruption, int level)
{
    uint8_t rgb[SIDE * SIDE * 3];
    static const char *const classes[] = {"ant", "bee"};
    memset(rgb, level, sizeof rgb);
    for (int k = 0; k < 2; k++) {
        char path[900];
        snprintf(path, sizeof path, "%s/%s/3/%s", folder, corruption, classes[k]);
        test_ok(sim_make_folder(path));
        snprintf(path, sizeof path, "%s/%s/3/%s/0.png", folder, corruption, classes[k]);
        test_ok(sim_png_write(path, rgb, SIDE, SIDE));
    }
}

START_TEST(official_folders_are_read_as_they_are)
{
    struct sim_shift_config shift = shift_presets();
    struct sim_data_config data = {.kind = SIM_DATA_FOLDER};
    uint8_t rgb[3] = {0};
    float want[3];
    snprintf(shift.c, sizeof shift.c, "%s", test_scratch());
    make_folder(shift.c, "fog", 40);
    struct sim_shifted s = open_sets(&shift, &data, 1);
    ck_assert(s.has[SIM_SHIFT_C] && !s.has[SIM_SHIFT_A] && !s.has[SIM_SHIFT_SKETCH]);
    test_ok(read_set(&s, (struct sim_shift){SIM_SHIFT_C, SIM_FOG, 3}, 2, x, label));
    memset(rgb, 40, 3);
    sim_pixels_normalize(rgb, 1, 1, SIM_NORMALIZE_IMAGENET, want);
    ck_assert_float_eq(x[0], want[0]);
    ck_assert_int_eq(label[1], 1);
    test_fails(read_set(&s, (struct sim_shift){SIM_SHIFT_C, SIM_FOG, 2}, 2, x, label), "there is no folder");
    test_fails(read_set(&s, (struct sim_shift){SIM_SHIFT_C, SIM_SNOW, 3}, 2, x, label), "snow/3");
    s.close(s.self);
    snprintf(shift.a, sizeof shift.a, "%.400s/nowhere", shift.c);
    s = open_sets(&shift, &data, 1);
    ck_assert(s.has[SIM_SHIFT_A]);
    test_fails(read_set(&s, (struct sim_shift){.set = SIM_SHIFT_A}, 2, x, label),
               "shift.a: there is no folder");
    s.close(s.self);
}
END_TEST

START_TEST(lists_are_checked)
{
    struct sim_shift_config c = shift_presets();
    int corruptions[SIM_CORRUPTIONS], severities[SIM_SEVERITIES];
    snprintf(c.corruptions, sizeof c.corruptions, "snow, fog");
    snprintf(c.severities, sizeof c.severities, "5,1");
    test_ok(sim_shift_lists(&c, corruptions, severities));
    ck_assert(corruptions[SIM_SNOW] && corruptions[SIM_FOG] && !corruptions[SIM_FROST]);
    ck_assert(severities[0] && !severities[1] && severities[4]);
    snprintf(c.severities, sizeof c.severities, "0");
    test_fails(sim_shift_lists(&c, corruptions, severities),
               "shift.severities: severity 0; severities are 1 to 5");
    snprintf(c.severities, sizeof c.severities, "1,6");
    test_fails(sim_shift_lists(&c, corruptions, severities), "severity 6");
    snprintf(c.severities, sizeof c.severities, "1,two");
    test_fails(sim_shift_lists(&c, corruptions, severities), "\"two\" is no severity");
    c.severities[0] = 0;
    test_fails(sim_shift_lists(&c, corruptions, severities), "shift.severities: empty");
    snprintf(c.corruptions, sizeof c.corruptions, "snow,forst");
    test_fails(sim_shift_lists(&c, corruptions, severities),
               "shift.corruptions: there is no corruption \"forst\", nearest: frost");
}
END_TEST

/* ------------------------------------------------------------------ pw-A, -R and -Sketch */

START_TEST(made_up_sets_have_their_classes)
{
    static const int classes[SIM_SHIFT_SETS] = {0, 10, 10, 20};
    struct sim_data_config data = made_up();
    for (int set = SIM_SHIFT_A; set < SIM_SHIFT_SETS; set++) {
        struct sim_images s;
        struct sim_image a, b;
        test_ok(sim_procedural_shift_open(&s, &data, (enum sim_shift_set)set, 3));
        ck_assert_int_eq(s.classes, classes[set]);
        ck_assert_int_eq(s.count, 3 * classes[set]);
        for (int k = 0; k < s.classes; k++) {
            int known = 0;
            for (int f = 0; f < SIM_PROCEDURAL_FAMILIES; f++)
                known |= !strcmp(s.class_name(s.self, k), sim_procedural_family_name(f));
            ck_assert(known);
        }
        test_ok(s.read(s.self, 7, &a));
        test_ok(s.read(s.self, 7, &b));
        ck_assert_int_eq(memcmp(a.rgb, b.rgb, 40 * 40 * 3), 0);
        sim_image_close(&b);
        test_ok(s.read(s.self, 8, &b));
        ck_assert_int_ne(memcmp(a.rgb, b.rgb, 40 * 40 * 3), 0);
        sim_image_close(&a), sim_image_close(&b);
        test_fails(s.read(s.self, s.count, &a), "is not in 0");
        sim_images_close(&s);
    }
    struct sim_images s;
    test_fails(sim_procedural_shift_open(&s, &data, SIM_SHIFT_A, 0), "shift.procedural_per_class");
}
END_TEST

/* A sketch is white with some black and no colour. */
START_TEST(sketches_are_lines_on_white)
{
    struct sim_data_config data = made_up();
    struct sim_images s;
    test_ok(sim_procedural_shift_open(&s, &data, SIM_SHIFT_SKETCH, 2));
    for (int64_t i = 0; i < s.count; i++) {
        struct sim_image im;
        int white = 0, dark = 0;
        test_ok(s.read(s.self, i, &im));
        for (int p = 0; p < 40 * 40; p++) {
            const uint8_t *v = im.rgb + 3 * p;
            ck_assert(v[0] == v[1] && v[1] == v[2]);
            white += v[0] == 255, dark += v[0] < 100;
        }
        ck_assert_msg(white > 40 * 40 / 2 && dark > 20, "image %d: %d white, %d dark", (int)i, white, dark);
        sim_image_close(&im);
    }
    sim_images_close(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shift_sets");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, made_corruptions_are_those_of_the_crop);
    tcase_add_test(t, the_number_of_threads_and_the_cache_change_nothing);
    tcase_add_test(t, official_folders_are_read_as_they_are);
    tcase_add_test(t, lists_are_checked);
    tcase_add_test(t, made_up_sets_have_their_classes);
    tcase_add_test(t, sketches_are_lines_on_white);
    suite_add_tcase(s, t);
    return test_run(s);
}
