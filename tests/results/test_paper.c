/* The paper room's own files, read whole: every value against a second transcription, every cost against a
 * count from shapes, every claim against the cells; and what the readers say of files that are wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "paper_csv.h"
#include "support.h"

static struct sim_paper paper;

static void open_paper(void)
{
    test_ok(sim_paper_read(&paper, test_path("../paper")));
}

static void close_paper(void)
{
    sim_paper_close(&paper);
}

static double value(const char *table, const char *row, const char *column)
{
    const struct sim_paper_cell *c = sim_paper_find(&paper, table, row, column, NULL);
    ck_assert_msg(c && c->has_value, "no value in table %s, row %s, column %s", table, row, column);
    return c->value;
}

static double of_method(const char *table, const char *row, const char *column, const char *method)
{
    const struct sim_paper_cell *c = sim_paper_find(&paper, table, row, column, method);
    ck_assert_msg(c && c->has_value, "no value of %s in table %s, row %s, column %s", method, table, row,
                  column);
    return c->value;
}

/* ------------------------------------------------------------------ the numbers */

/* The improvements that the authors print under their main table: a second transcription of the same cells.
 */
START_TEST(main_table)
{
    static const struct {
        const char *column;
        double over_moco, over_mae;
    } printed[] = {
        {"imagenet_finetune", 1.1, 0.5}, {"imagenet_linear", 1.3, 10.0}, {"imagenet_1percent", 1.7, 14.0},
        {"coco_box", 4.2, 0.5},          {"coco_mask", 3.5, 0.3},        {"ade20k", 3.8, 3.0},
        {"lvis_box", 3.2, 0.4},          {"lvis_box_rare", 5.4, 1.6},    {"lvis_mask", 2.8, 0.0},
        {"lvis_mask_rare", 4.3, 1.0},    {"imagenet_a", 11.4, 7.9},      {"imagenet_r", 2.7, 4.2},
        {"imagenet_sketch", 2.4, 3.8},   {"imagenet_c", 1.7, 8.8}};
    const int columns = sizeof printed / sizeof *printed;
    ck_assert_int_eq(paper.column_count, columns);
    double sum = 0;
    int cells = 0;
    for (int i = 0; i < columns; i++) {
        ck_assert_str_eq(paper.columns[i].column, printed[i].column);
        double ours = value("main", "SiameseIM", printed[i].column);
        ck_assert_double_eq_tol(ours - value("main", "MoCo-v3", printed[i].column), printed[i].over_moco,
                                1e-9);
        ck_assert_double_eq_tol(ours - value("main", "MAE", printed[i].column), printed[i].over_mae, 1e-9);
    }
    for (int i = 0; i < paper.cell_count; i++)
        if (strcmp(paper.cells[i].table, "main") == 0) {
            ck_assert_str_eq(paper.cells[i].row, paper.cells[i].method);
            sum += paper.cells[i].value, cells++;
        }
    ck_assert_int_eq(cells, 3 * columns);
    ck_assert_double_eq_tol(sum, 658.4 + 651.9 + 707.9,
                            1e-6); /* MoCo-v3, MAE, SiameseIM: from another copy */
}
END_TEST

/* What other sources say of the same cells, to the digits that they give. */
START_TEST(other_sources)
{
    ck_assert_double_eq_tol(value("checkpoint", "released", "imagenet_finetune"),
                            value("main", "SiameseIM", "imagenet_finetune"), 0.05);
    ck_assert_double_eq(value("citations", "POA", "imagenet_linear"),
                        value("main", "SiameseIM", "imagenet_linear"));
    static const char *const mae[] = {"imagenet_finetune", "imagenet_linear", "imagenet_a", "imagenet_r",
                                      "imagenet_sketch"};
    for (size_t i = 0; i < sizeof mae / sizeof *mae; i++)
        ck_assert_double_eq(of_method("baselines", "MAE authors", mae[i], "MAE"),
                            value("main", "MAE", mae[i]));
    ck_assert_double_eq_tol(100 - value("baselines", "MAE authors", "imagenet_c_mce"),
                            value("main", "MAE", "imagenet_c"), 1e-9);
    ck_assert_double_eq(value("baselines", "ViTDet", "coco_box"), value("main", "MAE", "coco_box"));
    ck_assert_double_eq(value("baselines", "ViTDet", "coco_mask"), value("main", "MAE", "coco_mask"));
    ck_assert_double_eq_tol(value("baselines", "ViTDet", "lvis_box"), value("main", "MAE", "lvis_box"), 0.11);
    ck_assert_double_eq_tol(value("baselines", "ViTDet", "lvis_mask"), value("main", "MAE", "lvis_mask"),
                            0.11);
    ck_assert_double_eq_tol(value("baselines", "mmsegmentation", "ade20k"), value("main", "MAE", "ade20k"),
                            0.05);
    ck_assert_double_eq_tol(65.5 - 14.4, value("main", "MAE", "imagenet_1percent"), 1e-9);
    ck_assert_double_eq_tol(65.5 - 2.1, value("main", "MoCo-v3", "imagenet_1percent"), 1e-9);
    ck_assert_double_eq(of_method("baselines", "MoCo-v3 authors", "imagenet_linear", "MoCo-v3"),
                        value("main", "MoCo-v3", "imagenet_linear"));
    ck_assert_double_eq(of_method("reproductions", "mmpretrain, 300 epochs", "imagenet_finetune", "MoCo-v3"),
                        value("main", "MoCo-v3", "imagenet_finetune"));
}
END_TEST

/* Rows "..., seed 1 of 4" against the row that gives their mean. */
static void check_mean(const char *each, int count, const char *mean, double *deviation)
{
    char row[64];
    double sum = 0, squares = 0;
    for (int i = 0; i < count; i++) {
        snprintf(row, sizeof row, "%s %d of %d", each, i + 1, count);
        double x = value("reproductions", row, "imagenet_finetune");
        sum += x, squares += x * x;
    }
    ck_assert_double_eq_tol(sum / count, value("reproductions", mean, "imagenet_finetune"), 0.0051);
    *deviation = sqrt(squares / count - sum / count * (sum / count));
}

START_TEST(reproductions)
{
    double deviation;
    check_mean("MAE authors, seed", 4, "MAE authors, mean of 4 seeds", &deviation);
    ck_assert_double_eq_tol(
        deviation, value("reproductions", "MAE authors, deviation of 4 seeds", "imagenet_finetune"), 0.0051);
    check_mean("issue 91, run", 5, "issue 91, mean of 5 runs", &deviation);
}
END_TEST

START_TEST(cells)
{
    int empty = 0;
    for (int i = 0; i < paper.cell_count; i++) {
        const struct sim_paper_cell *c = &paper.cells[i];
        ck_assert(c->has_value == isfinite(c->value) && *c->unit && *c->source);
        empty += !c->has_value;
        if (c->has_value && c->unit[0] == '%')
            ck_assert_msg(c->value > 40 || strstr(c->column, "imagenet_"), "%s", c->row);
        if (c->has_value)
            ck_assert_msg(c->value > 0 && c->value <= 100, "%s:%lld", c->origin.path,
                          (long long)c->origin.line);
    }
    ck_assert_int_gt(empty, 0);
    for (int i = 0; i < paper.cell_count; i++) /* nothing of the ablation tables is at hand */
        if (strstr(paper.cells[i].origin.path, "ablations.csv")) ck_assert(!paper.cells[i].has_value);
}
END_TEST

/* ------------------------------------------------------------------ claims */

START_TEST(claims)
{
    static const struct {
        const char *id;
        enum sim_paper_verdict verdict;
        double margin;
    } expected[] = {{"surpass_imagenet", SIM_PAPER_HOLDS, 0.5},
                    {"surpass_coco", SIM_PAPER_HOLDS, 0.3},
                    {"surpass_lvis", SIM_PAPER_FAILS, 0}, /* mask AP ties with MAE's */
                    {"surpass_ade20k", SIM_PAPER_HOLDS, 3},
                    {"more_few_shot", SIM_PAPER_HOLDS, 1.7 - 2.6 / 4},
                    {"more_long_tail", SIM_PAPER_HOLDS, 6.0 / 5 - 2.6 / 4},
                    {"more_robust", SIM_PAPER_HOLDS, 14.7 / 4 - 2.6 / 4}};
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        const struct sim_paper_claim *c = NULL;
        double margin;
        for (int i = 0; i < paper.claim_count; i++)
            if (strcmp(paper.claims[i].id, expected[k].id) == 0) c = &paper.claims[i];
        ck_assert_msg(c != NULL, "no claim %s", expected[k].id);
        ck_assert_int_eq(sim_paper_claim_holds(&paper, c, &margin), expected[k].verdict);
        ck_assert_double_eq_tol(margin, expected[k].margin, 1e-9);
    }
    for (int i = 0; i < paper.claim_count; i++) { /* the others rest on cells that nobody has */
        double margin;
        if (strcmp(paper.claims[i].places[0].table, "main") == 0) continue;
        ck_assert_int_eq(sim_paper_claim_holds(&paper, &paper.claims[i], &margin), SIM_PAPER_UNKNOWN);
        ck_assert(isnan(margin));
    }
}
END_TEST

/* ------------------------------------------------------------------ costs, from shapes */

/* Multiply-adds of a transformer block: 12 N D^2 for its matrices, 2 N K D for attention to K tokens. */
static double blocks(double depth, double tokens, double keys, double dim)
{
    return depth * (12 * tokens * dim * dim + 2 * tokens * keys * dim);
}

static double conv(double pixels, double kernel, double in, double out)
{
    return pixels * kernel * kernel * in * out;
}

#define PATCHES (196.0 * 768 * 768)

static double detector(double classes)
{
    const double level[] = {256 * 256, 128 * 128, 64 * 64, 32 * 32, 16 * 16};
    double backbone = 4096.0 * 768 * 768 + blocks(4, 4096, 4096, 768) + 4 * 4096.0 * 768 * 2 * 64;
    backbone += 8 * (4 * 4900.0 * 768 * 768 + 8 * 4096.0 * 768 * 768 + 4900.0 * (2 * 196 + 2 * 14) * 768);
    double pyramid = 2 * conv(4096, 2, 768, 384) + conv(16384, 2, 384, 192), rpn = 0;
    static const double width[] = {192, 384, 768, 768};
    for (int i = 0; i < 4; i++) pyramid += conv(level[i], 1, width[i], 256) + conv(level[i], 3, 256, 256);
    for (int i = 0; i < 5; i++) rpn += 2 * conv(level[i], 3, 256, 256) + conv(level[i], 1, 256, 15);
    double box = 512 * (4 * conv(49, 3, 256, 256) + 12544.0 * 1024 + 1024 * (classes + 1 + 4 * classes));
    double mask = 128 * (4 * conv(196, 3, 256, 256) + conv(196, 2, 256, 256) + conv(784, 1, 256, classes));
    return backbone + pyramid + rpn + box + mask;
}

static double segmenter(void)
{
    double vit = 1024.0 * 768 * 768 + blocks(12, 1025, 1025, 768);
    double neck = 2 * conv(1024, 2, 768, 768) + conv(4096, 2, 768, 768);
    double pool = conv(1 + 4 + 9 + 36, 1, 768, 768) + conv(256, 3, 5 * 768, 768), head = 0;
    for (double side = 32; side <= 128; side *= 2)
        head += conv(side * side, 1, 768, 768) + conv(side * side, 3, 768, 768);
    head += conv(16384, 3, 4 * 768, 768) + conv(16384, 1, 768, 150);
    return vit + neck + pool + head + conv(1024, 3, 768, 256) + conv(1024, 1, 256, 150);
}

static void check_cost(const char *run, double images, double multiply_adds, double bound)
{
    const struct sim_paper_run *r = sim_paper_run_find(&paper, run);
    ck_assert_msg(r != NULL, "no run %s", run);
    ck_assert_double_eq(r->images, images);
    ck_assert_msg(fabs(r->gflop_per_image - 2e-9 * multiply_adds) <= bound, "%s: %.6g GFLOP, counted %.6g",
                  run, r->gflop_per_image, 2e-9 * multiply_adds);
    ck_assert_double_eq_tol(r->gpu_hours, images * r->gflop_per_image * 1e9 / 400e12 / 3600,
                            1e-9 * r->gpu_hours);
}

START_TEST(costs)
{
    const double d2 = 768.0 * 768, forward = PATCHES + blocks(12, 197, 197, 768);
    double online =
        blocks(12, 79, 79, 768) + 79 * d2 + blocks(2, 79, 79, 768) + blocks(4, 275, 275, 768) + 196 * d2;
    double target = PATCHES + blocks(12, 197, 197, 768) + 197 * d2 + blocks(2, 197, 197, 768);
    double relative = 196 * 2 * d2; /* its input needs no gradient */
    double loss = 2 * 196 * d2;     /* covariance, and its product with the predictions */
    check_cost("pretrain SiameseIM", 1600 * 312 * 4096.0, 78 * d2 + 3 * online + 2 * relative + target + loss,
               0.05);
    double mae = blocks(12, 50, 50, 768) + 50 * 768 * 512 + blocks(8, 197, 197, 512) + 196 * 512 * 768;
    check_cost("pretrain MAE", 1600 * 312 * 4096.0, 3 * mae + 2 * 49 * d2, 0.05);
    double heads = 768 * 4096.0 + 4096.0 * 4096 + 4096 * 256.0, predictor = 2 * 256 * 4096.0;
    double contrast = 2 * 256 * 4096.0; /* products with the keys, and the gradient of the queries */
    check_cost("pretrain MoCo-v3", 300 * 312 * 4096.0,
               2 * (PATCHES + 3 * (forward - PATCHES) + 3 * (heads + predictor) + forward + heads + contrast),
               0.005);
    check_cost("finetune", 100 * 1251 * 1024.0, 3 * forward - PATCHES, 0.005);
    check_cost("linear", 90 * 78 * 16384.0, forward, 0.005);
    check_cost("few_shot", 12811 + 50000, forward + 200 * 2 * 12811.0 * 768 * 1000 / 62811, 0.01);
    check_cost("coco", 184375 * 64.0, 3 * detector(80), 1);
    check_cost("lvis", 156250 * 64.0, 3 * detector(1203), 1);
    check_cost("ade20k", 160000 * 16.0, 3 * segmenter(), 1);
    check_cost("score imagenet_a", 7500, forward, 0.005);
    check_cost("score imagenet_r", 30000, forward, 0.005);
    check_cost("score imagenet_sketch", 50889, forward, 0.005);
    check_cost("score imagenet_c", 15 * 5 * 50000.0, forward, 0.005);
    ck_assert_double_eq_tol(sim_paper_run_find(&paper, "pretrain SiameseIM")->gpu_hours, 200.1, 0.1);
}
END_TEST

START_TEST(columns)
{
    for (int i = 0; i < paper.column_count; i++) {
        const struct sim_paper_column *c = &paper.columns[i];
        double hours = 0;
        for (int k = 0; k < c->run_count; k++) hours += c->runs[k]->gpu_hours;
        ck_assert(c->run_count > 0 && c->gpu_hours == hours);
        ck_assert(c->built == (*c->score != 0) && c->built == (c->scale_count > 0));
    }
}
END_TEST

/* ------------------------------------------------------------------ files that are wrong */

#define CELLS "table,row,column,method,value,unit,source\n"
#define CLAIMS "id,text,quantity,higher,lower,cells,than,source\n"
#define RUNS "run,what,images,gflop_per_image,state,source\n"
#define COLUMNS "column,title,what,score,protocol,scales,runs\n"
static const char good_cells[] =
    CELLS "main,a,x,a,2,%,s\nmain,b,x,b,1.5,%,s\nmain,a,y,a,,%,not stated: lost\nmain,b,y,b,1,%,s\n";
static const char good_claims[] = CLAIMS "c,a beats b,value,a,b,main:x,,s\n";
static const char good_runs[] = RUNS "r,work,1e3,2,built,s\nq,work,1,1,not built,s\n";
static const char good_columns[] = COLUMNS "x,X,what,knn,how,mini;small,r\ny,Y,what,,how,,q;r\n";

/* A folder with these files, read; NULL: the good one. */
static sim_status read_files(const char *cells_text, const char *claims_text, const char *runs_text,
                             const char *columns_text)
{
    char folder[600], path[700];
    struct sim_paper p;
    snprintf(folder, sizeof folder, "%s", test_scratch());
    snprintf(path, sizeof path, "%s/tables", folder);
    test_ok(sim_make_folder(path));
    const struct {
        const char *name, *text;
    } files[] = {{"main.csv", cells_text ? cells_text : good_cells},
                 {"claims.csv", claims_text ? claims_text : good_claims},
                 {"tables/runs.csv", runs_text ? runs_text : good_runs},
                 {"tables/main.csv", columns_text ? columns_text : good_columns}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        test_ok(sim_file_write(path, files[i].text, strlen(files[i].text)));
    }
    sim_status status = sim_paper_read(&p, folder);
    sim_paper_close(&p);
    return status;
}

START_TEST(wrong_files)
{
    static const struct {
        const char *cells, *claims, *runs, *columns, *says;
    } cases[] = {
        {CELLS "main,a,x,a,2,%\n", NULL, NULL, NULL, "main.csv:2: 6 fields"},
        {"table,row,column,method,value,source,unit\n", NULL, NULL, NULL, "main.csv:1: column 6"},
        {"", NULL, NULL, NULL, "main.csv: the file is empty"},
        {CELLS "main,a,x,a,\"2,%,s\n", NULL, NULL, NULL, "main.csv:2: a quote is opened"},
        {CELLS "main,a,x,a,nan,%,s\n", NULL, NULL, NULL, "main.csv:2: value \"nan\" is no finite"},
        {CELLS "main,a,x,a,0x10,%,s\n", NULL, NULL, NULL, "value \"0x10\""},
        {CELLS "main,a,x,a,1e999,%,s\n", NULL, NULL, NULL, "value \"1e999\""},
        {CELLS "main,a,x,a,2 ,%,s\n", NULL, NULL, NULL, "begins or ends in a space"},
        {CELLS "main,a,x,a,2,,s\n", NULL, NULL, NULL, "main.csv:2: unit is empty"},
        {CELLS "main,a,x,a,2,%,\n", NULL, NULL, NULL, "main.csv:2: source is empty"},
        {CELLS "main,a,x,a,2,%,not stated: lost\n", NULL, NULL, NULL, "stands beside a value"},
        {CELLS "main,a,x,a,,%,README\n", NULL, NULL, NULL, "stands beside an empty value"},
        {CELLS "main,a,x,a,2,%,s\nmain,a,x,a,2,%,s\n", NULL, NULL, NULL, "main.csv:3: table main"},
        {NULL, CLAIMS "c,t,value,a,b,main:z,,s\n", NULL, NULL,
         "claims.csv:2: claim c speaks of table main, row a"},
        {NULL, CLAIMS "c,t,value,a,b;z,main:x,,s\n", NULL, NULL, "row z, column x"},
        {NULL, CLAIMS "c,t,value,a,b;b,main:x,,s\n", NULL, NULL, "lower names b twice"},
        {NULL, CLAIMS "c,t,value,a,b;,main:x,,s\n", NULL, NULL, "empty part"},
        {NULL, CLAIMS "c,t,value,a,b,main,,s\n", NULL, NULL, "\"main\" is no place"},
        {NULL, CLAIMS "c,t,ratio,a,b,main:x,,s\n", NULL, NULL, "quantity \"ratio\" is unknown"},
        {NULL, CLAIMS "c,t,gain,a,b,main:x,,s\n", NULL, NULL, "than \"\" is empty"},
        {NULL, CLAIMS "c,t,value,a,b,main:x,main:y,s\n", NULL, NULL, "belongs to gains"},
        {NULL, CLAIMS "c,t,value,a,b,main:x,,s\nc,t,value,a,b,main:x,,s\n", NULL, NULL,
         "claims.csv:3: id \"c\""},
        {NULL, NULL, RUNS "r,work,0,2,built,s\n", NULL, "runs.csv:2: images \"0\" is not above zero"},
        {NULL, NULL, RUNS "r,work,1,2,soon,s\n", NULL, "state \"soon\" is unknown"},
        {NULL, NULL, RUNS "r,work,1,2,built,s\nr,work,1,2,built,s\n", NULL, "run \"r\" is that of another"},
        {NULL, NULL, NULL, COLUMNS "x,X,what,knn,how,mini,r\n", "says nothing of column y"},
        {NULL, NULL, NULL, COLUMNS "z,Z,what,knn,how,mini,r\n",
         "column \"z\" is no column of the table main"},
        {NULL, NULL, NULL, COLUMNS "x,X,what,knn,how,mini,z\n", "there is no run \"z\""},
        {NULL, NULL, NULL, COLUMNS "x,X,what,,how,mini,r\n", "is empty, but every run"},
        {NULL, NULL, NULL, COLUMNS "x,X,what,knn,how,mini,q\n", "is named, but not every run"},
        {NULL, NULL, NULL, COLUMNS "x,X,what,,how,mini,q\n", "are named, but not every run"}};
    test_ok(read_files(NULL, NULL, NULL, NULL));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        test_fails(read_files(cases[i].cells, cases[i].claims, cases[i].runs, cases[i].columns),
                   cases[i].says);
    const size_t most = (size_t)16 << 20;
    char *large = malloc(most + 2);
    memset(large, 'x', most + 1);
    large[most + 1] = 0;
    test_fails(read_files(large, NULL, NULL, NULL), "main.csv: larger than the 16777216 bytes");
    free(large);
    struct sim_paper p;
    test_fails(sim_paper_read(&p, test_scratch()), "there is no table");
    sim_paper_close(&p);
    test_fails(sim_paper_read(&p, "no/such/folder"), "no/such/folder: cannot be read");
    sim_paper_close(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("paper");
    TCase *room = tcase_create("the paper room");
    tcase_add_checked_fixture(room, open_paper, close_paper);
    tcase_add_test(room, main_table);
    tcase_add_test(room, other_sources);
    tcase_add_test(room, reproductions);
    tcase_add_test(room, cells);
    tcase_add_test(room, claims);
    tcase_add_test(room, costs);
    tcase_add_test(room, columns);
    suite_add_tcase(s, room);
    TCase *readers = tcase_create("readers");
    tcase_add_test(readers, wrong_files);
    suite_add_tcase(s, readers);
    return test_run(s);
}
