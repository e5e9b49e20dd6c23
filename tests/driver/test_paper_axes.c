/* The paper's ablation tables bear keys of the configuration, their rows values that those take: else no plot
 * of ours would ever find the paper's point. */
#include <string.h>

#include "paper_csv.h"
#include "run_config.h"
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

int main(void)
{
    Suite *s = suite_create("paper axes");
    TCase *c = tcase_create("paper axes");
    tcase_add_test(c, tables_are_axes);
    suite_add_tcase(s, c);
    return test_run(s);
}
