/* Weather: snow, frost, fog, and too much light. */
#include <math.h>
#include <stdlib.h>

#include "arena.h"
#include "corrupt_parts.h"
#include "procedural_frost.h"

static size_t pixels(const struct corrupting *c)
{
    return (size_t)c->image->width * (size_t)c->image->height;
}

/* ------------------------------------------------------------------ snow */

struct snowfall {
    double mean, deviation, zoom, threshold;
    int radius;
    double sigma;
    float keep;
};

/* One channel of flakes: noise, enlarged, what is dark left out, driven by the wind. */
static sim_status flakes(struct corrupting *c, const struct snowfall *s, struct sim_plane *layer)
{
    const size_t n = pixels(c);
    for (size_t i = 0; i < n; i++) layer->v[i] = (float)(s->mean + s->deviation * sim_rng_normal(&c->rng));
    SIM_TRY(sim_warp_zoom(layer, s->zoom));
    for (size_t i = 0; i < n; i++)
        layer->v[i] = (double)layer->v[i] < s->threshold ? 0 : (float)corrupt_byte(layer->v[i]) / 255;
    return corrupt_motion(layer, s->radius, s->sigma, sim_rng_between(&c->rng, -135, -45));
}

sim_status corrupt_snow(struct corrupting *c)
{
    static const struct snowfall fall[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {{.1, .3, 3, .5, 10, 4, .8f},
         {.2, .3, 2, .5, 12, 4, .7f},
         {.55, .3, 4, .9, 12, 8, .7f},
         {.55, .3, 4.5, .85, 12, 8, .65f},
         {.55, .3, 2.5, .85, 12, 12, .55f}},
        {{.1, .2, 1, .6, 8, 3, .8f},
         {.1, .2, 1, .5, 10, 4, .8f},
         {.15, .3, 1.75, .55, 10, 4, .7f},
         {.25, .3, 2.25, .6, 12, 6, .65f},
         {.3, .3, 1.25, .65, 14, 12, .6f}},
        {{.1, .2, 1, .6, 8, 3, .95f},
         {.1, .2, 1, .5, 10, 4, .9f},
         {.15, .3, 1.75, .55, 10, 4, .9f},
         {.25, .3, 2.25, .6, 12, 6, .85f},
         {.3, .3, 1.25, .65, 14, 12, .8f}}};
    const struct snowfall *s = &fall[c->set][c->level];
    const size_t n = pixels(c);
    struct sim_plane layer;
    SIM_TRY(sim_plane_open(&layer, c->image->width, c->image->height, 1));
    sim_status status = flakes(c, s, &layer);
    uint8_t *rgb = c->image->rgb;
    for (size_t i = 0; status == SIM_OK && i < n; i++, rgb += 3) {
        const float x[3] = {(float)rgb[0] / 255, (float)rgb[1] / 255, (float)rgb[2] / 255};
        const float white = (0.299f * x[0] + 0.587f * x[1] + 0.114f * x[2]) * 1.5f + 0.5f;
        const float snow = layer.v[i] + layer.v[n - 1 - i]; /* and the layer turned by half a circle */
        for (int k = 0; k < 3; k++)
            rgb[k] = corrupt_byte(s->keep * x[k] + (1 - s->keep) * fmaxf(x[k], white) + snow);
    }
    sim_plane_close(&layer);
    return status;
}

/* ------------------------------------------------------------------ frost */

sim_status corrupt_frost(struct corrupting *c)
{
    static const struct {
        float image, frost;
    } share[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {{1, .4f}, {.8f, .6f}, {.7f, .7f}, {.65f, .7f}, {.6f, .75f}},
        {{1, .3f}, {.9f, .4f}, {.8f, .45f}, {.75f, .5f}, {.7f, .55f}},
        {{1, .2f}, {1, .3f}, {.9f, .4f}, {.85f, .4f}, {.75f, .45f}}};
    static const double scale[SIM_CONSTANTS_COUNT] = {1, .3, .2}; /* of the photographs */
    struct sim_plane frost;
    SIM_TRY(sim_plane_open(&frost, c->image->width, c->image->height, 3));
    sim_status status = sim_procedural_frost(&frost, scale[c->set], &c->rng);
    for (size_t i = 0; status == SIM_OK && i < 3 * pixels(c); i++)
        c->image->rgb[i] = corrupt_byte(share[c->set][c->level].image * (float)c->image->rgb[i] / 255 +
                                        share[c->set][c->level].frost * frost.v[i]);
    sim_plane_close(&frost);
    return status;
}

/* ------------------------------------------------------------------ fog */

/* Diamond-square over a torus of `side` pixels, a power of two: each new point is a quarter of the sum of its
 * four neighbours, and noise whose amplitude is the square of `wibble`, which falls by `decay` a level; in
 * the end 0 .. 1. */
static void plasma(double *map, int side, double decay, struct sim_rng *r)
{
    const int mask = side - 1;
    double wibble = 100, low, high;
    map[0] = 0;
    for (int step = side; step >= 2; step /= 2, wibble /= decay) {
        const int half = step / 2;
        const double amplitude = wibble * wibble;
        for (int y = 0; y < side; y += step)
            for (int x = 0; x < side; x += step) {
                const double sum = map[y * side + x] + map[y * side + ((x + step) & mask)] +
                                   map[((y + step) & mask) * side + x] +
                                   map[((y + step) & mask) * side + ((x + step) & mask)];
                map[(y + half) * side + x + half] = sum / 4 + sim_rng_between(r, -amplitude, amplitude);
            }
        for (int y = 0; y < side; y += half)
            for (int x = y % step ? 0 : half; x < side; x += step) {
                const double sum = map[y * side + ((x - half) & mask)] + map[y * side + ((x + half) & mask)] +
                                   map[((y - half) & mask) * side + x] + map[((y + half) & mask) * side + x];
                map[y * side + x] = sum / 4 + sim_rng_between(r, -amplitude, amplitude);
            }
    }
    low = high = map[0];
    for (int i = 0; i < side * side; i++) low = fmin(low, map[i]), high = fmax(high, map[i]);
    for (int i = 0; i < side * side; i++) map[i] = high > low ? (map[i] - low) / (high - low) : 0;
}

sim_status corrupt_fog(struct corrupting *c)
{
    static const struct {
        float amount;
        double decay;
    } bank[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {{{1.5f, 2}, {2, 2}, {2.5f, 1.7}, {2.5f, 1.5}, {3, 1.4}},
                                                   {{.4f, 3}, {.7f, 3}, {1, 2.5}, {1.5f, 2}, {2, 1.75}},
                                                   {{.2f, 3}, {.5f, 3}, {.75f, 2.5}, {1, 2}, {1.5f, 1.75}}};
    const float amount = bank[c->set][c->level].amount;
    const int w = c->image->width, h = c->image->height;
    int side = 2, top = 0;
    while (side < w || side < h) side *= 2;
    double *map = sim_calloc_aligned((size_t)side * (size_t)side, sizeof *map);
    if (!map) return sim_fail(SIM_ENOMEM, "no memory for fog of %d x %d pixels", side, side);
    plasma(map, side, bank[c->set][c->level].decay, &c->rng);
    for (size_t i = 0; i < 3 * pixels(c); i++) top = c->image->rgb[i] > top ? c->image->rgb[i] : top;
    const float most = (float)top / 255;
    uint8_t *rgb = c->image->rgb;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, rgb += 3)
            for (int k = 0; k < 3; k++)
                rgb[k] = corrupt_byte(((float)rgb[k] / 255 + amount * (float)map[y * side + x]) * most /
                                      (most + amount));
    free(map);
    return SIM_OK;
}

/* ------------------------------------------------------------------ brightness */

/* HSV's value raised; hue and saturation stay, so all channels grow by one factor. */
sim_status corrupt_brightness(struct corrupting *c)
{
    static const float more[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {.1f, .2f, .3f, .4f, .5f}, {.1f, .2f, .3f, .4f, .5f}, {.05f, .1f, .15f, .2f, .3f}};
    uint8_t *rgb = c->image->rgb;
    for (size_t i = 0, n = pixels(c); i < n; i++, rgb += 3) {
        const int most =
            rgb[0] > rgb[1] ? (rgb[0] > rgb[2] ? rgb[0] : rgb[2]) : (rgb[1] > rgb[2] ? rgb[1] : rgb[2]);
        const float value = fminf((float)most / 255 + more[c->set][c->level], 1);
        for (int k = 0; k < 3; k++) rgb[k] = corrupt_byte(most ? (float)rgb[k] / (float)most * value : value);
    }
    return SIM_OK;
}
