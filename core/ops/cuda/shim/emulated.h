/* The inside of the emulated device: device.c (memory, failures) and streams.c (queues, events, graphs). */
#ifndef SIM_EMULATED_H
#define SIM_EMULATED_H

#include "shim.h"

/* Something queued: a call, or a step of the bookkeeping of events. */
struct sim_task {
    struct sim_task *next;
    enum { SIM_TASK_WORK, SIM_TASK_RECORD, SIM_TASK_WAIT } kind;
    sim_status (*work)(void *argument);
    struct sim_emulated_event *event; /* RECORD, WAIT */
    int64_t ticket;                   /* of the record that is made, or waited for */
    _Alignas(16) unsigned char argument[];
};

struct sim_tasks {
    struct sim_task *first, *last;
};

struct sim_emulated_stream {
    struct sim_device *device;
    struct sim_tasks queued;
    int captured; /* what is queued goes into the graph being captured */
    int unjoined; /* and the compute stream does not yet wait for it */
};

struct sim_emulated_event {
    struct sim_device *device;
    struct sim_emulated_stream *stream; /* of the last record; NULL: none yet */
    int64_t recorded, done;             /* tickets: last queued, last passed */
    int captured;                       /* the last record was captured */
    double at_s;
};

struct sim_emulated_graph {
    struct sim_tasks tasks;
};

struct sim_block {
    struct sim_block *next;
    unsigned char *at;
    size_t bytes;
};

struct sim_device {
    struct sim_device_facts facts;
    struct sim_emulated_stream streams[SIM_STREAMS];
    struct sim_block *blocks, *pinned;
    int64_t used_bytes;
    struct sim_emulated_graph *capture; /* being recorded, or NULL */
    int failed;
    char sentence[1024];
};

/* 1 where this range lies in page-locked memory. */
int sim_emulated_pinned(const struct sim_device *d, const void *at, size_t bytes);
void sim_emulated_drain(struct sim_device *d); /* runs everything queued */
/* Fails, and returns 1, where a graph is being captured: `what` cannot be done then. */
int sim_emulated_capturing(struct sim_device *d, const char *what);
void sim_emulated_forget(struct sim_tasks *tasks);

#endif
