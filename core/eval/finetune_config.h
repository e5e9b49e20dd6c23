/* How a pre-trained encoder is fine-tuned (method.md 3.3); the presets are the paper's. */
#ifndef SIM_FINETUNE_CONFIG_H
#define SIM_FINETUNE_CONFIG_H

#include "fields.h"
#include "train_config.h"

struct sim_finetune_config {
    int64_t epochs, batch_size;
    double blr, lr, min_lr, warmup_epochs; /* lr = blr * batch_size / 256 where lr is 0 */
    double layer_decay;
    double weight_decay, beta1, beta2, eps, clip_grad; /* AdamW */
    double drop_path_rate;
    double smoothing;     /* of labels */
    double mixup, cutmix; /* alpha of Beta(alpha, alpha); 0: not done */
    double mix_probability, cutmix_share;
    int64_t mix_group; /* images that are mixed alike, each with another of them */
    double crop_min, flip;
    int64_t randaugment_operations;
    double randaugment_magnitude, randaugment_deviation;
    double erase;
    int from_scratch; /* the untrained encoder is fine-tuned too */
    int64_t score_every_epochs, save_every_epochs;
    double save_every_minutes;
    char encoder[SIM_TEXT_BYTES]; /* file of weights to start from; "": the run's own */
};

extern const struct sim_field sim_finetune_fields[];
extern const int sim_finetune_field_count;

/* What the bounds of single keys cannot say.  The sentence begins with the key at fault. */
sim_status sim_finetune_config_check(const struct sim_finetune_config *c);

/* What core/train is told. */
struct sim_train_config sim_finetune_training(const struct sim_finetune_config *c);

/* Images that are mixed alike: mix_group, or the batch where that is smaller; 1 where nothing is mixed. */
int64_t sim_finetune_group(const struct sim_finetune_config *c);

#endif
