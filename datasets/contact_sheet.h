/* A set at one glance: a row of images for each of some classes, with its name. */
#ifndef SIM_CONTACT_SHEET_H
#define SIM_CONTACT_SHEET_H

#include "images.h"

struct sim_contact_sheet {
    int classes;   /* rows at the most, spread evenly over all classes */
    int per_class; /* images at the most in each, drawn by seed */
    int side;      /* pixels: each image as a whole, as large as fits */
    uint64_t seed;
    int shown, damaged; /* out */
};

/* The caller closes *out.  A damaged image becomes a crossed-out field. */
sim_status sim_contact_sheet_draw(struct sim_contact_sheet *s, const struct sim_images *set,
                                  struct sim_image *out);

#endif
