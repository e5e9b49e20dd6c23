#include "labeller.h"

#include <stdlib.h>

static sim_status logistic_logits(void *self, const float *x, int64_t count, float *out)
{
    struct sim_frozen_head *h = self;
    SIM_TRY(sim_encoder_mean_patch(h->encoder, x, count, h->feature));
    return sim_logreg_logits(h->logistic, h->feature, count, out);
}

static sim_status linear_logits(void *self, const float *x, int64_t count, float *out)
{
    struct sim_frozen_head *h = self;
    SIM_TRY(sim_encoder_mean_patch(h->encoder, x, count, h->feature));
    return sim_linear_head_logits(h->linear, h->feature, count, out);
}

sim_status sim_frozen_head_open(struct sim_frozen_head *h, struct sim_labeller *out)
{
    const int64_t room = h->linear ? h->linear->shape.batch : h->max_batch;
    if (h->max_batch > room) h->max_batch = room;
    h->feature =
        sim_calloc_aligned((size_t)h->max_batch, (size_t)sim_encoder_dim(h->encoder) * sizeof *h->feature);
    if (!h->feature)
        return sim_fail(SIM_ENOMEM, "no memory for the features of %lld images", (long long)h->max_batch);
    *out = (struct sim_labeller){.name = h->linear ? "linear" : "logistic",
                                 .self = h,
                                 .classes = h->linear ? (int)h->linear->shape.classes : h->logistic->classes,
                                 .img_size = sim_encoder_img_size(h->encoder),
                                 .max_batch = h->max_batch,
                                 .logits = h->linear ? linear_logits : logistic_logits};
    return SIM_OK;
}

void sim_frozen_head_close(struct sim_frozen_head *h)
{
    free(h->feature);
    *h = (struct sim_frozen_head){0};
}

static sim_status finetuned_logits(void *self, const float *x, int64_t count, float *out)
{
    return sim_classifier_logits(self, x, count, out);
}

sim_status sim_finetuned_open(struct sim_labeller *out, const struct sim_ops *ops,
                              const struct sim_vit_config *vit, int classes, int64_t max_batch,
                              const char *path)
{
    struct sim_classifier *c;
    const struct sim_classifier_shape shape = {
        .vit = *vit, .classes = classes, .batch = max_batch, .layer_decay = 1};
    *out = (struct sim_labeller){0};
    SIM_TRY(sim_classifier_open(&c, ops, &shape, 0));
    sim_status status = sim_classifier_load(c, path, 1);
    if (status != SIM_OK) {
        sim_classifier_close(c);
        return status;
    }
    *out = (struct sim_labeller){.name = "finetune",
                                 .self = c,
                                 .classes = classes,
                                 .img_size = (int)vit->img_size,
                                 .max_batch = max_batch,
                                 .logits = finetuned_logits};
    return SIM_OK;
}

void sim_finetuned_close(struct sim_labeller *l)
{
    sim_classifier_close(l->self);
    *l = (struct sim_labeller){0};
}
