/* 8-bit images: memory, and mirroring. */
#include "pixels.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"

sim_status sim_image_open(struct sim_image *out, int width, int height)
{
    *out = (struct sim_image){0};
    if (width < 1 || height < 1)
        return sim_fail(SIM_EINVAL, "an image of %d x %d pixels is empty", width, height);
    uint8_t *rgb = sim_calloc_aligned((size_t)width * (size_t)height, 3);
    if (!rgb) return sim_fail(SIM_ENOMEM, "no memory for an image of %d x %d pixels", width, height);
    *out = (struct sim_image){
        .width = width, .height = height, .rgb = rgb, .room_bytes = (size_t)width * (size_t)height * 3};
    return SIM_OK;
}

sim_status sim_image_reopen(struct sim_image *im, int width, int height)
{
    if (width > 0 && height > 0 && (size_t)width * (size_t)height <= im->room_bytes / 3) {
        im->width = width, im->height = height;
        return SIM_OK;
    }
    sim_image_close(im);
    return sim_image_open(im, width, height);
}

void sim_image_close(struct sim_image *im)
{
    free(im->rgb);
    *im = (struct sim_image){0};
}

void sim_pixels_hflip(uint8_t *rgb, int w, int h)
{
    for (int y = 0; y < h; y++, rgb += (size_t)w * 3) {
        for (uint8_t *a = rgb, *b = rgb + ((size_t)w - 1) * 3; a < b; a += 3, b -= 3) {
            uint8_t keep[3];
            memcpy(keep, a, 3);
            memcpy(a, b, 3);
            memcpy(b, keep, 3);
        }
    }
}
