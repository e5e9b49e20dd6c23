/* Reading records: what is kept, what is refused and how it is said, what is tolerated. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "records.h"
#include "summary.h"
#include "support.h"

/* A whole record; tests replace a piece of it. */
static const char good[] =
    "{\"schema\": 1, \"experiment\": \"e\", \"name\": \"full\", \"seed\": 3, \"status\": \"ok\", \"reason\": "
    "\"\", "
    "\"config_hash\": \"00000000000000aa\", \"config\": {\"seed\": 3, \"model\": {\"img_size\": 64}, "
    "\"watch\": {\"views\": 2}}, "
    "\"commit\": \"abc\", "
    "\"started\": \"2026-11-23T07:00:00Z\", \"backend\": \"cpu\", \"device\": \"d\", \"threads\": 2, "
    "\"libraries\": {}, "
    "\"data\": {\"train_hash\": \"1\", \"val_hash\": \"2\", \"train_images\": 10, \"val_images\": 5, "
    "\"classes\": 2, \"skipped\": 1}, "
    "\"model\": {\"parameters\": 1, \"trainable\": 1, \"gflop_per_image\": null, \"memory_bytes\": 1}, "
    "\"curve\": [{\"epoch\": 1, \"step\": 5, \"loss\": 0.9, \"grad_norm\": 1.0, \"lr\": 1e-3, \"momentum\": "
    "0.9, \"images_per_s\": 100, "
    "\"gflops\": 1, \"gemm_share\": 0, \"seconds\": 1.0}, {\"epoch\": 2, \"step\": 10, \"loss\": null, "
    "\"grad_norm\": 2.0, \"lr\": 1e-3, "
    "\"momentum\": 0.9, \"images_per_s\": 400, \"gflops\": 1, \"gemm_share\": 0, \"seconds\": 3.0}], "
    "\"scores\": [{\"encoder\": \"pretrained\", \"name\": \"knn\", \"metric\": \"top1\", \"value\": 0.5, "
    "\"standard_error\": 0.1, "
    "\"train_images\": 10, \"val_images\": 5, \"protocol\": {}}], "
    "\"cost\": {\"wall_s\": 9, \"train_s\": 8.5, \"gflop\": 1, \"peak_memory_bytes\": 1}}";

/* `good` with the first `from` replaced by `to`.  The caller frees. */
static char *edited(const char *from, const char *to)
{
    char *out = NULL;
    const char *at = strstr(good, from);
    ck_assert_msg(at != NULL, "the record has no %s", from);
    ck_assert_int_ge(asprintf(&out, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from)), 0);
    return out;
}

static const char *file_of(const char *text)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/records.jsonl", test_scratch());
    test_ok(sim_file_write(path, text, strlen(text)));
    return path;
}

static void expect_error(const char *from, const char *to, const char *sentence)
{
    char *bad = edited(from, to), *both = NULL;
    struct sim_run_records r = {0};
    ck_assert_int_ge(asprintf(&both, "%s\n\n%s\n", good, bad), 0);
    test_fails(sim_run_records_read(&r, file_of(both)), sentence);
    ck_assert_msg(strstr(sim_error_text(), "records.jsonl:3") != NULL, "no line in: %s", sim_error_text());
    ck_assert_int_eq(r.count, 1);
    sim_run_records_close(&r);
    free(bad);
    free(both);
}

START_TEST(what_a_backend_substituted_is_read)
{
    struct sim_run_records r = {0};
    char *text =
        edited("\"threads\": 2, ", "\"threads\": 2, \"driver\": \"13.0\", \"precision\": \"bf16\", "
                                   "\"deterministic\": false, \"substituted\": [\"this\", \"that\"], ");
    test_ok(sim_run_records_read(&r, file_of(text)));
    ck_assert_str_eq(r.records[0].precision, "bf16");
    ck_assert_str_eq(r.records[0].substituted, "this; that");
    ck_assert_int_eq(r.records[0].deterministic, 0);
    sim_run_records_close(&r);
    free(text);
    test_ok(sim_run_records_read(&r, file_of(good))); /* from before: nothing is said, so fp32 on a CPU */
    ck_assert_str_eq(r.records[0].precision, "");
    ck_assert_str_eq(r.records[0].substituted, "");
    ck_assert_int_eq(r.records[0].deterministic, 1);
    sim_run_records_close(&r);
    expect_error("\"threads\": 2, ", "\"threads\": 2, \"precision\": 7, ", "precision");
    expect_error("\"threads\": 2, ", "\"threads\": 2, \"driver\": 7, ", "driver");
    expect_error("\"threads\": 2, ", "\"threads\": 2, \"deterministic\": 1, ", "deterministic");
    expect_error("\"threads\": 2, ", "\"threads\": 2, \"substituted\": \"x\", ", "substituted");
    expect_error("\"threads\": 2, ", "\"threads\": 2, \"substituted\": [3], ", "substituted");
}
END_TEST

START_TEST(fields_are_read)
{
    struct sim_run_records r = {0};
    test_ok(sim_run_records_read(&r, file_of(good))); /* no newline at the end */
    ck_assert_int_eq(r.count, 1);
    const struct sim_run_record *a = &r.records[0];
    ck_assert_str_eq(a->experiment, "e");
    ck_assert_str_eq(a->name, "full");
    ck_assert_str_eq(a->recipe, "{\"model\":{\"img_size\":64}}");
    ck_assert_int_eq(a->seed, 3);
    ck_assert_int_eq(a->skipped, 1);
    ck_assert_double_eq(a->train_s, 8.5);
    ck_assert_int_eq(a->points, 2);
    ck_assert_double_eq(a->curve[0].lr, 1e-3);
    ck_assert(isnan(a->curve[1].loss));
    ck_assert_double_eq(sim_run_images_per_s(a), (100 * 1.0 + 400 * 3.0) / 4.0);
    ck_assert_int_eq(a->score_count, 1);
    ck_assert_double_eq(sim_run_score_find(a, "knn", 1)->value, 0.5);
    ck_assert_ptr_null(sim_run_score_find(a, "knn", 0));
    sim_run_records_close(&r);
}
END_TEST

START_TEST(folders_and_several_files)
{
    struct sim_run_records r = {0};
    char folder[600];
    snprintf(folder, sizeof folder, "%s", file_of(good));
    char *other = edited("\"seed\": 3", "\"seed\": 4");
    test_ok(sim_run_records_read(&r, folder));
    *strrchr(folder, '/') = 0;
    test_ok(sim_run_records_read(&r, folder)); /* the same record once more */
    ck_assert_int_eq(r.count, 1);
    test_ok(sim_run_records_read(&r, file_of(other)));
    ck_assert_int_eq(r.count, 2);
    test_fails(sim_run_records_read(&r, "no/such/file.jsonl"), "no/such/file.jsonl: cannot be opened");
    sim_run_records_close(&r);
    free(other);
}
END_TEST

/* One configuration recorded twice: the later line stands. */
START_TEST(later_record_replaces)
{
    char *again = edited("\"status\": \"ok\"", "\"status\": \"diverged\""), *both = NULL;
    struct sim_run_records r = {0};
    ck_assert_int_ge(asprintf(&both, "%s\n%s\n", again, good), 0);
    test_ok(sim_run_records_read(&r, file_of(both)));
    ck_assert_int_eq(r.count, 1);
    ck_assert_str_eq(r.records[0].status, "ok");
    ck_assert_int_eq(r.records[0].order, 1);
    sim_run_records_close(&r);
    free(again);
    free(both);
}
END_TEST

START_TEST(wrong_fields_are_named)
{
    expect_error("\"schema\": 1", "\"schema\": 2", "schema 2; this program reads schema 1");
    expect_error("\"schema\": 1, ", "", "\"schema\" is missing");
    expect_error("\"name\": \"full\", ", "", "\"name\" is missing; text belongs here");
    expect_error("\"name\": \"full\"", "\"name\": \"\"", "\"name\" is empty");
    expect_error("\"seed\": 3", "\"seed\": \"3\"", "\"seed\" is text; a whole number");
    expect_error("\"seed\": 3", "\"seed\": -3", "\"seed\" is negative");
    expect_error("\"status\": \"ok\"", "\"status\": \"fine\"", "\"status\"");
    expect_error("\"config\": {\"seed\": 3, \"model\": {\"img_size\": 64}, \"watch\": {\"views\": 2}}",
                 "\"config\": 7", "\"config\" is a whole number; an object");
    expect_error("\"trainable\": 1, ", "", "\"model.trainable\" is missing");
    expect_error("\"skipped\": 1", "\"skipped\": 0.5", "\"data.skipped\" is a number; a whole number");
    expect_error("\"grad_norm\": 2.0", "\"grad_norm\": true", "\"curve[1].grad_norm\" is true");
    expect_error("\"epoch\": 2", "\"epoch\": 1", "\"curve[1].epoch\" is not above the one before");
    expect_error("\"curve\": [", "\"curve\": [5, ", "\"curve[0]\" is a whole number; an object");
    expect_error("\"value\": 0.5", "\"value\": 50", "\"scores[0].value\" is out of bounds; a number up to 1");
    expect_error("\"value\": 0.5", "\"value\": null", "\"scores[0].value\" is null");
    expect_error("\"encoder\": \"pretrained\"", "\"encoder\": \"finetuned\"", "\"scores[0].encoder\"");
    expect_error("\"train_s\": 8.5, ", "", "\"cost.train_s\" is missing");
    expect_error("\"seed\": 3,", "\"seed\": 3, \"substituted\": [1],",
                 "\"substituted[0]\" is a whole number; text");
    expect_error("\"seed\": 3,", "\"seed\": 3, \"deterministic\": 1,", "\"deterministic\"");
    expect_error("\"seed\": 3,", "\"seed\": 3, \"seed\": 4,", "duplicate");
    expect_error("\"threads\": 2, ", "\"threads\": 2,, ", "not a record");
    expect_error("\"peak_memory_bytes\": 1}}", "\"peak_memory_bytes\": 1}}}", "not a record");
}
END_TEST

/* A study as the driver writes it goes behind the experiment's name. */
#define STUDY                                                                                                \
    "\"name\": \"full\", \"study\": {\"question\": \"q?\", \"paper\": \"p\", \"scale\": \"mini\", "          \
    "\"axes\": {\"m.momentum\": 0.990, \"m.norm\": \"bn\", \"a.flip\": true}, \"claims\": [{\"id\": "        \
    "\"c1\", "                                                                                               \
    "\"text\": \"t\", \"score\": \"knn\", \"higher\": \"full\", \"lower\": [\"a\", \"b\"]}, {\"id\": "       \
    "\"c2\", \"text\": "                                                                                     \
    "\"\", \"score\": \"knn\", \"higher\": {\"m.momentum\": 0.99, \"m.norm\": \"bn\"}, \"lower\": "          \
    "{\"m.momentum\": "                                                                                      \
    "0}}]}"

START_TEST(studies_are_read)
{
    struct sim_run_records r = {0};
    char *with = edited("\"name\": \"full\"", STUDY);
    test_ok(sim_run_records_read(&r, file_of(with)));
    const struct sim_study *s = &r.records[0].study;
    ck_assert_str_eq(s->question, "q?");
    ck_assert_str_eq(s->scale, "mini");
    ck_assert_int_eq(s->axis_count, 3);
    ck_assert_str_eq(sim_study_axis(s, "m.momentum")->text, "0.99");
    ck_assert_double_eq(sim_study_axis(s, "m.momentum")->number, 0.99);
    ck_assert_str_eq(sim_study_axis(s, "a.flip")->text, "true");
    ck_assert_ptr_null(sim_study_axis(s, "m"));
    ck_assert_int_eq(s->claim_count, 2);
    ck_assert_str_eq(s->claims[0].why, "");
    ck_assert(sim_side_has(&s->claims[0].higher, "full", s) && !sim_side_has(&s->claims[0].lower, "full", s));
    ck_assert(sim_side_has(&s->claims[0].lower, "b", s));
    ck_assert(sim_side_has(&s->claims[1].higher, "any", s) && !sim_side_has(&s->claims[1].lower, "any", s));
    ck_assert_int_eq(r.notes.count, 0);
    sim_run_records_close(&r);
    free(with);
}
END_TEST

START_TEST(wrong_studies_are_named)
{
    static const struct {
        const char *study, *sentence;
    } cases[] = {
        {"7", "\"study\" is a whole number; an object"},
        {"{\"question\": 1}", "\"study.question\" is a whole number; text"},
        {"{\"axes\": []}", "\"study.axes\" is a list; an object"},
        {"{\"claims\": [7]}", "\"study.claims[0]\" is a whole number; an object"},
        {"{\"claims\": [{\"text\": \"\"}]}", "\"study.claims[0].id\" is missing"},
        {"{\"claims\": [{\"id\": \"a\", \"text\": \"\", \"score\": \"knn\", \"higher\": 3, \"lower\": "
         "\"b\"}]}",
         "\"study.claims[0].higher\" is a whole number; a run, a list of runs or axis values"},
        {"{\"claims\": [{\"id\": \"a\", \"text\": \"\", \"score\": \"knn\", \"higher\": [3], \"lower\": "
         "\"b\"}]}",
         "\"study.claims[0].higher[0]\" is a whole number; text"},
        {"{\"claims\": [{\"id\": \"a\", \"text\": \"\", \"score\": \"knn\", \"higher\": \"a\", \"lower\": "
         "\"b\"}, "
         "{\"id\": \"a\", \"text\": \"\", \"score\": \"knn\", \"higher\": \"a\", \"lower\": \"b\"}]}",
         "\"study.claims[1].id\" is that of another claim"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char to[600];
        snprintf(to, sizeof to, "\"name\": \"full\", \"study\": %s", cases[i].study);
        expect_error("\"name\": \"full\"", to, cases[i].sentence);
    }
}
END_TEST

/* Lines and depths without end, and notes without number, are given up in time. */
START_TEST(hostile_growth_is_bounded)
{
    const size_t most = (size_t)64 << 20;
    struct sim_run_records r = {0};
    char *text = malloc(most + 2);
    memset(text, ' ', most + 1);
    text[most + 1] = 0;
    test_fails(sim_run_records_read(&r, file_of(text)),
               "records.jsonl:1: a line of more than 67108864 bytes");
    memset(text, '[', 100000);
    memset(text + 100000, ']', 100000);
    text[200000] = 0;
    test_fails(sim_run_records_read(&r, file_of(text)), "maximum parsing depth reached");
    size_t size = (size_t)sprintf(text, "{");
    for (int i = 0; i < 200000; i++) size += (size_t)sprintf(text + size, "\"x%d\": 0, ", i);
    strcpy(text + size, good + 1);
    test_ok(sim_run_records_read(&r, file_of(text)));
    ck_assert_int_eq(r.count, 1);
    ck_assert_int_eq(r.notes.count, SIM_NOTES_MAX);
    ck_assert_str_eq(r.notes.notes[SIM_NOTES_MAX - 1].text, "further notes are not told");
    sim_run_records_close(&r);
    free(text);
}
END_TEST

START_TEST(records_without_number_are_refused)
{
    char path[600];
    struct sim_run_records r = {0};
    snprintf(path, sizeof path, "%s/records.jsonl", test_scratch());
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    const char *hash = strstr(good, "00000000000000aa");
    for (int i = 0; i <= 5000; i++) fprintf(f, "%.*s%016d%s\n", (int)(hash - good), good, i, hash + 16);
    fclose(f);
    test_fails(sim_run_records_read(&r, path), "records.jsonl:5001: more than 5000 records");
    ck_assert_int_eq(r.count, 5000);
    sim_run_records_close(&r);
}
END_TEST

/* What is worth knowing without being an error: fields of another time, results that a repetition did not
 * find again. */
START_TEST(notes_name_file_and_line)
{
    char *newer = edited("\"seed\": 3", "\"seed\": 4, \"colour\": 1"), *text = NULL, sentence[700];
    char
        *other = edited("\"value\": 0.5", "\"value\": 0.6"),
        *known = edited(
            "\"seed\": 3",
            "\"seed\": 5, \"driver\": \"\", \"precision\": \"bf16\", \"deterministic\": false, \"ranks\": 2, "
            "\"substituted\": [\"a\", \"b\"]");
    struct sim_run_records r = {0};
    ck_assert_int_ge(asprintf(&text, "%s\n%s\n%s\n%s\n%s\n", good, newer, newer, other, known), 0);
    test_ok(sim_run_records_read(&r, file_of(text)));
    ck_assert_int_eq(r.count, 3);
    ck_assert_int_eq(r.notes.count, 2);
    sim_note_text(&r.notes.notes[0], sentence, sizeof sentence);
    ck_assert_ptr_nonnull(
        strstr(sentence, "records.jsonl:2: unknown field \"colour\", not used (and 1 more"));
    sim_note_text(&r.notes.notes[1], sentence, sizeof sentence);
    ck_assert_ptr_nonnull(
        strstr(sentence, "records.jsonl:4: full, seed 3 (ok) replaces the finished record at "));
    ck_assert_str_eq(r.records[2].precision, "bf16");
    ck_assert_str_eq(r.records[2].substituted, "a; b");
    ck_assert_int_eq(r.records[2].deterministic, 0);
    ck_assert_int_eq((int)r.records[2].line, 5);
    sim_run_records_close(&r);
    char *const all[] = {newer, text, other, known};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}
END_TEST

static void expect_cut(const struct sim_run_records *r, const char *place)
{
    char sentence[700];
    ck_assert_int_eq(r->notes.count, 1);
    sim_note_text(&r->notes.notes[0], sentence, sizeof sentence);
    ck_assert_msg(strstr(sentence, place) != NULL, "no \"%s\" in: %s", place, sentence);
}

/* Cut at every byte: a warning with file and line, and the other records; never a crash, never an error. */
START_TEST(cut_lines_are_passed_over)
{
    char *other = edited("\"seed\": 3", "\"seed\": 4"), *text = NULL;
    for (size_t cut = 1; cut < strlen(good); cut += 31) {
        struct sim_run_records r = {0};
        ck_assert_int_ge(asprintf(&text, "%s\n%.*s", other, (int)cut, good), 0);
        test_ok(sim_run_records_read(&r, file_of(text)));
        ck_assert_int_eq(r.count, 1);
        expect_cut(&r, "records.jsonl:2: the line is cut short");
        sim_run_records_close(&r);
        free(text);
        ck_assert_int_ge(asprintf(&text, "%.*s\n%s\n", (int)cut, good, other),
                         0); /* taken up again behind the cut */
        r = (struct sim_run_records){0};
        test_ok(sim_run_records_read(&r, file_of(text)));
        ck_assert_int_eq(r.count, 1);
        expect_cut(&r, "records.jsonl:1: the line is cut short");
        sim_run_records_close(&r);
        free(text);
    }
    free(other);
}
END_TEST

/* ------------------------------------------------------------------ summary */

START_TEST(seeds_are_merged_and_failures_left_out)
{
    struct sim_run_records r = {0};
    struct sim_summaries s;
    test_ok(sim_run_records_read(&r, test_path("results/data/seeds.jsonl")));
    test_ok(sim_summaries_make(&s, &r, NULL));
    ck_assert_int_eq(s.count, 1);
    ck_assert_int_eq(s.experiments[0].count, 3);
    const struct sim_row *full = &s.experiments[0].rows[0], *no_mask = &s.experiments[0].rows[2];
    ck_assert_str_eq(full->label, "siameseim");
    ck_assert_int_eq(full->ok, 3);
    double x[3], u[3], mean = 0, lift = 0, squares = 0, lift_squares = 0;
    for (int i = 0; i < 3; i++) {
        x[i] = sim_run_score_find(full->runs[i], "knn", 1)->value;
        u[i] = sim_run_score_find(full->runs[i], "knn", 0)->value;
        mean += x[i] / 3, lift += (x[i] - u[i]) / 3;
    }
    for (int i = 0; i < 3; i++) squares += pow(x[i] - mean, 2), lift_squares += pow(x[i] - u[i] - lift, 2);
    ck_assert_double_eq_tol(full->pretrained[0].mean, mean, 1e-15);
    ck_assert_double_eq_tol(full->pretrained[0].spread, sqrt(squares / 2), 1e-15);
    ck_assert_double_eq_tol(full->lift[0].mean, lift, 1e-15);
    ck_assert_double_eq_tol(full->lift[0].spread, sqrt(lift_squares / 2), 1e-15);
    ck_assert_int_eq(no_mask->count, 3);
    ck_assert_int_eq(no_mask->ok, 2);
    ck_assert_int_eq(no_mask->loss.n, 2);
    sim_summaries_close(&s);
    test_fails(sim_summaries_make(&s, &r, "nothing"),
               "no record of experiment \"nothing\"; there are: seeds");
    sim_run_records_close(&r);
}
END_TEST

/* One name, two configurations: never averaged. */
START_TEST(configurations_are_kept_apart)
{
    char *other = edited("\"img_size\": 64", "\"img_size\": 32"), *hashed = NULL, *text = NULL;
    ck_assert_int_ge(asprintf(&hashed, "%s", other), 0);
    memcpy(strstr(hashed, "00000000000000aa"), "bbbbbbbbbbbbbbbb", 16);
    ck_assert_int_ge(asprintf(&text, "%s\n%s\n", good, hashed), 0);
    struct sim_run_records r = {0};
    struct sim_summaries s;
    test_ok(sim_run_records_read(&r, file_of(text)));
    test_ok(sim_summaries_make(&s, &r, "e"));
    ck_assert_int_eq(s.experiments[0].count, 2);
    ck_assert_str_eq(s.experiments[0].rows[0].label, "full #000000");
    ck_assert_str_eq(s.experiments[0].rows[1].label, "full #bbbbbb");
    sim_summaries_close(&s);
    sim_run_records_close(&r);
    free(other);
    free(hashed);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("records");
    TCase *c = tcase_create("records");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, fields_are_read);
    tcase_add_test(c, what_a_backend_substituted_is_read);
    tcase_add_test(c, folders_and_several_files);
    tcase_add_test(c, later_record_replaces);
    tcase_add_test(c, wrong_fields_are_named);
    tcase_add_test(c, studies_are_read);
    tcase_add_test(c, wrong_studies_are_named);
    tcase_add_test(c, notes_name_file_and_line);
    tcase_add_test(c, hostile_growth_is_bounded);
    tcase_add_test(c, records_without_number_are_refused);
    tcase_add_test(c, cut_lines_are_passed_over);
    tcase_add_test(c, seeds_are_merged_and_failures_left_out);
    tcase_add_test(c, configurations_are_kept_apart);
    suite_add_tcase(s, c);
    return test_run(s);
}
