#include "cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct sim_cache {
    int64_t images, limit_bytes;
    _Atomic int64_t used_bytes;
    _Atomic(struct sim_image *) entry[]; /* NULL: not stored.  Never changes once set */
};

sim_status sim_cache_open(struct sim_cache **out, int64_t images, int64_t limit_bytes)
{
    struct sim_cache *c = calloc(1, sizeof *c + (size_t)images * sizeof *c->entry);
    *out = c;
    if (!c) return sim_fail(SIM_ENOMEM, "no memory for a cache of %ld images", (long)images);
    c->images = images;
    c->limit_bytes = limit_bytes;
    return SIM_OK;
}

void sim_cache_close(struct sim_cache *c)
{
    if (!c) return;
    for (int64_t i = 0; i < c->images; i++) {
        struct sim_image *image = c->entry[i];
        if (image) sim_image_close(image);
        free(image);
    }
    free(c);
}

const struct sim_image *sim_cache_find(const struct sim_cache *c, int64_t i)
{
    return atomic_load_explicit(&c->entry[i], memory_order_acquire);
}

int sim_cache_offer(struct sim_cache *c, int64_t i, struct sim_image *image)
{
    int64_t bytes = (int64_t)image->room_bytes + (int64_t)sizeof *image;
    if (atomic_fetch_add(&c->used_bytes, bytes) + bytes <= c->limit_bytes) {
        struct sim_image *copy = malloc(sizeof *copy), *expected = NULL;
        if (copy) {
            *copy = *image;
            if (atomic_compare_exchange_strong(&c->entry[i], &expected, copy)) {
                memset(image, 0, sizeof *image);
                return 1;
            }
        }
        free(copy);
    }
    atomic_fetch_sub(&c->used_bytes, bytes);
    return 0;
}
