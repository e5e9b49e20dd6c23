/* The training loss of all runs over epochs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot.h"
#include "plot_frame.h"
#include "text.h"

enum { NAME_CHARACTERS = 28, LABEL_GAP = 18, MANY_POINTS = 40 };

struct end_label {
    int row;
    double x, y; /* where the curve ends */
    double at;   /* where its name stands, points above the plot's lower edge */
};

/* The mean loss of the seeds that have this epoch, if all ok ones have it; NaN otherwise. */
static double mean_loss(const struct sim_row *row, int64_t epoch)
{
    double sum = 0;
    for (int i = 0; i < row->count; i++) {
        const struct sim_run_record *r = row->runs[i];
        double loss = NAN;
        if (row->ok && !sim_run_is_ok(r)) continue;
        for (int k = 0; k < r->points; k++)
            if (r->curve[k].epoch == epoch) loss = r->curve[k].loss;
        sum += loss;
    }
    return sum / (row->ok ? row->ok : row->count);
}

static const struct sim_run_record *longest(const struct sim_row *row)
{
    const struct sim_run_record *best = row->runs[0];
    for (int i = 1; i < row->count; i++)
        if (row->runs[i]->points > best->points) best = row->runs[i];
    return best;
}

/* Data block $mean_ROW; returns where it ends, and whether there is a line at all. */
static int put_mean(FILE *to, const struct sim_row *row, int number, struct end_label *end,
                    struct sim_range *y)
{
    const struct sim_run_record *grid = longest(row);
    int points = 0;
    fprintf(to, "$mean_%d << EOD\n", number);
    for (int k = 0; k < grid->points; k++) {
        double loss = mean_loss(row, grid->curve[k].epoch);
        if (!isfinite(loss)) continue;
        fprintf(to, "%lld %.9g\n", (long long)grid->curve[k].epoch, loss);
        *end = (struct end_label){.row = number, .x = (double)grid->curve[k].epoch, .y = loss};
        sim_range_widen(y, loss);
        points++;
    }
    fputs("EOD\n", to);
    return points > 0;
}

/* Data blocks $seed_ROW_I of a run with several seeds. */
static void put_seeds(FILE *to, const struct sim_row *row, int number, struct sim_range *y)
{
    for (int i = 0; i < row->count && row->count > 1; i++) {
        fprintf(to, "$seed_%d_%d << EOD\n", number, i);
        for (int k = 0; k < row->runs[i]->points; k++) {
            const struct sim_curve_point *p = &row->runs[i]->curve[k];
            if (!isfinite(p->loss)) continue;
            fprintf(to, "%lld %.9g\n", (long long)p->epoch, p->loss);
            if (!row->ok || sim_run_is_ok(row->runs[i]))
                sim_range_widen(y, p->loss); /* one that blew up leaves the frame */
        }
        fputs("EOD\n", to);
    }
}

static int higher_first(const void *a, const void *b)
{
    const struct end_label *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? 1 : -1;
    return x->row - y->row;
}

/* Moves names apart until none touches the next: from the top each is pushed below the one above, then from
 * the bottom up whatever fell out of the frame is pushed back. */
static void spread_labels(struct end_label *l, int count, double height)
{
    qsort(l, (size_t)count, sizeof *l, higher_first);
    for (int i = 0; i < count; i++) l[i].at = fmin(l[i].at, i ? l[i - 1].at - LABEL_GAP : height);
    for (int i = count - 1; i >= 0; i--) l[i].at = fmax(l[i].at, i < count - 1 ? l[i + 1].at + LABEL_GAP : 0);
}

/* A name and a line that leads to it from the curve's end; dotted where the curve ends early. */
static void put_labels(FILE *to, const struct sim_summary *e, struct end_label *l, int count,
                       struct sim_range y, double height, double last_epoch)
{
    for (int i = 0; i < count; i++) {
        l[i].y = fmin(fmax(l[i].y, y.low), y.high);
        l[i].at = (l[i].y - y.low) / (y.high - y.low) * height;
    }
    spread_labels(l, count, height);
    for (int i = 0; i < count; i++) {
        const struct sim_row *row = &e->rows[l[i].row];
        fprintf(to,
                "set arrow from first %.9g, first %.9g to graph 1.025, graph %.6f nohead lw 1 dt %d lc rgb "
                "'%s'\n",
                l[i].x, l[i].y, l[i].at / height, l[i].x < last_epoch ? 3 : 1, sim_gnuplot_colour(l[i].row));
        fputs("set label ", to);
        sim_text_gnuplot(to, row->label, NAME_CHARACTERS);
        fprintf(to, " at graph 1.033, graph %.6f left font ',11' textcolor rgb '#222222'\n",
                l[i].at / height);
    }
}

/* Thin lines of seeds below, thick lines of runs above; from the eighth run on, colours come again dashed. */
static void put_lines(FILE *to, const struct sim_summary *e, const struct end_label *l, int count,
                      double last_epoch)
{
    const char *style = last_epoch <= MANY_POINTS ? "linespoints pt 7 ps 0.45" : "lines";
    fputs("plot ", to);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < e->rows[l[i].row].count && e->rows[l[i].row].count > 1; k++)
            fprintf(to, "$seed_%d_%d using 1:2 with lines lw 0.8 lc rgb '#90%s', \\\n", l[i].row, k,
                    sim_gnuplot_colour(l[i].row) + 1);
    for (int i = 0; i < count; i++)
        fprintf(to, "%s$mean_%d using 1:2 with %s lw 2.4 dt %d lc rgb '%s'", i ? ", \\\n" : "", l[i].row,
                style, 1 + l[i].row / 7 % 4, sim_gnuplot_colour(l[i].row));
    fputc('\n', to);
}

static int longest_name(const struct sim_summary *e)
{
    int most = 8;
    for (int i = 0; i < e->count; i++) {
        int width = sim_text_width(e->rows[i].label);
        if (width > most) most = width;
    }
    return most < NAME_CHARACTERS ? most : NAME_CHARACTERS;
}

/* STEM.csv: every point of every seed's curve. */
static sim_status write_data(const struct sim_summary *e, const char *folder, const char *stem,
                             FILE *terminal)
{
    static const char *const head[] = {"run", "seed", "status", "epoch", "loss"};
    struct sim_grid g;
    int rows = 1, at = 1;
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++) rows += e->rows[i].runs[j]->points;
    SIM_TRY(sim_grid_open(&g, rows, 5));
    for (int c = 0; c < 5; c++) sim_grid_put(&g, 0, c, "%s", head[c]);
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++)
            for (int k = 0; k < e->rows[i].runs[j]->points; k++, at++) {
                const struct sim_run_record *r = e->rows[i].runs[j];
                sim_grid_put(&g, at, 0, "%s", e->rows[i].label);
                sim_grid_put(&g, at, 1, "%lld", (long long)r->seed);
                sim_grid_put(&g, at, 2, "%s", r->status);
                sim_grid_put(&g, at, 3, "%lld", (long long)r->curve[k].epoch);
                if (isfinite(r->curve[k].loss)) sim_grid_put(&g, at, 4, "%.9g", r->curve[k].loss);
            }
    return sim_frame_data(&g, folder, stem, terminal);
}

sim_status sim_plot_loss(const struct sim_summary *e, const char *folder, const char *stem, FILE *terminal,
                         int *drawn)
{
    enum { LEFT = 72, TOP = 44, BOTTOM = 60 };
    int with_seeds = 0, some_ok = 0, count = 0, height = 470;
    struct sim_range ignored = {0, 0}, y = SIM_EMPTY_RANGE, x = SIM_EMPTY_RANGE;
    struct end_label *ends = calloc((size_t)e->count + 1, sizeof *ends);
    struct sim_drawing_script s;
    *drawn = 0;
    if (!ends) return sim_fail(SIM_ENOMEM, "no memory for a plot of %d runs", e->count);
    if (height < e->count * LABEL_GAP + TOP + BOTTOM) height = e->count * LABEL_GAP + TOP + BOTTOM;
    sim_status status = sim_gnuplot_open(&s, 860, height);
    if (status != SIM_OK) {
        free(ends);
        return status;
    }
    for (int i = 0; i < e->count; i++) some_ok |= e->rows[i].ok > 0 && longest(&e->rows[i])->points > 0;
    for (int i = 0; i < e->count; i++) {
        struct sim_range *shown =
            some_ok && !e->rows[i].ok ? &ignored : &y; /* runs that failed do not set the frame */
        if (!put_mean(s.to, &e->rows[i], i, &ends[count], shown)) continue;
        put_seeds(s.to, &e->rows[i], i, shown);
        with_seeds |= e->rows[i].count > 1;
        sim_range_widen(&x, (double)longest(&e->rows[i])->curve[0].epoch);
        sim_range_widen(&x, ends[count++].x);
    }
    if (count) {
        y = sim_range_aired(y);
        sim_frame_margins(&s, LEFT, 50 + (int)(7.4 * longest_name(e)), TOP, BOTTOM);
        sim_frame_title(&s, e->title, with_seeds ? "thick: mean over seeds, thin: each seed" : "", LEFT);
        sim_frame_epochs(s.to, x.low, x.high);
        sim_frame_axis(s.to, "y", y, 0);
        fputs("set xlabel 'epoch'\nset ylabel 'training loss'\n", s.to);
        put_labels(s.to, e, ends, count, y, height - TOP - BOTTOM, x.high);
        put_lines(s.to, e, ends, count, x.high);
        status = sim_gnuplot_draw(&s, folder, stem, terminal);
        if (status == SIM_OK) status = write_data(e, folder, stem, terminal);
        *drawn = status == SIM_OK;
    }
    sim_gnuplot_close(&s);
    free(ends);
    return status;
}
