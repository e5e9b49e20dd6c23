/* The parts a procedural scene is made of, for procedural*.c only.  Everything here keeps to arithmetic that
 * IEEE 754 rounds in one way (procedural.h). */
#ifndef SIM_PROCEDURAL_PARTS_H
#define SIM_PROCEDURAL_PARTS_H

#include <math.h>
#include <stdint.h>

#include "procedural.h"

/* ------------------------------------------------------------------ numbers */

/* low .. high.  Not sim_rng_between, which is compiled elsewhere and may be contracted. */
static inline double draw(struct sim_rng *r, double low, double high)
{
    return low + (high - low) * sim_rng_uniform(r);
}

/* A family's parameter: the nominal value times 0.8 .. 1.2. */
static inline double vary(struct sim_rng *r, double nominal)
{
    return nominal * draw(r, 0.8, 1.2);
}

static inline float clamp01(float v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static inline float mix(float a, float b, float t)
{
    return a + (b - a) * t;
}

/* Sine and cosine of an angle in turns, to 1e-9, from polynomials: libm's differ in the last place. */
double sim_procedural_sin(double turns);
double sim_procedural_cos(double turns);

/* ------------------------------------------------------------------ noise */

#define NOISE_SIDE 64

/* One table of uniform numbers per scene; all noise is read from it at offsets. */
struct noise {
    float value[NOISE_SIDE][NOISE_SIDE];
};

void sim_procedural_noise_fill(struct noise *n, struct sim_rng *r);

/* The table at integer coordinates, repeating. */
static inline float noise_cell(const struct noise *n, int x, int y)
{
    return n->value[y & (NOISE_SIDE - 1)][x & (NOISE_SIDE - 1)];
}

float sim_procedural_noise(const struct noise *n, float x, float y);            /* smooth, 0 .. 1 */
float sim_procedural_fbm(const struct noise *n, float x, float y, int octaves); /* 0 .. 1, around 0.5 */

/* ------------------------------------------------------------------ outlines */

#define OUTLINE_POINTS 2048
#define OUTLINE_CONTOURS 160

/* Closed contours, filled where the winding number is not zero: contours that turn the same way unite, one
 * that turns against its surrounding cuts a hole. */
struct outline {
    int contours, points;
    int start[OUTLINE_CONTOURS + 1]; /* contour c holds points start[c] .. start[c+1]-1 */
    double x[OUTLINE_POINTS], y[OUTLINE_POINTS];
};

/* The outline of a family in its own frame, upright, of any scale; r supplies its parameters. */
void sim_procedural_outline(int family, struct sim_rng *r, struct outline *out);

void sim_procedural_contour_open(struct outline *o);
void sim_procedural_contour_put(struct outline *o, double x, double y);
void sim_procedural_contour_close(struct outline *o); /* drops a contour of fewer than three points */

/* Poses the outline into pixels: mirror, stretch, shear, rotation, then scaled and moved so that its bounding
 * box has the object's centre and longer side. */
void sim_procedural_pose(const struct sim_procedural_object *object, int size, struct outline *o);

/* A window of the image, which may reach beyond it. */
struct window {
    int x, y, w, h; /* pixels; x and y may be negative */
};

/* Fills the outline (pixels): coverage (h, w), 0 .. 256, exact horizontally, 8 lines a pixel vertically. */
void sim_procedural_fill(const struct outline *o, struct window at, int32_t *coverage);

/* Two box blurs of radius r in place; scratch: as large as coverage. */
void sim_procedural_soften(int32_t *coverage, int w, int h, int radius, int32_t *scratch);

/* ------------------------------------------------------------------ surfaces */

/* The colours and texture of one object, ready to be asked for points. */
struct look {
    int texture;
    float a[3], b[3];       /* RGB, 0 .. 1 */
    float cosine, sine;     /* of the texture's frame */
    float frequency;        /* texture cells per object side */
    float shift_x, shift_y; /* where the texture's frame begins, in cells */
    float softness;         /* cells per pixel: the width of an antialiased edge */
    float gloss;
};

/* side_px: the object's side in pixels. */
void sim_procedural_look(const struct sim_procedural_object *object, float side_px, struct look *out);

/* Pulls the colours apart from the background's mean, where they are too near it to see the object. */
void sim_procedural_look_contrast(struct look *l, const float background[3]);

/* Surface colour at (u, v), measured from the object's centre in object sides. */
void sim_procedural_surface(const struct look *l, const struct noise *n, float u, float v, float rgb[3]);

/* Hue in turns (any real), saturation and value in 0 .. 1. */
void sim_procedural_hsv(double h, double s, double v, float rgb[3]);

/* Paints the whole canvas (size, size, 3); stuff as in sim_procedural_render. */
void sim_procedural_background(const struct sim_procedural_scene *scene, const struct noise *n, float *canvas,
                               uint8_t *stuff);

#endif
