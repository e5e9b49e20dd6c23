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
    /* Robustness: whose answers to corrupted and shifted images are counted, and against whose errors. */
    int robustness;
    int robustness_head;                       /* enum sim_robustness_head */
    int robustness_filter;                     /* of A, R and Sketch: 0 bicubic, 1 bilinear */
    char robustness_reference[SIM_TEXT_BYTES]; /* "alexnet", or a file (reference_errors.h) */
    int64_t batch_size;                        /* images per forward pass */
};

/* What of the last block's output stands for an image. */
enum sim_feature { SIM_FEATURE_CLS, SIM_FEATURE_MEAN_PATCH };
const char *sim_feature_name(enum sim_feature f);

/* What answers in the robustness score: a head of the frozen encoder, or the fine-tuned network. */
enum sim_robustness_head { SIM_HEAD_LOGISTIC, SIM_HEAD_LINEAR, SIM_HEAD_FINETUNE };

/* Is any score asked for?  One of the frozen encoder? */
int sim_eval_any(const struct sim_eval_config *c);
int sim_eval_frozen(const struct sim_eval_config *c);

/* What the bounds of single keys cannot say, of the scores that are asked for.  The sentence begins with the
 * key at fault. */
sim_status sim_eval_config_check(const struct sim_eval_config *c);

extern const struct sim_field sim_eval_fields[];
extern const int sim_eval_field_count;

#endif
