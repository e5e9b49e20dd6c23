/* The corruptions of ImageNet-C by number and name (Hendrycks and Dietterich, ICLR 2019): whoever makes them
 * (datasets/corrupt.h) and whoever counts errors under them (core/eval/robustness.h) mean the same. */
#ifndef SIM_CORRUPTION_H
#define SIM_CORRUPTION_H

#include <stdint.h>

#include "status.h"

/* In the order of the paper's tables. */
enum sim_corruption {
    SIM_GAUSSIAN_NOISE,
    SIM_SHOT_NOISE,
    SIM_IMPULSE_NOISE,
    SIM_DEFOCUS_BLUR,
    SIM_GLASS_BLUR,
    SIM_MOTION_BLUR,
    SIM_ZOOM_BLUR,
    SIM_SNOW,
    SIM_FROST,
    SIM_FOG,
    SIM_BRIGHTNESS,
    SIM_CONTRAST,
    SIM_ELASTIC_TRANSFORM,
    SIM_PIXELATE,
    SIM_JPEG_COMPRESSION,
    SIM_CORRUPTIONS
};

#define SIM_SEVERITIES 5 /* 1 .. 5 */

/* "gaussian_noise": the name of the official folder. */
const char *sim_corruption_name(enum sim_corruption c);

/* The corruption of a name (count bytes, need not end in a NUL); an unknown one is an error that names the
 * nearest, after `where` ("--set", a key). */
sim_status sim_corruption_find(const char *name, int count, const char *where, enum sim_corruption *out);

/* An error, after `where`, unless it is in 1 .. 5. */
sim_status sim_severity_check(int64_t severity, const char *where);

#endif
