/* Affine maps of an image by cubic interpolation, and the 3 x 3 filter of sharpness: Pillow 9.4's Geometry.c
 * and Filter.c, rounded as they round (see the Makefile: no fused multiply-add here). */
#include "pixels.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pixel_math.h"

static sim_status copy_of(const uint8_t *rgb, int w, int h, struct sim_image *out)
{
    SIM_TRY(sim_image_open(out, w, h));
    memcpy(out->rgb, rgb, (size_t)w * (size_t)h * 3);
    return SIM_OK;
}

/* ---------------------------------------------------------------- affine */

static int inside(int at, int size)
{
    return at < 0 ? 0 : at < size ? at : size - 1;
}

/* Through v1 at -1, v2 at 0, v3 at 1, v4 at 2: the value at d, from 0 to 1. */
static double cubic(double v1, double v2, double v3, double v4, double d)
{
    double p2 = -v1 + v3, p3 = 2 * (v1 - v2) + v3 - v4, p4 = -v1 + v2 - v3 + v4;
    return v2 + d * (p2 + d * (p3 + d * p4));
}

/* The image at (x, y), of which the pixel (0, 0) is the square from 0 to 1; 0 where that is outside.  Beyond
 * an edge its pixels go on. */
static int sample(const struct sim_image *im, double x, double y, uint8_t out[3])
{
    if (!(x >= 0 && x < im->width && y >= 0 && y < im->height)) return 0;
    const int left = (int)floor(x - 0.5), top = (int)floor(y - 0.5);
    const double dx = x - 0.5 - left, dy = y - 0.5 - top;
    size_t column[4];
    for (int k = 0; k < 4; k++) column[k] = 3 * (size_t)inside(left - 1 + k, im->width);
    for (size_t c = 0; c < 3; c++) {
        double row[4];
        for (int k = 0; k < 4; k++) {
            const uint8_t *at = im->rgb + 3 * (size_t)im->width * (size_t)inside(top - 1 + k, im->height) + c;
            row[k] = cubic(at[column[0]], at[column[1]], at[column[2]], at[column[3]], dx);
        }
        double v = cubic(row[0], row[1], row[2], row[3], dy);
        out[c] = v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
    }
    return 1;
}

sim_status sim_pixels_affine(uint8_t *rgb, int w, int h, const double m[6], const uint8_t fill[3])
{
    struct sim_image from;
    SIM_TRY(copy_of(rgb, w, h, &from));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, rgb += 3) {
            const double cx = x + 0.5, cy = y + 0.5;
            if (!sample(&from, m[0] * cx + m[1] * cy + m[2], m[3] * cx + m[4] * cy + m[5], rgb))
                memcpy(rgb, fill, 3);
        }
    sim_image_close(&from);
    return SIM_OK;
}

/* ---------------------------------------------------------------- rotation */

/* Python's round(v, 15): to the nearest decimal, as text has it. */
static double to_15_places(double v)
{
    char text[40];
    snprintf(text, sizeof text, "%.15f", v);
    return strtod(text, NULL);
}

/* Quarter turns, counter-clockwise; of a square where there is an odd number of them. */
static sim_status turn(uint8_t *rgb, int w, int h, int quarters)
{
    struct sim_image from;
    SIM_TRY(copy_of(rgb, w, h, &from));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, rgb += 3) {
            int fx = quarters == 2 ? w - 1 - x : quarters == 1 ? w - 1 - y : y;
            int fy = quarters == 2 ? h - 1 - y : quarters == 1 ? x : h - 1 - x;
            memcpy(rgb, from.rgb + 3 * ((size_t)fy * (size_t)w + (size_t)fx), 3);
        }
    sim_image_close(&from);
    return SIM_OK;
}

sim_status sim_pixels_rotate(uint8_t *rgb, int w, int h, double degrees, const uint8_t fill[3])
{
    double angle = fmod(degrees, 360);
    if (angle < 0) angle += 360;
    if (angle == 0) return SIM_OK;
    if (angle == 180 || (w == h && (angle == 90 || angle == 270))) return turn(rgb, w, h, (int)angle / 90);
    angle = -(angle * (M_PI / 180));
    const double cx = w / 2.0, cy = h / 2.0;
    double m[6] = {to_15_places(cos(angle)),  to_15_places(sin(angle)), 0,
                   to_15_places(-sin(angle)), to_15_places(cos(angle)), 0};
    m[2] = m[0] * -cx + m[1] * -cy + 0.0 + cx;
    m[5] = m[3] * -cx + m[4] * -cy + 0.0 + cy;
    return sim_pixels_affine(rgb, w, h, m, fill);
}

/* ---------------------------------------------------------------- sharpness */

/* ImageFilter.SMOOTH, which leaves the border as it is: sums in float32, the row below first. */
static uint8_t smoothed(const uint8_t *at, ptrdiff_t row)
{
    const float side = 1.0f / 13.0f, middle = 5.0f / 13.0f;
    float sum = 0.5f;
    sum += at[row - 3] * side + at[row] * side + at[row + 3] * side;
    sum += at[-3] * side + at[0] * middle + at[3] * side;
    sum += at[-row - 3] * side + at[-row] * side + at[-row + 3] * side;
    return sum >= 255.0f ? 255 : (uint8_t)sum;
}

sim_status sim_pixels_sharpness(uint8_t *rgb, int w, int h, double factor)
{
    struct sim_image from;
    const ptrdiff_t row = 3 * (ptrdiff_t)w;
    SIM_TRY(copy_of(rgb, w, h, &from));
    for (int y = 1; y < h - 1; y++)
        for (ptrdiff_t i = y * row + 3; i < (y + 1) * row - 3; i++)
            rgb[i] = sim_blend(smoothed(from.rgb + i, row), rgb[i], (float)factor);
    sim_image_close(&from);
    return SIM_OK;
}
