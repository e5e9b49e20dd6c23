/* The memory that a loader's threads decode into and make views in, image after image. */
#ifndef SIM_WORKROOM_H
#define SIM_WORKROOM_H

#include "pixels.h"

struct sim_workroom { /* of one thread */
    struct sim_image source, view;
};

sim_status sim_workrooms_open(struct sim_workroom **out, int workers);
void sim_workrooms_close(struct sim_workroom *rooms, int workers); /* NULL is legal */

/* Closes an image whose memory is too large to be kept for the next one: what a thread, or a row of a batch,
 * holds is bounded by this. */
enum { SIM_WORKROOM_KEPT_BYTES = 2 << 20 };
void sim_workroom_bound(struct sim_image *im);

#endif
