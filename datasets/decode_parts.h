/* What the decoders share; decode.c chooses between them. */
#ifndef SIM_DECODE_PARTS_H
#define SIM_DECODE_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "pixels.h"

/* Contracts as sim_decode_into (images.h), for bytes that start as a JPEG or PNG file does; of a failure *out
 * may be left open. */
sim_status sim_decode_jpeg(const uint8_t *bytes, size_t count, const char *name, struct sim_image *out);
sim_status sim_decode_png(const uint8_t *bytes, size_t count, const char *name, struct sim_image *out);

/* Reopens *out at the size that a file claims, or says why not: beyond 64 megapixels, or no memory. */
sim_status sim_decode_open(struct sim_image *out, uint32_t width, uint32_t height, const char *name);

#endif
