/* What the scores of a frozen encoder share: the checks on features, and the filling of struct sim_score. */
#ifndef SIM_PROTOCOL_H
#define SIM_PROTOCOL_H

#include "scores.h"

/* Both sets are there, agree in width and classes, carry labels in range and finite numbers; else an error
 * that names `score`, the split, the row and the column. */
sim_status sim_features_check(const struct sim_features *train, const struct sim_features *val,
                              const char *score);

/* Everything but the protocol: top-1 from the count of right answers, with sqrt(p (1 - p) / n). */
void sim_score_fill(struct sim_score *out, const char *name, int64_t right, const struct sim_features *train,
                    const struct sim_features *val);

#endif
