/* The few-shot score: its rows and optimum against the golden truth, and the splits it is fitted to. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "progress.h"
#include "scores.h"
#include "split.h"
#include "support.h"

static struct sim_eval_config config(void)
{
    struct sim_eval_config c;
    struct sim_section section = {.prefix = "eval", .fields = sim_eval_fields, .count = sim_eval_field_count};
    struct sim_schema schema = {.sections = &section, .count = 1, .size_bytes = sizeof c};
    test_ok(sim_fields_preset(&schema, &c));
    return c;
}

/* ------------------------------------------------------------------ the classifier */

static struct sim_features golden_features(json_t *golden)
{
    struct sim_features f = {.count = (int64_t)json_integer_value(json_object_get(golden, "n")),
                             .dim = (int)json_integer_value(json_object_get(golden, "d")),
                             .classes = (int)json_integer_value(json_object_get(golden, "k"))};
    f.x = malloc((size_t)(f.count * f.dim) * sizeof *f.x);
    f.label = malloc((size_t)f.count * sizeof *f.label);
    for (int64_t i = 0; i < f.count; i++) {
        json_t *row = json_array_get(json_object_get(golden, "X"), (size_t)i);
        for (int j = 0; j < f.dim; j++)
            f.x[i * f.dim + j] = (float)json_number_value(json_array_get(row, (size_t)j));
        f.label[i] = (int32_t)json_integer_value(json_array_get(json_object_get(golden, "y"), (size_t)i));
    }
    return f;
}

/* From raw features, under the presets, to the golden optimum. */
START_TEST(golden_optimum)
{
    json_error_t error;
    json_t *golden = json_load_file(test_path("golden/eval/logreg.json"), 0, &error);
    ck_assert_msg(golden != NULL, "%s", error.text);
    struct sim_features train = golden_features(golden), val = golden_features(golden);
    struct sim_eval_config c = config();
    struct sim_score s;
    test_ok(sim_score_few_shot(&train, &val, &c, "\"split\": \"list\"", NULL, &s));
    json_t *protocol = json_loads(s.protocol, 0, &error);
    ck_assert_msg(protocol != NULL, "%s: %s", s.protocol, error.text);
    ck_assert_double_eq_tol(json_number_value(json_object_get(protocol, "objective")),
                            json_number_value(json_object_get(golden, "objective")), 1e-7);
    ck_assert_double_eq_tol(json_number_value(json_object_get(protocol, "weight_norm")),
                            json_number_value(json_object_get(golden, "W_fro")), 1e-3);
    ck_assert_str_eq(json_string_value(json_object_get(protocol, "stopped")), "tolerance");
    ck_assert_str_eq(json_string_value(json_object_get(protocol, "features")), "cls");
    ck_assert_double_eq(s.value, json_number_value(json_object_get(golden, "train_acc")));
    ck_assert_int_eq(s.train_images, train.count);
    json_decref(protocol);
    json_decref(golden);
    sim_features_close(&train);
    sim_features_close(&val);
}
END_TEST

/* A row whose numbers are equal has no direction once it is centred. */
START_TEST(rows_without_direction)
{
    float x[] = {1, 2, 3, 3, 2, 1, 5, 5, 5}, v[] = {7, 7, 7, 10, 20, 30};
    int32_t y[] = {0, 1, 1}, want[] = {1, 0};
    struct sim_features train = {.count = 3, .dim = 3, .classes = 2, .x = x, .label = y};
    struct sim_features val = {.count = 2, .dim = 3, .classes = 2, .x = v, .label = want};
    struct sim_eval_config c = config();
    volatile sig_atomic_t stop = 0;
    struct sim_score s;
    test_ok(sim_score_few_shot(&train, &val, &c, "\"split\": \"list\"", &stop, &s));
    ck_assert(strstr(s.protocol, "\"zero_rows\": 2") != NULL);
    ck_assert_double_eq_tol(x[0], -sqrt(0.5), 1e-7);
    ck_assert_float_eq(x[7], 0);
    ck_assert_double_eq(s.value, 0.5); /* the row of zeros is a tie: class 0 */
    stop = 1;
    ck_assert_int_eq(sim_score_few_shot(&train, &val, &c, "\"split\": \"list\"", &stop, &s), SIM_EINTERRUPT);
    x[1] = INFINITY;
    test_fails(sim_score_few_shot(&train, &val, &c, "", NULL, &s), "feature 1 of train row 0");
}
END_TEST

/* ------------------------------------------------------------------ splits */

/* Ten classes of `each` images, as an archive names them, sorted by class. */
static int64_t each = 100;

static int32_t label_of(void *self, int64_t i)
{
    (void)self;
    return (int32_t)(i / each);
}

static void name_of(void *self, int64_t i, char *name, int size)
{
    (void)self;
    /* p00.png is in every class, the others in one */
    snprintf(name, (size_t)size, "set.tar: train/n%02d/p%02d%s.png", (int)(i / each), (int)(i % each),
             i % each ? (char[]){'a', (char)('a' + i / each), 0} : "");
}

static const char *class_of(void *self, int label)
{
    static const char *const names[] = {"n00", "n01", "n02", "n03", "n04", "n05", "n06", "n07", "n08", "n09"};
    (void)self;
    return names[label];
}

static struct sim_labelled set_of(int64_t images)
{
    return (struct sim_labelled){
        .images = images, .classes = 10, .label = label_of, .name = name_of, .class_name = class_of};
}

static void histogram(const struct sim_split *s, int count[10])
{
    memset(count, 0, 10 * sizeof *count);
    for (int64_t k = 0; k < s->count; k++) {
        count[s->index[k] / each]++;
        if (k) ck_assert_int_gt(s->index[k], s->index[k - 1]);
    }
}

START_TEST(drawn_splits_are_balanced)
{
    const struct sim_labelled set = set_of(1000);
    struct sim_split one, again, more, other;
    int n[10], plus = 0;
    test_ok(sim_split_draw(&one, &set, 2.5, 0, 0));
    ck_assert_int_eq(one.count, 25);
    histogram(&one, n);
    for (int c = 0; c < 10; c++) {
        ck_assert(n[c] == 2 || n[c] == 3);
        plus += n[c] == 3;
    }
    ck_assert_int_eq(plus, 5);
    test_ok(sim_split_draw(&again, &set, 2.5, 0, 0));
    ck_assert_str_eq(one.hash, again.hash);
    ck_assert_mem_eq(one.index, again.index, 25 * sizeof *one.index);
    test_ok(sim_split_draw(&other, &set, 2.5, 0, 1));
    ck_assert_str_ne(one.hash, other.hash);
    test_ok(sim_split_draw(&more, &set, 1, 7, 0)); /* k shots go before the percentage */
    histogram(&more, n);
    for (int c = 0; c < 10; c++) ck_assert_int_eq(n[c], 7);
    for (int64_t k = 0, at = 0; k < one.count; k++) { /* contained in the larger one */
        while (at < more.count && more.index[at] < one.index[k]) at++;
        ck_assert(at < more.count && more.index[at] == one.index[k]);
    }
    sim_split_close(&one), sim_split_close(&again), sim_split_close(&more), sim_split_close(&other);
    test_ok(sim_split_draw(&one, &set, 100, 0, 0));
    ck_assert_int_eq(one.count, 1000);
    sim_split_close(&one);
}
END_TEST

START_TEST(splits_that_cannot_be_drawn)
{
    const struct sim_labelled set = set_of(1000);
    struct sim_split s;
    test_fails(sim_split_draw(&s, &set, 0.94, 0, 0),
               "0.94 % of 1000 images are 9, which leaves some of the 10 classes without one; at least 1 %");
    test_fails(sim_split_draw(&s, &set, 1, 101, 0), "few_shot_per_class: class n00 has 1 images fewer");
    const struct sim_labelled uneven = set_of(905); /* class n09 has 5 */
    test_fails(sim_split_draw(&s, &uneven, 10, 0, 0), "few_shot_percent: class n09 has ");
    ck_assert_ptr_null(s.index);
    sim_split_close(&s);
}
END_TEST

static const char *write_list(const char *text)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/list.txt", test_scratch());
    test_ok(sim_file_write(path, text, strlen(text)));
    return path;
}

/* Paths, tails of paths and bare file names; empty lines, Windows line ends, no newline at the end. */
START_TEST(lists_are_read)
{
    const struct sim_labelled set = set_of(1000);
    struct sim_split s;
    char text[800];
    int n = snprintf(text, sizeof text,
                     "n03/p00.png\r\n\n  train/n00/p00.png \nset.tar: train/n01/p00.png\np07aj.png");
    for (int c = 2; c < 9; c++)
        if (c != 3) n += snprintf(text + n, sizeof text - (size_t)n, "\nn%02d/p05a%c.png", c, 'a' + c);
    test_ok(sim_split_read(&s, &set, write_list(text)));
    const int64_t want[] = {0, 100, 205, 300, 405, 505, 605, 705, 805, 907};
    ck_assert_int_eq(s.count, 10);
    ck_assert_mem_eq(s.index, want, sizeof want);
    sim_split_close(&s);
}
END_TEST

START_TEST(bad_lists_are_told)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "list.txt lists no image"},
        {"\n \r\n\t\n", "list.txt lists no image"},
        {"n00/p00.png\nn00/p00.jpg\n", "list.txt:2: n00/p00.jpg is none of the 1000 training images"},
        {"x\nn00/p00.png\ny\n", "list.txt:1: x is none of the 1000 training images, such as set.tar: "
                                "train/n00/p00.png (the first of 2"},
        {"00/p00.png\n", "list.txt:1: 00/p00.png is none"}, /* a part of a path is whole */
        {"n00/p03aa.png\n\np00.png\n",
         "list.txt:3: p00.png may be set.tar: train/n00/p00.png or set.tar: train/n01"},
        {"n00/p03aa.png\np04aa.png\np03aa.png\n", "list.txt:3: p03aa.png was named in line 1 already"},
        {"n00/p00.png\n", "none of its 1 images is of class n01"},
    };
    const struct sim_labelled set = set_of(1000);
    struct sim_split s;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const char *path = write_list(cases[k].text);
        test_fails(sim_split_read(&s, &set, path), cases[k].says);
        test_fails(sim_split_read(&s, &set, path), "eval.few_shot_list: ");
        ck_assert_ptr_null(s.index);
    }
    char path[600];
    snprintf(path, sizeof path, "%s/zero.txt", test_scratch());
    test_ok(sim_file_write(path, "n00/p00.png\na\0b\n", 16));
    test_fails(sim_split_read(&s, &set, path), "zero.txt:2: a zero byte");
    test_fails(sim_split_read(&s, &set, "no/such/list.txt"), "no/such/list.txt");
}
END_TEST

int main(void)
{
    sim_progress_quiet(1);
    Suite *s = suite_create("few_shot");
    TCase *c = tcase_create("few-shot");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, golden_optimum);
    tcase_add_test(c, rows_without_direction);
    tcase_add_test(c, drawn_splits_are_balanced);
    tcase_add_test(c, splits_that_cannot_be_drawn);
    tcase_add_test(c, lists_are_read);
    tcase_add_test(c, bad_lists_are_told);
    suite_add_tcase(s, c);
    return test_run(s);
}
