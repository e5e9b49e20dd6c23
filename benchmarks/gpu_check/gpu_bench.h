/* The timings of `make gpu-check`: one program, a subcommand per part, a JSON line per result on standard output.
 *
 * Every line has "kind": "facts", "rate", "operation", "step" or "profile"; gpu_check.sh adds "check" and "peer".
 * `report` reads them all and writes the table and the record. */
#ifndef SIM_GPU_BENCH_H
#define SIM_GPU_BENCH_H

#include <jansson.h>

#include "ops.h"
#include "subject.h"

/* One of a few things to queue again and again. */
struct sim_repeat {
    const struct sim_ops *ops;
    void (*queue)(void *argument);
    void *argument;
    double seconds; /* to spend on each of the rounds */
};

/* Seconds of one: the median of five rounds, each of so many that the wait at its end does not count, after a
 * warm-up. */
sim_status sim_repeat_time(const struct sim_repeat *r, double *seconds);

/* Prints one line and releases the object; a NULL object is an error of memory. */
sim_status sim_line_print(json_t *line);

/* Device memory full of numbers: normal ones in the backend's activations, or float32. */
sim_act *sim_bench_acts(const struct sim_ops *o, int64_t count);
float *sim_bench_floats(const struct sim_ops *o, int64_t count, float scale);
void sim_bench_release(const struct sim_ops *o, const void *block);

/* The subcommands; tiny: shapes for the host emulation, which prove the program and time nothing. */
sim_status sim_bench_rates(int tiny);
sim_status sim_bench_operations(int tiny);
sim_status sim_bench_augmentation(int tiny); /* part of `operations` */
sim_status sim_bench_steps(int tiny);
sim_status sim_bench_profile(int tiny);
sim_status sim_bench_report(const char *lines, const char *markdown, const char *record, double seconds);

/* The models that are timed: ViT-S/16 and ViT-B/16 at 224 pixels as in the paper; tiny ones of one block. */
struct sim_bench_model {
    struct sim_bench_shape shape; /* batch: the first of the two */
    int64_t larger_batch;
};
enum { SIM_BENCH_MODELS = 2 };
const struct sim_bench_model *sim_bench_models(int tiny);

#endif
