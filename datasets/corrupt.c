/* The corruptions together, and what they share. */
#include <stddef.h>

#include "corrupt_parts.h"

static sim_status (*const corruptions[SIM_CORRUPTIONS])(struct corrupting *c) = {
    [SIM_GAUSSIAN_NOISE] = corrupt_gaussian_noise,
    [SIM_SHOT_NOISE] = corrupt_shot_noise,
    [SIM_IMPULSE_NOISE] = corrupt_impulse_noise,
    [SIM_DEFOCUS_BLUR] = corrupt_defocus_blur,
    [SIM_GLASS_BLUR] = corrupt_glass_blur,
    [SIM_MOTION_BLUR] = corrupt_motion_blur,
    [SIM_ZOOM_BLUR] = corrupt_zoom_blur,
    [SIM_SNOW] = corrupt_snow,
    [SIM_FROST] = corrupt_frost,
    [SIM_FOG] = corrupt_fog,
    [SIM_BRIGHTNESS] = corrupt_brightness,
    [SIM_CONTRAST] = corrupt_contrast,
    [SIM_ELASTIC_TRANSFORM] = corrupt_elastic_transform,
    [SIM_PIXELATE] = corrupt_pixelate,
    [SIM_JPEG_COMPRESSION] = corrupt_jpeg_compression,
};

const char *sim_constants_name(enum sim_constants c)
{
    static const char *const names[SIM_CONSTANTS_COUNT] = {"224", "64", "32"};
    return names[c];
}

enum sim_constants sim_constants_for(int side)
{
    return side <= 48 ? SIM_CONSTANTS_32 : side <= 112 ? SIM_CONSTANTS_64 : SIM_CONSTANTS_224;
}

sim_status corrupt_floats(const struct sim_image *image, struct sim_plane *out)
{
    SIM_TRY(sim_plane_open(out, image->width, image->height, 3));
    const size_t count = (size_t)image->width * (size_t)image->height * 3;
    for (size_t i = 0; i < count; i++) out->v[i] = (float)image->rgb[i] / 255;
    return SIM_OK;
}

void corrupt_bytes(const struct sim_plane *p, struct sim_image *image)
{
    const size_t count = (size_t)p->width * (size_t)p->height * 3;
    for (size_t i = 0; i < count; i++) image->rgb[i] = corrupt_byte(p->v[i]);
}

sim_status sim_corrupt(const struct sim_corrupt_job *job, struct sim_image *image)
{
    if ((int)job->corruption < 0 || job->corruption >= SIM_CORRUPTIONS)
        return sim_fail(SIM_EINVAL, "corruption number %d; they are 0 to %d", (int)job->corruption,
                        SIM_CORRUPTIONS - 1);
    SIM_TRY(sim_severity_check(job->severity, sim_corruption_name(job->corruption)));
    struct corrupting c = {
        .image = image,
        .set = (int)job->constants,
        .level = job->severity - 1,
        .rng = sim_rng_make(job->seed, SIM_PURPOSE_CORRUPTION,
                            (uint32_t)job->corruption * SIM_SEVERITIES + (uint32_t)job->severity - 1,
                            job->index, 0)};
    return corruptions[job->corruption](&c);
}
