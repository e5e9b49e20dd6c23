/* Scores against one axis of a sweep: a panel per score, and one of the paper's points. */
#include <math.h>
#include <string.h>

#include "beside.h"
#include "plot.h"
#include "plot_frame.h"
#include "table.h"
#include "text.h"

enum { LEFT = 66, GAP = 66, TOP = 46, PLOT = 270, BOTTOM = 108, RIGHT = 24, PANEL = 320, LINE = 18 };
enum { LABEL_CHARACTERS = 30, TIC_CHARACTERS = 16, LEGEND_POINTS = 7 };

struct canvas {
    struct sim_drawing_script s;
    const struct sim_summary *e;
    const struct sim_sweep *sweep;
    int panel, panels, bottom;
    int rotated; /* names of values too long to stand beside each other */
};

/* The lines' points stand side by side, so that no interval hides another: bars in four fifths of their
 * value's place, the points of lines in a thirtieth of the axis. */
static double at_line(const struct canvas *c, int value, int line)
{
    const struct sim_sweep *s = c->sweep;
    double place = (line + 0.5) / s->line_count - 0.5, width = 0.8;
    if (s->numeric) width = (sim_sweep_position(s, s->value_count - 1) - sim_sweep_position(s, 0)) / 30;
    return sim_sweep_position(s, value) + width * place;
}

/* ------------------------------------------------------------------ data */

/* Blocks $mean_K_L (x, mean, half), $seeds_K_L (x, value), $untrained_K_L (x, mean); the range of what stands
 * in them. */
static struct sim_range put_data(const struct canvas *c, int score, int line)
{
    FILE *to = c->s.to;
    struct sim_range y = SIM_EMPTY_RANGE;
    const struct sim_sweep_line *l = &c->sweep->lines[line];
    fprintf(to, "$mean_%d_%d << EOD\n", score, line);
    for (int i = 0; i < c->sweep->value_count; i++) {
        if (!l->rows[i] || !l->rows[i]->pretrained[score].n) continue;
        struct sim_stat s = l->rows[i]->pretrained[score];
        double half = isfinite(s.half) ? 100 * s.half : 0;
        fprintf(to, "%.9g %.9g %.9g\n", at_line(c, i, line), 100 * s.mean, half);
        sim_range_widen(&y, fmax(0, 100 * s.mean - half));
        sim_range_widen(&y, fmin(100, 100 * s.mean + half));
    }
    fprintf(to, "EOD\n$seeds_%d_%d << EOD\n", score, line);
    for (int i = 0; i < c->sweep->value_count; i++)
        for (int j = 0; l->rows[i] && j < l->rows[i]->count && l->rows[i]->pretrained[score].n > 1; j++) {
            const struct sim_run_record *r = l->rows[i]->runs[j];
            const struct sim_run_score *s = sim_run_score_find(r, c->e->score_names[score], 1);
            if (!s || !sim_run_is_ok(r)) continue;
            fprintf(to, "%.9g %.9g\n", at_line(c, i, line), 100 * s->value);
            sim_range_widen(&y, 100 * s->value);
        }
    fprintf(to, "EOD\n$untrained_%d_%d << EOD\n", score, line);
    for (int i = 0; i < c->sweep->value_count; i++)
        if (l->rows[i] && l->rows[i]->untrained[score].n) {
            fprintf(to, "%.9g %.9g\n", at_line(c, i, line), 100 * l->rows[i]->untrained[score].mean);
            sim_range_widen(&y, 100 * l->rows[i]->untrained[score].mean);
        }
    fputs("EOD\n", to);
    return y;
}

/* $paper_L: the paper's cells of one column on this axis, if any; a column is a line. */
static int put_paper(const struct canvas *c, const struct sim_paper *paper, const char *column, int line,
                     struct sim_range *y)
{
    int points = 0;
    fprintf(c->s.to, "$paper_%d << EOD\n", line);
    for (int v = 0; v < c->sweep->value_count; v++)
        for (int i = 0; i < paper->cell_count; i++) {
            const struct sim_paper_cell *cell = &paper->cells[i];
            if (strcmp(cell->column, column) != 0 || sim_beside_place(cell, c->e, c->sweep) != v) continue;
            fprintf(c->s.to, "%.9g %.9g\n", sim_sweep_position(c->sweep, v), cell->value);
            sim_range_widen(y, cell->value);
            points++;
        }
    fputs("EOD\n", c->s.to);
    return points;
}

/* ------------------------------------------------------------------ panels */

static void put_axis(const struct canvas *c)
{
    const struct sim_sweep *s = c->sweep;
    FILE *to = c->s.to;
    int last = s->value_count - 1;
    double low = sim_sweep_position(s, 0), high = sim_sweep_position(s, last), air = 0.06 * (high - low);
    if (!s->numeric) air = 0.6;
    fprintf(to, "set xrange [%.9g:%.9g]\n", low - air, high + air);
    if (s->numeric && !s->even) {
        sim_gnuplot_tics(to, "x", low - air, high + air, 0);
        return;
    }
    fprintf(to, "set xtics %s ('' %.9g)\nset xtics add (", c->rotated ? "rotate by -35" : "norotate", low);
    for (int i = 0; i <= last; i++) {
        if (i) fputs(", ", to);
        sim_text_gnuplot(to, s->values[i]->text, TIC_CHARACTERS);
        fprintf(to, " %.9g", sim_sweep_position(s, i));
    }
    fputs(")\n", to);
}

static void put_panel_frame(const struct canvas *c, int number, struct sim_range y, const char *label)
{
    FILE *to = c->s.to;
    int left = LEFT + number * (c->panel + GAP);
    fprintf(to, "set lmargin at screen %.6f\nset rmargin at screen %.6f\n", (double)left / c->s.width,
            (double)(left + c->panel) / c->s.width);
    sim_frame_axis(to, "y", y, 0);
    put_axis(c);
    fputs("set xlabel ", to);
    sim_text_gnuplot(to, c->sweep->name, 40);
    fputs("\nset ylabel ", to);
    sim_text_gnuplot(to, label, 40);
    fputs(" offset 0.5,0\n", to);
}

/* Untrained level below, then the lines or bars, then each seed as a ring. */
static void put_score(const struct canvas *c, int score, int number)
{
    FILE *to = c->s.to;
    const struct sim_sweep *s = c->sweep;
    struct sim_range y = SIM_EMPTY_RANGE;
    char label[80];
    for (int l = 0; l < s->line_count; l++) {
        struct sim_range one = put_data(c, score, l);
        sim_range_widen(&y, one.low < one.high ? one.low : y.low);
        sim_range_widen(&y, one.low < one.high ? one.high : y.high);
        if (one.low == one.high) sim_range_widen(&y, one.low);
    }
    y = s->numeric ? sim_range_aired(y) : (struct sim_range){0, y.high > 0 ? 1.08 * y.high : 1};
    snprintf(label, sizeof label, "%.60s (%%)", sim_score_title(c->e->score_names[score]));
    put_panel_frame(c, number, y, label);
    fprintf(to, "set boxwidth %.6f\nplot ", 0.72 / s->line_count);
    for (int l = 0; l < s->line_count; l++) {
        const char *colour = sim_gnuplot_colour(l);
        if (s->numeric)
            fprintf(to,
                    "%s$untrained_%d_%d using 1:2 with linespoints pt 7 ps 0.35 lw 1.2 dt 2 lc rgb "
                    "'#999999', \\\n"
                    "  $mean_%d_%d using 1:2 with lines lw 2 dt %d lc rgb '%s', \\\n"
                    "  $mean_%d_%d using 1:2:3 with yerrorbars pt 7 ps 0.8 lw 1.6 lc rgb '%s', \\\n"
                    "  $seeds_%d_%d using 1:2 with points pt 6 ps 0.55 lw 1 lc rgb '#555555'",
                    l ? ", \\\n  " : "", score, l, score, l, 1 + l / 7 % 4, colour, score, l, colour, score,
                    l);
        else
            fprintf(to,
                    "%s$mean_%d_%d using 1:2 with boxes lc rgb '%s' fs solid 0.55 noborder, \\\n"
                    "  $untrained_%d_%d using ($1-%.4f):2:(%.4f):(0) with vectors nohead lw 2.5 lc rgb "
                    "'#777777', "
                    "\\\n"
                    "  $mean_%d_%d using 1:2:3 with yerrorbars pt 0 ps 0 lw 1.6 lc rgb '#333333', \\\n"
                    "  $seeds_%d_%d using 1:2 with points pt 6 ps 0.55 lw 1 lc rgb '#333333'",
                    l ? ", \\\n  " : "", score, l, colour, score, l, 0.36 / s->line_count,
                    0.72 / s->line_count, score, l, score, l);
    }
    fputc('\n', to);
}

static void put_paper_panel(const struct canvas *c, const struct sim_paper *paper, int number)
{
    FILE *to = c->s.to;
    struct sim_range y = SIM_EMPTY_RANGE;
    const char *columns[LEGEND_POINTS];
    int count = 0;
    for (int i = 0; i < paper->cell_count && count < LEGEND_POINTS; i++) {
        int known = sim_beside_place(&paper->cells[i], c->e, c->sweep) < 0;
        for (int k = 0; k < count && !known; k++) known = strcmp(columns[k], paper->cells[i].column) == 0;
        if (known) continue;
        columns[count] = paper->cells[i].column;
        put_paper(c, paper, columns[count], count, &y);
        count++;
    }
    put_panel_frame(c, number, sim_range_aired(y), "the paper");
    fputs("set key bottom right font ',11'\nplot ", to);
    for (int k = 0; k < count; k++) {
        fprintf(to, "%s$paper_%d using 1:2 with linespoints pt 12 ps 1 lw 1.6 lc rgb '%s' title ",
                k ? ", \\\n  " : "", k, sim_gnuplot_colour(6 - k));
        sim_text_gnuplot(to, columns[k], LABEL_CHARACTERS);
    }
    fputs("\nunset key\n", to);
}

/* ------------------------------------------------------------------ the picture */

/* Names of the lines in their colours, below the panels; then what the marks mean. */
static void put_texts(struct canvas *c)
{
    FILE *to = c->s.to;
    char title[200];
    snprintf(title, sizeof title, "%.90s: %.90s", c->e->title, c->sweep->key);
    sim_frame_title(&c->s, title, c->sweep->even ? "values evenly spaced" : "", 14);
    int legend = c->sweep->line_count > 1 ? c->sweep->line_count : 0;
    for (int l = 0; l < legend; l++) {
        double y = (46.0 + LINE * (legend - l - 0.3)) / c->s.height;
        fprintf(
            to,
            "set arrow from screen %.6f, screen %.6f to screen %.6f, screen %.6f nohead lw 3 dt %d lc rgb "
            "'%s'\nset label ",
            14.0 / c->s.width, y, 40.0 / c->s.width, y, c->sweep->numeric ? 1 + l / 7 % 4 : 1,
            sim_gnuplot_colour(l));
        sim_text_gnuplot(to, c->sweep->lines[l].label, 3 * LABEL_CHARACTERS);
        fprintf(to, " at screen %.6f, screen %.6f left font ',11' textcolor rgb '#222222'\n",
                48.0 / c->s.width, y);
    }
    sim_frame_caption(&c->s,
                      c->sweep->numeric
                          ? "dots: mean over seeds; whiskers: its 95 % interval; rings: the seeds"
                          : "bars: mean over seeds; whiskers: its 95 % interval; rings: the seeds",
                      14, 30);
    sim_frame_caption(&c->s, "grey: the same encoder untrained", 14, 14);
}

static void put_figures(struct sim_grid *g, int row, struct sim_stat s)
{
    sim_grid_put(g, row, 5, "%d", s.n);
    sim_grid_put(g, row, 6, "%.10g", s.mean);
    if (s.n < 2) return;
    sim_grid_put(g, row, 7, "%.10g", s.mean - s.half);
    sim_grid_put(g, row, 8, "%.10g", s.mean + s.half);
}

/* STEM.csv: what the marks stand on. */
static sim_status write_data(const struct canvas *c, const char *folder, const char *stem, FILE *terminal)
{
    static const char *const head[] = {"axis", "value", "line",   "score",  "encoder",
                                       "n",    "mean",  "low_95", "high_95"};
    const struct sim_sweep *s = c->sweep;
    struct sim_grid g;
    SIM_TRY(sim_grid_open(&g, 1 + 2 * s->line_count * s->value_count * c->e->score_count, 9));
    for (int k = 0; k < 9; k++) sim_grid_put(&g, 0, k, "%s", head[k]);
    int row = 1;
    for (int l = 0; l < s->line_count; l++)
        for (int i = 0; i < s->value_count; i++)
            for (int k = 0; s->lines[l].rows[i] && k < 2 * c->e->score_count; k++) {
                const struct sim_row *r = s->lines[l].rows[i];
                struct sim_stat stat = k % 2 ? r->untrained[k / 2] : r->pretrained[k / 2];
                if (!stat.n) continue;
                const char *const texts[] = {s->key, s->values[i]->text, s->lines[l].label,
                                             c->e->score_names[k / 2], k % 2 ? "untrained" : "pretrained"};
                for (int t = 0; t < 5; t++) sim_grid_put(&g, row, t, "%s", texts[t]);
                put_figures(&g, row++, stat);
            }
    g.rows = row; /* the cells behind it are empty */
    return sim_frame_data(&g, folder, stem, terminal);
}

static int names_are_long(const struct canvas *c)
{
    int wide = 0;
    for (int i = 0; i < c->sweep->value_count; i++) wide += sim_text_width(c->sweep->values[i]->text) + 2;
    return (!c->sweep->numeric || c->sweep->even) && 7 * wide > c->panel;
}

static int paper_has_points(const struct sim_paper *paper, const struct canvas *c)
{
    for (int i = 0; paper && i < paper->cell_count; i++)
        if (sim_beside_place(&paper->cells[i], c->e, c->sweep) >= 0) return 1;
    return 0;
}

sim_status sim_plot_sweep(const struct sim_summary *e, const struct sim_sweep *s,
                          const struct sim_paper *paper, const char *folder, const char *stem, FILE *terminal,
                          int *drawn)
{
    struct canvas c = {.e = e, .sweep = s, .panel = PANEL};
    int wanted = 34 * s->value_count * (s->line_count < 4 ? s->line_count : 4) / 2 + 40;
    *drawn = 0;
    if (!e->score_count) return SIM_OK;
    if (!s->numeric && wanted > c.panel) c.panel = wanted < 3 * PANEL ? wanted : 3 * PANEL;
    int with_paper = paper_has_points(paper, &c);
    c.panels = e->score_count + with_paper;
    c.rotated = names_are_long(&c);
    c.bottom = BOTTOM + (s->line_count > 1 ? LINE * s->line_count : 0) + (c.rotated ? 44 : 0);
    int width = LEFT + c.panels * (c.panel + GAP) - GAP + RIGHT + (c.rotated ? 32 : 0);
    SIM_TRY(sim_gnuplot_open(&c.s, width > 480 ? width : 480, TOP + PLOT + c.bottom));
    fprintf(c.s.to, "set tmargin at screen %.6f\nset bmargin at screen %.6f\nset errorbars small\n",
            1 - (double)TOP / c.s.height, (double)c.bottom / c.s.height);
    put_texts(&c);
    fputs("set multiplot\n", c.s.to);
    for (int k = 0; k < e->score_count; k++) {
        put_score(&c, k, k);
        fputs("unset label\nunset arrow\n", c.s.to);
    }
    if (with_paper) put_paper_panel(&c, paper, e->score_count);
    fputs("unset multiplot\n", c.s.to);
    sim_status status = sim_gnuplot_draw(&c.s, folder, stem, terminal);
    if (status == SIM_OK) status = write_data(&c, folder, stem, terminal);
    *drawn = status == SIM_OK;
    return status;
}
