/* Reading CSV (RFC 4180): fields in quotes may hold commas, doubled quotes and newlines. */
#ifndef SIM_CSV_H
#define SIM_CSV_H

#include <stdint.h>

#include "status.h"

struct sim_csv_row {
    char **fields; /* one for each column; owned */
    int64_t line;  /* where the row begins in the file, from 1 */
};

struct sim_csv {
    char *path;               /* owned */
    struct sim_csv_row *rows; /* (count) below the head; owned */
    int64_t count;
    int columns;
};

/* Reads a file of at most 16 MiB whose head is exactly `columns` (NULL last), in this order.  Another head, a
 * row of more or fewer fields, and quotes that do not match are errors with file and line.  Empty lines are
 * passed over.  *out is to be closed either way. */
sim_status sim_csv_read(struct sim_csv *out, const char *path, const char *const *columns);
void sim_csv_close(struct sim_csv *c); /* a zeroed struct is legal */

#endif
