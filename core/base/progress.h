/* Progress with rate and ETA for anything that takes more than a second or two.  On a terminal one line is
 * redrawn; elsewhere a line is printed at most every ten seconds.  Writes to stderr. */
#ifndef SIM_PROGRESS_H
#define SIM_PROGRESS_H

#include <stdint.h>

struct sim_progress {
    const char *label, *unit; /* not copied */
    int64_t total;            /* 0: unknown, then no share and no ETA are shown */
    int64_t done;
    int64_t resumed; /* units done before the start: set it after start, and the rate leaves them out */
    double started_s, shown_s, watched_s;
    int terminal, visible; /* visible: something was drawn */
};

/* One progress is shown at a time.  Any thread may call, but not two at once for the same progress. */
void sim_progress_start(struct sim_progress *p, const char *label, const char *unit, int64_t total);
void sim_progress_update(struct sim_progress *p, int64_t done,
                         const char *note); /* note: extra text or NULL */
void sim_progress_finish(
    struct sim_progress *p);        /* clears the redrawn line; elsewhere says how long it took */
void sim_progress_quiet(int quiet); /* 1: nothing is drawn in this process */

/* Whoever else wants to know (a status file): called at the start, at the end and at most every half second between,
 * whether or not anything is drawn, from the thread that makes the progress.  NULL watch: nobody. */
void sim_progress_watch(void (*watch)(void *context, const struct sim_progress *p, const char *note), void *context);
/* Units per second since the start, and the seconds that are left at that rate; NaN: unknown. */
double sim_progress_rate(const struct sim_progress *p);
double sim_progress_left_s(const struct sim_progress *p);

/* One line to stderr, clear of any progress line being drawn. */
void sim_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Who speaks, in front of every line of this process ("rank 3 (node7)"): one of several whose lines meet.  NULL:
 * nobody in particular.  Copied. */
void sim_log_as(const char *who);
const char *sim_log_who(void); /* "rank 3 (node7): ", or "" */

double sim_now_s(void);                                  /* monotonic */
void sim_format_duration(double s, char *out, int size); /* "4.2 s", "3 min 05 s", "2 h 10 min",
                                                          * "3 d 04 h"; "?" where s is no finite number */

#endif
