/* What a run ran on: the processor, the libraries as loaded, the matrix rate. */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include <jansson.h>

#include "ops.h"

struct sim_machine {
    char backend[16];   /* "cpu" */
    char device[160];   /* "AMD EPYC 9R14 (avx512)": the model and the instruction set in use */
    int threads;        /* OpenMP threads */
    double gemm_gflops; /* measured; 0: not measured */
};

/* Fills `out`; the matrix rate is measured for about gemm_seconds, or left 0. */
void sim_machine_read(struct sim_machine *out, const struct sim_ops *ops, double gemm_seconds);

/* {"onednn": "2.6.3", ...}: versions asked of the loaded libraries where they answer, else of their headers.
 * The caller releases it; NULL without memory. */
json_t *sim_machine_libraries(void);

int64_t sim_machine_peak_memory_bytes(void); /* of this process so far */
void sim_machine_utc(char out[32]);          /* "2026-11-23T07:00:00Z" */

#endif
