/* Claims, sweeps and the page, over made-up records whose answers are known. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beside.h"
#include "claims.h"
#include "file.h"
#include "made.h"
#include "report.h"
#include "support.h"
#include "svg.h"
#include "sweep.h"

#define CLAIM(id, higher, lower)                                                                             \
    "{\"id\": \"" id "\", \"text\": \"<" id                                                                  \
    "> & 'co'\", \"score\": \"knn\", \"why\": \"\\\"because\\\"\", \"higher\": " higher                      \
    ", \"lower\": " lower "}"
#define CLAIMS                                                                                               \
    "[" CLAIM("up", "\"m0.99\"", "\"m0\"") ", " CLAIM("down", "\"m0\"", "\"m0.99\"") ", " CLAIM(             \
        "open", "\"m0.9\"",                                                                                  \
        "{\"a.momentum\": 0.5}") ", " CLAIM("few", "\"m1\"",                                                 \
                                            "\"m0\"") ", " CLAIM("absent", "\"nobody\"",                     \
                                                                 "\"m0\"") ", " CLAIM("group",               \
                                                                                      "[\"m0.9\","           \
                                                                                      " \"m0."               \
                                                                                      "99\"]",               \
                                                                                      "{\"a."                \
                                                                                      "momentum\""           \
                                                                                      ": 0}") "]"

/* Five values of one axis over four seeds; m1 has two. */
static const char *momentum_file(void)
{
    static char path[700];
    static const double values[] = {0, 0.5, 0.9, 0.99, 1}, scores[] = {0.20, 0.251, 0.25, 0.30, 0.22};
    snprintf(path, sizeof path, "%s/records.jsonl", test_scratch());
    FILE *to = fopen(path, "w");
    ck_assert_ptr_nonnull(to);
    for (int v = 0; v < 5; v++)
        for (int seed = 0; seed < (v == 4 ? 2 : 4); seed++) {
            char name[32], study[2000];
            snprintf(name, sizeof name, "m%g", values[v]);
            snprintf(study, sizeof study,
                     "{\"question\": \"How slow <script>alert(1)</script>?\", \"paper\": \"p\", \"scale\": "
                     "\"mini\", \"axes\": {\"a.momentum\": %g}, \"claims\": %s}",
                     values[v], CLAIMS);
            made_put(to, &(struct made){.experiment = "momentum",
                                        .name = name,
                                        .study = study,
                                        .seed = seed,
                                        .knn = scores[v] + 0.01 * made_noise(seed + v),
                                        .logistic = 0.4});
        }
    fclose(to);
    return path;
}

static void open_all(const char *path, struct sim_run_records *r, struct sim_summaries *s)
{
    *r = (struct sim_run_records){0};
    test_ok(sim_run_records_read(r, path));
    test_ok(sim_summaries_make(s, r, NULL));
}

static void close_all(struct sim_run_records *r, struct sim_summaries *s)
{
    sim_summaries_close(s);
    sim_run_records_close(r);
}

static const struct sim_claim_result *result(const struct sim_claim_results *all, const char *id)
{
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->results[i].claim->id, id) == 0) return &all->results[i];
    ck_abort_msg("no claim %s", id);
    return NULL;
}

START_TEST(verdicts)
{
    struct sim_run_records r;
    struct sim_summaries s;
    struct sim_claim_results all;
    open_all(momentum_file(), &r, &s);
    ck_assert_str_eq(s.experiments[0].title, "momentum (mini)");
    test_ok(sim_claims_judge(&all, &s.experiments[0]));
    const struct sim_claim_result *up = result(&all, "up"), *down = result(&all, "down"),
                                  *open = result(&all, "open"), *few = result(&all, "few"),
                                  *absent = result(&all, "absent"), *group = result(&all, "group");
    double d[4]; /* by hand: seed by seed */
    for (int i = 0; i < 4; i++) d[i] = 0.1 + 0.01 * (made_noise(i + 3) - made_noise(i));
    struct sim_sample expected = sim_sample_of(d, 4);
    ck_assert_int_eq(up->verdict, SIM_SUPPORTED);
    ck_assert_double_eq_tol(up->difference.mean, expected.mean, 1e-6);
    ck_assert_double_eq_tol(up->difference.low, expected.low, 1e-6);
    ck_assert_double_eq_tol(up->p, sim_t_test(expected), 1e-6);
    ck_assert_double_eq_tol(up->permutation, 2 / 16.0, 1e-12);
    ck_assert_int_eq(down->verdict, SIM_CONTRADICTED);
    ck_assert_double_eq_tol(down->difference.mean, -expected.mean, 1e-6);
    ck_assert_int_eq(open->verdict, SIM_NOT_DECIDED);
    ck_assert(open->more_seeds > 0 || strstr(open->outlook, "no number of seeds"));
    ck_assert_int_eq(few->verdict, SIM_TOO_FEW_SEEDS);
    ck_assert_int_eq(few->difference.n, 2);
    ck_assert_int_ge(few->more_seeds, 1);
    ck_assert_int_eq(absent->verdict, SIM_TOO_FEW_SEEDS);
    ck_assert_str_eq(absent->outlook, "no record of nobody");
    ck_assert_int_eq(group->verdict, SIM_SUPPORTED);
    ck_assert_int_eq(group->difference.n, 4);
    ck_assert(up->holm >= up->p && down->holm >= down->p && isnan(few->holm));
    sim_claims_close(&all);
    close_all(&r, &s);
}
END_TEST

START_TEST(scores_that_claims_name)
{
    struct sim_run_records r;
    struct sim_summaries s;
    open_all(momentum_file(), &r, &s);
    const struct sim_run_record *one = &r.records[0];
    double knn = sim_run_score_find(one, "knn", 1)->value;
    ck_assert_double_eq(sim_run_score_value(one, "knn"), knn);
    ck_assert_double_eq(sim_run_score_value(one, "knn pretrained"), knn);
    ck_assert_double_eq(sim_run_score_value(one, "knn untrained"), 0.05);
    ck_assert_double_eq(sim_run_score_value(one, "knn lift"), knn - 0.05);
    ck_assert(isnan(sim_run_score_value(one, "linear")) && isnan(sim_run_score_value(one, "lift")));
    /* of a run that pre-trains nothing, the untrained encoder is its own */
    struct sim_run_score only = {.name = "finetune", .encoder = "untrained", .value = 0.74};
    struct sim_run_record scratch = {.scores = &only, .score_count = 1};
    ck_assert_double_eq(sim_run_score_value(&scratch, "finetune"), 0.74);
    ck_assert(isnan(sim_run_score_value(&scratch, "finetune pretrained")));
    scratch.epochs = 3;
    ck_assert(isnan(sim_run_score_value(&scratch, "finetune")));
    close_all(&r, &s);
}
END_TEST

/* What others published of runs of this name stands beside ours; what is of no run or no score does not. */
START_TEST(published_runs_beside_ours)
{
    struct sim_run_records r;
    struct sim_summaries s;
    struct sim_grid g;
    char ours[40];
    open_all(momentum_file(), &r, &s);
    const struct sim_row *row = &s.experiments[0].rows[0];
    const struct sim_paper_cell known = {.table = s.experiments[0].experiment,
                                         .row = row->runs[0]->name,
                                         .column = "knn",
                                         .method = "m",
                                         .value = 12.25,
                                         .has_value = 1,
                                         .unit = "% top-1",
                                         .source = "somebody"};
    struct sim_paper_cell cells[] = {known, known, known, known};
    cells[0].column = "linear", cells[1].row = "nobody", cells[2].table = "elsewhere";
    test_ok(sim_beside_runs(&g, &(struct sim_paper){.cells = cells, .cell_count = 4}, &s.experiments[0]));
    ck_assert_int_eq(g.rows, 2);
    ck_assert_str_eq(sim_grid_text(&g, 1, 0), row->runs[0]->name);
    ck_assert_str_eq(sim_grid_text(&g, 1, 2), "12.25");
    snprintf(ours, sizeof ours, "%.2f (%.2f)", 100 * row->pretrained[0].mean,
             100 * row->pretrained[0].spread);
    ck_assert_str_eq(sim_grid_text(&g, 1, 3), ours);
    snprintf(ours, sizeof ours, "%+.2f", 100 * row->pretrained[0].mean - 12.25);
    ck_assert_str_eq(sim_grid_text(&g, 1, 4), ours);
    ck_assert_str_eq(sim_grid_text(&g, 1, 6), "somebody");
    sim_grid_close(&g);
    test_ok(sim_beside_runs(&g, &(struct sim_paper){.cells = cells, .cell_count = 3}, &s.experiments[0]));
    ck_assert_int_eq(g.rows, 0);
    close_all(&r, &s);
}
END_TEST

START_TEST(sweeps_along_axes)
{
    struct sim_run_records r;
    struct sim_summaries s;
    struct sim_sweeps w;
    open_all(momentum_file(), &r, &s);
    test_ok(sim_sweeps_make(&w, &s.experiments[0]));
    ck_assert_int_eq(w.count, 1);
    ck_assert_str_eq(w.sweeps[0].name, "momentum");
    ck_assert(w.sweeps[0].numeric && w.sweeps[0].even); /* 0.99 and 1 would touch on a true scale */
    ck_assert_int_eq(w.sweeps[0].value_count, 5);
    ck_assert_str_eq(w.sweeps[0].values[4]->text, "1");
    ck_assert_int_eq(w.sweeps[0].line_count, 1);
    ck_assert_int_eq(w.sweeps[0].lines[0].rows[3]->count, 4);
    struct sim_paper_cell cell = {
        .table = "momentum", .row = "0.990", .column = "c", .method = "m", .value = 1, .has_value = 1};
    ck_assert_int_eq(sim_beside_place(&cell, &s.experiments[0], &w.sweeps[0]), 3);
    cell.table = "a.momentum", cell.row = "1.0";
    ck_assert_int_eq(sim_beside_place(&cell, &s.experiments[0], &w.sweeps[0]), 4);
    cell.row = "0.3";
    ck_assert_int_eq(sim_beside_place(&cell, &s.experiments[0], &w.sweeps[0]), -1);
    cell.row = "1", cell.has_value = 0;
    ck_assert_int_eq(sim_beside_place(&cell, &s.experiments[0], &w.sweeps[0]), -1);
    sim_sweeps_close(&w);
    close_all(&r, &s);
}
END_TEST

/* A grid of a named and a numeric axis: two sweeps, with a line for every value of the other. */
START_TEST(grids_of_axes)
{
    char path[700], study[200];
    struct sim_run_records r;
    struct sim_summaries s;
    struct sim_sweeps w;
    snprintf(path, sizeof path, "%s/records.jsonl", test_scratch());
    FILE *to = fopen(path, "w");
    static const char *const kinds[] = {"random", "block"};
    for (int k = 0; k < 2; k++)
        for (int v = 1; v <= 3; v++) {
            char name[32];
            snprintf(name, sizeof name, "%s-%d", kinds[k], v);
            snprintf(study, sizeof study, "{\"axes\": {\"mask.kind\": \"%s\", \"mask.ratio\": 0.%d}}",
                     kinds[k], v);
            made_put(to, &(struct made){.name = name, .study = study, .knn = 0.2, .logistic = 0.3});
        }
    fclose(to);
    open_all(path, &r, &s);
    test_ok(sim_sweeps_make(&w, &s.experiments[0]));
    ck_assert_int_eq(w.count, 2);
    ck_assert(!w.sweeps[0].numeric && w.sweeps[1].numeric && !w.sweeps[1].even);
    ck_assert_int_eq(w.sweeps[0].line_count, 3);
    ck_assert_str_eq(w.sweeps[0].lines[1].label, "ratio 0.2");
    ck_assert_int_eq(w.sweeps[1].line_count, 2);
    ck_assert_str_eq(w.sweeps[1].lines[1].label, "kind block");
    ck_assert_double_eq(sim_sweep_position(&w.sweeps[1], 2), 0.3);
    sim_sweeps_close(&w);
    close_all(&r, &s);
}
END_TEST

/* ------------------------------------------------------------------ the page */

static char *contents(const char *folder, const char *name)
{
    char path[800], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    test_ok(sim_file_read(path, 1 << 24, &text, &size));
    return text;
}

static void expect(const char *text, const char *piece)
{
    ck_assert_msg(strstr(text, piece) != NULL, "no \"%s\" in:\n%.3000s", piece, text);
}

START_TEST(page_is_whole_and_harmless)
{
    char first[600], second[600];
    const char *path = momentum_file();
    snprintf(first, sizeof first, "%s", test_scratch());
    snprintf(second, sizeof second, "%s", test_scratch());
    test_ok(sim_results_report(&path, 1, first, NULL, NULL));
    test_ok(sim_results_report(&path, 1, second, NULL, NULL));
    char *page = contents(first, "index.html");
    expect(page, "How slow &lt;script&gt;alert(1)&lt;/script&gt;?");
    expect(page, "&lt;up&gt; &amp; &#39;co&#39;");
    expect(page, "<td class=\"text supported\">supported</td>");
    expect(page, "Why: &quot;because&quot;");
    expect(page, "name=\"viewport\"");
    expect(page, "prefers-color-scheme:dark");
    expect(page, "records.jsonl:3"); /* where a figure comes from */
    expect(page, "id=\"e0-r1\"");
    expect(page, "href=\"#e0-r1\"");
    static const char *const foreign[] = {
        "<script", "http://", "https://", "src=", "@import", "<link", "<image"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        for (const char *at = page; (at = strstr(at, foreign[i])) != NULL;
             at++) /* names of XML are no addresses */
            ck_assert_msg(strncmp(at, "http://www.w3.org/", 18) == 0, "%s in the page: %.80s", foreign[i],
                          at);
    static const char *const files[] = {
        "index.html",           "table.md", "table.csv", "table.tex", "claims.csv", "sweep-a_momentum.svg",
        "sweep-a_momentum.csv", "cost.svg", "cost.csv",  "loss.csv",  "scores.csv"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *a = contents(first, files[i]), *b = contents(second, files[i]);
        ck_assert_str_eq(a, b);
        free(a);
        free(b);
    }
    free(page);
    char *claims = contents(first, "claims.csv"), *table = contents(first, "table.csv"),
         *tex = contents(first, "table.tex");
    expect(claims, "momentum,mini,up,<up> & 'co',knn,supported,4,0.09");
    expect(table, ",knn,pretrained,4,0.2");
    expect(table, ",0 1 2 3,");
    expect(tex, "\\textless{}up\\textgreater{} \\& 'co'");
    free(claims);
    free(table);
    free(tex);
}
END_TEST

START_TEST(page_without_gnuplot)
{
    char folder[600];
    const char *path = momentum_file();
    snprintf(folder, sizeof folder, "%s", test_scratch());
    setenv("PATH", folder, 1);
    test_fails(sim_results_report(&path, 1, folder, NULL, NULL), "apt-get install gnuplot-nox");
    expect(sim_error_text(), strcat(folder, "/"));
    folder[strlen(folder) - 1] = 0;
    char *page = contents(folder, "index.html");
    expect(page, ".svg: plots need gnuplot");
    expect(page, ">supported</td>");
    free(page);
}
END_TEST

START_TEST(pictures_inside)
{
    static const struct {
        const char *svg, *inside; /* NULL: refused */
    } cases[] = {
        {"<?xml?><!DOCTYPE x><svg w=\"1\"><g id=\"a\" fill=\"url(#p)\"/>id=\"a\"<use "
         "xlink:href='#a'/></svg>\n",
         "<svg role=\"img\" aria-label=\"&lt;l&gt;\" w=\"1\"><g id=\"P-a\" fill=\"url(#P-p)\"/>id=\"a\"<use "
         "xlink:href='#P-a'/></svg>\n"},
        {"<svg><script>1</script></svg>", NULL},
        {"<svg><image xlink:href='http://x'/></svg>", NULL},
        {"<svg><a xlink:href='http://x'/></svg>", NULL},
        {"<svg><g>", NULL},
        {"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[400] = "";
        FILE *to = fmemopen(out, sizeof out, "w");
        sim_status status = sim_svg_inline(to, cases[i].svg, "P-", "<l>");
        fclose(to);
        ck_assert_int_eq(status == SIM_OK, cases[i].inside != NULL);
        if (cases[i].inside) ck_assert_str_eq(out, cases[i].inside);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("claims");
    TCase *c = tcase_create("claims");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, verdicts);
    tcase_add_test(c, scores_that_claims_name);
    tcase_add_test(c, published_runs_beside_ours);
    tcase_add_test(c, sweeps_along_axes);
    tcase_add_test(c, grids_of_axes);
    tcase_add_test(c, page_is_whole_and_harmless);
    tcase_add_test(c, page_without_gnuplot);
    tcase_add_test(c, pictures_inside);
    suite_add_tcase(s, c);
    return test_run(s);
}
