/* A step's matrix products run alone: the speed that the step would have if everything else cost nothing.
 *
 * The products are those that the watch saw in one step, in their order, on the very operands of the step: the same
 * shapes, strides, memory and library, so neither colder nor warmer than there.  What they overwrite (activations,
 * gradients), the next step makes again before it reads it. */
#ifndef SIM_STEP_PRODUCTS_H
#define SIM_STEP_PRODUCTS_H

#include "subject.h"

enum sim_step_products_way {
    SIM_STEP_PRODUCTS_TILED, /* dense ones by ops->gemm, attention in blocks of query rows as core/ops/cpu/attention.c */
    SIM_STEP_PRODUCTS_PLAIN, /* dense ones by the library's own threads, attention in whole matrices */
    SIM_STEP_PRODUCTS_WAYS
};

struct sim_step_products {
    struct sim_subject *subject;
    float *scratch;    /* `lane` floats for every thread */
    int64_t lane;
    double flop;       /* executed in a step, attention's logits counted again where its backward makes them again */
    double flop_again; /* that second making */
};

/* Runs a watched step.  Fails where its products are not the cost that the objective states, to 3 %: then an
 * operation multiplies unseen. */
sim_status sim_step_products_open(struct sim_step_products *p, struct sim_subject *s);
/* All products once; *seconds it took. */
sim_status sim_step_products_run(const struct sim_step_products *p, enum sim_step_products_way way, double *seconds);
void sim_step_products_close(struct sim_step_products *p);

#endif
