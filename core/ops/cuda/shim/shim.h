/* What the parts of the host's emulation share: work queued on the emulated device's streams. */
#ifndef SIM_SHIM_H
#define SIM_SHIM_H

#include "device.h"
#include "launch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Queues work(argument, bytes copied) on a stream: called at once, or, while a graph is captured, copied into
 * the graph and called at each of its launches.  What `work` returns other than SIM_OK becomes the device's
 * failure, with sim_error_text() as its sentence; after a failure nothing is called.  For the emulation's
 * libraries (products, collectives), which must do all they do to device memory in here. */
void sim_shim_queue(sim_stream stream, sim_status (*work)(void *argument), const void *argument,
                    size_t bytes);

/* The same for a kernel, whose arguments are `argument_bytes` at l->arguments. */
void sim_shim_queue_launch(sim_stream stream, const struct sim_shim_launch *l, size_t argument_bytes);

/* For tests: devices opened from now on have this much memory; 0: the preset, or what the environment's
 * SIM_SHIM_MEMORY says in bytes. */
void sim_shim_set_memory(int64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
