/* What a run ran on: the processor, the libraries as loaded, the matrix rate. */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include <jansson.h>

#include "facts.h"
#include "ops.h"

struct sim_machine {
    char backend[16];           /* "cpu" */
    struct sim_ops_facts facts; /* device, driver, libraries, and what was substituted until they were read */
    enum sim_precision precision;
    int deterministic;
    int threads;        /* OpenMP threads */
    double gemm_gflops; /* measured; 0: not measured */
};

/* Fills `out`; the matrix rate is measured for about gemm_seconds, or left 0: an emulated device has none. */
void sim_machine_read(struct sim_machine *out, const struct sim_ops *ops, double gemm_seconds);

/* {"onednn": "2.6.3", ...}: the backend's libraries, then those for data; versions asked of the loaded
 * libraries where they answer, else of their headers.  The caller releases it; NULL without memory. */
json_t *sim_machine_libraries(const struct sim_ops_facts *backend);

/* Threads of GNU OpenMP that wait for each other spin, by default for milliseconds; with the loader's threads
 * on the same cores that costs a multiple of the time.  The runtime reads how long to spin when it is loaded,
 * so this starts the program anew, once, with a short spin in its environment; a user's own GOMP_SPINCOUNT or
 * OMP_WAIT_POLICY stands.  Returns where nothing is to be done or it cannot be done. */
void sim_machine_spin_briefly(char **argv);

int64_t sim_machine_peak_memory_bytes(void); /* of this process so far */
void sim_machine_utc(char out[32]);          /* "2026-11-23T07:00:00Z" */

#endif
