/* Weighted sums of neighbours (filters.h): the image is copied once with a margin beyond its edges, and every
 * tap is then one pass over whole rows. */
#include "filters.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "border.h"

sim_status sim_plane_open(struct sim_plane *out, int width, int height, int channels)
{
    size_t count = (size_t)width * (size_t)height * (size_t)channels;
    *out = (struct sim_plane){0};
    float *v = sim_calloc_aligned(count, sizeof *v);
    if (!v)
        return sim_fail(SIM_ENOMEM, "no memory for an image of %d x %d x %d floats", width, height, channels);
    *out = (struct sim_plane){width, height, channels, v};
    return SIM_OK;
}

void sim_plane_close(struct sim_plane *p)
{
    free(p->v);
    *p = (struct sim_plane){0};
}

/* *p with `mx` columns and `my` rows beyond each edge. */
static sim_status with_margin(struct sim_plane *out, const struct sim_plane *p, int mx, int my,
                              enum sim_border border)
{
    const size_t pixel = (size_t)p->channels * sizeof(float);
    SIM_TRY(sim_plane_open(out, p->width + 2 * mx, p->height + 2 * my, p->channels));
    for (int y = 0; y < out->height; y++) {
        const float *from = p->v + (size_t)sim_border_index(y - my, p->height, border) * (size_t)p->width *
                                       (size_t)p->channels;
        float *to = out->v + (size_t)y * (size_t)out->width * (size_t)p->channels;
        memcpy(to + (size_t)mx * (size_t)p->channels, from, (size_t)p->width * pixel);
        for (int x = 0; x < mx; x++) {
            memcpy(to + (size_t)x * (size_t)p->channels,
                   from + (size_t)sim_border_index(x - mx, p->width, border) * (size_t)p->channels, pixel);
            memcpy(to + (size_t)(mx + p->width + x) * (size_t)p->channels,
                   from + (size_t)sim_border_index(p->width + x, p->width, border) * (size_t)p->channels,
                   pixel);
        }
    }
    return SIM_OK;
}

sim_status sim_filter_taps(struct sim_plane *p, const struct sim_tap *taps, int count, enum sim_border border)
{
    struct sim_plane wide;
    int mx = 0, my = 0;
    for (int t = 0; t < count; t++) {
        mx = abs(taps[t].dx) > mx ? abs(taps[t].dx) : mx;
        my = abs(taps[t].dy) > my ? abs(taps[t].dy) : my;
    }
    SIM_TRY(with_margin(&wide, p, mx, my, border));
    const size_t row = (size_t)p->width * (size_t)p->channels,
                 wide_row = (size_t)wide.width * (size_t)p->channels;
    memset(p->v, 0, (size_t)p->height * row * sizeof *p->v);
    for (int y = 0; y < p->height; y++) {
        float *restrict to = p->v + (size_t)y * row;
        for (int t = 0; t < count; t++) {
            const float *restrict from = wide.v + (size_t)(y + my + taps[t].dy) * wide_row +
                                         (size_t)(mx + taps[t].dx) * (size_t)p->channels;
            const float weight = taps[t].weight;
            for (size_t i = 0; i < row; i++) to[i] += weight * from[i];
        }
    }
    sim_plane_close(&wide);
    return SIM_OK;
}

sim_status sim_filter_gaussian(struct sim_plane *p, double sigma, double reach, enum sim_border border)
{
    const int radius = (int)(reach * sigma + 0.5);
    if (!(sigma > 0) || radius < 1) return SIM_OK;
    struct sim_tap *taps = malloc((size_t)(2 * radius + 1) * sizeof *taps);
    if (!taps) return sim_fail(SIM_ENOMEM, "no memory for a Gaussian of radius %d", radius);
    double sum = 0;
    for (int i = -radius; i <= radius; i++) sum += exp(-0.5 * i * i / (sigma * sigma));
    sim_status status = SIM_OK;
    for (int across = 0; across < 2 && status == SIM_OK; across++) {
        for (int i = -radius; i <= radius; i++)
            taps[i + radius] = (struct sim_tap){.dx = across ? i : 0,
                                                .dy = across ? 0 : i,
                                                .weight = (float)(exp(-0.5 * i * i / (sigma * sigma)) / sum)};
        status = sim_filter_taps(p, taps, 2 * radius + 1, border);
    }
    free(taps);
    return status;
}
