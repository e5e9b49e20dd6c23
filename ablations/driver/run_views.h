/* What a run is shown of one training image in one epoch: drawn anew, as its loader draws it. */
#ifndef SIM_RUN_VIEWS_H
#define SIM_RUN_VIEWS_H

#include "draw_views.h"
#include "images.h"
#include "run_config.h"

struct sim_run_views {
    struct sim_image source;
    uint8_t *mask;                    /* (grid, grid), 1 = hidden */
    int64_t hidden;                   /* patches */
    struct sim_views_drawing drawing; /* points into this struct and the configuration */
};

/* Reads image `index` and draws both views and the mask of `epoch`, from 0. */
sim_status sim_run_views_open(struct sim_run_views *out, const struct sim_run_config *c,
                              const struct sim_images *images, int64_t index, int64_t epoch);
void sim_run_views_close(struct sim_run_views *v);

#endif
