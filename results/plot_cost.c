/* Training time against score: what a point more costs. */
#include <math.h>

#include "plot.h"
#include "plot_frame.h"
#include "progress.h"
#include "table.h"
#include "text.h"

enum {
    LEFT = 66,
    GAP = 66,
    TOP = 46,
    PLOT = 270,
    BOTTOM = 100,
    PANEL = 320,
    LINE = 18,
    NAME_CHARACTERS = 28
};

/* Seconds in a unit that keeps figures short. */
struct unit {
    double seconds;
    const char *name;
};

static struct unit unit_for(double longest_s)
{
    static const struct unit units[] = {{86400, "days"}, {3600, "hours"}, {60, "minutes"}, {1, "seconds"}};
    int i = 0;
    while (i < 3 && longest_s < 2 * units[i].seconds) i++;
    return units[i];
}

static int has_point(const struct sim_row *row, int score)
{
    return row->pretrained[score].n && row->train_s.n && row->train_s.mean > 0;
}

static int mark_of(int i)
{
    static const int marks[] = {7, 5, 9, 13, 11, 6, 4, 8, 12, 10}; /* filled ones first */
    return marks[i / 7 % 10];
}

static void put_panel(struct sim_drawing_script *s, const struct sim_summary *e, int score, int number,
                      struct unit unit)
{
    FILE *to = s->to;
    struct sim_range x = SIM_EMPTY_RANGE, y = SIM_EMPTY_RANGE;
    int left = LEFT + number * (PANEL + GAP), some = 0;
    for (int i = 0; i < e->count; i++) {
        const struct sim_row *row = &e->rows[i];
        if (!has_point(row, score)) continue;
        double half = isfinite(row->pretrained[score].half) ? 100 * row->pretrained[score].half : 0,
               mean = 100 * row->pretrained[score].mean;
        fprintf(to, "$cost_%d_%d << EOD\n%.9g %.9g %.9g\nEOD\n", score, i, row->train_s.mean / unit.seconds,
                mean, half);
        sim_range_widen(&x, row->train_s.mean / unit.seconds);
        sim_range_widen(&y, fmax(0, mean - half));
        sim_range_widen(&y, fmin(100, mean + half));
    }
    if (x.low <= x.high) x.low = 0; /* time has a zero, and half the time shall look like half */
    x = sim_range_aired(x);
    x.low = fmax(0, x.low);
    fprintf(to, "set lmargin at screen %.6f\nset rmargin at screen %.6f\nset xlabel 'training (%s)'\n",
            (double)left / s->width, (double)(left + PANEL) / s->width, unit.name);
    sim_frame_axis(to, "x", x, 0);
    sim_frame_axis(to, "y", sim_range_aired(y), 0);
    fputs("set ylabel ", to);
    sim_text_gnuplot(to, sim_score_title(e->score_names[score]), 40);
    fputs(".' (%)' offset 0.5,0\nplot ", to);
    for (int i = 0; i < e->count; i++)
        if (has_point(&e->rows[i], score))
            fprintf(to, "%s$cost_%d_%d using 1:2:3 with yerrorbars pt %d ps 0.9 lw 1.4 lc rgb '%s'",
                    some++ ? ", \\\n  " : "", score, i, mark_of(i), sim_gnuplot_colour(i));
    fputs(some ? "\n" : "NaN notitle\n", to);
}

/* The runs' marks and names, in a column right of the panels. */
static void put_legend(struct sim_drawing_script *s, const struct sim_summary *e, int left)
{
    int line = 0;
    for (int i = 0; i < e->count; i++) {
        if (!e->rows[i].train_s.n) continue;
        double y = 1 - (TOP + 8.0 + LINE * line++) / s->height;
        fputs("set label ", s->to);
        sim_text_gnuplot(s->to, e->rows[i].label, NAME_CHARACTERS);
        fprintf(
            s->to,
            " at screen %.6f, screen %.6f left font ',11' textcolor rgb '#222222' point pt %d ps 0.9 lc rgb "
            "'%s' offset 1.2,-0.2\n",
            (double)left / s->width, y, mark_of(i), sim_gnuplot_colour(i));
    }
}

/* STEM.csv: what the marks stand on. */
static sim_status write_data(const struct sim_summary *e, const char *folder, const char *stem,
                             FILE *terminal)
{
    static const char *const head[] = {"run", "score", "n", "train_s", "mean", "low_95", "high_95"};
    struct sim_grid g;
    int at = 1;
    SIM_TRY(sim_grid_open(&g, 1 + e->count * e->score_count, 7));
    for (int c = 0; c < 7; c++) sim_grid_put(&g, 0, c, "%s", head[c]);
    for (int i = 0; i < e->count; i++)
        for (int k = 0; k < e->score_count; k++) {
            struct sim_stat s = e->rows[i].pretrained[k];
            if (!has_point(&e->rows[i], k)) continue;
            sim_grid_put(&g, at, 0, "%s", e->rows[i].label);
            sim_grid_put(&g, at, 1, "%s", e->score_names[k]);
            sim_grid_put(&g, at, 2, "%d", s.n);
            sim_grid_put(&g, at, 3, "%.10g", e->rows[i].train_s.mean);
            sim_grid_put(&g, at, 4, "%.10g", s.mean);
            if (s.n > 1) sim_grid_put(&g, at, 5, "%.10g", s.mean - s.half);
            if (s.n > 1) sim_grid_put(&g, at, 6, "%.10g", s.mean + s.half);
            at++;
        }
    g.rows = at;
    return sim_frame_data(&g, folder, stem, terminal);
}

sim_status sim_plot_cost(const struct sim_summary *e, const char *folder, const char *stem, FILE *terminal,
                         int *drawn)
{
    struct sim_drawing_script s;
    double longest_s = 0;
    int lines = 0, longest = 8, some = 0;
    *drawn = 0;
    for (int i = 0; i < e->count; i++) {
        int width = sim_text_width(e->rows[i].label);
        if (!e->rows[i].train_s.n) continue;
        longest_s = fmax(longest_s, e->rows[i].train_s.mean);
        longest = width > longest ? width : longest;
        lines++;
        for (int k = 0; k < e->score_count; k++) some |= has_point(&e->rows[i], k);
    }
    if (!some) return SIM_OK;
    if (longest > NAME_CHARACTERS) longest = NAME_CHARACTERS;
    int legend = LEFT + e->score_count * (PANEL + GAP) - GAP + 22, height = TOP + PLOT + BOTTOM;
    if (height < TOP + LINE * (lines + 2)) height = TOP + LINE * (lines + 2);
    SIM_TRY(sim_gnuplot_open(&s, legend + 30 + (int)(7.4 * longest), height));
    fprintf(s.to, "set tmargin at screen %.6f\nset bmargin at screen %.6f\nset errorbars small\n",
            1 - (double)TOP / s.height, (double)(height - TOP - PLOT) / s.height);
    sim_frame_title(&s, e->title, "", 14);
    sim_frame_caption(&s, "marks: mean over seeds; whiskers: the score's 95 % interval", 14,
                      height - TOP - PLOT - 84);
    put_legend(&s, e, legend);
    fputs("set multiplot\n", s.to);
    for (int k = 0; k < e->score_count; k++) {
        put_panel(&s, e, k, k, unit_for(longest_s));
        fputs("unset label\n", s.to);
    }
    fputs("unset multiplot\n", s.to);
    sim_status status = sim_gnuplot_draw(&s, folder, stem, terminal);
    if (status == SIM_OK) status = write_data(e, folder, stem, terminal);
    *drawn = status == SIM_OK;
    return status;
}
