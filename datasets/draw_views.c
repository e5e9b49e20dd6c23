#include "draw_views.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "images.h"

enum { PANEL = 420, MARGIN = 24, SMALL = 192, ENLARGED = 384 };

static const struct sim_color paper = {255, 255, 255}, ink = {30, 30, 34}, grey = {128, 128, 132},
                              first_color = {245, 130, 20}, second_color = {30, 110, 230};

static sim_status save(const struct sim_image *im, const char *folder, const char *name)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return sim_fail(SIM_EINVAL, "the folder's name is too long: %s", folder);
    return sim_png_write(path, im->rgb, im->width, im->height);
}

/* ------------------------------------------------------------------ views and mask */

static sim_status draw_view(const struct sim_views_drawing *d, const struct sim_image *view, int number,
                            const char *folder)
{
    char name[32];
    struct sim_image large = {0};
    snprintf(name, sizeof name, "view%d.png", number);
    SIM_TRY(save(view, folder, name));
    if (d->img_size >= SMALL) return SIM_OK;
    int times = (ENLARGED + d->img_size - 1) / d->img_size;
    snprintf(name, sizeof name, "view%d_x%d.png", number, times);
    sim_status status = sim_draw_enlarged(&large, view->rgb, view->width, view->height, times);
    if (status == SIM_OK) status = save(&large, folder, name);
    sim_image_close(&large);
    return status;
}

static sim_status mask_picture(const struct sim_views_drawing *d, const struct sim_image *view,
                               struct sim_image *large)
{
    int times = d->img_size < ENLARGED ? (ENLARGED + d->img_size - 1) / d->img_size : 1;
    SIM_TRY(sim_draw_enlarged(large, view->rgb, view->width, view->height, times));
    int patch = large->width / d->grid;
    for (int p = 0; p < d->grid * d->grid; p++)
        if (d->mask[p])
            sim_draw_tint(large, p % d->grid * patch, p / d->grid * patch, patch, patch, grey, 0.88);
    for (int k = 1; k < d->grid; k++) {
        sim_draw_tint(large, k * patch, 0, 1, large->height, paper, 0.55);
        sim_draw_tint(large, 0, k * patch, large->width, 1, paper, 0.55);
    }
    return SIM_OK;
}

sim_status sim_views_pictures(const struct sim_views_drawing *d, struct sim_image view[2],
                              struct sim_image *masked)
{
    view[0] = view[1] = *masked = (struct sim_image){0};
    for (int k = 0; k < 2; k++) {
        SIM_TRY(sim_image_open(&view[k], d->img_size, d->img_size));
        SIM_TRY(sim_view_make(d->augment, &d->view[k], d->source, d->img_size, view[k].rgb));
    }
    return mask_picture(d, &view[0], masked);
}

/* ------------------------------------------------------------------ geometry */

/* One colour per patch, blended from four corners: a mirrored or turned arrangement shows at a glance. */
static struct sim_color patch_color(int grid, int u, int v)
{
    static const double corner[4][3] = {{225, 40, 50}, {250, 200, 30}, {40, 80, 225}, {30, 175, 90}};
    double y = grid > 1 ? (double)u / (grid - 1) : 0, x = grid > 1 ? (double)v / (grid - 1) : 0, c[3];
    for (int k = 0; k < 3; k++)
        c[k] = (1 - y) * ((1 - x) * corner[0][k] + x * corner[1][k]) +
               y * ((1 - x) * corner[2][k] + x * corner[3][k]);
    return (struct sim_color){(uint8_t)c[0], (uint8_t)c[1], (uint8_t)c[2]};
}

static void draw_patch_dot(struct sim_image *to, double x, double y, double spacing, struct sim_color c)
{
    double radius = fmin(5, fmax(1.5, 0.19 * spacing));
    sim_draw_dot(to, x, y, radius + 1, paper);
    sim_draw_dot(to, x, y, radius, c);
}

/* A box in pixels of a frame or of the canvas. */
struct box {
    double x, y, w, h;
};

/* Frame of a view's box, and a wedge in the corner of the first patch: on the right for a mirrored box. */
static void draw_box(struct sim_image *to, struct box b, int mirrored, struct sim_color c)
{
    double side = fmin(22, 0.25 * fmin(b.w, b.h)), corner = mirrored ? b.x + b.w : b.x;
    const double x[3] = {corner, corner + (mirrored ? -side : side), corner}, y[3] = {b.y, b.y, b.y + side};
    sim_draw_frame(to, b.x, b.y, b.w, b.h, 5, paper);
    sim_draw_frame(to, b.x, b.y, b.w, b.h, 3, c);
    sim_draw_triangle(to, x, y, c);
}

/* Left panel: the source as it is, with the places of both crops. */
static sim_status draw_source(const struct sim_views_drawing *d, struct sim_image *to, struct box at)
{
    const struct sim_image *s = d->source;
    double scale = at.w / s->width;
    SIM_TRY(
        sim_draw_picture(to, s, 0, 0, 0, s->height, s->width, (int)at.x, (int)at.y, (int)at.w, (int)at.h));
    for (int k = 1; k >= 0; k--) {
        const struct sim_view *v = &d->view[k];
        double left = v->flip ? s->width - v->j - v->w : v->j;
        struct box b = {at.x + scale * left, at.y + scale * v->i, scale * v->w, scale * v->h};
        draw_box(to, b, v->flip, k ? second_color : first_color);
    }
    return SIM_OK;
}

/* Middle panel: view 2 as the target sees it. */
static sim_status draw_second(const struct sim_views_drawing *d, struct sim_image *to,
                              const struct sim_image *view, struct box at)
{
    double spacing = at.w / d->grid;
    SIM_TRY(sim_draw_picture(to, view, 0, 0, 0, view->height, view->width, (int)at.x, (int)at.y, (int)at.w,
                             (int)at.h));
    for (int p = 0; p < d->grid * d->grid; p++)
        draw_patch_dot(to, at.x + (p % d->grid + 0.5) * spacing, at.y + (p / d->grid + 0.5) * spacing,
                       spacing, patch_color(d->grid, p / d->grid, p % d->grid));
    draw_box(to, at, 0, second_color);
    return SIM_OK;
}

/* What the right panel shows, in source pixels of view 1's frame: both crops and a rim, inside the image. */
static struct box shown_part(const struct sim_views_drawing *d)
{
    const struct sim_view *a = &d->view[0], *b = &d->view[1];
    double left = a->flip == b->flip ? b->j : d->source->width - b->j - b->w;
    double x0 = fmin(a->j, left), x1 = fmax(a->j + a->w, left + b->w);
    double y0 = fmin(a->i, b->i), y1 = fmax(a->i + a->h, b->i + b->h), rim = 0.06 * fmax(x1 - x0, y1 - y0);
    x0 = floor(fmax(0, x0 - rim)), x1 = ceil(fmin(d->source->width, x1 + rim));
    y0 = floor(fmax(0, y0 - rim)), y1 = ceil(fmin(d->source->height, y1 + rim));
    return (struct box){x0, y0, x1 - x0, y1 - y0};
}

/* Right panel: view 1's frame, in which its patches are squares.  The dots come from the geometry tuple
 * alone, by the formula of the predictor's position embedding (method.md 1.4); the picture below them comes
 * from the crops. */
static sim_status draw_first(const struct sim_views_drawing *d, struct sim_image *to,
                             const struct sim_image *view, struct box at, struct box part)
{
    const struct sim_view *a = &d->view[0];
    double scale_x = at.w / part.w, scale_y = at.h / part.h;
    SIM_TRY(sim_draw_picture(to, d->source, a->flip, (int)part.y, (int)part.x, (int)part.h, (int)part.w,
                             (int)at.x, (int)at.y, (int)at.w, (int)at.h));
    sim_draw_tint(to, (int)at.x, (int)at.y, (int)at.w, (int)at.h, paper, 0.55);
    struct box own = {at.x + scale_x * (a->j - part.x), at.y + scale_y * (a->i - part.y), scale_x * a->w,
                      scale_y * a->h};
    int x0 = (int)lrint(own.x), y0 = (int)lrint(own.y), x1 = (int)lrint(own.x + own.w),
        y1 = (int)lrint(own.y + own.h);
    SIM_TRY(sim_draw_picture(to, view, 0, 0, 0, view->height, view->width, x0, y0, x1 - x0 > 0 ? x1 - x0 : 1,
                             y1 - y0 > 0 ? y1 - y0 : 1));
    double patch_w = own.w / d->grid, patch_h = own.h / d->grid;
    for (int k = 1; k < d->grid; k++) {
        sim_draw_line(to, own.x + k * patch_w, own.y, own.x + k * patch_w, own.y + own.h, 0.5, paper);
        sim_draw_line(to, own.x, own.y + k * patch_h, own.x + own.w, own.y + k * patch_h, 0.5, paper);
    }

    double g = d->grid, di = d->geometry[0], dj = d->geometry[1], sh = d->geometry[2], sw = d->geometry[3],
           fj = d->geometry[5];
    int flip = d->geometry[4] != 0;
    double left = flip ? fj - sw : dj; /* of view 2's box, as a share of view 1's */
    struct box other = {own.x + own.w * left, own.y + own.h * di, own.w * sw, own.h * sh};
    draw_box(to, own, 0, first_color);
    draw_box(to, other, flip, second_color);
    for (int p = 0; p < d->grid * d->grid; p++) {
        int u = p / d->grid, v = p % d->grid;
        double y = sh * (u + 0.5) + g * di - 0.5;
        double x = flip ? -sw * (v + 0.5) + g * fj - 0.5 : sw * (v + 0.5) + g * dj - 0.5;
        draw_patch_dot(to, own.x + (x + 0.5) * patch_w, own.y + (y + 0.5) * patch_h,
                       fmin(fabs(sw) * patch_w, sh * patch_h), patch_color(d->grid, u, v));
    }
    return SIM_OK;
}

static struct box fit(double w, double h)
{
    double scale = PANEL / fmax(w, h);
    return (struct box){0, 0, fmax(1, rint(w * scale)), fmax(1, rint(h * scale))};
}

static sim_status draw_geometry(const struct sim_views_drawing *d, const struct sim_image view[2],
                                const char *folder)
{
    const struct sim_view *a = &d->view[0];
    struct box part = shown_part(d), panel[3];
    panel[0] = fit(d->source->width, d->source->height);
    panel[1] = (struct box){0, 0, PANEL, PANEL};
    panel[2] = fit(part.w / a->w, part.h / a->h);
    double x = MARGIN;
    for (int k = 0; k < 3; k++) {
        panel[k].x = x;
        panel[k].y = MARGIN + floor((PANEL - panel[k].h) / 2);
        x += panel[k].w + MARGIN;
    }
    struct sim_image canvas = {0};
    SIM_TRY(sim_image_open(&canvas, (int)x, PANEL + 2 * MARGIN));
    sim_draw_fill(&canvas, paper);
    sim_status status = draw_source(d, &canvas, panel[0]);
    if (status == SIM_OK) status = draw_second(d, &canvas, &view[1], panel[1]);
    if (status == SIM_OK) status = draw_first(d, &canvas, &view[0], panel[2], part);
    for (int k = 0; k < 3; k += 2)
        sim_draw_frame(&canvas, panel[k].x, panel[k].y, panel[k].w, panel[k].h, 1, ink);
    if (status == SIM_OK) status = save(&canvas, folder, "geometry.png");
    sim_image_close(&canvas);
    return status;
}

sim_status sim_draw_views(const struct sim_views_drawing *d, const char *folder)
{
    struct sim_image view[2], masked;
    sim_status status = sim_views_pictures(d, view, &masked);
    for (int k = 0; k < 2 && status == SIM_OK; k++) status = draw_view(d, &view[k], k + 1, folder);
    if (status == SIM_OK) status = save(&masked, folder, "mask.png");
    if (status == SIM_OK) status = draw_geometry(d, view, folder);
    for (int k = 0; k < 2; k++) sim_image_close(&view[k]);
    sim_image_close(&masked);
    return status;
}
