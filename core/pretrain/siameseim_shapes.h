/* The attention that SiameseIM runs, as shapes: what a device must have plans for. */
#ifndef SIM_SIAMESEIM_SHAPES_H
#define SIM_SIAMESEIM_SHAPES_H

#include "plan.h"
#include "siameseim_config.h"

struct sim_attention_use {
    const char *where; /* "online encoder" */
    struct sim_attention_shape shape;
    int trained; /* 1: a backward follows */
};

enum { SIM_ATTENTION_USES = 5 };

/* Every attention of a step of `batch` images of which `visible` patches are seen in view 1; returns how
 * many. */
int sim_siameseim_attention(struct sim_attention_use out[SIM_ATTENTION_USES],
                            const struct sim_vit_config *vit, const struct sim_siameseim_config *c,
                            int64_t batch, int64_t visible);

#endif
