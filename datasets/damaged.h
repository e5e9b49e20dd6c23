/* The account that a set keeps of its images which were passed over as damaged: each is named in the log
 * once, the first few, and can be named in a record. */
#ifndef SIM_DAMAGED_H
#define SIM_DAMAGED_H

#include "images.h"

sim_status sim_damaged_open(struct sim_images *s); /* sim_images_close closes it */
void sim_damaged_close(struct sim_images *s);

/* Image i was passed over.  From one thread at a time; nothing where no account is kept. */
void sim_damaged_note(const struct sim_images *s, int64_t i);
/* Forgets them all: another run begins. */
void sim_damaged_forget(const struct sim_images *s);

/* How many there are, each counted once; the first `most` of them, ascending, into index. */
int64_t sim_damaged_list(const struct sim_images *s, int64_t *index, int64_t most);

#endif
