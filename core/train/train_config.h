/* The optimiser and the length of a run. */
#ifndef SIM_TRAIN_CONFIG_H
#define SIM_TRAIN_CONFIG_H

#include "fields.h"

struct sim_train_config {
    int64_t epochs, batch_size;
    double blr; /* base lr per 256 images: lr = blr * batch_size / 256 */
    double lr;  /* absolute lr; 0: from blr */
    double min_lr;
    double warmup_epochs;
    double weight_decay, beta1, beta2, eps;
    double clip_grad;                            /* global L2 norm; 0: none */
    int64_t save_every_epochs, save_every_steps; /* checkpoints; 0: only at the end */
    double save_every_minutes;                   /* by this process's clock; 0: by no clock */
    int64_t keep_last,
        keep_every_epochs; /* the newest, at least 1, and for good those of every so many epochs */
    int64_t max_steps;     /* stop after so many steps in all (the schedules still follow epochs); 0: none */
};

extern const struct sim_field sim_train_fields[];
extern const int sim_train_field_count;

sim_status sim_train_config_check(const struct sim_train_config *c);

#endif
