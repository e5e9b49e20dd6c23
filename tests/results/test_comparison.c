/* The main comparison over made-up records whose answers are known: whose row is whose, who was given more,
 * and what the paper's claims come to. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "made.h"
#include "paper_verdicts.h"
#include "report.h"
#include "support.h"
#include "text.h"

#define SEEDS 4
#define SPREAD 0.002

static const char *const scores[] = {"knn",      "logistic", "finetune", "linear",    "few_shot",
                                     "robust_a", "robust_r", "robust_c", "robust_mce"};
enum { KNN, LOGISTIC, FIRST, SCORES = sizeof scores / sizeof *scores };

struct method {
    const char *name, *config, *status;
    double gflop_per_image, gflop;
    double score[SCORES];
    int untrained;
};

/* MoCo-v3 leads by linear probe, MAE never. */
static const struct method siameseim = {"siameseim",
                                        "\"train\": {\"epochs\": 4}",
                                        NULL,
                                        0.25,
                                        4000,
                                        {0.2, 0.35, 0.5, 0.4, 0.3, 0.2, 0.2, 0.3, -0.1},
                                        0},
                           mae = {"mae", "\"objective\": \"mae\", \"train\": {\"epochs\": 16}", NULL, 0.0625,
                                  4000,  {0.1, 0.2, 0.4, 0.2, 0.1, 0.1, 0.1, 0.2, -0.2},        0},
                           moco_v3 = {"moco_v3", "\"objective\": \"moco_v3\", \"train\": {\"epochs\": 3}",
                                      NULL,      0.25,
                                      8000,      {0.1, 0.2, 0.45, 0.45, 0.25, 0.05, 0.05, 0.2, -0.3},
                                      0},
                           untrained = {"untrained",
                                        "\"train\": {\"epochs\": 0}",
                                        NULL,
                                        0.25,
                                        0,
                                        {0.05, 0.1, 0.3, 0.1, 0.05, 0.05, 0.05, 0.1, -0.4},
                                        1};

/* What the record of this seed says. */
static double value(const struct method *m, int score, int seed)
{
    double noise = SPREAD * made_noise(seed + 3 * score + (int)strlen(m->name));
    return round(1e6 * (m->score[score] + noise)) / 1e6;
}

static void put_method(FILE *to, const char *experiment, const struct method *m, int seed)
{
    struct made_score more[SCORES + 1] = {{0}};
    for (int k = FIRST; k < SCORES; k++) more[k - FIRST] = (struct made_score){scores[k], value(m, k, seed)};
    made_put(to, &(struct made){.experiment = experiment,
                                .name = m->name,
                                .config = m->config,
                                .status = m->status,
                                .seed = seed,
                                .knn = value(m, KNN, seed),
                                .logistic = value(m, LOGISTIC, seed),
                                .scores = more,
                                .gflop_per_image = m->gflop_per_image,
                                .gflop = m->gflop,
                                .untrained = m->untrained});
}

/* A file of these methods (NULL last). */
static const char *file_of(const struct method *const *methods, int seeds)
{
    static char path[700];
    snprintf(path, sizeof path, "%s/records.jsonl", test_scratch());
    FILE *to = fopen(path, "w");
    ck_assert_ptr_nonnull(to);
    for (; *methods; methods++)
        for (int seed = 0; seed < seeds; seed++) put_method(to, "<rivals>", *methods, seed);
    fclose(to);
    return path;
}
#define FILE_OF(seeds, ...) file_of((const struct method *const[]){__VA_ARGS__, NULL}, seeds)

static struct sim_paper paper;
static struct sim_run_records records;
static struct sim_summaries summaries;
static struct sim_comparison comparison;
static struct sim_paper_verdicts verdicts;

static void open_all(const char *path)
{
    records = (struct sim_run_records){0};
    test_ok(sim_paper_read(&paper, test_path("../paper")));
    test_ok(sim_run_records_read(&records, path));
    test_ok(sim_summaries_make(&summaries, &records, NULL));
    test_ok(sim_comparison_make(&comparison, &summaries.experiments[0], &paper));
    test_ok(sim_paper_verdicts_judge(&verdicts, &comparison));
}

static void close_all(void)
{
    sim_paper_verdicts_close(&verdicts);
    sim_comparison_close(&comparison);
    sim_summaries_close(&summaries);
    sim_run_records_close(&records);
    sim_paper_close(&paper);
}

static void expect(const char *text, const char *piece)
{
    ck_assert_msg(strstr(text, piece) != NULL, "no \"%s\" in:\n%.4000s", piece, text);
}

/* What stands below the table. */
static char *explained(void)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    sim_comparison_explain(to, &comparison, "[", "]", sim_text_html);
    fclose(to);
    return text;
}

/* ------------------------------------------------------------------ the table */

static int column_of(const struct sim_grid *g, const char *name)
{
    for (int c = 0; c < g->cols; c++)
        if (strcmp(sim_grid_text(g, 0, c), name) == 0) return c;
    ck_abort_msg("no column %s", name);
    return 0;
}

static const char *note_at(const struct sim_grid *g, int row, int col)
{
    const char *note = sim_grid_at(g, row, col)->note;
    return note ? note : "";
}

START_TEST(rows_are_methods_and_columns_the_papers)
{
    static const char *const rows[] = {"method", "SiameseIM", "MAE", "MoCo-v3", "untrained"},
                             *const columns[] = {"method",     "seeds",    "pre-training", "finetune",
                                                 "linear",     "few_shot", "robust_a",     "robust_r",
                                                 "robust_mce", "robust_c", "kNN",          "logistic"};
    struct sim_grid g;
    open_all(FILE_OF(SEEDS, &moco_v3, &untrained, &siameseim, &mae));
    test_ok(sim_comparison_grid(&g, &comparison, 7));
    ck_assert(g.rows == 5 && g.cols == 12);
    for (int r = 0; r < 5; r++) ck_assert_str_eq(sim_grid_text(&g, r, 0), rows[r]);
    for (int c = 0; c < 12; c++) { /* those that the paper lacks come in the order of the records */
        if (c < 9) ck_assert_str_eq(sim_grid_text(&g, 0, c), columns[c]);
        ck_assert_int_ge(column_of(&g, columns[c]), c < 9 ? c : 9);
    }
    ck_assert_str_eq(note_at(&g, 0, 4), "paper: IN LIN");
    ck_assert_str_eq(note_at(&g, 0, 8), "paper: IN-C");
    ck_assert_str_eq(note_at(&g, 0, column_of(&g, "kNN")), "");
    ck_assert_str_eq(sim_grid_text(&g, 2, 1), "4");
    ck_assert_str_eq(sim_grid_at(&g, 1, 0)->link, "e7-r2"); /* the third run of the file */

    double x[SEEDS];
    char cell[64];
    for (int i = 0; i < SEEDS; i++) x[i] = value(&mae, 3, i);
    struct sim_sample s = sim_sample_of(x, SEEDS);
    snprintf(cell, sizeof cell, "%.1f ± %.1f", 100 * s.mean, 100 * s.deviation);
    ck_assert_str_eq(sim_grid_text(&g, 2, 4), cell);
    ck_assert_str_eq(note_at(&g, 2, 4), "paper 68.0");
    ck_assert_str_eq(note_at(&g, 4, 4), "");
    for (int r = 1; r < 5; r++) { /* the best of a column */
        ck_assert_int_eq(sim_grid_at(&g, r, 4)->strong, r == 3);
        ck_assert_int_eq(sim_grid_at(&g, r, 3)->strong, r == 1);
    }
    ck_assert_str_eq(sim_grid_text(&g, 1, 2), "4 TFLOP");
    ck_assert_str_eq(note_at(&g, 1, 2), "16000 × 0.25");
    ck_assert_str_eq(sim_grid_text(&g, 4, 2), "none");
    sim_grid_close(&g);
    close_all();
}
END_TEST

START_TEST(who_was_given_more_is_said)
{
    struct method same = moco_v3, close = moco_v3, failed = moco_v3, unknown = moco_v3;
    same.gflop = 4000, close.gflop = 4100, failed.status = "diverged", unknown.gflop = NAN;
    const struct {
        const struct method *third;
        const char *says;
    } cases[] = {
        {&moco_v3, "[Unequal compute: SiameseIM took 4 TFLOP, MAE 1.00 times as much, MoCo-v3 2.00 times as "
                   "much; images seen differ.]"},
        {&same, "[Equal compute: every pre-training took 4 TFLOP, within 0.0 %; images seen differ.]"},
        {&close, "[Equal compute: every pre-training took 4 TFLOP, within 2.5 %; images"},
        {&failed, "[Equal compute: every pre-training took 4 TFLOP, within 0.0 %; images"},
        {&unknown, "[How much pre-training took is not recorded for MoCo-v3, so nothing can be said"},
        {&moco_v3, "[The paper&#39;s SiameseIM took 288 EFLOP, MAE 0.41 times as much, MoCo-v3 0.37 times"},
        {&moco_v3, "[Network, images and scoring are configured alike for all rows.]"},
        {&moco_v3, "are answered by the fine-tuned network, as in the paper"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_all(FILE_OF(SEEDS, &siameseim, &mae, cases[i].third, &untrained));
        char *text = explained();
        expect(text, cases[i].says);
        free(text);
        close_all();
    }
    struct method bigger = mae;
    bigger.config =
        "\"objective\": \"mae\", \"mask\": {\"ratio\": 0.75}, \"model\": {\"depth\": 3}, \"train\": "
        "{\"epochs\": 16}";
    open_all(FILE_OF(1, &siameseim, &bigger));
    char *text = explained();
    expect(text, "[Not everything else is alike: MAE beside SiameseIM has model: new.]");
    free(text);
    close_all();
}
END_TEST

/* Columns in which nobody is above the untrained encoder. */
START_TEST(floors_are_named)
{
    struct method lucky = untrained;
    lucky.score[5] = 0.2, lucky.score[1] = 0.5;
    for (int seeds = 2; seeds <= SEEDS; seeds += 2) { /* two seeds tell nothing */
        open_all(FILE_OF(seeds, &siameseim, &mae, &lucky));
        char *text = explained();
        const char *found =
            strstr(text, "[No method is shown to be above the untrained encoder (95 %, paired by "
                         "seed) by robust_a, logistic: the order");
        ck_assert_msg((found != NULL) == (seeds == SEEDS), "%s", text);
        free(text);
        close_all();
    }
}
END_TEST

/* A diverged method keeps its row; without a run of its own the untrained encoder is the first method's. */
START_TEST(what_is_not_there)
{
    struct method failed = moco_v3;
    struct sim_grid g;
    failed.status = "diverged";
    open_all(FILE_OF(SEEDS, &siameseim, &mae, &failed));
    test_ok(sim_comparison_grid(&g, &comparison, 0));
    ck_assert_int_eq(g.rows, 5);
    ck_assert_str_eq(sim_grid_text(&g, 3, 1), "0 of 4");
    ck_assert_str_eq(sim_grid_text(&g, 3, 2), "–");
    ck_assert_str_eq(sim_grid_text(&g, 3, 4), "–");
    ck_assert_str_eq(sim_grid_text(&g, 4, 0), "untrained");
    ck_assert_str_eq(sim_grid_text(&g, 4, 4), "–"); /* nobody scored it by linear probe */
    expect(sim_grid_text(&g, 4, column_of(&g, "logistic")), "10.0 ±");
    sim_grid_close(&g);
    close_all();

    open_all(FILE_OF(SEEDS, &siameseim, &untrained)); /* one objective is no comparison */
    ck_assert(comparison.method_count == 0 && verdicts.parts.count == 0);
    close_all();
}
END_TEST

/* Two runs of MAE: the one named like the objective speaks, whichever came first. */
START_TEST(who_speaks)
{
    struct method longer = mae;
    longer.name = "mae_long", longer.score[3] = 0.3, longer.gflop = 9000;
    longer.config = "\"objective\": \"mae\", \"train\": {\"epochs\": 36}";
    open_all(FILE_OF(SEEDS, &siameseim, &longer, &mae, &untrained));
    ck_assert_int_eq(comparison.method_count, 4);
    ck_assert_str_eq(comparison.methods[1].label, "MAE, mae_long");
    ck_assert_str_eq(comparison.methods[2].label, "MAE, mae");
    ck_assert_ptr_eq(sim_comparison_find(&comparison, "MAE"), &comparison.methods[2]);
    ck_assert_ptr_null(sim_comparison_find(&comparison, "MoCo-v3"));
    char *text = explained();
    expect(text, "[Claims are judged by MAE, mae.]");
    expect(text, "MAE, mae_long 2.25 times as much, MAE, mae 1.00 times as much");
    free(text);
    close_all();
}
END_TEST

/* ------------------------------------------------------------------ the paper's claims */

static const struct sim_judged *judged(const char *id)
{
    for (int i = 0; i < verdicts.count; i++)
        if (strcmp(verdicts.claims[i].claim->id, id) == 0) return &verdicts.claims[i];
    ck_abort_msg("no claim %s", id);
    return NULL;
}

static void check_difference(const struct sim_claim_result *r, const double *d, int n)
{
    struct sim_sample s = sim_sample_of(d, n);
    ck_assert_int_eq(r->difference.n, n);
    ck_assert_double_eq_tol(r->difference.mean, s.mean, 1e-9);
    ck_assert_double_eq_tol(r->difference.low, s.low, 1e-9);
    ck_assert_double_eq_tol(r->p, sim_t_test(s), 1e-6);
    ck_assert(r->holm >= r->p);
}

START_TEST(claims_of_values)
{
    open_all(FILE_OF(SEEDS, &siameseim, &mae, &moco_v3, &untrained));
    const struct sim_judged *j = judged("surpass_imagenet");
    ck_assert_int_eq(j->count, 4); /* two columns, two rivals */
    ck_assert_int_eq(j->verdict, SIM_CONTRADICTED);
    ck_assert_str_eq(j->on, "IN FT, IN LIN");
    ck_assert_str_eq(j->missing, "");
    const struct sim_claim_result *part = &verdicts.parts.results[j->first + 2];
    ck_assert_str_eq(part->claim->text, "IN LIN: SiameseIM over MoCo-v3");
    ck_assert_int_eq(part->verdict, SIM_CONTRADICTED);
    double d[SEEDS];
    for (int i = 0; i < SEEDS; i++) d[i] = value(&siameseim, 3, i) - value(&moco_v3, 3, i);
    check_difference(part, d, SEEDS);
    j = judged("surpass_coco");
    ck_assert_int_eq(j->count, 0);
    ck_assert_str_eq(sim_judged_name(j), "not run");
    ck_assert_str_eq(j->missing, "not built yet: COCO box, COCO mask");
    ck_assert_str_eq(judged("alignment_by_two_views")->missing, "a study of its own: augmentation");
    close_all();

    struct method behind = moco_v3;
    behind.score[3] = 0.3;
    open_all(FILE_OF(SEEDS, &siameseim, &mae, &behind));
    ck_assert_int_eq(judged("surpass_imagenet")->verdict, SIM_SUPPORTED);
    close_all();
    open_all(FILE_OF(2, &siameseim, &mae, &moco_v3));
    ck_assert_int_eq(judged("surpass_imagenet")->verdict, SIM_TOO_FEW_SEEDS);
    close_all();
    open_all(FILE_OF(SEEDS, &siameseim, &mae)); /* without one of the rivals */
    ck_assert_int_eq(judged("surpass_imagenet")->verdict, SIM_SUPPORTED);
    ck_assert_str_eq(judged("surpass_imagenet")->missing, "no run of MoCo-v3");
    close_all();
}
END_TEST

/* Leads over the best rival: MoCo-v3 but on shifted images, where it is MAE. */
START_TEST(claims_of_gains)
{
    open_all(FILE_OF(SEEDS, &siameseim, &mae, &moco_v3, &untrained));
    const struct sim_judged *few = judged("more_few_shot"), *robust = judged("more_robust");
    double d[SEEDS], elsewhere[SEEDS];
    for (int i = 0; i < SEEDS; i++) {
        elsewhere[i] = 0;
        for (int k = 2; k < 4; k++) elsewhere[i] += (value(&siameseim, k, i) - value(&moco_v3, k, i)) / 2;
        d[i] = value(&siameseim, 4, i) - value(&moco_v3, 4, i) - elsewhere[i];
    }
    ck_assert_int_eq(few->count, 1);
    check_difference(&verdicts.parts.results[few->first], d, SEEDS);
    ck_assert_int_eq(few->verdict, SIM_SUPPORTED);
    ck_assert_str_eq(
        few->on, "IN 1% (+5.0 over MoCo-v3) against IN FT (+5.0 over MoCo-v3), IN LIN (-5.1 over MoCo-v3)");
    ck_assert_str_eq(few->missing, "not built yet: COCO box, COCO mask");
    for (int i = 0; i < SEEDS; i++) {
        static const int shifted[] = {5, 6, 8};
        d[i] = -elsewhere[i];
        for (int k = 0; k < 3; k++)
            d[i] += (value(&siameseim, shifted[k], i) - value(&mae, shifted[k], i)) / 3;
    }
    check_difference(&verdicts.parts.results[robust->first], d, SEEDS);
    ck_assert_str_eq(robust->missing, "not scored here: IN-Sketch; not built yet: COCO box, COCO mask");
    ck_assert_int_eq(judged("more_long_tail")->count, 0);
    char sum[200];
    sim_paper_verdicts_sum(&verdicts, sum, sizeof sum);
    ck_assert_str_eq(sum, "12 claims of the paper: 2 supported, 1 contradicted, 9 not run.");
    close_all();
}
END_TEST

/* ------------------------------------------------------------------ the report */

static char *contents(const char *folder, const char *name)
{
    char path[800], *text;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    test_ok(sim_file_read(path, 1 << 24, &text, NULL));
    return text;
}

START_TEST(page_opens_with_it)
{
    char folder[600];
    const char *path = FILE_OF(SEEDS, &siameseim, &mae, &moco_v3, &untrained);
    snprintf(folder, sizeof folder, "%s", test_scratch());
    test_ok(sim_results_report_beside(&path, 1, folder, NULL, test_path("../paper"), NULL));
    char *page = contents(folder, "index.html"), *table = contents(folder, "tables/main.md"),
         *csv = contents(folder, "comparison.csv"), *claims = contents(folder, "claims.csv"),
         *tex = contents(folder, "table.tex");
    expect(page, "The methods beside each other: &lt;rivals&gt;");
    ck_assert(strstr(page, "The methods beside") < strstr(page, "id=\"e0\""));
    expect(page, "<small>paper 78.0</small>");
    expect(page, "<td class=\"text contradicted\">contradicted</td>");
    expect(page, "2 supported, 1 contradicted, 9 not run.");
    expect(table, "# The methods beside each other: \\<rivals\\>\n\n| method | seeds |");
    expect(table, "** (paper 76.7) |");
    expect(table, "Unequal compute");
    expect(table, "| – IN LIN: SiameseIM over MoCo-v3 | contradicted |");
    expect(csv, "experiment,scale,method,run,score,paper_column,n,mean,");
    expect(csv, "<rivals>,,MoCo-v3,moco_v3,linear,imagenet_linear,4,0.45");
    expect(csv, ",1,76.7,32000,0.25,8000\n");
    expect(claims, "<rivals>,,surpass_imagenet,IN LIN: SiameseIM over MoCo-v3,linear,contradicted,4,-0.05");
    free(page);
    free(table);
    free(csv);
    expect(tex, "MAE & 4 & 4 TFLOP (64000 $\\times$ 0.0625) & ");
    free(claims);
    free(tex);
    snprintf(folder, sizeof folder, "%s", test_scratch());
    test_ok(sim_results_report(&path, 1, folder, NULL, NULL)); /* without the paper: our columns alone */
    page = contents(folder, "index.html");
    expect(page, "The methods beside each other");
    ck_assert(!strstr(page, "paper 78.0") && !strstr(page, "say of the paper"));
    free(page);
}
END_TEST

START_TEST(one_objective_has_no_such_page)
{
    char folder[600], path_of_csv[700];
    const char *path = FILE_OF(2, &siameseim, &untrained);
    snprintf(folder, sizeof folder, "%s", test_scratch());
    test_ok(sim_results_report_beside(&path, 1, folder, NULL, test_path("../paper"), NULL));
    char *page = contents(folder, "index.html");
    ck_assert_ptr_null(strstr(page, "The methods beside"));
    free(page);
    snprintf(path_of_csv, sizeof path_of_csv, "%s/comparison.csv", folder);
    ck_assert_int_ne(access(path_of_csv, F_OK), 0);
}
END_TEST

/* Notes and bold in every form of a table. */
START_TEST(notes_in_every_form)
{
    static const struct {
        sim_status (*put)(FILE *, const struct sim_grid *);
        const char *shown;
    } cases[] = {{sim_grid_markdown, "| **1** (a \\<b\\>) |"},
                 {sim_grid_latex, "\\textbf{1} (a \\textless{}b\\textgreater{})"},
                 {sim_grid_html, "<b>1</b><small>a &lt;b&gt;</small>"}};
    struct sim_grid g;
    test_ok(sim_grid_open(&g, 2, 1));
    sim_grid_put(&g, 0, 0, "x");
    sim_grid_put(&g, 1, 0, "1");
    sim_grid_note(&g, 1, 0, "old");
    sim_grid_note(&g, 1, 0, "a <%s>", "b");
    sim_grid_at(&g, 1, 0)->strong = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[400] = "";
        FILE *to = fmemopen(out, sizeof out, "w");
        test_ok(cases[i].put(to, &g));
        fclose(to);
        expect(out, cases[i].shown);
    }
    char out[100] = "";
    FILE *to = fmemopen(out, sizeof out, "w");
    test_ok(sim_grid_csv(to, &g, 1));
    fclose(to);
    ck_assert_str_eq(out, "x\n1\n");
    sim_grid_close(&g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("comparison");
    TCase *c = tcase_create("comparison");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, rows_are_methods_and_columns_the_papers);
    tcase_add_test(c, who_was_given_more_is_said);
    tcase_add_test(c, floors_are_named);
    tcase_add_test(c, what_is_not_there);
    tcase_add_test(c, who_speaks);
    tcase_add_test(c, claims_of_values);
    tcase_add_test(c, claims_of_gains);
    tcase_add_test(c, page_opens_with_it);
    tcase_add_test(c, one_objective_has_no_such_page);
    tcase_add_test(c, notes_in_every_form);
    suite_add_tcase(s, c);
    return test_run(s);
}
