/* The program: strings the subcommands together and gives `run` the hands that draw.  The one file that sees
 * every room, results included. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "machine.h"
#include "nearest.h"
#include "report.h"
#include "run_one.h"

#define SIM_RELEASE "0.2" /* the first whose backends include CUDA */

static struct sim_command report = {.name = "report", .run = sim_results_main},
                          check = {.name = "check", .run = sim_check_main};

static const struct sim_command *const commands[] = {&sim_command_run,
                                                     &sim_command_plan,
                                                     &sim_command_config,
                                                     &report,
                                                     &check,
                                                     &sim_command_data,
                                                     &sim_command_views,
                                                     &sim_command_image,
                                                     &sim_command_corrupt,
                                                     &sim_command_verify,
                                                     &sim_command_status};
#define COMMANDS ((int)(sizeof commands / sizeof *commands))

static void print_help(FILE *to)
{
    fputs("siameseim: SiameseIM pre-training, exact against the published method, its ablations and scores\n"
          "\n"
          "usage: siameseim COMMAND ...      (siameseim COMMAND --help tells more)\n"
          "\n"
          "commands:\n",
          to);
    for (int i = 0; i < COMMANDS; i++) fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n"
          "a first hour:\n"
          "  siameseim plan ablations/quickstart.yaml                  what would it cost here?\n"
          "  siameseim run ablations/quickstart.yaml --out runs/quick  train, score, draw; after Ctrl-C the\n"
          "                                                            same command resumes\n"
          "  siameseim report runs/quick --out runs/quick              table and plots once more\n"
          "  siameseim views ablations/quickstart.yaml --index 3 --out runs/views\n"
          "                                                            see what the model sees\n"
          "  siameseim config --help-keys                              every switch of the method\n"
          "\n"
          "A run is described by a file of ablations/; --set changes any key of it, such as --set\n"
          "train.epochs=40.  README.md leads on: how to write an experiment, what a record holds, how\n"
          "exactness is proved.\n",
          to);
}

static int print_version(void)
{
    struct sim_ops_facts facts;
    sim_facts_built_in(&facts);
    json_t *libraries = sim_machine_libraries(&facts), *version;
    const char *name;
    printf("siameseim %s\ncommit     %s\nbackends   %s\nlibraries ", SIM_RELEASE, SIM_VERSION,
           sim_ops_built_in());
    json_object_foreach(libraries, name, version) printf(" %s %s", name, json_string_value(version));
    putchar('\n');
    json_decref(libraries);
    return 0;
}

static const struct sim_command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[COMMANDS];
    for (int i = 0; i < COMMANDS; i++) names[i] = commands[i]->name;
    const char *near = sim_nearest(name, names, COMMANDS);
    fprintf(stderr, "siameseim: unknown command %s%s%s; siameseim --help lists them\n", name,
            near ? ", nearest: " : "", near ? near : "");
    return 2;
}

static int is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int dispatch(int argc, char **argv)
{
    static const struct sim_drawing drawing = {sim_results_plot_run, sim_results_report};
    report.summary = sim_results_summary, report.help = sim_results_help;
    check.summary = sim_check_summary, check.help = sim_check_help;
    sim_run_set_drawing(&drawing);
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        const struct sim_command *about = argc > 2 ? find(argv[2]) : NULL;
        if (argc > 2 && !about && !is_help(argv[2])) return unknown(argv[2]);
        if (about)
            fputs(about->help, stdout);
        else
            print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) return print_version();
    const struct sim_command *command = find(argv[1]);
    if (!command) return unknown(argv[1]);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i])) {
            fputs(command->help, stdout);
            return 0;
        }
    if (command == &sim_command_run) sim_machine_spin_briefly(argv);
    return command->run(argc - 1, argv + 1);
}

/* What was printed must have arrived: a full disk behind `siameseim config > file` is a failure too. */
int main(int argc, char **argv)
{
    int code = dispatch(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "siameseim: standard output could not be written: %s\n", strerror(errno));
    return code ? code : 1;
}
