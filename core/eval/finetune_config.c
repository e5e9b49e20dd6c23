#include "finetune_config.h"

#include "batch.h"

#define F(name, type, low, high, preset, help)                                                               \
    {                                                                                                        \
#name, type, offsetof(struct sim_finetune_config, name), low, high, NULL, preset, help               \
    }

const struct sim_field sim_finetune_fields[] = {
    F(epochs, SIM_FIELD_INT, 0, 1000000, "100",
      "passes over the training images; 0: the weights of finetune.encoder are only scored"),
    F(batch_size, SIM_FIELD_INT, 1, 65536, "1024", "images per step"),
    F(blr, SIM_FIELD_REAL, 0, 1000, "2.5e-4", "learning rate per 256 images: lr = blr * batch_size / 256"),
    F(lr, SIM_FIELD_REAL, 0, 1000, "0", "absolute learning rate; 0: taken from blr"),
    F(min_lr, SIM_FIELD_REAL, 0, 1000, "1e-6", "floor of the cosine schedule"),
    F(warmup_epochs, SIM_FIELD_REAL, 0, 1000000, "5", "epochs of linear warm-up from lr 0"),
    F(layer_decay, SIM_FIELD_REAL, 1e-6, 1, "0.65",
      "the learning rate's factor from each block to the one below; 1: all layers learn alike"),
    F(weight_decay, SIM_FIELD_REAL, 0, 100, "0.05", "AdamW weight decay (not on vectors and the cls token)"),
    F(beta1, SIM_FIELD_REAL, 0, 0.999999, "0.9", "AdamW beta1"),
    F(beta2, SIM_FIELD_REAL, 0, 0.9999999, "0.999", "AdamW beta2"),
    F(eps, SIM_FIELD_REAL, 1e-30, 1, "1e-8", "AdamW epsilon, outside the square root"),
    F(clip_grad, SIM_FIELD_REAL, 0, 1e9, "0", "clip the global gradient norm to this; 0: no clipping"),
    F(drop_path_rate, SIM_FIELD_REAL, 0, 0.99, "0.1",
      "probability of leaving out a residual branch of the last block; linear from 0 over the blocks"),
    F(smoothing, SIM_FIELD_REAL, 0, 1, "0.1", "share of the label that is spread over all classes"),
    F(mixup, SIM_FIELD_REAL, 0, 1000, "0.8", "alpha of mixup's Beta(alpha, alpha); 0: no mixup"),
    F(cutmix, SIM_FIELD_REAL, 0, 1000, "1", "alpha of cutmix's Beta(alpha, alpha); 0: no cutmix"),
    F(mix_probability, SIM_FIELD_REAL, 0, 1, "1", "probability that a group of images is mixed"),
    F(cutmix_share, SIM_FIELD_REAL, 0, 1, "0.5", "share of cutmix where both are on"),
    F(mix_group, SIM_FIELD_INT, 2, 65536, "128",
      "images with one draw of lambda (the official code: those of one GPU); divides a rank's batch"),
    F(crop_min, SIM_FIELD_REAL, 0.001, 1, "0.08", "smallest share of the image's area in a crop"),
    F(flip, SIM_FIELD_REAL, 0, 1, "0.5", "probability of a horizontal flip"),
    F(randaugment_operations, SIM_FIELD_INT, 0, SIM_LOOK_OPERATIONS, "2",
      "operations of RandAugment chosen for an image, each applied half of the time; 0: none"),
    F(randaugment_magnitude, SIM_FIELD_REAL, 0, 10, "9", "how strong they are on average, of 10"),
    F(randaugment_deviation, SIM_FIELD_REAL, 0, 10, "0.5", "standard deviation of that"),
    F(erase, SIM_FIELD_REAL, 0, 1, "0.25", "probability that a box of the image is replaced by noise"),
    F(from_scratch, SIM_FIELD_BOOL, 0, 0, "true",
      "train the untrained encoder the same way, to compare with"),
    F(score_every_epochs, SIM_FIELD_INT, 0, 1000000, "1",
      "epochs between scores on the validation images; 0: only after the last"),
    F(save_every_epochs, SIM_FIELD_INT, 0, 1000000, "1", "epochs between checkpoints; 0: only the last"),
    F(save_every_minutes, SIM_FIELD_REAL, 0, 1000000, "15",
      "minutes between checkpoints; changes no result; 0: none"),
    F(encoder, SIM_FIELD_TEXT, 0, 0, "",
      "safetensors file with the weights to start from, under timm's names; empty: the run's own encoder"),
};
const int sim_finetune_field_count = sizeof sim_finetune_fields / sizeof *sim_finetune_fields;

static int mixes(const struct sim_finetune_config *c)
{
    return c->epochs > 0 && c->mix_probability > 0 && (c->mixup > 0 || c->cutmix > 0);
}

int64_t sim_finetune_group(const struct sim_finetune_config *c)
{
    if (!mixes(c)) return 1;
    return c->mix_group < c->batch_size ? c->mix_group : c->batch_size;
}

sim_status sim_finetune_config_check(const struct sim_finetune_config *c)
{
    const int64_t group = sim_finetune_group(c);
    if (c->epochs == 0 && !c->encoder[0])
        return sim_fail(
            SIM_EINVAL,
            "finetune.epochs: 0 leaves the head as it was drawn, which says nothing; with finetune.encoder "
            "a fine-tuned classifier is scored");
    if (c->epochs > 0 && c->warmup_epochs >= (double)c->epochs)
        return sim_fail(SIM_EINVAL,
                        "finetune.warmup_epochs: %g leaves nothing of finetune.epochs %ld for the cosine",
                        c->warmup_epochs, (long)c->epochs);
    if (c->epochs > 0 && c->lr == 0 && c->blr == 0)
        return sim_fail(SIM_EINVAL, "finetune.blr: with 0 here and in finetune.lr nothing is learnt");
    if (mixes(c) && group % 2)
        return sim_fail(
            SIM_EINVAL,
            "finetune.%s: %ld, but mixup and cutmix mix every image with another and want an even number; "
            "change it, or set finetune.mixup and finetune.cutmix to 0",
            c->mix_group < c->batch_size ? "mix_group" : "batch_size", (long)group);
    if (c->batch_size % group)
        return sim_fail(SIM_EINVAL,
                        "finetune.mix_group: groups of %ld images do not divide finetune.batch_size %ld",
                        (long)group, (long)c->batch_size);
    return SIM_OK;
}

struct sim_train_config sim_finetune_training(const struct sim_finetune_config *c)
{
    return (struct sim_train_config){.epochs = c->epochs,
                                     .batch_size = c->batch_size,
                                     .blr = c->blr,
                                     .lr = c->lr,
                                     .min_lr = c->min_lr,
                                     .warmup_epochs = c->warmup_epochs,
                                     .weight_decay = c->weight_decay,
                                     .beta1 = c->beta1,
                                     .beta2 = c->beta2,
                                     .eps = c->eps,
                                     .clip_grad = c->clip_grad,
                                     .save_every_epochs = c->save_every_epochs,
                                     .save_every_minutes = c->save_every_minutes,
                                     .keep_last = 2};
}
