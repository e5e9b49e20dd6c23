#include "sweep_view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "progress.h"
#include "run_status.h"

#define REDRAW_S 0.5
#define LINE_EVERY_S 30.0
#define LINE_BYTES 512

void sim_sweep_view_open(struct sim_sweep_view *v, int quiet)
{
    *v = (struct sim_sweep_view){.terminal = isatty(STDERR_FILENO), .quiet = quiet, .started_s = sim_now_s()};
    v->shown_s = v->terminal ? 0 : v->started_s;
}

void sim_sweep_view_clear(struct sim_sweep_view *v)
{
    if (v->lines) fprintf(stderr, "\x1b[%dA\r\x1b[J", v->lines);
    v->lines = 0;
    fflush(stderr);
}

/* Width and height of the terminal. */
static void size_of_terminal(int *columns, int *rows)
{
    struct winsize w = {0};
    ioctl(STDERR_FILENO, TIOCGWINSZ, &w);
    *columns = w.ws_col > 20 ? w.ws_col : 80;
    *rows = w.ws_row > 4 ? w.ws_row : 24;
}

/* A line that does not wrap; names are plain ASCII, notes too. */
static void put_line(const char *line, int columns)
{
    fprintf(stderr, "%.*s\n", columns - 1, line);
}

/* Seconds to the end, taking runs for equally long: those finished here and the parts of those under way came
 * in the time since the start. */
static double seconds_left(const struct sim_sweep_view *v, double made, int open)
{
    return made > 0.02 ? (sim_now_s() - v->started_s) / made * ((double)open - made) : NAN;
}

static double part_done(const struct sim_run_status *s)
{
    return strcmp(s->stage, "training") == 0 && s->total > 0 ? (double)s->done / (double)s->total : 0;
}

static void heading(const struct sim_sweep_view *v, const struct sim_tally *t, int total, int running,
                    double parts, char out[LINE_BYTES])
{
    char left[64] = "", failed[48] = "", others[64] = "", took[32];
    int ended = t->done + t->diverged + t->failed;
    double s = seconds_left(v, ended + parts, total - t->skipped - t->left);
    if (isfinite(s)) {
        sim_format_duration(s, took, sizeof took);
        snprintf(left, sizeof left, ", ETA %s", took);
    }
    if (t->failed + t->diverged) snprintf(failed, sizeof failed, ", %d failed", t->failed + t->diverged);
    if (t->left) snprintf(others, sizeof others, ", %d in other hands", t->left);
    snprintf(out, LINE_BYTES, "%d of %d runs done, %d running%s%s%s", t->done + t->skipped, total, running,
             failed, others, left);
}

/* On one line, for logs: the heading and every run's own share. */
static void show_line(const struct sim_sweep_row *rows, const struct sim_run_status *status, int count,
                      const char *head)
{
    char text[LINE_BYTES];
    int n = snprintf(text, sizeof text, "%s", head);
    for (int i = 0; i < count && n < (int)sizeof text - 1; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s %s %.0f %%", i ? "," : ":", rows[i].run,
                      100 * part_done(&status[i]));
    sim_log("%s", text);
}

void sim_sweep_view_show(struct sim_sweep_view *v, const struct sim_tally *t, int total,
                         const struct sim_sweep_row *rows, int count)
{
    enum { MOST = 1024 };
    static struct sim_run_status status[MOST];
    char head[LINE_BYTES], said[LINE_BYTES], line[LINE_BYTES];
    double now = sim_now_s(), parts = 0;
    if (v->quiet || now - v->shown_s < (v->terminal ? REDRAW_S : LINE_EVERY_S)) return;
    v->shown_s = now;
    if (count > MOST) count = MOST;
    for (int i = 0; i < count; i++) {
        sim_run_status_read(rows[i].folder, &status[i]);
        parts += part_done(&status[i]);
    }
    heading(v, t, total, count, parts, head);
    if (!v->terminal) {
        show_line(rows, status, count, head);
        return;
    }
    int columns, height;
    size_of_terminal(&columns, &height);
    sim_sweep_view_clear(v);
    put_line(head, columns);
    v->lines = 1;
    for (int i = 0; i < count && v->lines < height - 1; i++, v->lines++) {
        sim_run_status_say(&status[i], said, sizeof said);
        snprintf(line, sizeof line, "  %-24s %.400s", rows[i].run, said);
        put_line(line, columns);
    }
    fflush(stderr);
}
