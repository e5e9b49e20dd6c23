#include "views_store.h"

#include <stdlib.h>
#include <string.h>

enum {
    SHARE = 4,  /* a quarter of what is free when the first image comes: the model's memory is taken by then,
                 * that  of workspaces and of scoring not */
    SLABS = 16, /* that the share is taken in, at least */
    SLAB_MAX_MB = 64,
    ALIGN_BYTES = 16
};

struct sim_view_slab {
    struct sim_view_slab *next;
    uint8_t *at;
    int64_t used_bytes, size_bytes;
};

void sim_view_store_close(struct sim_view_store *s, struct sim_device *d)
{
    for (struct sim_view_slab *slab = s->slabs, *next; slab; slab = next) {
        next = slab->next;
        sim_device_release(d, slab->at);
        free(slab);
    }
    free(s->image);
    *s = (struct sim_view_store){0};
}

sim_status sim_view_store_turn_to(struct sim_view_store *s, struct sim_device *d,
                                  const struct sim_view_set *set)
{
    if (!set->name[0] || !set->held || (s->images == set->images && strcmp(s->name, set->name) == 0))
        return SIM_OK;
    sim_view_store_close(s, d);
    s->image = calloc((size_t)set->images, sizeof *s->image);
    if (!s->image) return sim_fail(SIM_ENOMEM, "no memory for a list of %ld images", (long)set->images);
    memcpy(s->name, set->name, sizeof s->name);
    s->images = set->images;
    s->room_bytes = sim_device_free_bytes(d) / SHARE;
    s->slab_bytes = s->room_bytes / SLABS;
    if (s->slab_bytes > (int64_t)SLAB_MAX_MB << 20) s->slab_bytes = (int64_t)SLAB_MAX_MB << 20;
    return SIM_OK;
}

const struct sim_stored_image *sim_view_store_find(const struct sim_view_store *s, int64_t image)
{
    return image >= 0 && image < s->images && s->image[image].rgb ? &s->image[image] : NULL;
}

/* A new slab with room for so many bytes, or NULL.  Memory that others have taken ends the share early. */
static struct sim_view_slab *open_slab(struct sim_view_store *s, struct sim_device *d, int64_t bytes)
{
    int64_t size = bytes > s->slab_bytes ? bytes : s->slab_bytes;
    if (size > s->room_bytes) return NULL;
    struct sim_view_slab *slab = malloc(sizeof *slab);
    uint8_t *at = slab ? sim_device_take(d, (size_t)size) : NULL;
    if (!at) {
        free(slab);
        s->room_bytes = 0;
        return NULL;
    }
    *slab = (struct sim_view_slab){.next = s->slabs, .at = at, .size_bytes = size};
    s->room_bytes -= size;
    return s->slabs = slab;
}

const struct sim_stored_image *sim_view_store_add(struct sim_view_store *s, struct sim_device *d,
                                                  int64_t image, int width, int height)
{
    const int64_t bytes = ((int64_t)width * height * 3 + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    struct sim_view_slab *slab = s->slabs;
    if (image < 0 || image >= s->images) return NULL;
    if (!slab || slab->size_bytes - slab->used_bytes < bytes) slab = open_slab(s, d, bytes);
    if (!slab) return NULL;
    s->image[image] = (struct sim_stored_image){slab->at + slab->used_bytes, width, height};
    slab->used_bytes += bytes;
    return &s->image[image];
}
