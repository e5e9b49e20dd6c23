/* Where we stand on the paper's main table: over the room's own files, and over a small paper in which one
 * column is built. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "reproduced.h"
#include "faults.h"
#include "support.h"

static const char *const files[][2] = {
    {"main.csv",
     "table,row,column,method,value,unit,source\n"
     "main,Ours,x,Ours,78,%,s\nmain,Ours,y,Ours,50.25,%,s\nmain,Theirs,x,Theirs,,%,not stated: lost\n"
     "main,Theirs,y,Theirs,40,%,s\n"},
    {"claims.csv",
     "id,text,quantity,higher,lower,cells,than,source\nc,ours is more,value,Ours,Theirs,main:y,,s\n"},
    {"tables/runs.csv", "run,what,images,gflop_per_image,state,source\n"
                        "pretrain SiameseIM,epochs,3600e3,100,built,s\nprobe,epochs,1440e3,1,built,s\n"
                        "detect,steps,1440e6,1,not built,s\n"},
    {"tables/main.csv",
     "column,title,what,score,protocol,scales,runs\n"
     "x,X,what x is,probe,how,mini;small;paper,probe\ny,Y,what y is,,how,,probe;detect\n"}};

static void open_small(struct sim_paper *p)
{
    char folder[600], path[700];
    snprintf(folder, sizeof folder, "%s", test_scratch());
    snprintf(path, sizeof path, "%s/tables", folder);
    test_ok(sim_make_folder(path));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
        test_ok(sim_file_write(path, files[i][1], strlen(files[i][1])));
    }
    test_ok(sim_paper_read(p, folder));
}

static struct sim_run_record record(const char *status, const char *scale, struct sim_run_score *score)
{
    return (struct sim_run_record){
        .status = (char *)status, .study = {.scale = (char *)scale}, .scores = score, .score_count = 1};
}

static void check_row(const struct sim_grid *g, int row, int cols, const char *const *expected)
{
    for (int c = 0; c < cols; c++) ck_assert_str_eq(sim_grid_text(g, row, c), expected[c]);
}

START_TEST(standings)
{
    struct sim_run_score probe = {.name = "probe", .encoder = "pretrained", .pretrained = 1},
                         bare = {.name = "probe", .encoder = "untrained"},
                         other = {.name = "knn", .encoder = "pretrained", .pretrained = 1};
    struct sim_run_record list[] = {record("ok", "mini", &probe),        record("ok", "mini", &probe),
                                    record("diverged", "small", &probe), record("ok", "small", &bare),
                                    record("ok", "small", &other),       record("ok", "", &probe),
                                    record("ok", "small", &probe)};
    struct sim_run_records records = {.records = list};
    struct sim_paper p;
    struct sim_grid g;
    open_small(&p);

    static const char *const none[] = {
        "X", "what x is", "78.0", "", "runnable, not run at mini, small, paper", "0.2", "0.001"};
    static const char *const some[] = {
        "X",   "what x is", "78.0", "", "run at mini (2 runs); runnable, not run at small, paper",
        "0.2", "0.001"};
    static const char *const more[] = {
        "X",   "what x is", "78.0", "", "run at mini (2 runs), small (1 run); runnable, not run at paper",
        "0.2", "0.001"};
    static const char *const absent[] = {"Y", "what y is", "50.2", "40.0", "not built yet", "0.2", "1.0"};
    const struct {
        int count;
        const char *const *row;
    } steps[] = {{0, none}, {6, some}, {7, more}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        records.count = steps[i].count;
        test_ok(sim_reproduced_grid(&g, &p, &records));
        ck_assert(g.rows == 3 && g.cols == 7);
        check_row(&g, 1, 7, steps[i].row);
        check_row(&g, 2, 7, absent);
        sim_grid_close(&g);
    }
    static const char *const claim[] = {"ours is more", "bear it", "10.25"};
    test_ok(sim_reproduced_claims(&g, &p));
    check_row(&g, 1, 3, claim);
    sim_grid_close(&g);
    static const char *const work[] = {"detect", "steps", "1440000000", "1", "1.0", "not built yet"};
    test_ok(sim_reproduced_work(&g, &p));
    ck_assert(g.rows == 4 && g.cols == 6);
    check_row(&g, 3, 6, work);
    sim_grid_close(&g);
    sim_paper_close(&p);
}
END_TEST

/* Every column of the room's own table has a standing, and no number is missing from it. */
START_TEST(own_table)
{
    struct sim_run_records records = {0};
    struct sim_paper p;
    struct sim_grid g;
    test_ok(sim_paper_read(&p, test_path("../paper")));
    test_ok(sim_reproduced_grid(&g, &p, &records));
    ck_assert_int_eq(g.rows, 1 + 14);
    for (int r = 0; r < g.rows; r++)
        for (int c = 0; c < g.cols; c++) ck_assert(*sim_grid_text(&g, r, c));
    sim_grid_close(&g);
    test_ok(sim_reproduced_work(&g, &p));
    sim_grid_close(&g);
    sim_paper_close(&p);
}
END_TEST

/* The files, twice the same. */
START_TEST(written)
{
    static const char *const names[] = {"main.md", "main.csv", "main.tex"};
    struct sim_run_records records = {0};
    struct sim_paper p;
    char folder[600], again[600], path[700];
    snprintf(folder, sizeof folder, "%s", test_scratch());
    snprintf(again, sizeof again, "%s", test_scratch());
    open_small(&p);
    const struct sim_book book = {.records = &records, .paper = &p};
    test_ok(sim_reproduced_write(&book, folder, NULL));
    test_ok(sim_reproduced_write(&book, again, NULL));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char other[700], *text;
        snprintf(path, sizeof path, "%s/tables/%s", folder, names[i]);
        snprintf(other, sizeof other, "%s/tables/%s", again, names[i]);
        test_same_files(path, other);
        test_ok(sim_file_read(path, 1 << 20, &text, NULL));
        ck_assert(strstr(text, "runnable, not run at mini, small, paper"));
        free(text);
    }
    test_fault_at(TEST_FAULT_ENOSPC, 1);
    test_fails(sim_reproduced_write(&book, folder, NULL), "main.md");
    sim_paper_close(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reproduced");
    TCase *c = tcase_create("reproduced");
    tcase_add_test(c, standings);
    tcase_add_test(c, own_table);
    tcase_add_test(c, written);
    suite_add_tcase(s, c);
    return test_run(s);
}
