/* The report: figures in the table, pictures that are pictures, the same bytes twice, names that mean harm.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "report.h"
#include "support.h"
#include "table.h"
#include "text.h"

static char *contents(const char *folder, const char *name, size_t *size)
{
    char path[700], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    test_ok(sim_file_read(path, 1 << 24, &text, &bytes));
    if (size) *size = bytes;
    return text;
}

/* Reports one data file into a fresh folder; what went to the terminal is returned. */
static char *report(const char *data, char folder[600])
{
    char *shown = NULL;
    size_t size = 0;
    const char *path = test_path(data);
    snprintf(folder, 600, "%s/out", test_scratch());
    FILE *terminal = open_memstream(&shown, &size);
    test_ok(sim_results_report(&path, 1, folder, NULL, terminal));
    fclose(terminal);
    return shown;
}

static void expect(const char *text, const char *piece)
{
    ck_assert_msg(strstr(text, piece) != NULL, "no \"%s\" in:\n%.2000s", piece, text);
}

START_TEST(values_show_the_digits_they_have)
{
    static const struct {
        struct sim_stat s;
        double scale;
        int sign;
        const char *shown;
    } cases[] = {{{0, NAN, NAN, NAN}, 100, 0, "–"},
                 {{1, 0.4523, 0.0221, NAN}, 100, 0, "45.2 (2.2)"},
                 {{3, 0.4523, 0.0131, NAN}, 100, 0, "45.2 ± 1.3"},
                 {{3, 0.4523, 0.0, NAN}, 100, 0, "45.2 ± 0.0"},
                 {{2, 0.1234567, 0.0001, NAN}, 100, 0, "12.35 ± 0.01"},
                 {{3, 0.0523, 0.0131, NAN}, 100, 1, "+5.2 ± 1.3"},
                 {{3, -0.0523, 0.0131, NAN}, 100, 1, "-5.2 ± 1.3"},
                 {{1, 0.81234, NAN, NAN}, 1, 0, "0.8123"},
                 {{1, -81.234, NAN, NAN}, 1, 0, "-81.23"},
                 {{1, 0, NAN, NAN}, 1, 0, "0.0"},
                 {{3, 0.81234, 0.0123, NAN}, 1, 0, "0.812 ± 0.012"},
                 {{3, 12345, 321, NAN}, 1, 0, "12345 ± 321"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64];
        sim_table_value(out, sizeof out, cases[i].s, cases[i].scale, cases[i].sign);
        ck_assert_str_eq(out, cases[i].shown);
    }
}
END_TEST

START_TEST(table_holds_the_figures)
{
    char folder[600], *shown = report("results/data/seeds.jsonl", folder),
                      *table = contents(folder, "table.md", NULL);
    expect(table, "| siameseim | 3 | 0.6147 ± 0.0058 | 31.3 ± 1.6 | \\[27.4, 35.2\\] | 16.1 ± 0.3 | +15.2 ± 1.4 | 40.7 ± 1.2 |");
    expect(table, "| no_mask | 2 of 3 |");
    expect(table, "- no_mask, seed 2: diverged, in no figure above: loss is not finite at step 682");
    expect(shown, "31.3 ± 1.6");
    expect(shown, "logistic %");
    expect(shown, "/scores.png");
    free(shown);
    free(table);
    shown = report("results/data/quickstart.jsonl", folder), table = contents(folder, "table.md", NULL);
    expect(table, "| siameseim | 1 | 0.6399 | 26.2 (1.4) | 15.8 (1.2) | +10.4 (1.8) |");
    expect(table, "| untrained | 1 | – | 15.8 (1.2) | 15.8 (1.2) | – |");
    expect(table, "| siameseim | 0 | ok |"); /* where it comes from */
    expect(table, "| 934216e | 2026-11-23T07:00:00Z |");
    free(shown);
    free(table);
}
END_TEST

START_TEST(same_records_same_bytes)
{
    static const char *const names[] = {"table.md", "loss.svg", "loss.png", "scores.svg", "scores.png"};
    char first[600], second[600];
    free(report("results/data/seeds.jsonl", first));
    free(report("results/data/seeds.jsonl", second));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t a_size, b_size;
        char *a = contents(first, names[i], &a_size), *b = contents(second, names[i], &b_size);
        ck_assert_uint_eq(a_size, b_size);
        ck_assert_mem_eq(a, b, a_size);
        if (strstr(names[i], ".png")) ck_assert_mem_eq(a, "\x89PNG", 4);
        if (strstr(names[i], ".svg")) {
            expect(a, "no_relative");
            expect(a, "</svg>");
        }
        free(a);
        free(b);
    }
}
END_TEST

/* Quotes, backticks, macros, markup, escapes, shell and gnuplot commands in names: shown, not obeyed. */
START_TEST(hostile_names)
{
    char folder[600], *shown = report("results/data/hostile.jsonl", folder), where[600];
    ck_assert_ptr_nonnull(getcwd(where, sizeof where));
    ck_assert_int_ne(access("pwned", F_OK), 0);
    ck_assert_ptr_null(strchr(shown, '\x1b'));
    expect(shown, "line break tab [31m");
    char *table = contents(folder, "table.md", NULL), *svg = contents(folder, "loss.svg", NULL);
    expect(table, "\\<b\\>\\&amp;\\|\\`\\*_");
    expect(table, "模型");
    expect(svg, "c`touch pwned`");
    expect(svg, "x_{1}^2 {/Bold *} &lt;b>&amp;amp;|");
    expect(svg, "@macro $(touch pwned) %d %s");
    ck_assert_ptr_null(strstr(svg, "<b>"));
    free(table);
    free(svg);
    free(shown);
}
END_TEST

START_TEST(texts_are_made_safe)
{
    static const struct {
        void (*put)(FILE *, const char *, int);
        int most;
        const char *text, *shown;
    } cases[] = {{sim_text_plain, 9,
                  "a\nb\x7f\xc2\x9b"
                  "c",
                  "a b  c"},
                 {sim_text_plain, 3, "Größe", "Gr…"},
                 {sim_text_plain, 5, "Größe", "Größe"},
                 {sim_text_gnuplot, 20, "it's '", "'it''s '''"},
                 {sim_text_gnuplot, 20, "\xe6\xa8\xa1 \xf0\x9f\x99\x82 \xe2\x80\xa6", "'? ? \xe2\x80\xa6'"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64] = "";
        FILE *to = fmemopen(out, sizeof out, "w");
        cases[i].put(to, cases[i].text, cases[i].most);
        fclose(to);
        ck_assert_str_eq(out, cases[i].shown);
    }
}
END_TEST

/* Two experiments: plots of their own, and --experiment picks one. */
START_TEST(several_experiments)
{
    const char *paths[] = {test_path("results/data/seeds.jsonl"), test_path("results/data/quickstart.jsonl"),
                           test_path("results/data/hostile.jsonl")};
    char folder[600], path[700];
    snprintf(folder, sizeof folder, "%s", test_scratch());
    test_ok(sim_results_report(paths, 3, folder, NULL, NULL));
    static const char *const names[] = {"loss-seeds.svg", "scores-quickstart.png",
                                        "loss-exp____touch_pwned____.3.svg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        ck_assert_msg(access(path, R_OK) == 0, "no %s", path);
    }
    snprintf(folder, sizeof folder, "%s", test_scratch());
    test_ok(sim_results_report(paths, 3, folder, "seeds", NULL));
    snprintf(path, sizeof path, "%s/loss.png", folder);
    ck_assert_int_eq(access(path, R_OK), 0);
    test_fails(sim_results_report(paths, 3, folder, "other", NULL), "there are: seeds, quickstart, exp");
}
END_TEST

START_TEST(without_gnuplot_the_table_stands)
{
    const char *path = test_path("results/data/seeds.jsonl");
    char folder[600];
    snprintf(folder, sizeof folder, "%s", test_scratch());
    setenv("PATH", folder, 1);
    test_fails(sim_results_report(&path, 1, folder, NULL, NULL), "gnuplot");
    expect(sim_error_text(), "apt-get install gnuplot-nox");
    free(contents(folder, "table.md", NULL));
}
END_TEST

START_TEST(plots_of_one_run)
{
    const char *data = test_path("results/data/seeds.jsonl"),
               *quick = test_path("results/data/quickstart.jsonl");
    char folder[600];
    snprintf(folder, sizeof folder, "%s/new", test_scratch());
    test_ok(
        sim_results_plot_run(data, "seeds", "no_mask", 2, folder)); /* diverged: what there is of its curve */
    char *svg = contents(folder, "curves.svg", NULL);
    expect(svg, "learning rate");
    expect(svg, "seed 2, diverged");
    free(svg);
    free(contents(folder, "curves.png", NULL));
    test_fails(sim_results_plot_run(data, "seeds", "no_mask", 7, folder),
               "no record of experiment seeds, run no_mask, seed 7");
    test_fails(sim_results_plot_run(quick, "quickstart", "untrained", 0, folder), "no training curve");
}
END_TEST

static int run(const char *a, const char *b, const char *c, const char *d)
{
    char words[5][700] = {"report"};
    const char *given[] = {a, b, c, d};
    char *argv[6] = {words[0]};
    int argc = 1;
    for (int i = 0; i < 4 && given[i]; i++) {
        snprintf(words[argc], sizeof words[argc], "%s", given[i]);
        argv[argc] = words[argc];
        argc++;
    }
    return sim_results_main(argc, argv);
}

START_TEST(subcommand)
{
    char out[600];
    snprintf(out, sizeof out, "%s", test_scratch());
    const char *data = test_path("results/data/quickstart.jsonl");
    ck_assert_int_eq(run("--help", NULL, NULL, NULL), 0);
    ck_assert_int_eq(run(NULL, NULL, NULL, NULL), 2);
    ck_assert_int_eq(run(data, NULL, NULL, NULL), 2);
    ck_assert_int_eq(run(data, "--out", NULL, NULL), 2);
    ck_assert_int_eq(run(data, "--nonsense", NULL, NULL), 2);
    ck_assert_int_eq(run("no/such/file", "--out", out, NULL), 1);
    ck_assert_int_eq(run(data, "--out", out, NULL), 0);
    free(contents(out, "table.md", NULL));
    ck_assert_int_eq(run("--out", out, data, "--experiment=nothing"), 1);
    ck_assert_int_eq(run(data, "--out", "/dev/null/x", NULL), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("report");
    TCase *c = tcase_create("report");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, values_show_the_digits_they_have);
    tcase_add_test(c, table_holds_the_figures);
    tcase_add_test(c, same_records_same_bytes);
    tcase_add_test(c, hostile_names);
    tcase_add_test(c, texts_are_made_safe);
    tcase_add_test(c, several_experiments);
    tcase_add_test(c, without_gnuplot_the_table_stands);
    tcase_add_test(c, plots_of_one_run);
    tcase_add_test(c, subcommand);
    suite_add_tcase(s, c);
    return test_run(s);
}
