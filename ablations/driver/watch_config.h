/* What can be seen of a run while it trains (watch.h); nothing here changes its result. */
#ifndef SIM_WATCH_CONFIG_H
#define SIM_WATCH_CONFIG_H

#include "fields.h"

struct sim_watch_config {
    int tensorboard;     /* event files are written */
    int64_t every_steps; /* between points of their curves */
    int64_t views;       /* training images whose views they show */
};

extern const struct sim_field sim_watch_fields[];
extern const int sim_watch_field_count;

#endif
