/* One shape: our step, its products alone and the same step in PyTorch, in alternation. */
#ifndef SIM_MEASURE_H
#define SIM_MEASURE_H

#include "step_products.h"

struct sim_measure_config {
    int rounds;
    double seconds;     /* about so long for each of the things measured, each round; one step at least */
    const char *python; /* of the peers, NULL where there are none */
    const char *script; /* peers/bench_step.py */
};

/* Medians over the rounds; share and ratio are medians of the rounds' own quotients. */
struct sim_measure {
    const struct sim_bench_shape *shape;
    const char *isa;
    int rounds, threads;
    double images_per_s;
    double flop_per_image;     /* the method's products */
    double executed_flop_per_image; /* with attention's logits, which the backward makes again */
    double share_of_products;  /* time of the products alone over time of the step, by the faster way of the two */
    enum sim_step_products_way limit; /* which way that is */
    double share_by[SIM_STEP_PRODUCTS_WAYS];
    double torch_images_per_s, ratio; /* 0 without a peer */
    int torch_threads;
    char torch_version[32];
};

/* A line a round goes to the log. */
sim_status sim_measure_step(struct sim_measure *m, const struct sim_bench_shape *shape, const struct sim_measure_config *c);

#endif
