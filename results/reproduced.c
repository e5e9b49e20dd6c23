#include "reproduced.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "output.h"
#include "summary.h"
#include "text.h"

/* ------------------------------------------------------------------ where we stand */

/* Finished runs of this scale that hold the score. */
static int runs_with(const struct sim_run_records *records, const char *scale, const char *score)
{
    int count = 0;
    for (int i = 0; i < records->count; i++) {
        const struct sim_run_record *r = &records->records[i];
        count += sim_run_is_ok(r) && strcmp(r->study.scale, scale) == 0 && sim_run_score_find(r, score, 1);
    }
    return count;
}

/* "run at mini (12 runs); runnable, not run at small, paper" or "not built yet"; the caller frees, NULL for
 * want of memory. */
static char *standing(const struct sim_paper_column *c, const struct sim_run_records *records)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to) return NULL;
    if (!c->built) fputs("not built yet", to);
    const char *before = "run at ";
    for (int i = 0; i < c->scale_count; i++) {
        int count = runs_with(records, c->scales[i], c->score);
        if (!count) continue;
        fprintf(to, "%s%s (%d run%s)", before, c->scales[i], count, count == 1 ? "" : "s");
        before = ", ";
    }
    const char *gap = *before == ',' ? "; runnable, not run at " : "runnable, not run at ";
    for (int i = 0; i < c->scale_count; i++) {
        if (runs_with(records, c->scales[i], c->score)) continue;
        fprintf(to, "%s%s", gap, c->scales[i]);
        gap = ", ";
    }
    if (fclose(to) == 0) return text;
    free(text);
    return NULL;
}

/* ------------------------------------------------------------------ grids */

/* The rows of the main table in the order of its file; returns their number, at most `room`. */
static int rows_of_main(const struct sim_paper *p, const char **rows, int room)
{
    int count = 0;
    for (int i = 0; i < p->cell_count; i++) {
        int known = strcmp(p->cells[i].table, "main") != 0;
        for (int k = 0; k < count && !known; k++) known = strcmp(rows[k], p->cells[i].row) == 0;
        if (!known && count < room) rows[count++] = p->cells[i].row;
    }
    return count;
}

static void put_hours(struct sim_grid *g, int row, int col, double hours)
{
    if (hours < 0.001)
        sim_grid_put(g, row, col, "under 0.001");
    else
        sim_grid_put(g, row, col, hours < 0.1 ? "%.3f" : hours < 10 ? "%.1f" : "%.0f", hours);
}

sim_status sim_reproduced_grid(struct sim_grid *g, const struct sim_paper *p,
                               const struct sim_run_records *records)
{
    enum { TITLE, WHAT, VALUES };
    const char *rows[16];
    int methods = rows_of_main(p, rows, 16), stand = VALUES + methods, before = stand + 1, after = before + 1;
    const struct sim_paper_run *pretraining = sim_paper_run_find(p, "pretrain SiameseIM");
    *g = (struct sim_grid){0};
    sim_status status = sim_grid_open(g, p->column_count + 1, after + 1);
    if (status != SIM_OK) return status;
    g->left[TITLE] = g->left[WHAT] = g->left[stand] = 1;
    sim_grid_put(g, 0, TITLE, "column");
    sim_grid_put(g, 0, WHAT, "what it is");
    for (int m = 0; m < methods; m++) sim_grid_put(g, 0, VALUES + m, "%s", rows[m]);
    sim_grid_put(g, 0, stand, "here");
    sim_grid_put(g, 0, before, "pre-training, GPU h");
    sim_grid_put(g, 0, after, "then, GPU h");
    for (int i = 0; i < p->column_count; i++) {
        const struct sim_paper_column *c = &p->columns[i];
        sim_grid_put(g, i + 1, TITLE, "%s", c->title);
        sim_grid_put(g, i + 1, WHAT, "%s", c->what);
        for (int m = 0; m < methods; m++) {
            const struct sim_paper_cell *cell = sim_paper_find(p, "main", rows[m], c->column, NULL);
            if (cell && cell->has_value) sim_grid_put(g, i + 1, VALUES + m, "%.1f", cell->value);
        }
        char *text = standing(c, records);
        if (!text) return sim_fail(SIM_ENOMEM, "no memory for the paper's main table");
        sim_grid_put(g, i + 1, stand, "%s", text);
        free(text);
        if (pretraining) put_hours(g, i + 1, before, pretraining->gpu_hours);
        put_hours(g, i + 1, after, c->gpu_hours);
    }
    return SIM_OK;
}

sim_status sim_reproduced_work(struct sim_grid *g, const struct sim_paper *p)
{
    static const char *const head[] = {"work", "what it is", "images", "GFLOP/image", "GPU h", "here"};
    enum { RUN, WHAT, IMAGES, GFLOP, HOURS, HERE, COLUMNS };
    *g = (struct sim_grid){0};
    sim_status status = sim_grid_open(g, p->run_count + 1, COLUMNS);
    if (status != SIM_OK) return status;
    g->left[RUN] = g->left[WHAT] = g->left[HERE] = 1;
    for (int c = 0; c < COLUMNS; c++) sim_grid_put(g, 0, c, "%s", head[c]);
    for (int i = 0; i < p->run_count; i++) {
        const struct sim_paper_run *r = &p->runs[i];
        sim_grid_put(g, i + 1, RUN, "%s", r->run);
        sim_grid_put(g, i + 1, WHAT, "%s", r->what);
        sim_grid_put(g, i + 1, IMAGES, "%.0f", r->images);
        sim_grid_put(g, i + 1, GFLOP, "%.6g", r->gflop_per_image);
        put_hours(g, i + 1, HOURS, r->gpu_hours);
        sim_grid_put(g, i + 1, HERE, "%s", r->built ? "built" : "not built yet");
    }
    return SIM_OK;
}

sim_status sim_reproduced_claims(struct sim_grid *g, const struct sim_paper *p)
{
    static const char *const head[] = {"claim of the paper", "its own numbers", "margin, points"};
    enum { TEXT, VERDICT, MARGIN, COLUMNS };
    *g = (struct sim_grid){0};
    sim_status status = sim_grid_open(g, p->claim_count + 1, COLUMNS);
    if (status != SIM_OK) return status;
    g->left[TEXT] = g->left[VERDICT] = 1;
    for (int c = 0; c < COLUMNS; c++) sim_grid_put(g, 0, c, "%s", head[c]);
    for (int i = 0; i < p->claim_count; i++) {
        double margin;
        sim_grid_put(g, i + 1, TEXT, "%s", p->claims[i].text);
        sim_grid_put(g, i + 1, VERDICT, "%s",
                     sim_paper_verdict_text(sim_paper_claim_holds(p, &p->claims[i], &margin)));
        if (isfinite(margin)) sim_grid_put(g, i + 1, MARGIN, "%.2f", margin);
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ files */

enum form { MARKDOWN, CSV, LATEX };

static sim_status put_grid(FILE *to, enum form form, sim_status made, struct sim_grid *g)
{
    if (made == SIM_OK)
        made = form == MARKDOWN ? sim_grid_markdown(to, g)
               : form == CSV    ? sim_grid_csv(to, g, 1)
                                : sim_grid_latex(to, g);
    sim_grid_close(g);
    return made;
}

/* The main table as our own runs make it, and the paper's claims by it. */
static sim_status put_comparison(FILE *to, const struct sim_chapter *c, const struct sim_paper *p)
{
    struct sim_grid g;
    char sum[200];
    if (!c->comparison.method_count) return SIM_OK;
    fputs("# The methods beside each other: ", to);
    sim_text_markdown(to, c->e->title);
    fputs("\n\n", to);
    SIM_TRY(put_grid(to, MARKDOWN, sim_comparison_grid(&g, &c->comparison, c->number), &g));
    fputc('\n', to);
    sim_comparison_explain(to, &c->comparison, "", "\n\n", sim_text_markdown);
    sim_paper_verdicts_sum(&c->verdicts, sum, sizeof sum);
    fprintf(to, "## What these records say of the paper's claims\n\n%s\n\n", sum);
    SIM_TRY(put_grid(to, MARKDOWN, sim_paper_verdicts_grid(&g, &c->verdicts, p), &g));
    fprintf(to, "\n%s\n\n", sim_paper_verdicts_legend());
    return SIM_OK;
}

static sim_status put_markdown(FILE *to, const struct sim_book *b)
{
    struct sim_grid g;
    for (int i = 0; i < b->count; i++) SIM_TRY(put_comparison(to, &b->chapters[i], b->paper));
    fputs("# The paper's main table, column by column\n\n", to);
    SIM_TRY(put_grid(to, MARKDOWN, sim_reproduced_grid(&g, b->paper, b->records), &g));
    fprintf(to,
            "\nA run at a scale below the paper's uses that scale's data, so its score is no estimate of the "
            "cell. Hours are those of an H100 or H200 at %g TFLOP/s, a lower bound.\n\n"
            "## The work, at the paper's scale\n\n",
            SIM_PAPER_TFLOPS);
    SIM_TRY(put_grid(to, MARKDOWN, sim_reproduced_work(&g, b->paper), &g));
    fputs("\n## The paper's claims, by its own numbers\n\n", to);
    return put_grid(to, MARKDOWN, sim_reproduced_claims(&g, b->paper), &g);
}

struct forms {
    const struct sim_book *book;
    enum form form;
};

static sim_status put_tables(FILE *to, const void *context)
{
    const struct forms *f = context;
    struct sim_grid g;
    if (f->form == MARKDOWN) return put_markdown(to, f->book);
    return put_grid(to, f->form, sim_reproduced_grid(&g, f->book->paper, f->book->records), &g);
}

sim_status sim_reproduced_write(const struct sim_book *b, const char *folder, FILE *terminal)
{
    static const char *const endings[] = {[MARKDOWN] = "md", [CSV] = "csv", [LATEX] = "tex"};
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/tables", folder) >= PATH_MAX - 16)
        return sim_fail(SIM_EINVAL, "%s: the path is too long", folder);
    SIM_TRY(sim_make_folder(path));
    for (enum form form = MARKDOWN; form <= LATEX; form++) {
        const struct forms f = {b, form};
        char name[16];
        snprintf(name, sizeof name, "main.%s", endings[form]);
        SIM_TRY(sim_output_write(path, name, terminal, put_tables, &f));
    }
    return SIM_OK;
}
