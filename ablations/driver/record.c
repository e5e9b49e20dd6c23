#include "record.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claim.h"
#include "damaged.h"
#include "file.h"
#include "lines.h"

#define MOST_LINE_BYTES ((size_t)64 << 20) /* of a record; as results reads them */
#define CLAIM_WAIT_S 600.0                 /* a dead machine's claim goes stale long before */

/* JSON knows no infinities: a number that is not finite becomes null. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *whole(int64_t x)
{
    return json_integer((json_int_t)x);
}

/* An object of (key, new reference) pairs, NULL key last.  NULL when any value is NULL; nothing leaks. */
struct pair {
    const char *key;
    json_t *value;
};

static json_t *object_of(const struct pair *pairs)
{
    json_t *o = json_object();
    int failed = !o;
    for (; pairs->key; pairs++) { /* every value is taken over or released, failures included */
        if (failed)
            json_decref(pairs->value);
        else
            failed = json_object_set_new(o, pairs->key, pairs->value) != 0;
    }
    if (!failed) return o;
    json_decref(o);
    return NULL;
}
#define OBJECT(...) object_of((const struct pair[]){__VA_ARGS__, {NULL, NULL}})

static json_t *config_json(const struct sim_run *run)
{
    char *text = NULL;
    if (sim_fields_dump_json(sim_run_schema_of(&run->config), &run->config, &text) != SIM_OK) return NULL;
    json_t *o = json_loads(text, 0, NULL);
    free(text);
    return o;
}

static json_t *curve_json(const struct sim_record *r)
{
    json_t *list = json_array();
    for (int i = 0; list && i < r->epochs; i++) {
        const struct sim_epoch_stats *e = &r->curve[i];
        json_t *o = OBJECT({"epoch", whole(e->epoch)}, {"step", whole(e->step)}, {"loss", number(e->loss)},
                           {"grad_norm", number(e->grad_norm)}, {"lr", number(e->lr)},
                           {"momentum", number(e->momentum)}, {"images_per_s", number(e->images_per_s)},
                           {"gflops", number(e->gflops)}, {"gemm_share", number(e->gemm_share)},
                           {"seconds", number(e->seconds)});
        if (json_array_append_new(list, o) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *scores_json(const struct sim_record *r)
{
    json_t *list = json_array();
    for (int i = 0; list && i < r->score_count; i++) {
        const struct sim_score *s = &r->scores[i].score;
        json_t *o =
            OBJECT({"encoder", json_string(r->scores[i].encoder)}, {"name", json_string(s->name)},
                   {"metric", json_string(s->metric)}, {"value", number(s->value)},
                   {"standard_error", number(s->standard_error)}, {"train_images", whole(s->train_images)},
                   {"val_images", whole(s->val_images)}, {"protocol", json_loads(s->protocol, 0, NULL)});
        if (json_array_append_new(list, o) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *substituted_json(const struct sim_ops_facts *f)
{
    json_t *list = json_array();
    for (int i = 0; list && i < f->substituted_count; i++)
        if (json_array_append_new(list, json_string(f->substituted[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    if (list && f->dropped)
        json_array_append_new(list, json_sprintf("and %d more, for which there was no room", f->dropped));
    return list;
}

/* The damaged images of both sets by name, the first few of each. */
static json_t *damaged_json(const struct sim_record *r)
{
    enum { NAMED = 20 };
    json_t *list = json_array();
    for (int k = 0; list && k < 2 && r->sets[k]; k++) {
        int64_t index[NAMED], count = sim_damaged_list(r->sets[k], index, NAMED);
        for (int64_t i = 0; i < count && i < NAMED; i++) {
            char name[1024];
            r->sets[k]->name(r->sets[k]->self, index[i], name, sizeof name);
            /* A name that is not UTF-8 cannot stand in JSON. */
            json_t *text = json_string(name);
            if (!text) text = json_sprintf("image %lld, whose name is not UTF-8", (long long)index[i]);
            json_array_append_new(list, text);
        }
        if (count > NAMED)
            json_array_append_new(list, json_sprintf("and %lld more", (long long)count - NAMED));
    }
    return list;
}

/* What the experiment's file says of the question stands in every record; a record without it asks nothing.
 */
static json_t *with_study(json_t *record, const struct sim_run *run)
{
    if (!record || !run->study || json_object_set(record, "study", run->study) == 0) return record;
    json_decref(record);
    return NULL;
}

static json_t *record_json(const struct sim_record *r)
{
    const struct sim_ops_facts *facts = &r->machine->facts;
    json_t *data =
        OBJECT({"train_hash", json_string(r->train_hash)}, {"val_hash", json_string(r->val_hash)},
               {"train_images", whole(r->train_images)}, {"val_images", whole(r->val_images)},
               {"classes", whole(r->classes)}, {"skipped", whole(r->skipped)}, {"damaged", damaged_json(r)},
               {"train_pack", json_string(r->train_pack)}, {"val_pack", json_string(r->val_pack)});
    json_t *model =
        OBJECT({"parameters", whole(r->parameters)}, {"trainable", whole(r->trainable)},
               {"gflop_per_image", number(r->gflop_per_image)}, {"memory_bytes", whole(r->memory_bytes)});
    json_t *cost =
        OBJECT({"wall_s", number(r->wall_s)}, {"train_s", number(r->train_s)}, {"gflop", number(r->gflop)},
               {"peak_memory_bytes", whole(sim_machine_peak_memory_bytes())});
    json_t *record = OBJECT(
        {"schema", whole(1)}, {"experiment", json_string(r->run->experiment)},
        {"name", json_string(r->run->name)}, {"seed", whole(r->run->config.seed)},
        {"status", json_string(r->status)}, {"reason", json_string(r->reason)},
        {"config_hash", json_string(r->run->config_hash)}, {"config", config_json(r->run)},
        {"commit", json_string(SIM_VERSION)}, {"started", json_string(r->started)},
        {"backend", json_string(r->machine->backend)}, {"device", json_string(facts->device)},
        {"driver", json_string(facts->driver)},
        {"precision", json_string(sim_precision_name(r->machine->precision))},
        {"deterministic", json_boolean(r->machine->deterministic)}, {"substituted", substituted_json(facts)},
        {"ranks", whole(sim_ranks_size(r->ranks))},
        {"transport", json_string(r->ranks ? r->ranks->transport : "")},
        {"threads", whole(r->machine->threads)}, {"libraries", sim_machine_libraries(facts)}, {"data", data},
        {"model", model}, {"curve", curve_json(r)}, {"scores", scores_json(r)}, {"cost", cost});
    return with_study(record, r->run);
}

sim_status sim_record_write(const struct sim_record *r, char **line)
{
    json_t *o = record_json(r);
    *line = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
    json_decref(o);
    if (*line) return SIM_OK;
    return sim_fail(SIM_ELIB,
                    "the record of run %s could not be put together (memory, or text that is not UTF-8)",
                    r->run->folder);
}

sim_status sim_record_append(const struct sim_record *r, const char *path)
{
    char *line;
    SIM_TRY(sim_record_write(r, &line));
    sim_status status = sim_file_append_line(path, line);
    free(line);
    return status;
}

static int is_text(const json_t *o, const char *key, const char *expected)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text && strcmp(text, expected) == 0;
}

static void take_text(const json_t *o, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));
    snprintf(out, size, "%s", text ? text : "");
}

sim_status sim_record_find(const char *path, const char *name, const char *config_hash,
                           struct sim_recorded *out)
{
    struct sim_lines lines;
    int more;
    *out = (struct sim_recorded){.status = ""};
    sim_status status = sim_lines_open(&lines, path, MOST_LINE_BYTES);
    if (status != SIM_OK && errno == ENOENT) return SIM_OK;
    while (status == SIM_OK && (status = sim_lines_next(&lines, &more)) == SIM_OK && more) {
        if (!strstr(lines.text, config_hash)) continue;
        json_t *o = json_loads(lines.text, 0, NULL);
        if (is_text(o, "name", name) && is_text(o, "config_hash", config_hash)) {
            take_text(o, "status", out->status, sizeof out->status);
            take_text(o, "reason", out->reason, sizeof out->reason);
        }
        json_decref(o);
    }
    sim_lines_close(&lines);
    return status;
}

int sim_recorded_is_final(const struct sim_recorded *r)
{
    return strcmp(r->status, "ok") == 0 || strcmp(r->status, "diverged") == 0;
}

/* With the claim held. */
static sim_status append_if_new(const struct sim_record *r, const char *path, int again, int *appended)
{
    struct sim_recorded last;
    SIM_TRY(sim_record_find(path, r->run->name, r->run->config_hash, &last));
    if (!again && sim_recorded_is_final(&last)) return SIM_OK;
    if (strcmp(r->status, "failed") == 0 && strcmp(last.status, "failed") == 0 &&
        strncmp(r->reason, last.reason, sizeof last.reason - 1) == 0)
        return SIM_OK;
    *appended = 1;
    return sim_record_append(r, path);
}

sim_status sim_record_commit(const struct sim_record *r, const char *out, int again, int *appended)
{
    char path[PATH_MAX];
    struct sim_claim *claim;
    int unused;
    if (!appended) appended = &unused;
    *appended = 0;
    if (snprintf(path, sizeof path, "%s/records.jsonl", out) >= (int)sizeof path)
        return sim_fail(SIM_EINVAL, "%s: this path is too long", out);
    SIM_TRY(sim_claim_wait(&claim, out, "records", CLAIM_WAIT_S));
    sim_status status = append_if_new(r, path, again, appended);
    sim_claim_release(&claim);
    return status;
}
