/* Reading records.jsonl: lines into records.  What a record may hold is record_schema.c's business. */
#include "records.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lines.h"
#include "progress.h"

#define MOST_LINE_BYTES ((size_t)64 << 20) /* a curve of 1600 epochs takes a third of a MiB */
#define MOST_RECORDS 5000                  /* each is looked for among those before it */

int sim_run_is_ok(const struct sim_run_record *r)
{
    return strcmp(r->status, "ok") == 0;
}

/* ------------------------------------------------------------------ one record */

/* Takes fields out of an object that was checked before, so that only memory can be short. */
struct reader {
    int failed;
};

static void take_text(struct reader *t, const json_t *o, const char *key, char **out)
{
    const char *text = json_string_value(json_object_get(o, key));
    *out = strdup(text ? text : "");
    t->failed |= !*out;
}

static int64_t whole(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static sim_status read_curve(struct reader *t, const json_t *root, struct sim_run_record *r)
{
    const json_t *list = json_object_get(root, "curve");
    r->curve = calloc(json_array_size(list) + 1, sizeof *r->curve);
    t->failed |= !r->curve;
    for (size_t i = 0; r->curve && i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        r->curve[i] = (struct sim_curve_point){
            whole(o, "epoch"), whole(o, "step"),      number(o, "loss"),         number(o, "grad_norm"),
            number(o, "lr"),   number(o, "momentum"), number(o, "images_per_s"), number(o, "seconds")};
        if (i > 0 && r->curve[i].epoch <= r->curve[i - 1].epoch) {
            char field[64];
            snprintf(field, sizeof field, "curve[%zu].epoch", i);
            return sim_record_wrong(r->path, r->line, field, "not above the one before",
                                    "an ascending number");
        }
        r->points++;
    }
    return SIM_OK;
}

static sim_status read_scores(struct reader *t, const json_t *root, struct sim_run_record *r)
{
    const json_t *list = json_object_get(root, "scores");
    r->scores = calloc(json_array_size(list) + 1, sizeof *r->scores);
    t->failed |= !r->scores;
    for (size_t i = 0; r->scores && i < json_array_size(list); i++) {
        struct sim_run_score *s = &r->scores[r->score_count++];
        const json_t *o = json_array_get(list, i);
        take_text(t, o, "encoder", &s->encoder);
        take_text(t, o, "name", &s->name);
        take_text(t, o, "metric", &s->metric);
        take_text(t, json_object_get(o, "protocol"), "classifier", &s->classifier);
        if (t->failed) break;
        s->pretrained = strcmp(s->encoder, "pretrained") == 0;
        s->value = number(o, "value"), s->standard_error = number(o, "standard_error");
        s->val_images = whole(o, "val_images");
        for (int k = 0; k < r->score_count - 1; k++)
            if (strcmp(r->scores[k].name, s->name) == 0 && r->scores[k].pretrained == s->pretrained) {
                char field[64];
                snprintf(field, sizeof field, "scores[%zu].name", i);
                return sim_record_wrong(r->path, r->line, field, "there twice for one encoder",
                                        "one score of a name");
            }
    }
    return SIM_OK;
}

/* The configuration without its seed and what was shown of it while it trained.  Keys sorted: equal
 * configurations give equal text. */
static void read_recipe(struct reader *t, const json_t *root, struct sim_run_record *r)
{
    json_t *copy = json_copy(json_object_get(root, "config"));
    json_object_del(copy, "seed");
    json_object_del(copy, "watch");
    r->recipe = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(copy);
    t->failed |= !r->recipe;
}

/* What was pre-trained, and for how long. */
static void read_objective(struct reader *t, const json_t *root, struct sim_run_record *r)
{
    const json_t *config = json_object_get(root, "config"),
                 *epochs = json_object_get(json_object_get(config, "train"), "epochs");
    r->epochs = json_is_integer(epochs) ? json_integer_value(epochs) : -1;
    if (json_is_string(json_object_get(config, "objective"))) {
        take_text(t, config, "objective", &r->objective);
        return;
    }
    r->objective = strdup("siameseim");
    t->failed |= !r->objective;
}

static void read_substituted(struct reader *t, const json_t *root, struct sim_run_record *r)
{
    const json_t *list = json_object_get(root, "substituted");
    size_t size = 0;
    FILE *to = open_memstream(&r->substituted, &size);
    for (size_t i = 0; to && i < json_array_size(list); i++)
        fprintf(to, "%s%s", i ? "; " : "", json_string_value(json_array_get(list, i)));
    t->failed |= !to || fclose(to) != 0;
}

/* r->path and r->line are set. */
static sim_status read_record(const json_t *root, struct sim_run_record *r)
{
    struct reader t = {0};
    const json_t *cost = json_object_get(root, "cost"), *data = json_object_get(root, "data");
    take_text(&t, root, "experiment", &r->experiment);
    take_text(&t, root, "name", &r->name);
    take_text(&t, root, "status", &r->status);
    take_text(&t, root, "reason", &r->reason);
    take_text(&t, root, "config_hash", &r->config_hash);
    take_text(&t, root, "commit", &r->commit);
    take_text(&t, root, "started", &r->started);
    take_text(&t, root, "backend", &r->backend);
    take_text(&t, root, "device", &r->device);
    take_text(&t, root, "precision", &r->precision);
    take_text(&t, data, "train_hash", &r->train_hash);
    read_substituted(&t, root, r);
    read_recipe(&t, root, r);
    read_objective(&t, root, r);
    r->deterministic = !json_is_false(json_object_get(root, "deterministic"));
    r->seed = whole(root, "seed"), r->threads = whole(root, "threads"), r->skipped = whole(data, "skipped");
    r->wall_s = number(cost, "wall_s"), r->train_s = number(cost, "train_s");
    r->gflop = number(cost, "gflop"), r->peak_memory_bytes = number(cost, "peak_memory_bytes");
    r->gflop_per_image = number(json_object_get(root, "model"), "gflop_per_image");
    SIM_TRY(read_curve(&t, root, r));
    SIM_TRY(read_scores(&t, root, r));
    SIM_TRY(sim_study_read(&r->study, root, r->path, r->line));
    return t.failed ? sim_fail(SIM_ENOMEM, "%s: no memory for the records", r->path) : SIM_OK;
}

static void record_close(struct sim_run_record *r)
{
    char *const texts[] = {r->experiment, r->name,    r->status,     r->reason,      r->config_hash,
                           r->commit,     r->started, r->backend,    r->device,      r->precision,
                           r->recipe,     r->path,    r->train_hash, r->substituted, r->objective};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free(texts[i]);
    for (int i = 0; i < r->score_count; i++) {
        free(r->scores[i].encoder);
        free(r->scores[i].name);
        free(r->scores[i].metric);
        free(r->scores[i].classifier);
    }
    free(r->scores);
    free(r->curve);
    sim_study_close(&r->study);
    *r = (struct sim_run_record){0};
}

/* ------------------------------------------------------------------ all records */

static int same_results(const struct sim_run_record *a, const struct sim_run_record *b)
{
    if (a->score_count != b->score_count || a->points != b->points) return 0;
    for (int i = 0; i < a->score_count; i++)
        if (a->scores[i].value != b->scores[i].value || strcmp(a->scores[i].name, b->scores[i].name) != 0)
            return 0;
    return !a->points || a->curve[a->points - 1].loss == b->curve[b->points - 1].loss ||
           isnan(a->curve[a->points - 1].loss);
}

/* One configuration twice: a repetition should have found the same, and where it did not, that is worth a
 * note. */
static sim_status replace(struct sim_run_records *all, struct sim_run_record *old, struct sim_run_record *r)
{
    sim_status status = SIM_OK;
    if (sim_run_is_ok(old) && (!sim_run_is_ok(r) || !same_results(old, r)))
        status = sim_notes_add(&all->notes, r->path, r->line,
                               "%s, seed %lld (%s) replaces the finished record at %s:%lld, which has other "
                               "results",
                               r->name, (long long)r->seed, r->status, old->path, (long long)old->line);
    record_close(old);
    *old = *r;
    return status;
}

/* Puts the record at the end, or in the place of one of the same configuration; the record is taken over. */
static sim_status keep(struct sim_run_records *all, struct sim_run_record *r)
{
    r->order = all->read++;
    for (int i = 0; i < all->count; i++) {
        struct sim_run_record *old = &all->records[i];
        if (strcmp(old->config_hash, r->config_hash) == 0 && strcmp(old->experiment, r->experiment) == 0 &&
            strcmp(old->name, r->name) == 0 && old->seed == r->seed)
            return replace(all, old, r);
    }
    if (all->count == MOST_RECORDS) {
        sim_status status = sim_fail(SIM_EINVAL, "%s:%lld: more than %d records; read fewer files at once",
                                     r->path, (long long)r->line, MOST_RECORDS);
        record_close(r);
        return status;
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

static sim_status read_line(struct sim_run_records *out, const char *path, int64_t line, const char *text,
                            size_t size)
{
    json_error_t error;
    if (strspn(text, " \t\r\n") >= size) return SIM_OK;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!root && cut_short(text, size))
        return sim_notes_add(&out->notes, path, line,
                             "the line is cut short and left out (was the machine stopped while it was "
                             "written?)");
    if (!root)
        return sim_fail(SIM_EFORMAT, "%s:%lld:%d: not a record: %s", path, (long long)line, error.column,
                        error.text);
    struct sim_run_record r = {.path = strdup(path), .line = line};
    sim_status status = r.path ? sim_record_check(root, path, line, &out->notes)
                               : sim_fail(SIM_ENOMEM, "%s: no memory for the records", path);
    if (status == SIM_OK) status = read_record(root, &r);
    json_decref(root);
    if (status == SIM_OK) return keep(out, &r);
    record_close(&r);
    return status;
}

sim_status sim_run_records_read(struct sim_run_records *out, const char *path)
{
    struct stat what;
    char inside[PATH_MAX], sentence[PATH_MAX + 600];
    if (stat(path, &what) == 0 && S_ISDIR(what.st_mode)) {
        if (snprintf(inside, sizeof inside, "%s/records.jsonl", path) >= (int)sizeof inside)
            return sim_fail(SIM_EINVAL, "%s: the path is too long", path);
        path = inside;
    }
    struct sim_lines lines;
    int more = 1, noted = out->notes.count;
    sim_status status = sim_lines_open(&lines, path, MOST_LINE_BYTES);
    while (status == SIM_OK && (status = sim_lines_next(&lines, &more)) == SIM_OK && more)
        status = read_line(out, path, lines.number, lines.text, lines.size);
    sim_lines_close(&lines);
    for (int i = noted; i < out->notes.count; i++) {
        sim_note_text(&out->notes.notes[i], sentence, sizeof sentence);
        sim_log("%s", sentence);
    }
    return status;
}

void sim_run_records_close(struct sim_run_records *r)
{
    for (int i = 0; i < r->count; i++) record_close(&r->records[i]);
    free(r->records);
    sim_notes_close(&r->notes);
    *r = (struct sim_run_records){0};
}
