/* Where a step's time goes: the watch's log, added up by operation and by shape. */
#ifndef SIM_PROFILE_H
#define SIM_PROFILE_H

#include "subject.h"

/* Runs a warm-up and then `steps` watched steps; prints two Markdown tables. */
sim_status sim_profile_print(struct sim_subject *s, int steps);

#endif
