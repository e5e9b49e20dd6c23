/* What a device would do with an operation, asked of its libraries without the device: whether the fused
 * attention of a shape has a plan on a GPU that is only described, and what the plan needs. */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include <stdint.h>

#include "status.h"

struct sim_attention_shape {
    int64_t batch, tokens, heads, head_dim;
};

/* The two backward forms differ in how dQ is summed: in one order, over a workspace that holds dP, or by
 * atomic additions, whose last digits vary from run to run. */
enum sim_attention_pass {
    SIM_ATTENTION_FORWARD,       /* for inference: keeps nothing */
    SIM_ATTENTION_FORWARD_STATS, /* for training */
    SIM_ATTENTION_BACKWARD,
    SIM_ATTENTION_BACKWARD_FAST
};

struct sim_planner;

/* device_json: the device as cuDNN describes it in JSON (deviceName, deviceVer, multiProcessorCount ...; see
 * tests/driver/devices).  Fails, saying what is missing, where cuda is not compiled in or the library cannot
 * plan here: without a driver it needs the toolkit's stub as libcuda.so.1 on LD_LIBRARY_PATH. */
sim_status sim_planner_open(struct sim_planner **out, const char *device_json);
void sim_planner_close(struct sim_planner *p); /* NULL is legal */

/* "NVIDIA H200 (sm_90)", "cudnn 9.19.0".  Owned by the planner. */
const char *sim_planner_device(const struct sim_planner *p);
const char *sim_planner_library(const struct sim_planner *p);

struct sim_planned {
    int64_t engine;          /* the library's number of it */
    int64_t workspace_bytes; /* that the engine asks for */
    int64_t scratch_bytes;   /* that the backend lends besides */
    int64_t shared_bytes;    /* shared memory of a block */
    int loaded;              /* 1: the code was loaded too: such a device is here */
};

/* Fails where there is no plan, with shape, version, reason and remedy. */
sim_status sim_planner_attention(struct sim_planner *p, enum sim_attention_pass pass,
                                 const struct sim_attention_shape *s, struct sim_planned *out);

#endif
