/* Views to be made: what `datasets` drew, which make_views (ops.h) applies to decoded images on a backend
 * that can; the CPU makes finished views while it loads, by sim_view_apply. */
#ifndef SIM_VIEW_JOBS_H
#define SIM_VIEW_JOBS_H

#include <stdatomic.h>
#include <stdint.h>

#include "pixels.h"

/* What is drawn for one view. */
struct sim_view {
    int flip;         /* the view is of the flipped image */
    int i, j, h, w;   /* crop in the flipped frame: top, left, height, width */
    int jitter;       /* applied at all */
    int order[4];     /* 0 brightness, 1 contrast, 2 saturation, 3 hue, in order of application */
    double factor[4]; /* by operation, not by order */
    int grayscale, blur, solarize;
    double sigma;
};

/* What all views of a configuration share. */
struct sim_view_style {
    enum sim_resample filter;
    /* 1: flips come last (MoCo-v3), 0: before the crop (SiameseIM).  The crop lies where it lies either way;
     * what differs is how the resize rounds. */
    int flip_last;
    /* By operation.  0: absent, as torchvision leaves out a jitter of width zero: hue by 0 would still round
     * through HSV. */
    int jitters[4];
    enum sim_normalize normalize; /* of the finished view */
};

/* The view as the CPU makes it: out (size, size, 3) bytes, before normalisation (sim_pixels_normalize). */
sim_status sim_view_apply(const struct sim_view_style *style, const struct sim_view *v,
                          const struct sim_image *src, int size, uint8_t *out);

struct sim_view_job {
    struct sim_view view;
    int64_t image;      /* its number in the set */
    int width, height;  /* of the decoded source */
    const uint8_t *rgb; /* (height, width, 3); NULL where the backend holds the image */
};

/* The images that jobs are about.  A backend may keep some in its memory from the first job on that brings
 * their pixels; it says so in `held`, and later jobs may then come without pixels. */
struct sim_view_set {
    char name[17]; /* names the contents: equal names, equal images.  "": unknown, nothing is kept */
    int64_t images;
    atomic_uchar *held; /* (images) set to 1 by the backend, and for good; read by those who make jobs */
};

/* `count` views of size x size pixels.  Jobs and pixels are the caller's own again when make_views returns.
 */
struct sim_view_jobs {
    int64_t count;
    int size;
    struct sim_view_style style;
    const struct sim_view_job *job; /* (count) */
    const struct sim_view_set *set;
};

#endif
