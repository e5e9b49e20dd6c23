#include "eval_config.h"

#define F(name, type, low, high, preset, help)                                                               \
    {                                                                                                        \
#name, type, offsetof(struct sim_eval_config, name), low, high, NULL, preset, help                   \
    }

const struct sim_field sim_eval_fields[] = {
    F(knn, SIM_FIELD_BOOL, 0, 0, "true", "score by weighted k nearest neighbours"),
    F(logistic, SIM_FIELD_BOOL, 0, 0, "true", "score by multinomial logistic regression on frozen features"),
    F(knn_k, SIM_FIELD_INT, 1, 10000, "20", "neighbours"),
    F(knn_temperature, SIM_FIELD_REAL, 1e-4, 100, "0.07", "votes weigh exp(cosine similarity / temperature)"),
    F(logistic_standardize, SIM_FIELD_BOOL, 0, 0, "true",
      "give every feature mean 0 and deviation 1 over the train images first"),
    F(logistic_l2, SIM_FIELD_REAL, 0, 1e6, "1e-4", "L2 penalty lambda in mean CE + lambda/2 |W|^2"),
    F(logistic_max_iter, SIM_FIELD_INT, 1, 100000, "500", "L-BFGS iterations at most"),
    F(logistic_tolerance, SIM_FIELD_REAL, 1e-12, 1, "1e-5",
      "stop when |gradient| / max(1, |weights|) is below"),
    F(batch_size, SIM_FIELD_INT, 1, 65536, "128", "images per forward pass while features are taken"),
};
const int sim_eval_field_count = sizeof sim_eval_fields / sizeof *sim_eval_fields;
