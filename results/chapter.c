#include "chapter.h"

#include <stdlib.h>
#include <string.h>

#include "beside.h"
#include "output.h"
#include "table.h"
#include "text.h"

/* ------------------------------------------------------------------ the book */

sim_status sim_book_make(struct sim_book *out, const struct sim_run_records *records,
                         const struct sim_summaries *summaries, const struct sim_paper *paper)
{
    *out = (struct sim_book){.records = records, .paper = paper};
    out->chapters = calloc((size_t)summaries->count + 1, sizeof *out->chapters);
    sim_status status = out->chapters ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory for the report");
    for (int i = 0; i < summaries->count && status == SIM_OK; i++) {
        struct sim_chapter *c = &out->chapters[out->count++];
        c->e = &summaries->experiments[i];
        c->number = i;
        status = sim_claims_judge(&c->claims, c->e);
        if (status == SIM_OK) status = sim_sweeps_make(&c->sweeps, c->e);
        if (status == SIM_OK) status = sim_comparison_make(&c->comparison, c->e, paper);
        if (status == SIM_OK && paper && c->comparison.method_count)
            status = sim_paper_verdicts_judge(&c->verdicts, &c->comparison);
    }
    if (status != SIM_OK) sim_book_close(out);
    return status;
}

void sim_book_close(struct sim_book *b)
{
    for (int i = 0; i < b->count; i++) {
        sim_claims_close(&b->chapters[i].claims);
        sim_sweeps_close(&b->chapters[i].sweeps);
        sim_paper_verdicts_close(&b->chapters[i].verdicts);
        sim_comparison_close(&b->chapters[i].comparison);
        free(b->chapters[i].figures);
    }
    free(b->chapters);
    free(b->missing);
    *b = (struct sim_book){0};
}

/* ------------------------------------------------------------------ terminal */

enum { NAME_CHARACTERS = 48, LINE_CHARACTERS = 400 };

static void put_plain(FILE *to, const char *text)
{
    sim_text_plain(to, text, LINE_CHARACTERS);
}

static void put_verdict(FILE *to, const struct sim_claim_result *r)
{
    fprintf(to, "  %-16s  ", sim_verdict_name(r->verdict));
    put_plain(to, *r->claim->text ? r->claim->text : r->claim->id);
    if (r->difference.n) {
        fputs("  (", to);
        put_plain(to, r->claim->score);
        fprintf(to, ": %+.1f", 100 * r->difference.mean);
        if (r->difference.n > 1)
            fprintf(to, " [%+.1f, %+.1f]", 100 * r->difference.low, 100 * r->difference.high);
        fprintf(to, ", n %d)", r->difference.n);
    }
    if (*r->outlook) {
        fputs("; ", to);
        put_plain(to, r->outlook);
    }
    fputc('\n', to);
}

sim_status sim_chapter_terminal(FILE *to, const struct sim_chapter *c)
{
    struct sim_grid g;
    char sum[200];
    put_plain(to, c->e->title);
    fputs("\n\n", to);
    if (*c->e->study->question) {
        fputs("  ", to);
        put_plain(to, c->e->study->question);
        fputs("\n\n", to);
    }
    for (int i = 0; i < c->claims.count; i++) put_verdict(to, &c->claims.results[i]);
    if (c->claims.count) fputc('\n', to);
    if (c->verdicts.count) {
        sim_paper_verdicts_sum(&c->verdicts, sum, sizeof sum);
        fprintf(to, "  %s\n", sum);
        for (int i = 0; i < c->verdicts.parts.count; i++) put_verdict(to, &c->verdicts.parts.results[i]);
        fputc('\n', to);
    }
    SIM_TRY(sim_table_scores(&g, c->e, c->number));
    sim_status status = sim_grid_terminal(to, &g, NAME_CHARACTERS);
    sim_grid_close(&g);
    fputc('\n', to);
    sim_table_explain(to, c->e, "  ", "\n");
    sim_table_failures(to, c->e, "  ", "\n", put_plain);
    return status;
}

/* ------------------------------------------------------------------ files */

static sim_status put_grid(FILE *to, sim_status made, struct sim_grid *g,
                           sim_status (*put)(FILE *, const struct sim_grid *))
{
    if (made == SIM_OK) made = put(to, g);
    sim_grid_close(g);
    return made;
}

static void put_paragraph(FILE *to, const char *head, const char *text)
{
    if (!*text) return;
    fputs(head, to);
    sim_text_markdown(to, text);
    fputs("\n\n", to);
}

static sim_status put_markdown(FILE *to, const void *book)
{
    const struct sim_book *b = book;
    struct sim_grid g = {0};
    for (int i = 0; i < b->count; i++) {
        const struct sim_chapter *c = &b->chapters[i];
        put_paragraph(to, i ? "\n## " : "## ", c->e->title);
        put_paragraph(to, "", c->e->study->question);
        put_paragraph(to, "Paper: ", c->e->study->paper);
        if (c->claims.count) {
            SIM_TRY(put_grid(to, sim_claims_grid(&g, &c->claims), &g, sim_grid_markdown));
            fprintf(to, "\n%s\n\n", sim_claims_legend());
        }
        if (b->paper) SIM_TRY(sim_beside_runs(&g, b->paper, c->e));
        if (g.rows) {
            SIM_TRY(put_grid(to, SIM_OK, &g, sim_grid_markdown));
            fputc('\n', to);
        }
        SIM_TRY(put_grid(to, sim_table_scores(&g, c->e, i), &g, sim_grid_markdown));
        fputc('\n', to);
        sim_table_explain(to, c->e, "", "\n");
        fputc('\n', to);
        sim_table_failures(to, c->e, "- ", "\n", sim_text_markdown);
        fputc('\n', to);
        SIM_TRY(put_grid(to, sim_table_origins(&g, c->e, i), &g, sim_grid_markdown));
    }
    return SIM_OK;
}

static sim_status put_latex(FILE *to, const void *book)
{
    const struct sim_book *b = book;
    struct sim_grid g = {0};
    fputs("% Made from records by siameseim report; needs the packages booktabs and textcomp.\n", to);
    for (int i = 0; i < b->count; i++) {
        const struct sim_chapter *c = &b->chapters[i];
        fputs("\n% ", to);
        sim_text_plain(to, c->e->title, LINE_CHARACTERS);
        fputc('\n', to);
        if (c->comparison.method_count) {
            SIM_TRY(put_grid(to, sim_comparison_grid(&g, &c->comparison, i), &g, sim_grid_latex));
            fputc('\n', to);
        }
        SIM_TRY(put_grid(to, sim_table_scores(&g, c->e, i), &g, sim_grid_latex));
        if (c->claims.count) {
            fputc('\n', to);
            SIM_TRY(put_grid(to, sim_claims_grid(&g, &c->claims), &g, sim_grid_latex));
        }
    }
    return SIM_OK;
}

static sim_status put_csv(FILE *to, const void *book)
{
    const struct sim_book *b = book;
    for (int i = 0; i < b->count; i++) SIM_TRY(sim_table_csv(to, b->chapters[i].e, i == 0));
    return SIM_OK;
}

static sim_status put_claims(FILE *to, const void *book)
{
    const struct sim_book *b = book;
    for (int i = 0; i < b->count; i++) SIM_TRY(sim_claims_csv(to, &b->chapters[i].claims, i == 0));
    for (int i = 0; i < b->count; i++) SIM_TRY(sim_claims_csv(to, &b->chapters[i].verdicts.parts, 0));
    return SIM_OK;
}

static sim_status put_comparisons(FILE *to, const void *book)
{
    const struct sim_book *b = book;
    int head = 1;
    for (int i = 0; i < b->count; i++) {
        const struct sim_comparison *c = &b->chapters[i].comparison;
        if (!c->method_count) continue;
        SIM_TRY(sim_comparison_csv(to, c, head));
        head = 0;
    }
    return SIM_OK;
}

sim_status sim_book_write_tables(const struct sim_book *b, const char *folder, FILE *terminal)
{
    int claims = 0, comparisons = 0;
    for (int i = 0; i < b->count; i++) {
        claims += b->chapters[i].claims.count + b->chapters[i].verdicts.parts.count;
        comparisons += b->chapters[i].comparison.method_count > 0;
    }
    SIM_TRY(sim_output_write(folder, "table.md", terminal, put_markdown, b));
    SIM_TRY(sim_output_write(folder, "table.csv", terminal, put_csv, b));
    SIM_TRY(sim_output_write(folder, "table.tex", terminal, put_latex, b));
    if (comparisons) SIM_TRY(sim_output_write(folder, "comparison.csv", terminal, put_comparisons, b));
    return claims ? sim_output_write(folder, "claims.csv", terminal, put_claims, b) : SIM_OK;
}
