/* A drawn view out of a decoded image: the operations of pixels.h in their order. */
#include "view_jobs.h"

sim_status sim_view_apply(const struct sim_view_style *style, const struct sim_view *v,
                          const struct sim_image *src, int size, uint8_t *out)
{
    static void (*const jitter[4])(uint8_t * rgb, int w, int h, double factor) = {
        sim_pixels_brightness, sim_pixels_contrast, sim_pixels_saturation, sim_pixels_hue};
    const int last = v->flip && style->flip_last, j = last ? src->width - v->j - v->w : v->j;
    SIM_TRY(
        sim_pixels_crop_resize(src, v->flip && !last, v->i, j, v->h, v->w, size, size, style->filter, out));
    for (int k = 0; v->jitter && k < 4; k++) {
        int operation = v->order[k];
        if (style->jitters[operation]) jitter[operation](out, size, size, v->factor[operation]);
    }
    if (v->grayscale) sim_pixels_grayscale(out, size, size);
    if (v->blur) SIM_TRY(sim_pixels_blur(out, size, size, v->sigma));
    if (v->solarize) sim_pixels_solarize(out, size, size, SIM_SOLARIZE_HALF);
    if (last) sim_pixels_hflip(out, size, size);
    return SIM_OK;
}
