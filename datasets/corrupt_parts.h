/* What the corruptions share, for corrupt*.c only. */
#ifndef SIM_CORRUPT_PARTS_H
#define SIM_CORRUPT_PARTS_H

#include "corrupt.h"
#include "filters.h"
#include "rng.h"

/* One corruption under way. */
struct corrupting {
    struct sim_image *image; /* in and out */
    int set, level;          /* enum sim_constants; severity - 1 */
    struct sim_rng rng;
};

sim_status corrupt_gaussian_noise(struct corrupting *c);
sim_status corrupt_shot_noise(struct corrupting *c);
sim_status corrupt_impulse_noise(struct corrupting *c);
sim_status corrupt_defocus_blur(struct corrupting *c);
sim_status corrupt_glass_blur(struct corrupting *c);
sim_status corrupt_motion_blur(struct corrupting *c);
sim_status corrupt_zoom_blur(struct corrupting *c);
sim_status corrupt_snow(struct corrupting *c);
sim_status corrupt_frost(struct corrupting *c);
sim_status corrupt_fog(struct corrupting *c);
sim_status corrupt_brightness(struct corrupting *c);
sim_status corrupt_contrast(struct corrupting *c);
sim_status corrupt_elastic_transform(struct corrupting *c);
sim_status corrupt_pixelate(struct corrupting *c);
sim_status corrupt_jpeg_compression(struct corrupting *c);

/* A value of 0 .. 1 as a byte: clipped and truncated.  What lies under a level by rounding alone is that
 * level. */
static inline uint8_t corrupt_byte(float v)
{
    float level = v * 255 + 0x1p-12f;
    return (uint8_t)(level <= 0 ? 0 : level >= 255 ? 255 : level);
}

/* The image as floats of 0 .. 1, and back; `p` has its size. */
sim_status corrupt_floats(const struct sim_image *image, struct sim_plane *out);
void corrupt_bytes(const struct sim_plane *p, struct sim_image *image);

/* Blurs along a line, the way a camera moves: `angle` in degrees, taps of a one-sided Gaussian of deviation
 * sigma over 2 * radius + 1 pixels, then rounds to bytes, as ImageMagick does. */
sim_status corrupt_motion(struct sim_plane *p, int radius, double sigma, double angle);

#endif
