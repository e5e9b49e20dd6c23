/* The robustness score through the built program: images in folders whose classes differ by fine stripes,
 * trained and corrupted; the made-up set's own sets; every head; bad input. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "images.h"
#include "rng.h"
#include "status.h"
#include "support.h"
#include "tool.h"

enum { SIDE = 32, CLASSES = 4 };

static const char *folder; /* of the test under way */

static int smoke(const char *format, ...)
{
    char settings[3000];
    va_list args;
    va_start(args, format);
    vsnprintf(settings, sizeof settings, format, args);
    va_end(args);
    return tool("run %s --threads 1 --out %s --set eval.robustness=true %s", smoke_file(), folder, settings);
}

/* Stripes of three pixels along a direction of the class, faint, noisy, on a ground that varies. */
static void draw_stripes(uint8_t *rgb, int label, uint64_t number)
{
    static const int along[CLASSES][2] = {{1, 0}, {0, 1}, {1, 1}, {1, -1}};
    struct sim_rng r = sim_rng_make(3, SIM_PURPOSE_TEST, 0, number, 0);
    const int ground = 90 + (int)sim_rng_below(&r, 70), shift = (int)sim_rng_below(&r, 6);
    for (int i = 0; i < SIDE * SIDE; i++) {
        const int at = along[label][0] * (i % SIDE) + along[label][1] * (i / SIDE) + SIDE + shift;
        for (int k = 0; k < 3; k++)
            rgb[3 * i + k] = (uint8_t)(ground + (at / 3 % 2 ? 40 : -40) + (int)sim_rng_below(&r, 21));
    }
}

/* FOLDER/{train,val}/{n0 .. n3}/NN.png */
static void make_images(void)
{
    uint8_t rgb[SIDE * SIDE * 3];
    char path[900];
    for (int i = 0; i < 160; i++) {
        const char *split = i < 112 ? "train" : "val";
        draw_stripes(rgb, i % CLASSES, (uint64_t)i);
        snprintf(path, sizeof path, "%s/%s/n%d", folder, split, i % CLASSES);
        test_ok(sim_make_folder(path));
        snprintf(path, sizeof path, "%s/%s/n%d/%03d.png", folder, split, i % CLASSES, i);
        test_ok(sim_png_write(path, rgb, SIDE, SIDE));
    }
}

#define STRIPES                                                                                              \
    "--set data.kind=folder --set data.train=%s/train --set data.val=%s/val --set eval.knn=false --set "     \
    "data.val_resize=32 --set eval.logistic_max_iter=100 "

/* The newest record's score of a name, pretrained; borrowed. */
static json_t *score_of(json_t *record, const char *name)
{
    json_t *scores = json_object_get(record, "scores"), *s;
    size_t i;
    json_array_foreach(
        scores, i, s) if (!strcmp(json_string_value(json_object_get(s, "name")), name) &&
                          !strcmp(json_string_value(json_object_get(s, "encoder")), "pretrained")) return s;
    ck_abort_msg("no score %s", name);
    return NULL;
}

static double value_of(json_t *record, const char *name)
{
    return json_number_value(json_object_get(score_of(record, name), "value"));
}

START_TEST(accuracy_falls_with_severity)
{
    double error[5] = {0};
    folder = fresh();
    make_images();
    ck_assert_msg(smoke(STRIPES "--set train.epochs=4", folder, folder) == 0, "%.3000s", said);
    json_t *r = record_of(folder, -1);
    ck_assert_ptr_nonnull(r);
    const double clean = value_of(r, "logistic"), corrupted = value_of(r, "robust_c"),
                 mce = value_of(r, "robust_mce");
    json_t *p = json_object_get(score_of(r, "robust_c"), "protocol"), *errors = json_object_get(p, "errors"),
           *list;
    const char *name;
    ck_assert_uint_eq(json_object_size(errors), 15);
    json_object_foreach(errors, name, list) for (size_t k = 0; k < 5; k++) error[k] +=
        json_number_value(json_array_get(list, k)) / 15;
    ck_assert_msg(clean > 0.8 && corrupted < clean - 0.1, "%g clean, %g corrupted", clean, corrupted);
    for (int k = 1; k < 5; k++)
        ck_assert_msg(error[k] > error[k - 1], "errors by severity: %g %g %g %g %g", error[0], error[1],
                      error[2], error[3], error[4]);
    ck_assert_double_lt(mce, 1);
    ck_assert_str_eq(json_string_value(json_object_get(p, "classifier")), "logistic");
    ck_assert_str_eq(json_string_value(json_object_get(p, "constants")), "32");
    ck_assert_int_eq(json_integer_value(json_object_get(p, "jpeg_quality")), 0);
    json_decref(r);
    expect(1, "robust_mce");
}
END_TEST

/* One corruption of the val images themselves, as folders: read as they are, they are answered like the val
 * images. */
START_TEST(folders_of_the_official_layout)
{
    char from[700], to[700], line[2000];
    folder = fresh();
    make_images();
    snprintf(from, sizeof from, "%s/val", folder);
    snprintf(to, sizeof to, "%s/c/fog", folder);
    test_ok(sim_make_folder(to));
    snprintf(line, sizeof line, "cp -r %s %s/2", from, to);
    ck_assert_int_eq(system(line), 0);
#define FOG STRIPES "--set shift.c=%s/c --set shift.corruptions=fog --set shift.severities=2 "
    expect(smoke(FOG, folder, folder, folder) == 0, "robust_c");
    json_t *r = record_of(folder, -1);
    ck_assert_double_eq(value_of(r, "robust_c"), value_of(r, "logistic"));
    json_decref(r);
    snprintf(line, sizeof line, "rm -r %s/2/n2", to);
    ck_assert_int_eq(system(line), 0);
    expect(smoke(FOG "--fresh", folder, folder, folder) == 1, "fog 2: the class folder 'n2' is missing");
    expect(smoke(FOG "--set shift.corruptions=snow", folder, folder, folder) == 1, "there is no folder");
}
END_TEST

/* Hard images and renditions of some of the classes; one that training does not know is named, as is what is
 * no folder. */
START_TEST(folders_of_other_sets)
{
    char line[2000];
    folder = fresh();
    make_images();
    snprintf(line, sizeof line,
             "cd %s && mkdir a r && cp -r val/n1 val/n3 a && cp -r val/n2 r && cp -r val/n0 r/n9", folder);
    ck_assert_int_eq(system(line), 0);
#define OTHERS STRIPES "--set shift.corruptions=none --set shift.a=%s/a "
    expect(smoke(OTHERS, folder, folder, folder) == 0, "robust_a");
    json_t *r = record_of(folder, -1), *p = json_object_get(score_of(r, "robust_a"), "protocol");
    ck_assert_int_eq(json_integer_value(json_object_get(p, "classes")), 2);
    ck_assert_int_eq(json_integer_value(json_object_get(p, "of")), CLASSES);
    ck_assert_double_ge(value_of(r, "robust_a"),
                        value_of(r, "logistic") - 0.1); /* the same images, fewer answers */
    json_decref(r);
    expect(smoke(OTHERS "--fresh --set shift.r=%s/r", folder, folder, folder, folder) == 1,
           "renditions: the class 'n9' is none of the 4 classes of training");
    expect(smoke(OTHERS "--fresh --set shift.sketch=%s/a", folder, folder, folder, folder) == 1,
           "sketches: the class folder 'n0' is missing; all 4 classes of training are needed");
    expect(smoke(OTHERS "--fresh --set shift.r=%s/nowhere", folder, folder, folder, folder) == 1, "nowhere");
}
END_TEST

START_TEST(every_head_and_the_made_up_sets)
{
    static const char *const heads[] = {
        "linear --set eval.linear=true --set eval.linear_epochs=2 --set eval.linear_warmup_epochs=1 --set "
        "eval.linear_batch_size=16",
        "finetune --set eval.finetune=true --set finetune.epochs=2 --set finetune.warmup_epochs=1 --set "
        "finetune.batch_size=16 --set finetune.from_scratch=false"};
    for (int k = 0; k < 2; k++) {
        folder = fresh();
        expect(smoke("--set shift.corruptions=fog --set shift.severities=1 --set shift.limit_val=20 --set "
                     "shift.procedural_per_class=1 --set eval.robustness_head=%s",
                     heads[k]) == 0,
               "pretrained encoder: robust_sketch top1");
        json_t *r = record_of(folder, -1), *p = json_object_get(score_of(r, "robust_a"), "protocol");
        ck_assert_str_eq(json_string_value(json_object_get(p, "classifier")), k ? "finetune" : "linear");
        ck_assert_int_eq(json_integer_value(json_object_get(p, "classes")), 10);
        ck_assert_int_eq(json_integer_value(json_object_get(p, "of")), 20);
        ck_assert_int_eq(json_integer_value(json_object_get(score_of(r, "robust_c"), "val_images")), 20);
        ck_assert_int_eq(json_integer_value(json_object_get(score_of(r, "robust_sketch"), "val_images")), 20);
        json_decref(r);
    }
    /* the fine-tuned weights by themselves say the same of these images */
    const char *tuned = folder;
    folder = fresh();
    expect(smoke("--set shift.corruptions=fog --set shift.severities=1 --set shift.limit_val=20 --set "
                 "shift.procedural_per_class=1 --set eval.robustness_head=finetune --set eval.finetune=true "
                 "--set finetune.batch_size=16 --set finetune.epochs=0 --set train.epochs=0 --set "
                 "finetune.encoder=%s/smoke/finetune_pretrained/classifier.safetensors",
                 tuned) == 0,
           "pretrained encoder: robust_sketch top1");
    json_t *first = record_of(tuned, -1), *again = record_of(folder, -1);
    static const char *const names[] = {"finetune", "robust_c", "robust_a", "robust_r", "robust_sketch"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_double_eq(json_number_value(json_object_get(score_of(first, names[i]), "value")),
                            json_number_value(json_object_get(score_of(again, names[i]), "value")));
    json_decref(first);
    json_decref(again);
}
END_TEST

START_TEST(bad_input_is_named)
{
    folder = fresh();
    expect(smoke("--set shift.corruptions=fgo") == 1,
           "shift.corruptions: there is no corruption \"fgo\", nearest: fog");
    expect(smoke("--set shift.severities=0") == 1, "shift.severities: severity 0; severities are 1 to 5");
    expect(smoke("--set shift.severities=1,6") == 1, "severity 6");
    expect(smoke("--set eval.logistic=false") == 1, "eval.robustness_head: logistic");
    expect(smoke("--set eval.robustness_head=finetune") == 1, "trained by eval.finetune, and that is false");
    expect(smoke("--set eval.robustness_reference=nowhere.txt") == 1, "\"alexnet\", \"pw-cls\" or a file");
    expect(tool("corrupt fog 0 a.jpg b.png") == 1, "fog: severity 0; severities are 1 to 5");
    expect(tool("corrupt fog 6 a.jpg b.png") == 1, "fog: severity 6; severities are 1 to 5");
    expect(tool("corrupt forst 1 a.jpg b.png") == 1, "nearest: frost");
    expect(tool("corrupt fog 1 a.jpg") == 1, "CORRUPTION SEVERITY IN OUT.png are needed");
    expect(tool("corrupt fog 1 nowhere.jpg b.png") == 1, "nowhere.jpg");
    expect(tool("corrupt fog 1 a.jpg b.png --constants 65") == 1, "--constants 65: it is 224, 64 or 32");
}
END_TEST

START_TEST(a_sheet_has_every_corruption)
{
    uint8_t rgb[SIDE * SIDE * 3];
    char in[700], out[700];
    struct sim_image sheet;
    folder = fresh();
    draw_stripes(rgb, 2, 1);
    snprintf(in, sizeof in, "%s/in.png", folder);
    snprintf(out, sizeof out, "%s/sheet.png", folder);
    test_ok(sim_png_write(in, rgb, SIDE, SIDE));
    expect(tool("corrupt --sheet %s %s --size 32", in, out) == 0, "15 corruptions at severities 1 to 5");
    test_ok(sim_decode_file(out, &sheet));
    ck_assert_int_gt(sheet.height, 15 * 3 * SIDE);
    sim_image_close(&sheet);
    expect(tool("corrupt contrast 5 %s %s", in, out) == 0, "contrast 5 with the constants for 32 px");
    expect(tool("corrupt --help") == 0, "elastic_transform");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("robustness");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, accuracy_falls_with_severity);
    tcase_add_test(t, folders_of_the_official_layout);
    tcase_add_test(t, folders_of_other_sets);
    tcase_add_test(t, every_head_and_the_made_up_sets);
    tcase_add_test(t, bad_input_is_named);
    tcase_add_test(t, a_sheet_has_every_corruption);
    suite_add_tcase(s, t);
    return test_run(s);
}
