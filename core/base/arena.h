/* Arenas: many allocations, one release.  A planning pass over a measuring arena tells the size of
 * the one block that the real pass then takes (DESIGN.md, decision 2). */
#ifndef SIM_ARENA_H
#define SIM_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "status.h"

#define SIM_ALIGN_BYTES 64

struct sim_arena {
    unsigned char *base; /* NULL while measuring */
    size_t used_bytes, size_bytes;
    struct sim_memory memory; /* where base came from */
    int measuring, failed;    /* failed: a take ran past the block (a planning mistake) or overflowed */
};

/* An arena that owns no memory: takes return NULL and only add up.  Read used_bytes afterwards. */
void sim_arena_measure(struct sim_arena *a);

/* One zeroed block of size_bytes, 64-byte aligned, from `memory`.  Fails with SIM_ENOMEM, naming size and place. */
sim_status sim_arena_open(struct sim_arena *a, const struct sim_memory *memory, size_t size_bytes);

/* count elements of element_bytes each, 64-byte aligned; NULL while measuring, and NULL with
 * `failed` set where the block is too small.  Owned by the arena. */
void *sim_arena_take(struct sim_arena *a, size_t count, size_t element_bytes);

/* The same for floats. */
static inline float *sim_arena_floats(struct sim_arena *a, int64_t count)
{
    return sim_arena_take(a, (size_t)count, sizeof(float));
}

/* Releases the block; legal on a zeroed or measuring arena. */
void sim_arena_close(struct sim_arena *a);

/* malloc-family helpers with checked products; the caller frees.  NULL on overflow or no memory. */
void *sim_calloc_aligned(size_t count, size_t element_bytes);

#endif
