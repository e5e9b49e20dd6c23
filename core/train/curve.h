/* The curve of a run beside its checkpoint: curve.json, one entry per finished epoch, timings included, so
 * that a resumed run records the whole curve. */
#ifndef SIM_CURVE_H
#define SIM_CURVE_H

#include "loop.h"

sim_status sim_curve_save(const char *path, const struct sim_epoch_stats *curve, int count);
/* Entries of epochs 1..most; fewer there than that, or others, are an error.  The caller frees *curve. */
sim_status sim_curve_load(const char *path, int64_t most, struct sim_epoch_stats **curve);

#endif
