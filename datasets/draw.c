#include "draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void mix(struct sim_image *to, int x, int y, struct sim_color c, double share)
{
    if (x < 0 || y < 0 || x >= to->width || y >= to->height || share <= 0) return;
    if (share > 1) share = 1;
    uint8_t *p = to->rgb + ((size_t)y * (size_t)to->width + (size_t)x) * 3;
    p[0] = (uint8_t)lrint(p[0] + share * (c.r - p[0]));
    p[1] = (uint8_t)lrint(p[1] + share * (c.g - p[1]));
    p[2] = (uint8_t)lrint(p[2] + share * (c.b - p[2]));
}

/* A box of pixels that surely holds what is drawn, clipped to the canvas. */
struct bounds {
    int x0, y0, x1, y1; /* half open */
};

static struct bounds around(const struct sim_image *to, double x0, double y0, double x1, double y1)
{
    struct bounds b = {(int)fmax(0, floor(fmin(x0, x1))), (int)fmax(0, floor(fmin(y0, y1))),
                       (int)fmin(to->width, ceil(fmax(x0, x1))), (int)fmin(to->height, ceil(fmax(y0, y1)))};
    return b;
}

void sim_draw_fill(struct sim_image *to, struct sim_color c)
{
    sim_draw_tint(to, 0, 0, to->width, to->height, c, 1);
}

void sim_draw_tint(struct sim_image *to, int x, int y, int w, int h, struct sim_color c, double share)
{
    for (int row = y; row < y + h; row++)
        for (int column = x; column < x + w; column++) mix(to, column, row, c, share);
}

/* How much of a pixel a shape covers is taken from the distance of the pixel's centre to the shape's edge. */
void sim_draw_dot(struct sim_image *to, double x, double y, double radius, struct sim_color c)
{
    struct bounds b = around(to, x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1);
    for (int row = b.y0; row < b.y1; row++)
        for (int column = b.x0; column < b.x1; column++)
            mix(to, column, row, c, radius + 0.5 - hypot(column + 0.5 - x, row + 0.5 - y));
}

void sim_draw_line(struct sim_image *to, double x0, double y0, double x1, double y1, double width,
                   struct sim_color c)
{
    double dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy, reach = width / 2 + 1;
    struct bounds b =
        around(to, fmin(x0, x1) - reach, fmin(y0, y1) - reach, fmax(x0, x1) + reach, fmax(y0, y1) + reach);
    for (int row = b.y0; row < b.y1; row++)
        for (int column = b.x0; column < b.x1; column++) {
            double px = column + 0.5 - x0, py = row + 0.5 - y0;
            double along = square > 0 ? fmin(1, fmax(0, (px * dx + py * dy) / square)) : 0;
            mix(to, column, row, c, width / 2 + 0.5 - hypot(px - along * dx, py - along * dy));
        }
}

void sim_draw_frame(struct sim_image *to, double x, double y, double w, double h, double width,
                    struct sim_color c)
{
    sim_draw_line(to, x, y, x + w, y, width, c);
    sim_draw_line(to, x + w, y, x + w, y + h, width, c);
    sim_draw_line(to, x + w, y + h, x, y + h, width, c);
    sim_draw_line(to, x, y + h, x, y, width, c);
}

void sim_draw_triangle(struct sim_image *to, const double x[3], const double y[3], struct sim_color c)
{
    double turn = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]) < 0 ? -1 : 1;
    struct bounds b = around(to, fmin(x[0], fmin(x[1], x[2])) - 1, fmin(y[0], fmin(y[1], y[2])) - 1,
                             fmax(x[0], fmax(x[1], x[2])) + 1, fmax(y[0], fmax(y[1], y[2])) + 1);
    for (int row = b.y0; row < b.y1; row++)
        for (int column = b.x0; column < b.x1; column++) {
            double inside = 1;
            for (int k = 0; k < 3; k++) {
                double ex = x[(k + 1) % 3] - x[k], ey = y[(k + 1) % 3] - y[k], length = hypot(ex, ey);
                if (length == 0) return;
                double distance = turn * (ex * (row + 0.5 - y[k]) - ey * (column + 0.5 - x[k])) / length;
                inside = fmin(inside, distance + 0.5);
            }
            mix(to, column, row, c, inside);
        }
}

sim_status sim_draw_picture(struct sim_image *to, const struct sim_image *from, int flip, int i, int j, int h,
                            int w, int x, int y, int out_w, int out_h)
{
    uint8_t *pixels = malloc((size_t)out_w * (size_t)out_h * 3);
    if (!pixels) return sim_fail(SIM_ENOMEM, "no memory for a drawing of %d x %d pixels", out_w, out_h);
    sim_status status =
        sim_pixels_crop_resize(from, flip, i, j, h, w, out_w, out_h, SIM_RESAMPLE_BICUBIC, pixels);
    for (int row = 0; status == SIM_OK && row < out_h; row++)
        for (int column = 0; column < out_w; column++) {
            const uint8_t *p = pixels + ((size_t)row * (size_t)out_w + (size_t)column) * 3;
            mix(to, x + column, y + row, (struct sim_color){p[0], p[1], p[2]}, 1);
        }
    free(pixels);
    return status;
}

sim_status sim_draw_enlarged(struct sim_image *out, const uint8_t *rgb, int w, int h, int times)
{
    SIM_TRY(sim_image_open(out, w * times, h * times));
    for (int y = 0; y < h * times; y++)
        for (int x = 0; x < w * times; x++)
            memcpy(out->rgb + ((size_t)y * (size_t)out->width + (size_t)x) * 3,
                   rgb + ((size_t)(y / times) * (size_t)w + (size_t)(x / times)) * 3, 3);
    return SIM_OK;
}
