/* What lies behind the objects: one stuff above a horizon and one below, the line between them bent by noise.
 */
#include "procedural_parts.h"

const char *sim_procedural_stuff_name(int stuff)
{
    static const char *const names[SIM_STUFF_KINDS] = {"sky",   "wall", "forest", "water",
                                                       "grass", "sand", "road",   "snow"};
    return stuff >= 0 && stuff < SIM_STUFF_KINDS ? names[stuff] : NULL;
}

/* A stuff's three colours (hue in turns, saturation, value) and how far a scene moves them. */
static const struct {
    double dark[3], middle[3], light[3], hue_jitter;
} stuffs[SIM_STUFF_KINDS] = {
    [SIM_STUFF_SKY] = {{0.60, 0.55, 0.80}, {0.57, 0.28, 0.94}, {0.12, 0.03, 0.99}, 0.03},
    [SIM_STUFF_WALL] = {{0.07, 0.25, 0.50}, {0.08, 0.22, 0.74}, {0.10, 0.12, 0.88}, 0.25},
    [SIM_STUFF_FOREST] = {{0.36, 0.55, 0.16}, {0.31, 0.55, 0.36}, {0.25, 0.50, 0.52}, 0.04},
    [SIM_STUFF_WATER] = {{0.56, 0.62, 0.42}, {0.54, 0.50, 0.64}, {0.51, 0.18, 0.93}, 0.05},
    [SIM_STUFF_GRASS] = {{0.30, 0.65, 0.32}, {0.26, 0.60, 0.54}, {0.21, 0.52, 0.72}, 0.03},
    [SIM_STUFF_SAND] = {{0.09, 0.42, 0.66}, {0.11, 0.34, 0.86}, {0.12, 0.20, 0.97}, 0.02},
    [SIM_STUFF_ROAD] = {{0.62, 0.08, 0.28}, {0.10, 0.04, 0.42}, {0.14, 0.06, 0.92}, 0.10},
    [SIM_STUFF_SNOW] = {{0.61, 0.20, 0.76}, {0.58, 0.08, 0.92}, {0.14, 0.02, 1.00}, 0.03},
};

struct paint {
    float dark[3], middle[3], light[3];
    float scale; /* of the grain */
    float x, y;  /* where in the noise table this stuff is read */
    float p, q;  /* two numbers of its own, 0 .. 1 */
};

static void paint_draw(struct sim_rng *r, enum sim_stuff s, struct paint *out)
{
    double hue = draw(r, -stuffs[s].hue_jitter, stuffs[s].hue_jitter), value = draw(r, 0.85, 1.06);
    double saturation = draw(r, 0.75, 1.2);
    const double *from[3] = {stuffs[s].dark, stuffs[s].middle, stuffs[s].light};
    float *to[3] = {out->dark, out->middle, out->light};
    for (int k = 0; k < 3; k++) {
        double strong = from[k][1] * saturation, bright = from[k][2] * value;
        sim_procedural_hsv(from[k][0] + hue, strong > 1 ? 1 : strong, bright > 1 ? 1 : bright, to[k]);
    }
    out->scale = (float)draw(r, 0.8, 1.25);
    out->x = (float)draw(r, 0, NOISE_SIDE), out->y = (float)draw(r, 0, NOISE_SIDE);
    out->p = (float)sim_rng_uniform(r), out->q = (float)sim_rng_uniform(r);
}

/* dark .. middle .. light for t = 0 .. 0.5 .. 1 */
static void ramp(const struct paint *p, float t, float rgb[3])
{
    t = clamp01(t);
    for (int k = 0; k < 3; k++)
        rgb[k] = t < 0.5f ? mix(p->dark[k], p->middle[k], 2 * t) : mix(p->middle[k], p->light[k], 2 * t - 1);
}

static float step_to(float v, float width) /* a soft step around 0 */
{
    return clamp01(0.5f + v / width);
}

/* ------------------------------------------------------------------ above the horizon */

/* x: 0 .. 1 over the image; up: height above the horizon, sides. */
static void sky(const struct paint *p, const struct noise *n, float x, float up, float rgb[3])
{
    float clouds = sim_procedural_fbm(n, 3.2f * p->scale * x + p->x, 6.5f * p->scale * up + p->y, 4);
    float cover = clamp01((clouds - 0.62f + 0.28f * p->p) * 3.2f);
    float base[3];
    ramp(p, 0.5f - 0.6f * up, base);
    for (int k = 0; k < 3; k++) rgb[k] = mix(base[k], p->light[k], 0.85f * cover);
}

/* Plaster, planks or tiles with a skirting board. */
static void wall(const struct paint *p, const struct noise *n, float x, float up, float pixel, float rgb[3])
{
    float grain = sim_procedural_fbm(n, 9 * p->scale * x + p->x, 9 * p->scale * up + p->y, 3);
    float t = 0.55f + 0.5f * (grain - 0.5f), line = 0;
    if (p->p < 0.35f) { /* planks */
        float u = 6 * p->scale * x;
        line = step_to(0.04f - fabsf(u - floorf(u) - 0.5f), 7 * p->scale * pixel);
        t += 0.25f * (noise_cell(n, (int)floorf(u + 0.5f), 5) - 0.5f);
    } else if (p->p < 0.7f) { /* tiles */
        float u = 5 * p->scale * x, v = 5 * p->scale * up;
        float du = 0.04f - fabsf(u - floorf(u) - 0.5f), dv = 0.04f - fabsf(v - floorf(v) - 0.5f);
        line = step_to(du > dv ? du : dv, 6 * p->scale * pixel);
    }
    float board = step_to(0.045f - up, pixel);
    ramp(p, mix(t - 0.3f * line, 0.95f, board), rgb);
}

static void forest(const struct paint *p, const struct noise *n, float x, float up, float rgb[3])
{
    float leaves = sim_procedural_fbm(n, 13 * p->scale * x + p->x, 11 * p->scale * up + p->y, 3);
    float trunks = sim_procedural_noise(n, 15 * p->scale * x + p->y, 1.1f * up + p->x);
    float trunk = clamp01((trunks - 0.62f) * 9) * clamp01(1.3f - 3 * up);
    ramp(p, 0.35f + 1.7f * (leaves - 0.5f) + 0.35f * up - 0.3f * trunk, rgb);
}

/* ------------------------------------------------------------------ below the horizon */

/* near: 0 at the horizon, growing towards the viewer; depth: the perspective coordinate, growing towards the
 * horizon, where lines crowd. */
static void ground(enum sim_stuff s, const struct paint *p, const struct noise *n, float x, float near,
                   float pixel, float rgb[3])
{
    float depth = 1 / (near + 0.22f), across = (x - 0.5f) * depth;
    float fine = clamp01(near * 4 + 0.35f); /* detail fades with distance */
    switch (s) {
    case SIM_STUFF_WATER: {
        float wave =
            sim_procedural_fbm(n, 2.2f * p->scale * across + p->x, 7.5f * p->scale * depth + p->y, 3);
        ramp(p, 0.42f + 1.5f * fine * (wave - 0.5f) + 0.35f * (0.3f - near), rgb);
        break;
    }
    case SIM_STUFF_GRASS: {
        float blade = sim_procedural_fbm(n, 15 * p->scale * across + p->x, 5 * p->scale * depth + p->y, 3);
        float patch = sim_procedural_noise(n, 2 * across + p->y, 2 * depth + p->x);
        ramp(p, 0.5f + 1.1f * fine * (blade - 0.5f) + 0.5f * (patch - 0.5f), rgb);
        break;
    }
    case SIM_STUFF_SAND: {
        float warp = sim_procedural_fbm(n, 2 * across + p->x, 2 * depth + p->y, 3);
        float ripple = 5 * p->scale * depth + 1.6f * warp + 0.5f * p->p * across;
        ripple = fabsf(2 * (ripple - floorf(ripple)) - 1);
        ramp(p, 0.42f + 0.35f * fine * (ripple - 0.5f) + 0.7f * (warp - 0.5f), rgb);
        break;
    }
    case SIM_STUFF_ROAD: {
        float grain = sim_procedural_fbm(n, 14 * across + p->x, 14 * depth + p->y, 2);
        float lane = across - 0.9f * (p->p - 0.5f), soft = 1.5f * pixel * depth;
        float dash = 1.3f * depth + p->q;
        float paint =
            step_to(0.045f - fabsf(lane), soft) * step_to(0.3f - fabsf(dash - floorf(dash) - 0.5f), 0.1f);
        float edge = step_to(0.04f - fabsf(fabsf(lane) - 0.85f), soft);
        paint = paint > edge ? paint : edge;
        ramp(p, mix(0.3f + 0.5f * (grain - 0.5f), 0.9f, paint), rgb);
        break;
    }
    default: { /* snow: drifts */
        float drift = sim_procedural_fbm(n, 2.4f * p->scale * across + p->x, 4 * p->scale * depth + p->y, 3);
        ramp(p, 0.5f + 1.2f * (drift - 0.5f), rgb);
    }
    }
}

void sim_procedural_background(const struct sim_procedural_scene *scene, const struct noise *n, float *canvas,
                               uint8_t *stuff)
{
    struct sim_rng r = scene->backdrop;
    struct paint above, below;
    paint_draw(&r, scene->above, &above);
    paint_draw(&r, scene->below, &below);
    /* how rough the line between is: tree tops over hills over walls, which stand straight */
    float rough = scene->above == SIM_STUFF_WALL ? 0 : scene->below == SIM_STUFF_WATER ? 0.01f : 0.13f;
    float bumps = (float)draw(&r, 2, 4), start = (float)draw(&r, 0, NOISE_SIDE),
          haze = (float)draw(&r, 0.1, 0.4);
    const int size = scene->size;
    const float pixel = 1.0f / (float)size;
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            float px = ((float)x + 0.5f) * pixel, py = ((float)y + 0.5f) * pixel;
            float line = (float)scene->horizon + (float)scene->tilt * (px - 0.5f);
            /* the noise varies with the column alone, or the line would break into islands */
            if (rough > 0) line += rough * (sim_procedural_fbm(n, bumps * px + start, start, 3) - 0.5f);
            float share = step_to(py - line, pixel), up[3] = {0}, down[3] = {0};
            if (share < 1) {
                if (scene->above == SIM_STUFF_SKY)
                    sky(&above, n, px, line - py, up);
                else if (scene->above == SIM_STUFF_WALL)
                    wall(&above, n, px, line - py, pixel, up);
                else
                    forest(&above, n, px, line - py, up);
            }
            if (share > 0) {
                float near = py > line ? py - line : 0, far = haze * clamp01(1 - 4 * near);
                ground(scene->below, &below, n, px, near, pixel, down);
                if (scene->above == SIM_STUFF_SKY)
                    for (int k = 0; k < 3; k++) down[k] = mix(down[k], above.middle[k], far);
            }
            float *out = canvas + 3 * ((size_t)y * (size_t)size + (size_t)x);
            for (int k = 0; k < 3; k++) out[k] = mix(up[k], down[k], share);
            if (stuff) *stuff++ = (uint8_t)(share >= 0.5f ? scene->below : scene->above);
        }
    }
}
