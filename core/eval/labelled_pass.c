#include "labelled_pass.h"

#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "progress.h"
#include "protocol.h"

struct batch {
    float *x;       /* (batch_size, 3, S, S) */
    int32_t *label; /* (batch_size) */
    int64_t first, count;
};

struct pass {
    const struct sim_labelled_pass *job;
    int64_t *all; /* (images) where no index is given */
    const int64_t *index;
    int64_t images, batch_size;
    int64_t good; /* images so far that are not damaged */
    struct batch batch[2];
    struct batch *reading;
};

static void pass_close(struct pass *p)
{
    for (int k = 0; k < 2; k++) free(p->batch[k].x), free(p->batch[k].label);
    free(p->all);
}

static sim_status pass_open(struct pass *p, const struct sim_labelled_pass *job)
{
    const size_t side = (size_t)job->side;
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

static sim_status take(struct pass *p, const struct batch *b)
{
    const struct sim_labelled_pass *job = p->job;
    for (int64_t i = 0; i < b->count; i++) {
        if (b->label[i] < -1 || b->label[i] >= job->source->classes)
            return sim_fail(SIM_EINVAL, "image %lld has label %d; the set has classes 0 to %d",
                            (long long)p->index[b->first + i], (int)b->label[i], job->source->classes - 1);
        p->good += b->label[i] >= 0;
    }
    return job->take(job->context, b->x, b->label, p->index + b->first, b->count);
}

static sim_status take_all(struct pass *p, struct sim_progress *progress)
{
    const int64_t before = progress->done;
    SIM_TRY(read_ahead(p, &p->batch[0], 0));
    for (int k = 0; p->reading; k = 1 - k) {
        struct batch *b = p->reading;
        SIM_TRY(finish_reading(p));
        SIM_TRY(sim_score_go_on(p->job->stop));
        SIM_TRY(read_ahead(p, &p->batch[1 - k], b->first + b->count));
        SIM_TRY(take(p, b));
        sim_progress_update(progress, before + b->first + b->count, p->job->note);
    }
    if (p->good == 0) return sim_fail(SIM_EINVAL, "all %lld images are damaged", (long long)p->images);
    return SIM_OK;
}

static sim_status with_progress(struct pass *p)
{
    if (p->job->progress) return take_all(p, p->job->progress);
    struct sim_progress own;
    sim_progress_start(&own, p->job->label, "images", p->images);
    sim_status status = take_all(p, &own);
    sim_progress_finish(&own);
    return status;
}

static sim_status pass_over(const struct sim_labelled_pass *job)
{
    struct pass p;
    if (job->source->images < 1 || (job->index && job->count < 1))
        return sim_fail(SIM_EINVAL, "the set is empty");
    if (job->batch_size < 1)
        return sim_fail(SIM_EINVAL, "batch_size %lld; at least 1 is needed", (long long)job->batch_size);
    SIM_TRY(pass_open(&p, job));
    sim_status status = with_progress(&p);
    if (status != SIM_OK && p.reading) status = abandon(&p, status);
    pass_close(&p);
    return status;
}

sim_status sim_labelled_pass(const struct sim_labelled_pass *job)
{
    sim_status status = pass_over(job);
    return status == SIM_OK ? SIM_OK : sim_context(status, "%s", job->label);
}
