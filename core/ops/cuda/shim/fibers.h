/* Fibers: stacks of their own that one thread of the host steps between.  A kernel's threads that wait at
 * barriers run on them. */
#ifndef SIM_FIBERS_H
#define SIM_FIBERS_H

#include <stddef.h>

struct sim_fiber {
    void *stack; /* NULL until first used */
    void *place; /* the stack pointer while it is not running */
    void *fake;  /* AddressSanitizer's stack of the same fiber */
};

/* Where a fiber steps back to; one per host thread that runs fibers. */
struct sim_fiber_home {
    void *place, *fake;
    const void *bottom; /* of the host thread's own stack, for AddressSanitizer */
    size_t size;
    struct sim_fiber *running;
    void (*body)(struct sim_fiber_home *home);
};

/* Steps into a fiber, until it steps back.  A fresh one (stack NULL, or after sim_fiber_reset) begins with
 * home->body, which must not return.  Returns 0 where there is no memory for a stack. */
int sim_fiber_enter(struct sim_fiber_home *home, struct sim_fiber *f);
/* In a fiber: back to whoever entered it, until entered again. */
void sim_fiber_leave(struct sim_fiber_home *home);
/* Gives up what the fiber was doing: its next entry begins anew. */
void sim_fiber_reset(struct sim_fiber *f);
void sim_fiber_close(struct sim_fiber *f);

#endif
