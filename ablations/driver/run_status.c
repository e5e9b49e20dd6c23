#include "run_status.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

#define MOST_BYTES ((size_t)1 << 20) /* of a status file: it has a dozen short fields */

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* Without fsync: a power cut may take it, which harms nobody. */
static void put(struct sim_run_status_writer *w)
{
    struct sim_run_status *s = &w->now;
    struct timespec t;
    if (!w->path[0]) return;
    clock_gettime(CLOCK_REALTIME, &t);
    s->updated_s = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o}", "state", s->state, "stage",
                          s->stage, "note", s->note, "unit", s->unit, "reason", s->reason, "done",
                          (json_int_t)s->done, "total", (json_int_t)s->total, "rate", number(s->rate),
                          "left_s", number(s->left_s), "updated_s", number(s->updated_s));
    if (o && json_dump_file(o, w->temporary, JSON_COMPACT | JSON_REAL_PRECISION(14)) == 0)
        rename(w->temporary, w->path);
    json_decref(o);
}

static void see(void *context, const struct sim_progress *p, const char *note)
{
    struct sim_run_status_writer *w = context;
    struct sim_run_status *s = &w->now;
    snprintf(s->stage, sizeof s->stage, "%s", p->label);
    snprintf(s->unit, sizeof s->unit, "%s", p->unit);
    snprintf(s->note, sizeof s->note, "%s", note ? note : "");
    s->done = p->done, s->total = p->total;
    s->rate = sim_progress_rate(p), s->left_s = sim_progress_left_s(p);
    put(w);
}

void sim_run_status_begin(struct sim_run_status_writer *w, const char *folder)
{
    memset(w, 0, sizeof *w);
    strcpy(w->now.state, "running");
    w->now.rate = w->now.left_s = NAN;
    if (snprintf(w->path, sizeof w->path, "%s/status.json", folder) >= (int)sizeof w->path ||
        snprintf(w->temporary, sizeof w->temporary, "%s/.status.json.%ld.tmp", folder, (long)getpid()) >=
            (int)sizeof w->temporary)
        w->path[0] = 0;
    put(w);
    sim_progress_watch(see, w);
}

void sim_run_status_end(struct sim_run_status_writer *w, const char *state, const char *reason)
{
    sim_progress_watch(NULL, NULL);
    if (!w->path[0] || !state) return;
    snprintf(w->now.state, sizeof w->now.state, "%s", state);
    snprintf(w->now.reason, sizeof w->now.reason, "%s", reason);
    w->now.stage[0] = 0;
    put(w);
}

/* ------------------------------------------------------------------ reading */
static void take_text(const json_t *o, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));
    snprintf(out, size, "%s", text ? text : "");
}

static double take_number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

void sim_run_status_read(const char *folder, struct sim_run_status *out)
{
    char path[PATH_MAX];
    memset(out, 0, sizeof *out);
    out->rate = out->left_s = out->updated_s = NAN;
    if (snprintf(path, sizeof path, "%s/status.json", folder) >= (int)sizeof path) return;
    char *text;
    size_t size;
    if (sim_file_read(path, MOST_BYTES, &text, &size) != SIM_OK) return;
    json_t *o = json_loadb(text, size, 0, NULL);
    free(text);
    take_text(o, "state", out->state, sizeof out->state);
    take_text(o, "stage", out->stage, sizeof out->stage);
    take_text(o, "note", out->note, sizeof out->note);
    take_text(o, "unit", out->unit, sizeof out->unit);
    take_text(o, "reason", out->reason, sizeof out->reason);
    out->done = json_integer_value(json_object_get(o, "done"));
    out->total = json_integer_value(json_object_get(o, "total"));
    out->rate = take_number(o, "rate"), out->left_s = take_number(o, "left_s");
    out->updated_s = take_number(o, "updated_s");
    json_decref(o);
}

void sim_run_status_say(const struct sim_run_status *s, char *out, int size)
{
    char share[24] = "", note[160] = "", rate[64] = "", left[64] = "", took[32];
    if (strcmp(s->state, "running") != 0) {
        snprintf(out, (size_t)size, "%s%s%.300s", s->state, s->reason[0] ? ": " : "", s->reason);
        return;
    }
    if (s->total > 0) snprintf(share, sizeof share, " %.0f %%", 100.0 * (double)s->done / (double)s->total);
    if (s->note[0]) snprintf(note, sizeof note, ", %s", s->note);
    if (isfinite(s->rate)) snprintf(rate, sizeof rate, ", %.3g %s/s", s->rate, s->unit);
    if (isfinite(s->left_s)) {
        sim_format_duration(s->left_s, took, sizeof took);
        snprintf(left, sizeof left, ", ETA %s", took);
    }
    snprintf(out, (size_t)size, "%s%s%s%s%s", s->stage[0] ? s->stage : "starting", share, note, rate, left);
}
