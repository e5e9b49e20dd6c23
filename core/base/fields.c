#include "fields.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "nearest.h"

#define KEY_BYTES 128

/* ------------------------------------------------------------------ finding keys */

/* A field with its place: what a walk over the schema yields. */
struct place {
    const struct sim_section *section;
    const struct sim_field *field;
};

static int field_total(const struct sim_schema *s)
{
    int n = 0;
    for (int i = 0; i < s->count; i++) n += s->sections[i].count;
    return n;
}

static void full_key(const struct sim_section *section, const struct sim_field *field, char out[KEY_BYTES])
{
    snprintf(out, KEY_BYTES, "%s%s%s", section->prefix, section->prefix[0] ? "." : "", field->key);
}

static int find(const struct sim_schema *s, const char *key, struct place *out)
{
    for (int i = 0; i < s->count; i++) {
        const struct sim_section *section = &s->sections[i];
        size_t n = strlen(section->prefix);
        if (n > 0 && (strncmp(key, section->prefix, n) != 0 || key[n] != '.')) continue;
        const char *rest = n > 0 ? key + n + 1 : key;
        for (int f = 0; f < section->count; f++)
            if (strcmp(section->fields[f].key, rest) == 0) {
                *out = (struct place){section, &section->fields[f]};
                return 1;
            }
    }
    return 0;
}

const struct sim_field *sim_fields_find(const struct sim_schema *s, const char *key)
{
    struct place p;
    return find(s, key, &p) ? p.field : NULL;
}

int sim_fields_is_section(const struct sim_schema *s, const char *key)
{
    for (int i = 0; i < s->count; i++)
        if (key[0] && strcmp(s->sections[i].prefix, key) == 0) return 1;
    return 0;
}

/* Every full key, and the prefixes behind them, as words to compare with.  A word without a dot may also be a
 * key whose section was left out ("depth" for "model.depth"): such a match is taken first. */
sim_status sim_fields_unknown(const struct sim_schema *s, const char *key, const char *where)
{
    int total = field_total(s), n = 0;
    char(*names)[KEY_BYTES] = calloc((size_t)total + 1, sizeof *names);
    const char **words = calloc((size_t)total + (size_t)s->count + 1, sizeof *words), *near = NULL;
    if (!names || !words) {
        free(names);
        free(words);
        return sim_fail(SIM_ENOMEM, "%s: no memory", where);
    }
    for (int i = 0; i < s->count; i++)
        for (int f = 0; f < s->sections[i].count; f++) {
            full_key(&s->sections[i], &s->sections[i].fields[f], names[n]);
            if (!near && strcmp(key, s->sections[i].fields[f].key) == 0) near = names[n];
            words[n] = names[n];
            n++;
        }
    for (int i = 0; i < s->count; i++)
        if (s->sections[i].prefix[0]) words[n++] = s->sections[i].prefix;
    if (!near) near = sim_nearest(key, words, n);
    sim_status status =
        near ? sim_fail(SIM_EINVAL, "%s: unknown key \"%.120s\"; the nearest known one is \"%s\"", where, key,
                        near)
             : sim_fail(SIM_EINVAL, "%s: unknown key \"%.120s\", and none is near it (see siameseim config)",
                        where, key);
    free(names);
    free(words);
    return status;
}

/* ------------------------------------------------------------------ reading values */

/* Decimal digits with sign, point and exponent only: no "nan", "inf", hexadecimal or white space. */
static int looks_decimal(const char *text)
{
    return text[0] && text[strspn(text, "0123456789+-.eE")] == '\0';
}

static void format_bounds(const struct sim_field *f, char out[80])
{
    char low[32], high[32];
    sim_fields_format_real(f->low, low);
    sim_fields_format_real(f->high, high);
    if (f->low == 0 && f->high == 0)
        out[0] = '\0';
    else if (f->type == SIM_FIELD_INT)
        snprintf(out, 80, "%.0f to %.0f", f->low, f->high);
    else
        snprintf(out, 80, "%s to %s", low, high);
}

static sim_status out_of_bounds(const struct sim_field *f, const char *key, const char *text,
                                const char *where)
{
    char bounds[80];
    format_bounds(f, bounds);
    return sim_fail(SIM_EINVAL, "%s: %s: %.80s is out of bounds, %s", where, key, text, bounds);
}

static sim_status set_int(const struct sim_field *f, void *at, const char *key, const char *text,
                          const char *where)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (!looks_decimal(text) || *end || end == text || errno)
        return sim_fail(SIM_EINVAL, "%s: %s: \"%.80s\" is not a whole number", where, key, text);
    if ((f->low != 0 || f->high != 0) && ((double)v < f->low || (double)v > f->high))
        return out_of_bounds(f, key, text, where);
    *(int64_t *)at = v;
    return SIM_OK;
}

static sim_status set_real(const struct sim_field *f, void *at, const char *key, const char *text,
                           const char *where)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (!looks_decimal(text) || *end || end == text)
        return sim_fail(SIM_EINVAL, "%s: %s: \"%.80s\" is not a number", where, key, text);
    if (errno == ERANGE || !isfinite(v))
        return sim_fail(SIM_EINVAL, "%s: %s: %.80s is too large or too small for a double", where, key, text);
    if ((f->low != 0 || f->high != 0) && (v < f->low || v > f->high))
        return out_of_bounds(f, key, text, where);
    *(double *)at = v == 0 ? 0 : v; /* no negative zero: one value, one hash */
    return SIM_OK;
}

static sim_status set_bool(void *at, const char *key, const char *text, const char *where)
{
    int yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return sim_fail(SIM_EINVAL, "%s: %s: \"%.80s\" is neither true nor false", where, key, text);
    *(int *)at = yes;
    return SIM_OK;
}

/* "bn, ln" */
static void join_choices(const struct sim_field *f, const char *between, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; f->choices[i] && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? between : "", f->choices[i]);
}

static sim_status set_choice(const struct sim_field *f, void *at, const char *key, const char *text,
                             const char *where)
{
    for (int i = 0; f->choices[i]; i++)
        if (strcmp(f->choices[i], text) == 0) {
            *(int *)at = i;
            return SIM_OK;
        }
    char list[400];
    join_choices(f, ", ", list, sizeof list);
    return sim_fail(SIM_EINVAL, "%s: %s: \"%.80s\" is none of %s", where, key, text, list);
}

static sim_status set_text(void *at, const char *key, const char *text, const char *where)
{
    size_t n = strlen(text);
    if (n >= SIM_TEXT_BYTES)
        return sim_fail(SIM_EINVAL, "%s: %s: %zu bytes of text, at most %d fit", where, key, n,
                        SIM_TEXT_BYTES - 1);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return sim_fail(SIM_EINVAL, "%s: %s: the text holds a control character", where, key);
    json_t *checked = json_string(text);
    if (!checked) return sim_fail(SIM_EINVAL, "%s: %s: the text is not UTF-8", where, key);
    json_decref(checked);
    memset(at, 0, SIM_TEXT_BYTES);
    memcpy(at, text, n);
    return SIM_OK;
}

static sim_status set_place(const struct place *p, void *config, const char *text, const char *where)
{
    char key[KEY_BYTES];
    full_key(p->section, p->field, key);
    void *at = (char *)config + p->section->offset + p->field->offset;
    switch (p->field->type) {
    case SIM_FIELD_INT:
        return set_int(p->field, at, key, text, where);
    case SIM_FIELD_REAL:
        return set_real(p->field, at, key, text, where);
    case SIM_FIELD_BOOL:
        return set_bool(at, key, text, where);
    case SIM_FIELD_CHOICE:
        return set_choice(p->field, at, key, text, where);
    case SIM_FIELD_TEXT:
        return set_text(at, key, text, where);
    }
    return sim_fail(SIM_EINVAL, "%s: %s: a field of unknown type", where, key);
}

sim_status sim_fields_preset(const struct sim_schema *s, void *config)
{
    memset(config, 0, s->size_bytes);
    for (int i = 0; i < s->count; i++)
        for (int f = 0; f < s->sections[i].count; f++) {
            const struct place p = {&s->sections[i], &s->sections[i].fields[f]};
            SIM_TRY(set_place(&p, config, p.field->preset, "default"));
        }
    return SIM_OK;
}

sim_status sim_fields_set(const struct sim_schema *s, void *config, const char *key, const char *text,
                          const char *where)
{
    struct place p;
    if (find(s, key, &p)) return set_place(&p, config, text, where);
    if (sim_fields_is_section(s, key))
        return sim_fail(SIM_EINVAL, "%s: %s is a section: set one of its keys, such as %s.KEY", where, key,
                        key);
    return sim_fields_unknown(s, key, where);
}

sim_status sim_fields_set_pair(const struct sim_schema *s, void *config, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return sim_fail(SIM_EINVAL, "--set %.120s: wants KEY=VALUE, such as model.depth=12", pair);
    char *key = strndup(pair, (size_t)(equals - pair));
    if (!key) return sim_fail(SIM_ENOMEM, "--set: no memory");
    sim_status status = sim_fields_set(s, config, key, equals + 1, "--set");
    free(key);
    return status;
}

/* ------------------------------------------------------------------ writing values */

void sim_fields_format_real(double value, char out[32])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        if (strtod(out, NULL) == value) return;
    }
}

/* A value as JSON, which is also YAML. */
static void print_value(const struct place *p, const void *config, FILE *to)
{
    const void *at = (const char *)config + p->section->offset + p->field->offset;
    char number[32], *text;
    json_t *string;
    switch (p->field->type) {
    case SIM_FIELD_INT:
        fprintf(to, "%" PRId64, *(const int64_t *)at);
        break;
    case SIM_FIELD_REAL:
        sim_fields_format_real(*(const double *)at, number);
        fputs(number, to);
        break;
    case SIM_FIELD_BOOL:
        fputs(*(const int *)at ? "true" : "false", to);
        break;
    case SIM_FIELD_CHOICE:
        fprintf(to, "\"%s\"", p->field->choices[*(const int *)at]);
        break;
    case SIM_FIELD_TEXT:
        string = json_string(at);
        text = json_dumps(string, JSON_ENCODE_ANY);
        fputs(text ? text : "\"\"", to);
        free(text);
        json_decref(string);
        break;
    }
}

static int same_prefix(const struct sim_schema *s, int i)
{
    return i > 0 && strcmp(s->sections[i].prefix, s->sections[i - 1].prefix) == 0;
}

static void print_json(const struct sim_schema *s, const void *config, FILE *to)
{
    fputc('{', to);
    for (int i = 0; i < s->count; i++) {
        const struct sim_section *section = &s->sections[i];
        int nested = section->prefix[0] != 0, joined = same_prefix(s, i);
        if (nested && !joined) fprintf(to, "%s\"%s\":{", i ? "," : "", section->prefix);
        for (int f = 0; f < section->count; f++) {
            const struct place p = {section, &section->fields[f]};
            fprintf(to, "%s\"%s\":", f || joined || (i && !nested) ? "," : "", p.field->key);
            print_value(&p, config, to);
        }
        if (nested && (i + 1 == s->count || !same_prefix(s, i + 1))) fputc('}', to);
    }
    fputc('}', to);
}

static const char *type_text(const struct sim_field *f, char out[480])
{
    char bounds[400];
    switch (f->type) {
    case SIM_FIELD_INT:
    case SIM_FIELD_REAL:
        format_bounds(f, bounds);
        snprintf(out, 480, "%s%s%s", f->type == SIM_FIELD_INT ? "whole number" : "number",
                 bounds[0] ? ", " : "", bounds);
        break;
    case SIM_FIELD_BOOL:
        snprintf(out, 480, "true | false");
        break;
    case SIM_FIELD_CHOICE:
        join_choices(f, " | ", out, 480);
        break;
    case SIM_FIELD_TEXT:
        snprintf(out, 480, "text");
        break;
    }
    return out;
}

static void print_yaml(const struct sim_schema *s, const void *config, int with_help, FILE *to)
{
    char type[480];
    for (int i = 0; i < s->count; i++) {
        const struct sim_section *section = &s->sections[i];
        const char *indent = section->prefix[0] ? "  " : "";
        if (with_help && section->help && section->help[0])
            fprintf(to, "%s# %s\n", i ? "\n" : "", section->help);
        if (section->prefix[0] && !same_prefix(s, i)) fprintf(to, "%s:\n", section->prefix);
        for (int f = 0; f < section->count; f++) {
            const struct place p = {section, &section->fields[f]};
            fprintf(to, "%s%s: ", indent, p.field->key);
            print_value(&p, config, to);
            if (with_help) fprintf(to, "  # %s (%s)", p.field->help, type_text(p.field, type));
            fputc('\n', to);
        }
    }
}

/* ------------------------------------------------------------------ whole configurations */

/* Runs one of the printers into a string; the caller frees it. */
static sim_status into_text(const struct sim_schema *s, const void *config, int yaml, int with_help,
                            char **out)
{
    size_t size;
    *out = NULL;
    FILE *to = open_memstream(out, &size);
    if (!to) return sim_fail(SIM_ENOMEM, "no memory to write the configuration");
    if (yaml)
        print_yaml(s, config, with_help, to);
    else
        print_json(s, config, to);
    int failed = ferror(to);
    if (fclose(to) == 0 && !failed) return SIM_OK;
    free(*out);
    *out = NULL;
    return sim_fail(SIM_ENOMEM, "no memory to write the configuration");
}

sim_status sim_fields_dump_yaml(const struct sim_schema *s, const void *config, int with_help, char **out)
{
    return into_text(s, config, 1, with_help, out);
}

sim_status sim_fields_dump_json(const struct sim_schema *s, const void *config, char **out)
{
    return into_text(s, config, 0, 0, out);
}

sim_status sim_fields_hash(const struct sim_schema *s, const void *config, char out[17])
{
    char *text;
    SIM_TRY(sim_fields_dump_json(s, config, &text));
    snprintf(out, 17, "%016" PRIx64, (uint64_t)XXH64(text, strlen(text), 0));
    free(text);
    return SIM_OK;
}

void sim_fields_print_help(const struct sim_schema *s, FILE *to)
{
    char key[KEY_BYTES], type[480];
    for (int i = 0; i < s->count; i++) {
        const struct sim_section *section = &s->sections[i];
        if (section->help && section->help[0]) fprintf(to, "%s%s\n", i ? "\n" : "", section->help);
        for (int f = 0; f < section->count; f++) {
            const struct sim_field *field = &section->fields[f];
            full_key(section, field, key);
            fprintf(to, "  %-32s %s (%s; default %s)\n", key, field->help, type_text(field, type),
                    field->preset[0] ? field->preset : "none");
        }
    }
}
