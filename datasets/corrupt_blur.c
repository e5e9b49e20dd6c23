/* Blurs: out of focus, behind frosted glass, in motion, while zooming. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corrupt_parts.h"

/* ------------------------------------------------------------------ out of focus */

/* A disk on a grid of at least 17 x 17, smoothed by a Gaussian of 3 or 5 points. */
static sim_status disk(double radius, double alias, struct sim_plane *out)
{
    const int reach = radius <= 8 ? 8 : (int)radius, points = radius <= 8 ? 3 : 5, side = 2 * reach + 1;
    double sum = 0, total = 0;
    struct sim_tap taps[5];
    SIM_TRY(sim_plane_open(out, side, side, 1));
    for (int y = -reach; y <= reach; y++)
        for (int x = -reach; x <= reach; x++) {
            float inside = x * x + y * y <= radius * radius;
            out->v[(y + reach) * side + x + reach] = inside, sum += (double)inside;
        }
    for (int i = 0; i < side * side; i++) out->v[i] = (float)((double)out->v[i] / sum);
    for (int i = 0; i < points; i++) total += exp(-0.5 * pow((i - points / 2) / alias, 2));
    sim_status status = SIM_OK;
    for (int across = 0; across < 2 && status == SIM_OK; across++) {
        for (int i = 0; i < points; i++) {
            int at = i - points / 2;
            taps[i] = (struct sim_tap){across ? at : 0, across ? 0 : at,
                                       (float)(exp(-0.5 * pow(at / alias, 2)) / total)};
        }
        status = sim_filter_taps(out, taps, points, SIM_BORDER_REFLECT_101);
    }
    if (status != SIM_OK) sim_plane_close(out);
    return status;
}

/* Correlation with a kernel of odd side. */
static sim_status correlate(struct sim_plane *x, const struct sim_plane *kernel)
{
    const int side = kernel->width;
    struct sim_tap *taps = malloc((size_t)(side * side) * sizeof *taps);
    if (!taps) return sim_fail(SIM_ENOMEM, "no memory for a kernel of %d x %d", side, side);
    int count = 0;
    for (int i = 0; i < side * side; i++)
        if (kernel->v[i] > 0)
            taps[count++] = (struct sim_tap){i % side - side / 2, i / side - side / 2, kernel->v[i]};
    sim_status status = sim_filter_taps(x, taps, count, SIM_BORDER_REFLECT_101);
    free(taps);
    return status;
}

sim_status corrupt_defocus_blur(struct corrupting *c)
{
    static const struct {
        double radius, alias;
    } lens[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {{{3, .1}, {4, .5}, {6, .5}, {8, .5}, {10, .5}},
                                                   {{.5, .6}, {1, .1}, {1.5, .1}, {2.5, .01}, {3, .1}},
                                                   {{.3, .4}, {.4, .5}, {.5, .6}, {1, .2}, {1.5, .1}}};
    struct sim_plane kernel = {0}, x = {0};
    sim_status status = disk(lens[c->set][c->level].radius, lens[c->set][c->level].alias, &kernel);
    if (status == SIM_OK) status = corrupt_floats(c->image, &x);
    if (status == SIM_OK) status = correlate(&x, &kernel);
    if (status == SIM_OK) corrupt_bytes(&x, c->image);
    sim_plane_close(&kernel);
    sim_plane_close(&x);
    return status;
}

/* ------------------------------------------------------------------ frosted glass */

static sim_status smooth(struct sim_image *image, double sigma)
{
    struct sim_plane x;
    SIM_TRY(corrupt_floats(image, &x));
    sim_status status = sim_filter_gaussian(&x, sigma, 4, SIM_BORDER_NEAREST);
    if (status == SIM_OK) corrupt_bytes(&x, image);
    sim_plane_close(&x);
    return status;
}

/* Every pixel takes a neighbour's colour.  The official script means to exchange the two, but both sides of
 * its assignment are views of one array, so that the neighbour keeps what it had. */
static void shuffle(struct corrupting *c, int delta)
{
    const int w = c->image->width, h = c->image->height;
    uint8_t *rgb = c->image->rgb;
    for (int y = h - delta; y > delta; y--)
        for (int x = w - delta; x > delta; x--) {
            int dx = (int)sim_rng_below(&c->rng, 2 * (uint32_t)delta) - delta;
            int dy = (int)sim_rng_below(&c->rng, 2 * (uint32_t)delta) - delta;
            if (dx || dy)
                memcpy(rgb + ((size_t)y * (size_t)w + (size_t)x) * 3,
                       rgb + ((size_t)(y + dy) * (size_t)w + (size_t)(x + dx)) * 3, 3);
        }
}

sim_status corrupt_glass_blur(struct corrupting *c)
{
    static const struct {
        double sigma;
        int delta, times;
    } glass[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {{.7, 1, 2}, {.9, 2, 1}, {1, 2, 3}, {1.1, 3, 2}, {1.5, 4, 2}},
        {{.1, 1, 1}, {.5, 1, 1}, {.6, 1, 2}, {.7, 2, 1}, {.9, 2, 2}},
        {{.05, 1, 1}, {.25, 1, 1}, {.4, 1, 1}, {.25, 1, 2}, {.4, 1, 2}}};
    const double sigma = glass[c->set][c->level].sigma;
    SIM_TRY(smooth(c->image, sigma));
    for (int i = 0; i < glass[c->set][c->level].times; i++) shuffle(c, glass[c->set][c->level].delta);
    return smooth(c->image, sigma);
}

/* ------------------------------------------------------------------ motion */

sim_status corrupt_motion(struct sim_plane *p, int radius, double sigma, double angle)
{
    const double turn = angle * (M_PI / 180);
    const int count = 2 * radius + 1;
    double sum = 0;
    struct sim_tap *taps = malloc((size_t)count * sizeof *taps);
    if (!taps) return sim_fail(SIM_ENOMEM, "no memory for %d taps", count);
    for (int i = 0; i < count; i++) sum += exp(-0.5 * i * i / (sigma * sigma));
    for (int i = 0; i < count; i++)
        taps[i] = (struct sim_tap){(int)ceil(i * cos(turn) - 0.5), (int)ceil(i * sin(turn) - 0.5),
                                   (float)(exp(-0.5 * i * i / (sigma * sigma)) / sum)};
    sim_status status = sim_filter_taps(p, taps, count, SIM_BORDER_NEAREST);
    const size_t values = (size_t)p->width * (size_t)p->height * (size_t)p->channels;
    for (size_t i = 0; i < values; i++) p->v[i] = rintf(p->v[i] * 255) / 255;
    free(taps);
    return status;
}

sim_status corrupt_motion_blur(struct corrupting *c)
{
    static const struct {
        int radius;
        double sigma;
    } shake[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {{{10, 3}, {15, 5}, {15, 8}, {15, 12}, {20, 15}},
                                                    {{10, 1}, {10, 1.5}, {10, 2}, {10, 2.5}, {12, 3}},
                                                    {{6, 1}, {6, 1.5}, {6, 2}, {8, 2}, {9, 2.5}}};
    struct sim_plane x;
    SIM_TRY(corrupt_floats(c->image, &x));
    sim_status status = corrupt_motion(&x, shake[c->set][c->level].radius, shake[c->set][c->level].sigma,
                                       sim_rng_between(&c->rng, -45, 45));
    if (status == SIM_OK) corrupt_bytes(&x, c->image);
    sim_plane_close(&x);
    return status;
}

/* ------------------------------------------------------------------ zooming */

static sim_status add_zooms(const struct corrupting *c, struct sim_plane *sum, double step, int count)
{
    const size_t values = (size_t)sum->width * (size_t)sum->height * 3;
    const double apart =
        1 + step - 1; /* as NumPy's arange spaces them: the last place decides a crop's size */
    for (int k = 0; k < count; k++) {
        struct sim_plane one;
        SIM_TRY(corrupt_floats(c->image, &one));
        sim_status status = sim_warp_zoom(&one, 1 + k * apart);
        for (size_t i = 0; status == SIM_OK && i < values; i++) sum->v[i] += one.v[i];
        sim_plane_close(&one);
        SIM_TRY(status);
    }
    for (size_t i = 0; i < values; i++) sum->v[i] /= (float)(count + 1);
    return SIM_OK;
}

/* The mean of the image and of its zooms, the first of which is the image again. */
sim_status corrupt_zoom_blur(struct corrupting *c)
{
    static const struct {
        double step;
        int count;
    } zoom[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {{{.01, 12}, {.01, 16}, {.02, 11}, {.02, 13}, {.03, 11}},
                                                   {{.01, 7}, {.01, 12}, {.01, 16}, {.01, 21}, {.01, 26}},
                                                   {{.01, 7}, {.01, 12}, {.01, 16}, {.01, 21}, {.01, 26}}};
    struct sim_plane sum;
    SIM_TRY(corrupt_floats(c->image, &sum));
    sim_status status = add_zooms(c, &sum, zoom[c->set][c->level].step, zoom[c->set][c->level].count);
    if (status == SIM_OK) corrupt_bytes(&sum, c->image);
    sim_plane_close(&sum);
    return status;
}
