#include "progress.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_S 0.1
#define LINE_EVERY_S 10.0
#define WATCH_EVERY_S 0.5
#define LINE_BYTES 512

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of stderr and the two below */
static char drawn[LINE_BYTES];                           /* what stands on the terminal's last line */
static int silent;
static void (*watcher)(void *context, const struct sim_progress *p, const char *note);
static void *watcher_context;
static char who[128]; /* set before other threads start */

double sim_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void sim_format_duration(double s, char *out, int size)
{
    if (!isfinite(s) || s < 0 || s > 1e11) {
        snprintf(out, (size_t)size, "?");
        return;
    }
    long long whole = llrint(s), minutes = llrint(s / 60), hours = llrint(s / 3600);
    if (s < 9.95)
        snprintf(out, (size_t)size, "%.1f s", s);
    else if (whole < 60)
        snprintf(out, (size_t)size, "%lld s", whole);
    else if (whole < 3600)
        snprintf(out, (size_t)size, "%lld min %02lld s", whole / 60, whole % 60);
    else if (minutes < 24 * 60)
        snprintf(out, (size_t)size, "%lld h %02lld min", minutes / 60, minutes % 60);
    else
        snprintf(out, (size_t)size, "%lld d %02lld h", hours / 24, hours % 24);
}

/* ------------------------------------------------------------------ drawing */

/* What clears the drawn line.  Everything goes out in one fprintf, so that lines of several processes do not
 * mix. */
static const char *eraser(void)
{
    return drawn[0] ? "\r\x1b[K" : "";
}

static int columns(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

/* Three significant digits: "0.0123", "12.3", "1230". */
static void format_rate(double rate, char *out, size_t size)
{
    if (rate >= 100)
        snprintf(out, size, "%.0f", rate);
    else if (rate >= 10)
        snprintf(out, size, "%.1f", rate);
    else if (rate >= 1)
        snprintf(out, size, "%.2f", rate);
    else
        snprintf(out, size, "%.3g", rate);
}

/* Cuts a line to the terminal's width, so that it does not wrap, without halving a UTF-8 character. */
static void cut(char *line, int width)
{
    int shown = 0;
    for (char *p = line; *p; p++) {
        if (((unsigned char)*p & 0xC0) == 0x80) continue;
        if (shown++ == width) {
            *p = '\0';
            return;
        }
    }
}

static void compose(const struct sim_progress *p, double now, const char *note, char line[LINE_BYTES])
{
    double spent = now - p->started_s, rate = spent > 0 ? (double)(p->done - p->resumed) / spent : 0;
    char per_s[32], eta[32] = "?";
    format_rate(rate, per_s, sizeof per_s);
    int n;
    if (p->total > 0) {
        if (rate > 0) sim_format_duration((double)(p->total - p->done) / rate, eta, sizeof eta);
        n = snprintf(line, LINE_BYTES, "%s %3.0f%% %lld/%lld %s, %s %s/s, ETA %s", p->label,
                     100.0 * (double)p->done / (double)p->total, (long long)p->done, (long long)p->total,
                     p->unit, per_s, p->unit, eta);
    } else {
        n = snprintf(line, LINE_BYTES, "%s %lld %s, %s %s/s", p->label, (long long)p->done, p->unit, per_s,
                     p->unit);
    }
    if (note && n > 0 && n < LINE_BYTES) snprintf(line + n, (size_t)(LINE_BYTES - n), ", %s", note);
}

void sim_progress_watch(void (*watch)(void *context, const struct sim_progress *p, const char *note),
                        void *context)
{
    watcher = watch, watcher_context = context;
}

static void tell_watcher(struct sim_progress *p, double now, const char *note)
{
    p->watched_s = now;
    if (watcher) watcher(watcher_context, p, note);
}

double sim_progress_rate(const struct sim_progress *p)
{
    double spent = sim_now_s() - p->started_s;
    return spent > 0 && p->done > p->resumed ? (double)(p->done - p->resumed) / spent : NAN;
}

double sim_progress_left_s(const struct sim_progress *p)
{
    return p->total > 0 ? (double)(p->total - p->done) / sim_progress_rate(p) : NAN;
}

void sim_progress_start(struct sim_progress *p, const char *label, const char *unit, int64_t total)
{
    *p = (struct sim_progress){.label = label, .unit = unit, .total = total, .started_s = sim_now_s()};
    p->shown_s = p->started_s;
    p->terminal = isatty(STDERR_FILENO);
    tell_watcher(p, p->started_s, NULL);
}

void sim_progress_update(struct sim_progress *p, int64_t done, const char *note)
{
    double now = sim_now_s();
    p->done = done;
    if (now - p->watched_s >= WATCH_EVERY_S) tell_watcher(p, now, note);
    if (now - p->shown_s < (p->terminal ? REDRAW_S : LINE_EVERY_S)) return;
    p->shown_s = now;
    char line[LINE_BYTES];
    compose(p, now, note, line);
    pthread_mutex_lock(&lock);
    if (!silent) {
        p->visible = 1;
        if (p->terminal) cut(line, columns() - 1);
        fprintf(stderr, "%s%s%s", eraser(), line, p->terminal ? "" : "\n");
        if (p->terminal) memcpy(drawn, line, sizeof drawn);
        fflush(stderr);
    }
    pthread_mutex_unlock(&lock);
}

void sim_progress_finish(struct sim_progress *p)
{
    pthread_mutex_lock(&lock);
    if (p->terminal) {
        fputs(eraser(), stderr);
        drawn[0] = '\0';
    } else if (p->visible && !silent) {
        char spent[32];
        sim_format_duration(sim_now_s() - p->started_s, spent, sizeof spent);
        fprintf(stderr, "%s: %lld %s in %s\n", p->label, (long long)(p->done - p->resumed), p->unit, spent);
    }
    fflush(stderr);
    pthread_mutex_unlock(&lock);
    p->visible = 0;
    tell_watcher(p, sim_now_s(), NULL);
}

void sim_progress_quiet(int quiet)
{
    pthread_mutex_lock(&lock);
    silent = quiet;
    pthread_mutex_unlock(&lock);
}

void sim_log_as(const char *name)
{
    snprintf(who, sizeof who, "%s%s", name ? name : "", name ? ": " : "");
}

const char *sim_log_who(void)
{
    return who;
}

void sim_log(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    pthread_mutex_lock(&lock);
    fprintf(stderr, "%s%s%s\n%s", eraser(), who, n < 0 ? format : text,
            drawn); /* the progress line moves below */
    fflush(stderr);
    pthread_mutex_unlock(&lock);
    if (n >= 0) free(text);
}
