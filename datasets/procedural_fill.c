/* From outlines to coverage: posing, filling, softening. */
#include "procedural_parts.h"

#include <string.h>

void sim_procedural_contour_open(struct outline *o)
{
    o->start[o->contours] = o->points;
}

/* A full outline drops what follows; no family comes near the bounds (tests/datasets/test_procedural.c). */
void sim_procedural_contour_put(struct outline *o, double x, double y)
{
    if (o->points == OUTLINE_POINTS || o->contours == OUTLINE_CONTOURS) return;
    o->x[o->points] = x, o->y[o->points] = y;
    o->points++;
}

void sim_procedural_contour_close(struct outline *o)
{
    if (o->contours == OUTLINE_CONTOURS) return;
    if (o->points - o->start[o->contours] < 3)
        o->points = o->start[o->contours];
    else
        o->contours++;
    o->start[o->contours] = o->points;
}

void sim_procedural_pose(const struct sim_procedural_object *object, int size, struct outline *o)
{
    double c = sim_procedural_cos(object->angle), s = sim_procedural_sin(object->angle);
    double left = INFINITY, right = -INFINITY, top = INFINITY, bottom = -INFINITY;
    double own_left = INFINITY, own_right = -INFINITY, own_top = INFINITY, own_bottom = -INFINITY;
    for (int i = 0; i < o->points; i++) {
        own_left = fmin(own_left, o->x[i]), own_right = fmax(own_right, o->x[i]);
        own_top = fmin(own_top, o->y[i]), own_bottom = fmax(own_bottom, o->y[i]);
    }
    for (int i = 0; i < o->points; i++) {
        double x =
            (o->x[i] - (own_left + own_right) / 2) * (object->mirror ? -object->stretch : object->stretch);
        double y = o->y[i] - (own_top + own_bottom) / 2;
        x += object->shear * y;
        o->x[i] = c * x - s * y;
        o->y[i] = s * x + c * y;
        left = fmin(left, o->x[i]), right = fmax(right, o->x[i]);
        top = fmin(top, o->y[i]), bottom = fmax(bottom, o->y[i]);
    }
    double scale = object->side * size / fmax(fmax(right - left, bottom - top), 1e-9);
    for (int i = 0; i < o->points; i++) {
        o->x[i] = (o->x[i] - (left + right) / 2) * scale + object->x * size;
        o->y[i] = (o->y[i] - (top + bottom) / 2) * scale + object->y * size;
    }
}

/* ------------------------------------------------------------------ filling */

#define LINES 8   /* sampling lines per pixel row */
#define UNITS 256 /* vertex grid per pixel */

/* One edge: on each sampling line it crosses, everything to the right of the crossing gains its direction.
 * The row holds differences, summed up afterwards; a line's full weight is UNITS. */
static void add_edge(struct window at, int64_t x0, int64_t y0, int64_t x1, int64_t y1, int32_t *coverage)
{
    if (y0 == y1) return;
    int32_t direction = 1;
    if (y0 > y1) {
        int64_t x = x0, y = y0;
        x0 = x1, y0 = y1, x1 = x, y1 = y, direction = -1;
    }
    /* line j lies at y = (j + 1/2) * UNITS / LINES; those with y0 <= y < y1 are crossed */
    const int64_t pitch = UNITS / LINES, half = pitch / 2;
    int64_t first = y0 <= half ? 0 : (y0 - half + pitch - 1) / pitch;
    int64_t end = y1 <= half ? 0 : (y1 - half + pitch - 1) / pitch;
    if (end > (int64_t)at.h * LINES) end = (int64_t)at.h * LINES;
    for (int64_t j = first; j < end; j++) {
        int64_t x = x0 + (x1 - x0) * (j * pitch + half - y0) / (y1 - y0);
        if (x >= (int64_t)at.w * UNITS) continue;
        if (x < 0) x = 0;
        int32_t *row = coverage + j / LINES * at.w;
        int64_t column = x / UNITS;
        int32_t part = (int32_t)(x % UNITS);
        row[column] += direction * (UNITS - part);
        if (column + 1 < at.w) row[column + 1] += direction * part;
    }
}

void sim_procedural_fill(const struct outline *o, struct window at, int32_t *coverage)
{
    memset(coverage, 0, sizeof *coverage * (size_t)at.w * (size_t)at.h);
    for (int c = 0; c < o->contours; c++) {
        int first = o->start[c], end = o->start[c + 1], last = end - 1;
        int64_t px = (int64_t)rint((o->x[last] - at.x) * UNITS),
                py = (int64_t)rint((o->y[last] - at.y) * UNITS);
        for (int i = first; i < end; i++) {
            int64_t x = (int64_t)rint((o->x[i] - at.x) * UNITS), y = (int64_t)rint((o->y[i] - at.y) * UNITS);
            add_edge(at, px, py, x, y, coverage);
            px = x, py = y;
        }
    }
    for (int y = 0; y < at.h; y++) {
        int32_t *row = coverage + (size_t)y * (size_t)at.w, sum = 0;
        for (int x = 0; x < at.w; x++) {
            sum += row[x];
            int32_t v = (sum < 0 ? -sum : sum) / (LINES * UNITS / 256);
            row[x] = v > 256 ? 256 : v;
        }
    }
}

/* ------------------------------------------------------------------ softening */

/* Running mean along one line of `count` values `step` apart, zero beyond its ends. */
static void mean_line(const int32_t *in, int32_t *out, int count, int step, int radius)
{
    const int width = 2 * radius + 1;
    const float share = 1.0f / (float)width;
    int32_t sum = 0;
    for (int i = 0; i < radius && i < count; i++) sum += in[i * step];
    for (int i = 0; i < count; i++) {
        if (i + radius < count) sum += in[(i + radius) * step];
        if (i - radius - 1 >= 0) sum -= in[(i - radius - 1) * step];
        out[i * step] = (int32_t)((float)sum * share + 0.5f);
    }
}

void sim_procedural_soften(int32_t *coverage, int w, int h, int radius, int32_t *scratch)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int y = 0; y < h; y++) mean_line(coverage + y * w, scratch + y * w, w, 1, radius);
        for (int x = 0; x < w; x++) mean_line(scratch + x, coverage + x, h, w, radius);
    }
}
