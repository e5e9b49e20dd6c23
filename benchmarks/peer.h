/* Other programs as peers: they print JSON lines, we read them. */
#ifndef SIM_PEER_H
#define SIM_PEER_H

#include <jansson.h>

#include "status.h"

/* Runs argv[0] (NULL at the end) to its end; *lines is a list of the JSON objects that it printed, to be released by the
 * caller.  What it writes to stderr is passed through.  A line that is no JSON, or another exit status than 0, fails. */
sim_status sim_peer_run(const char *const argv[], json_t **lines);

/* The Python of a virtual environment made by `make peers`, in path; 0 where there is none, or a half-made one. */
int sim_peer_python(const char *folder, char *path, size_t room);

/* The middle of count numbers (the mean of the middle two), which are sorted by this. */
double sim_median(double *x, int count);

#endif
