/* Scores of a frozen encoder: features in, named numbers with their protocol out. */
#ifndef SIM_SCORES_H
#define SIM_SCORES_H

#include "batch.h"
#include "encoder.h"
#include "eval_config.h"

/* Features of a whole labelled set; damaged images (label -1) are left out. */
struct sim_features {
    int64_t count;
    int dim, classes;
    float *x;       /* (count, dim) */
    int32_t *label; /* (count) */
    int64_t skipped;
};

/* Mean of the last block's patch tokens, no norm (method.md 3.4 before fc_norm), with progress shown under
 * `label`.  The caller frees with sim_features_close. */
sim_status sim_features_take(struct sim_features *out, struct sim_encoder *encoder,
                             const struct sim_labelled *source, int64_t batch_size, const char *label);
void sim_features_close(struct sim_features *f);

/* One score: value in [0, 1] with its standard error, and the protocol as text fields. */
struct sim_score {
    char name[32];                /* "knn", "logistic" */
    char metric[16];              /* "top1" */
    double value, standard_error; /* of a proportion over the val images */
    int64_t train_images, val_images;
    char protocol[256]; /* JSON object: {"features": "mean_patch", "k": 20, ...} */
};

/* Weighted kNN: rows L2-normalised, the k most similar train rows vote exp(s/temperature); ties go to the
 * lower class.  k above the number of train rows is an error. */
sim_status sim_score_knn(const struct sim_features *train, const struct sim_features *val,
                         const struct sim_eval_config *c, struct sim_score *out);

/* Multinomial logistic regression with intercept by L-BFGS (liblbfgs) on features standardised with the train
 * set's mean and deviation (or as they are: logistic_standardize).  Not reaching the tolerance in max_iter is
 * recorded in the protocol, not an error. */
sim_status sim_score_logistic(const struct sim_features *train, const struct sim_features *val,
                              const struct sim_eval_config *c, struct sim_score *out);

/* Every score that the configuration asks for, in a fixed order; *count of at most `room` entries. */
sim_status sim_score_all(const struct sim_features *train, const struct sim_features *val,
                         const struct sim_eval_config *c, struct sim_score *out, int room, int *count);

#endif
