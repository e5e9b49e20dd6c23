#include "record_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ the list */

enum kind {
    OBJECT,   /* its fields are listed */
    OPEN,     /* an object whose fields are another room's business */
    LIST,     /* of objects; their fields are listed under "name[]." */
    TEXTS,    /* a list of texts */
    TEXT,     /* "" included */
    NAME,     /* a text that is not empty */
    WORD,     /* one of a few */
    WHOLE,    /* a whole number from 0 */
    NUMBER,   /* or null: not finite, or not measured */
    FRACTION, /* a number from 0 to 1 */
    SCORE, /* a number up to 1: an accuracy, or 1 - mCE, which an error above the reference's makes negative
            */
    FLAG,  /* true or false */
    SIDE   /* whom a claim speaks of: a run, a list of runs, or an object of axis values */
};

struct field {
    const char *path;
    enum kind kind;
    int needed;
    const char *words; /* of WORD: as the error names them, each in quotes */
};

static const struct field fields[] = {
    {"schema", WHOLE, 1, 0},
    {"experiment", NAME, 1, 0},
    {"name", NAME, 1, 0},
    {"seed", WHOLE, 1, 0},
    {"status", WORD, 1, "\"ok\", \"diverged\", \"failed\" or \"interrupted\""},
    {"reason", TEXT, 1, 0},
    {"config_hash", NAME, 1, 0},
    {"config", OPEN, 1, 0},
    {"commit", TEXT, 1, 0},
    {"started", TEXT, 1, 0},
    {"backend", TEXT, 1, 0},
    {"device", TEXT, 1, 0},
    {"driver", TEXT, 0, 0},
    {"precision", TEXT, 0, 0},
    {"deterministic", FLAG, 0, 0},
    {"substituted", TEXTS, 0, 0},
    {"ranks", WHOLE, 0, 0},
    {"transport", TEXT, 0, 0},
    {"threads", WHOLE, 1, 0},
    {"libraries", OPEN, 1, 0},
    {"study", OBJECT, 0, 0},
    {"study.question", TEXT, 0, 0},
    {"study.paper", TEXT, 0, 0},
    {"study.scale", TEXT, 0, 0},
    {"study.axes", OPEN, 0, 0},
    {"study.claims", LIST, 0, 0},
    {"study.claims[].id", NAME, 1, 0},
    {"study.claims[].text", TEXT, 1, 0},
    {"study.claims[].why", TEXT, 0, 0},
    {"study.claims[].score", NAME, 1, 0},
    {"study.claims[].higher", SIDE, 1, 0},
    {"study.claims[].lower", SIDE, 1, 0},
    {"data", OBJECT, 1, 0},
    {"data.train_hash", TEXT, 1, 0},
    {"data.val_hash", TEXT, 1, 0},
    {"data.train_pack", TEXT, 0, 0},
    {"data.val_pack", TEXT, 0, 0},
    {"data.skipped", WHOLE, 1, 0},
    {"data.damaged", TEXTS, 0, 0},
    {"data.train_images", NUMBER, 1, 0},
    {"data.val_images", NUMBER, 1, 0},
    {"data.classes", NUMBER, 1, 0},
    {"model", OBJECT, 1, 0},
    {"model.parameters", NUMBER, 1, 0},
    {"model.trainable", NUMBER, 1, 0},
    {"model.gflop_per_image", NUMBER, 1, 0},
    {"model.memory_bytes", NUMBER, 1, 0},
    {"curve", LIST, 1, 0},
    {"curve[].epoch", WHOLE, 1, 0},
    {"curve[].step", WHOLE, 1, 0},
    {"curve[].loss", NUMBER, 1, 0},
    {"curve[].grad_norm", NUMBER, 1, 0},
    {"curve[].lr", NUMBER, 1, 0},
    {"curve[].momentum", NUMBER, 1, 0},
    {"curve[].images_per_s", NUMBER, 1, 0},
    {"curve[].gflops", NUMBER, 1, 0},
    {"curve[].gemm_share", NUMBER, 1, 0},
    {"curve[].seconds", NUMBER, 1, 0},
    {"scores", LIST, 1, 0},
    {"scores[].encoder", WORD, 1, "\"pretrained\" or \"untrained\""},
    {"scores[].name", NAME, 1, 0},
    {"scores[].metric", TEXT, 1, 0},
    {"scores[].value", SCORE, 1, 0},
    {"scores[].standard_error", FRACTION, 1, 0},
    {"scores[].train_images", WHOLE, 1, 0},
    {"scores[].val_images", WHOLE, 1, 0},
    {"scores[].protocol", OPEN, 1, 0},
    {"cost", OBJECT, 1, 0},
    {"cost.wall_s", NUMBER, 1, 0},
    {"cost.train_s", NUMBER, 1, 0},
    {"cost.gflop", NUMBER, 1, 0},
    {"cost.peak_memory_bytes", NUMBER, 1, 0},
};
#define FIELDS ((int)(sizeof fields / sizeof *fields))

/* ------------------------------------------------------------------ notes */

sim_status sim_notes_add(struct sim_notes *n, const char *path, int64_t line, const char *format, ...)
{
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    for (int i = 0; i < n->count; i++)
        if (strcmp(n->notes[i].text, text) == 0 && strcmp(n->notes[i].path, path) == 0) {
            n->notes[i].times++;
            return SIM_OK;
        }
    if (n->count == SIM_NOTES_MAX) {
        n->notes[n->count - 1].times++;
        return SIM_OK;
    }
    if (n->count == SIM_NOTES_MAX - 1) snprintf(text, sizeof text, "further notes are not told");
    struct sim_note *grown = realloc(n->notes, (size_t)(n->count + 1) * sizeof *grown);
    if (grown) n->notes = grown;
    struct sim_note note = {.path = strdup(path), .text = strdup(text), .line = line, .times = 1};
    if (grown && note.path && note.text) {
        grown[n->count++] = note;
        return SIM_OK;
    }
    free(note.path);
    free(note.text);
    return sim_fail(SIM_ENOMEM, "%s: no memory for notes on the records", path);
}

void sim_note_text(const struct sim_note *n, char *out, int size)
{
    char more[64] = "";
    if (n->times > 1) snprintf(more, sizeof more, " (and %lld more like it)", (long long)(n->times - 1));
    snprintf(out, (size_t)size, "%s:%lld: %s%s", n->path, (long long)n->line, n->text, more);
}

void sim_notes_close(struct sim_notes *n)
{
    for (int i = 0; i < n->count; i++) {
        free(n->notes[i].path);
        free(n->notes[i].text);
    }
    free(n->notes);
    *n = (struct sim_notes){0};
}

/* ------------------------------------------------------------------ the check */

/* Where the check is: the file's line, the object in it as the list writes it ("curve[].") and as it is
 * ("curve[3]."). */
struct place {
    const char *path;
    int64_t line;
    struct sim_notes *notes;
    char listed[96], shown[96];
};

sim_status sim_record_wrong(const char *path, int64_t line, const char *field, const char *found,
                            const char *expected)
{
    return sim_fail(SIM_EFORMAT, "%s:%lld: field \"%s\" is %s; %s belongs here", path, (long long)line, field,
                    found, expected);
}

static sim_status wrong(const struct place *p, const char *key, const char *found, const char *expected)
{
    char field[256];
    snprintf(field, sizeof field, "%s%s", p->shown, key);
    return sim_record_wrong(p->path, p->line, field, found, expected);
}

static const char *kind_of(const json_t *v)
{
    static const char *const names[] = {"an object", "a list", "text",  "a whole number",
                                        "a number",  "true",   "false", "null"};
    return v ? names[json_typeof(v)] : "missing";
}

static sim_status check_text(const struct place *p, const struct field *f, const char *key, const json_t *v)
{
    const char *text = json_string_value(v);
    char quoted[160];
    if (!text) return wrong(p, key, kind_of(v), f->kind == WORD ? f->words : "text");
    if (strlen(text) != json_string_length(v)) return wrong(p, key, "text with a zero byte in it", "text");
    if (f->kind == NAME && !*text) return wrong(p, key, "empty", "a name");
    snprintf(quoted, sizeof quoted, "\"%.150s\"", text);
    if (f->kind == WORD && !strstr(f->words, quoted)) return wrong(p, key, "another word", f->words);
    return SIM_OK;
}

static sim_status check_number(const struct place *p, const struct field *f, const char *key, const json_t *v)
{
    double x = json_number_value(v);
    if (f->kind == WHOLE) {
        if (!json_is_integer(v)) return wrong(p, key, kind_of(v), "a whole number");
        return json_integer_value(v) >= 0 ? SIM_OK : wrong(p, key, "negative", "a number from 0");
    }
    if (f->kind == NUMBER)
        return json_is_number(v) || json_is_null(v) ? SIM_OK : wrong(p, key, kind_of(v), "a number or null");
    const char *range = f->kind == SCORE ? "a number up to 1" : "a number from 0 to 1";
    if (!json_is_number(v)) return wrong(p, key, kind_of(v), range);
    return (f->kind == SCORE || x >= 0) && x <= 1 ? SIM_OK : wrong(p, key, "out of bounds", range);
}

static sim_status check_texts(const struct place *p, const char *key, const json_t *v)
{
    static const struct field text = {"", TEXT, 1, 0};
    char at[128];
    if (!json_is_array(v)) return wrong(p, key, kind_of(v), "a list of texts");
    for (size_t i = 0; i < json_array_size(v); i++) {
        snprintf(at, sizeof at, "%s[%zu]", key, i);
        SIM_TRY(check_text(p, &text, at, json_array_get(v, i)));
    }
    return SIM_OK;
}

static sim_status check_object(struct place *p, const json_t *o);

/* The object below p, at `key` (index -1) or in the list at `key`. */
static sim_status descend(const struct place *p, const char *key, int index, const json_t *o)
{
    struct place below = {.path = p->path, .line = p->line, .notes = p->notes};
    char at[96];
    snprintf(at, sizeof at, index < 0 ? "%s" : "%s[%d]", key, index);
    if (!json_is_object(o)) return wrong(p, at, kind_of(o), "an object");
    snprintf(below.listed, sizeof below.listed, "%.40s%.40s%s.", p->listed, key, index < 0 ? "" : "[]");
    snprintf(below.shown, sizeof below.shown, "%.40s%.50s.", p->shown, at);
    return check_object(&below, o);
}

static sim_status check_value(struct place *p, const struct field *f, const char *key, const json_t *v)
{
    switch (f->kind) {
    case OBJECT:
        return descend(p, key, -1, v);
    case OPEN:
        return json_is_object(v) ? SIM_OK : wrong(p, key, kind_of(v), "an object");
    case LIST:
        if (!json_is_array(v) || json_array_size(v) > 1000000) return wrong(p, key, kind_of(v), "a list");
        for (size_t i = 0; i < json_array_size(v); i++)
            SIM_TRY(descend(p, key, (int)i, json_array_get(v, i)));
        return SIM_OK;
    case TEXTS:
        return check_texts(p, key, v);
    case TEXT:
    case NAME:
    case WORD:
        return check_text(p, f, key, v);
    case WHOLE:
    case NUMBER:
    case FRACTION:
    case SCORE:
        return check_number(p, f, key, v);
    case FLAG:
        return json_is_boolean(v) ? SIM_OK : wrong(p, key, kind_of(v), "true or false");
    case SIDE:
        if (json_is_string(v) || json_is_object(v)) return SIM_OK;
        return json_is_array(v) ? check_texts(p, key, v)
                                : wrong(p, key, kind_of(v), "a run, a list of runs or axis values");
    }
    return SIM_OK;
}

/* The key of a field that stands directly in the object called `listed`, or NULL. */
static const char *key_in(const struct field *f, const char *listed)
{
    size_t length = strlen(listed);
    return strncmp(f->path, listed, length) == 0 && !strchr(f->path + length, '.') ? f->path + length : NULL;
}

static sim_status check_object(struct place *p, const json_t *o)
{
    for (int i = 0; i < FIELDS; i++) {
        const char *key = key_in(&fields[i], p->listed);
        const json_t *v = key ? json_object_get(o, key) : NULL;
        if (key && (v || fields[i].needed)) SIM_TRY(check_value(p, &fields[i], key, v));
    }
    const char *name;
    json_t *ignored;
    json_object_foreach((json_t *)o, name, ignored)
    {
        int known = 0;
        for (int i = 0; i < FIELDS && !known; i++) {
            const char *key = key_in(&fields[i], p->listed);
            known = key && strcmp(key, name) == 0;
        }
        if (!known)
            SIM_TRY(sim_notes_add(p->notes, p->path, p->line, "unknown field \"%s%.100s\", not used",
                                  p->listed, name));
    }
    return SIM_OK;
}

sim_status sim_record_check(const json_t *record, const char *path, int64_t line, struct sim_notes *notes)
{
    struct place p = {.path = path, .line = line, .notes = notes};
    if (!json_is_object(record))
        return sim_fail(SIM_EFORMAT, "%s:%lld: the line is %s; a record is an object", path, (long long)line,
                        kind_of(record));
    const json_t *schema = json_object_get(record, "schema");
    if (json_is_integer(schema) && json_integer_value(schema) != SIM_RECORD_SCHEMA)
        return sim_fail(SIM_EFORMAT, "%s:%lld: schema %lld; this program reads schema %d", path,
                        (long long)line, (long long)json_integer_value(schema), SIM_RECORD_SCHEMA);
    return check_object(&p, record);
}
