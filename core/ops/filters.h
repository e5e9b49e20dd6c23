/* Filters and warps of images in floats, which corruptions are made of (datasets/corrupt_*.c).  Every
 * function works in place, is pure, and fails only for want of memory.  What each equals in the libraries
 * that ImageNet-C was made with is said beside it; images may have any width and height. */
#ifndef SIM_FILTERS_H
#define SIM_FILTERS_H

#include "status.h"

struct sim_plane {
    int width, height, channels;
    float *v; /* (height, width, channels), owned; sim_plane_close frees */
};

sim_status sim_plane_open(struct sim_plane *out, int width, int height, int channels); /* zeros */
void sim_plane_close(struct sim_plane *p); /* a zeroed one is legal */

/* What lies beyond the edge of a row a b c d. */
enum sim_border {
    SIM_BORDER_NEAREST,    /* a a | a b c d | d d */
    SIM_BORDER_REFLECT,    /* b a | a b c d | d c */
    SIM_BORDER_REFLECT_101 /* c b | a b c d | c b */
};

/* One term of a weighted sum: the pixel dx to the right and dy below. */
struct sim_tap {
    int dx, dy;
    float weight;
};

/* Every pixel becomes the sum of its taps, channel by channel, in the order of the list: OpenCV's filter2D,
 * and ImageMagick's motion blur. */
sim_status sim_filter_taps(struct sim_plane *p, const struct sim_tap *taps, int count,
                           enum sim_border border);

/* Separable Gaussian, cut off at int(reach * sigma + 0.5) pixels; sigma 0 changes nothing: scikit-image's and
 * SciPy's gaussian with truncate = reach. */
sim_status sim_filter_gaussian(struct sim_plane *p, double sigma, double reach, enum sim_border border);

/* The middle, ceil(side / zoom) pixels a side, enlarged linearly with its corners' centres staying corners,
 * and cut to size again: SciPy's zoom of order 1.  zoom >= 1. */
sim_status sim_warp_zoom(struct sim_plane *p, double zoom);

/* Pixel (x, y) becomes the bilinear value at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]); REFLECT_101
 * beyond. */
sim_status sim_warp_affine(struct sim_plane *p, const double m[6]);

/* Pixel i becomes the bilinear value dx[i] to the right and dy[i] below; REFLECT beyond: SciPy's
 * map_coordinates. */
sim_status sim_warp_shift(struct sim_plane *p, const float *dx, const float *dy);

#endif
