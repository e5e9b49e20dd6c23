/* What Pillow makes of an image file, as the tables of hashes hold it, against what was made here. */
#ifndef SIM_TEST_PILLOW_PIXELS_H
#define SIM_TEST_PILLOW_PIXELS_H

#include "pixels.h"

struct pillow_pixels {
    int width, height;
    char hash[24]; /* XXH64 of the RGB bytes, or "error": the file must be refused */
};

/* `s` and *im, which it closes, are what decoding `name` answered; a refusal must name the file. */
void pillow_compare(const char *name, const struct pillow_pixels *expected, sim_status s,
                    struct sim_image *im);

#endif
