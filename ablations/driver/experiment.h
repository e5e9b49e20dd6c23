/* Experiment files: several named runs over a common base and a list of seeds.
 *
 *   name: quickstart       # default: the file's name without .yaml
 *   about: one line        # optional
 *   seeds: [0, 1]          # default: [0]
 *   base:                  # keys of the field table, nested by section
 *     model: {embed_dim: 96}
 *   runs:                  # default: one run named as the experiment, with nothing changed
 *     siameseim: {}
 *     no_mask: {mask: {kind: none}}
 */
#ifndef SIM_EXPERIMENT_H
#define SIM_EXPERIMENT_H

#include "run_config.h"

#define SIM_NAME_BYTES 80

struct sim_run {
    char experiment[SIM_NAME_BYTES];  /* the experiment's name */
    char about[SIM_TEXT_BYTES];       /* its one line, or "" */
    char name[SIM_NAME_BYTES];        /* of the run, without the seed */
    char folder[SIM_NAME_BYTES + 24]; /* NAME, or NAME-sSEED where the file lists several seeds */
    char file[SIM_TEXT_BYTES];        /* the file it comes from, for messages */
    char note[256];                   /* keys of its own that --set replaced, as a sentence; or "" */
    struct sim_run_config config;     /* resolved and checked */
    char config_hash[17];
};

struct sim_experiment {
    struct sim_run *runs; /* in the order of the files, seeds innermost; owned */
    int count;
};

/* Reads the files in order and resolves every run: presets, then `base`, then the run's own keys, then the
 * `sets` pairs ("a.b=c"; "seed=3" replaces the files' lists of seeds).  Every run is checked
 * (sim_run_config_check). Errors name file, line and column.  Two runs that would share a folder are an
 * error, across files too. */
sim_status sim_experiment_open(struct sim_experiment *out, const char *const *files, int file_count,
                               const char *const *sets, int set_count);
void sim_experiment_close(struct sim_experiment *e); /* a zeroed struct is legal */

/* The run of this name or folder (the first where several seeds share a name); NULL name: the first run.
 * Fails with the names there are. */
sim_status sim_experiment_find(const struct sim_experiment *e, const char *name, const struct sim_run **out);

/* Keeps the runs of these names or folders, in their order, and drops all others; no names: keeps all. */
sim_status sim_experiment_select(struct sim_experiment *e, const char *const *names, int count);

/* What `compute.precision: auto` stands for depends on the device ("cpu", "cuda"), and so does the result: it
 * is written out, and becomes part of each run's identity. */
sim_status sim_experiment_resolve(struct sim_experiment *e, const char *backend);

/* The run as an experiment file of its own, every key spelled out (with_help: and explained): reading it
 * again gives this run, same name, same hash.  The caller frees *out. */
sim_status sim_run_write_yaml(const struct sim_run *run, int with_help, char **out);

#endif
