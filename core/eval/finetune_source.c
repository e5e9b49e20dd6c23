#include "finetune_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "mix.h"

/* A batch as it is read: this rank's rows of one step. */
struct slot {
    int64_t epoch, step; /* -1: none */
    int64_t *index;      /* (share) */
    int32_t *label;      /* (share) */
    float *x;            /* (share, 3, S, S) */
};

struct source {
    struct sim_finetune_source c;
    int64_t share, group, steps, classes;
    struct slot slot[2];
    struct slot *reading;
    float *target;    /* (share, classes) */
    uint32_t *order;  /* (images) of one epoch */
    int64_t order_of; /* that epoch; -1: none */
    uint8_t *damaged; /* (images) */
    struct sim_batch batch;
};

/* ------------------------------------------------------------------ reading */

static struct sim_look look_of(const struct source *s, int64_t epoch)
{
    const struct sim_finetune_config *c = s->c.config;
    return (struct sim_look){.filter = SIM_RESAMPLE_BICUBIC,
                             .augment = SIM_LOOK_FINETUNE,
                             .crop_min = c->crop_min,
                             .flip = c->flip,
                             .operations = (int)c->randaugment_operations,
                             .magnitude = c->randaugment_magnitude,
                             .magnitude_std = c->randaugment_deviation,
                             .erase = c->erase,
                             .seed = s->c.seed,
                             .epoch = epoch};
}

/* Begins to read a step into a slot. */
static sim_status start(struct source *s, struct slot *slot, int64_t epoch, int64_t step)
{
    const struct sim_labelled *set = s->c.train;
    const struct sim_look look = look_of(s, epoch);
    const int64_t first = step * s->c.config->batch_size + s->c.rank * s->share;
    if (s->order_of != epoch) {
        struct sim_rng r = sim_rng_make(s->c.seed, SIM_PURPOSE_FINETUNE, (uint32_t)epoch, 0, 0);
        sim_rng_permutation(&r, (uint32_t)set->images, s->order);
        s->order_of = epoch;
    }
    for (int64_t i = 0; i < s->share; i++) slot->index[i] = s->order[first + i];
    slot->epoch = -1;
    SIM_TRY(set->start(set->self, &look, slot->index, s->share, slot->x, slot->label));
    slot->epoch = epoch, slot->step = step;
    s->reading = slot;
    return SIM_OK;
}

/* What was begun is there. */
static sim_status finish(struct source *s)
{
    struct slot *slot = s->reading;
    if (!slot) return SIM_OK;
    s->reading = NULL;
    sim_status status = s->c.train->finish(s->c.train->self);
    if (status != SIM_OK) slot->epoch = -1;
    return status;
}

static int holds(const struct slot *slot, int64_t epoch, int64_t step)
{
    return slot->epoch == epoch && slot->step == step;
}

/* The slot of this step, read; the other one is free. */
static sim_status read_step(struct source *s, int64_t epoch, int64_t step, struct slot **out)
{
    struct slot *slot = s->reading ? s->reading : &s->slot[0];
    const int expected = s->reading && holds(slot, epoch, step);
    sim_status status = finish(s);
    if (expected) SIM_TRY(status); /* else nobody asked for what may have failed */
    if (!expected) {
        SIM_TRY(start(s, slot, epoch, step));
        SIM_TRY(finish(s));
    }
    *out = slot;
    return SIM_OK;
}

/* Looks ahead; a failure waits until the step is asked for. */
static void read_ahead(struct source *s, const struct slot *now)
{
    struct slot *other = now == &s->slot[0] ? &s->slot[1] : &s->slot[0];
    int64_t epoch = now->epoch, step = now->step + 1;
    if (step == s->steps) epoch++, step = 0;
    if (epoch < s->c.config->epochs) (void)start(s, other, epoch, step);
}

/* ------------------------------------------------------------------ the batch */

/* Damaged rows of a group become copies of the next good one. */
static sim_status mend(struct source *s, const struct slot *slot, int64_t first, int64_t count)
{
    const int64_t image = 3 * (int64_t)s->c.side * s->c.side;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = first + i, good = row;
        if (slot->label[row] >= s->classes)
            return sim_fail(SIM_EINVAL, "image %lld has label %d; the set has classes 0 to %lld",
                            (long long)slot->index[row], (int)slot->label[row], (long long)s->classes - 1);
        if (slot->label[row] >= 0) continue;
        s->damaged[slot->index[row]] = 1;
        for (int64_t k = 1; k < count && slot->label[good] < 0; k++) good = first + (i + k) % count;
        if (slot->label[good] < 0)
            return sim_fail(SIM_EFORMAT, "all %lld images that would be mixed are damaged", (long long)count);
        memcpy(slot->x + row * image, slot->x + good * image, (size_t)image * sizeof *slot->x);
        slot->label[row] = slot->label[good];
    }
    return SIM_OK;
}

/* Pixels and labels of one group, read, become a part of the batch. */
static void make_group(struct source *s, const struct slot *slot, int64_t group)
{
    const struct sim_finetune_config *c = s->c.config;
    const int64_t first = group * s->group, image = 3 * (int64_t)s->c.side * s->c.side;
    const int64_t number = slot->step * (c->batch_size / s->group) + s->c.rank * (s->share / s->group) +
                           group; /* in the epoch */
    struct sim_rng r = sim_rng_make(s->c.seed, SIM_PURPOSE_MIX, (uint32_t)slot->epoch, (uint64_t)number, 0);
    struct sim_mix mix = {.lambda = 1};
    if (s->group > 1) sim_mix_draw(c, &r, s->c.side, &mix);
    sim_mix_images(&mix, slot->x + first * image, s->group, s->c.side);
    sim_mix_targets(&mix, slot->label + first, s->group, s->classes, c->smoothing,
                    s->target + first * s->classes);
}

static sim_status make_batch(struct source *s, struct slot *slot)
{
    /* where nothing is mixed a group is one image, which cannot stand in for itself */
    const int64_t together = s->group > 1 ? s->group : s->share;
    for (int64_t first = 0; first < s->share; first += together) SIM_TRY(mend(s, slot, first, together));
    for (int64_t g = 0; g < s->share / s->group; g++) make_group(s, slot, g);
    return SIM_OK;
}

static sim_status next(void *self, int64_t epoch, int64_t step, const struct sim_batch **out)
{
    struct source *s = self;
    struct slot *slot;
    SIM_TRY(read_step(s, epoch, step, &slot));
    read_ahead(s, slot);
    SIM_TRY(make_batch(s, slot));
    s->batch =
        (struct sim_batch){.size = s->share, .view1 = slot->x, .index = slot->index, .target = s->target};
    *out = &s->batch;
    return SIM_OK;
}

/* ------------------------------------------------------------------ opening and closing */

static int64_t skipped(void *self)
{
    const struct source *s = self;
    int64_t count = 0;
    for (int64_t i = 0; i < s->c.train->images; i++) count += s->damaged[i];
    return count;
}

static const uint8_t *damaged(void *self)
{
    const struct source *s = self;
    return s->damaged;
}

static void close_source(void *self)
{
    struct source *s = self;
    if (!s) return;
    (void)finish(s);
    for (int k = 0; k < 2; k++) free(s->slot[k].index), free(s->slot[k].label), free(s->slot[k].x);
    free(s->target), free(s->order), free(s->damaged);
    free(s);
}

static sim_status check(const struct sim_finetune_source *c, int64_t group)
{
    const int64_t batch = c->config->batch_size, ranks = c->ranks ? c->ranks : 1;
    if (batch > c->train->images)
        return sim_fail(
            SIM_EINVAL,
            "finetune.batch_size is %lld and the training set has %lld images: the batch cannot be larger",
            (long long)batch, (long long)c->train->images);
    if (batch % ranks)
        return sim_fail(SIM_EINVAL, "finetune.batch_size: %lld images do not divide by %lld ranks",
                        (long long)batch, (long long)ranks);
    if (batch / ranks % group)
        return sim_fail(
            SIM_EINVAL,
            "finetune.mix_group: groups of %lld images do not divide the %lld that each of %lld ranks has "
            "of a batch",
            (long long)group, (long long)(batch / ranks), (long long)ranks);
    return SIM_OK;
}

static void name_of(void *self, int64_t i, char *name, int size)
{
    const struct sim_labelled *train = ((struct source *)self)->c.train;
    train->name(train->self, i, name, size);
}

static sim_status allocate(struct source *s)
{
    const size_t share = (size_t)s->share, images = (size_t)s->c.train->images;
    int lacking = 0;
    for (int k = 0; k < 2; k++) {
        struct slot *slot = &s->slot[k];
        slot->epoch = -1;
        lacking |= !(slot->index = calloc(share, sizeof *slot->index));
        lacking |= !(slot->label = calloc(share, sizeof *slot->label));
        lacking |= !(
            slot->x = sim_calloc_aligned(share, 3 * (size_t)s->c.side * (size_t)s->c.side * sizeof *slot->x));
    }
    lacking |= !(s->target = sim_calloc_aligned(share, (size_t)s->classes * sizeof *s->target));
    lacking |= !(s->order = calloc(images, sizeof *s->order));
    lacking |= !(s->damaged = calloc(images, 1));
    return lacking ? sim_fail(SIM_ENOMEM, "no memory for batches of %zu images of %d pixels a side", share,
                              s->c.side)
                   : SIM_OK;
}

sim_status sim_finetune_source_open(struct sim_source *out, const struct sim_finetune_source *c)
{
    const int64_t group = sim_finetune_group(c->config);
    SIM_TRY(check(c, group));
    struct source *s = calloc(1, sizeof *s);
    if (!s) return sim_fail(SIM_ENOMEM, "no memory for the source of fine-tuning");
    s->c = *c, s->group = group, s->order_of = -1, s->classes = c->train->classes;
    s->share = c->config->batch_size / (c->ranks ? c->ranks : 1);
    s->steps = c->train->images / c->config->batch_size;
    sim_status status = allocate(s);
    if (status != SIM_OK) {
        close_source(s);
        return status;
    }
    *out = (struct sim_source){.self = s,
                               .images = c->train->images,
                               .steps_per_epoch = s->steps,
                               .next = next,
                               .skipped = skipped,
                               .damaged = damaged,
                               .name = name_of,
                               .close = close_source};
    return SIM_OK;
}
