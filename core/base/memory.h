/* Where a block of memory comes from: the host's heap, or a device's. */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stddef.h>

#include "status.h"

struct sim_memory {
    /* Zeroed and aligned to 64 bytes at least; NULL without memory. */
    void *(*take)(void *context, size_t bytes);
    void (*release)(void *context, void *block); /* NULL is legal */
    void *context;
    const char *place; /* "host", "NVIDIA H100": what sentences about missing memory say */
    int says_why;      /* 1: where take returns NULL it leaves a sentence in sim_error_text() */
};

/* The failure of a take that returned NULL; `what` the bytes were for. */
sim_status sim_memory_lacks(const struct sim_memory *m, const char *what, size_t bytes);

/* The host's heap. */
extern const struct sim_memory sim_host_memory;

#endif
