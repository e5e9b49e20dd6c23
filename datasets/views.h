/* Drawing the parameters of the two views and of the mask (method.md 1.5, 1.6), and making the views.  Every
 * draw is a function of (seed, epoch, image index). */
#ifndef SIM_VIEWS_H
#define SIM_VIEWS_H

#include <stdint.h>

#include "data_config.h"
#include "view_jobs.h"

struct sim_rng; /* rng.h */

/* torchvision's RandomResizedCrop, as crop_min, crop_max and ratio_min say: ten attempts, then the largest
 * centred crop whose aspect is within bounds.  Sets i, j, h, w of *v, inside width x height pixels. */
void sim_views_draw_crop(const struct sim_augment_config *c, struct sim_rng *r, int width, int height,
                         struct sim_view *v);

/* Parameters of both views of one image of w x h pixels, and the tuple (di, dj, sh, sw, flip, fj). */
void sim_views_draw(const struct sim_augment_config *c, uint64_t seed, uint32_t epoch, uint64_t index, int w,
                    int h, struct sim_view view[2], float geometry[6]);

/* What the configuration says of every view; pixels are normalised by ImageNet's numbers unless the caller
 * says otherwise. */
struct sim_view_style sim_views_style(const struct sim_augment_config *c);

/* Crop, resize to size x size, colour, as drawn; out: (size, size, 3) bytes. */
sim_status sim_view_make(const struct sim_augment_config *c, const struct sim_view *v,
                         const struct sim_image *src, int size, uint8_t *out);

/* mask: grid * grid bytes, exactly `hidden` ones. */
void sim_mask_draw(const struct sim_mask_config *c, uint64_t seed, uint32_t epoch, uint64_t index, int grid,
                   int hidden, uint8_t *mask);

#endif
