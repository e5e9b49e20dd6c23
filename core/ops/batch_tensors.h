/* The tensors of one training batch: here, below models and objectives, because all of them see it; the
 * sources that yield batches are in core/train/batch.h. */
#ifndef SIM_BATCH_TENSORS_H
#define SIM_BATCH_TENSORS_H

#include <stdint.h>

struct sim_view_jobs; /* view_jobs.h */

/* One training batch.  B images, S = img_size, L = (S / patch_size)^2 patches in raster order. */
struct sim_batch {
    int64_t size;       /* B */
    const float *view1; /* (B, 3, S, S) normalised; the masked online input */
    const float *view2; /* (B, 3, S, S); the target's input, NULL where the objective asks for one view */
    /* What to make the views of, where view1 and view2 are NULL: for a backend that makes them (make_views).
     */
    const struct sim_view_jobs *jobs1, *jobs2;
    const uint8_t *mask;   /* (B, L) 1 = hidden in view 1; the same count in every row */
    const float *geometry; /* (B, 6) di, dj, sh, sw, flip, fj: method.md 1.6 */
    const int64_t *index;  /* (B) global sample index, keys the per-sample randomness of the model */
    /* Of a classifier's batch, which has one view: what it is to say, (B, classes), rows that sum to 1; and
     * drop-path factors (2 depth, B) in place of drawn ones, NULL where they are drawn. */
    const float *target, *keep;
};

#endif
