/* A labelled set whose images tell their class by a bright channel (the fourth: by none), in noise that
 * depends on how they are looked at. */
#ifndef TEST_MADE_LABELLED_H
#define TEST_MADE_LABELLED_H

#include <signal.h>

#include "batch.h"

struct made {
    int side, classes; /* classes at most 4 */
    int64_t images;
    float noise;           /* its deviation; the channel is 2 above */
    int64_t damaged_every; /* 0: none is; else images 0, n, 2n ... */
    int64_t fails_at;      /* this read fails, the first being 1; 0: none */
    int64_t reads;
    volatile sig_atomic_t *stop; /* set at the stop_at'th read */
    int64_t stop_at;
    int under_way;
    struct sim_look look; /* of the last read */
    sim_status status;
};

/* Borrows *m. */
struct sim_labelled made_labelled(struct made *m);

/* Image i as it is read under a look: x (3, side, side). */
void made_image(const struct made *m, const struct sim_look *look, int64_t i, float *x);

#endif
