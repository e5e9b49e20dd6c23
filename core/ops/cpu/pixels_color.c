/* Colour operations with the results of Pillow 9.4 and of torchvision's adjust_* upon it (the loops: isa/).
 */
#include "pixels.h"

#include "isa/pixel_kernels.h"
#include "pixel_math.h"

static size_t pixels_of(int w, int h)
{
    return (size_t)w * (size_t)h;
}

void sim_pixels_brightness(uint8_t *rgb, int w, int h, double factor)
{
    sim_pixel_kernels()->blend(rgb, pixels_of(w, h) * 3, 0, (float)factor);
}

void sim_pixels_contrast(uint8_t *rgb, int w, int h, double factor)
{
    const struct sim_pixel_kernels *k = sim_pixel_kernels();
    const size_t n = pixels_of(w, h);
    k->blend(rgb, n * 3, sim_mean_luma(k->luma_sum(rgb, n), n), (float)factor);
}

void sim_pixels_saturation(uint8_t *rgb, int w, int h, double factor)
{
    sim_pixel_kernels()->saturation(rgb, pixels_of(w, h), (float)factor);
}

void sim_pixels_hue(uint8_t *rgb, int w, int h, double factor)
{
    sim_pixel_kernels()->hue(rgb, pixels_of(w, h), sim_hue_shift(factor));
}

void sim_pixels_grayscale(uint8_t *rgb, int w, int h)
{
    sim_pixel_kernels()->grayscale(rgb, pixels_of(w, h));
}

void sim_pixels_normalize(const uint8_t *rgb, int w, int h, enum sim_normalize by, float *out)
{
    sim_pixel_kernels()->normalize(rgb, pixels_of(w, h), by, out);
}
