/* Features of labelled images: the frozen encoder over them once, batch by batch, the next batch being read
 * meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "progress.h"
#include "protocol.h"

struct batch {
    float *x;       /* (batch_size, 3, S, S) */
    int32_t *label; /* (batch_size) */
    int64_t first, count;
};

struct pass {
    const struct sim_features_job *job;
    int64_t *all; /* (images) where no index is given */
    const int64_t *index;
    int64_t images, batch_size;
    struct batch batch[2];
    float *feature; /* (batch_size, dim) */
    struct batch *reading;
};

static void pass_close(struct pass *p)
{
    for (int k = 0; k < 2; k++) free(p->batch[k].x), free(p->batch[k].label);
    free(p->feature);
    free(p->all);
}

static sim_status pass_open(struct pass *p, const struct sim_features_job *job)
{
    const size_t side = (size_t)sim_encoder_img_size(job->encoder);
    *p = (struct pass){.job = job, .index = job->index};
    p->images = job->index ? job->count : job->source->images;
    p->batch_size = job->batch_size < p->images ? job->batch_size : p->images;
    const size_t size = (size_t)p->batch_size;
    int lacking = 0;
    for (int k = 0; k < 2; k++) {
        struct batch *b = &p->batch[k];
        lacking |= !(b->x = sim_calloc_aligned(size, 3 * side * side * sizeof *b->x));
        lacking |= !(b->label = sim_calloc_aligned(size, sizeof *b->label));
    }
    lacking |=
        !(p->feature = sim_calloc_aligned(size, (size_t)sim_encoder_dim(job->encoder) * sizeof *p->feature));
    if (!job->index) lacking |= !(p->all = malloc((size_t)p->images * sizeof *p->all));
    if (lacking) {
        pass_close(p);
        return sim_fail(SIM_ENOMEM, "no memory for batches of %zu images of %zu pixels a side", size, side);
    }
    for (int64_t i = 0; p->all && i < p->images; i++) p->all[i] = i;
    if (p->all) p->index = p->all;
    return SIM_OK;
}

/* Starts reading the batch that begins with the first'th image, where there is one. */
static sim_status read_ahead(struct pass *p, struct batch *b, int64_t first)
{
    const struct sim_labelled *source = p->job->source;
    p->reading = NULL;
    if (first >= p->images) return SIM_OK;
    b->first = first, b->count = p->images - first < p->batch_size ? p->images - first : p->batch_size;
    SIM_TRY(source->start(source->self, &p->job->look, p->index + first, b->count, b->x, b->label));
    p->reading = b;
    return SIM_OK;
}

static sim_status finish_reading(struct pass *p)
{
    if (!p->reading) return SIM_OK;
    p->reading = NULL;
    return p->job->source->finish(p->job->source->self);
}

/* Ends the read under way because of `failure`, whose sentence stays. */
static sim_status abandon(struct pass *p, sim_status failure)
{
    char sentence[2048];
    snprintf(sentence, sizeof sentence, "%s", sim_error_text());
    finish_reading(p);
    return sim_fail(failure, "%s", sentence);
}

/* One batch through the encoder; its rows with a label are appended to `out`. */
static sim_status take_batch(struct sim_features *out, struct pass *p, const struct batch *b)
{
    SIM_TRY((p->job->feature == SIM_FEATURE_CLS ? sim_encoder_cls : sim_encoder_mean_patch)(
        p->job->encoder, b->x, b->count, p->feature));
    for (int64_t i = 0; i < b->count; i++) {
        if (b->label[i] == -1) {
            out->skipped++;
            continue;
        }
        if (b->label[i] < 0 || b->label[i] >= out->classes)
            return sim_fail(SIM_EINVAL, "image %lld has label %d; the set has classes 0 to %d",
                            (long long)p->index[b->first + i], (int)b->label[i], out->classes - 1);
        memcpy(out->x + out->count * out->dim, p->feature + i * out->dim, (size_t)out->dim * sizeof *out->x);
        out->label[out->count++] = b->label[i];
    }
    return SIM_OK;
}

static sim_status take_all(struct sim_features *out, struct pass *p, struct sim_progress *progress)
{
    const int64_t before = progress->done;
    SIM_TRY(read_ahead(p, &p->batch[0], 0));
    for (int k = 0; p->reading; k = 1 - k) {
        struct batch *b = p->reading;
        SIM_TRY(finish_reading(p));
        SIM_TRY(sim_score_go_on(p->job->stop));
        SIM_TRY(read_ahead(p, &p->batch[1 - k], b->first + b->count));
        SIM_TRY(take_batch(out, p, b));
        sim_progress_update(progress, before + b->first + b->count, p->job->note);
    }
    if (out->count == 0) return sim_fail(SIM_EINVAL, "all %lld images are damaged", (long long)p->images);
    return SIM_OK;
}

static sim_status take(struct sim_features *out, struct pass *p)
{
    const struct sim_features_job *job = p->job;
    out->x = sim_calloc_aligned((size_t)p->images, (size_t)out->dim * sizeof *out->x);
    out->label = sim_calloc_aligned((size_t)p->images, sizeof *out->label);
    if (!out->x || !out->label)
        return sim_fail(SIM_ENOMEM, "no memory for %lld rows of %d features", (long long)p->images, out->dim);
    if (job->progress) return take_all(out, p, job->progress);
    struct sim_progress own;
    sim_progress_start(&own, job->label, "images", p->images);
    sim_status status = take_all(out, p, &own);
    sim_progress_finish(&own);
    return status;
}

sim_status sim_features_take(struct sim_features *out, const struct sim_features_job *job)
{
    *out = (struct sim_features){.dim = sim_encoder_dim(job->encoder), .classes = job->source->classes};
    if (job->source->images < 1 || (job->index && job->count < 1))
        return sim_fail(SIM_EINVAL, "%s: the set is empty", job->label);
    if (job->batch_size < 1)
        return sim_fail(SIM_EINVAL, "%s: batch_size %lld; at least 1 is needed", job->label,
                        (long long)job->batch_size);
    struct pass p;
    sim_status status = pass_open(&p, job);
    if (status == SIM_OK) {
        status = take(out, &p);
        if (status != SIM_OK && p.reading) status = abandon(&p, status);
        pass_close(&p);
    }
    if (status == SIM_OK) return SIM_OK;
    sim_features_close(out);
    return sim_context(status, "%s", job->label);
}

void sim_features_close(struct sim_features *f)
{
    free(f->x);
    free(f->label);
    *f = (struct sim_features){0};
}
