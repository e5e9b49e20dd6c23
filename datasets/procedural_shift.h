/* pw-cls away from home: the made-up set's own ImageNet-A, -R and -Sketch.
 *
 *   A       ten classes: a small object, two fifths to three fifths of it behind another, never in its
 * class's texture or palette R       ten classes, half of them A's: eight renditions in turn, such as mosaic,
 * cross-stitch and oil Sketch  all twenty classes: wobbly black outlines on white
 *
 * Images follow from procedural_seed and keep to procedural.h's arithmetic. */
#ifndef SIM_PROCEDURAL_SHIFT_H
#define SIM_PROCEDURAL_SHIFT_H

#include "procedural.h"
#include "shifted.h"

/* One of the three sets, per_class images of each class, as large as pw-cls's. */
sim_status sim_procedural_shift_open(struct sim_images *out, const struct sim_data_config *c,
                                     enum sim_shift_set set, int64_t per_class);

#define SIM_RENDITIONS 8
const char *sim_rendition_name(int style); /* "mosaic"; NULL outside 0 .. 7 */

/* Redraws a rendered scene in place; instances: its modal mask (procedural.h); style 0 .. 7. */
sim_status sim_procedural_rendition(struct sim_image *im, const uint8_t *instances, int style,
                                    struct sim_rng r);
/* The outlines of its objects alone. */
sim_status sim_procedural_sketch(struct sim_image *im, const uint8_t *instances, struct sim_rng r);

#endif
