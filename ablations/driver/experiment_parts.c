#include "experiment_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nearest.h"

/* ------------------------------------------------------------------ errors */

static sim_status fail_at(const char *where, const char *format, va_list values)
{
    char sentence[800];
    vsnprintf(sentence, sizeof sentence, format, values);
    return sim_fail(SIM_EINVAL, "%s: %s", where, sentence);
}

sim_status sim_reader_fail(const struct sim_reader *r, const struct sim_yaml *node, const char *format, ...)
{
    char where[SIM_WHERE_BYTES];
    va_list values;
    sim_yaml_where(r->yaml, node, where, sizeof where);
    va_start(values, format);
    sim_status status = fail_at(where, format, values);
    va_end(values);
    return status;
}

sim_status sim_reader_fail_key(const struct sim_reader *r, const struct sim_yaml *node, const char *format,
                               ...)
{
    char where[SIM_WHERE_BYTES];
    va_list values;
    sim_yaml_where_key(r->yaml, node, where, sizeof where);
    va_start(values, format);
    sim_status status = fail_at(where, format, values);
    va_end(values);
    return status;
}

/* ------------------------------------------------------------------ names, texts, keys */

sim_status sim_reader_name(const struct sim_reader *r, const struct sim_yaml *node, const char *what,
                           const char *name)
{
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char where[SIM_WHERE_BYTES];
    size_t length = strlen(name);
    if (length > 0 && length < SIM_NAME_BYTES && name[0] != '.' && strspn(name, legal) == length)
        return SIM_OK;
    if (node)
        sim_yaml_where(r->yaml, node, where, sizeof where);
    else
        snprintf(where, sizeof where, "%s", sim_yaml_path(r->yaml));
    return sim_fail(SIM_EINVAL,
                    "%s: the %s \"%.100s\" is no folder name: 1 to %d of A-Z a-z 0-9 . _ -, no dot in front",
                    where, what, name, SIM_NAME_BYTES - 1);
}

sim_status sim_reader_text(const struct sim_reader *r, const struct sim_yaml *map, const char *key, char *out,
                           size_t size)
{
    const struct sim_yaml *node = sim_yaml_find(map, key);
    if (!node) return SIM_OK;
    if (node->kind != SIM_YAML_SCALAR) return sim_reader_fail(r, node, "one line of text belongs here");
    if (strlen(node->text) >= size)
        return sim_reader_fail(r, node, "this text is too long: at most %zu bytes fit", size - 1);
    memcpy(out, node->text, strlen(node->text) + 1);
    return SIM_OK;
}

sim_status sim_reader_known(const struct sim_reader *r, const struct sim_yaml *map, const char *what,
                            const char *const *known, int count)
{
    const struct sim_schema *s = sim_run_schema();
    char all[300] = "";
    for (const struct sim_yaml *node = map->child; node; node = node->next) {
        int found = 0;
        for (int i = 0; i < count; i++) found |= strcmp(node->key, known[i]) == 0;
        if (found) continue;
        if (sim_fields_is_section(s, node->key))
            return sim_reader_fail_key(r, node, "configuration keys such as `%.80s` stand below `base:`",
                                       node->key);
        const char *near = sim_nearest(node->key, known, count);
        for (int i = 0; i < count; i++)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", known[i]);
        return sim_reader_fail_key(r, node, "unknown key `%.80s`%s%s; %s has %s", node->key,
                                   near ? ", nearest: " : "", near ? near : "", what, all);
    }
    return SIM_OK;
}

int sim_layer_reserves(const struct sim_layer *layer, const char *key)
{
    static const char *const words[] = {"preset", "objectives", "seeds", "expected"};
    for (int i = 0; i < layer->reserved; i++)
        if (strcmp(key, words[i]) == 0) return 1;
    return 0;
}

sim_status sim_reader_overrides(const struct sim_reader *r, const struct sim_yaml *map)
{
    const struct sim_yaml *seed;
    if (map->kind == SIM_YAML_SCALAR && !map->text[0]) return SIM_OK;
    if (map->kind != SIM_YAML_MAP)
        return sim_reader_fail(
            r, map, "configuration keys belong here, such as {train: {epochs: 20}}, or {} for no changes");
    seed = sim_yaml_find(map, "seed");
    if (seed) return sim_reader_fail(r, seed, "seed: seeds stand in the list `seeds` at the top of the file");
    return SIM_OK;
}

/* ------------------------------------------------------------------ seeds */

static sim_status read_seed(struct sim_reader *r, const struct sim_yaml *node)
{
    char *end;
    if (node->kind != SIM_YAML_SCALAR) return sim_reader_fail(r, node, "a seed is a whole number");
    errno = 0;
    long long seed = strtoll(node->text, &end, 10);
    if (errno || end == node->text || *end || seed < 0 || seed > 9007199254740991LL)
        return sim_reader_fail(r, node, "a seed is a whole number from 0 to 2^53 - 1");
    for (int i = 0; i < r->seed_count; i++)
        if (r->seeds[i] == seed) return sim_reader_fail(r, node, "this seed is listed twice");
    if (r->seed_count == SIM_MAX_SEEDS) return sim_reader_fail(r, node, "more than %d seeds", SIM_MAX_SEEDS);
    r->seeds[r->seed_count++] = seed;
    return SIM_OK;
}

/* The list below `seeds` takes the place of what was read before. */
static sim_status read_seeds(struct sim_reader *r, const struct sim_yaml *map)
{
    const struct sim_yaml *list = sim_yaml_find(map, "seeds");
    if (!list) return SIM_OK;
    if (list->kind != SIM_YAML_LIST || !list->child)
        return sim_reader_fail(r, list, "seeds: a list of at least one seed belongs here, such as [0, 1, 2]");
    r->seed_count = 0;
    for (const struct sim_yaml *node = list->child; node; node = node->next) SIM_TRY(read_seed(r, node));
    return SIM_OK;
}

/* ------------------------------------------------------------------ presets, base, scale */

/* One file of a preset as a layer; objective as in struct sim_layer. */
static sim_status open_layer(struct sim_reader *r, const char *path, int objective)
{
    SIM_TRY(sim_yaml_open(&r->preset[r->presets], path));
    const struct sim_yaml *root = sim_yaml_root(r->preset[r->presets]);
    r->layer[r->layers++] = (struct sim_layer){r->preset[r->presets++], root, 0, objective};
    if (root->kind != SIM_YAML_MAP || sim_yaml_find(root, "seed"))
        return sim_fail(SIM_EINVAL, "%s: a preset is a map of configuration keys without a seed", path);
    if (objective >= 0 && sim_yaml_find(root, "objective"))
        return sim_fail(SIM_EINVAL, "%s: in the folder of an objective, a preset does not choose one", path);
    return SIM_OK;
}

/* Where the file's presets are: the folder presets beside it, or one folder up where there is none beside it
 * (experiments of ablations/tables share those of ablations).  It ends in a slash. */
static sim_status find_presets(struct sim_reader *r, const struct sim_yaml *node, char *folder, int size)
{
    const char *file = sim_yaml_path(r->yaml), *slash = strrchr(file, '/');
    const int beside = slash ? (int)(slash - file) + 1 : 0;
    int length = snprintf(folder, size, "%.*spresets/", beside, file);
    if (length < size && access(folder, F_OK) != 0) {
        length = snprintf(folder, size, "%.*s../presets/", beside, file);
        if (length < size && access(folder, F_OK) != 0)
            length = snprintf(folder, size, "%.*spresets/", beside, file);
    }
    return length < size ? SIM_OK : sim_reader_fail(r, node, "the preset's path is too long");
}

/* Opens presets/NAME.yaml, where the map names one, and what the objectives lay over it,
 * presets/OBJECTIVE/NAME.yaml. */
static sim_status open_preset(struct sim_reader *r, const struct sim_yaml *map)
{
    const struct sim_yaml *node = sim_yaml_find(map, "preset");
    char folder[SIM_TEXT_BYTES], path[SIM_TEXT_BYTES + 2 * SIM_NAME_BYTES], where[SIM_WHERE_BYTES];
    if (!node) return SIM_OK;
    if (node->kind != SIM_YAML_SCALAR) return sim_reader_fail(r, node, "the name of a preset belongs here");
    SIM_TRY(sim_reader_name(r, node, "preset", node->text));
    SIM_TRY(find_presets(r, node, folder, sizeof folder));
    snprintf(path, sizeof path, "%s%s.yaml", folder, node->text);
    sim_status status = open_layer(r, path, -1);
    for (int k = 0; k < SIM_OBJECTIVES && status == SIM_OK; k++) {
        snprintf(path, sizeof path, "%s%s/%s.yaml", folder, sim_objective_kinds[k].name, node->text);
        if (access(path, F_OK) == 0) status = open_layer(r, path, k);
    }
    if (status == SIM_OK) return SIM_OK;
    sim_yaml_where(r->yaml, node, where, sizeof where);
    return sim_context(status, "%s: preset %s", where, node->text);
}

/* The scale asked for, or the first; NULL where the file has none. */
static sim_status choose_scale(struct sim_reader *r, const struct sim_yaml *scales, const char *asked,
                               const struct sim_yaml **out)
{
    static const char *const names[] = {"mini", "small", "paper"};
    char there[64] = "";
    *out = NULL;
    if (!scales) {
        if (!asked || strcmp(asked, r->scale) == 0) return SIM_OK; /* of a run written out */
        return sim_fail(SIM_EINVAL, "%s: the experiment has no scales, so --scale %.40s cannot be chosen",
                        sim_yaml_path(r->yaml), asked);
    }
    if (scales->kind != SIM_YAML_MAP || !scales->child)
        return sim_reader_fail(r, scales,
                               "scales: a map of mini, small, paper with configuration keys belongs here");
    SIM_TRY(sim_reader_known(r, scales, "scales", names, 3));
    for (const struct sim_yaml *node = scales->child; node; node = node->next) {
        SIM_TRY(sim_reader_overrides(r, node));
        if (!*out && (!asked || strcmp(asked, node->key) == 0)) *out = node;
        snprintf(there + strlen(there), sizeof there - strlen(there), "%s%s", there[0] ? ", " : "",
                 node->key);
    }
    if (!*out) return sim_reader_fail_key(r, scales, "there is no scale %.40s; there are: %s", asked, there);
    snprintf(r->scale, sizeof r->scale, "%s", (*out)->key);
    return SIM_OK;
}

/* A map of base or scale, and behind it what its `objectives` say of runs of each. */
static sim_status add_layers(struct sim_reader *r, const struct sim_yaml *map, int reserved)
{
    const struct sim_yaml *objectives = sim_yaml_find(map, "objectives");
    const char *names[SIM_OBJECTIVES];
    r->layer[r->layers++] = (struct sim_layer){r->yaml, map, reserved, -1};
    if (!objectives) return SIM_OK;
    if (objectives->kind != SIM_YAML_MAP || !objectives->child)
        return sim_reader_fail(
            r, objectives,
            "objectives: a map of objectives with configuration keys belongs here, such as "
            "{mae: {train: {epochs: 20}}}");
    for (int k = 0; k < SIM_OBJECTIVES; k++) names[k] = sim_objective_kinds[k].name;
    SIM_TRY(sim_reader_known(r, objectives, "objectives", names, SIM_OBJECTIVES));
    for (int k = 0; k < SIM_OBJECTIVES; k++) {
        const struct sim_yaml *keys = sim_yaml_find(objectives, names[k]), *chosen;
        if (!keys) continue;
        SIM_TRY(sim_reader_overrides(r, keys));
        if ((chosen = sim_yaml_find(keys, sim_objective_field.key)))
            return sim_reader_fail_key(r, chosen, "objective: these keys are of runs that chose %s",
                                       names[k]);
        r->layer[r->layers++] = (struct sim_layer){r->yaml, keys, 0, k};
    }
    return SIM_OK;
}

static sim_status read_layers(struct sim_reader *r, const struct sim_yaml *root, const char *asked)
{
    const struct sim_yaml *base = sim_yaml_find(root, "base"), *scale;
    SIM_TRY(choose_scale(r, sim_yaml_find(root, "scales"), asked, &scale));
    if (base) SIM_TRY(sim_reader_overrides(r, base));
    if (base) SIM_TRY(open_preset(r, base));
    if (scale) SIM_TRY(open_preset(r, scale));
    if (base) SIM_TRY(add_layers(r, base, 2));
    if (!scale) return SIM_OK;
    SIM_TRY(add_layers(r, scale, 4));
    SIM_TRY(sim_reader_text(r, scale, "expected", r->expected, sizeof r->expected));
    return read_seeds(r, scale);
}

/* ------------------------------------------------------------------ the file */

/* "ablations/quickstart.yaml" -> "quickstart" */
static void stem(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(out, '.');
    if (dot && dot > out && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0)) *dot = 0;
}

static sim_status read_runs(struct sim_reader *r, const struct sim_yaml *root)
{
    r->runs = sim_yaml_find(root, "runs");
    if (!r->runs) return SIM_OK;
    if (r->runs->kind != SIM_YAML_MAP || !r->runs->child)
        return sim_reader_fail(r, r->runs, "runs: a map of at least one run belongs here, such as {a: {}}");
    for (const struct sim_yaml *run = r->runs->child; run; run = run->next) {
        SIM_TRY(sim_reader_name(r, run, "run's name", run->key));
        SIM_TRY(sim_reader_overrides(r, run));
    }
    return SIM_OK;
}

static sim_status read_parts(struct sim_reader *r, const char *scale)
{
    static const char *const known[] = {"name", "about",  "question", "paper", "expected", "seeds",
                                        "base", "scales", "axes",     "runs",  "claims",   "study"};
    const struct sim_yaml *root = sim_yaml_root(r->yaml), *study;
    if (!root || root->kind != SIM_YAML_MAP || !root->child)
        return sim_fail(SIM_EINVAL, "%s: an experiment is a map with keys such as base and runs",
                        sim_yaml_path(r->yaml));
    SIM_TRY(sim_reader_known(r, root, "an experiment", known, sizeof known / sizeof *known));
    stem(sim_yaml_path(r->yaml), r->name, sizeof r->name);
    SIM_TRY(sim_reader_text(r, root, "name", r->name, sizeof r->name));
    SIM_TRY(sim_reader_name(r, sim_yaml_find(root, "name"), "experiment's name", r->name));
    SIM_TRY(sim_reader_text(r, root, "about", r->about, sizeof r->about));
    SIM_TRY(sim_reader_text(r, root, "question", r->question, sizeof r->question));
    SIM_TRY(sim_reader_text(r, root, "paper", r->paper, sizeof r->paper));
    SIM_TRY(sim_reader_text(r, root, "expected", r->expected, sizeof r->expected));
    if ((study = sim_yaml_find(root, "study"))) SIM_TRY(sim_study_take(r, study));
    r->seed_count = 1; /* [0] where nothing is listed */
    SIM_TRY(read_seeds(r, root));
    SIM_TRY(read_layers(r, root, scale));
    r->axes = sim_yaml_find(root, "axes");
    if (r->axes) SIM_TRY(sim_axes_check(r));
    SIM_TRY(read_runs(r, root));
    r->claims = sim_yaml_find(root, "claims");
    return r->claims ? sim_claims_read(r, r->claims) : SIM_OK;
}

sim_status sim_reader_open(struct sim_reader *r, const char *path, const char *scale, const char *const *sets,
                           int set_count)
{
    *r = (struct sim_reader){.sets = sets, .set_count = set_count};
    sim_status status = sim_yaml_open(&r->yaml, path);
    if (status == SIM_OK) status = read_parts(r, scale);
    if (status != SIM_OK) sim_reader_close(r);
    return status;
}

void sim_reader_close(struct sim_reader *r)
{
    for (int i = 0; i < r->presets; i++) sim_yaml_close(r->preset[i]);
    sim_yaml_close(r->yaml);
    json_decref(r->claims_json);
    json_decref(r->axes_json);
    *r = (struct sim_reader){0};
}
