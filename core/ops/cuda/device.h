/* One CUDA device as the backend's C files see it: memory, copies, streams, events, graphs.  Two fillings, of
 * which a program links one: nvidia/device.c over the CUDA runtime, and shim/device.c, which plays a device
 * on the host so that the backend can be put to the test on a machine without a GPU.  No CUDA header is
 * needed to include this.
 *
 * Copies, zeroing and kernels are queued on a stream; a failure is kept (sim_device_failure) and makes what
 * follows do nothing. */
#ifndef SIM_CUDA_DEVICE_H
#define SIM_CUDA_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct sim_device;
typedef void *sim_stream; /* a cudaStream_t */
typedef void *sim_event;  /* a cudaEvent_t */
typedef void *sim_graph;  /* a cudaGraphExec_t */

struct sim_device_facts {
    char name[128];   /* "NVIDIA H100 80GB HBM3"; the shim's says that it is none */
    int emulated;     /* 1: the shim */
    int major, minor; /* compute capability; the shim's: 0.0 */
    int multiprocessors;
    int64_t memory_bytes, l2_bytes;
    int driver, runtime; /* 13000 = 13.0; 0: none */
};

/* The version of the CUDA runtime that is linked, whether a device is there or not; the shim's: 0. */
int sim_device_runtime(void);

/* Fails where there is no such device, naming what is there and the driver's and runtime's versions. */
sim_status sim_device_open(struct sim_device **out, int ordinal);
void sim_device_close(struct sim_device *d); /* NULL is legal */
const struct sim_device_facts *sim_device_facts(const struct sim_device *d);

/* The stream that operations are queued on, and two beside it: copies from the host, collectives. */
enum sim_lane_of { SIM_STREAM_COMPUTE, SIM_STREAM_COPY, SIM_STREAM_RANKS, SIM_STREAMS };
sim_stream sim_device_stream(const struct sim_device *d, enum sim_lane_of which);

/* Device memory, zeroed, 256-byte aligned; NULL without memory, with the failure's sentence (bytes asked for,
 * free, of how many) left in sim_error_text but not kept as the device's failure.  Release waits for queued
 * work. */
void *sim_device_take(struct sim_device *d, size_t bytes);
/* What could be taken now, in the driver's own estimate; 0 where it gives none. */
int64_t sim_device_free_bytes(const struct sim_device *d);
void sim_device_release(struct sim_device *d, void *block);
/* Page-locked host memory. */
void *sim_device_take_pinned(struct sim_device *d, size_t bytes);
void sim_device_release_pinned(struct sim_device *d, void *block);

enum sim_direction { SIM_TO_DEVICE, SIM_TO_HOST, SIM_ON_DEVICE };
void sim_device_copy(struct sim_device *d, sim_stream s, void *to, const void *from, size_t bytes,
                     enum sim_direction way);
void sim_device_zero(struct sim_device *d, sim_stream s, void *at, size_t bytes);

sim_event sim_device_event_open(struct sim_device *d); /* NULL: failure kept */
void sim_device_event_close(struct sim_device *d, sim_event e);
void sim_device_event_record(struct sim_device *d, sim_event e, sim_stream s);
void sim_device_stream_waits(struct sim_device *d, sim_stream s, sim_event e); /* s goes on after e */
void sim_device_event_wait(struct sim_device *d, sim_event e);                 /* the host waits */
int sim_device_event_passed(struct sim_device *d, sim_event e); /* 1 also where it never will: a failure */
double sim_device_event_ms(struct sim_device *d, sim_event from, sim_event to); /* after waiting for `to` */
void sim_device_wait(struct sim_device *d); /* the host waits for everything */

/* What is queued on the compute stream (and on streams that wait for it and are waited for) between begin and
 * end is recorded, not run; launch runs it.  end returns NULL where recording failed, with the failure kept.
 */
void sim_device_capture_begin(struct sim_device *d);
sim_graph sim_device_capture_end(struct sim_device *d);
void sim_device_graph_launch(struct sim_device *d, sim_graph g);
void sim_device_graph_close(struct sim_device *d, sim_graph g);

/* Keeps a failure of a library called on this device's streams, if none is kept yet (printf format). */
void sim_device_fail(struct sim_device *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Asks for errors of launches since the last call; the first failure's sentence, or NULL; `clear` forgets it.
 */
const char *sim_device_failure(struct sim_device *d, int clear);

#endif
