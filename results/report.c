#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "chapter.h"
#include "file.h"
#include "page.h"
#include "plot.h"
#include "reproduced.h"

/* Tables first, pictures after, the page last: what fails later leaves what was done. */
static sim_status write_book(struct sim_book *b, const char *folder, FILE *terminal)
{
    for (int i = 0; i < b->count && terminal; i++) {
        SIM_TRY(sim_chapter_terminal(terminal, &b->chapters[i]));
        fputc('\n', terminal);
    }
    SIM_TRY(sim_make_folder(folder));
    SIM_TRY(sim_book_write_tables(b, folder, terminal));
    if (b->paper) SIM_TRY(sim_reproduced_write(b, folder, terminal));
    sim_status drawn = sim_book_draw(b, folder, terminal);
    if (drawn != SIM_OK) b->missing = strdup(sim_error_text());
    SIM_TRY(sim_page_write(b, folder, terminal));
    return drawn == SIM_OK ? SIM_OK
                           : sim_fail(drawn, "%s/%s", folder,
                                      b->missing ? b->missing : "not every figure could be drawn");
}

sim_status sim_results_report_beside(const char *const *records_paths, int count, const char *out_dir,
                                     const char *only_experiment, const char *paper_folder, FILE *terminal)
{
    struct sim_run_records records = {0};
    struct sim_summaries summaries = {0};
    struct sim_paper paper = {0};
    struct sim_book book = {0};
    sim_status status = SIM_OK;
    for (int i = 0; i < count && status == SIM_OK; i++)
        status = sim_run_records_read(&records, records_paths[i]);
    if (status == SIM_OK && paper_folder) status = sim_paper_read(&paper, paper_folder);
    if (status == SIM_OK) status = sim_summaries_make(&summaries, &records, only_experiment);
    if (status == SIM_OK) status = sim_book_make(&book, &records, &summaries, paper_folder ? &paper : NULL);
    if (status == SIM_OK) status = write_book(&book, out_dir, terminal);
    sim_book_close(&book);
    sim_summaries_close(&summaries);
    sim_paper_close(&paper);
    sim_run_records_close(&records);
    return status;
}

sim_status sim_results_report(const char *const *records_paths, int count, const char *out_dir,
                              const char *only_experiment, FILE *terminal)
{
    return sim_results_report_beside(records_paths, count, out_dir, only_experiment, NULL, terminal);
}

sim_status sim_results_plot_run(const char *records_path, const char *experiment, const char *name,
                                int64_t seed, const char *folder)
{
    struct sim_run_records records = {0};
    const struct sim_run_record *found = NULL;
    sim_status status = sim_run_records_read(&records, records_path);
    for (int i = 0; i < records.count; i++) {
        const struct sim_run_record *r = &records.records[i];
        if (strcmp(r->experiment, experiment) == 0 && strcmp(r->name, name) == 0 && r->seed == seed &&
            (!found || r->order > found->order))
            found = r;
    }
    if (status == SIM_OK && !found)
        status = sim_fail(SIM_EINVAL, "%s: no record of experiment %s, run %s, seed %lld", records_path,
                          experiment, name, (long long)seed);
    if (status == SIM_OK) status = sim_make_folder(folder);
    if (status == SIM_OK) status = sim_plot_run(found, folder, "curves", NULL);
    sim_run_records_close(&records);
    return status;
}
