/* Distances between what was computed and the truth, and the verdicts they add up to. */
#ifndef SIM_VERIFY_COMPARE_H
#define SIM_VERIFY_COMPARE_H

#include "verify.h"
#include "verify_case.h"

/* Blank verdicts with the measures and bounds of this precision. */
void sim_verdicts_start(struct sim_verdict v[SIM_VERIFY_QUANTITIES], enum sim_precision precision);

/* MoCo-v3's bounds in their place (verify.h). */
void sim_verdicts_moco_v3(struct sim_verdict v[SIM_VERIFY_QUANTITIES], enum sim_precision precision);

/* One comparison more; a NaN is the worst there is. */
void sim_verdict_note(struct sim_verdict *v, double error, const char *where);

/* One tensor, by the measure of `v`.  Where the truth is exactly zero (softmax does not see a constant added
 * to every key: the key third of a qkv bias; the tensors that the ground truth lists; running means whose
 * true value is zero, or which such a tensor shifts) rounding noise has neither relative size nor direction:
 * those parts are held to an absolute bound, noted in `zeros` as a fraction of it. */
void sim_compare_tensor(struct sim_verdict *v, struct sim_verdict *zeros, double zero_bound,
                        const struct sim_case *c, const char *name, const float *ours, const float *truth,
                        int64_t count);

/* The direction of final - initial over many tensors, parts that are noise by the rules above left out. */
struct sim_heading {
    double dot, ours, truth;
};
void sim_heading_add(struct sim_heading *h, const struct sim_case *c, const char *name, const float *ours,
                     const float *truth, const float *start, int64_t count);
/* The same of a tensor of which no part is noise. */
void sim_heading_add_all(struct sim_heading *h, const float *ours, const float *truth, const float *start,
                         int64_t count);
double sim_heading_error(const struct sim_heading *h); /* 1 - cosine */

/* |a - b| / |b| in L2 (|a - b| where b is zero); 1 - cosine (0 where both are zero). */
double sim_distance_relative(const float *a, const float *b, int64_t count);
double sim_distance_direction(const float *a, const float *b, int64_t count);

#endif
