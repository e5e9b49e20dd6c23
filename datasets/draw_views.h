/* What the loader makes of one image, as pictures for people. */
#ifndef SIM_DRAW_VIEWS_H
#define SIM_DRAW_VIEWS_H

#include "views.h"

struct sim_views_drawing {
    const struct sim_image *source;
    const struct sim_augment_config *augment;
    struct sim_view view[2];
    float geometry[6];
    const uint8_t *mask; /* (grid, grid), 1 = hidden */
    int grid, img_size;
};

/* Writes into an existing folder:
 *   view1.png, view2.png  the two views, at img_size (where that is small, also enlarged: view1_xN.png)
 *   mask.png              view 1 enlarged, the patch grid, hidden patches greyed
 *   geometry.png          left the source with both crops (a wedge marks the corner of each view's first
 * patch, so a flipped view has it on the right); middle view 2 with its patch centres as dots; right view 1
 *                         in its own frame, the source dimmed around it, with each dot where (di, dj, sh, sw,
 * flip, fj) tells the predictor that the patch lies.  What is under a dot is the same thing in both. */
sim_status sim_draw_views(const struct sim_views_drawing *d, const char *folder);

/* The views and the mask of those, as images; the caller closes all three, also after a failure. */
sim_status sim_views_pictures(const struct sim_views_drawing *d, struct sim_image view[2],
                              struct sim_image *masked);

#endif
