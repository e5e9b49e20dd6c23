#include "study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "record_schema.h"

/* ------------------------------------------------------------------ reading */

/* A copy of the member's text, "" where there is none; NULL for want of memory. */
static char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return strdup(text ? text : "");
}

static int read_value(struct sim_axis_value *out, const char *key, const json_t *v)
{
    out->number = json_is_number(v) ? json_number_value(v) : NAN;
    out->key = strdup(key);
    if (json_is_string(v))
        out->text = strdup(json_string_value(v));
    else if (json_is_integer(v) || !json_is_real(v))
        out->text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    else if (asprintf(&out->text, "%.12g", out->number) < 0)
        out->text = NULL;
    return out->key && out->text;
}

/* The members of an object in the order of their keys, so that the order in the file means nothing. */
static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct sim_axis_value *)a)->key, ((const struct sim_axis_value *)b)->key);
}

static int read_values(struct sim_axis_value **out, int *count, const json_t *object)
{
    const char *key;
    json_t *v;
    *out = calloc(json_object_size(object) + 1, sizeof **out);
    if (!*out) return 0;
    json_object_foreach((json_t *)object, key, v)
    {
        if (!read_value(&(*out)[(*count)++], key, v)) return 0;
    }
    qsort(*out, (size_t)*count, sizeof **out, by_key);
    return 1;
}

static int read_side(struct sim_side *out, const json_t *v)
{
    if (json_is_object(v)) return read_values(&out->values, &out->value_count, v);
    size_t count = json_is_array(v) ? json_array_size(v) : 1;
    out->runs = calloc(count + 1, sizeof *out->runs);
    for (size_t i = 0; out->runs && i < count; i++) {
        out->runs[i] = strdup(json_string_value(json_is_array(v) ? json_array_get(v, i) : v));
        if (!out->runs[i]) return 0;
        out->run_count++;
    }
    return out->runs != NULL;
}

static int read_claim(struct sim_claim *out, const json_t *o)
{
    out->id = text_of(o, "id"), out->text = text_of(o, "text"), out->why = text_of(o, "why");
    out->score = text_of(o, "score");
    return out->id && out->text && out->why && out->score &&
           read_side(&out->higher, json_object_get(o, "higher")) &&
           read_side(&out->lower, json_object_get(o, "lower"));
}

sim_status sim_study_read(struct sim_study *out, const json_t *record, const char *path, int64_t line)
{
    const json_t *study = json_object_get(record, "study"), *claims = json_object_get(study, "claims");
    char field[96];
    *out = (struct sim_study){0};
    out->question = text_of(study, "question"), out->paper = text_of(study, "paper");
    out->scale = text_of(study, "scale");
    out->claims = calloc(json_array_size(claims) + 1, sizeof *out->claims);
    int memory = out->question && out->paper && out->scale && out->claims &&
                 read_values(&out->axes, &out->axis_count, json_object_get(study, "axes"));
    for (size_t i = 0; memory && i < json_array_size(claims); i++) {
        memory = read_claim(&out->claims[out->claim_count++], json_array_get(claims, i));
        for (size_t k = 0; memory && k < i; k++)
            if (strcmp(out->claims[k].id, out->claims[i].id) == 0) {
                snprintf(field, sizeof field, "study.claims[%zu].id", i);
                return sim_record_wrong(path, line, field, "that of another claim", "an id of its own");
            }
    }
    return memory ? SIM_OK : sim_fail(SIM_ENOMEM, "%s: no memory for the records", path);
}

static void close_values(struct sim_axis_value *values, int count)
{
    for (int i = 0; i < count; i++) {
        free(values[i].key);
        free(values[i].text);
    }
    free(values);
}

static void close_side(struct sim_side *side)
{
    for (int i = 0; i < side->run_count; i++) free(side->runs[i]);
    free(side->runs);
    close_values(side->values, side->value_count);
}

void sim_study_close(struct sim_study *s)
{
    for (int i = 0; i < s->claim_count; i++) {
        struct sim_claim *c = &s->claims[i];
        char *const texts[] = {c->id, c->text, c->why, c->score};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) free(texts[k]);
        close_side(&c->higher);
        close_side(&c->lower);
    }
    free(s->claims);
    close_values(s->axes, s->axis_count);
    free(s->question);
    free(s->paper);
    free(s->scale);
    *s = (struct sim_study){0};
}

/* ------------------------------------------------------------------ asking */

const struct sim_axis_value *sim_study_axis(const struct sim_study *s, const char *key)
{
    for (int i = 0; i < s->axis_count; i++)
        if (strcmp(s->axes[i].key, key) == 0) return &s->axes[i];
    return NULL;
}

static int equal(const struct sim_axis_value *a, const struct sim_axis_value *b)
{
    if (isfinite(a->number) && isfinite(b->number)) return a->number == b->number;
    return strcmp(a->text, b->text) == 0;
}

int sim_side_has(const struct sim_side *side, const char *run, const struct sim_study *study)
{
    for (int i = 0; i < side->run_count; i++)
        if (strcmp(side->runs[i], run) == 0) return 1;
    if (side->run_count || !side->value_count) return 0;
    for (int i = 0; i < side->value_count; i++) {
        const struct sim_axis_value *v = sim_study_axis(study, side->values[i].key);
        if (!v || !equal(v, &side->values[i])) return 0;
    }
    return 1;
}
