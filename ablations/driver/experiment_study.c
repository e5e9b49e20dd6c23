/* What an experiment claims, and what a record of one of its runs states of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment_parts.h"
#include "robustness.h"

/* ------------------------------------------------------------------ values as JSON */

static sim_status no_memory(const struct sim_reader *r)
{
    return sim_fail(SIM_ENOMEM, "%s: no memory for what the experiment claims", sim_yaml_path(r->yaml));
}

/* The value of a full key as the configuration's own JSON has it; NULL for want of memory. */
static json_t *value_of(const struct sim_run_config *config, const char *key)
{
    char *text = NULL, section[64];
    const char *dot = strchr(key, '.');
    if (sim_fields_dump_json(sim_run_schema(), config, &text) != SIM_OK) return NULL;
    json_t *all = json_loads(text, 0, NULL);
    free(text);
    snprintf(section, sizeof section, "%.*s", (int)strcspn(key, "."), key);
    json_t *v = json_object_get(all, section);
    v = json_incref(dot ? json_object_get(v, dot + 1) : v);
    json_decref(all);
    return v;
}

/* {siameseim.momentum: 0.99} as JSON, each value of its key's type. */
static sim_status values_json(const struct sim_reader *r, const struct sim_yaml *map, json_t **out)
{
    struct sim_run_config scratch;
    char where[SIM_WHERE_BYTES];
    SIM_TRY(sim_fields_preset(sim_run_schema(), &scratch));
    *out = json_object();
    for (const struct sim_yaml *node = map->child; node; node = node->next) {
        if (node->kind != SIM_YAML_SCALAR)
            return sim_reader_fail(r, node, "%.80s: one value belongs here", node->key);
        if (!strchr(node->key, '.') && strcmp(node->key, sim_objective_field.key) != 0)
            return sim_reader_fail_key(r, node, "%.80s is no axis: axes are keys such as siameseim.momentum",
                                       node->key);
        sim_yaml_where(r->yaml, node, where, sizeof where);
        SIM_TRY(sim_fields_set(sim_run_schema(), &scratch, node->key, node->text, where));
        if (json_object_set_new(*out, node->key, value_of(&scratch, node->key)) != 0) return no_memory(r);
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ reading claims */

/* One side: a run, a list of runs, or a map of axis values. */
static sim_status side_json(const struct sim_reader *r, const struct sim_yaml *side, json_t **out)
{
    if (side->kind == SIM_YAML_MAP && side->child) return values_json(r, side, out);
    if (side->kind == SIM_YAML_SCALAR) {
        SIM_TRY(sim_reader_name(r, side, "run", side->text));
        *out = json_string(side->text);
        return SIM_OK;
    }
    if (side->kind != SIM_YAML_LIST || !side->child)
        return sim_reader_fail(r, side,
                               "%s: a run, a list of runs, or axis values such as {siameseim.momentum: 0.99}",
                               side->key);
    *out = json_array();
    for (const struct sim_yaml *node = side->child; node; node = node->next) {
        if (node->kind != SIM_YAML_SCALAR) return sim_reader_fail(r, node, "the name of a run belongs here");
        SIM_TRY(sim_reader_name(r, node, "run", node->text));
        if (json_array_append_new(*out, json_string(node->text)) != 0) return no_memory(r);
    }
    return SIM_OK;
}

/* Whether eval.WORD switches a score on: a flag that is not a setting of another one
 * ("logistic_standardize"), nor of several (eval.robustness makes robust_c and others). */
static int is_score(const char *word, size_t length)
{
    int known = 0, setting = 0;
    for (int i = 0; i < SIM_ROBUSTNESS_SCORES; i++)
        if (strlen(sim_robustness_scores[i]) == length &&
            strncmp(sim_robustness_scores[i], word, length) == 0)
            return 1;
    if (strlen("robustness") == length && strncmp("robustness", word, length) == 0) return 0;
    for (int i = 0; i < sim_eval_field_count; i++) {
        const struct sim_field *f = &sim_eval_fields[i];
        const size_t n = strlen(f->key);
        if (f->type != SIM_FIELD_BOOL) continue;
        known |= n == length && strncmp(f->key, word, n) == 0;
        setting |= n < length && word[n] == '_' && strncmp(f->key, word, n) == 0;
    }
    return known && !setting;
}

/* "logistic", "knn untrained": a score that runs can be asked for, and of which encoder. */
static sim_status check_score(const struct sim_reader *r, const struct sim_yaml *node)
{
    static const char *const encoders[] = {"", " pretrained", " untrained", " lift"};
    const size_t length = strcspn(node->text, " ");
    int known = 0;
    for (int i = 0; i < 4; i++) known |= strcmp(node->text + length, encoders[i]) == 0;
    if (known && is_score(node->text, length)) return SIM_OK;
    return sim_reader_fail(
        r, node,
        "score \"%.60s\": a score is one that eval.* switches on, such as knn, logistic or robust_c, "
        "alone or with pretrained, untrained or lift behind it",
        node->text);
}

static sim_status claim_json(const struct sim_reader *r, const struct sim_yaml *node, json_t *claim)
{
    static const char *const keys[] = {"id", "text", "score", "higher", "lower", "why"};
    if (node->kind != SIM_YAML_MAP)
        return sim_reader_fail(r, node, "a claim is a map with id, text, score, higher and lower");
    SIM_TRY(sim_reader_known(r, node, "a claim", keys, 6));
    for (int i = 0; i < 6; i++) {
        const struct sim_yaml *part = sim_yaml_find(node, keys[i]);
        json_t *value = NULL;
        if (!part && i == 5) break; /* why: not every claim gives a reason */
        if (!part) return sim_reader_fail(r, node, "the claim has no `%s`", keys[i]);
        sim_status status = SIM_OK;
        if (i == 3 || i == 4)
            status = side_json(r, part, &value);
        else if (part->kind != SIM_YAML_SCALAR || !part->text[0])
            status = sim_reader_fail(r, part, "%s: one line of text belongs here", keys[i]);
        else
            value = json_string(part->text);
        if (status == SIM_OK && i == 0) status = sim_reader_name(r, part, "claim's id", part->text);
        if (status == SIM_OK && i == 2) status = check_score(r, part);
        if (status != SIM_OK) {
            json_decref(value);
            return status;
        }
        if (json_object_set_new(claim, keys[i], value) != 0) return no_memory(r);
    }
    return SIM_OK;
}

sim_status sim_claims_read(struct sim_reader *r, const struct sim_yaml *list)
{
    if (list->kind != SIM_YAML_LIST) return sim_reader_fail(r, list, "claims: a list belongs here");
    json_decref(r->claims_json);
    r->claims_json = json_array();
    for (const struct sim_yaml *node = list->child; node; node = node->next) {
        json_t *claim = json_object();
        if (json_array_append_new(r->claims_json, claim) != 0) return no_memory(r);
        SIM_TRY(claim_json(r, node, claim));
        const struct sim_yaml *id = sim_yaml_find(node, "id");
        for (const struct sim_yaml *other = list->child; other != node; other = other->next)
            if (strcmp(sim_yaml_find(other, "id")->text, id->text) == 0)
                return sim_reader_fail(r, id, "%.80s is the id of another claim", id->text);
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ claims against runs */

static sim_status check_named(const struct sim_reader *r, const struct sim_yaml *node,
                              const struct sim_experiment *e, int first)
{
    char names[500] = "";
    for (int i = first; i < e->count; i++) {
        if (strcmp(e->runs[i].name, node->text) == 0) return SIM_OK;
        size_t used = strlen(names);
        if (i == first || strcmp(e->runs[i].name, e->runs[i - 1].name) != 0)
            snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", e->runs[i].name);
    }
    return sim_reader_fail(r, node, "no run is called %.80s; there are: %s", node->text, names);
}

static sim_status check_group(const struct sim_reader *r, const struct sim_yaml *side, const json_t *values,
                              const struct sim_experiment *e, int first)
{
    const char *key;
    json_t *v;
    for (const struct sim_yaml *node = side->child; node; node = node->next)
        if (!sim_axes_find(r, node->key))
            return sim_reader_fail_key(r, node, "%.80s is no axis of this experiment", node->key);
    for (int i = first; i < e->count; i++) {
        const json_t *axes = json_object_get(e->runs[i].study, "axes");
        int equal = json_object_size(axes) > 0;
        json_object_foreach((json_t *)values, key, v) equal &= json_equal(v, json_object_get(axes, key));
        if (equal) return SIM_OK;
    }
    return sim_reader_fail(r, side, "%s: no run of the grids has these values", side->key);
}

sim_status sim_claims_check(const struct sim_reader *r, const struct sim_experiment *e, int first)
{
    static const char *const sides[] = {"higher", "lower"};
    size_t at = 0;
    for (const struct sim_yaml *claim = r->claims ? r->claims->child : NULL; claim;
         claim = claim->next, at++) {
        const json_t *json = json_array_get(r->claims_json, at);
        for (int k = 0; k < 2; k++) {
            const struct sim_yaml *side = sim_yaml_find(claim, sides[k]);
            if (side->kind == SIM_YAML_MAP)
                SIM_TRY(check_group(r, side, json_object_get(json, sides[k]), e, first));
            else if (side->kind == SIM_YAML_SCALAR)
                SIM_TRY(check_named(r, side, e, first));
            else
                for (const struct sim_yaml *node = side->child; node; node = node->next)
                    SIM_TRY(check_named(r, node, e, first));
        }
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ the study */

sim_status sim_study_take(struct sim_reader *r, const struct sim_yaml *study)
{
    static const char *const known[] = {"question", "paper", "scale", "axes", "claims"};
    const struct sim_yaml *axes, *claims;
    if (study->kind != SIM_YAML_MAP) return sim_reader_fail(r, study, "study: a map belongs here");
    SIM_TRY(sim_reader_known(r, study, "a study", known, 5));
    SIM_TRY(sim_reader_text(r, study, "question", r->question, sizeof r->question));
    SIM_TRY(sim_reader_text(r, study, "paper", r->paper, sizeof r->paper));
    SIM_TRY(sim_reader_text(r, study, "scale", r->scale, sizeof r->scale));
    if ((axes = sim_yaml_find(study, "axes"))) SIM_TRY(values_json(r, axes, &r->axes_json));
    claims = sim_yaml_find(study, "claims");
    return claims ? sim_claims_read(r, claims) : SIM_OK;
}

/* The values on the axes: of a grid's run those it has in the end, of a run written out those it came with.
 */
static json_t *axes_of(const struct sim_reader *r, const struct sim_own *own,
                       const struct sim_run_config *config)
{
    json_t *axes = json_object();
    for (int i = 0; axes && i < own->axes; i++)
        if (json_object_set_new(axes, own->axis[i]->key, value_of(config, own->axis[i]->key)) != 0) {
            json_decref(axes);
            return NULL;
        }
    if (axes && !own->axes && r->axes_json && json_object_update(axes, r->axes_json) != 0) {
        json_decref(axes);
        return NULL;
    }
    return axes;
}

sim_status sim_study_make(const struct sim_reader *r, const struct sim_own *own, struct sim_run *run)
{
    if (!r->question[0] && !r->paper[0] && !r->scale[0] && !r->claims_json && !r->axes_json && !own->axes)
        return SIM_OK;
    json_t *claims = r->claims_json ? json_incref(r->claims_json) : json_array();
    run->study = json_pack("{s:s, s:s, s:s, s:o, s:o}", "question", r->question, "paper", r->paper, "scale",
                           r->scale, "axes", axes_of(r, own, &run->config), "claims", claims);
    return run->study ? SIM_OK : no_memory(r);
}
