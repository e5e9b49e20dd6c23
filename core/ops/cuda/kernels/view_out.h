/* The last step of every view, at the end of whichever kernel comes last for it: solarise, normalise, and
 * from pixels to planes. */
#ifndef SIM_VIEW_OUT_H
#define SIM_VIEW_OUT_H

#include "pixel_math.h"
#include "view_kernels.h"

static __device__ __forceinline__ float sim_view_normalized(const struct sim_view_task &v, uint8_t byte,
                                                            float mean, float deviation)
{
    return sim_normalized(v.solarize ? sim_solarized(byte, SIM_SOLARIZE_HALF) : byte, mean, deviation);
}

/* Pixel i of `pixels`. */
static __device__ __forceinline__ void sim_view_out(const struct sim_view_task &v, float *out, int64_t pixels,
                                                    int64_t i, uint8_t r, uint8_t g, uint8_t b)
{
    const float mean[3] = SIM_IMAGENET_MEAN, deviation[3] = SIM_IMAGENET_DEVIATION;
    out[i] = sim_view_normalized(v, r, mean[0], deviation[0]);
    out[pixels + i] = sim_view_normalized(v, g, mean[1], deviation[1]);
    out[2 * pixels + i] = sim_view_normalized(v, b, mean[2], deviation[2]);
}

#endif
