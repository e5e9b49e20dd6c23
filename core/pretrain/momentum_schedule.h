/* How the momentum of a target network changes over a run: core/train/schedule.c. */
#ifndef SIM_MOMENTUM_SCHEDULE_H
#define SIM_MOMENTUM_SCHEDULE_H

enum sim_momentum_schedule { SIM_MOMENTUM_COSINE, SIM_MOMENTUM_CONST };
#define SIM_MOMENTUM_SCHEDULE_NAMES                                                                          \
    {                                                                                                        \
        "cosine", "const", NULL                                                                              \
    }

#endif
