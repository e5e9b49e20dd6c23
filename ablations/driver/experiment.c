#include "experiment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "yaml.h"

#define MAX_SEEDS 1000
#define WHERE_BYTES (SIM_TEXT_BYTES + 40)

/* One file being read. */
struct reader {
    struct sim_yaml_file *yaml;
    const struct sim_yaml *base, *runs; /* NULL where the file has none */
    char name[SIM_NAME_BYTES], about[SIM_TEXT_BYTES];
    int64_t seeds[MAX_SEEDS];
    int seed_count;
    const char *const *sets;
    int set_count;
};

static sim_status fail_at(const struct reader *r, const struct sim_yaml *node, const char *sentence)
{
    char where[WHERE_BYTES];
    sim_yaml_where(r->yaml, node, where, sizeof where);
    return sim_fail(SIM_EINVAL, "%s: %s", where, sentence);
}

/* A name becomes a folder and part of a record, so it is plain ASCII without separators. */
static sim_status check_name(const struct reader *r, const struct sim_yaml *node, const char *what,
                             const char *name)
{
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char where[WHERE_BYTES];
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

/* ------------------------------------------------------------------ the parts of a file */
static sim_status read_text(const struct reader *r, const struct sim_yaml *root, const char *key, char *out,
                            size_t size)
{
    const struct sim_yaml *node = sim_yaml_find(root, key);
    if (!node) return SIM_OK;
    if (node->kind != SIM_YAML_SCALAR) return fail_at(r, node, "one line of text belongs here");
    if (strlen(node->text) >= size) return fail_at(r, node, "this text is too long");
    memcpy(out, node->text, strlen(node->text) + 1);
    return SIM_OK;
}

static sim_status read_seed(struct reader *r, const struct sim_yaml *node)
{
    char *end;
    if (node->kind != SIM_YAML_SCALAR) return fail_at(r, node, "a seed is a whole number");
    errno = 0;
    long long seed = strtoll(node->text, &end, 10);
    if (errno || end == node->text || *end || seed < 0 || seed > 9007199254740991LL)
        return fail_at(r, node, "a seed is a whole number from 0 to 2^53 - 1");
    for (int i = 0; i < r->seed_count; i++)
        if (r->seeds[i] == seed) return fail_at(r, node, "this seed is listed twice");
    if (r->seed_count == MAX_SEEDS) return fail_at(r, node, "more than 1000 seeds");
    r->seeds[r->seed_count++] = seed;
    return SIM_OK;
}

static sim_status read_seeds(struct reader *r, const struct sim_yaml *root)
{
    const struct sim_yaml *list = sim_yaml_find(root, "seeds");
    if (!list) {
        r->seeds[r->seed_count++] = 0;
        return SIM_OK;
    }
    if (list->kind != SIM_YAML_LIST || !list->child)
        return fail_at(r, list, "seeds: a list of at least one seed belongs here, such as [0, 1, 2]");
    for (const struct sim_yaml *node = list->child; node; node = node->next) SIM_TRY(read_seed(r, node));
    return SIM_OK;
}

/* An overrides map: `{}` or nothing at all stand for no changes. */
static sim_status check_overrides(const struct reader *r, const struct sim_yaml *map)
{
    const struct sim_yaml *seed;
    if (map->kind == SIM_YAML_SCALAR && !map->text[0]) return SIM_OK;
    if (map->kind != SIM_YAML_MAP)
        return fail_at(r, map,
                       "configuration keys belong here, such as {train: {epochs: 20}}, or {} for no changes");
    seed = sim_yaml_find(map, "seed");
    if (seed) return fail_at(r, seed, "seed: seeds stand in the list `seeds` at the top of the file");
    return SIM_OK;
}

static sim_status check_top_level(const struct reader *r, const struct sim_yaml *root)
{
    static const char *const known[] = {"name", "about", "seeds", "base", "runs"};
    const int count = sizeof known / sizeof *known;
    for (const struct sim_yaml *node = root->child; node; node = node->next) {
        int found = 0;
        for (int i = 0; i < count; i++) found |= strcmp(node->key, known[i]) == 0;
        if (found) continue;
        char sentence[400];
        const char *near = sim_nearest(node->key, known, count);
        const struct sim_schema *s = sim_run_schema();
        for (int i = 0; i < s->count && !found; i++) found = strcmp(node->key, s->sections[i].prefix) == 0;
        if (found)
            snprintf(sentence, sizeof sentence, "configuration keys such as `%.80s` stand below `base:`",
                     node->key);
        else
            snprintf(sentence, sizeof sentence,
                     "unknown key `%.80s`%s%s; an experiment has name, about, seeds, base, runs", node->key,
                     near ? ", nearest: " : "", near ? near : "");
        struct sim_yaml at = *node; /* point at the key, not at its value */
        at.line = node->key_line, at.column = node->key_column;
        return fail_at(r, &at, sentence);
    }
    return SIM_OK;
}

/* "ablations/quickstart.yaml" -> "quickstart" */
static void stem(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(out, '.');
    if (dot && dot > out && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0)) *dot = 0;
}

static sim_status read_parts(struct reader *r)
{
    const struct sim_yaml *root = sim_yaml_root(r->yaml), *node;
    if (!root || root->kind != SIM_YAML_MAP || !root->child)
        return sim_fail(SIM_EINVAL, "%s: an experiment is a map with keys such as base and runs",
                        sim_yaml_path(r->yaml));
    SIM_TRY(check_top_level(r, root));
    stem(sim_yaml_path(r->yaml), r->name, sizeof r->name);
    SIM_TRY(read_text(r, root, "name", r->name, sizeof r->name));
    SIM_TRY(check_name(r, sim_yaml_find(root, "name"), "experiment's name", r->name));
    SIM_TRY(read_text(r, root, "about", r->about, sizeof r->about));
    SIM_TRY(read_seeds(r, root));
    r->base = sim_yaml_find(root, "base");
    if (r->base) SIM_TRY(check_overrides(r, r->base));
    r->runs = sim_yaml_find(root, "runs");
    if (!r->runs) return SIM_OK;
    if (r->runs->kind != SIM_YAML_MAP || !r->runs->child)
        return fail_at(
            r, r->runs,
            "runs: a map of names to changed keys belongs here, such as {no_mask: {mask: {kind: none}}}");
    for (node = r->runs->child; node; node = node->next) {
        SIM_TRY(check_name(r, node, "run's name", node->key));
        SIM_TRY(check_overrides(r, node));
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ resolving */
static int pair_is(const char *pair, const char *key)
{
    size_t length = strlen(key);
    return strncmp(pair, key, length) == 0 && pair[length] == '=';
}

/* The node of a dotted key in an overrides map, or NULL. */
static const struct sim_yaml *find_key(const struct sim_yaml *map, const char *dotted)
{
    char section[64];
    const char *dot = strchr(dotted, '.');
    if (!map || map->kind != SIM_YAML_MAP || !dot || (size_t)(dot - dotted) >= sizeof section) return NULL;
    snprintf(section, sizeof section, "%.*s", (int)(dot - dotted), dotted);
    map = sim_yaml_find(map, section);
    return map && map->kind == SIM_YAML_MAP ? sim_yaml_find(map, dot + 1) : NULL;
}

/* A failed check of the resolved configuration names the key at fault, then the keys it does not agree with:
 * says where the first of them that the user set was set. */
static sim_status locate(const struct reader *r, const struct sim_yaml *own, const char *name,
                         sim_status code)
{
    char sentence[2048], where[WHERE_BYTES], *rest;
    snprintf(sentence, sizeof sentence, "%s", sim_error_text());
    for (char *key = strtok_r(sentence, " :,;", &rest); key; key = strtok_r(NULL, " :,;", &rest)) {
        for (int i = 0; i < r->set_count; i++)
            if (pair_is(r->sets[i], key)) return sim_context(code, "--set %s: run %s", r->sets[i], name);
        const struct sim_yaml *node = find_key(own, key);
        if (!node) node = find_key(r->base, key);
        if (!node) continue;
        sim_yaml_where(r->yaml, node, where, sizeof where);
        return sim_context(code, "%s: run %s", where, name);
    }
    return sim_context(code, "%s: run %s", sim_yaml_path(r->yaml), name);
}

static sim_status resolve(const struct reader *r, const struct sim_yaml *own, int64_t seed,
                          struct sim_run_config *out)
{
    const struct sim_schema *schema = sim_run_schema();
    memset(out, 0, sizeof *out);
    SIM_TRY(sim_fields_preset(schema, out));
    if (r->base && r->base->kind == SIM_YAML_MAP) SIM_TRY(sim_yaml_apply(r->yaml, r->base, schema, out));
    if (own && own->kind == SIM_YAML_MAP) SIM_TRY(sim_yaml_apply(r->yaml, own, schema, out));
    out->seed = seed;
    for (int i = 0; i < r->set_count; i++) SIM_TRY(sim_fields_set_pair(schema, out, r->sets[i]));
    return SIM_OK;
}

/* A run's own keys say what it is; where --set replaces one, the user should know. */
static void note_replaced(const struct reader *r, const struct sim_yaml *own, struct sim_run *run)
{
    for (int i = 0; i < r->set_count; i++) {
        char key[128];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(r->sets[i], "="), r->sets[i]);
        const struct sim_yaml *node = find_key(own, key);
        size_t used = strlen(run->note);
        if (node && node->kind == SIM_YAML_SCALAR)
            snprintf(run->note + used, sizeof run->note - used, "%s--set %s replaces this run's own %s",
                     used ? "; " : "", r->sets[i], node->text);
    }
}

/* Appends the run `name` (own: its overrides or NULL) once per seed. */
static sim_status append_run(const struct reader *r, struct sim_experiment *e, const struct sim_yaml *own,
                             const char *name)
{
    int one_seed = r->seed_count == 1;
    for (int i = 0; i < r->set_count; i++) one_seed |= pair_is(r->sets[i], "seed");
    for (int k = 0; k < (one_seed ? 1 : r->seed_count); k++) {
        struct sim_run *grown = realloc(e->runs, ((size_t)e->count + 1) * sizeof *grown), *run;
        if (!grown) return sim_fail(SIM_ENOMEM, "no memory for %d runs", e->count + 1);
        e->runs = grown;
        run = &e->runs[e->count];
        memset(run, 0, sizeof *run);
        snprintf(run->experiment, sizeof run->experiment, "%s", r->name);
        snprintf(run->about, sizeof run->about, "%s", r->about);
        snprintf(run->name, sizeof run->name, "%s", name);
        snprintf(run->file, sizeof run->file, "%s", sim_yaml_path(r->yaml));
        SIM_TRY(resolve(r, own, r->seeds[k], &run->config));
        note_replaced(r, own, run);
        if (one_seed)
            snprintf(run->folder, sizeof run->folder, "%s", name);
        else
            snprintf(run->folder, sizeof run->folder, "%s-s%lld", name, (long long)run->config.seed);
        sim_status status = sim_run_config_check(&run->config);
        if (status != SIM_OK) return locate(r, own, name, status);
        SIM_TRY(sim_run_config_hash(&run->config, run->config_hash));
        for (int i = 0; i < e->count; i++)
            if (strcmp(e->runs[i].folder, run->folder) == 0)
                return sim_fail(SIM_EINVAL,
                                "%s: run %s would share the folder %s with a run of %s; rename one of them",
                                run->file, name, run->folder, e->runs[i].file);
        e->count++;
    }
    return SIM_OK;
}

static sim_status read_file(struct sim_experiment *e, const char *path, const char *const *sets,
                            int set_count)
{
    struct reader r = {.sets = sets, .set_count = set_count};
    sim_status status = sim_yaml_open(&r.yaml, path);
    if (status == SIM_OK) status = read_parts(&r);
    if (status == SIM_OK && !r.runs) status = append_run(&r, e, NULL, r.name);
    if (status == SIM_OK && r.runs)
        for (const struct sim_yaml *run = r.runs->child; run && status == SIM_OK; run = run->next)
            status = append_run(&r, e, run, run->key);
    sim_yaml_close(r.yaml);
    return status;
}

/* ------------------------------------------------------------------ public */
sim_status sim_experiment_open(struct sim_experiment *out, const char *const *files, int file_count,
                               const char *const *sets, int set_count)
{
    sim_status status = SIM_OK;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < file_count && status == SIM_OK; i++)
        status = read_file(out, files[i], sets, set_count);
    if (status != SIM_OK) sim_experiment_close(out);
    return status;
}

void sim_experiment_close(struct sim_experiment *e)
{
    free(e->runs);
    memset(e, 0, sizeof *e);
}

sim_status sim_experiment_find(const struct sim_experiment *e, const char *name, const struct sim_run **out)
{
    char names[1024] = "";
    for (int i = 0; i < e->count; i++) {
        const struct sim_run *run = &e->runs[i];
        if (!name || strcmp(name, run->name) == 0 || strcmp(name, run->folder) == 0) {
            *out = run;
            return SIM_OK;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", run->folder);
    }
    return sim_fail(SIM_EINVAL, "no run is called %s; there are: %s", name ? name : "(any)", names);
}

sim_status sim_experiment_select(struct sim_experiment *e, const char *const *names, int count)
{
    const struct sim_run *run;
    int kept = 0;
    for (int i = 0; i < count; i++) SIM_TRY(sim_experiment_find(e, names[i], &run));
    for (int i = 0; i < e->count; i++) {
        int wanted = !count;
        for (int k = 0; k < count; k++)
            wanted |= strcmp(names[k], e->runs[i].name) == 0 || strcmp(names[k], e->runs[i].folder) == 0;
        if (wanted && kept++ < i) e->runs[kept - 1] = e->runs[i];
    }
    e->count = kept;
    return SIM_OK;
}

sim_status sim_experiment_resolve(struct sim_experiment *e, const char *backend)
{
    for (int i = 0; i < e->count; i++) {
        struct sim_run *run = &e->runs[i];
        run->config.compute.precision =
            (int)sim_precision_on(backend, (enum sim_precision)run->config.compute.precision);
        SIM_TRY(sim_run_config_hash(&run->config, run->config_hash));
    }
    return SIM_OK;
}

sim_status sim_run_write_yaml(const struct sim_run *run, int with_help, char **out)
{
    char *keys = NULL;
    size_t size = 0;
    SIM_TRY(sim_fields_dump_yaml(sim_run_schema(), &run->config, with_help, &keys));
    FILE *f = open_memstream(out, &size);
    if (!f) {
        free(keys);
        return sim_fail(SIM_ENOMEM, "no memory for the configuration of run %s", run->folder);
    }
    fprintf(f, "name: %s\nseeds: [%lld]\nbase:\n", run->experiment, (long long)run->config.seed);
    /* The keys stand one level deeper, and without the seed, which stands above. */
    for (char *line = keys, *end; *line; line = end) {
        size_t length = strcspn(line, "\n");
        end = line + length + (line[length] == '\n');
        if (strncmp(line, "seed:", 5) != 0 && (length > 0 || line > keys))
            fprintf(f, "%s%.*s\n", length ? "  " : "", (int)length, line);
    }
    fprintf(f, "runs:\n  %s: {}\n", run->name);
    free(keys);
    if (fclose(f) == 0 && *out) return SIM_OK;
    return sim_fail(SIM_ENOMEM, "no memory for the configuration of run %s", run->folder);
}
