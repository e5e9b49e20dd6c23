#include "train_config.h"

#define F(name, type, low, high, preset, help)                                                               \
    {                                                                                                        \
#name, type, offsetof(struct sim_train_config, name), low, high, NULL, preset, help                  \
    }

const struct sim_field sim_train_fields[] = {
    F(epochs, SIM_FIELD_INT, 0, 1000000, "10",
      "passes over the training images; 0: leave the encoder untrained"),
    F(batch_size, SIM_FIELD_INT, 1, 65536, "64", "images per optimiser step"),
    F(blr, SIM_FIELD_REAL, 0, 1000, "6.25e-5", "learning rate per 256 images: lr = blr * batch_size / 256"),
    F(lr, SIM_FIELD_REAL, 0, 1000, "0", "absolute learning rate; 0: taken from blr"),
    F(min_lr, SIM_FIELD_REAL, 0, 1000, "0", "floor of the cosine schedule"),
    F(warmup_epochs, SIM_FIELD_REAL, 0, 1000000, "1", "epochs of linear warm-up from lr 0"),
    F(weight_decay, SIM_FIELD_REAL, 0, 100, "0.05",
      "AdamW weight decay (not on biases and 1-D tensors; moco_v3: on every tensor)"),
    F(beta1, SIM_FIELD_REAL, 0, 0.999999, "0.9", "AdamW beta1"),
    F(beta2, SIM_FIELD_REAL, 0, 0.9999999, "0.95", "AdamW beta2"),
    F(eps, SIM_FIELD_REAL, 1e-30, 1, "1e-8", "AdamW epsilon, outside the square root"),
    F(clip_grad, SIM_FIELD_REAL, 0, 1e9, "1", "clip the global gradient norm to this; 0: no clipping"),
    F(save_every_epochs, SIM_FIELD_INT, 0, 1000000, "1", "epochs between checkpoints; 0: only the last"),
    F(save_every_steps, SIM_FIELD_INT, 0, 1000000000, "0",
      "steps between checkpoints within an epoch; 0: none"),
    F(save_every_minutes, SIM_FIELD_REAL, 0, 1000000, "15",
      "minutes between checkpoints, wherever training is then; changes no result; 0: none"),
    F(keep_last, SIM_FIELD_INT, 1, 1000000, "2",
      "checkpoints that are kept, the newest; where one is damaged, the one before it is gone on from"),
    F(keep_every_epochs, SIM_FIELD_INT, 0, 1000000, "0",
      "epochs between checkpoints that are written and kept for good; 0: none"),
    F(max_steps, SIM_FIELD_INT, 0, 1000000000, "0",
      "stop after this many steps, schedules unchanged; 0: no limit"),
};
const int sim_train_field_count = sizeof sim_train_fields / sizeof *sim_train_fields;

sim_status sim_train_config_check(const struct sim_train_config *c)
{
    if (c->epochs > 0 && c->warmup_epochs >= (double)c->epochs)
        return sim_fail(SIM_EINVAL,
                        "train.warmup_epochs: %g leaves nothing of train.epochs %ld for the cosine",
                        c->warmup_epochs, (long)c->epochs);
    return SIM_OK;
}
