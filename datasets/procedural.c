/* pw-cls: planning its scenes, and the set itself. */
#include "procedural_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

/* Streams of one image: the `view` of its generator. */
enum layer {
    LAYER_LAYOUT,
    LAYER_NOISE,
    LAYER_BACKDROP,
    LAYER_DIAL,
    LAYER_OBJECT /* three for each object: place, outline, look */
};

static struct sim_rng stream(const struct sim_data_config *c, enum sim_split split, int64_t i, int layer)
{
    return sim_rng_make((uint64_t)c->procedural_seed, SIM_PURPOSE_PROCEDURAL, (uint32_t)split, (uint64_t)i,
                        (uint32_t)layer);
}

static void pose_object(struct sim_rng *r, struct sim_procedural_object *o, double low, double high)
{
    /* the largest of three draws: more large ones than small */
    double share = sim_rng_uniform(r);
    for (int k = 0; k < 2; k++) share = fmax(share, sim_rng_uniform(r));
    o->side = low + (high - low) * share;
    o->angle = draw(r, -0.06, 0.06);
    o->stretch = draw(r, 0.83, 1.2);
    o->shear = draw(r, -0.12, 0.12);
    o->mirror = (int)sim_rng_below(r, 2);
    o->texture = (int)sim_rng_below(r, SIM_PROCEDURAL_TEXTURES);
    o->palette = (int)sim_rng_below(r, SIM_PROCEDURAL_PALETTES);
}

/* Wholly inside the picture, a little off its edge. */
static double within(const struct sim_procedural_object *o, double share)
{
    return o->side / 2 + 0.03 + (1 - o->side - 0.06) * share;
}

/* Photographers centre their subject, somewhat: the mean of two draws. */
static double centred(struct sim_rng *r)
{
    double a = sim_rng_uniform(r);
    return (a + sim_rng_uniform(r)) / 2;
}

/* How far two bounding boxes are apart, negative where they overlap. */
static double gap(const struct sim_procedural_object *a, const struct sim_procedural_object *b)
{
    double reach = (a->side + b->side) / 2;
    return fmax(fabs(a->x - b->x), fabs(a->y - b->y)) - reach;
}

void sim_procedural_plan(const struct sim_data_config *c, enum sim_split split, int64_t i,
                         struct sim_procedural_scene *out)
{
    struct sim_rng r = stream(c, split, i, LAYER_LAYOUT);
    *out = (struct sim_procedural_scene){.size = (int)c->procedural_size};
    out->above = (enum sim_stuff)(SIM_STUFF_SKY + sim_rng_below(&r, SIM_STUFF_FOREST - SIM_STUFF_SKY + 1));
    out->below = (enum sim_stuff)(SIM_STUFF_WATER + sim_rng_below(&r, SIM_STUFF_SNOW - SIM_STUFF_WATER + 1));
    out->horizon = draw(&r, 0.15, 0.8);
    out->tilt = draw(&r, -0.12, 0.12);
    out->light = draw(&r, 0.55, 0.95); /* from above: y points down */
    out->elevation = draw(&r, 0.45, 0.8);
    out->brightness = draw(&r, 0.78, 1.15);
    out->noise = stream(c, split, i, LAYER_NOISE);
    out->backdrop = stream(c, split, i, LAYER_BACKDROP);
    out->count = 1 + (int)sim_rng_below(&r, 3);

    struct sim_procedural_object *main = &out->object[out->count - 1];
    for (int k = 0; k < out->count; k++) {
        /* the main object has the first streams, whatever the number of distractors */
        int layer = LAYER_OBJECT + 3 * (out->count - 1 - k);
        out->object[k].outline = stream(c, split, i, layer + 1);
        out->object[k].look = stream(c, split, i, layer + 2);
    }
    struct sim_rng place = stream(c, split, i, LAYER_OBJECT);
    main->family = (int)(i % SIM_PROCEDURAL_FAMILIES);
    pose_object(&place, main, 0.3, 0.8);
    main->x = within(main, centred(&place));
    main->y = within(main, centred(&place));

    for (int k = 0; k + 1 < out->count; k++) {
        struct sim_procedural_object *o = &out->object[k], best = *o;
        place = stream(c, split, i, LAYER_OBJECT + 3 * (out->count - 1 - k));
        o->family = best.family = (int)sim_rng_below(&place, SIM_PROCEDURAL_FAMILIES);
        double best_gap = -9;
        for (int trial = 0; trial < 12; trial++) { /* of twelve places the one most clear of the others */
            pose_object(&place, o, 0.09, 0.16);
            o->x = within(o, sim_rng_uniform(&place));
            o->y = within(o, sim_rng_uniform(&place));
            double least = gap(o, main);
            for (int other = 0; other < k; other++) least = fmin(least, gap(o, &out->object[other]));
            if (least > best_gap) best = *o, best_gap = least;
        }
        *o = best;
    }

    struct sim_rng dial = stream(c, split, i, LAYER_DIAL);
    if (split == SIM_TRAIN && sim_rng_uniform(&dial) < c->procedural_shortcut) {
        main->texture = sim_procedural_preferred_texture(main->family);
        main->palette = sim_procedural_preferred_palette(main->family);
    }
}

sim_status sim_procedural_scene(const struct sim_data_config *c, enum sim_split split, int64_t i,
                                struct sim_image *out, uint8_t *instances)
{
    struct sim_procedural_scene scene;
    sim_procedural_plan(c, split, i, &scene);
    return sim_procedural_render(&scene, out, instances, NULL);
}

/* ------------------------------------------------------------------ the set */

struct set {
    struct sim_data_config config;
    enum sim_split split;
    int64_t count;
};

static const char *split_name(enum sim_split split)
{
    return split == SIM_TRAIN ? "train" : "val";
}

static sim_status set_read(void *self, int64_t i, struct sim_image *out)
{
    const struct set *s = self;
    *out = (struct sim_image){0};
    if (i < 0 || i >= s->count)
        return sim_fail(SIM_EINVAL, "pw-cls %s: image %lld is not in 0 .. %lld", split_name(s->split),
                        (long long)i, (long long)s->count - 1);
    return sim_procedural_scene(&s->config, s->split, i, out, NULL);
}

static int32_t set_label(void *self, int64_t i)
{
    (void)self;
    return (int32_t)(i % SIM_PROCEDURAL_FAMILIES);
}

static const char *set_class_name(void *self, int label)
{
    (void)self;
    return sim_procedural_family_name(label);
}

static void set_name(void *self, int64_t i, char *name, int size)
{
    const struct set *s = self;
    snprintf(name, (size_t)size, "pw-cls %s %lld (%s)", split_name(s->split), (long long)i,
             sim_procedural_family_name(set_label(self, i)));
}

static void set_close(void *self)
{
    free(self);
}

/* Everything the bytes depend on, and nothing else: the dial only where it acts. */
static void manifest(const struct set *s, char out[17])
{
    char text[256];
    int n = snprintf(text, sizeof text, "pw-cls version=%d split=%s seed=%lld images=%lld size=%lld",
                     SIM_PROCEDURAL_VERSION, split_name(s->split), (long long)s->config.procedural_seed,
                     (long long)s->count, (long long)s->config.procedural_size);
    if (s->split == SIM_TRAIN)
        n += snprintf(text + n, sizeof text - (size_t)n, " shortcut=%.17g", s->config.procedural_shortcut);
    snprintf(out, 17, "%016llx", (unsigned long long)XXH64(text, (size_t)n, 0));
}

sim_status sim_procedural_open(struct sim_images *out, const struct sim_data_config *c, enum sim_split split)
{
    int64_t per_class = split == SIM_TRAIN ? c->procedural_train_per_class : c->procedural_val_per_class;
    *out = (struct sim_images){0};
    if (per_class < 1 || per_class > 1000000)
        return sim_fail(SIM_EINVAL, "data.procedural_%s_per_class: %lld is not in 1 .. 1000000",
                        split_name(split), (long long)per_class);
    if (c->procedural_size < 16 || c->procedural_size > 1024)
        return sim_fail(SIM_EINVAL, "data.procedural_size: %lld px is not in 16 .. 1024",
                        (long long)c->procedural_size);
    struct set *s = malloc(sizeof *s);
    if (!s) return sim_fail(SIM_ENOMEM, "no memory to open pw-cls");
    *s = (struct set){.config = *c, .split = split, .count = per_class * SIM_PROCEDURAL_FAMILIES};
    *out = (struct sim_images){.self = s,
                               .count = s->count,
                               .classes = SIM_PROCEDURAL_FAMILIES,
                               .read = set_read,
                               .label = set_label,
                               .name = set_name,
                               .class_name = set_class_name,
                               .close = set_close};
    manifest(s, out->manifest_hash);
    return SIM_OK;
}
