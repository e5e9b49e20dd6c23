/* Maps of single bytes by a table of 256 entries, some after the image's own histogram: Pillow 9.4's
 * ImageOps. */
#include "pixels.h"

#include "pixel_math.h"

static size_t bytes_of(int w, int h)
{
    return (size_t)w * (size_t)h * 3;
}

static uint8_t clipped(double v)
{
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

static void map(uint8_t *rgb, int w, int h, const uint8_t table[256])
{
    for (size_t i = 0, n = bytes_of(w, h); i < n; i++) rgb[i] = table[rgb[i]];
}

static void map_channels(uint8_t *rgb, int w, int h, const uint8_t table[3][256])
{
    for (size_t i = 0, n = bytes_of(w, h); i < n; i += 3)
        for (int c = 0; c < 3; c++) rgb[i + (size_t)c] = table[c][rgb[i + (size_t)c]];
}

static void count_channels(const uint8_t *rgb, int w, int h, int64_t count[3][256])
{
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++) count[c][v] = 0;
    for (size_t i = 0, n = bytes_of(w, h); i < n; i += 3)
        for (int c = 0; c < 3; c++) count[c][rgb[i + (size_t)c]]++;
}

/* The smallest and the largest value that occurs. */
static void range_of(const int64_t count[256], int *low, int *high)
{
    *low = 0, *high = 255;
    while (*low < 255 && !count[*low]) (*low)++;
    while (*high > 0 && !count[*high]) (*high)--;
}

void sim_pixels_solarize(uint8_t *rgb, int w, int h, int threshold)
{
    for (size_t i = 0, n = bytes_of(w, h); i < n; i++) rgb[i] = sim_solarized(rgb[i], threshold);
}

void sim_pixels_invert(uint8_t *rgb, int w, int h)
{
    sim_pixels_solarize(rgb, w, h, 0);
}

void sim_pixels_posterize(uint8_t *rgb, int w, int h, int bits)
{
    const uint8_t kept = (uint8_t)(0xff00 >> bits);
    for (size_t i = 0, n = bytes_of(w, h); i < n; i++) rgb[i] &= kept;
}

void sim_pixels_add_below(uint8_t *rgb, int w, int h, int below, int add)
{
    uint8_t table[256];
    for (int v = 0; v < 256; v++) table[v] = (uint8_t)(v < below ? sim_smaller(v + add, 255) : v);
    map(rgb, w, h, table);
}

void sim_pixels_autocontrast(uint8_t *rgb, int w, int h)
{
    int64_t count[3][256];
    uint8_t table[3][256];
    count_channels(rgb, w, h, count);
    for (int c = 0; c < 3; c++) {
        int low, high;
        range_of(count[c], &low, &high);
        const double scale = high > low ? 255.0 / (high - low) : 1, offset = high > low ? -low * scale : 0;
        for (int v = 0; v < 256; v++) table[c][v] = clipped(v * scale + offset);
    }
    map_channels(rgb, w, h, table);
}

/* Steps of the cumulative histogram, the last value's pixels left out of their width; a channel that is too
 * plain for steps of one pixel stays as it is. */
static void level(const int64_t count[256], int64_t pixels, uint8_t table[256])
{
    int low, high;
    range_of(count, &low, &high);
    const int64_t step = (pixels - count[high]) / 255;
    int64_t below = step / 2;
    for (int v = 0; v < 256; v++) {
        table[v] = (uint8_t)(step ? clipped((double)(below / step)) : v);
        below += count[v];
    }
}

void sim_pixels_equalize(uint8_t *rgb, int w, int h)
{
    int64_t count[3][256];
    uint8_t table[3][256];
    count_channels(rgb, w, h, count);
    for (int c = 0; c < 3; c++) level(count[c], (int64_t)w * h, table[c]);
    map_channels(rgb, w, h, table);
}
