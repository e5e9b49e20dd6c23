/* A bounded store of decoded images, by index.  It fills up and then stays as it is: every epoch visits the
 * images in a new random order, so throwing one out for another would win nothing.  Safe from several threads
 * at once. */
#ifndef SIM_CACHE_H
#define SIM_CACHE_H

#include <stdint.h>

#include "pixels.h"
#include "status.h"

struct sim_cache;

sim_status sim_cache_open(struct sim_cache **out, int64_t images, int64_t limit_bytes);
void sim_cache_close(struct sim_cache *c); /* NULL is legal */

/* The stored image, which lives as long as the cache; NULL where there is none. */
const struct sim_image *sim_cache_find(const struct sim_cache *c, int64_t i);

/* Offers an image.  1: taken over, *image is zeroed, find() gives it from now on.  0: no room, or another
 * thread was first; the image stays the caller's. */
int sim_cache_offer(struct sim_cache *c, int64_t i, struct sim_image *image);

#endif
