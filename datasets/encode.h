/* Images as files in memory. */
#ifndef SIM_ENCODE_H
#define SIM_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "images.h"

/* JPEG of quality 1 .. 100 of (h, w, 3) bytes, with the bytes that Pillow writes; the caller frees *bytes. */
sim_status sim_jpeg_encode(const uint8_t *rgb, int w, int h, int quality, uint8_t **bytes, size_t *count);

/* PNG of (h, w, 3) bytes; the caller frees *bytes. */
sim_status sim_png_encode(const uint8_t *rgb, int w, int h, void **bytes, size_t *count);

#endif
