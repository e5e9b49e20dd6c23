#include "grid.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "text.h"

sim_status sim_grid_open(struct sim_grid *g, int rows, int cols)
{
    *g = (struct sim_grid){.rows = rows, .cols = cols};
    g->cells = calloc((size_t)rows * (size_t)cols, sizeof *g->cells);
    g->left = calloc((size_t)cols, 1);
    if (g->cells && g->left) return SIM_OK;
    sim_grid_close(g);
    return sim_fail(SIM_ENOMEM, "no memory for a table of %d rows", rows);
}

void sim_grid_close(struct sim_grid *g)
{
    for (int i = 0; g->cells && i < g->rows * g->cols; i++) {
        free(g->cells[i].text);
        free(g->cells[i].note);
    }
    free(g->cells);
    free(g->left);
    *g = (struct sim_grid){0};
}

struct sim_grid_cell *sim_grid_at(const struct sim_grid *g, int row, int col)
{
    return &g->cells[(size_t)row * (size_t)g->cols + (size_t)col];
}

const char *sim_grid_text(const struct sim_grid *g, int row, int col)
{
    const char *text = sim_grid_at(g, row, col)->text;
    return text ? text : "";
}

static void replace(struct sim_grid *g, char **text, const char *format, va_list values)
{
    free(*text);
    if (vasprintf(text, format, values) < 0) *text = NULL, g->failed = 1;
}

void sim_grid_put(struct sim_grid *g, int row, int col, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    replace(g, &sim_grid_at(g, row, col)->text, format, values);
    va_end(values);
}

void sim_grid_note(struct sim_grid *g, int row, int col, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    replace(g, &sim_grid_at(g, row, col)->note, format, values);
    va_end(values);
}

void sim_grid_put_number(struct sim_grid *g, int row, int col, double x)
{
    if (isfinite(x)) sim_grid_put(g, row, col, "%.10g", x);
}

static sim_status whole(const struct sim_grid *g)
{
    return g->failed ? sim_fail(SIM_ENOMEM, "no memory for a table of %d rows", g->rows) : SIM_OK;
}

/* ------------------------------------------------------------------ terminal */

static int shown_width(const struct sim_grid *g, int row, int col, int most)
{
    int width = sim_text_width(sim_grid_text(g, row, col));
    return col == 0 && width > most ? most : width;
}

static void pad(FILE *to, int count)
{
    for (int i = 0; i < count; i++) fputc(' ', to);
}

sim_status sim_grid_terminal(FILE *to, const struct sim_grid *g, int most)
{
    SIM_TRY(whole(g));
    for (int row = 0; row < g->rows; row++) {
        for (int col = 0; col < g->cols; col++) {
            int width = 0, own = shown_width(g, row, col, most);
            for (int r = 0; r < g->rows; r++) {
                int w = shown_width(g, r, col, most);
                if (w > width) width = w;
            }
            pad(to, 2);
            if (!g->left[col]) pad(to, width - own);
            sim_text_plain(to, sim_grid_text(g, row, col), col == 0 ? most : own);
            if (g->left[col] && col < g->cols - 1) pad(to, width - own);
        }
        fputc('\n', to);
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ Markdown, LaTeX, CSV */

/* Text and note through `put`, the text between the marks where it is strong. */
static void put_both(FILE *to, const struct sim_grid_cell *cell, void (*put)(FILE *, const char *),
                     const char *before, const char *after)
{
    if (cell->strong) fputs(before, to);
    put(to, cell->text ? cell->text : "");
    if (cell->strong) fputs(after, to);
    if (!cell->note) return;
    fputs(" (", to);
    put(to, cell->note);
    fputc(')', to);
}

sim_status sim_grid_markdown(FILE *to, const struct sim_grid *g)
{
    SIM_TRY(whole(g));
    for (int row = 0; row < g->rows; row++) {
        fputc('|', to);
        for (int col = 0; col < g->cols; col++) {
            fputc(' ', to);
            put_both(to, sim_grid_at(g, row, col), sim_text_markdown, "**", "**");
            fputs(" |", to);
        }
        fputs(row ? "\n" : "\n|", to);
        for (int col = 0; col < g->cols && !row; col++) fputs(g->left[col] ? "---|" : "---:|", to);
        if (!row) fputc('\n', to);
    }
    return SIM_OK;
}

sim_status sim_grid_latex(FILE *to, const struct sim_grid *g)
{
    SIM_TRY(whole(g));
    fputs("\\begin{tabular}{", to);
    for (int col = 0; col < g->cols; col++) fputc(g->left[col] ? 'l' : 'r', to);
    fputs("}\n\\toprule\n", to);
    for (int row = 0; row < g->rows; row++) {
        for (int col = 0; col < g->cols; col++) {
            if (col) fputs(" & ", to);
            put_both(to, sim_grid_at(g, row, col), sim_text_latex, "\\textbf{", "}");
        }
        fputs(row ? " \\\\\n" : " \\\\\n\\midrule\n", to);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", to);
    return SIM_OK;
}

sim_status sim_grid_csv(FILE *to, const struct sim_grid *g, int with_head)
{
    SIM_TRY(whole(g));
    for (int row = !with_head; row < g->rows; row++)
        for (int col = 0; col < g->cols; col++) {
            sim_text_csv(to, sim_grid_text(g, row, col));
            fputc(col < g->cols - 1 ? ',' : '\n', to);
        }
    return SIM_OK;
}

/* ------------------------------------------------------------------ HTML */

static void put_cell(FILE *to, const struct sim_grid *g, int row, int col)
{
    const struct sim_grid_cell *cell = sim_grid_at(g, row, col);
    const char *tag = row == 0 || col == 0 ? "th" : "td";
    fprintf(to, "<%s", tag);
    if (row == 0) fputs(" scope=\"col\"", to);
    if (row > 0 && col == 0) fputs(" scope=\"row\"", to);
    if (*cell->id) fprintf(to, " id=\"%s\"", cell->id);
    if (g->left[col] || *cell->class)
        fprintf(to, " class=\"%s%s%s\"", g->left[col] ? "text" : "", g->left[col] && *cell->class ? " " : "",
                cell->class);
    fputc('>', to);
    if (*cell->link) fprintf(to, "<a href=\"#%s\">", cell->link);
    if (cell->strong) fputs("<b>", to);
    sim_text_html(to, sim_grid_text(g, row, col));
    if (cell->strong) fputs("</b>", to);
    if (*cell->link) fputs("</a>", to);
    if (cell->note) {
        fputs("<small>", to);
        sim_text_html(to, cell->note);
        fputs("</small>", to);
    }
    fprintf(to, "</%s>", tag);
}

sim_status sim_grid_html(FILE *to, const struct sim_grid *g)
{
    SIM_TRY(whole(g));
    fputs("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead>\n", to);
    for (int row = 0; row < g->rows; row++) {
        fputs("<tr>", to);
        for (int col = 0; col < g->cols; col++) put_cell(to, g, row, col);
        fputs(row ? "</tr>\n" : "</tr>\n</thead>\n<tbody>\n", to);
    }
    fputs("</tbody>\n</table></div>\n", to);
    return SIM_OK;
}
