#include "plot_frame.h"

#include <limits.h>
#include <math.h>

#include "output.h"
#include "text.h"

void sim_range_widen(struct sim_range *r, double x)
{
    if (!isfinite(x)) return;
    if (x < r->low) r->low = x;
    if (x > r->high) r->high = x;
}

struct sim_range sim_range_aired(struct sim_range r)
{
    if (r.low > r.high) return (struct sim_range){0, 1};
    double air = 0.05 * (r.high - r.low);
    if (!(air > 0)) air = fmax(0.05 * fabs(r.high), 1e-6);
    return (struct sim_range){r.low - air, r.high + air};
}

void sim_frame_margins(struct sim_drawing_script *s, int left, int right, int top, int bottom)
{
    fprintf(s->to,
            "set lmargin at screen %.6f\nset rmargin at screen %.6f\nset tmargin at screen %.6f\nset bmargin "
            "at screen %.6f\n",
            (double)left / s->width, 1 - (double)right / s->width, 1 - (double)top / s->height,
            (double)bottom / s->height);
}

void sim_frame_title(struct sim_drawing_script *s, const char *name, const char *remark, int left)
{
    fputs("set label ", s->to);
    sim_text_gnuplot(s->to, name, 60);
    fprintf(s->to, " at screen %.6f, screen %.6f left font ',14' textcolor rgb '#222222'\nset label ",
            (double)left / s->width, 1 - 18.0 / s->height);
    sim_text_gnuplot(s->to, remark, 80);
    fprintf(s->to, " at screen %.6f, screen %.6f right font ',11' textcolor rgb '#666666'\n",
            1 - 12.0 / s->width, 1 - 18.0 / s->height);
}

void sim_frame_caption(struct sim_drawing_script *s, const char *text, int left, int above)
{
    fputs("set label ", s->to);
    sim_text_gnuplot(s->to, text, 200);
    fprintf(s->to, " at screen %.6f, screen %.6f left font ',11' textcolor rgb '#555555'\n",
            (double)left / s->width, (double)above / s->height);
}

void sim_frame_axis(FILE *to, const char *axis, struct sim_range r, int whole)
{
    fprintf(to, "set %srange [%.9g:%.9g]\n", axis, r.low, r.high);
    sim_gnuplot_tics(to, axis, r.low, r.high, whole);
}

void sim_frame_epochs(FILE *to, double first, double last)
{
    struct sim_range x = {first < last ? first - 0.015 * (last - first) : first - 1,
                          first < last ? last : last + 1};
    sim_frame_axis(to, "x", x, 1);
}

static sim_status put_data(FILE *to, const void *grid)
{
    return sim_grid_csv(to, grid, 1);
}

sim_status sim_frame_data(struct sim_grid *g, const char *folder, const char *stem, FILE *terminal)
{
    char name[NAME_MAX];
    sim_status status = snprintf(name, sizeof name, "%s.csv", stem) < (int)sizeof name
                            ? sim_output_write(folder, name, terminal, put_data, g)
                            : sim_fail(SIM_EINVAL, "%s.csv: this name is too long", stem);
    sim_grid_close(g);
    return status;
}
