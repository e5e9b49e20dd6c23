/* Text files line by line, with a bound on what a line may take: a file without newlines is an error, not all
 * of the memory. */
#ifndef SIM_LINES_H
#define SIM_LINES_H

#include <stdint.h>
#include <stdio.h>

#include "status.h"

struct sim_lines {
    char *text;     /* the line that was read, without its newline, a zero behind it; owned */
    size_t size;    /* of it, zeros inside included */
    int64_t number; /* from 1 */
    /* private */
    FILE *file;
    const char *path;
    size_t room, most_bytes;
};

/* Opens the file; SIM_EIO with errno set where that fails.  `path` is borrowed, and stands in errors. */
sim_status sim_lines_open(struct sim_lines *l, const char *path, size_t most_bytes);
/* Reads the next line, *more = 0 where there is none.  One of more than most_bytes is SIM_EFORMAT. */
sim_status sim_lines_next(struct sim_lines *l, int *more);
void sim_lines_close(struct sim_lines *l); /* a zeroed struct is legal */

#endif
