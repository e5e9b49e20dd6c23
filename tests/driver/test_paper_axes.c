/* The paper room beside the program: its ablation tables bear keys of the configuration, their rows values
 * that those take (else no plot of ours would ever find the paper's point), and its pre-trainings cost what
 * the program counts for the published recipes. */
#include <stdio.h>
#include <string.h>

#include "experiment.h"
#include "paper_csv.h"
#include "support.h"

START_TEST(tables_are_axes)
{
    struct sim_paper p;
    struct sim_run_config c;
    int axes = 0;
    test_ok(sim_paper_read(&p, test_path("../paper")));
    for (int i = 0; i < p.cell_count; i++) {
        const struct sim_paper_cell *cell = &p.cells[i];
        if (!strstr(cell->origin.path, "ablations.csv") || !strchr(cell->table, '.')) continue;
        test_ok(sim_fields_preset(sim_run_schema(), &c));
        test_ok(sim_fields_set(sim_run_schema(), &c, cell->table, cell->row, cell->origin.path));
        test_ok(sim_run_config_check(&c));
        axes++;
    }
    ck_assert_int_gt(axes, 0);
    sim_paper_close(&p);
}
END_TEST

START_TEST(pretraining_costs_what_is_counted)
{
    static const char *const runs[][2] = {{"pretrain SiameseIM", "siameseim_vit_b"},
                                          {"pretrain MAE", "mae_vit_b"},
                                          {"pretrain MoCo-v3", "moco_v3_vit_b"}};
    struct sim_paper p;
    test_ok(sim_paper_read(&p, test_path("../paper")));
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        const struct sim_paper_run *run = sim_paper_run_find(&p, runs[i][0]);
        struct sim_experiment e;
        struct sim_cost cost;
        char path[200];
        snprintf(path, sizeof path, "../ablations/%s.yaml", runs[i][1]);
        const char *file = test_path(path);
        test_ok(sim_experiment_open(&e, &file, 1, NULL, NULL, 0));
        const struct sim_run_config *c = &e.runs[0].config;
        test_ok(sim_run_config_cost(c, c->train.batch_size, &cost));
        ck_assert_ptr_nonnull(run);
        ck_assert_double_eq_tol(run->gflop_per_image, 1e-9 * cost.flop_per_image, 0.05);
        ck_assert_double_eq(run->images, (double)c->train.epochs * 312 * (double)c->train.batch_size);
        sim_experiment_close(&e);
    }
    sim_paper_close(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("paper axes");
    TCase *c = tcase_create("paper axes");
    tcase_add_test(c, tables_are_axes);
    tcase_add_test(c, pretraining_costs_what_is_counted);
    suite_add_tcase(s, c);
    return test_run(s);
}
