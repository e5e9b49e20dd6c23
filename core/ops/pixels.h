/* Image operations on 8-bit RGB, equal to Pillow 9.4 byte for byte (method.md 1.6).  Images are (height,
 * width, 3) rows without padding.  Pure functions; scratch memory is the caller's where stated. */
#ifndef SIM_PIXELS_H
#define SIM_PIXELS_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct sim_image {
    int width, height;
    uint8_t *rgb;      /* (height, width, 3), owned; sim_image_close frees */
    size_t room_bytes; /* of what is owned: width * height * 3 at least */
};

sim_status sim_image_open(struct sim_image *out, int width, int height); /* zeroed pixels */
/* An open (or zeroed) image at another size, in the memory that it has where that suffices; its pixels are
 * undefined.  After a failure it is closed. */
sim_status sim_image_reopen(struct sim_image *im, int width, int height);
void sim_image_close(struct sim_image *im); /* zeroed struct is legal */

enum sim_resample { SIM_RESAMPLE_BILINEAR, SIM_RESAMPLE_BICUBIC, SIM_RESAMPLE_BOX };

/* Crop rows i..i+h, columns j..j+w (inside the image), then antialiased resize to out_w x out_h, horizontal
 * pass first, 8-bit between the passes.  `flip`: the crop box is in the coordinates of the horizontally
 * flipped image (the source itself stays unflipped, so flip + crop costs nothing extra).  out: (out_h, out_w,
 * 3). */
sim_status sim_pixels_crop_resize(const struct sim_image *src, int flip, int i, int j, int h, int w,
                                  int out_w, int out_h, enum sim_resample filter, uint8_t *out);

/* In place on (h, w, 3). */
void sim_pixels_hflip(uint8_t *rgb, int w, int h);
void sim_pixels_brightness(uint8_t *rgb, int w, int h, double factor);
void sim_pixels_contrast(uint8_t *rgb, int w, int h, double factor);
void sim_pixels_saturation(uint8_t *rgb, int w, int h, double factor);
void sim_pixels_hue(uint8_t *rgb, int w, int h, double factor); /* factor in [-0.5, 0.5] turns */
void sim_pixels_grayscale(uint8_t *rgb, int w, int h);
enum { SIM_SOLARIZE_HALF = 128 };
void sim_pixels_solarize(uint8_t *rgb, int w, int h, int threshold);  /* values from there on are inverted */
sim_status sim_pixels_blur(uint8_t *rgb, int w, int h, double sigma); /* Pillow's GaussianBlur */

/* Maps of single bytes, after the image's own histogram where they say so (ImageOps). */
void sim_pixels_invert(uint8_t *rgb, int w, int h);
void sim_pixels_posterize(uint8_t *rgb, int w, int h, int bits); /* the upper 0 .. 8 bits are kept */
void sim_pixels_add_below(uint8_t *rgb, int w, int h, int below,
                          int add);                       /* values under `below` grow, to 255 */
void sim_pixels_autocontrast(uint8_t *rgb, int w, int h); /* each channel is stretched from 0 to 255 */
void sim_pixels_equalize(uint8_t *rgb, int w, int h);     /* each channel's histogram is made level */
/* 0: under a 3 x 3 filter of weights 1 around 5, 1: as it is, above: sharper (ImageEnhance.Sharpness). */
sim_status sim_pixels_sharpness(uint8_t *rgb, int w, int h, double factor);
/* Output pixel (x, y) shows the place (a (x+1/2) + b (y+1/2) + c, d (x+1/2) + e (y+1/2) + f) of the image, m
 * = a .. f, by cubic interpolation without antialiasing, or `fill` where that lies outside:
 * Image.transform(AFFINE, BICUBIC). */
sim_status sim_pixels_affine(uint8_t *rgb, int w, int h, const double m[6], const uint8_t fill[3]);
/* Counter-clockwise about the centre: Image.rotate(degrees, BICUBIC), size kept.  Multiples of 90 degrees
 * that fit move pixels without arithmetic, as Pillow does. */
sim_status sim_pixels_rotate(uint8_t *rgb, int w, int h, double degrees, const uint8_t fill[3]);

/* What a network is shown of a byte v: v / 255 minus a mean, over a deviation, channel by channel. */
enum sim_normalize {
    SIM_NORMALIZE_IMAGENET, /* ImageNet's */
    SIM_NORMALIZE_HALF      /* 0.5 and 0.5: from -1 to 1 */
};

/* (h, w, 3) bytes -> (3, h, w) floats, each step rounded as torchvision rounds it. */
void sim_pixels_normalize(const uint8_t *rgb, int w, int h, enum sim_normalize by, float *out);

#endif
