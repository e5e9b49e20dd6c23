/* Reading records.jsonl. */
#include "records.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "progress.h"

/* ------------------------------------------------------------------ fields */

/* Where an error is: "file:line: field path". */
struct place {
    const char *path;
    int64_t line;
    char field[96];
};

static sim_status wrong(const struct place *p, const char *key, const char *found, const char *expected)
{
    return sim_fail(SIM_EFORMAT, "%s:%lld: field \"%s%s\" is %s; %s belongs here", p->path,
                    (long long)p->line, p->field, key, found, expected);
}

static const char *kind(const json_t *v)
{
    static const char *const names[] = {"an object", "a list", "text",  "a whole number",
                                        "a number",  "true",   "false", "null"};
    return v ? names[json_typeof(v)] : "missing";
}

static sim_status get_object(const struct place *p, const json_t *o, const char *key, json_t **out)
{
    *out = json_object_get(o, key);
    return json_is_object(*out) ? SIM_OK : wrong(p, key, kind(*out), "an object");
}

static sim_status get_list(const struct place *p, const json_t *o, const char *key, json_t **out)
{
    *out = json_object_get(o, key);
    return json_is_array(*out) ? SIM_OK : wrong(p, key, kind(*out), "a list");
}

static sim_status get_text(const struct place *p, const json_t *o, const char *key, char **out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) return wrong(p, key, kind(v), "text");
    free(*out);
    *out = strdup(json_string_value(v));
    return *out ? SIM_OK : sim_fail(SIM_ENOMEM, "%s: no memory for the records", p->path);
}

/* A whole number, not negative. */
static sim_status get_whole(const struct place *p, const json_t *o, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_integer(v)) return wrong(p, key, kind(v), "a whole number");
    *out = json_integer_value(v);
    return *out >= 0 ? SIM_OK : wrong(p, key, "negative", "a number from 0");
}

/* A number; null stands for one that was not finite or not measured. */
static sim_status get_number(const struct place *p, const json_t *o, const char *key, double *out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v) && !json_is_null(v)) return wrong(p, key, kind(v), "a number or null");
    *out = json_is_null(v) ? NAN : json_number_value(v);
    return SIM_OK;
}

static sim_status get_fraction(const struct place *p, const json_t *o, const char *key, double *out)
{
    SIM_TRY(get_number(p, o, key, out));
    return *out >= 0 && *out <= 1
               ? SIM_OK
               : wrong(p, key, isnan(*out) ? "null" : "out of bounds", "a number from 0 to 1");
}

/* Fields that nothing here keeps, but whose absence shows that the line is no record of this schema. */
static sim_status expect_numbers(struct place *p, const json_t *root, const char *section,
                                 const char *const *keys)
{
    json_t *o;
    double ignored;
    SIM_TRY(get_object(p, root, section, &o));
    snprintf(p->field, sizeof p->field, "%s.", section);
    for (; *keys; keys++) SIM_TRY(get_number(p, o, *keys, &ignored));
    p->field[0] = 0;
    return SIM_OK;
}

/* ------------------------------------------------------------------ parts of a record */

static sim_status read_curve(struct place *p, const json_t *root, struct sim_run_record *r)
{
    json_t *list;
    double ignored;
    SIM_TRY(get_list(p, root, "curve", &list));
    size_t count = json_array_size(list);
    r->curve = calloc(count + 1, sizeof *r->curve);
    if (!r->curve || count > INT_MAX)
        return sim_fail(SIM_ENOMEM, "%s: no memory for a curve of %zu epochs", p->path, count);
    for (size_t i = 0; i < count; i++) {
        struct sim_curve_point *at = &r->curve[i];
        const json_t *o = json_array_get(list, i);
        snprintf(p->field, sizeof p->field, "curve[%zu]", i);
        if (!json_is_object(o)) return wrong(p, "", kind(o), "an object");
        snprintf(p->field, sizeof p->field, "curve[%zu].", i);
        SIM_TRY(get_whole(p, o, "epoch", &at->epoch));
        SIM_TRY(get_whole(p, o, "step", &at->step));
        SIM_TRY(get_number(p, o, "loss", &at->loss));
        SIM_TRY(get_number(p, o, "grad_norm", &at->grad_norm));
        SIM_TRY(get_number(p, o, "lr", &at->lr));
        SIM_TRY(get_number(p, o, "momentum", &at->momentum));
        SIM_TRY(get_number(p, o, "images_per_s", &at->images_per_s));
        SIM_TRY(get_number(p, o, "gflops", &ignored));
        SIM_TRY(get_number(p, o, "gemm_share", &ignored));
        SIM_TRY(get_number(p, o, "seconds", &at->seconds));
        if (i > 0 && at->epoch <= at[-1].epoch)
            return wrong(p, "epoch", "not above the one before", "an ascending number");
        r->points++;
    }
    p->field[0] = 0;
    return SIM_OK;
}

static sim_status read_scores(struct place *p, const json_t *root, struct sim_run_record *r)
{
    json_t *list, *protocol;
    int64_t ignored;
    SIM_TRY(get_list(p, root, "scores", &list));
    size_t count = json_array_size(list);
    r->scores = calloc(count + 1, sizeof *r->scores);
    if (!r->scores || count > INT_MAX)
        return sim_fail(SIM_ENOMEM, "%s: no memory for %zu scores", p->path, count);
    for (size_t i = 0; i < count; i++) {
        struct sim_run_score *s = &r->scores[i];
        const json_t *o = json_array_get(list, i);
        snprintf(p->field, sizeof p->field, "scores[%zu]", i);
        if (!json_is_object(o)) return wrong(p, "", kind(o), "an object");
        snprintf(p->field, sizeof p->field, "scores[%zu].", i);
        r->score_count++;
        SIM_TRY(get_text(p, o, "encoder", &s->encoder));
        SIM_TRY(get_text(p, o, "name", &s->name));
        SIM_TRY(get_text(p, o, "metric", &s->metric));
        SIM_TRY(get_fraction(p, o, "value", &s->value));
        SIM_TRY(get_fraction(p, o, "standard_error", &s->standard_error));
        SIM_TRY(get_whole(p, o, "train_images", &ignored));
        SIM_TRY(get_whole(p, o, "val_images", &ignored));
        SIM_TRY(get_object(p, o, "protocol", &protocol));
        s->pretrained = strcmp(s->encoder, "pretrained") == 0;
        if (!s->pretrained && strcmp(s->encoder, "untrained") != 0)
            return wrong(p, "encoder", "another word", "\"pretrained\" or \"untrained\"");
    }
    p->field[0] = 0;
    return SIM_OK;
}

/* The configuration without its seed.  Keys sorted: equal configurations give equal text. */
static sim_status read_recipe(struct place *p, const json_t *root, struct sim_run_record *r)
{
    json_t *config;
    SIM_TRY(get_object(p, root, "config", &config));
    json_t *copy = json_copy(config);
    json_object_del(copy, "seed");
    r->recipe = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(copy);
    return r->recipe ? SIM_OK : sim_fail(SIM_ENOMEM, "%s: no memory for the records", p->path);
}

/* What a record says of its backend since there are several; what it does not say is as it was before. */
static sim_status read_backend(struct place *p, const json_t *root, struct sim_run_record *r)
{
    const json_t *list = json_object_get(root, "substituted"), *flag = json_object_get(root, "deterministic");
    char *driver = NULL, *text = NULL;
    size_t size = 0;
    if (json_object_get(root, "driver")) {
        SIM_TRY(get_text(p, root, "driver", &driver));
        free(driver);
    }
    r->deterministic = !json_is_false(flag);
    if (flag && !json_is_boolean(flag)) return wrong(p, "deterministic", kind(flag), "true or false");
    if (json_object_get(root, "precision")) SIM_TRY(get_text(p, root, "precision", &r->precision));
    if (list && !json_is_array(list)) return wrong(p, "substituted", kind(list), "a list");
    FILE *f = open_memstream(&text, &size);
    sim_status status = SIM_OK;
    for (size_t i = 0; f && i < json_array_size(list) && status == SIM_OK; i++) {
        const json_t *sentence = json_array_get(list, i);
        if (json_is_string(sentence))
            fprintf(f, "%s%s", i ? "; " : "", json_string_value(sentence));
        else
            status = wrong(p, "substituted", "a list of something else", "a list of sentences");
    }
    if (f && fclose(f) == 0) r->substituted = text;
    if (!r->precision) r->precision = strdup("");
    if (status == SIM_OK && (!r->precision || !r->substituted))
        status = sim_fail(SIM_ENOMEM, "%s: no memory for the records", p->path);
    return status;
}

static sim_status read_head(struct place *p, const json_t *root, struct sim_run_record *r)
{
    int64_t schema;
    SIM_TRY(get_whole(p, root, "schema", &schema));
    if (schema != 1)
        return sim_fail(SIM_EFORMAT, "%s:%lld: a record of schema %lld; this program reads schema 1", p->path,
                        (long long)p->line, (long long)schema);
    SIM_TRY(get_text(p, root, "experiment", &r->experiment));
    SIM_TRY(get_text(p, root, "name", &r->name));
    SIM_TRY(get_whole(p, root, "seed", &r->seed));
    SIM_TRY(get_text(p, root, "status", &r->status));
    SIM_TRY(get_text(p, root, "reason", &r->reason));
    SIM_TRY(get_text(p, root, "config_hash", &r->config_hash));
    SIM_TRY(get_text(p, root, "commit", &r->commit));
    SIM_TRY(get_text(p, root, "started", &r->started));
    SIM_TRY(get_text(p, root, "backend", &r->backend));
    SIM_TRY(get_text(p, root, "device", &r->device));
    SIM_TRY(get_whole(p, root, "threads", &r->threads));
    if (!*r->name) return wrong(p, "name", "empty", "the run's name");
    if (strcmp(r->status, "ok") != 0 && strcmp(r->status, "diverged") != 0 &&
        strcmp(r->status, "interrupted") != 0)
        return wrong(p, "status", "another word", "\"ok\", \"diverged\" or \"interrupted\"");
    return SIM_OK;
}

static sim_status read_record(struct place *p, const json_t *root, struct sim_run_record *r)
{
    json_t *o;
    char *ignored = NULL;
    if (!json_is_object(root))
        return sim_fail(SIM_EFORMAT, "%s:%lld: the line is %s; a record is an object", p->path,
                        (long long)p->line, kind(root));
    SIM_TRY(read_head(p, root, r));
    SIM_TRY(read_backend(p, root, r));
    SIM_TRY(read_recipe(p, root, r));
    SIM_TRY(get_object(p, root, "libraries", &o));
    SIM_TRY(get_object(p, root, "data", &o));
    snprintf(p->field, sizeof p->field, "data.");
    sim_status status = get_text(p, o, "train_hash", &ignored);
    if (status == SIM_OK) status = get_text(p, o, "val_hash", &ignored);
    free(ignored);
    if (status != SIM_OK) return status;
    SIM_TRY(get_whole(p, o, "skipped", &r->skipped));
    p->field[0] = 0;
    SIM_TRY(expect_numbers(p, root, "data",
                           (const char *const[]){"train_images", "val_images", "classes", NULL}));
    SIM_TRY(expect_numbers(
        p, root, "model",
        (const char *const[]){"parameters", "trainable", "gflop_per_image", "memory_bytes", NULL}));
    SIM_TRY(read_curve(p, root, r));
    SIM_TRY(read_scores(p, root, r));
    SIM_TRY(expect_numbers(p, root, "cost", (const char *const[]){"gflop", "peak_memory_bytes", NULL}));
    SIM_TRY(get_object(p, root, "cost", &o));
    snprintf(p->field, sizeof p->field, "cost.");
    SIM_TRY(get_number(p, o, "wall_s", &r->wall_s));
    return get_number(p, o, "train_s", &r->train_s);
}

/* ------------------------------------------------------------------ lines */

static void record_close(struct sim_run_record *r)
{
    char *const texts[] = {r->experiment,  r->name,      r->status,  r->reason,
                           r->config_hash, r->commit,    r->started, r->backend,
                           r->device,      r->precision, r->recipe,  r->substituted};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free(texts[i]);
    for (int i = 0; i < r->score_count; i++) {
        free(r->scores[i].encoder);
        free(r->scores[i].name);
        free(r->scores[i].metric);
    }
    free(r->scores);
    free(r->curve);
    *r = (struct sim_run_record){0};
}

/* Puts the record at the end, or in the place of one of the same configuration; the record is taken over. */
static sim_status keep(struct sim_run_records *all, struct sim_run_record *r)
{
    r->order = all->read++;
    for (int i = 0; i < all->count; i++) {
        struct sim_run_record *old = &all->records[i];
        if (strcmp(old->config_hash, r->config_hash) == 0 && strcmp(old->experiment, r->experiment) == 0 &&
            strcmp(old->name, r->name) == 0 && old->seed == r->seed) {
            record_close(old);
            *old = *r;
            return SIM_OK;
        }
    }
    struct sim_run_record *grown = realloc(all->records, (size_t)(all->count + 1) * sizeof *grown);
    if (!grown) {
        record_close(r);
        return sim_fail(SIM_ENOMEM, "no memory for %d records", all->count + 1);
    }
    all->records = grown;
    all->records[all->count++] = *r;
    return SIM_OK;
}

/* Whether the text breaks off inside its object: the mark of a write cut short, as opposed to damage. */
static int cut_short(const char *text, size_t size)
{
    int depth = 0, quoted = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\') i++;
            quoted = c != '"';
        } else {
            quoted = c == '"';
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        }
    }
    return quoted || depth > 0;
}

static sim_status read_line(struct sim_run_records *out, const char *path, int64_t number, const char *text,
                            size_t size)
{
    struct place p = {.path = path, .line = number};
    json_error_t error;
    size_t blank = strspn(text, " \t\r\n");
    if (blank >= size) return SIM_OK;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!root && cut_short(text, size)) {
        sim_log("%s:%lld: the line is cut short and left out (was the machine stopped while it was written?)",
                path, (long long)number);
        return SIM_OK;
    }
    if (!root)
        return sim_fail(SIM_EFORMAT, "%s:%lld:%d: not a record: %s", path, (long long)number, error.column,
                        error.text);
    struct sim_run_record r = {0};
    sim_status status = read_record(&p, root, &r);
    json_decref(root);
    if (status == SIM_OK) return keep(out, &r);
    record_close(&r);
    return status;
}

sim_status sim_run_records_read(struct sim_run_records *out, const char *path)
{
    struct stat what;
    char inside[PATH_MAX];
    if (stat(path, &what) == 0 && S_ISDIR(what.st_mode)) {
        if (snprintf(inside, sizeof inside, "%s/records.jsonl", path) >= (int)sizeof inside)
            return sim_fail(SIM_EINVAL, "%s: the path is too long", path);
        path = inside;
    }
    FILE *f = fopen(path, "re");
    if (!f) return sim_fail(SIM_EIO, "%s: the records cannot be opened: %s", path, strerror(errno));
    char *text = NULL;
    size_t room = 0;
    ssize_t size = 0;
    int64_t number = 0;
    sim_status status = SIM_OK;
    while (status == SIM_OK && (size = getline(&text, &room, f)) > 0) {
        number++;
        if (text[size - 1] == '\n') size--;
        status = read_line(out, path, number, text, (size_t)size);
    }
    if (status == SIM_OK && ferror(f))
        status = sim_fail(SIM_EIO, "%s: the records cannot be read past line %lld: %s", path,
                          (long long)number, strerror(errno));
    free(text);
    fclose(f);
    return status;
}

void sim_run_records_close(struct sim_run_records *r)
{
    for (int i = 0; i < r->count; i++) record_close(&r->records[i]);
    free(r->records);
    *r = (struct sim_run_records){0};
}
