/* Several ranks in one test: processes that meet on this machine over TCP, by environment or by folder. */
#ifndef SIM_RANKS_TRIAL_H
#define SIM_RANKS_TRIAL_H

#include "ranks.h"

enum meeting {
    BY_ENVIRONMENT,
    BY_FOLDER,
    AS_TWO_OF_ONE_NUMBER, /* by environment; the last says that it is rank 1 */
    AS_OF_TWO_SIZES       /* the last says that there is one more */
};

/* Forks `size` processes, which meet and call body(ranks, context); the trial holds when every one returned 0
 * and ended within a minute.  Assertions inside a body end its process with a line on stderr. */
void ranks_trial(enum meeting how, int size, int (*body)(struct sim_ranks *r, void *context), void *context);

/* The same where some are to fail: ends[i].status becomes the exit status of rank i, 128 + N for a signal, 3
 * where it could not meet the others; said what its body left by ranks_say, or that failure.  Returns how
 * long the slowest took. */
enum { RANKS_MOST = 8, RANKS_WORDS = 512 };
struct ranks_end {
    int status;
    char said[RANKS_WORDS];
};
double ranks_trial_ends(enum meeting how, int size, int (*body)(struct sim_ranks *r, void *context),
                        void *context, struct ranks_end ends[RANKS_MOST]);
void ranks_say(const char *text);

#define RANKS_ASSERT(truth)                                                                                  \
    do {                                                                                                     \
        if (!(truth)) {                                                                                      \
            fprintf(stderr, "%s:%d: %s; the last error: %s\n", __FILE__, __LINE__, #truth,                   \
                    sim_error_text());                                                                       \
            return 1;                                                                                        \
        }                                                                                                    \
    } while (0)

#endif
