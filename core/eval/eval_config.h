/* How a frozen encoder is scored. */
#ifndef SIM_EVAL_CONFIG_H
#define SIM_EVAL_CONFIG_H

#include "fields.h"

struct sim_eval_config {
    int knn, logistic; /* which scores are made */
    int64_t knn_k;
    double knn_temperature;
    int logistic_standardize; /* features to mean 0 and deviation 1 of the train set first */
    double logistic_l2; /* lambda of lambda/2 |W|^2, loss averaged over images; no penalty on the bias */
    int64_t logistic_max_iter;
    double logistic_tolerance; /* stop when |g| / max(1, |w|) falls below */
    int64_t batch_size;        /* images per forward pass */
};

extern const struct sim_field sim_eval_fields[];
extern const int sim_eval_field_count;

#endif
