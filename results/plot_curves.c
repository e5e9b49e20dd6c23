/* Curves over epochs: the loss of all runs, and the four curves of one run. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gnuplot.h"
#include "plot.h"
#include "text.h"

enum { NAME_CHARACTERS = 28, LABEL_GAP = 18, MANY_POINTS = 40 };

/* ------------------------------------------------------------------ ranges */

struct range {
    double low, high; /* low > high: empty */
};

static void widen(struct range *r, double x)
{
    if (!isfinite(x)) return;
    if (x < r->low) r->low = x;
    if (x > r->high) r->high = x;
}

/* A little air around the data; a flat line gets some too. */
static struct range aired(struct range r)
{
    double air = 0.05 * (r.high - r.low);
    if (!(air > 0)) air = fmax(0.05 * fabs(r.high), 1e-6);
    return (struct range){r.low - air, r.high + air};
}

/* ------------------------------------------------------------------ loss of all runs */

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
        if (row->ok && strcmp(r->status, "ok") != 0) continue;
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
static int put_mean(FILE *to, const struct sim_row *row, int number, struct end_label *end, struct range *y)
{
    const struct sim_run_record *grid = longest(row);
    int points = 0;
    fprintf(to, "$mean_%d << EOD\n", number);
    for (int k = 0; k < grid->points; k++) {
        double loss = mean_loss(row, grid->curve[k].epoch);
        if (!isfinite(loss)) continue;
        fprintf(to, "%lld %.9g\n", (long long)grid->curve[k].epoch, loss);
        *end = (struct end_label){.row = number, .x = (double)grid->curve[k].epoch, .y = loss};
        widen(y, loss);
        points++;
    }
    fputs("EOD\n", to);
    return points > 0;
}

/* Data blocks $seed_ROW_I of a run with several seeds. */
static void put_seeds(FILE *to, const struct sim_row *row, int number, struct range *y)
{
    for (int i = 0; i < row->count && row->count > 1; i++) {
        fprintf(to, "$seed_%d_%d << EOD\n", number, i);
        for (int k = 0; k < row->runs[i]->points; k++) {
            const struct sim_curve_point *p = &row->runs[i]->curve[k];
            if (!isfinite(p->loss)) continue;
            fprintf(to, "%lld %.9g\n", (long long)p->epoch, p->loss);
            if (!row->ok || strcmp(row->runs[i]->status, "ok") == 0)
                widen(y, p->loss); /* one that blew up leaves the frame */
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
static void put_labels(FILE *to, const struct sim_summary *e, struct end_label *l, int count, struct range y,
                       double height, double last_epoch)
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

static void put_frame(struct sim_drawing_script *s, int left, int right, int top, int bottom)
{
    fprintf(s->to,
            "set lmargin at screen %.6f\nset rmargin at screen %.6f\nset tmargin at screen %.6f\nset bmargin "
            "at screen %.6f\n",
            (double)left / s->width, 1 - (double)right / s->width, 1 - (double)top / s->height,
            (double)bottom / s->height);
}

/* The axis of epochs, a hair wider than the first point; a lone epoch stands in the middle. */
static void put_epochs(FILE *to, double first, double last)
{
    double low = first < last ? first - 0.015 * (last - first) : first - 1,
           high = first < last ? last : last + 1;
    fprintf(to, "set xrange [%.9g:%.9g]\n", low, high);
    sim_gnuplot_tics(to, "x", low, high, 1);
}

static void put_title(struct sim_drawing_script *s, const char *what, const char *name, int left)
{
    fputs("set label ", s->to);
    sim_text_gnuplot(s->to, name, 60);
    fprintf(s->to, " at screen %.6f, screen %.6f left font ',14' textcolor rgb '#222222'\n",
            (double)left / s->width, 1 - 18.0 / s->height);
    fprintf(s->to, "set label '%s' at screen %.6f, screen %.6f right font ',11' textcolor rgb '#666666'\n",
            what, 1 - 12.0 / s->width, 1 - 18.0 / s->height);
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

sim_status sim_plot_loss(const struct sim_summary *e, const char *folder, const char *stem, FILE *terminal,
                         int *drawn)
{
    enum { LEFT = 72, TOP = 44, BOTTOM = 54 };
    int with_seeds = 0, some_ok = 0, count = 0, height = 470;
    struct range ignored = {0, 0}, y = {HUGE_VAL, -HUGE_VAL}, x = {HUGE_VAL, -HUGE_VAL};
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
        struct range *shown =
            some_ok && !e->rows[i].ok ? &ignored : &y; /* runs that failed do not set the frame */
        if (!put_mean(s.to, &e->rows[i], i, &ends[count], shown)) continue;
        put_seeds(s.to, &e->rows[i], i, shown);
        with_seeds |= e->rows[i].count > 1;
        widen(&x, (double)longest(&e->rows[i])->curve[0].epoch);
        widen(&x, ends[count++].x);
    }
    if (count) {
        y = aired(y);
        put_frame(&s, LEFT, 50 + (int)(7.4 * longest_name(e)), TOP, BOTTOM);
        put_title(&s, with_seeds ? "thick: mean over seeds, thin: each seed" : "", e->experiment, LEFT);
        put_epochs(s.to, x.low, x.high);
        fprintf(s.to, "set yrange [%.9g:%.9g]\n", y.low, y.high);
        sim_gnuplot_tics(s.to, "y", y.low, y.high, 0);
        fputs("set xlabel 'epoch'\nset ylabel 'training loss'\n", s.to);
        put_labels(s.to, e, ends, count, y, height - TOP - BOTTOM, x.high);
        put_lines(s.to, e, ends, count, x.high);
        status = sim_gnuplot_draw(&s, folder, stem, terminal);
        *drawn = status == SIM_OK;
    }
    sim_gnuplot_close(&s);
    free(ends);
    return status;
}

/* ------------------------------------------------------------------ one run */

static double loss_at(const struct sim_curve_point *p)
{
    return p->loss;
}
static double grad_norm_at(const struct sim_curve_point *p)
{
    return p->grad_norm;
}
static double lr_at(const struct sim_curve_point *p)
{
    return p->lr;
}
static double momentum_at(const struct sim_curve_point *p)
{
    return p->momentum;
}

static void put_panel(FILE *to, const struct sim_run_record *r, int number, const char *label,
                      double (*value)(const struct sim_curve_point *))
{
    struct range y = {HUGE_VAL, -HUGE_VAL};
    fprintf(to, "$panel_%d << EOD\n", number);
    for (int k = 0; k < r->points; k++) {
        double v = value(&r->curve[k]);
        widen(&y, v);
        if (isfinite(v)) fprintf(to, "%lld %.9g\n", (long long)r->curve[k].epoch, v);
    }
    fputs("EOD\n", to);
    int empty = y.low > y.high;
    y = empty ? (struct range){0, 1} : aired(y);
    fprintf(to, "set yrange [%.9g:%.9g]\nset ylabel '%s'\n", y.low, y.high, label);
    sim_gnuplot_tics(to, "y", y.low, y.high, 0);
    if (empty)
        fputs("plot NaN notitle\n", to);
    else
        fprintf(to, "plot $panel_%d using 1:2 with %s lw 2 lc rgb '%s'\n", number,
                r->points <= MANY_POINTS ? "linespoints pt 7 ps 0.45" : "lines", sim_gnuplot_colour(0));
}

sim_status sim_plot_run(const struct sim_run_record *r, const char *folder, const char *stem, FILE *terminal)
{
    struct sim_drawing_script s;
    char heading[64];
    if (!r->points) return sim_fail(SIM_EINVAL, "run %s has no training curve to draw", r->name);
    SIM_TRY(sim_gnuplot_open(&s, 860, 560));
    double last = (double)r->curve[r->points - 1].epoch;
    if (strcmp(r->status, "ok") == 0)
        snprintf(heading, sizeof heading, "seed %lld", (long long)r->seed);
    else
        snprintf(heading, sizeof heading, "seed %lld, %s", (long long)r->seed, r->status);
    put_title(&s, heading, r->name, 84);
    put_epochs(s.to, (double)r->curve[0].epoch, last);
    fputs("set multiplot layout 2,2 margins screen 0.098, 0.985, 0.095, 0.925 spacing screen 0.125, 0.10\n",
          s.to);
    put_panel(s.to, r, 0, "training loss", loss_at);
    fputs("unset label\n", s.to);
    put_panel(s.to, r, 1, "gradient norm", grad_norm_at);
    fputs("set xlabel 'epoch'\n", s.to);
    put_panel(s.to, r, 2, "learning rate", lr_at);
    put_panel(s.to, r, 3, "momentum of the target", momentum_at);
    fputs("unset multiplot\n", s.to);
    return sim_gnuplot_draw(&s, folder, stem, terminal);
}
