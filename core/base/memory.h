/* Where a block of memory comes from: the host's heap, or a device's. */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stddef.h>

struct sim_memory {
    /* Zeroed and aligned to 64 bytes at least; NULL without memory. */
    void *(*take)(void *context, size_t bytes);
    void (*release)(void *context, void *block); /* NULL is legal */
    void *context;
    const char *place; /* "host", "NVIDIA H100": what sentences about missing memory say */
};

/* The host's heap. */
extern const struct sim_memory sim_host_memory;

#endif
