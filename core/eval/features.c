/* Features of labelled images: the frozen encoder over them once. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "labelled_pass.h"
#include "scores.h"

struct taking {
    const struct sim_features_job *job;
    struct sim_features *out;
    float *feature; /* (batch_size, dim) */
};

/* One batch through the encoder; its rows with a label are appended. */
static sim_status take_batch(void *context, const float *x, const int32_t *label, const int64_t *index,
                             int64_t count)
{
    const struct taking *t = context;
    struct sim_features *out = t->out;
    (void)index;
    SIM_TRY((t->job->feature == SIM_FEATURE_CLS ? sim_encoder_cls : sim_encoder_mean_patch)(
        t->job->encoder, x, count, t->feature));
    for (int64_t i = 0; i < count; i++) {
        if (label[i] == -1) {
            out->skipped++;
            continue;
        }
        memcpy(out->x + out->count * out->dim, t->feature + i * out->dim, (size_t)out->dim * sizeof *out->x);
        out->label[out->count++] = label[i];
    }
    return SIM_OK;
}

sim_status sim_features_take(struct sim_features *out, const struct sim_features_job *job)
{
    struct taking t = {.job = job, .out = out};
    const struct sim_labelled_pass pass = {.source = job->source,
                                           .look = job->look,
                                           .side = sim_encoder_img_size(job->encoder),
                                           .index = job->index,
                                           .count = job->count,
                                           .batch_size = job->batch_size,
                                           .label = job->label,
                                           .progress = job->progress,
                                           .note = job->note,
                                           .stop = job->stop,
                                           .take = take_batch,
                                           .context = &t};
    const int64_t images = job->index ? job->count : job->source->images,
                  rows = job->batch_size < images ? job->batch_size : images;
    *out = (struct sim_features){.dim = sim_encoder_dim(job->encoder), .classes = job->source->classes};
    const size_t row_bytes = (size_t)out->dim * sizeof *out->x;
    int lacking = 0;
    if (rows > 0) { /* else the pass says what is wrong */
        lacking |= !(t.feature = sim_calloc_aligned((size_t)rows, row_bytes));
        lacking |= !(out->x = sim_calloc_aligned((size_t)images, row_bytes));
        lacking |= !(out->label = sim_calloc_aligned((size_t)images, sizeof *out->label));
    }
    sim_status status = lacking ? sim_fail(SIM_ENOMEM, "%s: no memory for %lld rows of %d features",
                                           job->label, (long long)images, out->dim)
                                : sim_labelled_pass(&pass);
    free(t.feature);
    if (status != SIM_OK) sim_features_close(out);
    return status;
}

void sim_features_close(struct sim_features *f)
{
    free(f->x);
    free(f->label);
    *f = (struct sim_features){0};
}
