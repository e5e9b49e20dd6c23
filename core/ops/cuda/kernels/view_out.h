/* The last step of every view, at the end of whichever kernel comes last for it: solarise, normalise, and
 * from pixels to planes. */
#ifndef SIM_VIEW_OUT_H
#define SIM_VIEW_OUT_H

#include "pixel_math.h"
#include "view_kernels.h"

static __device__ __forceinline__ float sim_view_normalized(const struct sim_view_task &v, uint8_t byte,
                                                            int channel, enum sim_normalize by)
{
    return sim_normalized(v.solarize ? sim_solarized(byte, SIM_SOLARIZE_HALF) : byte, channel, by);
}

/* Pixel i of `pixels`. */
static __device__ __forceinline__ void sim_view_out(const struct sim_view_task &v, enum sim_normalize by,
                                                    float *out, int64_t pixels, int64_t i, uint8_t r,
                                                    uint8_t g, uint8_t b)
{
    out[i] = sim_view_normalized(v, r, 0, by);
    out[pixels + i] = sim_view_normalized(v, g, 1, by);
    out[2 * pixels + i] = sim_view_normalized(v, b, 2, by);
}

#endif
