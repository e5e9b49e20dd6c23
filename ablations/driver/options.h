/* Command lines of the subcommands: --flag, --key VALUE, --key=VALUE, repeated options, and plain words. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include <stdint.h>

#include "status.h"

struct sim_words {
    const char **word; /* borrowed from argv */
    int count;
};

/* One option: exactly one of flag, text and list is given and receives what stands on the command line. */
struct sim_option {
    const char *name;       /* "--out" */
    int *flag;              /* set to 1 */
    const char **text;      /* its value; given twice is an error */
    struct sim_words *list; /* collects the values of every occurrence */
};

/* Reads argv[1..].  Words that are no options go to `rest`.  An unknown option names the nearest known one.
 * Release every list with sim_words_close, after failure too. */
sim_status sim_options_parse(int argc, char **argv, const struct sim_option *options, int count,
                             struct sim_words *rest);
void sim_words_close(struct sim_words *w);

/* A whole number in low..high, or an error that names the option. */
sim_status sim_options_whole(const char *name, const char *text, int64_t low, int64_t high, int64_t *out);

#endif
