/* Bilinear reading at moved places (filters.h). */
#include "filters.h"

#include <math.h>
#include <string.h>

#include "border.h"

/* The bilinear value of every channel at (x, y). */
static void sample(const struct sim_plane *p, double x, double y, enum sim_border border, float *out)
{
    const double left = floor(x), top = floor(y);
    const float fx = (float)(x - left), fy = (float)(y - top);
    const int c = p->channels;
    const int x0 = sim_border_index((int)left, p->width, border),
              x1 = sim_border_index((int)left + 1, p->width, border);
    const float *r0 =
        p->v + (size_t)sim_border_index((int)top, p->height, border) * (size_t)p->width * (size_t)c;
    const float *r1 =
        p->v + (size_t)sim_border_index((int)top + 1, p->height, border) * (size_t)p->width * (size_t)c;
    for (int k = 0; k < c; k++) {
        float above = r0[x0 * c + k] + fx * (r0[x1 * c + k] - r0[x0 * c + k]);
        float below = r1[x0 * c + k] + fx * (r1[x1 * c + k] - r1[x0 * c + k]);
        out[k] = above + fy * (below - above);
    }
}

/* Takes over what was made of it. */
static void replace(struct sim_plane *p, struct sim_plane *made)
{
    sim_plane_close(p);
    *p = *made;
}

/* One side of a zoom. */
struct zoomed {
    int first, count; /* of the part that is enlarged */
    int trim;         /* enlarged pixels cut off in front */
    double step;      /* between enlarged pixels, in pixels of the part */
};

static struct zoomed zoomed_side(int n, double zoom)
{
    struct zoomed z = {.count = (int)ceil(n / zoom)};
    const int enlarged = (int)rint(z.count * zoom);
    z.first = (n - z.count) / 2, z.trim = (enlarged - n) / 2;
    z.step = enlarged > 1 ? (double)(z.count - 1) / (enlarged - 1) : 0;
    return z;
}

sim_status sim_warp_zoom(struct sim_plane *p, double zoom)
{
    const struct zoomed across = zoomed_side(p->width, zoom), down = zoomed_side(p->height, zoom);
    struct sim_plane made;
    SIM_TRY(sim_plane_open(&made, p->width, p->height, p->channels));
    float *to = made.v;
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++, to += p->channels)
            sample(p, across.first + fmin((x + across.trim) * across.step, across.count - 1),
                   down.first + fmin((y + down.trim) * down.step, down.count - 1), SIM_BORDER_NEAREST, to);
    replace(p, &made);
    return SIM_OK;
}

sim_status sim_warp_affine(struct sim_plane *p, const double m[6])
{
    struct sim_plane made;
    SIM_TRY(sim_plane_open(&made, p->width, p->height, p->channels));
    float *to = made.v;
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++, to += p->channels)
            sample(p, m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5], SIM_BORDER_REFLECT_101, to);
    replace(p, &made);
    return SIM_OK;
}

sim_status sim_warp_shift(struct sim_plane *p, const float *dx, const float *dy)
{
    struct sim_plane made;
    SIM_TRY(sim_plane_open(&made, p->width, p->height, p->channels));
    float *to = made.v;
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++, to += p->channels, dx++, dy++)
            sample(p, x + (double)*dx, y + (double)*dy, SIM_BORDER_REFLECT, to);
    replace(p, &made);
    return SIM_OK;
}
