/* What a run is computed in: the keys `compute.*`, and what a backend is opened with for them. */
#ifndef SIM_COMPUTE_CONFIG_H
#define SIM_COMPUTE_CONFIG_H

#include "fields.h"
#include "ops.h"

struct sim_compute_config {
    int precision;     /* enum sim_precision */
    int deterministic; /* 0: the faster backward of attention, whose sums vary from run to run */
    int cuda_graph;    /* a step is recorded once and repeated; equal results */
    int tune;          /* candidates for every product are timed */
};

extern const struct sim_field sim_compute_fields[];
extern const int sim_compute_field_count;

/* "auto", "fp32", "tf32", "bf16". */
const char *sim_precision_name(enum sim_precision p);
/* The precision of this name, or SIM_EINVAL with all names and `where` ("--precision") in front. */
sim_status sim_precision_parse(const char *name, const char *where, enum sim_precision *out);

/* What AUTO stands for on a backend of this name. */
enum sim_precision sim_precision_on(const char *backend, enum sim_precision asked);

/* The options that open a backend for this configuration on device `ordinal`; no ranks. */
struct sim_device_options sim_compute_options(const struct sim_compute_config *c, int ordinal);

#endif
