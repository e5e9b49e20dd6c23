/* Decoded source images that stay on the device: those of one set, each from the first time its pixels come,
 * until a share of the memory that was free is full.  It then stays as it is, as every epoch visits the
 * images in a new order; the others are streamed. */
#ifndef SIM_VIEWS_STORE_H
#define SIM_VIEWS_STORE_H

#include "device.h"
#include "view_jobs.h"

struct sim_stored_image {
    uint8_t *rgb; /* on the device, (height, width, 3); NULL: not here */
    int32_t width, height;
};

struct sim_view_slab; /* device memory that images are laid into one after another */

struct sim_view_store {
    char name[17]; /* of the set */
    int64_t images;
    struct sim_stored_image *image; /* (images) */
    struct sim_view_slab *slabs;
    int64_t room_bytes; /* of the share, not yet taken */
    int64_t slab_bytes;
};

/* Makes it a store of this set: what it holds of another one is let go, which waits for the device. */
sim_status sim_view_store_turn_to(struct sim_view_store *s, struct sim_device *d,
                                  const struct sim_view_set *set);
/* Where an image lies; NULL where it is not here. */
const struct sim_stored_image *sim_view_store_find(const struct sim_view_store *s, int64_t image);
/* Where it is to be copied, from then on found; NULL where there is no room. */
const struct sim_stored_image *sim_view_store_add(struct sim_view_store *s, struct sim_device *d,
                                                  int64_t image, int width, int height);
void sim_view_store_close(struct sim_view_store *s, struct sim_device *d); /* a zeroed one is legal */

#endif
