/* Renditions of a rendered scene: the same shapes by other hands. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "procedural_parts.h"
#include "procedural_shift.h"

/* A scene on its way. */
struct canvas {
    int size;
    uint8_t *rgb;             /* (size, size, 3) */
    const uint8_t *instances; /* (size, size) */
    uint8_t *copy;            /* of rgb, as it was rendered */
    int32_t *cell;            /* (size, size) which patch of one colour a pixel belongs to */
    float *mean;              /* (cells, 3) */
    int32_t *members;         /* (cells) */
    struct noise *noise;
    struct sim_rng rng;
};

static uint8_t byte_of(float v)
{
    return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : v + 0.5f);
}

static float luma(const uint8_t *p)
{
    return 0.299f * (float)p[0] + 0.587f * (float)p[1] + 0.114f * (float)p[2];
}

static int instance_at(const struct canvas *c, int x, int y)
{
    x = x < 0 ? 0 : x >= c->size ? c->size - 1 : x, y = y < 0 ? 0 : y >= c->size ? c->size - 1 : y;
    return c->instances[y * c->size + x];
}

/* Whether another object begins within `reach` pixels. */
static int near_edge(const struct canvas *c, int x, int y, int reach)
{
    const int here = instance_at(c, x, y);
    for (int d = 1; d <= reach; d++)
        if (instance_at(c, x - d, y) != here || instance_at(c, x + d, y) != here ||
            instance_at(c, x, y - d) != here || instance_at(c, x, y + d) != here)
            return 1;
    return 0;
}

/* The mean colour of every cell. */
static void take_means(struct canvas *c)
{
    const int n = c->size * c->size;
    memset(c->mean, 0, (size_t)n * 3 * sizeof *c->mean);
    memset(c->members, 0, (size_t)n * sizeof *c->members);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < 3; k++) c->mean[3 * c->cell[i] + k] += (float)c->copy[3 * i + k];
        c->members[c->cell[i]]++;
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3 && c->members[i]; k++) c->mean[3 * i + k] /= (float)c->members[i];
}

static void paint(struct canvas *c, int pixel, float factor)
{
    for (int k = 0; k < 3; k++) c->rgb[3 * pixel + k] = byte_of(c->mean[3 * c->cell[pixel] + k] * factor);
}

/* Pixels a side of a patch, `share` of the picture and at least `least`. */
static int patch(const struct canvas *c, int share, int least)
{
    return c->size / share > least ? c->size / share : least;
}

/* ------------------------------------------------------------------ styles */

/* One colour an object in three tones, black contours. */
static void cartoon(struct canvas *c)
{
    for (int i = 0; i < c->size * c->size; i++) c->cell[i] = c->instances[i];
    take_means(c);
    for (int y = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++) {
            const int i = y * c->size + x;
            const float own = luma(c->copy + 3 * i), *m = c->mean + 3 * c->cell[i];
            const float mean = 0.299f * m[0] + 0.587f * m[1] + 0.114f * m[2];
            paint(c, i,
                  near_edge(c, x, y, 1) ? 0.05f
                  : own > 1.2f * mean   ? 1.25f
                  : own < 0.8f * mean   ? 0.7f
                                        : 1);
        }
}

/* Stones: each pixel belongs to the nearest of jittered points; dark grout between. */
static void mosaic(struct canvas *c)
{
    const int s = patch(c, 16, 4), across = c->size / s + 1;
    for (int pass = 0; pass < 2; pass++) {
        for (int y = 0; y < c->size; y++)
            for (int x = 0; x < c->size; x++) {
                float nearest = 1e9f, second = 1e9f;
                for (int j = y / s - 1; j <= y / s + 1; j++)
                    for (int i = x / s - 1; i <= x / s + 1; i++) {
                        if (i < 0 || j < 0 || i >= across || j >= across) continue;
                        const float dx =
                            ((float)i + 0.2f + 0.6f * noise_cell(c->noise, i, j)) * (float)s - (float)x;
                        const float dy =
                            ((float)j + 0.2f + 0.6f * noise_cell(c->noise, i + 31, j + 17)) * (float)s -
                            (float)y;
                        const float far = sqrtf(dx * dx + dy * dy);
                        if (far < nearest)
                            second = nearest, nearest = far, c->cell[y * c->size + x] = j * across + i;
                        else if (far < second)
                            second = far;
                    }
                if (pass) paint(c, y * c->size + x, second - nearest < 0.16f * (float)s ? 0.3f : 1);
            }
        if (!pass) take_means(c);
    }
}

/* Squares of cloth, a cross of yarn on each. */
static void cross_stitch(struct canvas *c)
{
    const int s = patch(c, 24, 4), across = c->size / s + 1;
    for (int i = 0; i < c->size * c->size; i++) c->cell[i] = i / c->size / s * across + i % c->size / s;
    take_means(c);
    for (int i = 0; i < c->size * c->size; i++) {
        const int x = i % c->size % s, y = i / c->size % s;
        if (abs(x - y) <= s / 5 || abs(x + y - s + 1) <= s / 5)
            paint(c, i, x > y ? 1.1f : 0.9f);
        else
            for (int k = 0; k < 3; k++) c->rgb[3 * i + k] = (uint8_t)(228 - 8 * k);
    }
}

/* Loud colours, thick contours, sprayed dots. */
static void graffiti(struct canvas *c)
{
    for (int y = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++) {
            const int i = y * c->size + x;
            const float grey = luma(c->copy + 3 * i);
            const uint32_t spray = sim_rng_u32(&c->rng);
            for (int k = 0; k < 3; k++) {
                float v = grey + 2.4f * ((float)c->copy[3 * i + k] - grey);
                if (near_edge(c, x, y, 2)) v = 15;
                if (spray % 11 == 0) v = spray >> (8 + k) & 1 ? 240 : 20;
                c->rgb[3 * i + k] = byte_of(v);
            }
        }
}

/* Folded paper: triangles of one colour, lit one by one. */
static void origami(struct canvas *c)
{
    const int s = patch(c, 10, 4), across = c->size / s + 1;
    for (int i = 0; i < c->size * c->size; i++) {
        const int x = i % c->size, y = i / c->size, cx = x / s, cy = y / s;
        const int lower = (cx + cy) % 2 ? x % s > y % s : x % s + y % s >= s;
        c->cell[i] = (cy * across + cx) * 2 + lower;
    }
    take_means(c);
    for (int i = 0; i < c->size * c->size; i++)
        paint(c, i, 0.75f + 0.5f * noise_cell(c->noise, c->cell[i] % 61, c->cell[i] / 61));
}

/* Few large pixels in few colours. */
static void pixel_art(struct canvas *c)
{
    const int s = patch(c, 20, 3), across = c->size / s + 1;
    for (int i = 0; i < c->size * c->size; i++) c->cell[i] = i / c->size / s * across + i % c->size / s;
    take_means(c);
    for (int i = 0; i < 3 * c->size * c->size; i++) {
        const int level = (int)(c->mean[3 * c->cell[i / 3] + i % 3] * (4 / 255.0f) + 0.5f);
        c->rgb[i] = byte_of((float)level * (255 / 4.0f));
    }
}

/* Ink in skin: contours, and hatching where the scene is dark. */
static void tattoo(struct canvas *c)
{
    static const float skin[3] = {224, 176, 144}, ink[3] = {38, 52, 64};
    for (int y = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++) {
            const int i = y * c->size + x;
            const float fold = 0.9f + 0.2f * sim_procedural_fbm(c->noise, (float)x / 19, (float)y / 19, 3);
            const int hatched = instance_at(c, x, y) && luma(c->copy + 3 * i) < 110 && (x + y) % 4 < 2;
            const float share = near_edge(c, x, y, 1) ? 0.9f : hatched ? 0.6f : 0;
            for (int k = 0; k < 3; k++) c->rgb[3 * i + k] = byte_of(mix(skin[k] * fold, ink[k], share));
        }
}

/* Strokes: the mean of the commonest of eight tones around. */
static void oil(struct canvas *c)
{
    const int reach = patch(c, 32, 2);
    for (int y = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++) {
            float sum[8][3] = {{0}};
            int count[8] = {0}, most = 0;
            for (int j = -reach; j <= reach; j++)
                for (int i = -reach; i <= reach; i++) {
                    const int px = x + i, py = y + j;
                    if (px < 0 || py < 0 || px >= c->size || py >= c->size) continue;
                    const uint8_t *p = c->copy + 3 * (py * c->size + px);
                    const int tone = (int)(luma(p) / 32.01f);
                    for (int k = 0; k < 3; k++) sum[tone][k] += (float)p[k];
                    if (++count[tone] > count[most]) most = tone;
                }
            for (int k = 0; k < 3; k++)
                c->rgb[3 * (y * c->size + x) + k] = byte_of(sum[most][k] / (float)count[most]);
        }
}

/* Black lines where a shaken hand sees objects end, on white: sixteen looks a pixel. */
static void sketch(struct canvas *c)
{
    const float reach = 0.011f * (float)c->size, shake = 0.035f * (float)c->size, grain = 8 / (float)c->size;
    for (int y = 0; y < c->size; y++)
        for (int x = 0; x < c->size; x++) {
            int dark = 0;
            for (int k = 0; k < 16; k++) {
                const float u = (float)x + ((float)(k % 4) + 0.5f) / 4,
                            v = (float)y + ((float)(k / 4) + 0.5f) / 4;
                const float sx = u + shake * (sim_procedural_fbm(c->noise, u * grain, v * grain, 2) - 0.5f);
                const float sy =
                    v + shake * (sim_procedural_fbm(c->noise, u * grain + 37, v * grain + 11, 2) - 0.5f);
                const float pen =
                    reach * (0.6f + 0.8f * sim_procedural_noise(c->noise, u * grain + 5, v * grain + 50));
                const int here = instance_at(c, (int)floorf(sx), (int)floorf(sy));
                dark += instance_at(c, (int)floorf(sx - pen), (int)floorf(sy)) != here ||
                        instance_at(c, (int)floorf(sx + pen), (int)floorf(sy)) != here ||
                        instance_at(c, (int)floorf(sx), (int)floorf(sy - pen)) != here ||
                        instance_at(c, (int)floorf(sx), (int)floorf(sy + pen)) != here;
            }
            for (int k = 0; k < 3; k++)
                c->rgb[3 * (y * c->size + x) + k] = byte_of(255 - (float)dark * (240 / 16.0f));
        }
}

static const struct {
    const char *name;
    void (*draw)(struct canvas *c);
} styles[SIM_RENDITIONS] = {{"cartoon", cartoon},   {"mosaic", mosaic},   {"cross-stitch", cross_stitch},
                            {"graffiti", graffiti}, {"origami", origami}, {"pixel art", pixel_art},
                            {"tattoo", tattoo},     {"oil", oil}};

const char *sim_rendition_name(int style)
{
    return style >= 0 && style < SIM_RENDITIONS ? styles[style].name : NULL;
}

/* ------------------------------------------------------------------ the canvas */

static sim_status redraw(struct sim_image *im, const uint8_t *instances, void (*by)(struct canvas *c),
                         struct sim_rng r)
{
    const size_t n = (size_t)im->width * (size_t)im->height;
    struct canvas c = {.size = im->width, .rgb = im->rgb, .instances = instances, .rng = r};
    c.copy = malloc(3 * n);
    c.cell = sim_calloc_aligned(n, sizeof *c.cell), c.members = sim_calloc_aligned(n, sizeof *c.members);
    c.mean = sim_calloc_aligned(n, 3 * sizeof *c.mean), c.noise = malloc(sizeof *c.noise);
    sim_status status = c.copy && c.cell && c.members && c.mean && c.noise
                            ? SIM_OK
                            : sim_fail(SIM_ENOMEM, "no memory to redraw a scene of %d pixels", im->width);
    if (status == SIM_OK) {
        memcpy(c.copy, im->rgb, 3 * n);
        sim_procedural_noise_fill(c.noise, &c.rng);
        by(&c);
    }
    free(c.copy), free(c.cell), free(c.members), free(c.mean), free(c.noise);
    return status;
}

sim_status sim_procedural_rendition(struct sim_image *im, const uint8_t *instances, int style,
                                    struct sim_rng r)
{
    if (!sim_rendition_name(style))
        return sim_fail(SIM_EINVAL, "rendition %d; they are 0 to %d", style, SIM_RENDITIONS - 1);
    return redraw(im, instances, styles[style].draw, r);
}

sim_status sim_procedural_sketch(struct sim_image *im, const uint8_t *instances, struct sim_rng r)
{
    return redraw(im, instances, sketch, r);
}
