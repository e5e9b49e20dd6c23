#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "text.h"

enum { CELL_BYTES = 160, NAME_CHARACTERS = 48 };

struct cell {
    char text[CELL_BYTES];
};

struct grid {
    int rows, cols; /* the first row is the head, the first column the run */
    struct cell *cells;
};

static char *at(const struct grid *g, int row, int col)
{
    return g->cells[row * g->cols + col].text;
}

/* ------------------------------------------------------------------ figures */

/* Decimals that show two digits of the spread. */
static int decimals(double spread)
{
    if (!isfinite(spread) || spread <= 0) return -1;
    int d = 1 - (int)floor(log10(spread));
    return d < 0 ? 0 : d > 6 ? 6 : d;
}

void sim_table_value(char *out, int size, struct sim_stat s, double scale, int sign)
{
    double x = s.mean * scale, spread = s.spread * scale;
    if (s.n == 0) {
        snprintf(out, (size_t)size, "–");
        return;
    }
    int d = decimals(spread), unknown = d < 0;
    if (scale > 1 && d >= 0) d = spread >= 0.05 ? 1 : 2; /* percentages: one column, one number of decimals */
    /* Without a spread: four significant digits, or one decimal of a percentage. */
    if (unknown)
        d = scale > 1 || fabs(x) >= 1000 ? 1 : x == 0 ? 1 : (int)fmin(6, fmax(0, 3 - floor(log10(fabs(x)))));
    int used = snprintf(out, (size_t)size, sign ? "%+.*f" : "%.*f", d, x);
    if (used < 0 || used >= size || !isfinite(spread)) return;
    if (s.n > 1) snprintf(out + used, (size_t)(size - used), " ± %.*f", d, spread);
    if (s.n == 1) snprintf(out + used, (size_t)(size - used), " (%.*f)", d, spread);
}

static void put_speed(char *out, int size, struct sim_stat s)
{
    if (s.n == 0)
        snprintf(out, (size_t)size, "–");
    else
        snprintf(out, (size_t)size, "%.*f", s.mean >= 100 ? 0 : s.mean >= 10 ? 1 : 2, s.mean);
}

static void put_time(char *out, int size, struct sim_stat s)
{
    if (s.n == 0)
        snprintf(out, (size_t)size, "–");
    else
        sim_format_duration(s.mean, out, size);
}

static void put_seeds(char *out, int size, const struct sim_row *row)
{
    if (row->ok == row->count)
        snprintf(out, (size_t)size, "%d", row->count);
    else
        snprintf(out, (size_t)size, "%d of %d", row->ok, row->count);
}

static const char *score_title(const char *name)
{
    return strcmp(name, "knn") == 0 ? "kNN" : name;
}

/* ------------------------------------------------------------------ grid */

static sim_status fill(struct grid *g, const struct sim_summary *e)
{
    *g = (struct grid){.rows = e->count + 1, .cols = 5 + 3 * e->score_count};
    g->cells = calloc((size_t)g->rows * (size_t)g->cols, sizeof *g->cells);
    if (!g->cells) return sim_fail(SIM_ENOMEM, "no memory for a table of %d rows", e->count);
    static const char *const head[] = {"run", "n", "loss"}, *const tail[] = {"images/s", "training"};
    for (int c = 0; c < 3; c++) snprintf(at(g, 0, c), CELL_BYTES, "%s", head[c]);
    for (int c = 0; c < 2; c++) snprintf(at(g, 0, g->cols - 2 + c), CELL_BYTES, "%s", tail[c]);
    for (int k = 0; k < e->score_count; k++) {
        snprintf(at(g, 0, 3 + 3 * k), CELL_BYTES, "%.100s %%", score_title(e->score_names[k]));
        snprintf(at(g, 0, 4 + 3 * k), CELL_BYTES, "untrained");
        snprintf(at(g, 0, 5 + 3 * k), CELL_BYTES, "lift");
    }
    for (int i = 0; i < e->count; i++) {
        const struct sim_row *row = &e->rows[i];
        put_seeds(at(g, i + 1, 1), CELL_BYTES, row);
        sim_table_value(at(g, i + 1, 2), CELL_BYTES, row->loss, 1, 0);
        for (int k = 0; k < e->score_count; k++) {
            sim_table_value(at(g, i + 1, 3 + 3 * k), CELL_BYTES, row->pretrained[k], 100, 0);
            sim_table_value(at(g, i + 1, 4 + 3 * k), CELL_BYTES, row->untrained[k], 100, 0);
            sim_table_value(at(g, i + 1, 5 + 3 * k), CELL_BYTES, row->lift[k], 100, 1);
        }
        put_speed(at(g, i + 1, g->cols - 2), CELL_BYTES, row->images_per_s);
        put_time(at(g, i + 1, g->cols - 1), CELL_BYTES, row->train_s);
    }
    return SIM_OK;
}

/* What the brackets and signs in this table mean; only what occurs in it. */
static void explain(FILE *to, const struct sim_summary *e, const char *indent)
{
    int several = 0, single = 0;
    for (int i = 0; i < e->count; i++) {
        several |= e->rows[i].ok > 1;
        single |= e->rows[i].ok == 1;
    }
    fprintf(
        to,
        "%sScores: top-1 of the frozen encoder, in percent; lift: points over the same encoder untrained.\n",
        indent);
    if (several) fprintf(to, "%sa ± s: mean and standard deviation over n seeds.\n", indent);
    if (single) fprintf(to, "%sa (s): one seed, and the standard error over the images scored.\n", indent);
}

static void tell_failures(FILE *to, const struct sim_summary *e, const char *bullet,
                          void (*put)(FILE *, const char *))
{
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++) {
            const struct sim_run_record *r = e->rows[i].runs[j];
            if (strcmp(r->status, "ok") == 0) continue;
            fputs(bullet, to);
            put(to, e->rows[i].label);
            fprintf(to, ", seed %lld: %s, in no figure above", (long long)r->seed, r->status);
            if (*r->reason) fputs(": ", to);
            put(to, r->reason);
            fputc('\n', to);
        }
}

/* ------------------------------------------------------------------ terminal */

static void put_plain(FILE *to, const char *text)
{
    sim_text_plain(to, text, 400);
}

static void pad(FILE *to, int count)
{
    for (int i = 0; i < count; i++) fputc(' ', to);
}

static int shown_width(const char *text, int most)
{
    int width = sim_text_width(text);
    return width < most ? width : most;
}

sim_status sim_table_terminal(FILE *to, const struct sim_summary *e)
{
    struct grid g;
    SIM_TRY(fill(&g, e));
    put_plain(to, e->experiment);
    fputs("\n\n", to);
    int first = 3;
    for (int i = 0; i < e->count; i++) {
        int width = shown_width(e->rows[i].label, NAME_CHARACTERS);
        if (width > first) first = width;
    }
    for (int row = 0; row < g.rows; row++) {
        const char *label = row ? e->rows[row - 1].label : at(&g, 0, 0);
        fputs("  ", to);
        sim_text_plain(to, label, NAME_CHARACTERS);
        pad(to, first - shown_width(label, NAME_CHARACTERS));
        for (int col = 1; col < g.cols; col++) {
            int width = 0;
            for (int r = 0; r < g.rows; r++) {
                int w = sim_text_width(at(&g, r, col));
                if (w > width) width = w;
            }
            pad(to, 2 + width - sim_text_width(at(&g, row, col)));
            fputs(at(&g, row, col), to);
        }
        fputc('\n', to);
    }
    fputc('\n', to);
    explain(to, e, "  ");
    tell_failures(to, e, "  ", put_plain);
    free(g.cells);
    return SIM_OK;
}

/* ------------------------------------------------------------------ Markdown */

/* Where every row comes from, so that each figure can be traced to its records. */
static void put_origins(FILE *to, const struct sim_summary *e)
{
    fputs("\n| run | seed | status | configuration | commit | started | device | threads |\n"
          "|---|---:|---|---|---|---|---|---:|\n",
          to);
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++) {
            const struct sim_run_record *r = e->rows[i].runs[j];
            const char *const texts[] = {r->status, r->config_hash, r->commit, r->started, r->device};
            fputs("| ", to);
            sim_text_markdown(to, e->rows[i].label);
            fprintf(to, " | %lld", (long long)r->seed);
            for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
                fputs(" | ", to);
                sim_text_markdown(to, texts[k]);
            }
            if (*r->precision && strcmp(r->precision, "fp32") != 0)
                fprintf(to, ", "), sim_text_markdown(to, r->precision);
            if (!r->deterministic) fputs(", not deterministic", to);
            fprintf(to, " | %lld |\n", (long long)r->threads);
        }
}

/* No silent fallback: what a run did otherwise than asked stands beside its figures. */
static void put_substitutions(FILE *to, const struct sim_summary *e)
{
    int any = 0;
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++) {
            const struct sim_run_record *r = e->rows[i].runs[j];
            if (!*r->substituted) continue;
            fputs(any++ ? "- " : "\nOtherwise than asked for:\n\n- ", to);
            sim_text_markdown(to, e->rows[i].label);
            fprintf(to, ", seed %lld: ", (long long)r->seed);
            sim_text_markdown(to, r->substituted);
            fputc('\n', to);
        }
}

sim_status sim_table_markdown(FILE *to, const struct sim_summary *e)
{
    struct grid g;
    SIM_TRY(fill(&g, e));
    fputs("## ", to);
    sim_text_markdown(to, e->experiment);
    fputs("\n\n", to);
    for (int row = 0; row < g.rows; row++) {
        fputs("| ", to);
        sim_text_markdown(to, row ? e->rows[row - 1].label : at(&g, 0, 0));
        for (int col = 1; col < g.cols; col++) fprintf(to, " | %s", at(&g, row, col));
        fputs(" |\n", to);
        if (row) continue;
        fputs("|---|", to);
        for (int col = 1; col < g.cols; col++) fputs("---:|", to);
        fputc('\n', to);
    }
    fputc('\n', to);
    explain(to, e, "");
    fputc('\n', to);
    tell_failures(to, e, "- ", sim_text_markdown);
    put_origins(to, e);
    put_substitutions(to, e);
    free(g.cells);
    return SIM_OK;
}
