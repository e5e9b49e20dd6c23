/* What the scores of a frozen encoder share: the checks on features, and the filling of struct sim_score. */
#ifndef SIM_PROTOCOL_H
#define SIM_PROTOCOL_H

#include "scores.h"

/* Both sets are there, agree in width and classes, carry labels in range and finite numbers; else an error
 * that names `score`, the split, the row and the column. */
sim_status sim_features_check(const struct sim_features *train, const struct sim_features *val,
                              const char *score);

/* Everything but the protocol: top-1 from the count of right answers, with sqrt(p (1 - p) / n). */
void sim_score_fill(struct sim_score *out, const char *name, int64_t right, int64_t train_images,
                    int64_t val_images);

/* Where the label was said. */
int64_t sim_score_count_right(const int32_t *said, const int32_t *label, int64_t n);

/* SIM_EINTERRUPT once the user has asked to stop; stop may be NULL. */
sim_status sim_score_go_on(const volatile sig_atomic_t *stop);

#endif
