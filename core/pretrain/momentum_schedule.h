/* How the momentum of a target network changes over a run: core/train/schedule.c. */
#ifndef SIM_MOMENTUM_SCHEDULE_H
#define SIM_MOMENTUM_SCHEDULE_H

enum sim_momentum_schedule { SIM_MOMENTUM_COSINE, SIM_MOMENTUM_CONST };
#define SIM_MOMENTUM_SCHEDULE_NAMES                                                                          \
    {                                                                                                        \
        "cosine", "const", NULL                                                                              \
    }

/* Whether the momentum keeps this base to the end: with weights shared (base 0) there is nothing to slow
 * down.
 */
static inline int sim_momentum_is_constant(double base, int schedule)
{
    return base == 0 || schedule == SIM_MOMENTUM_CONST;
}

#endif
