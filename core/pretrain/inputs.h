/* What every objective does with a batch before its step: views and masks are brought to where operations
 * read them. */
#ifndef SIM_INPUTS_H
#define SIM_INPUTS_H

#include "batch_tensors.h"
#include "ops.h"

/* One view, *view (batch, 3, side, side): as it came (finished), or made in `staging` from its jobs.  Fails
 * where there is neither, and on jobs of other sizes. */
sim_status sim_inputs_view(const struct sim_ops *o, const float **view, float *staging, const float *finished,
                           const struct sim_view_jobs *jobs, int64_t batch, int64_t side);

/* The patches that a mask (batch, patches), 1 = hidden, leaves visible, in raster order: index (batch,
 * *visible). Fails where images hide different numbers, and where none or more than max_visible are visible.
 */
sim_status sim_inputs_visible(int32_t *index, int64_t *visible, const uint8_t *mask, int64_t batch,
                              int64_t patches, int64_t max_visible);

/* Fails where a batch has not the size that a model is planned for. */
sim_status sim_inputs_size(const struct sim_batch *batch, int64_t planned);

#endif
