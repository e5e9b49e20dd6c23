#include "page.h"

#include <stdlib.h>
#include <string.h>

#include "beside.h"
#include "file.h"
#include "output.h"
#include "reproduced.h"
#include "svg.h"
#include "table.h"
#include "text.h"

/* ------------------------------------------------------------------ pieces */

/* <TAG CLASS>text</TAG>; nothing for an empty text. */
static void put_element(FILE *to, const char *tag, const char *class, const char *lead, const char *text)
{
    if (!*text) return;
    fprintf(to, "<%s", tag);
    if (*class) fprintf(to, " class=\"%s\"", class);
    fprintf(to, ">%s", lead);
    sim_text_html(to, text);
    fprintf(to, "</%s>\n", tag);
}

/* The grid in a box of this class; closes it. */
static sim_status put_grid(FILE *to, const char *class, sim_status made, struct sim_grid *g)
{
    if (made == SIM_OK) {
        fprintf(to, "<div class=\"%s\">", class);
        made = sim_grid_html(to, g);
        fputs("</div>\n", to);
    }
    sim_grid_close(g);
    return made;
}

static sim_status put_figure(FILE *to, const struct sim_chapter *c, int number, const char *folder)
{
    const struct sim_figure *f = &c->figures[number];
    char *text = NULL, *path = NULL, prefix[32];
    size_t size;
    if (asprintf(&path, "%s/%s.svg", folder, f->stem) < 0)
        return sim_fail(SIM_ENOMEM, "no memory for a path");
    snprintf(prefix, sizeof prefix, "f%d-%d-", c->number, number);
    sim_status status = sim_file_read(path, (size_t)32 << 20, &text, &size);
    if (status == SIM_OK) {
        fputs("<figure><div class=\"scroll\" tabindex=\"0\">", to);
        status = sim_svg_inline(to, text, prefix, f->caption);
        fputs("</div>", to);
        put_element(to, "figcaption", "", "", f->caption);
        fputs("</figure>\n", to);
    }
    free(text);
    free(path);
    return status == SIM_OK ? SIM_OK : sim_context(status, "%s.svg", f->stem);
}

static sim_status put_figures(FILE *to, const struct sim_chapter *c, enum sim_figure_kind kind,
                              const char *folder)
{
    for (int i = 0; i < c->figure_count; i++)
        if (c->figures[i].kind == kind) SIM_TRY(put_figure(to, c, i, folder));
    return SIM_OK;
}

static int has_figure(const struct sim_book *b, enum sim_figure_kind kind)
{
    for (int i = 0; i < b->count; i++)
        for (int k = 0; k < b->chapters[i].figure_count; k++)
            if (b->chapters[i].figures[k].kind == kind) return 1;
    return 0;
}

/* ------------------------------------------------------------------ parts */

static void put_head(FILE *to, const struct sim_book *b)
{
    fprintf(to,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<title>SiameseIM: what the records say</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n"
            "<h1>What the records say</h1>\n",
            sim_page_style);
    int runs = 0, ok = 0;
    for (int i = 0; i < b->records->count; i++) ok += sim_run_is_ok(&b->records->records[i]);
    for (int i = 0; i < b->count; i++) runs += b->chapters[i].e->count;
    fprintf(
        to,
        "<p>%d runs from %d records, %d of them finished. Every figure is computed from these records and "
        "leads to <a href=\"#origins\">file, line and configuration</a>.</p>\n",
        runs, b->records->count, ok);
    if (b->missing) put_element(to, "p", "legend", "Figures are missing: ", b->missing);
}

static void put_contents(FILE *to, const struct sim_book *b)
{
    if (b->count < 2) return;
    fputs("<nav aria-label=\"experiments\"><ul>\n", to);
    for (int i = 0; i < b->count; i++) {
        const struct sim_chapter *c = &b->chapters[i];
        int decided[4] = {0};
        for (int k = 0; k < c->claims.count; k++) decided[c->claims.results[k].verdict]++;
        fprintf(to, "<li><a href=\"#e%d\">", i);
        sim_text_html(to, c->e->title);
        fputs("</a>", to);
        const char *gap = ": ";
        for (int v = 0; v < 4; v++)
            if (decided[v]) {
                fprintf(to, "%s%d %s", gap, decided[v], sim_verdict_name((enum sim_verdict)v));
                gap = ", ";
            }
        fputs("</li>\n", to);
    }
    fputs("</ul></nav>\n", to);
}

/* The first thing to see: rivals side by side, and what that says of the paper's claims. */
static sim_status put_comparison(FILE *to, const struct sim_chapter *c, const struct sim_paper *paper)
{
    struct sim_grid g = {0};
    char sum[200];
    if (!c->comparison.method_count) return SIM_OK;
    fputs("<section>\n", to);
    put_element(to, "h2", "", "The methods beside each other: ", c->e->title);
    SIM_TRY(put_grid(to, "scores comparison", sim_comparison_grid(&g, &c->comparison, c->number), &g));
    sim_comparison_explain(to, &c->comparison, "<p class=\"legend\">", "</p>\n", sim_text_html);
    if (c->verdicts.count) {
        fputs("<h3>What these records say of the paper's claims</h3>\n", to);
        sim_paper_verdicts_sum(&c->verdicts, sum, sizeof sum);
        put_element(to, "p", "", "", sum);
        SIM_TRY(put_grid(to, "claims verdicts", sim_paper_verdicts_grid(&g, &c->verdicts, paper), &g));
        put_element(to, "p", "legend", "", sim_paper_verdicts_legend());
    }
    fputs("</section>\n", to);
    return SIM_OK;
}

/* What the columns of claims mean is said once, below the first of them. */
static sim_status put_claims(FILE *to, const struct sim_chapter *c, int *explained)
{
    struct sim_grid g = {0};
    int reasons = 0;
    if (!c->claims.count) return SIM_OK;
    SIM_TRY(put_grid(to, "claims", sim_claims_grid(&g, &c->claims), &g));
    if (!(*explained)++) put_element(to, "p", "legend", "", sim_claims_legend());
    for (int i = 0; i < c->claims.count; i++) {
        const struct sim_claim *claim = c->claims.results[i].claim;
        if (!*claim->why) continue;
        fputs(reasons++ ? "<li>" : "<ul class=\"plain\">\n<li>", to);
        sim_text_html(to, *claim->text ? claim->text : claim->id);
        fputs(" <span class=\"soft\">Why: ", to);
        sim_text_html(to, claim->why);
        fputs("</span></li>\n", to);
    }
    if (reasons) fputs("</ul>\n", to);
    return SIM_OK;
}

/* Of an anchor: the numbers that somebody else published. */
static sim_status put_published(FILE *to, const struct sim_chapter *c, const struct sim_paper *paper)
{
    struct sim_grid g = {0};
    if (!paper) return SIM_OK;
    SIM_TRY(sim_beside_runs(&g, paper, c->e));
    return g.rows ? put_grid(to, "scores", SIM_OK, &g) : SIM_OK;
}

static sim_status put_question(FILE *to, const struct sim_chapter *c, const struct sim_paper *paper,
                               const char *folder, int *explained)
{
    fprintf(to, "<section id=\"e%d\">\n", c->number);
    put_element(to, "h2", "", "", c->e->title);
    put_element(to, "p", "question", "", c->e->study->question);
    put_element(to, "p", "soft", "In the paper: ", c->e->study->paper);
    SIM_TRY(put_claims(to, c, explained));
    SIM_TRY(put_published(to, c, paper));
    SIM_TRY(put_figures(to, c, SIM_FIGURE_SWEEP, folder));
    fputs("</section>\n", to);
    return SIM_OK;
}

static sim_status put_table(FILE *to, const struct sim_chapter *c)
{
    struct sim_grid g = {0};
    put_element(to, "h3", "", "", c->e->title);
    SIM_TRY(put_grid(to, "scores", sim_table_scores(&g, c->e, c->number), &g));
    fputs("<p class=\"legend\">", to);
    sim_table_explain(to, c->e, "", " ");
    fputs("</p>\n", to);
    sim_table_failures(to, c->e, "<p>", "</p>\n", sim_text_html);
    return SIM_OK;
}

/* Tables of which no cell has a value: their names, in one sentence. */
static void put_empty_tables(FILE *to, const struct sim_paper *paper)
{
    const char *table, *gap = "<p class=\"soft\">Tables of which no cell has a source at hand: ";
    for (int i = 0; (table = sim_beside_table(paper, i)) != NULL; i++) {
        if (sim_beside_has_values(paper, table)) continue;
        fputs(gap, to);
        sim_text_html(to, table);
        gap = ", ";
    }
    if (*gap == ',') fputs(".</p>\n", to);
}

static sim_status put_paper(FILE *to, const struct sim_book *b)
{
    const struct sim_paper *paper = b->paper;
    struct sim_grid g = {0};
    const char *table;
    fputs(
        "<section id=\"paper\">\n<h2>The paper's numbers</h2>\n<p class=\"legend\">Cells without a source at "
        "hand stay empty.</p>\n",
        to);
    fputs("<h3>Where we stand on the main table</h3>\n", to);
    SIM_TRY(put_grid(to, "standing", sim_reproduced_grid(&g, paper, b->records), &g));
    for (int i = 0; (table = sim_beside_table(paper, i)) != NULL; i++) {
        if (!sim_beside_has_values(paper, table)) continue;
        put_element(to, "h3", "", "", table);
        SIM_TRY(put_grid(to, "scores", sim_beside_grid(&g, paper, table), &g));
        SIM_TRY(put_grid(to, "sources", sim_beside_sources(&g, paper, table), &g));
    }
    put_empty_tables(to, paper);
    fputs("</section>\n", to);
    return SIM_OK;
}

static sim_status put_origins(FILE *to, const struct sim_book *b)
{
    struct sim_grid g = {0};
    char sentence[5000];
    fputs("<section id=\"origins\">\n<h2>Where every figure comes from</h2>\n", to);
    for (int i = 0; i < b->count; i++) {
        put_element(to, "h3", "", "", b->chapters[i].e->title);
        SIM_TRY(put_grid(to, "origins", sim_table_origins(&g, b->chapters[i].e, i), &g));
    }
    if (b->records->notes.count) fputs("<h3>Notes on the files</h3>\n<ul class=\"plain\">\n", to);
    for (int i = 0; i < b->records->notes.count; i++) {
        sim_note_text(&b->records->notes.notes[i], sentence, sizeof sentence);
        put_element(to, "li", "", "", sentence);
    }
    fputs(b->records->notes.count ? "</ul>\n</section>\n" : "</section>\n", to);
    return SIM_OK;
}

static sim_status put_gallery(FILE *to, const struct sim_book *b, const char *title, enum sim_figure_kind one,
                              enum sim_figure_kind other, const char *folder)
{
    if (!has_figure(b, one) && !has_figure(b, other)) return SIM_OK;
    fprintf(to, "<section>\n<h2>%s</h2>\n", title);
    for (int i = 0; i < b->count; i++) {
        SIM_TRY(put_figures(to, &b->chapters[i], one, folder));
        if (other != one) SIM_TRY(put_figures(to, &b->chapters[i], other, folder));
    }
    fputs("</section>\n", to);
    return SIM_OK;
}

/* ------------------------------------------------------------------ the page */

struct page {
    const struct sim_book *book;
    const char *folder; /* of the figures */
};

static sim_status put_page(FILE *to, const void *context)
{
    const struct page *page = context;
    const struct sim_book *b = page->book;
    const char *folder = page->folder;
    int explained = 0;
    put_head(to, b);
    for (int i = 0; i < b->count; i++) SIM_TRY(put_comparison(to, &b->chapters[i], b->paper));
    put_contents(to, b);
    for (int i = 0; i < b->count; i++)
        SIM_TRY(put_question(to, &b->chapters[i], b->paper, folder, &explained));
    fputs("<section id=\"tables\">\n<h2>Tables</h2>\n", to);
    for (int i = 0; i < b->count; i++) SIM_TRY(put_table(to, &b->chapters[i]));
    fputs("</section>\n", to);
    SIM_TRY(put_gallery(to, b, "Scores and training curves", SIM_FIGURE_SCORES, SIM_FIGURE_LOSS, folder));
    SIM_TRY(put_gallery(to, b, "Cost", SIM_FIGURE_COST, SIM_FIGURE_COST, folder));
    if (b->paper) SIM_TRY(put_paper(to, b));
    SIM_TRY(put_origins(to, b));
    fputs("</main>\n</body>\n</html>\n", to);
    return SIM_OK;
}

sim_status sim_page_write(const struct sim_book *b, const char *folder, FILE *terminal)
{
    const struct page page = {b, folder};
    return sim_output_write(folder, "index.html", terminal, put_page, &page);
}
