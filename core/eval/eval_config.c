#include "eval_config.h"

static const char *const features[] = {"cls", "mean_patch", NULL};
static const char *const heads[] = {"logistic", "linear", "finetune", NULL};
static const char *const filters[] = {"bicubic", "bilinear", NULL};

#define FC(name, type, low, high, choices, preset, help)                                                     \
    {                                                                                                        \
#name, type, offsetof(struct sim_eval_config, name), low, high, choices, preset, help                \
    }
#define F(name, type, low, high, preset, help) FC(name, type, low, high, NULL, preset, help)

const struct sim_field sim_eval_fields[] = {
    F(knn, SIM_FIELD_BOOL, 0, 0, "true", "score by weighted k nearest neighbours"),
    F(logistic, SIM_FIELD_BOOL, 0, 0, "true", "score by multinomial logistic regression on frozen features"),
    F(linear, SIM_FIELD_BOOL, 0, 0, "false",
      "score by the paper's linear probe: BatchNorm and a linear layer, trained by LARS"),
    F(few_shot, SIM_FIELD_BOOL, 0, 0, "false",
      "score by the paper's logistic regression on few labelled images"),
    F(finetune, SIM_FIELD_BOOL, 0, 0, "false",
      "score by fine-tuning the whole encoder under a fresh head (section finetune)"),
    F(knn_k, SIM_FIELD_INT, 1, 10000, "20", "neighbours"),
    F(knn_temperature, SIM_FIELD_REAL, 1e-4, 100, "0.07", "votes weigh exp(cosine similarity / temperature)"),
    F(logistic_standardize, SIM_FIELD_BOOL, 0, 0, "true",
      "give every feature mean 0 and deviation 1 over the train images first"),
    F(logistic_l2, SIM_FIELD_REAL, 0, 1e6, "1e-4", "L2 penalty lambda in mean CE + lambda/2 |W|^2"),
    F(logistic_max_iter, SIM_FIELD_INT, 1, 100000, "500", "L-BFGS iterations at most"),
    F(logistic_tolerance, SIM_FIELD_REAL, 1e-12, 1, "1e-5",
      "stop when |gradient| / max(1, |weights|) is below"),
    F(linear_epochs, SIM_FIELD_INT, 1, 100000, "90", "passes of the probe over the training images"),
    F(linear_batch_size, SIM_FIELD_INT, 2, 1e6, "16384", "images per step of the probe"),
    F(linear_blr, SIM_FIELD_REAL, 0, 1e6, "0.1",
      "learning rate per 256 images: lr = blr * linear_batch_size / 256"),
    F(linear_lr, SIM_FIELD_REAL, 0, 1e6, "0", "absolute learning rate; 0: taken from linear_blr"),
    F(linear_min_lr, SIM_FIELD_REAL, 0, 1e6, "0", "floor of the cosine schedule"),
    F(linear_warmup_epochs, SIM_FIELD_REAL, 0, 100000, "10", "epochs of linear warm-up from lr 0"),
    F(linear_momentum, SIM_FIELD_REAL, 0, 0.999999, "0.9", "LARS momentum"),
    F(linear_trust, SIM_FIELD_REAL, 1e-12, 1e6, "0.001", "LARS trust coefficient"),
    F(linear_weight_decay, SIM_FIELD_REAL, 0, 100, "0", "LARS weight decay (not on the bias)"),
    F(linear_augment, SIM_FIELD_BOOL, 0, 0, "true",
      "train on random crops and flips; false: features are taken once, of centre crops"),
    F(linear_crop_min, SIM_FIELD_REAL, 0.001, 1, "0.08", "smallest share of the image's area in a crop"),
    F(linear_flip, SIM_FIELD_REAL, 0, 1, "0.5", "probability of a horizontal flip"),
    F(few_shot_list, SIM_FIELD_TEXT, 0, 0, "",
      "file that lists the labelled images, a path or file name a line; empty: they are drawn"),
    F(few_shot_percent, SIM_FIELD_REAL, 1e-6, 100, "1",
      "draw this share of the training images, balanced over classes"),
    F(few_shot_per_class, SIM_FIELD_INT, 0, 1e6, "0",
      "draw so many images of each class; 0: from few_shot_percent"),
    F(few_shot_seed, SIM_FIELD_INT, 0, 4294967295.0, "0", "which of the splits that can be drawn"),
    FC(few_shot_feature, SIM_FIELD_CHOICE, 0, 0, features, "cls",
       "what stands for an image: the last block's cls token, or the mean of its patch tokens"),
    F(few_shot_l2, SIM_FIELD_REAL, 0, 1e6, "0.1", "L2 penalty lambda * images in mean CE + lambda/2 |W|^2"),
    F(few_shot_max_iter, SIM_FIELD_INT, 1, 100000, "2000", "L-BFGS iterations at most"),
    F(few_shot_tolerance, SIM_FIELD_REAL, 1e-12, 1, "1e-6",
      "stop when |gradient| / max(1, |weights|) is below"),
    F(robustness, SIM_FIELD_BOOL, 0, 0, "false",
      "score a trained head on corrupted and shifted images (section shift), without further training"),
    FC(robustness_head, SIM_FIELD_CHOICE, 0, 0, heads, "logistic",
       "what answers: a head of the frozen encoder, or the fine-tuned network; that score must be made too"),
    FC(robustness_filter, SIM_FIELD_CHOICE, 0, 0, filters, "bicubic",
       "resampling filter of images that are not corrupted ones; the sets' authors have bilinear"),
    F(robustness_reference, SIM_FIELD_TEXT, 0, 0, "alexnet",
      "errors that mCE divides by: alexnet (on ImageNet-C), pw-cls (on the made-up set), or a file with a "
      "line CORRUPTION ERROR for each"),
    F(batch_size, SIM_FIELD_INT, 1, 65536, "128", "images per forward pass while features are taken"),
};
const int sim_eval_field_count = sizeof sim_eval_fields / sizeof *sim_eval_fields;

const char *sim_feature_name(enum sim_feature f)
{
    return features[f];
}

int sim_eval_frozen(const struct sim_eval_config *c)
{
    return c->knn || c->logistic || c->linear || c->few_shot;
}

int sim_eval_any(const struct sim_eval_config *c)
{
    return sim_eval_frozen(c) || c->finetune;
}

sim_status sim_eval_config_check(const struct sim_eval_config *c)
{
    if (c->linear && c->linear_warmup_epochs >= (double)c->linear_epochs)
        return sim_fail(
            SIM_EINVAL,
            "eval.linear_warmup_epochs: %g leaves nothing of eval.linear_epochs %lld for the cosine",
            c->linear_warmup_epochs, (long long)c->linear_epochs);
    if (c->linear && c->linear_lr == 0 && c->linear_blr == 0)
        return sim_fail(SIM_EINVAL, "eval.linear_blr: with 0 here and in eval.linear_lr nothing is learnt");
    if (c->few_shot && c->few_shot_list[0] && c->few_shot_per_class)
        return sim_fail(SIM_EINVAL,
                        "eval.few_shot_per_class: %lld, but eval.few_shot_list %s says already which images; "
                        "leave one of them out",
                        (long long)c->few_shot_per_class, c->few_shot_list);
    const int there[] = {
        [SIM_HEAD_LOGISTIC] = c->logistic, [SIM_HEAD_LINEAR] = c->linear, [SIM_HEAD_FINETUNE] = c->finetune};
    if (c->robustness && !there[c->robustness_head])
        return sim_fail(SIM_EINVAL,
                        "eval.robustness_head: %s, which answers, is trained by eval.%s, and that is false",
                        heads[c->robustness_head], heads[c->robustness_head]);
    return SIM_OK;
}
