/* A subcommand of the program.  main.c strings the table together; it is the one place that sees every room.
 */
#ifndef SIM_COMMAND_H
#define SIM_COMMAND_H

struct sim_command {
    const char *name, *summary;        /* summary: one line for `siameseim --help` */
    const char *help;                  /* what `siameseim NAME --help` prints: usage, options, an example */
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand; returns the exit status; prints its own
                                        * "siameseim NAME: error sentence" on failure */
};

extern const struct sim_command sim_command_run, sim_command_plan, sim_command_config, sim_command_verify,
    sim_command_image, sim_command_corrupt, sim_command_views, sim_command_status, sim_command_data;

/* Prints "siameseim NAME: sentence" from the thread's error text and returns 1. */
int sim_command_failed(const char *name);

#endif
