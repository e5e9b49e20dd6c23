/* Scores of a frozen encoder: labelled images in, named numbers with their protocol out. */
#ifndef SIM_SCORES_H
#define SIM_SCORES_H

#include <signal.h>

#include "batch.h"
#include "encoder.h"
#include "eval_config.h"

struct sim_progress;
struct sim_logreg;      /* logreg.h */
struct sim_linear_head; /* linear_head.h */
struct sim_shifted;     /* shifted.h */

/* ------------------------------------------------------------------ features */

/* Features of labelled images; damaged images (label -1) are left out. */
struct sim_features {
    int64_t count;
    int dim, classes;
    float *x;       /* (count, dim) */
    int32_t *label; /* (count) */
    int64_t skipped;
};

struct sim_features_job {
    struct sim_encoder *encoder;
    const struct sim_labelled *source;
    struct sim_look look;
    const int64_t *index; /* the images, in the order wanted; NULL: all */
    int64_t count;        /* of index */
    enum sim_feature feature;
    int64_t batch_size;                /* images per forward pass */
    const char *label;                 /* heads errors; progress is shown under it */
    struct sim_progress *progress;     /* not NULL: images are counted on in this one instead */
    const char *note;                  /* with it; may be NULL */
    const volatile sig_atomic_t *stop; /* not 0: SIM_EINTERRUPT at the next batch; may be NULL */
};

/* The last block's cls token, or the mean of its patch tokens (method.md 3.4, before fc_norm), no norm.  The
 * next batch is read while the encoder is at work on one.  The caller frees with sim_features_close. */
sim_status sim_features_take(struct sim_features *out, const struct sim_features_job *job);
void sim_features_close(struct sim_features *f); /* a zeroed struct is legal */

/* ------------------------------------------------------------------ scores */

/* One score: value in [0, 1] with its standard error, and the protocol as text fields. */
struct sim_score {
    char name[32];                /* "knn", "logistic", "linear", "few_shot", "finetune" */
    char metric[16];              /* "top1" */
    double value, standard_error; /* of a proportion over the val images */
    int64_t train_images, val_images;
    char protocol[4096]; /* JSON object: {"features": "mean_patch", "k": 20, ...} */
};

/* What is scored. */
struct sim_score_job {
    struct sim_encoder *encoder; /* room for config->batch_size images */
    const struct sim_labelled *train, *val;
    const struct sim_shifted
        *shifted; /* what a head of the encoder is tested on; NULL where none is asked to answer */
    const struct sim_eval_config *config;
    uint64_t seed;                     /* of probes that are trained: weights, order, crops */
    const volatile sig_atomic_t *stop; /* not 0: SIM_EINTERRUPT within a batch or an iteration; may be NULL */
    /* A probe on its way is kept in FOLDER/linear_ENCODER.safetensors, and goes on from there where the
     * file's identity is this one; folder NULL: nothing is kept. */
    const char *folder, *encoder_name, *identity;
    int resume; /* 0: whatever is there is begun anew */
};

/* Every score that the configuration asks for, in a fixed order; *count of at most `room` entries.  What can
 * be said against the configuration or its files is said before the first image is read.  *skipped: damaged
 * images that were met. */
sim_status sim_score_encoder(const struct sim_score_job *job, struct sim_score *out, int room, int *count,
                             int64_t *skipped);

/* Weighted kNN: rows L2-normalised, the k most similar train rows vote exp(s/temperature); ties go to the
 * lower class.  k above the number of train rows is an error. */
sim_status sim_score_knn(const struct sim_features *train, const struct sim_features *val,
                         const struct sim_eval_config *c, const volatile sig_atomic_t *stop,
                         struct sim_score *out);

/* Multinomial logistic regression with intercept by L-BFGS (liblbfgs) on features standardised with the train
 * set's mean and deviation (or as they are: logistic_standardize).  Not reaching the tolerance in max_iter is
 * recorded in the protocol, not an error.  keep, where it is not NULL, gets the regression, for the caller to
 * close. */
sim_status sim_score_logistic(const struct sim_features *train, const struct sim_features *val,
                              const struct sim_eval_config *c, const volatile sig_atomic_t *stop,
                              struct sim_logreg *keep, struct sim_score *out);

/* The paper's linear probe (method.md 3.4) on the features of `val`, trained on those of `train`, or, where
 * linear_augment asks for it, on features taken anew in every epoch (train is not read then).  The value is
 * the last epoch's; the best epoch's, which the paper reports, stands in the protocol.  *skipped, where
 * features were taken: damaged training images.  keep, where it is not NULL, gets the head, for the caller to
 * close. */
sim_status sim_score_linear(const struct sim_score_job *job, const struct sim_features *train,
                            const struct sim_features *val, struct sim_linear_head *keep,
                            struct sim_score *out, int64_t *skipped);

/* The paper's few-shot regression (method.md 3.5): every row centred by its own mean and scaled to length 1
 * (in place), multinomial, no intercept, lambda = few_shot_l2 / rows, solved to the optimum.  `split`, a
 * piece of JSON ("split": "drawn", ...), says in the protocol where the train rows come from. */
sim_status sim_score_few_shot(struct sim_features *train, struct sim_features *val,
                              const struct sim_eval_config *c, const char *split,
                              const volatile sig_atomic_t *stop, struct sim_score *out);

#endif
