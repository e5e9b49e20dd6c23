#include "summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statistics.h"

const struct sim_run_score *sim_run_score_find(const struct sim_run_record *r, const char *name,
                                               int pretrained)
{
    for (int i = 0; i < r->score_count; i++)
        if (r->scores[i].pretrained == pretrained && strcmp(r->scores[i].name, name) == 0)
            return &r->scores[i];
    return NULL;
}

double sim_run_score_value(const struct sim_run_record *r, const char *score)
{
    enum { PRETRAINED, UNTRAINED, LIFT, OWN };
    static const char *const encoders[] = {" pretrained", " untrained", " lift"};
    size_t length = strlen(score);
    char name[128];
    int which = OWN;
    for (int i = 0; i < OWN; i++) {
        size_t tail = strlen(encoders[i]);
        if (strlen(score) <= tail || strcmp(score + strlen(score) - tail, encoders[i]) != 0) continue;
        which = i, length = strlen(score) - tail;
    }
    if (length >= sizeof name) return NAN;
    memcpy(name, score, length);
    name[length] = 0;
    const struct sim_run_score *after = sim_run_score_find(r, name, 1),
                               *before = sim_run_score_find(r, name, 0);
    if (which == LIFT) return after && before ? after->value - before->value : NAN;
    if (which == OWN && !after && r->epochs == 0) which = UNTRAINED;
    const struct sim_run_score *s = which == UNTRAINED ? before : after;
    return s ? s->value : NAN;
}

double sim_row_score_at(const struct sim_row *row, const char *score, int64_t seed)
{
    for (int i = 0; i < row->count; i++)
        if (row->runs[i]->seed == seed && sim_run_is_ok(row->runs[i]))
            return sim_run_score_value(row->runs[i], score);
    return NAN;
}

double sim_run_images_per_s(const struct sim_run_record *r)
{
    double images = 0, seconds = 0;
    for (int i = 0; i < r->points; i++) {
        if (!isfinite(r->curve[i].images_per_s) || !isfinite(r->curve[i].seconds)) continue;
        images += r->curve[i].images_per_s * r->curve[i].seconds;
        seconds += r->curve[i].seconds;
    }
    return seconds > 0 ? images / seconds : NAN;
}

/* ------------------------------------------------------------------ statistics */

/* What a quantity is in one record, with its standard error (NaN: unknown); NaN: the record lacks it. */
struct value {
    double x, error;
};
typedef struct value (*quantity)(const struct sim_run_record *r, const char *score);

static struct value loss_of(const struct sim_run_record *r, const char *score)
{
    (void)score;
    return (struct value){r->points ? r->curve[r->points - 1].loss : NAN, NAN};
}

static struct value speed_of(const struct sim_run_record *r, const char *score)
{
    (void)score;
    return (struct value){sim_run_images_per_s(r), NAN};
}

static struct value time_of(const struct sim_run_record *r, const char *score)
{
    (void)score;
    return (struct value){r->points ? r->train_s : NAN, NAN};
}

static struct value pretrained_of(const struct sim_run_record *r, const char *score)
{
    const struct sim_run_score *s = sim_run_score_find(r, score, 1);
    return s ? (struct value){s->value, s->standard_error} : (struct value){NAN, NAN};
}

static struct value untrained_of(const struct sim_run_record *r, const char *score)
{
    const struct sim_run_score *s = sim_run_score_find(r, score, 0);
    return s ? (struct value){s->value, s->standard_error} : (struct value){NAN, NAN};
}

/* Both encoders answer the same images, so their errors are taken as independent only for want of the pairs:
 * the standard error is an upper estimate. */
static struct value lift_of(const struct sim_run_record *r, const char *score)
{
    struct value after = pretrained_of(r, score), before = untrained_of(r, score);
    if (!r->points)
        return (struct value){NAN, NAN}; /* nothing was trained: the difference of one encoder with itself */
    return (struct value){after.x - before.x, hypot(after.error, before.error)};
}

static struct sim_stat stat_of(const struct sim_row *row, quantity of, const char *score)
{
    struct sim_stat s = {.mean = NAN, .spread = NAN, .half = NAN};
    double sum = 0, squares = 0, error = NAN;
    for (int i = 0; i < row->count; i++) {
        struct value v = of(row->runs[i], score);
        if (!sim_run_is_ok(row->runs[i]) || !isfinite(v.x)) continue;
        s.n++;
        sum += v.x;
        error = v.error;
    }
    if (s.n) s.mean = sum / s.n;
    for (int i = 0; i < row->count; i++) {
        double x = of(row->runs[i], score).x;
        if (sim_run_is_ok(row->runs[i]) && isfinite(x)) squares += (x - s.mean) * (x - s.mean);
    }
    if (s.n == 1) s.spread = error;
    if (s.n > 1) s.spread = sqrt(squares / (s.n - 1)), s.half = sim_half_width(s.n, s.spread);
    return s;
}

static void fill_row(const struct sim_summary *e, struct sim_row *row)
{
    for (int i = 0; i < row->count; i++) row->ok += sim_run_is_ok(row->runs[i]);
    row->loss = stat_of(row, loss_of, NULL);
    row->images_per_s = stat_of(row, speed_of, NULL);
    row->train_s = stat_of(row, time_of, NULL);
    for (int k = 0; k < e->score_count; k++) {
        row->pretrained[k] = stat_of(row, pretrained_of, e->score_names[k]);
        row->untrained[k] = stat_of(row, untrained_of, e->score_names[k]);
        row->lift[k] = stat_of(row, lift_of, e->score_names[k]);
    }
}

/* ------------------------------------------------------------------ grouping */

int64_t sim_row_last_order(const struct sim_row *row)
{
    int64_t last = -1;
    for (int i = 0; i < row->count; i++)
        if (row->runs[i]->order > last) last = row->runs[i]->order;
    return last;
}

static struct sim_summary *experiment_of(struct sim_summaries *s, const struct sim_run_record *r)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->experiments[i].experiment, r->experiment) == 0 &&
            strcmp(s->experiments[i].scale, r->study.scale) == 0)
            return &s->experiments[i];
    struct sim_summary *grown = realloc(s->experiments, (size_t)(s->count + 1) * sizeof *grown);
    if (!grown) return NULL;
    s->experiments = grown;
    grown[s->count] = (struct sim_summary){.experiment = r->experiment, .scale = r->study.scale};
    return &grown[s->count++];
}

static struct sim_row *row_of(struct sim_summary *e, const struct sim_run_record *r)
{
    for (int i = 0; i < e->count; i++)
        if (strcmp(e->rows[i].runs[0]->name, r->name) == 0 &&
            strcmp(e->rows[i].runs[0]->recipe, r->recipe) == 0)
            return &e->rows[i];
    struct sim_row *grown = realloc(e->rows, (size_t)(e->count + 1) * sizeof *grown);
    if (!grown) return NULL;
    e->rows = grown;
    grown[e->count] = (struct sim_row){0};
    return &grown[e->count++];
}

static int add_record(struct sim_summaries *s, const struct sim_run_record *r)
{
    struct sim_summary *e = experiment_of(s, r);
    struct sim_row *row = e ? row_of(e, r) : NULL;
    const struct sim_run_record **grown =
        row ? realloc(row->runs, (size_t)(row->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        if (row && !row->runs) e->count--; /* an empty row would have no name */
        return 0;
    }
    row->runs = grown;
    row->runs[row->count++] = r;
    return 1;
}

static sim_status find_score_names(struct sim_summary *e)
{
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++)
            for (int k = 0; k < e->rows[i].runs[j]->score_count; k++) {
                const char *name = e->rows[i].runs[j]->scores[k].name;
                int at = 0;
                while (at < e->score_count && strcmp(e->score_names[at], name) != 0) at++;
                if (at == SIM_MAX_SCORE_NAMES)
                    return sim_fail(SIM_EINVAL, "experiment %s has more than %d kinds of score",
                                    e->experiment, SIM_MAX_SCORE_NAMES);
                if (at == e->score_count) e->score_names[e->score_count++] = name;
            }
    return SIM_OK;
}

static int label_row(const struct sim_summary *e, struct sim_row *row)
{
    int same = 0;
    for (int i = 0; i < e->count; i++) same += strcmp(e->rows[i].runs[0]->name, row->runs[0]->name) == 0;
    int size = same > 1 ? asprintf(&row->label, "%s #%.6s", row->runs[0]->name, row->runs[0]->config_hash)
                        : asprintf(&row->label, "%s", row->runs[0]->name);
    if (size < 0) row->label = NULL;
    return size >= 0;
}

/* The study as the record read last states it: files are corrected as an experiment goes on. */
static int head_summary(struct sim_summary *e)
{
    const struct sim_run_record *last = NULL;
    for (int i = 0; i < e->count; i++)
        for (int j = 0; j < e->rows[i].count; j++)
            if (!last || e->rows[i].runs[j]->order > last->order) last = e->rows[i].runs[j];
    e->study = &last->study;
    int named = *e->scale != 0;
    if (asprintf(&e->title, "%s%s%s%s", e->experiment, named ? " (" : "", e->scale, named ? ")" : "") < 0)
        e->title = NULL;
    return e->title != NULL;
}

static int rank_of(const struct sim_summary *e)
{
    static const char *const scales[] = {"paper", "small", "mini"};
    for (int i = 0; i < 3; i++)
        if (strcmp(e->scale, scales[i]) == 0) return i;
    return 3;
}

/* By insertion, so that equals keep their order. */
static void larger_scales_first(struct sim_summaries *s)
{
    for (int i = 1; i < s->count; i++)
        for (int k = i; k > 0 && rank_of(&s->experiments[k]) < rank_of(&s->experiments[k - 1]); k--) {
            struct sim_summary moved = s->experiments[k];
            s->experiments[k] = s->experiments[k - 1];
            s->experiments[k - 1] = moved;
        }
}

static sim_status no_such_experiment(const struct sim_run_records *records, const char *name)
{
    char list[400] = "";
    for (int i = 0; i < records->count; i++) {
        int first = 1;
        for (int j = 0; j < i; j++)
            first &= strcmp(records->records[i].experiment, records->records[j].experiment) != 0;
        size_t used = strlen(list);
        if (first)
            snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "",
                     records->records[i].experiment);
    }
    return sim_fail(SIM_EINVAL, "no record of experiment \"%s\"; there are: %s", name, list);
}

sim_status sim_summaries_make(struct sim_summaries *out, const struct sim_run_records *records,
                              const char *only_experiment)
{
    *out = (struct sim_summaries){0};
    if (!records->count) return sim_fail(SIM_EINVAL, "there are no records to report on");
    int memory = 1;
    for (int i = 0; i < records->count && memory; i++)
        if (!only_experiment || strcmp(records->records[i].experiment, only_experiment) == 0)
            memory = add_record(out, &records->records[i]);
    sim_status status = SIM_OK;
    if (memory && !out->count) status = no_such_experiment(records, only_experiment);
    for (int i = 0; i < out->count && memory && status == SIM_OK; i++) {
        struct sim_summary *e = &out->experiments[i];
        memory = head_summary(e);
        status = find_score_names(e);
        for (int j = 0; j < e->count && memory && status == SIM_OK; j++) {
            memory = label_row(e, &e->rows[j]);
            fill_row(e, &e->rows[j]);
        }
    }
    if (!memory) status = sim_fail(SIM_ENOMEM, "no memory to put %d records together", records->count);
    if (status != SIM_OK) sim_summaries_close(out);
    larger_scales_first(out);
    return status;
}

void sim_summaries_close(struct sim_summaries *s)
{
    for (int i = 0; i < s->count; i++) {
        for (int j = 0; j < s->experiments[i].count; j++) {
            free(s->experiments[i].rows[j].label);
            free(s->experiments[i].rows[j].runs);
        }
        free(s->experiments[i].rows);
        free(s->experiments[i].title);
    }
    free(s->experiments);
    *s = (struct sim_summaries){0};
}
