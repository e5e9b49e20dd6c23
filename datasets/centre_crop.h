/* How an image is shown when it is scored: torchvision's Resize and CenterCrop. */
#ifndef SIM_CENTRE_CROP_H
#define SIM_CENTRE_CROP_H

#include "pixels.h"

/* The shorter side before the crop: as configured (data.val_resize), or in the proportion of 256 to 224. */
int64_t sim_centre_resize(int64_t configured, int64_t size);

/* The shorter side becomes `resize` pixels (the longer one is truncated), then the middle size x size are cut
 * out (the corner rounds half to even); out: (size, size, 3).  resize >= size. */
sim_status sim_centre_crop(const struct sim_image *source, int resize, int size, enum sim_resample filter,
                           uint8_t *out);

#endif
