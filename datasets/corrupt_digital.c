/* What happens in a camera and after: contrast, a bent sensor, coarse pixels, compression. */
#include <math.h>
#include <stdlib.h>

#include "arena.h"
#include "corrupt_parts.h"
#include "encode.h"

/* Every channel drawn together about its mean. */
sim_status corrupt_contrast(struct corrupting *c)
{
    static const double share[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {.4, .3, .2, .1, .05}, {.4, .3, .2, .1, .05}, {.75, .5, .4, .3, .15}};
    const double s = share[c->set][c->level];
    const size_t n = (size_t)c->image->width * (size_t)c->image->height;
    for (int k = 0; k < 3; k++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++) sum += c->image->rgb[3 * i + (size_t)k];
        const double mean = (double)sum / (double)n / 255;
        for (size_t i = 0; i < n; i++) {
            uint8_t *v = &c->image->rgb[3 * i + (size_t)k];
            *v = corrupt_byte((float)((*v / 255.0 - mean) * s + mean));
        }
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ elastic transform */

/* The affine map that takes each of three points `to` back to its place in `from`; points that moved onto a
 * line, which no map can undo, leave the image as it is. */
static void affine_between(const double from[3][2], const double to[3][2], double m[6])
{
    const double ax = to[1][0] - to[0][0], ay = to[1][1] - to[0][1], bx = to[2][0] - to[0][0],
                 by = to[2][1] - to[0][1];
    const double area = ax * by - ay * bx;
    for (int k = 0; k < 2; k++) {
        const double a = from[1][k] - from[0][k], b = from[2][k] - from[0][k];
        const double across = fabs(area) > 1e-9 ? (a * by - b * ay) / area : k == 0;
        const double down = fabs(area) > 1e-9 ? (b * ax - a * bx) / area : k == 1;
        m[3 * k] = across, m[3 * k + 1] = down;
        m[3 * k + 2] = fabs(area) > 1e-9 ? from[0][k] - across * to[0][0] - down * to[0][1] : 0;
    }
}

/* A random affine map: three points about the centre move by up to `jitter` pixels. */
static sim_status tilt(struct corrupting *c, struct sim_plane *x, double jitter)
{
    const int w = x->width, h = x->height, third = (w < h ? w : h) / 3;
    /* the official script calls the height x: on square images it is the same */
    const double cx = w / 2, cy = h / 2;
    const double from[3][2] = {{cx + third, cy + third}, {cx + third, cy - third}, {cx - third, cy - third}};
    double to[3][2], m[6];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) to[i][k] = from[i][k] + sim_rng_between(&c->rng, -jitter, jitter);
    affine_between(from, to, m);
    return sim_warp_affine(x, m);
}

/* One coordinate's shifts: smoothed noise, alpha pixels high before the smoothing. */
static sim_status shifts(struct corrupting *c, double alpha, double sigma, struct sim_plane *out)
{
    const size_t n = (size_t)out->width * (size_t)out->height;
    for (size_t i = 0; i < n; i++) out->v[i] = (float)sim_rng_between(&c->rng, -1, 1);
    SIM_TRY(sim_filter_gaussian(out, sigma, 3, SIM_BORDER_REFLECT));
    for (size_t i = 0; i < n; i++) out->v[i] *= (float)alpha;
    return SIM_OK;
}

sim_status corrupt_elastic_transform(struct corrupting *c)
{
    /* alpha, sigma, jitter, in units of 244 (sic), 64 and 32 pixels */
    static const double bend[SIM_CONSTANTS_COUNT][SIM_SEVERITIES][3] = {
        {{2, .7, .1}, {2, .08, .2}, {.05, .01, .02}, {.07, .01, .02}, {.12, .01, .02}},
        {{0, 0, .08}, {.05, .3, .06}, {.1, .08, .06}, {.1, .03, .03}, {.16, .03, .02}},
        {{0, 0, .08}, {.05, .2, .07}, {.08, .06, .06}, {.1, .04, .05}, {.1, .03, .03}}};
    static const double unit[SIM_CONSTANTS_COUNT] = {244, 64, 32};
    const double *b = bend[c->set][c->level], u = unit[c->set];
    struct sim_plane x = {0}, dx = {0}, dy = {0};
    sim_status status = corrupt_floats(c->image, &x);
    if (status == SIM_OK) status = sim_plane_open(&dx, x.width, x.height, 1);
    if (status == SIM_OK) status = sim_plane_open(&dy, x.width, x.height, 1);
    if (status == SIM_OK) status = tilt(c, &x, b[2] * u);
    if (status == SIM_OK) status = shifts(c, b[0] * u, b[1] * u, &dx);
    if (status == SIM_OK) status = shifts(c, b[0] * u, b[1] * u, &dy);
    if (status == SIM_OK) status = sim_warp_shift(&x, dx.v, dy.v);
    if (status == SIM_OK) corrupt_bytes(&x, c->image);
    sim_plane_close(&x);
    sim_plane_close(&dx);
    sim_plane_close(&dy);
    return status;
}

/* ------------------------------------------------------------------ pixels and files */

/* Pillow's resize to a share of both sides and back, by boxes. */
sim_status corrupt_pixelate(struct corrupting *c)
{
    static const double share[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {.6, .5, .4, .3, .25}, {.9, .8, .7, .6, .5}, {.95, .9, .85, .75, .65}};
    struct sim_image *im = c->image, small;
    const int w = (int)fmax(im->width * share[c->set][c->level], 1),
              h = (int)fmax(im->height * share[c->set][c->level], 1);
    SIM_TRY(sim_image_open(&small, w, h));
    sim_status status =
        sim_pixels_crop_resize(im, 0, 0, 0, im->height, im->width, w, h, SIM_RESAMPLE_BOX, small.rgb);
    if (status == SIM_OK)
        status =
            sim_pixels_crop_resize(&small, 0, 0, 0, h, w, im->width, im->height, SIM_RESAMPLE_BOX, im->rgb);
    sim_image_close(&small);
    return status;
}

sim_status corrupt_jpeg_compression(struct corrupting *c)
{
    static const int quality[SIM_CONSTANTS_COUNT][SIM_SEVERITIES] = {
        {25, 18, 15, 10, 7}, {65, 58, 50, 40, 25}, {80, 65, 58, 50, 40}};
    return sim_jpeg_round_trip(c->image, quality[c->set][c->level]);
}

sim_status sim_jpeg_round_trip(struct sim_image *image, int quality)
{
    uint8_t *bytes;
    size_t count;
    struct sim_image read;
    SIM_TRY(sim_jpeg_encode(image->rgb, image->width, image->height, quality, &bytes, &count));
    sim_status status = sim_decode(bytes, count, "a JPEG just written", &read);
    free(bytes);
    SIM_TRY(status);
    sim_image_close(image);
    *image = read;
    return SIM_OK;
}
