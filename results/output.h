/* The files of a report. */
#ifndef SIM_OUTPUT_H
#define SIM_OUTPUT_H

#include <stdio.h>

#include "status.h"

/* FOLDER/NAME = what `put` prints, whole or not at all; its path goes on a line of `terminal`, unless that is
 * NULL. */
sim_status sim_output_write(const char *folder, const char *name, FILE *terminal,
                            sim_status (*put)(FILE *to, const void *context), const void *context);

#endif
