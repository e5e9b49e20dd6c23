/* Event files for TensorBoard: numbers and pictures over the steps of a run.  A file is a sequence of
 * TFRecords (length, masked CRC-32C of the length, bytes, masked CRC-32C of the bytes; little-endian), each a
 * protocol buffer `Event` of TensorFlow's event.proto and summary.proto, of which the few fields needed here
 * are written out by hand. */
#ifndef SIM_EVENTS_H
#define SIM_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct sim_events; /* opaque: an open event file */

struct sim_event_value {
    const char *tag; /* "train/loss": TensorBoard groups by what stands before the slash */
    double value;    /* stored as float */
};

/* Makes a new file in an existing folder, named by time, machine and process so that files of one run sort in
 * the order in which they were begun.  What earlier files of the folder say of first_step and later steps is
 * superseded: a run that goes on from a checkpoint leaves no doubled curve. */
sim_status sim_events_open(struct sim_events **out, const char *folder, int64_t first_step);

/* Values of one step.  Every call writes one record, whole or not at all: the file can be read at any time.
 */
sim_status sim_events_put_values(struct sim_events *e, int64_t step, const struct sim_event_value *values,
                                 int count);

/* A picture: the bytes of a PNG file of this size, at most 256 MiB. */
sim_status sim_events_put_png(struct sim_events *e, int64_t step, const char *tag, const void *png,
                              size_t bytes, int width, int height);

void sim_events_close(struct sim_events **e); /* legal on NULL */

#endif
