#include "centre_crop.h"

#include <math.h>
#include <string.h>

int64_t sim_centre_resize(int64_t configured, int64_t size)
{
    return configured ? configured : (int64_t)rint((double)size * 256 / 224);
}

sim_status sim_centre_crop(const struct sim_image *source, int resize, int size, enum sim_resample filter,
                           uint8_t *out)
{
    int64_t w = source->width, h = source->height, shorter = w < h ? w : h;
    int64_t new_w = resize * w / shorter, new_h = resize * h / shorter;
    int top = (int)rint((double)(new_h - size) / 2), left = (int)rint((double)(new_w - size) / 2);
    struct sim_image resized = {0};
    if (new_w * new_h > INT32_MAX / 3)
        return sim_fail(SIM_EFORMAT, "%ld x %ld pixels would be resized to %ld x %ld, beyond reason", (long)w,
                        (long)h, (long)new_w, (long)new_h);
    SIM_TRY(sim_image_open(&resized, (int)new_w, (int)new_h));
    sim_status status =
        sim_pixels_crop_resize(source, 0, 0, 0, (int)h, (int)w, (int)new_w, (int)new_h, filter, resized.rgb);
    for (int y = 0; y < size && status == SIM_OK; y++)
        memcpy(out + (size_t)y * (size_t)size * 3,
               resized.rgb + ((size_t)(top + y) * (size_t)new_w + (size_t)left) * 3, (size_t)size * 3);
    sim_image_close(&resized);
    return status;
}
