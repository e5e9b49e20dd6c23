/* Rendering a planned scene: background, then each object with its shadow, its texture and its light. */
#include "procedural_parts.h"

#include <stdlib.h>
#include <string.h>

/* Working memory of one rendering, one block. */
struct easel {
    int size;
    float *canvas;     /* (size, size, 3), 0 .. 1 */
    int32_t *coverage; /* the patch around one object, 0 .. 256 */
    int32_t *height;   /* the same, softened: the relief that is lit, and the shadow that is cast */
    int32_t *scratch;
    struct noise *noise;
    struct outline *outline;
    void *block;
};

/* The largest patch: an object's window is cut to the image and a margin of a quarter of it. */
static int patch_side(int size)
{
    return size + 2 * (size / 4 + 8);
}

static sim_status easel_open(struct easel *e, int size)
{
    size_t pixels = (size_t)size * (size_t)size, patch = (size_t)patch_side(size) * (size_t)patch_side(size);
    size_t bytes = sizeof(struct outline) + sizeof(struct noise) + 3 * pixels * sizeof(float) +
                   3 * patch * sizeof(int32_t);
    char *p = malloc(bytes);
    if (!p) return sim_fail(SIM_ENOMEM, "no memory for a procedural scene of %d x %d pixels", size, size);
    e->size = size;
    e->block = p;
    e->outline = (struct outline *)p; /* doubles first: every part stays aligned */
    p += sizeof(struct outline);
    e->noise = (struct noise *)p;
    p += sizeof(struct noise);
    e->canvas = (float *)p;
    p += 3 * pixels * sizeof(float);
    e->coverage = (int32_t *)p;
    e->height = e->coverage + patch;
    e->scratch = e->height + patch;
    return SIM_OK;
}

/* ------------------------------------------------------------------ one object */

struct light {
    float x, y, z; /* unit vector towards the light; y down */
};

/* The window an object's pixels and shadow can reach. */
static struct window object_window(const struct sim_procedural_object *o, int size, int margin)
{
    double half = o->side * size / 2;
    int edge = size / 4 + 7;
    int x0 = (int)floor(o->x * size - half) - margin, y0 = (int)floor(o->y * size - half) - margin;
    int x1 = (int)floor(o->x * size + half) + 1 + margin, y1 = (int)floor(o->y * size + half) + 1 + margin;
    x0 = x0 < -edge ? -edge : x0 > size ? size : x0, x1 = x1 > size + edge ? size + edge : x1 < x0 ? x0 : x1;
    y0 = y0 < -edge ? -edge : y0 > size ? size : y0, y1 = y1 > size + edge ? size + edge : y1 < y0 ? y0 : y1;
    return (struct window){x0, y0, x1 - x0 + 1, y1 - y0 + 1};
}

/* The softened outline, moved away from the light, darkens what is painted so far. */
static void cast_shadow(struct easel *e, struct window at, struct light light, float reach_px)
{
    int dx = (int)rintf(-light.x * reach_px), dy = (int)rintf(-light.y * reach_px);
    for (int y = 0; y < at.h; y++) {
        int cy = at.y + y + dy;
        if (cy < 0 || cy >= e->size) continue;
        for (int x = 0; x < at.w; x++) {
            int cx = at.x + x + dx, h = e->height[y * at.w + x];
            if (cx < 0 || cx >= e->size || h == 0) continue;
            float keep = 1 - 0.5f * (float)h * 0x1p-8f;
            float *c = e->canvas + 3 * ((size_t)cy * (size_t)e->size + (size_t)cx);
            for (int k = 0; k < 3; k++) c[k] *= keep;
        }
    }
}

/* Mean of the canvas under the object. */
static void mean_behind(const struct easel *e, struct window at, float mean[3])
{
    double sum[3] = {0}, weight = 1e-9;
    for (int y = 0; y < at.h; y++)
        for (int x = 0; x < at.w; x++) {
            int cx = at.x + x, cy = at.y + y, c = e->coverage[y * at.w + x];
            if (c == 0 || cx < 0 || cy < 0 || cx >= e->size || cy >= e->size) continue;
            const float *from = e->canvas + 3 * ((size_t)cy * (size_t)e->size + (size_t)cx);
            for (int k = 0; k < 3; k++) sum[k] += (double)c * (double)from[k];
            weight += c;
        }
    for (int k = 0; k < 3; k++) mean[k] = (float)(sum[k] / weight);
}

/* Lambert's cosine on the softened outline taken as a relief, a highlight where it faces the light, and a
 * slow gradient across the object. */
static void shade(const int32_t *height, int row, float steep, struct light light, float gloss, float u,
                  float v, float rgb[3])
{
    float nx = -steep * (float)(height[1] - height[-1]), ny = -steep * (float)(height[row] - height[-row]);
    float cosine = (nx * light.x + ny * light.y + light.z) / sqrtf(nx * nx + ny * ny + 1);
    float diffuse = cosine > 0 ? cosine : 0;
    float lit = 0.45f + 0.72f * diffuse + 0.22f * (u * light.x + v * light.y);
    float shine = diffuse * diffuse;
    shine = shine * shine;
    shine = gloss * shine * shine * shine;
    for (int k = 0; k < 3; k++) rgb[k] = rgb[k] * lit + shine * (1 - rgb[k]);
}

static void paint_object(struct easel *e, const struct sim_procedural_scene *scene, int index,
                         struct light light, uint8_t *instances)
{
    const struct sim_procedural_object *o = &scene->object[index];
    const float centre_x = (float)(o->x * e->size), centre_y = (float)(o->y * e->size);
    const float side = (float)(o->side * e->size), reach = 0.09f * side + 0.5f;
    const int radius = (int)(0.035f * side + 0.5f) + 1, margin = 2 * radius + 2;
    struct window at = object_window(o, e->size, margin);

    struct sim_rng r = o->outline;
    sim_procedural_outline(o->family, &r, e->outline);
    sim_procedural_pose(o, e->size, e->outline);
    sim_procedural_fill(e->outline, at, e->coverage);
    memcpy(e->height, e->coverage, sizeof(int32_t) * (size_t)at.w * (size_t)at.h);
    sim_procedural_soften(e->height, at.w, at.h, radius, e->scratch);

    struct look look;
    float behind[3];
    sim_procedural_look(o, side, &look);
    mean_behind(e, at, behind);
    sim_procedural_look_contrast(&look, behind);
    cast_shadow(e, at, light, reach);

    /* heights are 1/256 of a relief as deep as two radii; central differences span two pixels */
    const float steep = (float)radius * 0x1p-8f;
    for (int y = 1; y + 1 < at.h; y++) {
        int cy = at.y + y;
        if (cy < 0 || cy >= e->size) continue;
        for (int x = 1; x + 1 < at.w; x++) {
            int cx = at.x + x, i = y * at.w + x, c = e->coverage[i];
            if (c == 0 || cx < 0 || cx >= e->size) continue;
            float u = ((float)cx + 0.5f - centre_x) / side, v = ((float)cy + 0.5f - centre_y) / side, rgb[3];
            sim_procedural_surface(&look, e->noise, u, v, rgb);
            shade(e->height + i, at.w, steep, light, look.gloss, u, v, rgb);
            size_t pixel = (size_t)cy * (size_t)e->size + (size_t)cx;
            float *out = e->canvas + 3 * pixel, share = (float)c * 0x1p-8f;
            for (int k = 0; k < 3; k++) out[k] = mix(out[k], rgb[k], share);
            if (instances && c >= 128) instances[pixel] = (uint8_t)(index + 1);
        }
    }
}

/* ------------------------------------------------------------------ the scene */

static sim_status check(const struct sim_procedural_scene *s)
{
    if (s->size < 8 || s->size > 4096)
        return sim_fail(SIM_EINVAL, "procedural scene: side %d px is not in 8 .. 4096", s->size);
    if (s->count < 0 || s->count > SIM_PROCEDURAL_MAX_OBJECTS)
        return sim_fail(SIM_EINVAL, "procedural scene: %d objects are not in 0 .. %d", s->count,
                        SIM_PROCEDURAL_MAX_OBJECTS);
    if ((int)s->above < 0 || s->above >= SIM_STUFF_KINDS || (int)s->below < 0 || s->below >= SIM_STUFF_KINDS)
        return sim_fail(SIM_EINVAL, "procedural scene: stuff %d over %d is not in 0 .. %d", (int)s->above,
                        (int)s->below, SIM_STUFF_KINDS - 1);
    for (int i = 0; i < s->count; i++) {
        const struct sim_procedural_object *o = &s->object[i];
        if (!sim_procedural_family_name(o->family) || !sim_procedural_texture_name(o->texture) ||
            !sim_procedural_palette_name(o->palette))
            return sim_fail(SIM_EINVAL,
                            "procedural scene: object %d has no family %d, texture %d or palette %d", i,
                            o->family, o->texture, o->palette);
        /* also refuses NaN; a centre far outside would overflow the vertex grid */
        if (!(o->side > 0.01 && o->side <= 4 && fabs(o->x) <= 4 && fabs(o->y) <= 4))
            return sim_fail(SIM_EINVAL,
                            "procedural scene: object %d lies at %g, %g with side %g; expected within 4", i,
                            o->x, o->y, o->side);
    }
    return SIM_OK;
}

sim_status sim_procedural_render(const struct sim_procedural_scene *scene, struct sim_image *out,
                                 uint8_t *instances, uint8_t *stuff)
{
    const int size = scene->size;
    struct easel e = {0};
    *out = (struct sim_image){0};
    SIM_TRY(check(scene));
    SIM_TRY(easel_open(&e, size));
    sim_status status = sim_image_open(out, size, size);
    if (status != SIM_OK) {
        free(e.block);
        return status;
    }
    struct sim_rng r = scene->noise;
    sim_procedural_noise_fill(e.noise, &r);
    sim_procedural_background(scene, e.noise, e.canvas, stuff);

    float flat = sqrtf((float)(1 - scene->elevation * scene->elevation));
    struct light light = {flat * (float)sim_procedural_cos(scene->light),
                          flat * (float)sim_procedural_sin(scene->light), (float)scene->elevation};
    if (instances) memset(instances, 0, (size_t)size * (size_t)size);
    for (int i = 0; i < scene->count; i++) paint_object(&e, scene, i, light, instances);

    const float brightness = (float)scene->brightness * 255;
    for (size_t i = 0; i < 3 * (size_t)size * (size_t)size; i++) {
        float v = e.canvas[i] * brightness + 0.5f;
        out->rgb[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    free(e.block);
    return SIM_OK;
}
