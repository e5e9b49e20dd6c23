/* Choices that took time to make and are worth keeping between runs: a text file of lines "KEY<tab>hex
 * bytes". Lines are only ever appended, whole, so several processes may share a file; of several lines with
 * one key the first counts, so that what was chosen once is chosen again. */
#ifndef SIM_TUNED_H
#define SIM_TUNED_H

#include <stddef.h>

#include "status.h"

struct sim_tuned;

/* Reads `path`; a missing file is an empty one; damaged lines are passed over.  Fails where the file cannot
 * be read. */
sim_status sim_tuned_open(struct sim_tuned **out, const char *path);
void sim_tuned_close(struct sim_tuned *t); /* NULL is legal */

/* 1 and the bytes, where the key is known with just this many of them. */
int sim_tuned_find(const struct sim_tuned *t, const char *key, void *bytes, size_t size);
/* Remembers and appends to the file, making its folder.  A key holds no tab or newline. */
sim_status sim_tuned_keep(struct sim_tuned *t, const char *key, const void *bytes, size_t size);

/* Where choices are kept: $SIM_TUNED, else siameseim/NAME in $XDG_CACHE_HOME or ~/.cache; 0 where none of
 * them is set. */
int sim_tuned_path(const char *name, char *out, size_t size);

#endif
