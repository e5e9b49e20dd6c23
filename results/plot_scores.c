/* Scores of all runs: a panel per kind of score, a line per run. */
#include <math.h>
#include <string.h>

#include "plot.h"
#include "plot_frame.h"
#include "table.h"
#include "text.h"

enum {
    NAME_CHARACTERS = 28,
    LINE = 36,
    TOP = 46,
    BOTTOM = 98,
    GAP = 28,
    RIGHT = 18,
    PANEL = 330,
    LEAST = 640
};

struct panel {
    const struct sim_summary *e;
    int score;        /* index into score_names */
    double low, high; /* percent */
    int several;      /* bits: 1 some run has several seeds, 2 some run has one */
};

static void widen(struct panel *p, struct sim_stat s, int with_spread)
{
    double spread = with_spread && isfinite(s.spread) ? s.spread : 0;
    if (!s.n) return;
    p->low = fmin(p->low, 100 * (s.mean - spread));
    p->high = fmax(p->high, 100 * (s.mean + spread));
}

static void put_stat(FILE *to, int line, struct sim_stat s)
{
    if (s.n) fprintf(to, "%.9g %d %.9g\n", 100 * s.mean, line, isfinite(s.spread) ? 100 * s.spread : 0);
}

/* The blocks of one panel: $after_P (mean, line, spread), $before_P (mean, line), $seeds_P, and the range. */
static void put_data(FILE *to, struct panel *p)
{
    int k = p->score;
    fprintf(to, "$after_%d << EOD\n", k);
    for (int i = 0; i < p->e->count; i++) {
        put_stat(to, i, p->e->rows[i].pretrained[k]);
        widen(p, p->e->rows[i].pretrained[k], 1);
        if (p->e->rows[i].pretrained[k].n) p->several |= p->e->rows[i].pretrained[k].n > 1 ? 1 : 2;
    }
    fprintf(to, "EOD\n$before_%d << EOD\n", k);
    for (int i = 0; i < p->e->count; i++) {
        put_stat(to, i, p->e->rows[i].untrained[k]);
        widen(p, p->e->rows[i].untrained[k], 0);
    }
    fprintf(to, "EOD\n$seeds_%d << EOD\n", k);
    for (int i = 0; i < p->e->count; i++)
        for (int j = 0; j < p->e->rows[i].count && p->e->rows[i].pretrained[k].n > 1; j++) {
            const struct sim_run_record *r = p->e->rows[i].runs[j];
            const struct sim_run_score *s = sim_run_score_find(r, p->e->score_names[k], 1);
            if (!s || !sim_run_is_ok(r)) continue;
            fprintf(to, "%.9g %.2f\n", 100 * s->value, i + 0.25); /* beneath the bar, so that nothing hides */
            p->low = fmin(p->low, 100 * s->value);
            p->high = fmax(p->high, 100 * s->value);
        }
    fputs("EOD\n", to);
}

/* Figures right of the points, coloured dots and bars, the lift as a pale line, the untrained level as a dark
 * tick. */
static void put_panel(struct sim_drawing_script *s, struct panel *p, int left, int number)
{
    FILE *to = s->to;
    int k = p->score;
    double room = p->high > p->low ? p->high - p->low : 1;
    fprintf(to, "set lmargin at screen %.6f\nset rmargin at screen %.6f\n",
            (double)(left + number * (PANEL + GAP)) / s->width,
            (double)(left + number * (PANEL + GAP) + PANEL) / s->width);
    double low = p->low - 0.06 * room, high = p->high + 0.24 * room;
    fprintf(to, "set xrange [%.9g:%.9g]\nset yrange [%d.5:-0.5]\n", low, high, p->e->count - 1);
    sim_gnuplot_tics(to, "x", low, high, 0);
    fputs("set xlabel ", to);
    sim_text_gnuplot(to, sim_score_title(p->e->score_names[k]), 40);
    fputs(".' (%)'\n", to);
    fprintf(to,
            "plot $before_%d using 1:2:(0):(0.5) with vectors nohead lw 3 lc rgb '#999999' notitle, \\\n"
            "  $before_%d using 1:2:(0):(-0.5) with vectors nohead lw 3 lc rgb '#999999' notitle",
            k, k);
    int base = 0;
    for (int i = 0; i < p->e->count; i++) {
        const struct sim_row *row = &p->e->rows[i];
        const char *colour = sim_gnuplot_colour(i);
        if (!row->pretrained[k].n) continue;
        if (row->untrained[k].n)
            fprintf(to,
                    ", \\\n  '+' using (%.9g):(%d):(%.9g):(0) every ::::0 with vectors nohead lw 1 dt 3 lc "
                    "rgb '%s' notitle",
                    100 * row->untrained[k].mean, i, 100 * (row->pretrained[k].mean - row->untrained[k].mean),
                    colour);
        fprintf(to,
                ", \\\n  $after_%d every ::%d::%d using 1:2:3 with xerrorbars pt 7 ps 1.1 lw 1.8 lc rgb '%s' "
                "notitle",
                k, base, base, colour);
        fprintf(to,
                ", \\\n  $after_%d every ::%d::%d using ($1+$3):2:('%.1f') with labels left offset 0.8,0 "
                "font ',11' "
                "textcolor rgb '#222222' notitle",
                k, base, base, 100 * row->pretrained[k].mean);
        base++;
    }
    if (p->several & 1)
        fprintf(to, ", \\\n  $seeds_%d using 1:2 with points pt 6 ps 0.6 lw 1 lc rgb '#555555' notitle", k);
    fputc('\n', to);
}

static int longest_name(const struct sim_summary *e)
{
    int most = 6;
    for (int i = 0; i < e->count; i++) {
        int width = sim_text_width(e->rows[i].label);
        if (width > most) most = width;
    }
    return most < NAME_CHARACTERS ? most : NAME_CHARACTERS;
}

/* Names left of the first panel, the experiment above, and below what the marks mean. */
static void put_texts(struct sim_drawing_script *s, const struct sim_summary *e, int left, int several)
{
    FILE *to = s->to;
    double plot = s->height - TOP - BOTTOM;
    sim_frame_title(s, e->title, "", 14);
    for (int i = 0; i < e->count; i++) {
        fputs("set label ", to);
        sim_text_gnuplot(to, e->rows[i].label, NAME_CHARACTERS);
        fprintf(to, " at screen %.6f, screen %.6f right font ',12' textcolor rgb '#222222'\n",
                (left - 10.0) / s->width, (BOTTOM + plot * (e->count - i - 0.5) / e->count) / s->height);
    }
    const char *const captions[] = {
        !(several & 1) ? "dot and bar: score and its standard error"
        : several == 3 ? "dot and bar: mean and standard deviation over seeds (one seed: standard error); "
                         "rings: the seeds"
                       : "dot and bar: mean and standard deviation over seeds; rings: the seeds",
        "grey: the same encoder untrained"};
    for (int i = 0; i < 2; i++) sim_frame_caption(s, captions[i], 14, 30 - 16 * i);
}

/* STEM.csv: every score of every seed. */
static sim_status write_data(const struct sim_summary *e, const char *folder, const char *stem,
                             FILE *terminal)
{
    static const char *const head[] = {"run",     "seed",  "status",         "score",
                                       "encoder", "value", "standard_error", "record"};
    struct sim_grid g;
    int rows = 1, at = 1;
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++) rows += e->rows[i].runs[j]->score_count;
    SIM_TRY(sim_grid_open(&g, rows, 8));
    for (int c = 0; c < 8; c++) sim_grid_put(&g, 0, c, "%s", head[c]);
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++)
            for (int k = 0; k < e->rows[i].runs[j]->score_count; k++, at++) {
                const struct sim_run_record *r = e->rows[i].runs[j];
                sim_grid_put(&g, at, 0, "%s", e->rows[i].label);
                sim_grid_put(&g, at, 1, "%lld", (long long)r->seed);
                sim_grid_put(&g, at, 2, "%s", r->status);
                sim_grid_put(&g, at, 3, "%s", r->scores[k].name);
                sim_grid_put(&g, at, 4, "%s", r->scores[k].encoder);
                sim_grid_put(&g, at, 5, "%.10g", r->scores[k].value);
                sim_grid_put(&g, at, 6, "%.10g", r->scores[k].standard_error);
                sim_grid_put(&g, at, 7, "%s:%lld", r->path, (long long)r->line);
            }
    return sim_frame_data(&g, folder, stem, terminal);
}

sim_status sim_plot_scores(const struct sim_summary *e, const char *folder, const char *stem, FILE *terminal,
                           int *drawn)
{
    struct sim_drawing_script s;
    struct panel panels[SIM_MAX_SCORE_NAMES];
    int left = 24 + (int)(8.0 * longest_name(e)), several = 0;
    *drawn = 0;
    if (!e->score_count) return SIM_OK;
    int width = left + e->score_count * (PANEL + GAP) - GAP + RIGHT;
    SIM_TRY(sim_gnuplot_open(&s, width > LEAST ? width : LEAST, TOP + BOTTOM + LINE * e->count));
    for (int k = 0; k < e->score_count; k++) {
        panels[k] = (struct panel){.e = e, .score = k, .low = HUGE_VAL, .high = -HUGE_VAL};
        put_data(s.to, &panels[k]);
        several |= panels[k].several;
        if (panels[k].low > panels[k].high) panels[k].low = 0, panels[k].high = 100;
    }
    fprintf(s.to, "set tmargin at screen %.6f\nset bmargin at screen %.6f\n", 1 - (double)TOP / s.height,
            (double)BOTTOM / s.height);
    fputs("unset grid\nset grid xtics lc rgb '#E4E4E4' lw 1 dt 1\nset border 1\nunset ytics\nset samples "
          "2\nset errorbars small\n",
          s.to);
    put_texts(&s, e, left, several);
    fputs("set multiplot\n", s.to);
    for (int k = 0; k < e->score_count; k++) {
        put_panel(&s, &panels[k], left, k);
        fputs("unset label\n", s.to);
    }
    fputs("unset multiplot\n", s.to);
    sim_status status = sim_gnuplot_draw(&s, folder, stem, terminal);
    if (status == SIM_OK) status = write_data(e, folder, stem, terminal);
    *drawn = status == SIM_OK;
    return status;
}
