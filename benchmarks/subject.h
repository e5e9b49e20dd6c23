/* What is measured: one optimiser step of an objective (loss, gradients, clipping, AdamW, EMA where there is one) of a
 * stated shape on synthetic inputs in memory, with the settings of peers/bench_step.py. */
#ifndef SIM_SUBJECT_H
#define SIM_SUBJECT_H

#include "watch.h" /* first: it says what activations are here */

#include "objectives.h"
#include "step.h"

struct sim_bench_shape {
    const char *name;
    int objective; /* SIM_OBJECTIVE_* */
    int64_t img, patch, dim, depth, heads, dec_dim, dec_heads, batch, hidden;
    int64_t dec_depth; /* of MAE's decoder; SiameseIM's depths are those below */
    int64_t mlp_dim;   /* of MoCo-v3's heads, whose output is dec_dim wide */
};

enum { SIM_BENCH_PROJECTOR_DEPTH = 2, SIM_BENCH_PREDICTOR_DEPTH = 4 };

extern const struct sim_bench_shape sim_bench_shapes[];
extern const int sim_bench_shape_count;

struct sim_subject {
    const struct sim_bench_shape *shape;
    struct sim_watch watch; /* off, unless someone looks */
    struct sim_objective objective;
    struct sim_optimiser optimiser;
    struct sim_train_config config;
    struct sim_batch batch;
    void *memory[3]; /* of the batch */
};

/* Holds the model's pointers into itself: does not move once open.  Legal to close after a failure.  device and
 * options as for sim_ops_open. */
sim_status sim_subject_open(struct sim_subject *s, const struct sim_bench_shape *shape, const char *device,
                            const struct sim_device_options *options);
/* One optimiser step; *seconds it took. */
sim_status sim_subject_step(struct sim_subject *s, double *seconds);
/* `count` steps, each queued without waiting for the one before; *seconds they took together. */
sim_status sim_subject_steps(struct sim_subject *s, int count, double *seconds);
void sim_subject_close(struct sim_subject *s);

#endif
