/* The three shifted sets: which classes, how a scene is planned, how it is drawn. */
#include "procedural_shift.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "arena.h"
#include "procedural_parts.h"

enum { SUBSET = SIM_PROCEDURAL_FAMILIES / 2 };

/* Class k of a set: A has every second family, R the first half, Sketch all. */
static int family_of(enum sim_shift_set set, int k)
{
    return set == SIM_SHIFT_A ? 2 * k : k;
}

static int classes_of(enum sim_shift_set set)
{
    return set == SIM_SHIFT_SKETCH ? SIM_PROCEDURAL_FAMILIES : SUBSET;
}

/* Splits beyond those of pw-cls: scenes of their own. */
static enum sim_split split_of(enum sim_shift_set set)
{
    return (enum sim_split)(SIM_VAL + 1 + (int)set);
}

static struct sim_rng stream(const struct sim_data_config *c, enum sim_shift_set set, int64_t i)
{
    return sim_rng_make((uint64_t)c->procedural_seed, SIM_PURPOSE_PROCEDURAL, (uint32_t)split_of(set),
                        (uint64_t)i, 200);
}

/* ------------------------------------------------------------------ A: small, half hidden, in strange
 * clothes */

enum { SEEN = 64 }; /* pixels of the grid that tells how much is hidden */

struct occlusion {
    struct outline outline;
    int32_t main[SEEN * SEEN], other[SEEN * SEEN];
};

static void cover(struct occlusion *o, const struct sim_procedural_object *object, int32_t *coverage)
{
    struct sim_rng r = object->outline;
    sim_procedural_outline(object->family, &r, &o->outline);
    sim_procedural_pose(object, SEEN, &o->outline);
    sim_procedural_fill(&o->outline, (struct window){0, 0, SEEN, SEEN}, coverage);
}

/* The share of the main object that the other hides. */
static double hidden_share(struct occlusion *o, const struct sim_procedural_object *other)
{
    int64_t hidden = 0, all = 1;
    cover(o, other, o->other);
    for (int i = 0; i < SEEN * SEEN; i++)
        hidden += (int64_t)o->main[i] * o->other[i] / 256, all += o->main[i];
    return (double)hidden / (double)all;
}

/* Puts an object of a family that is none of A's in front of the main one: of 40 places the one that hides
 * nearest to half. */
static sim_status hide(struct sim_procedural_scene *s, struct sim_rng *r)
{
    const struct sim_procedural_object *main = &s->object[s->count - 1];
    struct sim_procedural_object *front = &s->object[s->count], best;
    struct occlusion *o = malloc(sizeof *o);
    double nearest = 2;
    if (!o) return sim_fail(SIM_ENOMEM, "no memory to plan a scene");
    cover(o, main, o->main);
    *front = *main;
    front->outline = main->look, front->look = main->outline;
    front->family = 2 * (int)sim_rng_below(r, SUBSET) + 1;
    front->texture = (int)sim_rng_below(r, SIM_PROCEDURAL_TEXTURES);
    front->palette = (int)sim_rng_below(r, SIM_PROCEDURAL_PALETTES);
    best = *front;
    for (int trial = 0; trial < 40 && nearest > 0.08; trial++) {
        front->side = main->side * draw(r, 0.6, 1.1);
        front->angle = draw(r, -0.25, 0.25);
        front->x = main->x + main->side * draw(r, -0.5, 0.5);
        front->y = main->y + main->side * draw(r, -0.5, 0.5);
        const double off = fabs(hidden_share(o, front) - 0.5);
        if (off < nearest) nearest = off, best = *front;
    }
    *front = best;
    s->count++;
    free(o);
    return SIM_OK;
}

static sim_status plan_hard(struct sim_procedural_scene *s, struct sim_rng *r)
{
    struct sim_procedural_object *main = &s->object[s->count - 1];
    main->side = draw(r, 0.22, 0.36);
    main->x = draw(r, 0.3, 0.7), main->y = draw(r, 0.3, 0.7);
    if (main->texture == sim_procedural_preferred_texture(main->family))
        main->texture = (main->texture + 1 + (int)sim_rng_below(r, SIM_PROCEDURAL_TEXTURES - 1)) %
                        SIM_PROCEDURAL_TEXTURES;
    if (main->palette == sim_procedural_preferred_palette(main->family))
        main->palette = (main->palette + 1 + (int)sim_rng_below(r, SIM_PROCEDURAL_PALETTES - 1)) %
                        SIM_PROCEDURAL_PALETTES;
    return hide(s, r);
}

/* ------------------------------------------------------------------ the set */

struct set {
    struct sim_data_config config;
    enum sim_shift_set set;
    int64_t count;
};

static const char *const set_names[SIM_SHIFT_SETS] = {
    [SIM_SHIFT_A] = "A", [SIM_SHIFT_R] = "R", [SIM_SHIFT_SKETCH] = "Sketch"};

static int32_t set_label(void *self, int64_t i)
{
    return (int32_t)(i % classes_of(((const struct set *)self)->set));
}

static const char *set_class_name(void *self, int label)
{
    return sim_procedural_family_name(family_of(((const struct set *)self)->set, label));
}

static void set_name(void *self, int64_t i, char *name, int size)
{
    const struct set *s = self;
    snprintf(name, (size_t)size, "pw-%s %lld (%s)", set_names[s->set], (long long)i,
             set_class_name(self, set_label(self, i)));
}

static sim_status draw_scene(const struct set *s, int64_t i, const struct sim_procedural_scene *scene,
                             struct sim_rng r, struct sim_image *out)
{
    uint8_t *instances = sim_calloc_aligned((size_t)scene->size * (size_t)scene->size, 1);
    if (!instances) return sim_fail(SIM_ENOMEM, "no memory for a scene of %d pixels", scene->size);
    sim_status status = sim_procedural_render(scene, out, instances, NULL);
    if (status == SIM_OK && s->set == SIM_SHIFT_SKETCH) status = sim_procedural_sketch(out, instances, r);
    if (status == SIM_OK && s->set == SIM_SHIFT_R)
        status = sim_procedural_rendition(out, instances, (int)(i / classes_of(s->set) % SIM_RENDITIONS), r);
    if (status != SIM_OK) sim_image_close(out);
    free(instances);
    return status;
}

static sim_status set_read(void *self, int64_t i, struct sim_image *out)
{
    const struct set *s = self;
    struct sim_procedural_scene scene;
    struct sim_rng r = stream(&s->config, s->set, i);
    *out = (struct sim_image){0};
    if (i < 0 || i >= s->count)
        return sim_fail(SIM_EINVAL, "pw-%s: image %lld is not in 0 .. %lld", set_names[s->set], (long long)i,
                        (long long)s->count - 1);
    sim_procedural_plan(&s->config, split_of(s->set), i, &scene);
    scene.object[scene.count - 1].family = family_of(s->set, set_label(self, i));
    if (s->set == SIM_SHIFT_A) SIM_TRY(plan_hard(&scene, &r));
    return draw_scene(s, i, &scene, r, out);
}

static void set_close(void *self)
{
    free(self);
}

sim_status sim_procedural_shift_open(struct sim_images *out, const struct sim_data_config *c,
                                     enum sim_shift_set set, int64_t per_class)
{
    char text[256];
    *out = (struct sim_images){0};
    if (per_class < 1 || per_class > 1000000)
        return sim_fail(SIM_EINVAL, "shift.procedural_per_class: %lld is not in 1 .. 1000000",
                        (long long)per_class);
    if (set == SIM_SHIFT_C) return sim_fail(SIM_EINVAL, "pw-C is made by corruptions, image by image");
    struct set *s = malloc(sizeof *s);
    if (!s) return sim_fail(SIM_ENOMEM, "no memory to open pw-%s", set_names[set]);
    *s = (struct set){.config = *c, .set = set, .count = per_class * classes_of(set)};
    *out = (struct sim_images){.self = s,
                               .count = s->count,
                               .classes = classes_of(set),
                               .read = set_read,
                               .label = set_label,
                               .name = set_name,
                               .class_name = set_class_name,
                               .close = set_close};
    int n = snprintf(text, sizeof text, "pw-%s version=%d seed=%lld images=%lld size=%lld", set_names[set],
                     SIM_PROCEDURAL_VERSION, (long long)c->procedural_seed, (long long)s->count,
                     (long long)c->procedural_size);
    snprintf(out->manifest_hash, sizeof out->manifest_hash, "%016llx",
             (unsigned long long)XXH64(text, (size_t)n, 0));
    return SIM_OK;
}
