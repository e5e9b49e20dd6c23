#include "experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment_parts.h"

/* Whether the pair "a.b=c" sets this key. */
static int pair_is(const char *pair, const char *key)
{
    size_t n = strlen(key);
    return strncmp(pair, key, n) == 0 && pair[n] == '=';
}

/* ------------------------------------------------------------------ resolving */

/* The node of a dotted key in an overrides map, or NULL. */
static const struct sim_yaml *find_key(const struct sim_yaml *map, const char *dotted)
{
    char section[64];
    const char *dot = strchr(dotted, '.');
    if (!map || map->kind != SIM_YAML_MAP || !sim_fields_find(sim_run_schema(), dotted)) return NULL;
    if (!dot) return sim_yaml_find(map, dotted);
    snprintf(section, sizeof section, "%.*s", (int)(dot - dotted), dotted);
    map = sim_yaml_find(map, section);
    return map && map->kind == SIM_YAML_MAP ? sim_yaml_find(map, dot + 1) : NULL;
}

/* Whether the layer is for runs of this objective. */
static int is_for(const struct sim_layer *layer, int objective)
{
    return layer->objective < 0 || layer->objective == objective;
}

/* Where the key got its value, the last word first: the run's own keys, its axes, then the layers. */
static int find_origin(const struct sim_reader *r, const struct sim_own *own, int objective, const char *key,
                       char *where, int size)
{
    const struct sim_yaml *node = find_key(own->map, key);
    const struct sim_yaml_file *yaml = r->yaml;
    for (int i = 0; i < own->axes && !node; i++)
        if (strcmp(own->axis[i]->key, key) == 0) node = own->value[i];
    for (int i = r->layers - 1; i >= 0 && !node; i--) {
        if (!is_for(&r->layer[i], objective)) continue;
        node = find_key(r->layer[i].map, key);
        yaml = r->layer[i].yaml;
    }
    if (node) sim_yaml_where(yaml, node, where, size);
    return node != NULL;
}

/* A failed check of the resolved configuration names the key at fault, then the keys it does not agree with:
 * says where the first of them that the user set was set. */
static sim_status locate(const struct sim_reader *r, const struct sim_own *own, const struct sim_run *run,
                         sim_status code)
{
    char sentence[2048], where[SIM_WHERE_BYTES], *rest;
    snprintf(sentence, sizeof sentence, "%s", sim_error_text());
    for (char *key = strtok_r(sentence, " :,;", &rest); key; key = strtok_r(NULL, " :,;", &rest)) {
        for (int i = 0; i < r->set_count; i++)
            if (pair_is(r->sets[i], key)) return sim_context(code, "--set %s: run %s", r->sets[i], run->name);
        if (find_origin(r, own, run->config.pretrain.objective, key, where, sizeof where))
            return sim_context(code, "%s: run %s", where, run->name);
    }
    return sim_context(code, "%s: run %s", sim_yaml_path(r->yaml), run->name);
}

/* Applies a layer's keys, section by section, but for those that are none of the configuration. */
static sim_status apply(const struct sim_layer *layer, struct sim_run_config *out)
{
    for (const struct sim_yaml *node = layer->map->child; node; node = node->next) {
        struct sim_yaml section = *node, map = {.kind = SIM_YAML_MAP, .child = &section};
        section.next = NULL;
        if (!sim_layer_reserves(layer, node->key))
            SIM_TRY(sim_yaml_apply(layer->yaml, &map, sim_run_schema(), out));
    }
    return SIM_OK;
}

/* As if the run's objective were this one. */
static sim_status resolve_as(const struct sim_reader *r, const struct sim_own *own, int objective,
                             struct sim_run_config *out)
{
    const struct sim_schema *schema = sim_run_schema();
    char where[SIM_WHERE_BYTES];
    memset(out, 0, sizeof *out);
    SIM_TRY(sim_run_config_preset(out, objective));
    for (int i = 0; i < r->layers; i++)
        if (r->layer[i].map->kind == SIM_YAML_MAP && is_for(&r->layer[i], objective))
            SIM_TRY(apply(&r->layer[i], out));
    if (own->map && own->map->kind == SIM_YAML_MAP) SIM_TRY(sim_yaml_apply(r->yaml, own->map, schema, out));
    for (int i = 0; i < own->axes; i++) {
        sim_yaml_where(r->yaml, own->value[i], where, sizeof where);
        SIM_TRY(sim_fields_set(schema, out, own->axis[i]->key, own->value[i]->text, where));
    }
    for (int i = 0; i < r->set_count; i++) SIM_TRY(sim_fields_set_pair(schema, out, r->sets[i]));
    return SIM_OK;
}

sim_status sim_reader_resolve(const struct sim_reader *r, const struct sim_own *own, int64_t seed,
                              struct sim_run_config *out)
{
    SIM_TRY(resolve_as(r, own, SIM_OBJECTIVE_SIAMESEIM, out)); /* which objective? */
    if (out->pretrain.objective != SIM_OBJECTIVE_SIAMESEIM)
        SIM_TRY(resolve_as(r, own, out->pretrain.objective, out));
    int seeded = 0;
    for (int i = 0; i < r->set_count; i++) seeded |= pair_is(r->sets[i], "seed");
    if (!seeded) out->seed = seed;
    return SIM_OK;
}

/* ------------------------------------------------------------------ keys of other objectives */
/* A run's own keys are of its own objective.  What several runs share, in `base`, scales and --set, is of the
 * objective of one of them at least; presets may serve runs of any, and a file whose objective --set replaces
 * was written for another. */

static int objective_is_set(const struct sim_reader *r)
{
    int set = 0;
    for (int i = 0; i < r->set_count; i++) set |= pair_is(r->sets[i], sim_objective_field.key);
    return set;
}

static sim_status check_own(const struct sim_reader *r, const struct sim_own *own, const struct sim_run *run)
{
    const char *objective = sim_objective_kind_of(&run->config.pretrain)->name;
    if (objective_is_set(r)) return SIM_OK;
    for (const struct sim_yaml *node = own->map ? own->map->child : NULL; node; node = node->next)
        if (!sim_run_config_takes(&run->config, node->key))
            return sim_reader_fail_key(r, node, "%.80s: run %s pre-trains %s, which has no such keys",
                                       node->key, run->name, objective);
    for (int i = 0; i < own->axes; i++)
        if (!sim_run_config_takes(&run->config, own->axis[i]->key))
            return sim_reader_fail_key(r, own->axis[i], "%.80s: run %s pre-trains %s, which has no such key",
                                       own->axis[i]->key, run->name, objective);
    return SIM_OK;
}

/* Whether one of the runs from `first` on, of this objective where it is not -1, takes this key or section.
 */
static int is_taken(const struct sim_experiment *e, int first, int objective, const char *key)
{
    int taken = 0;
    for (int i = first; i < e->count; i++) {
        const struct sim_run_config *c = &e->runs[i].config;
        taken |= (objective < 0 || c->pretrain.objective == objective) && sim_run_config_takes(c, key);
    }
    return taken;
}

static sim_status check_shared(const struct sim_reader *r, const struct sim_experiment *e, int first)
{
    for (int i = 0; i < r->layers; i++) {
        const struct sim_layer *layer = &r->layer[i];
        if (layer->yaml != r->yaml || layer->map->kind != SIM_YAML_MAP) continue;
        for (const struct sim_yaml *node = layer->map->child; node; node = node->next)
            if (!sim_layer_reserves(layer, node->key) && !is_taken(e, first, layer->objective, node->key))
                return sim_reader_fail_key(r, node, "%.80s: no run of this file pre-trains %.80s", node->key,
                                           layer->objective < 0 ? node->key
                                                                : sim_objective_kinds[layer->objective].name);
    }
    return SIM_OK;
}

static sim_status check_sets(const struct sim_experiment *e, const char *const *sets, int set_count)
{
    for (int i = 0; i < set_count; i++) {
        char key[128];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(sets[i], "="), sets[i]);
        if (!is_taken(e, 0, -1, key))
            return sim_fail(SIM_EINVAL, "--set %s: no run pre-trains %.*s", sets[i], (int)strcspn(key, "."),
                            key);
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ runs */

/* A run's own keys say what it is; where --set replaces one, the user should know. */
static void note_replaced(const struct sim_reader *r, const struct sim_yaml *own, struct sim_run *run)
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

/* The file's runs as they are appended. */
struct appending {
    const struct sim_reader *r;
    struct sim_experiment *e;
    int first; /* of this file's runs in e */
};

/* Fills a zeroed run; one_seed: the folder needs no seed in its name. */
static sim_status fill_run(const struct sim_reader *r, const struct sim_own *own, const char *name,
                           int64_t seed, int one_seed, struct sim_run *run)
{
    snprintf(run->experiment, sizeof run->experiment, "%s", r->name);
    snprintf(run->about, sizeof run->about, "%s", r->about);
    snprintf(run->expected, sizeof run->expected, "%s", r->expected);
    snprintf(run->name, sizeof run->name, "%s", name);
    snprintf(run->file, sizeof run->file, "%s", sim_yaml_path(r->yaml));
    SIM_TRY(sim_reader_resolve(r, own, seed, &run->config));
    SIM_TRY(check_own(r, own, run));
    note_replaced(r, own->map, run);
    if (one_seed)
        snprintf(run->folder, sizeof run->folder, "%s", name);
    else
        snprintf(run->folder, sizeof run->folder, "%s-s%lld", name, (long long)run->config.seed);
    sim_status status = sim_run_config_check(&run->config);
    if (status != SIM_OK) return locate(r, own, run, status);
    SIM_TRY(sim_run_config_hash(&run->config, run->config_hash));
    return sim_study_make(r, own, run);
}

/* Whether a run is a point of a grid of its file. */
static int is_point(const struct sim_run *run)
{
    return json_object_size(json_object_get(run->study, "axes")) > 0;
}

/* A named run may be one of the points, and which of them can differ between scales: it then stands for the
 * point, with its values on the axes, and is made once.  NULL: the point has no such run. */
static struct sim_run *named_point(const struct appending *a, const struct sim_run *point)
{
    for (int i = a->first; i < a->e->count; i++) {
        struct sim_run *other = &a->e->runs[i];
        if (strcmp(other->config_hash, point->config_hash) == 0 && !is_point(other)) return other;
    }
    return NULL;
}

/* Against the runs before it: no folder twice, and no point of the grids twice. */
static sim_status check_clash(const struct appending *a, const struct sim_own *own, const struct sim_yaml *at,
                              const struct sim_run *run)
{
    const struct sim_run *other;
    for (int i = 0; i < a->e->count; i++) {
        other = &a->e->runs[i];
        const int same_point = own->axes && i >= a->first && is_point(other) &&
                               strcmp(other->config_hash, run->config_hash) == 0;
        if (same_point && strcmp(other->folder, run->folder) != 0)
            return sim_reader_fail(a->r, at, "run %s would be run %s once more; take one of them out",
                                   run->name, other->name);
        if (strcmp(other->folder, run->folder) != 0) continue;
        if (i >= a->first && at)
            return sim_reader_fail(a->r, at,
                                   "run %s would share the folder %s with another; rename one of them",
                                   run->name, run->folder);
        if (at)
            return sim_reader_fail(a->r, at,
                                   "run %s would share the folder %s with a run of %s; rename one of them",
                                   run->name, run->folder, other->file);
        return sim_fail(SIM_EINVAL,
                        "%s: run %s would share the folder %s with a run of %s; rename one of them",
                        run->file, run->name, run->folder, other->file);
    }
    return SIM_OK;
}

/* Appends the run `name`, which stands at the node `at` (or NULL), once per seed. */
static sim_status append_run(void *context, const struct sim_own *own, const char *name,
                             const struct sim_yaml *at)
{
    const struct appending *a = context;
    struct sim_experiment *e = a->e;
    int one_seed = a->r->seed_count == 1;
    for (int i = 0; i < a->r->set_count; i++) one_seed |= pair_is(a->r->sets[i], "seed");
    for (int k = 0; k < (one_seed ? 1 : a->r->seed_count); k++) {
        struct sim_run *grown = realloc(e->runs, ((size_t)e->count + 1) * sizeof *grown), *run;
        if (!grown) return sim_fail(SIM_ENOMEM, "no memory for %d runs", e->count + 1);
        e->runs = grown;
        run = &e->runs[e->count];
        memset(run, 0, sizeof *run);
        sim_status status = fill_run(a->r, own, name, a->r->seeds[k], one_seed, run);
        if (status == SIM_OK) status = check_clash(a, own, at, run);
        if (status != SIM_OK) {
            json_decref(run->study);
            return status;
        }
        struct sim_run *named = own->axes ? named_point(a, run) : NULL;
        if (named) {
            json_decref(named->study); /* the point's says the same, and the values */
            named->study = run->study;
        } else {
            e->count++;
        }
    }
    return SIM_OK;
}

static sim_status read_file(struct sim_experiment *e, const char *path, const char *scale,
                            const char *const *sets, int set_count)
{
    struct sim_reader r;
    struct appending a = {&r, e, e->count};
    SIM_TRY(sim_reader_open(&r, path, scale, sets, set_count));
    sim_status status = SIM_OK;
    if (!r.runs && !r.axes) status = append_run(&a, &(struct sim_own){.map = NULL}, r.name, NULL);
    for (const struct sim_yaml *run = r.runs ? r.runs->child : NULL; run && status == SIM_OK; run = run->next)
        status = append_run(&a, &(struct sim_own){.map = run}, run->key, run);
    if (status == SIM_OK && r.axes) status = sim_axes_each(&r, append_run, &a);
    if (status == SIM_OK && !objective_is_set(&r)) status = check_shared(&r, e, a.first);
    if (status == SIM_OK) status = sim_claims_check(&r, e, a.first);
    sim_reader_close(&r);
    return status;
}

/* ------------------------------------------------------------------ public */
sim_status sim_experiment_open(struct sim_experiment *out, const char *const *files, int file_count,
                               const char *scale, const char *const *sets, int set_count)
{
    sim_status status = SIM_OK;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < file_count && status == SIM_OK; i++)
        status = read_file(out, files[i], scale, sets, set_count);
    if (status == SIM_OK) status = check_sets(out, sets, set_count);
    if (status != SIM_OK) sim_experiment_close(out);
    return status;
}

void sim_experiment_close(struct sim_experiment *e)
{
    for (int i = 0; i < e->count; i++) json_decref(e->runs[i].study);
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
        if (wanted)
            e->runs[kept++] = e->runs[i];
        else
            json_decref(e->runs[i].study);
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
