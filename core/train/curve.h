/* The curve of a run: what repeats, kept in each checkpoint, and all of it, timings included, in curve.json
 * beside them, so that a resumed run records the whole curve. */
#ifndef SIM_CURVE_H
#define SIM_CURVE_H

#include "loop.h"

/* What of an entry is the same whenever the run is repeated: epoch, step, loss, grad_norm, lr, momentum,
 * top1. */
enum { SIM_CURVE_NUMBERS = 7 };
void sim_curve_numbers(const struct sim_epoch_stats *e, double out[SIM_CURVE_NUMBERS]);
/* The entry of `epoch` from those, its timings NaN; 0: these are another epoch's numbers, or nobody's. */
int sim_curve_entry(const double numbers[SIM_CURVE_NUMBERS], int64_t epoch, struct sim_epoch_stats *out);

sim_status sim_curve_save(const char *path, const struct sim_epoch_stats *curve, int count);
/* Puts the timings of the file's entries to those of the same epochs. */
sim_status sim_curve_load_timings(const char *path, struct sim_epoch_stats *curve, int64_t count);

#endif
