/* What timing needs of a device beyond its operations: marks in its queue, and its own copy.  A header of its own
 * because the backend's and the models' do not meet elsewhere. */
#ifndef SIM_MARKS_H
#define SIM_MARKS_H

#include "watch.h"

/* Marks as events on the compute stream of an open CUDA backend, which outlives them. */
sim_status sim_marks_open(struct sim_watch_clock *out, const struct sim_ops *o);
void sim_marks_close(struct sim_watch_clock *c);

/* Queues a copy from device memory to device memory. */
void sim_marks_copy(const struct sim_ops *o, void *to, const void *from, size_t bytes);

#endif
