/* RandAugment's operations by name (method.md 3.3). */
#include "randaugment.h"

#include <math.h>

#define MOST 10.0 /* the magnitude that stands for the whole of a range */

const char *const sim_randaugment_names[SIM_RA_OPS] = {
    "auto_contrast", "equalize",     "invert",  "rotate",      "posterize",
    "solarize",      "solarize_add", "color",   "contrast",    "brightness",
    "sharpness",     "shear_x",      "shear_y", "translate_x", "translate_y"};

double sim_randaugment_value(enum sim_randaugment_op op, double magnitude, int negative)
{
    const double level = magnitude / MOST, sign = negative ? -1 : 1;
    switch (op) {
    case SIM_RA_ROTATE:
        return sign * (level * 30);
    case SIM_RA_POSTERIZE:
        return 4 - trunc(level * 4);
    case SIM_RA_SOLARIZE:
        return 256 - trunc(level * 256);
    case SIM_RA_SOLARIZE_ADD:
        return trunc(level * 110);
    case SIM_RA_COLOR:
    case SIM_RA_CONTRAST:
    case SIM_RA_BRIGHTNESS:
    case SIM_RA_SHARPNESS:
        return fmax(0.1, 1 + sign * (level * 0.9));
    case SIM_RA_SHEAR_X:
    case SIM_RA_SHEAR_Y:
        return sign * (level * 0.3);
    case SIM_RA_TRANSLATE_X:
    case SIM_RA_TRANSLATE_Y:
        return sign * (level * 0.45);
    default:
        return 0;
    }
}

/* The map by six numbers, the image's mean colour round about. */
static sim_status affine(uint8_t *rgb, int w, int h, double b, double c, double d, double f)
{
    static const uint8_t mean[3] = {124, 116, 104};
    return sim_pixels_affine(rgb, w, h, (const double[6]){1, b, c, d, 1, f}, mean);
}

static sim_status rotate(uint8_t *rgb, int w, int h, double degrees)
{
    static const uint8_t mean[3] = {124, 116, 104};
    return sim_pixels_rotate(rgb, w, h, degrees, mean);
}

sim_status sim_randaugment_apply(const struct sim_randaugment_step *s, uint8_t *rgb, int w, int h)
{
    switch (s->op) {
    case SIM_RA_AUTO_CONTRAST:
        sim_pixels_autocontrast(rgb, w, h);
        return SIM_OK;
    case SIM_RA_EQUALIZE:
        sim_pixels_equalize(rgb, w, h);
        return SIM_OK;
    case SIM_RA_INVERT:
        sim_pixels_invert(rgb, w, h);
        return SIM_OK;
    case SIM_RA_POSTERIZE:
        sim_pixels_posterize(rgb, w, h, (int)s->value);
        return SIM_OK;
    case SIM_RA_SOLARIZE:
        sim_pixels_solarize(rgb, w, h, (int)s->value);
        return SIM_OK;
    case SIM_RA_SOLARIZE_ADD:
        sim_pixels_add_below(rgb, w, h, 128, (int)s->value);
        return SIM_OK;
    case SIM_RA_COLOR:
        sim_pixels_saturation(rgb, w, h, s->value);
        return SIM_OK;
    case SIM_RA_CONTRAST:
        sim_pixels_contrast(rgb, w, h, s->value);
        return SIM_OK;
    case SIM_RA_BRIGHTNESS:
        sim_pixels_brightness(rgb, w, h, s->value);
        return SIM_OK;
    case SIM_RA_SHARPNESS:
        return sim_pixels_sharpness(rgb, w, h, s->value);
    case SIM_RA_ROTATE:
        return rotate(rgb, w, h, s->value);
    case SIM_RA_SHEAR_X:
        return affine(rgb, w, h, s->value, 0, 0, 0);
    case SIM_RA_SHEAR_Y:
        return affine(rgb, w, h, 0, 0, s->value, 0);
    case SIM_RA_TRANSLATE_X:
        return affine(rgb, w, h, 0, s->value * w, 0, 0);
    case SIM_RA_TRANSLATE_Y:
        return affine(rgb, w, h, 0, 0, 0, s->value * h);
    default:
        return sim_fail(SIM_EINVAL, "RandAugment has no operation number %d", (int)s->op);
    }
}
