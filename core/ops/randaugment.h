/* timm's RandAugment in its increasing form ("inc1"), as operations on 8-bit pixels: what `datasets` draws
 * and `ops` applies, equal to timm 0.6.12 over Pillow 9.4 byte for byte (method.md 3.3). */
#ifndef SIM_RANDAUGMENT_H
#define SIM_RANDAUGMENT_H

#include "pixels.h"

/* In timm's order. */
enum sim_randaugment_op {
    SIM_RA_AUTO_CONTRAST,
    SIM_RA_EQUALIZE,
    SIM_RA_INVERT,
    SIM_RA_ROTATE,       /* degrees, counter-clockwise */
    SIM_RA_POSTERIZE,    /* bits that are kept */
    SIM_RA_SOLARIZE,     /* threshold */
    SIM_RA_SOLARIZE_ADD, /* added to values below 128 */
    SIM_RA_COLOR,        /* factors; 1: as it is */
    SIM_RA_CONTRAST,
    SIM_RA_BRIGHTNESS,
    SIM_RA_SHARPNESS,
    SIM_RA_SHEAR_X, /* columns to the right per row down */
    SIM_RA_SHEAR_Y,
    SIM_RA_TRANSLATE_X, /* share of the side */
    SIM_RA_TRANSLATE_Y,
    SIM_RA_OPS
};
extern const char *const sim_randaugment_names[SIM_RA_OPS]; /* "auto_contrast", ... */

struct sim_randaugment_step {
    enum sim_randaugment_op op;
    double value; /* of the op's parameter; unused where it has none */
};

/* timm's parameter of an operation at a magnitude from 0 to 10; `negative` turns those that have a sign. */
double sim_randaugment_value(enum sim_randaugment_op op, double magnitude, int negative);

/* In place on (h, w, 3).  What turns, shears or shifts shows ImageNet's mean colour beyond the edge. */
sim_status sim_randaugment_apply(const struct sim_randaugment_step *step, uint8_t *rgb, int w, int h);

#endif
