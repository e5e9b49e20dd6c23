#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

enum { CELL_BYTES = 160 };

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

const char *sim_score_title(const char *name)
{
    return strcmp(name, "knn") == 0 ? "kNN" : name;
}

static void put_value(struct sim_grid *g, int row, int col, struct sim_stat s, double scale, int sign)
{
    char text[CELL_BYTES];
    sim_table_value(text, sizeof text, s, scale, sign);
    sim_grid_put(g, row, col, "%s", text);
}

static void put_interval(struct sim_grid *g, int row, int col, struct sim_stat s)
{
    if (s.n > 1)
        sim_grid_put(g, row, col, "[%.1f, %.1f]", 100 * (s.mean - s.half), 100 * (s.mean + s.half));
    else
        sim_grid_put(g, row, col, "–");
}

/* ------------------------------------------------------------------ scores */

static int some_have_several(const struct sim_summary *e)
{
    for (int i = 0; i < e->count; i++)
        if (e->rows[i].ok > 1) return 1;
    return 0;
}

static void put_head(struct sim_grid *g, const struct sim_summary *e, int several)
{
    static const char *const first[] = {"run", "n", "loss"};
    int col = 0;
    for (; col < 3; col++) sim_grid_put(g, 0, col, "%s", first[col]);
    for (int k = 0; k < e->score_count; k++) {
        sim_grid_put(g, 0, col++, "%.100s %%", sim_score_title(e->score_names[k]));
        if (several) sim_grid_put(g, 0, col++, "95 %%");
        sim_grid_put(g, 0, col++, "untrained");
        sim_grid_put(g, 0, col++, "lift");
    }
    sim_grid_put(g, 0, col++, "images/s");
    sim_grid_put(g, 0, col, "training");
    g->left[0] = 1;
}

static void put_row(struct sim_grid *g, int at, const struct sim_summary *e, const struct sim_row *row,
                    int several)
{
    char text[64];
    int col = 3;
    sim_grid_put(g, at, 0, "%s", row->label);
    if (row->ok == row->count)
        sim_grid_put(g, at, 1, "%d", row->count);
    else
        sim_grid_put(g, at, 1, "%d of %d", row->ok, row->count);
    put_value(g, at, 2, row->loss, 1, 0);
    for (int k = 0; k < e->score_count; k++) {
        put_value(g, at, col++, row->pretrained[k], 100, 0);
        if (several) put_interval(g, at, col++, row->pretrained[k]);
        put_value(g, at, col++, row->untrained[k], 100, 0);
        put_value(g, at, col++, row->lift[k], 100, 1);
    }
    double rate = row->images_per_s.mean;
    if (row->images_per_s.n)
        sim_grid_put(g, at, col, "%.*f", rate >= 100 ? 0 : rate >= 10 ? 1 : 2, rate);
    else
        sim_grid_put(g, at, col, "–");
    sim_format_duration(row->train_s.mean, text, sizeof text);
    sim_grid_put(g, at, col + 1, "%s", row->train_s.n ? text : "–");
}

sim_status sim_table_scores(struct sim_grid *g, const struct sim_summary *e, int number)
{
    int several = some_have_several(e);
    SIM_TRY(sim_grid_open(g, e->count + 1, 5 + (3 + several) * e->score_count));
    put_head(g, e, several);
    for (int i = 0; i < e->count; i++) {
        put_row(g, i + 1, e, &e->rows[i], several);
        snprintf(sim_grid_at(g, i + 1, 0)->link, 24, "e%d-r%d", number, i);
    }
    return SIM_OK;
}

void sim_table_explain(FILE *to, const struct sim_summary *e, const char *before, const char *after)
{
    int several = some_have_several(e), single = 0;
    for (int i = 0; i < e->count; i++) single |= e->rows[i].ok == 1;
    if (e->score_count)
        fprintf(
            to,
            "%sScores: of the encoder, frozen but for finetune, in percent; lift: points over the same encoder untrained.%s",
            before, after);
    if (several)
        fprintf(to, "%sa ± s: mean and standard deviation over n seeds; 95 %%: interval of the mean.%s",
                before, after);
    if (single)
        fprintf(to, "%sa (s): one seed, and the standard error over the images scored.%s", before, after);
}

void sim_table_failures(FILE *to, const struct sim_summary *e, const char *before, const char *after,
                        void (*put)(FILE *, const char *))
{
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++) {
            const struct sim_run_record *r = e->rows[i].runs[j];
            if (sim_run_is_ok(r)) continue;
            fputs(before, to);
            put(to, e->rows[i].label);
            fprintf(to, ", seed %lld: %s, in no figure above", (long long)r->seed, r->status);
            if (*r->reason) fputs(": ", to);
            put(to, r->reason);
            fputs(after, to);
        }
}

/* ------------------------------------------------------------------ origins */

sim_status sim_table_origins(struct sim_grid *g, const struct sim_summary *e, int number)
{
    static const char *const head[] = {"run",     "seed",   "status",  "record",    "configuration", "commit",
                                       "started", "device", "threads", "precision", "substituted"};
    int cols = (int)(sizeof head / sizeof *head), rows = 1;
    for (int i = 0; i < e->count; i++) rows += e->rows[i].count;
    SIM_TRY(sim_grid_open(g, rows, cols));
    for (int c = 0; c < cols; c++) sim_grid_put(g, 0, c, "%s", head[c]), g->left[c] = c != 1 && c != 8;
    int at = 1;
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++, at++) {
            const struct sim_run_record *r = e->rows[i].runs[j];
            sim_grid_put(g, at, 0, "%s", e->rows[i].label);
            if (!j) snprintf(sim_grid_at(g, at, 0)->id, 24, "e%d-r%d", number, i);
            sim_grid_put(g, at, 1, "%lld", (long long)r->seed);
            sim_grid_put(g, at, 2, "%s", r->status);
            sim_grid_put(g, at, 3, "%s:%lld", r->path, (long long)r->line);
            sim_grid_put(g, at, 4, "%s", r->config_hash);
            sim_grid_put(g, at, 5, "%s", r->commit);
            sim_grid_put(g, at, 6, "%s", r->started);
            sim_grid_put(g, at, 7, "%s", r->device);
            sim_grid_put(g, at, 8, "%lld", (long long)r->threads);
            sim_grid_put(g, at, 9, "%s%s", *r->precision ? r->precision : "fp32",
                         r->deterministic ? "" : ", not deterministic");
            sim_grid_put(g, at, 10, "%s", r->substituted);
        }
    return SIM_OK;
}

/* ------------------------------------------------------------------ CSV */

/* Seeds and records that stand behind a row, each joined by spaces. */
static void put_sources(struct sim_grid *g, int at, int col, const struct sim_row *row)
{
    char *seeds = NULL, *records = NULL;
    size_t ignored;
    FILE *s = open_memstream(&seeds, &ignored), *r = open_memstream(&records, &ignored);
    const char *gap = "";
    for (int i = 0; s && r && i < row->count; i++) {
        if (!sim_run_is_ok(row->runs[i])) continue;
        fprintf(s, "%s%lld", gap, (long long)row->runs[i]->seed);
        fprintf(r, "%s%s:%lld", gap, row->runs[i]->path, (long long)row->runs[i]->line);
        gap = " ";
    }
    g->failed |= !s || !r;
    if (s) g->failed |= fclose(s) != 0;
    if (r) g->failed |= fclose(r) != 0;
    sim_grid_put(g, at, col, "%s", seeds ? seeds : "");
    sim_grid_put(g, at, col + 1, "%s", records ? records : "");
    free(seeds);
    free(records);
}

static sim_status csv_line(FILE *to, const struct sim_summary *e, const struct sim_row *row,
                           const char *quantity, const char *encoder, const struct sim_stat *s)
{
    struct sim_grid g;
    if (!s->n) return SIM_OK;
    SIM_TRY(sim_grid_open(&g, 2, 13));
    const char *const texts[] = {e->experiment, e->scale, row->label, row->runs[0]->config_hash,
                                 quantity,      encoder};
    for (int c = 0; c < 6; c++) sim_grid_put(&g, 1, c, "%s", texts[c]);
    sim_grid_put(&g, 1, 6, "%d", s->n);
    sim_grid_put(&g, 1, 7, "%.10g", s->mean);
    if (s->n == 1 && isfinite(s->spread)) sim_grid_put(&g, 1, 8, "%.10g", s->spread);
    if (s->n > 1) {
        sim_grid_put(&g, 1, 8, "%.10g", s->spread);
        sim_grid_put(&g, 1, 9, "%.10g", s->mean - s->half);
        sim_grid_put(&g, 1, 10, "%.10g", s->mean + s->half);
    }
    put_sources(&g, 1, 11, row);
    sim_status status = sim_grid_csv(to, &g, 0);
    sim_grid_close(&g);
    return status;
}

sim_status sim_table_csv(FILE *to, const struct sim_summary *e, int head)
{
    if (head)
        fputs(
            "experiment,scale,run,config_hash,quantity,encoder,n,mean,spread,low_95,high_95,seeds,records\n",
            to);
    for (int i = 0; i < e->count; i++) {
        const struct sim_row *row = &e->rows[i];
        SIM_TRY(csv_line(to, e, row, "loss", "", &row->loss));
        for (int k = 0; k < e->score_count; k++) {
            SIM_TRY(csv_line(to, e, row, e->score_names[k], "pretrained", &row->pretrained[k]));
            SIM_TRY(csv_line(to, e, row, e->score_names[k], "untrained", &row->untrained[k]));
            SIM_TRY(csv_line(to, e, row, e->score_names[k], "lift", &row->lift[k]));
        }
        SIM_TRY(csv_line(to, e, row, "images_per_s", "", &row->images_per_s));
        SIM_TRY(csv_line(to, e, row, "train_s", "", &row->train_s));
    }
    return SIM_OK;
}
