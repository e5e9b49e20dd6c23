#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "plot.h"
#include "records.h"
#include "table.h"

/* table.md: a section per experiment. */
static sim_status write_table(const struct sim_summaries *s, const char *folder, FILE *terminal)
{
    char *text = NULL, *path = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to || asprintf(&path, "%s/table.md", folder) < 0) {
        if (to) fclose(to);
        free(text);
        return sim_fail(SIM_ENOMEM, "no memory for the table");
    }
    sim_status status = SIM_OK;
    for (int i = 0; i < s->count && status == SIM_OK; i++) {
        if (i) fputc('\n', to);
        status = sim_table_markdown(to, &s->experiments[i]);
    }
    if (fclose(to) != 0 && status == SIM_OK) status = sim_fail(SIM_ENOMEM, "no memory for the table");
    if (status == SIM_OK) status = sim_file_write(path, text, size);
    if (status == SIM_OK && terminal) fprintf(terminal, "  %s\n", path);
    free(text);
    free(path);
    return status;
}

/* "loss", or "loss-EXPERIMENT" with only harmless characters, and the number where that is not unique. */
static void stem_of(char *out, size_t size, const char *plot, const struct sim_summaries *s, int number)
{
    if (s->count == 1) {
        snprintf(out, size, "%s", plot);
        return;
    }
    snprintf(out, size, "%s-%.60s", plot, s->experiments[number].experiment);
    int harmless = s->experiments[number].experiment[0] != 0;
    for (char *c = out; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *c))
            *c = '_', harmless = 0;
    if (!harmless || strlen(s->experiments[number].experiment) > 60) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, ".%d", number + 1);
    }
}

static sim_status draw(const struct sim_summaries *s, const char *folder, FILE *terminal)
{
    char stem[128];
    int drawn;
    for (int i = 0; i < s->count; i++) {
        stem_of(stem, sizeof stem, "loss", s, i);
        SIM_TRY(sim_plot_loss(&s->experiments[i], folder, stem, terminal, &drawn));
        if (!drawn && terminal)
            fputs("  (no training curve in the records: no plot of the loss)\n", terminal);
        stem_of(stem, sizeof stem, "scores", s, i);
        SIM_TRY(sim_plot_scores(&s->experiments[i], folder, stem, terminal, &drawn));
        if (!drawn && terminal) fputs("  (no score in the records: no plot of scores)\n", terminal);
    }
    return SIM_OK;
}

static sim_status report(const struct sim_summaries *s, const char *folder, FILE *terminal)
{
    for (int i = 0; i < s->count && terminal; i++) {
        SIM_TRY(sim_table_terminal(terminal, &s->experiments[i]));
        fputc('\n', terminal);
    }
    SIM_TRY(sim_make_folder(folder));
    SIM_TRY(write_table(s, folder, terminal));
    return draw(s, folder, terminal);
}

sim_status sim_results_report(const char *const *records_paths, int count, const char *out_dir,
                              const char *only_experiment, FILE *terminal)
{
    struct sim_run_records records = {0};
    struct sim_summaries summaries = {0};
    sim_status status = SIM_OK;
    for (int i = 0; i < count && status == SIM_OK; i++)
        status = sim_run_records_read(&records, records_paths[i]);
    if (status == SIM_OK) status = sim_summaries_make(&summaries, &records, only_experiment);
    if (status == SIM_OK) status = report(&summaries, out_dir, terminal);
    sim_summaries_close(&summaries);
    sim_run_records_close(&records);
    return status;
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
