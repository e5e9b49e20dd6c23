/* What objects are made of: ten palettes, ten textures. */
#include "procedural_parts.h"

/* ------------------------------------------------------------------ colours */

/* Two colours each, hue in turns, saturation, value; every draw moves them a little. */
static const struct {
    const char *name;
    double a[3], b[3];
} palettes[SIM_PROCEDURAL_PALETTES] = {
    {"ember", {0.01, 0.85, 0.85}, {0.09, 0.80, 0.98}},  {"citrus", {0.14, 0.85, 0.96}, {0.21, 0.75, 0.72}},
    {"meadow", {0.33, 0.70, 0.62}, {0.24, 0.60, 0.88}}, {"lagoon", {0.49, 0.75, 0.75}, {0.56, 0.45, 0.95}},
    {"cobalt", {0.61, 0.82, 0.80}, {0.54, 0.50, 0.95}}, {"violet", {0.75, 0.65, 0.72}, {0.83, 0.40, 0.92}},
    {"rose", {0.92, 0.65, 0.90}, {0.98, 0.30, 0.98}},   {"clay", {0.06, 0.60, 0.52}, {0.10, 0.42, 0.85}},
    {"bone", {0.12, 0.12, 0.95}, {0.10, 0.22, 0.68}},   {"ink", {0.65, 0.35, 0.22}, {0.60, 0.22, 0.50}},
};

void sim_procedural_hsv(double h, double s, double v, float rgb[3])
{
    double six = (h - floor(h)) * 6;
    static const double shift[3] = {0, 4, 2}; /* red rises at 0, green at 2, blue at 4 sixths */
    for (int k = 0; k < 3; k++) {
        double d = six + shift[k]; /* distance from the channel's peak, around the circle */
        d = d >= 6 ? d - 6 : d;
        d = d > 3 ? 6 - d : d;
        double light = d <= 1 ? 1 : d >= 2 ? 0 : 2 - d;
        rgb[k] = (float)(v * (1 - s * (1 - light)));
    }
}

static void jittered(struct sim_rng *r, const double hsv[3], float rgb[3])
{
    double h = hsv[0] + draw(r, -0.025, 0.025), s = hsv[1] * draw(r, 0.85, 1.15),
           v = hsv[2] * draw(r, 0.88, 1.1);
    sim_procedural_hsv(h, s > 1 ? 1 : s, v > 1 ? 1 : v, rgb);
}

const char *sim_procedural_palette_name(int palette)
{
    return palette >= 0 && palette < SIM_PROCEDURAL_PALETTES ? palettes[palette].name : NULL;
}

static float luminance(const float rgb[3])
{
    return 0.3f * rgb[0] + 0.59f * rgb[1] + 0.11f * rgb[2];
}

void sim_procedural_look_contrast(struct look *l, const float background[3])
{
    const float enough = 0.85f; /* sum of the channels' distances */
    float own[3], distance = 0;
    for (int k = 0; k < 3; k++) {
        own[k] = mix(l->a[k], l->b[k], 0.4f);
        distance += fabsf(own[k] - background[k]);
    }
    if (distance >= enough) return;
    float amount = 0.6f * (1 - distance / enough);
    float pole = luminance(background) > 0.45f ? 0.02f : 0.98f; /* darken on bright ground, lighten on dark */
    for (int k = 0; k < 3; k++) {
        l->a[k] = mix(l->a[k], pole, amount);
        l->b[k] = mix(l->b[k], pole, amount);
    }
}

/* ------------------------------------------------------------------ textures */

static float fraction(float v)
{
    return v - floorf(v);
}

/* 1 where the signed distance is well inside, 0 outside, a ramp of the pixel's width between. */
static float inside(const struct look *l, float distance)
{
    return clamp01(0.5f + distance / l->softness);
}

/* Each texture answers at (x, y) in cells: how much of colour b, and a factor on the brightness. */
struct tone {
    float b, shade;
};

static struct tone solid(const struct look *l, const struct noise *n, float x, float y)
{
    (void)l;
    return (struct tone){0.1f, 0.94f + 0.12f * sim_procedural_noise(n, 0.5f * x, 0.5f * y)};
}

static struct tone gradient(const struct look *l, const struct noise *n, float x, float y)
{
    (void)n, (void)y;
    return (struct tone){clamp01(0.5f + 1.3f * (x - l->shift_x) / l->frequency), 1};
}

static struct tone stripes(const struct look *l, const struct noise *n, float x, float y)
{
    (void)n, (void)y;
    return (struct tone){inside(l, 0.23f - fabsf(fraction(x) - 0.5f)), 1};
}

static struct tone checks(const struct look *l, const struct noise *n, float x, float y)
{
    (void)n;
    float a = inside(l, 0.25f - fabsf(fraction(0.6f * x) - 0.5f));
    float b = inside(l, 0.25f - fabsf(fraction(0.6f * y) - 0.5f));
    return (struct tone){a + b - 2 * a * b, 1};
}

static struct tone dots(const struct look *l, const struct noise *n, float x, float y)
{
    (void)n;
    float row = floorf(y), dx = fraction(x + 0.5f * (row - 2 * floorf(row / 2))) - 0.5f, dy = y - row - 0.5f;
    return (struct tone){inside(l, 0.3f - sqrtf(dx * dx + dy * dy)), 1};
}

static struct tone hatching(const struct look *l, const struct noise *n, float x, float y)
{
    (void)n;
    float a = inside(l, 0.1f - fabsf(fraction(x) - 0.5f)), b = inside(l, 0.1f - fabsf(fraction(y) - 0.5f));
    return (struct tone){0.1f, 1 - 0.4f * (a > b ? a : b)};
}

static struct tone marble(const struct look *l, const struct noise *n, float x, float y)
{
    (void)l;
    return (struct tone){clamp01(0.5f + 2.6f * (sim_procedural_fbm(n, 0.6f * x, 0.6f * y, 4) - 0.5f)), 1};
}

static struct tone worley(const struct look *l, const struct noise *n, float x, float y)
{
    int cx = (int)floorf(x), cy = (int)floorf(y);
    float first = 9, second = 9, shade = 0;
    for (int j = cy - 1; j <= cy + 1; j++)
        for (int i = cx - 1; i <= cx + 1; i++) {
            float dx = (float)i + 0.15f + 0.7f * noise_cell(n, i, j) - x;
            float dy = (float)j + 0.15f + 0.7f * noise_cell(n, i + 29, j + 13) - y, d = dx * dx + dy * dy;
            if (d < first)
                second = first, first = d, shade = noise_cell(n, i + 7, j + 41);
            else if (d < second)
                second = d;
        }
    float seam = inside(l, 0.12f - (sqrtf(second) - sqrtf(first)));
    return (struct tone){0.75f * shade, 1 - 0.4f * seam};
}

static struct tone rings(const struct look *l, const struct noise *n, float x, float y)
{
    (void)n;
    float dx = x - l->shift_x + 0.8f, dy = y - l->shift_y + 0.5f;
    return (struct tone){inside(l, 0.24f - fabsf(fraction(1.1f * sqrtf(dx * dx + dy * dy)) - 0.5f)), 1};
}

static struct tone brick(const struct look *l, const struct noise *n, float x, float y)
{
    float row = floorf(y), along = 0.5f * x + 0.5f * (row - 2 * floorf(row / 2)), column = floorf(along);
    float a = inside(l, 0.11f - 2 * (0.5f - fabsf(along - column - 0.5f)));
    float b = inside(l, 0.11f - (0.5f - fabsf(y - row - 0.5f)));
    float mortar = a > b ? a : b;
    return (struct tone){0.9f * mortar, 1 - (1 - mortar) * 0.3f * noise_cell(n, (int)column, (int)row)};
}

static const struct {
    const char *name;
    struct tone (*at)(const struct look *l, const struct noise *n, float x, float y);
} textures[SIM_PROCEDURAL_TEXTURES] = {
    {"solid", solid}, {"gradient", gradient}, {"stripes", stripes}, {"checks", checks},
    {"dots", dots},   {"hatching", hatching}, {"marble", marble},   {"worley", worley},
    {"rings", rings}, {"brick", brick},
};

const char *sim_procedural_texture_name(int texture)
{
    return texture >= 0 && texture < SIM_PROCEDURAL_TEXTURES ? textures[texture].name : NULL;
}

int sim_procedural_preferred_texture(int family)
{
    return family % SIM_PROCEDURAL_TEXTURES;
}

int sim_procedural_preferred_palette(int family)
{
    return (3 * family + 5 * (family / SIM_PROCEDURAL_TEXTURES)) % SIM_PROCEDURAL_PALETTES;
}

/* ------------------------------------------------------------------ looks */

void sim_procedural_look(const struct sim_procedural_object *object, float side_px, struct look *out)
{
    struct sim_rng r = object->look;
    double turns = object->angle + draw(&r, -0.25, 0.25);
    *out = (struct look){.texture = object->texture};
    jittered(&r, palettes[object->palette].a, out->a);
    jittered(&r, palettes[object->palette].b, out->b);
    if (sim_rng_below(&r, 2))
        for (int k = 0; k < 3; k++) {
            float swap = out->a[k];
            out->a[k] = out->b[k], out->b[k] = swap;
        }
    /* the outline is to be stronger than the pattern */
    float apart = (float)draw(&r, 0.45, 0.9);
    for (int k = 0; k < 3; k++) out->b[k] = mix(out->a[k], out->b[k], apart);
    out->cosine = (float)sim_procedural_cos(turns), out->sine = (float)sim_procedural_sin(turns);
    out->frequency = (float)draw(&r, 4, 7);
    out->shift_x = (float)draw(&r, 0, NOISE_SIDE), out->shift_y = (float)draw(&r, 0, NOISE_SIDE);
    out->gloss = (float)draw(&r, 0, 0.45);
    /* cells of fewer than five pixels would blur into grey */
    float finest = side_px / 5 > 1.5f ? side_px / 5 : 1.5f;
    if (out->frequency > finest) out->frequency = finest;
    out->softness = out->frequency / side_px;
}

void sim_procedural_surface(const struct look *l, const struct noise *n, float u, float v, float rgb[3])
{
    float x = (l->cosine * u + l->sine * v) * l->frequency + l->shift_x;
    float y = (l->cosine * v - l->sine * u) * l->frequency + l->shift_y;
    struct tone t = textures[l->texture].at(l, n, x, y);
    for (int k = 0; k < 3; k++) rgb[k] = mix(l->a[k], l->b[k], t.b) * t.shade;
}
