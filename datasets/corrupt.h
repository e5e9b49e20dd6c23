/* The corruptions of ImageNet-C, made from numbers: ImageNet-C's own constants for 224 px, those of
 * Tiny-ImageNet-C for 64 and of CIFAR-10-C for 32, by the formulae of the scripts that made those sets
 * (Hendrycks and Dietterich, ICLR 2019; repository hendrycks/robustness, ImageNet-C/create_c).  What is drawn
 * is a function of (seed, corruption, severity, image).  The official pictures are not reproducible bit for
 * bit, their random numbers being lost; the deterministic corruptions are equal to within a level, the others
 * equal in distribution (tests/reference/corruptions.py), with one exception: the photographs of frost are
 * not part of this program, and frost is made up (procedural_frost.c). */
#ifndef SIM_CORRUPT_H
#define SIM_CORRUPT_H

#include "corruption.h"
#include "pixels.h"

/* Whose constants. */
enum sim_constants { SIM_CONSTANTS_224, SIM_CONSTANTS_64, SIM_CONSTANTS_32, SIM_CONSTANTS_COUNT };
const char *sim_constants_name(enum sim_constants c); /* "224" */
/* The set for images of this side: up to 48 px that for 32, up to 112 that for 64. */
enum sim_constants sim_constants_for(int side);

struct sim_corrupt_job {
    enum sim_corruption corruption;
    int severity; /* 1 .. 5; any other is SIM_EINVAL */
    enum sim_constants constants;
    uint64_t seed, index; /* what is drawn: index is the image's number */
};

/* Corrupts the image in place: floats are clipped to 0 .. 1 and truncated to bytes, as in the official
 * scripts. */
sim_status sim_corrupt(const struct sim_corrupt_job *job, struct sim_image *image);

/* The image after a JPEG file of this quality (1 .. 100), 4:2:0, as Pillow writes and reads it. */
sim_status sim_jpeg_round_trip(struct sim_image *image, int quality);

#endif
