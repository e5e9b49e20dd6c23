/* Robustness (Hendrycks and Dietterich, ICLR 2019; MAE's and SiameseIM's tables): a trained labeller on
 * images unlike those of its training, without any further training. */
#ifndef SIM_ROBUSTNESS_H
#define SIM_ROBUSTNESS_H

#include "labeller.h"
#include "scores.h"
#include "shifted.h"

struct sim_robustness_job {
    const struct sim_labeller *labeller;
    const struct sim_labelled
        *train;           /* what the labeller was trained on: its classes are the logits' columns */
    int64_t train_images; /* that it was trained on */
    const struct sim_shifted *shifted;
    const struct sim_eval_config *config;
    const volatile sig_atomic_t *stop; /* not 0: SIM_EINTERRUPT at the next batch; may be NULL */
};

enum { SIM_ROBUSTNESS_SCORES = 5 };                                    /* room for them all */
extern const char *const sim_robustness_scores[SIM_ROBUSTNESS_SCORES]; /* their names, in this order */

/* In this order, as far as there are images:
 *   robust_mce     1 - mCE, where all corruptions and severities are there: CE of a corruption is its mean
 * error over the severities, divided by the reference's; mCE is the mean of the CEs.  Below 0 where errors
 * are larger than the reference's. robust_c       mean top-1 accuracy over corruptions and severities, every
 * one of them in the protocol robust_a, robust_r  top-1 among the set's classes, which may be some of those
 * of training: the likeliest of theirs robust_sketch  top-1 Standard errors are those of a mean over images.
 * A class that training did not have, one that is missing where all are needed, and corruptions of different
 * numbers of images are errors that name set and class.  *skipped: damaged images, of the set that has the
 * most. */
sim_status sim_score_robustness(const struct sim_robustness_job *job, struct sim_score *out, int room,
                                int *count, int64_t *skipped);

#endif
