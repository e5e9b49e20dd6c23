/* Plates of ice, each streaked along a direction of its own, with bright seams where they meet, over a milky
 * ground. */
#include "procedural_frost.h"

#include <stdlib.h>

#include "procedural_parts.h"

/* What one pane is drawn with. */
struct pane {
    struct noise noise;
    float x, y;           /* where in the noise it lies, photograph's pixels */
    float ground, spread; /* mean and spread of the grey */
    float tint[3];
};

/* Plates of about `size` pixels at a place: their streaks, seams and shades, about 0. */
static float plates(const struct noise *n, float x, float y, float size, int layer)
{
    const float u = x / size, v = y / size;
    const int cx = (int)floorf(u), cy = (int)floorf(v);
    float nearest = 9, second = 9, dx = 0, dy = 0;
    int plate_x = 0, plate_y = 0;
    for (int j = cy - 1; j <= cy + 1; j++)
        for (int i = cx - 1; i <= cx + 1; i++) {
            const float px = u - (float)i - noise_cell(n, i + layer, j),
                        py = v - (float)j - noise_cell(n, i, j + layer + 31);
            /* a plate is longer in its own direction, which the distance measures shorter */
            const double turn = (double)noise_cell(n, i + 7, j + layer);
            const float c = (float)sim_procedural_cos(turn), s = (float)sim_procedural_sin(turn);
            const float along = c * px + s * py, across = c * py - s * px;
            const float far = 0.3f * along * along + 2 * across * across;
            if (far < nearest)
                second = nearest, nearest = far, dx = along, dy = across, plate_x = i, plate_y = j;
            else if (far < second)
                second = far;
        }
    const float shade = noise_cell(n, plate_x + 3, plate_y + 5 + layer) - 0.5f;
    const float streak =
        sim_procedural_noise(n, dx * size / 25 + (float)plate_x, dy * size / 2.5f + (float)plate_y) - 0.5f;
    const float seam = clamp01(1 - (second - nearest) * size / 5);
    return 0.9f * shade + 1.3f * streak + 0.9f * (seam - 0.25f);
}

/* Ice at a place in the photograph's pixels, about 0. */
static float ice(const struct pane *p, float x, float y)
{
    const struct noise *n = &p->noise;
    const float bend_x = 12 * sim_procedural_fbm(n, x / 30, y / 30 + 11, 2);
    const float bend_y = 12 * sim_procedural_fbm(n, x / 30 + 23, y / 30, 2);
    const float milk = sim_procedural_fbm(n, x / 80 + 5, y / 80 + 3, 4) - 0.5f;
    const float coarse = plates(n, x + bend_x, y + bend_y, 46, 0),
                fine = plates(n, x + bend_y, y + bend_x, 17, 13);
    const float growth = clamp01(0.6f + 4 * milk); /* where fine plates cover the coarse ones */
    return 0.8f * mix(coarse, fine, growth) + 1.2f * milk;
}

sim_status sim_procedural_frost(struct sim_plane *out, double scale, struct sim_rng *r)
{
    struct pane *p = malloc(sizeof *p);
    if (!p) return sim_fail(SIM_ENOMEM, "no memory for frost");
    sim_procedural_noise_fill(&p->noise, r);
    p->x = (float)draw(r, 0, 512), p->y = (float)draw(r, 0, 512);
    p->ground = (float)draw(r, 0.46, 0.78);
    p->spread = (float)draw(r, 0.16, 0.3);
    const float blue = (float)draw(r, 0.05, 0.35);
    p->tint[0] = -0.6f * blue, p->tint[1] = 0.2f * blue, p->tint[2] = 0.4f * blue;
    float *to = out->v;
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++, to += 3) {
            const float grey =
                p->ground + p->spread * ice(p, p->x + (float)(x / scale), p->y + (float)(y / scale));
            for (int k = 0; k < 3; k++) to[k] = clamp01(grey + p->tint[k]);
        }
    free(p);
    return SIM_OK;
}
