/* What there is for runs side by side: cores and memory, of the machine and of the control group that we are
 * in. */
#ifndef SIM_ROOM_H
#define SIM_ROOM_H

#include <stdint.h>
#include <sys/types.h>

#include "experiment.h"

int sim_room_cores(void);                    /* at least 1 */
int64_t sim_room_free_bytes(void);           /* memory that can still be taken; -1: unknown */
int64_t sim_room_taken_bytes(pid_t process); /* memory that it holds now; 0 where it is gone */

/* Host memory that the run takes at most, about: activations and state of training or fine-tuning (unless a
 * device holds them), the cache of decoded images, and the program itself. */
sim_status sim_room_need(const struct sim_run *run, const char *backend, int64_t *bytes);

#endif
