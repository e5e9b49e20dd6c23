/* siameseim config: the resolved configuration, or the list of all keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "experiment.h"
#include "options.h"

static const char help[] =
    "usage: siameseim config [FILE.yaml] [--scale SCALE] [--run NAME] [--set KEY=VALUE]... [--plain]\n"
    "       siameseim config --help-keys\n"
    "\n"
    "Prints one run as an experiment file with every key spelled out and explained (stdout), and its\n"
    "hash (stderr).  Without FILE: the defaults, as a start for a file of your own.\n"
    "\n"
    "  --scale SCALE     mini, small or paper, where the file has scales (default: its first)\n"
    "  --run NAME        the run to print (default: the file's first); NAME-sSEED picks a seed\n"
    "  --set KEY=VALUE   change a key, such as train.epochs=20; may be repeated\n"
    "  --plain           no help lines\n"
    "  --help-keys       every key with type, bounds or choices, default and meaning\n"
    "\n"
    "example: siameseim config ablations/quickstart.yaml --run no_mask | less\n";

static sim_status print_run(const struct sim_run *run, const char *of, int plain)
{
    char *text = NULL;
    SIM_TRY(sim_run_write_yaml(run, !plain, &text));
    fputs(text, stdout);
    free(text);
    fflush(stdout); /* before the hash, where both go to one terminal */
    fprintf(stderr, "config_hash of %s: %s\n", of, run->config_hash);
    return SIM_OK;
}

/* The defaults with --set applied: a run without a file. */
static sim_status print_defaults(const struct sim_words *sets, int plain)
{
    struct sim_run run = {.experiment = "defaults", .name = "defaults", .folder = "defaults"};
    for (int pass = 0; pass < 2; pass++) { /* the defaults are those of the objective that the pairs say */
        SIM_TRY(sim_run_config_preset(&run.config, run.config.pretrain.objective));
        for (int i = 0; i < sets->count; i++)
            SIM_TRY(sim_fields_set_pair(sim_run_schema(), &run.config, sets->word[i]));
    }
    SIM_TRY(sim_run_config_check(&run.config));
    SIM_TRY(sim_run_config_hash(&run.config, run.config_hash));
    return print_run(&run, "the defaults", plain);
}

static sim_status print_from_file(const char *file, const char *scale, const char *name,
                                  const struct sim_words *sets, int plain)
{
    struct sim_experiment experiment;
    const struct sim_run *run;
    SIM_TRY(sim_experiment_open(&experiment, &file, 1, scale, sets->word, sets->count));
    sim_status status = sim_experiment_find(&experiment, name, &run);
    if (status == SIM_OK) status = print_run(run, run->folder, plain);
    sim_experiment_close(&experiment);
    return status;
}

/* Every key, and where an objective has another default. */
static void print_keys(void)
{
    sim_fields_print_help(sim_run_schema(), stdout);
    for (int k = 0; k < SIM_OBJECTIVES; k++) {
        const struct sim_key_value *d = sim_objective_kinds[k].defaults;
        if (d->key) printf("\ndefaults with objective: %s\n", sim_objective_kinds[k].name);
        for (; d->key; d++) printf("  %-32s %s\n", d->key, d->value);
    }
}

static int run_config_command(int argc, char **argv)
{
    struct sim_words files = {0}, sets = {0};
    const char *name = NULL, *scale = NULL;
    int plain = 0, keys = 0;
    const struct sim_option options[] = {{"--run", NULL, &name, NULL},
                                         {"--scale", NULL, &scale, NULL},
                                         {"--set", NULL, NULL, &sets},
                                         {"--plain", &plain, NULL, NULL},
                                         {"--help-keys", &keys, NULL, NULL}};
    sim_status status = sim_options_parse(argc, argv, options, 5, &files);
    if (status == SIM_OK && files.count > 1) status = sim_fail(SIM_EINVAL, "one FILE at most; see --help");
    if (status == SIM_OK && (name || scale) && !files.count)
        status = sim_fail(SIM_EINVAL, "%s %s needs a FILE", name ? "--run" : "--scale", name ? name : scale);
    if (status == SIM_OK && keys)
        print_keys();
    else if (status == SIM_OK)
        status = files.count ? print_from_file(files.word[0], scale, name, &sets, plain)
                             : print_defaults(&sets, plain);
    sim_words_close(&files);
    sim_words_close(&sets);
    return status == SIM_OK ? 0 : sim_command_failed("config");
}

const struct sim_command sim_command_config = {
    "config", "print the resolved configuration of a run, or every key with its meaning", help,
    run_config_command};
