/* Images made smaller on their way into a pack. */
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "pack_write_parts.h"

static sim_status encode_smaller(const struct sim_image *im, int short_side, int quality, const char *name,
                                 struct sim_bytes *out)
{
    struct sim_image small;
    uint8_t *bytes = NULL;
    size_t count = 0;
    const int shorter = im->width < im->height ? im->width : im->height;
    /* The longer side is truncated, as torchvision's Resize does. */
    const int w = (int)((int64_t)im->width * short_side / shorter),
              h = (int)((int64_t)im->height * short_side / shorter);
    SIM_TRY(sim_image_open(&small, w, h));
    sim_status status =
        sim_pixels_crop_resize(im, 0, 0, 0, im->height, im->width, w, h, SIM_RESAMPLE_BICUBIC, small.rgb);
    if (status == SIM_OK) status = sim_jpeg_encode(small.rgb, w, h, quality, &bytes, &count);
    if (status == SIM_OK) status = sim_bytes_reserve(out, count, name);
    if (status == SIM_OK) memcpy(out->data, bytes, out->count = count);
    free(bytes);
    sim_image_close(&small);
    return status;
}

sim_status sim_pack_recode(const struct sim_bytes *file, int short_side, int quality, const char *name,
                           struct sim_bytes *out, uint32_t *flags)
{
    struct sim_image im;
    *flags = 0;
    sim_status status = sim_decode(file->data, file->count, name, &im);
    if (status == SIM_EFORMAT) *flags = SIM_PACK_DAMAGED;
    if (status != SIM_OK) return status;
    if (im.width > short_side && im.height > short_side) {
        status = encode_smaller(&im, short_side, quality, name, out);
        *flags = SIM_PACK_RECODED;
    }
    sim_image_close(&im);
    return status;
}
