/* How a frozen encoder is scored. */
#ifndef SIM_EVAL_CONFIG_H
#define SIM_EVAL_CONFIG_H

#include "fields.h"

struct sim_eval_config {
    int knn, logistic, linear, few_shot; /* which scores of the frozen encoder are made */
    int finetune;                        /* finetune_config.h says how */
    int64_t knn_k;
    double knn_temperature;
    int logistic_standardize; /* features to mean 0 and deviation 1 of the train set first */
    double logistic_l2; /* lambda of lambda/2 |W|^2, loss averaged over images; no penalty on the bias */
    int64_t logistic_max_iter;
    double logistic_tolerance; /* stop when |g| / max(1, |w|) falls below */
    /* The linear probe (method.md 3.4); the presets are the paper's. */
    int64_t linear_epochs, linear_batch_size;
    double linear_blr, linear_lr; /* lr = blr * batch_size / 256 where lr is 0 */
    double linear_min_lr, linear_warmup_epochs;
    double linear_momentum, linear_trust, linear_weight_decay; /* LARS */
    int linear_augment; /* 0: features are taken once, of centre crops */
    double linear_crop_min, linear_flip;
    /* Few-shot logistic regression (method.md 3.5); the presets are the paper's. */
    char few_shot_list[SIM_TEXT_BYTES]; /* file; "": a split is drawn */
    double few_shot_percent;            /* of the training images, balanced over classes */
    int64_t few_shot_per_class;         /* so many of each class; 0: from the percentage */
    int64_t few_shot_seed;              /* of the split that is drawn: not the run's */
    int few_shot_feature;               /* enum sim_feature */
    double few_shot_l2;                 /* lambda * images */
    int64_t few_shot_max_iter;
    double few_shot_tolerance;
    int64_t batch_size; /* images per forward pass */
};

/* What of the last block's output stands for an image. */
enum sim_feature { SIM_FEATURE_CLS, SIM_FEATURE_MEAN_PATCH };
const char *sim_feature_name(enum sim_feature f);

/* Is any score asked for? */
int sim_eval_any(const struct sim_eval_config *c);

/* What the bounds of single keys cannot say, of the scores that are asked for.  The sentence begins with the
 * key at fault. */
sim_status sim_eval_config_check(const struct sim_eval_config *c);

extern const struct sim_field sim_eval_fields[];
extern const int sim_eval_field_count;

#endif
