/* Frost on a window pane, made up: it stands in for the photographs that ImageNet-C lays over its images. */
#ifndef SIM_PROCEDURAL_FROST_H
#define SIM_PROCEDURAL_FROST_H

#include "filters.h"
#include "rng.h"

/* Fills all of *out, 3 channels, 0 .. 1.  scale: output pixels per pixel of a photograph (1 where images are
 * 224 px). Mean, spread and grain vary from draw to draw as they do among the five photographs (of their
 * crops of 224 px: mean 0.44 to 0.80, deviation 0.08 to 0.16, blue over red by 0.05 to 0.35). */
sim_status sim_procedural_frost(struct sim_plane *out, double scale, struct sim_rng *r);

#endif
