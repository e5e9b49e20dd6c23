/* Features of a labelled set: the frozen encoder over it once, batch by batch. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "progress.h"
#include "scores.h"

struct batch {
    float *x;       /* (size, 3, S, S) */
    float *feature; /* (size, dim) */
    int32_t *label; /* (size) */
    int64_t size;
};

static void batch_close(struct batch *b)
{
    free(b->x);
    free(b->feature);
    free(b->label);
}

static sim_status batch_open(struct batch *b, const struct sim_encoder *encoder, int64_t size)
{
    size_t side = (size_t)sim_encoder_img_size(encoder);
    *b = (struct batch){.size = size};
    b->x = sim_calloc_aligned((size_t)size, 3 * side * side * sizeof *b->x);
    b->feature = sim_calloc_aligned((size_t)size, (size_t)sim_encoder_dim(encoder) * sizeof *b->feature);
    b->label = sim_calloc_aligned((size_t)size, sizeof *b->label);
    if (b->x && b->feature && b->label) return SIM_OK;
    batch_close(b);
    return sim_fail(SIM_ENOMEM, "features: no memory for a batch of %lld images of %zu pixels a side",
                    (long long)size, side);
}

/* One batch through the encoder; its rows with a label are appended to `out`. */
static sim_status take_batch(struct sim_features *out, struct batch *b, struct sim_encoder *encoder,
                             const struct sim_labelled *source, int64_t first, int64_t count)
{
    SIM_TRY(source->read(source->self, first, count, b->x, b->label));
    SIM_TRY(sim_encoder_mean_patch(encoder, b->x, count, b->feature));
    for (int64_t i = 0; i < count; i++) {
        if (b->label[i] == -1) {
            out->skipped++;
            continue;
        }
        if (b->label[i] < 0 || b->label[i] >= out->classes)
            return sim_fail(SIM_EINVAL, "image %lld has label %d; the set has classes 0 to %d",
                            (long long)(first + i), (int)b->label[i], out->classes - 1);
        memcpy(out->x + out->count * out->dim, b->feature + i * out->dim, (size_t)out->dim * sizeof *out->x);
        out->label[out->count++] = b->label[i];
    }
    return SIM_OK;
}

sim_status sim_features_take(struct sim_features *out, struct sim_encoder *encoder,
                             const struct sim_labelled *source, int64_t batch_size, const char *label)
{
    *out = (struct sim_features){.dim = sim_encoder_dim(encoder), .classes = source->classes};
    if (source->images < 1) return sim_fail(SIM_EINVAL, "%s: the set is empty", label);
    if (batch_size < 1)
        return sim_fail(SIM_EINVAL, "%s: batch_size %lld; at least 1 is needed", label,
                        (long long)batch_size);
    if (batch_size > source->images) batch_size = source->images;

    struct batch b;
    SIM_TRY(batch_open(&b, encoder, batch_size));
    out->x = sim_calloc_aligned((size_t)source->images, (size_t)out->dim * sizeof *out->x);
    out->label = sim_calloc_aligned((size_t)source->images, sizeof *out->label);
    sim_status status = SIM_OK;
    if (!out->x || !out->label)
        status = sim_fail(SIM_ENOMEM, "%s: no memory for %lld rows of %d features", label,
                          (long long)source->images, out->dim);

    struct sim_progress progress;
    sim_progress_start(&progress, label, "images", source->images);
    for (int64_t first = 0; first < source->images && status == SIM_OK; first += batch_size) {
        int64_t count = source->images - first < batch_size ? source->images - first : batch_size;
        status = take_batch(out, &b, encoder, source, first, count);
        if (status != SIM_OK) sim_context(status, "%s", label);
        sim_progress_update(&progress, first + count, NULL);
    }
    sim_progress_finish(&progress);
    batch_close(&b);
    if (status == SIM_OK && out->count == 0)
        status = sim_fail(SIM_EINVAL, "%s: all %lld images are damaged", label, (long long)source->images);
    if (status != SIM_OK) sim_features_close(out);
    return status;
}

void sim_features_close(struct sim_features *f)
{
    free(f->x);
    free(f->label);
    *f = (struct sim_features){0};
}
