/* Procedural scenes: one or more objects of 20 shape families before a background of stuff, made from numbers
 * alone. A scene is planned (every choice that has a name: family, texture, palette, place, pose, light) and
 * then rendered.  pw-cls, the classification set that sim_procedural_open (images.h) yields, plans one main
 * object and up to two distractors; a detection or segmentation set plans its own objects and renders them
 * the same way.
 *
 * The bytes are a function of the plan and equal on every machine: random numbers are Philox words, outlines
 * are rounded to 1/256 pixel and filled in integers, and what remains is float arithmetic of + - * / and
 * square root alone, with no contraction into fused multiply-adds (the Makefile compiles these files so; a
 * test holds hashes).
 *
 * To add a family, texture or palette: append it to its table (procedural_shapes.c, procedural_texture.c),
 * and raise SIM_PROCEDURAL_VERSION, which stands in every manifest. */
#ifndef SIM_PROCEDURAL_H
#define SIM_PROCEDURAL_H

#include <stdint.h>

#include "images.h"
#include "rng.h"

#define SIM_PROCEDURAL_VERSION 1
#define SIM_PROCEDURAL_FAMILIES 20
#define SIM_PROCEDURAL_TEXTURES 10
#define SIM_PROCEDURAL_PALETTES 10
#define SIM_PROCEDURAL_MAX_OBJECTS 16

enum sim_stuff {
    SIM_STUFF_SKY,
    SIM_STUFF_WALL,
    SIM_STUFF_FOREST, /* these three stand above the horizon, the rest lie below it */
    SIM_STUFF_WATER,
    SIM_STUFF_GRASS,
    SIM_STUFF_SAND,
    SIM_STUFF_ROAD,
    SIM_STUFF_SNOW,
    SIM_STUFF_KINDS
};

/* Lengths are shares of the image's side, angles are turns, y points down. */
struct sim_procedural_object {
    int family, texture, palette;
    double x, y;    /* centre of the bounding box */
    double side;    /* longer side of the bounding box, after stretch, shear and rotation */
    double angle;   /* clockwise */
    double stretch; /* width over height, applied before the rotation */
    double shear;   /* horizontal, before the rotation */
    int mirror;
    struct sim_rng outline,
        look; /* what its family's parameters, and its colours and texture, are drawn from */
};

struct sim_procedural_scene {
    int size; /* pixels, width and height */
    enum sim_stuff above, below;
    double horizon, tilt;           /* height at the middle column (below 0: all `below`), and slope */
    double light;                   /* turns; where the light comes from in the image plane */
    double elevation;               /* of the light: 0 grazing .. 1 frontal */
    double brightness;              /* factor on the finished picture */
    struct sim_rng noise, backdrop; /* the scene's noise table; the stuffs' colours and grain */
    int count;                      /* objects, painted in order: the last lies on top */
    struct sim_procedural_object object[SIM_PROCEDURAL_MAX_OBJECTS];
};

const char *sim_procedural_family_name(int family);   /* "gear"; NULL outside the table */
const char *sim_procedural_texture_name(int texture); /* "stripes" */
const char *sim_procedural_palette_name(int palette); /* "ember" */
const char *sim_procedural_stuff_name(int stuff);     /* "sky" */

/* What a class prefers when the shortcut dial says so.  No two classes prefer the same pair. */
int sim_procedural_preferred_texture(int family);
int sim_procedural_preferred_palette(int family);

/* Plans image i of pw-cls: class i % 20; the main object is the last one.  The dial (procedural_shortcut)
 * changes the main object's texture and palette in the training split and nothing else. */
void sim_procedural_plan(const struct sim_data_config *c, enum sim_split split, int64_t i,
                         struct sim_procedural_scene *out);

/* Renders a scene; the caller closes *out.  instances: (size, size) bytes or NULL, the modal mask: k + 1
 * where object k is the topmost that covers at least half of the pixel, 0 elsewhere.  stuff: (size, size)
 * bytes or NULL, the enum sim_stuff behind the objects.  Fails with SIM_ENOMEM, or with SIM_EINVAL on a plan
 * out of bounds. */
sim_status sim_procedural_render(const struct sim_procedural_scene *scene, struct sim_image *out,
                                 uint8_t *instances, uint8_t *stuff);

/* Plan and render in one: image i of pw-cls with its instance mask. */
sim_status sim_procedural_scene(const struct sim_data_config *c, enum sim_split split, int64_t i,
                                struct sim_image *out, uint8_t *instances);

#endif
