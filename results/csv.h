/* Reading CSV (RFC 4180): fields in quotes may hold commas, doubled quotes and newlines. */
#ifndef SIM_CSV_H
#define SIM_CSV_H

#include <stdint.h>

#include "status.h"

struct sim_csv {
    char **fields;  /* (rows, cols) owned; the head is row 0 */
    int64_t *lines; /* (rows) where each row begins in the file; owned */
    int rows, cols;
};

/* At most 16 MiB.  Every row has as many fields as the head; else, and for quotes that do not match, an error
 * with file and line.  Empty lines are passed over. */
sim_status sim_csv_open(struct sim_csv *out, const char *path);
void sim_csv_close(struct sim_csv *c); /* a zeroed struct is legal */

const char *sim_csv_at(const struct sim_csv *c, int row, int col);
int sim_csv_col(const struct sim_csv *c, const char *name); /* -1: the head has none of this name */

#endif
