/* Shared by experiment*.c: one experiment file while it is read.
 *
 * experiment.c         the runs: resolving, checking, selecting
 * experiment_parts.c   the file's parts: names, texts, seeds, presets, scales
 * experiment_axes.c    grids: which runs their axes make
 * experiment_study.c   claims, and the study that a record states
 * experiment_write.c   a run as a file of its own */
#ifndef SIM_EXPERIMENT_PARTS_H
#define SIM_EXPERIMENT_PARTS_H

#include "experiment.h"
#include "yaml.h"

#define SIM_MAX_SEEDS 1000
#define SIM_MAX_AXES 16
#define SIM_WHERE_BYTES (SIM_TEXT_BYTES + 40)

/* A map of configuration keys, and the file it stands in.  The first `reserved` of preset,
 * objectives, seeds, expected are no configuration keys there. */
struct sim_layer {
    const struct sim_yaml_file *yaml;
    const struct sim_yaml *map;
    int reserved;
    int objective; /* of whose runs it is alone; -1: of all */
};

/* A preset, and what each objective lays over it. */
#define SIM_PRESET_FILES (1 + SIM_OBJECTIVES)
/* Presets of base and scale; base and scale, each with what it says of every objective. */
#define SIM_LAYERS (2 * SIM_PRESET_FILES + 2 * (1 + SIM_OBJECTIVES))

struct sim_reader {
    struct sim_yaml_file *yaml, *preset[2 * SIM_PRESET_FILES];
    struct sim_layer layer[SIM_LAYERS]; /* (layers) the later wins */
    int layers, presets;
    const struct sim_yaml *runs, *axes, *claims; /* NULL where the file has none */
    char name[SIM_NAME_BYTES], about[SIM_TEXT_BYTES], expected[SIM_TEXT_BYTES];
    char question[SIM_TEXT_BYTES], paper[SIM_TEXT_BYTES], scale[SIM_NAME_BYTES];
    int64_t seeds[SIM_MAX_SEEDS];
    int seed_count;
    json_t *claims_json; /* as a record states them; owned */
    json_t *axes_json;   /* of a `study`: the values of its one run; owned */
    const char *const *sets;
    int set_count;
};

/* What makes a run differ from the file's other runs: a map of keys (named runs), or one value per axis. */
struct sim_own {
    const struct sim_yaml *map;                 /* or NULL */
    const struct sim_yaml *axis[SIM_MAX_AXES];  /* (axes) the lists; their keys are the axes */
    const struct sim_yaml *value[SIM_MAX_AXES]; /* (axes) */
    int axes;
};

/* ------------------------------------------------------------------ experiment_parts.c */

/* Opens the file and reads all of it but runs, axes and claims.  scale: NULL for the file's first. */
sim_status sim_reader_open(struct sim_reader *r, const char *path, const char *scale, const char *const *sets,
                           int set_count);
void sim_reader_close(struct sim_reader *r); /* a zeroed struct is legal */

/* "file:line:column: sentence", of a node's value or of its key. */
sim_status sim_reader_fail(const struct sim_reader *r, const struct sim_yaml *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
sim_status sim_reader_fail_key(const struct sim_reader *r, const struct sim_yaml *node, const char *format,
                               ...) __attribute__((format(printf, 3, 4)));

/* One line of text below `key`, where it is there. */
sim_status sim_reader_text(const struct sim_reader *r, const struct sim_yaml *map, const char *key, char *out,
                           size_t size);
/* A name becomes a folder and part of a record, so it is plain ASCII without separators.  node: where it
 * stands, or NULL for the file as a whole. */
sim_status sim_reader_name(const struct sim_reader *r, const struct sim_yaml *node, const char *what,
                           const char *name);
/* Every key of the map is one of known[]; the error names the nearest and what has them. */
sim_status sim_reader_known(const struct sim_reader *r, const struct sim_yaml *map, const char *what,
                            const char *const *known, int count);
/* A map of configuration keys: `{}` or nothing at all stand for no changes. */
sim_status sim_reader_overrides(const struct sim_reader *r, const struct sim_yaml *map);
/* Whether the layer's key is none of the configuration. */
int sim_layer_reserves(const struct sim_layer *layer, const char *key);

/* ------------------------------------------------------------------ experiment.c */

/* The configuration of a run: its objective's defaults, presets, base, scale, its own keys, --set. */
sim_status sim_reader_resolve(const struct sim_reader *r, const struct sim_own *own, int64_t seed,
                              struct sim_run_config *out);

/* ------------------------------------------------------------------ experiment_axes.c */

/* Checks `axes`: keys that exist, values that they take, none twice, at least one; every grid over the same
 * keys. */
sim_status sim_axes_check(const struct sim_reader *r);
/* Calls `run` once per point of every grid, the last axis innermost, with the name made from its values. */
sim_status sim_axes_each(const struct sim_reader *r,
                         sim_status (*run)(void *context, const struct sim_own *own, const char *name,
                                           const struct sim_yaml *at),
                         void *context);
/* The file's axis of this key (its list in the first grid), or NULL. */
const struct sim_yaml *sim_axes_find(const struct sim_reader *r, const char *key);

/* ------------------------------------------------------------------ experiment_study.c */

/* Reads `claims` into r->claims_json: everything but whether the runs exist. */
sim_status sim_claims_read(struct sim_reader *r, const struct sim_yaml *list);
/* Every run and axis value that a claim names is among e->runs[first..]. */
sim_status sim_claims_check(const struct sim_reader *r, const struct sim_experiment *e, int first);
/* `study`: what a run that was written out states; it is not checked against runs. */
sim_status sim_study_take(struct sim_reader *r, const struct sim_yaml *study);
/* The run's study, NULL where the file states nothing. */
sim_status sim_study_make(const struct sim_reader *r, const struct sim_own *own, struct sim_run *run);

#endif
