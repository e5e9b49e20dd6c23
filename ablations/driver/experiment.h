/* Experiment files: a question, and the runs that answer it, over a common base and a list of seeds.
 *
 *   name: ema                # default: the file's name without .yaml
 *   about: one line          # optional, like all but one of base, scales, axes, runs
 *   question: What is the moving average worth?
 *   paper: where the paper has it
 *   expected: what it costs
 *   seeds: [0, 1, 2]         # default: [0]
 *   base:                    # keys of the field table, nested by section, for every run at every scale
 *     preset: NAME           # presets/NAME.yaml beside the file or a folder up, below all its keys
 *     model: {embed_dim: 96}
 *   scales:                  # of mini, small, paper; --scale picks, the first is the default
 *     mini: {preset: mini, train: {epochs: 20}}
 *     small: {preset: small, objectives: {mae: {train: {epochs: 60}}}} # of MAE's runs; in base as well
 *     paper: {preset: paper, seeds: [0], expected: 40 days of one GPU}
 *   axes:                    # every combination is a run, momentum-0.9 ...; or a list of such maps
 *     siameseim.momentum: [0, 0.9, 0.99]
 *   runs:                    # named runs; without axes and runs: one, named as the experiment
 *     untrained: {train: {epochs: 0}}
 *   claims:
 *     - {id: slow, text: A slow target is better., score: logistic, higher: momentum-0.99, lower: momentum-0}
 *
 * A named run that equals a point of the grids stands for it, and is made once, under its own name.
 * A claim's side is a run, a list of runs, or a map of axis values that stands for all runs which have them;
 * its score one of eval.*, of the run's own encoder (the untrained one where it trains for no epoch), or with
 * pretrained, untrained or lift behind it.  A run that was
 * written out (sim_run_write_yaml) has `study` in place of question, paper, scales, axes and claims: what its
 * record states. */
#ifndef SIM_EXPERIMENT_H
#define SIM_EXPERIMENT_H

#include <jansson.h>

#include "run_config.h"

#define SIM_NAME_BYTES 80

struct sim_run {
    char experiment[SIM_NAME_BYTES];  /* the experiment's name */
    char about[SIM_TEXT_BYTES];       /* its one line, or "" */
    char expected[SIM_TEXT_BYTES];    /* what the file says all its runs cost, or "" */
    char name[SIM_NAME_BYTES];        /* of the run, without the seed */
    char folder[SIM_NAME_BYTES + 24]; /* NAME, or NAME-sSEED where the file lists several seeds */
    char file[SIM_TEXT_BYTES];        /* the file it comes from, for messages */
    char note[256];                   /* keys of its own that --set replaced, as a sentence; or "" */
    struct sim_run_config config;     /* resolved and checked */
    char config_hash[17];
    /* What its record states of the question (results/README.md): {question, paper, scale, axes: the values
     * of this run, claims}; NULL where the file has nothing of these.  Owned by the experiment. */
    json_t *study;
};

struct sim_experiment {
    struct sim_run *runs; /* in the order of the files; named runs, then grids; seeds innermost; owned */
    int count;
};

/* Reads the files in order and resolves every run: presets, then `base`, then the scale's keys (scale NULL:
 * each file's first), then the run's own, then the `sets` pairs ("a.b=c"; "seed=3" replaces the files' lists
 * of seeds). Every run is checked (sim_run_config_check), and so are the claims.  Errors name file, line and
 * column.  Two runs that would share a folder are an error, across files too. */
sim_status sim_experiment_open(struct sim_experiment *out, const char *const *files, int file_count,
                               const char *scale, const char *const *sets, int set_count);
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
