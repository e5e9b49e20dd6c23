#include "sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sim_study *study_of(const struct sim_row *row)
{
    return &row->runs[0]->study;
}

static const char *last_part(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

/* ------------------------------------------------------------------ values of an axis */

static int same_value(const struct sim_axis_value *a, const struct sim_axis_value *b)
{
    return strcmp(a->text, b->text) == 0;
}

static int value_index(const struct sim_sweep *s, const struct sim_axis_value *v)
{
    for (int i = 0; i < s->value_count; i++)
        if (same_value(s->values[i], v)) return i;
    return -1;
}

static int ascending(const void *a, const void *b)
{
    double x = (*(const struct sim_axis_value *const *)a)->number,
           y = (*(const struct sim_axis_value *const *)b)->number;
    return (x > y) - (x < y);
}

/* A true scale would press the closest values into less than a thirtieth of the axis. */
static int is_uneven(const struct sim_sweep *s)
{
    double closest = HUGE_VAL, range = s->values[s->value_count - 1]->number - s->values[0]->number;
    for (int i = 1; i < s->value_count; i++)
        closest = fmin(closest, s->values[i]->number - s->values[i - 1]->number);
    return closest < range / 30;
}

static int find_values(struct sim_sweep *s, const struct sim_summary *e)
{
    s->values = calloc((size_t)e->count + 1, sizeof *s->values);
    s->numeric = 1;
    for (int i = 0; s->values && i < e->count; i++) {
        const struct sim_axis_value *v = sim_study_axis(study_of(&e->rows[i]), s->key);
        if (!v || value_index(s, v) >= 0) continue;
        s->values[s->value_count++] = v;
        s->numeric &= isfinite(v->number);
    }
    if (!s->values) return 0;
    if (s->numeric) qsort(s->values, (size_t)s->value_count, sizeof *s->values, ascending);
    s->even = s->numeric && s->value_count > 2 && is_uneven(s);
    return 1;
}

double sim_sweep_position(const struct sim_sweep *s, int i)
{
    return s->numeric && !s->even ? s->values[i]->number : i;
}

/* ------------------------------------------------------------------ lines */

/* The row's values on all axes but this one: "predictor_norm bn, depth 2".  NULL for want of memory. */
static char *others(const struct sim_row *row, const char *key)
{
    char *text = NULL;
    size_t size = 0;
    const struct sim_study *study = study_of(row);
    FILE *to = open_memstream(&text, &size);
    if (!to) return NULL;
    for (int i = 0; i < study->axis_count; i++)
        if (strcmp(study->axes[i].key, key) != 0)
            fprintf(to, "%s%s %s", ftell(to) > 0 ? ", " : "", last_part(study->axes[i].key),
                    study->axes[i].text);
    if (fclose(to) == 0) return text;
    free(text);
    return NULL;
}

static struct sim_sweep_line *line_of(struct sim_sweep *s, char *label)
{
    for (int i = 0; i < s->line_count; i++)
        if (strcmp(s->lines[i].label, label) == 0) {
            free(label);
            return &s->lines[i];
        }
    struct sim_sweep_line line = {label, calloc((size_t)s->value_count, sizeof *line.rows)};
    struct sim_sweep_line *grown = realloc(s->lines, (size_t)(s->line_count + 1) * sizeof *grown);
    if (grown) s->lines = grown;
    if (grown && line.rows) {
        grown[s->line_count] = line;
        return &grown[s->line_count++];
    }
    free(line.rows);
    free(label);
    return NULL;
}

static int find_lines(struct sim_sweep *s, const struct sim_summary *e)
{
    for (int i = 0; i < e->count; i++) {
        const struct sim_row *row = &e->rows[i];
        const struct sim_axis_value *v = sim_study_axis(study_of(row), s->key);
        if (!v) continue;
        char *label = others(row, s->key);
        struct sim_sweep_line *line = label ? line_of(s, label) : NULL;
        if (!line) return 0;
        const struct sim_row **at = &line->rows[value_index(s, v)];
        if (!*at || sim_row_last_order(row) > sim_row_last_order(*at)) *at = row;
    }
    if (s->line_count == 1) s->lines[0].label[0] = 0;
    return 1;
}

static void sweep_close(struct sim_sweep *s)
{
    for (int i = 0; i < s->line_count; i++) {
        free(s->lines[i].label);
        free(s->lines[i].rows);
    }
    free(s->lines);
    free(s->values);
    *s = (struct sim_sweep){0};
}

/* ------------------------------------------------------------------ all axes */

static int is_known(const struct sim_sweeps *s, const char *key)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->sweeps[i].key, key) == 0) return 1;
    return 0;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct sim_sweep *)a)->key, ((const struct sim_sweep *)b)->key);
}

static int add_sweep(struct sim_sweeps *out, const struct sim_summary *e, const char *key)
{
    struct sim_sweep s = {.key = key, .name = last_part(key)};
    struct sim_sweep *grown = realloc(out->sweeps, (size_t)(out->count + 1) * sizeof *grown);
    if (grown) out->sweeps = grown;
    if (grown && find_values(&s, e) && find_lines(&s, e)) {
        grown[out->count++] = s;
        return 1;
    }
    sweep_close(&s);
    return 0;
}

sim_status sim_sweeps_make(struct sim_sweeps *out, const struct sim_summary *e)
{
    int memory = 1;
    *out = (struct sim_sweeps){0};
    for (int i = 0; i < e->count && memory; i++) {
        const struct sim_study *study = study_of(&e->rows[i]);
        for (int k = 0; k < study->axis_count && memory; k++)
            if (!is_known(out, study->axes[k].key)) memory = add_sweep(out, e, study->axes[k].key);
    }
    if (!memory) {
        sim_sweeps_close(out);
        return sim_fail(SIM_ENOMEM, "no memory for the axes of %s", e->title);
    }
    int kept = 0;
    for (int i = 0; i < out->count; i++) {
        if (out->sweeps[i].value_count > 1)
            out->sweeps[kept++] = out->sweeps[i];
        else
            sweep_close(&out->sweeps[i]);
    }
    out->count = kept;
    if (kept) qsort(out->sweeps, (size_t)kept, sizeof *out->sweeps, by_key);
    return SIM_OK;
}

void sim_sweeps_close(struct sim_sweeps *s)
{
    for (int i = 0; i < s->count; i++) sweep_close(&s->sweeps[i]);
    free(s->sweeps);
    *s = (struct sim_sweeps){0};
}
