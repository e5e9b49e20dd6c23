/* The curves of one run: loss, gradient norm, learning rate, momentum. */
#include <math.h>

#include "plot.h"
#include "plot_frame.h"

enum { MANY_POINTS = 40 };

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
    struct sim_range y = SIM_EMPTY_RANGE;
    fprintf(to, "$panel_%d << EOD\n", number);
    for (int k = 0; k < r->points; k++) {
        double v = value(&r->curve[k]);
        sim_range_widen(&y, v);
        if (isfinite(v)) fprintf(to, "%lld %.9g\n", (long long)r->curve[k].epoch, v);
    }
    fputs("EOD\n", to);
    int empty = y.low > y.high;
    fprintf(to, "set ylabel '%s'\n", label);
    sim_frame_axis(to, "y", sim_range_aired(y), 0);
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
    if (sim_run_is_ok(r))
        snprintf(heading, sizeof heading, "seed %lld", (long long)r->seed);
    else
        snprintf(heading, sizeof heading, "seed %lld, %s", (long long)r->seed, r->status);
    sim_frame_title(&s, r->name, heading, 84);
    sim_frame_epochs(s.to, (double)r->curve[0].epoch, last);
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
