/* Which way up an image is, as the EXIF data of its file say. */
#ifndef SIM_EXIF_H
#define SIM_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "pixels.h"

/* The orientation, 1 to 8, in the first EXIF block of a JPEG or the eXIf chunk of a PNG; 1, upright, where
 * there is none, it is damaged, or the bytes are of another kind.  XMP and text blocks, which may state it
 * too, are not asked. */
int sim_exif_orientation(const uint8_t *bytes, size_t count);

/* Turns and mirrors the image so that it stands upright, as Pillow's ImageOps.exif_transpose does.  After a
 * failure it is closed. */
sim_status sim_exif_turn(struct sim_image *im, int orientation);

#endif
