/* Features of view 2's patch positions (method.md 1.4).  A row position depends on u alone and a column
 * position on v alone, so a block takes an image and 64 frequencies, encodes each position once, in double,
 * and copies: 2 bytes an element of bfloat16 written, next to nothing read. */
#include "vectors.h"

enum { FREQUENCIES = 64, THREADS = 256 };

/* What a position or a scale is encoded as: entry i of an image's 2 grid + 2 angles. */
static __device__ double angle_of(int64_t i, const float *geometry, int64_t grid, int mode)
{
    const bool none = mode == SIM_FEATURES_NONE;
    const double di = none ? 0 : geometry[0], dj = none ? 0 : geometry[1], sh = none ? 1 : geometry[2],
                 sw = none ? 1 : geometry[3], flip = none ? 0 : geometry[4], fj = none ? 0 : geometry[5];
    const double g = (double)grid;
    if (i < grid) return sh * ((double)i + 0.5) + g * di - 0.5;
    if (i < 2 * grid) {
        const double at = (double)(i - grid) + 0.5;
        return (1 - flip) * (sw * at + g * dj) + flip * (g * fj - sw * at) - 0.5;
    }
    return mode == SIM_FEATURES_NO_SCALE ? 0 : 10 * log(i == 2 * grid ? sh : sw);
}

/* code (2 grid + 2, 2, here): sines and cosines of this block's frequencies. */
template <class T>
__global__ void __launch_bounds__(THREADS)
    k_relative_features(T *features, const float *geometry, int64_t grid, int64_t width, int mode)
{
    SIM_DYNAMIC_SHARED(float, code);
    const int64_t image = blockIdx.x, first = (int64_t)blockIdx.y * FREQUENCIES,
                  here = min((int64_t)FREQUENCIES, width - first), angles = 2 * grid + 2,
                  tokens = grid * grid;
    for (int64_t n = threadIdx.x; n < angles * here; n += THREADS) {
        const int64_t i = n / here, k = n - i * here;
        const double omega = 1.0 / pow(10000.0, (double)(first + k) / (double)width),
                     angle = angle_of(i, geometry + image * 6, grid, mode) * omega;
        code[(2 * i) * here + k] = (float)sin(angle);
        code[(2 * i + 1) * here + k] = (float)cos(angle);
    }
    __syncthreads();
    /* a token's features: four encodings, each of `width` sines, then cosines */
    T *const out = features + image * tokens * 8 * width + first;
    for (int64_t n = threadIdx.x; n < tokens * 8 * here; n += THREADS) {
        const int64_t run = sim_quotient(n, here), k = n - run * here, token = run / 8, part = run % 8;
        const int64_t row = sim_quotient(token, grid), column = token - row * grid,
                      i = part < 2   ? row
                          : part < 4 ? grid + column
                                     : 2 * grid + (part >= 6);
        sim_narrow(out + run * width + k, code[(2 * i + part % 2) * here + k]);
    }
}

void sim_k_relative_features(sim_stream s, enum sim_element act, void *features, const float *geometry,
                             int64_t batch, int64_t grid, int64_t dim, enum sim_features_mode mode)
{
    const int64_t width = dim / 4;
    const dim3 blocks((unsigned)batch, (unsigned)sim_ceil(width, FREQUENCIES));
    const size_t bytes = (size_t)((2 * grid + 2) * 2 * sim_least(width, FREQUENCIES)) * sizeof(float);
    if (act == SIM_ELEMENT_BF16)
        SIM_LAUNCH(k_relative_features<__nv_bfloat16>, blocks, THREADS, bytes, s, (__nv_bfloat16 *)features,
                   geometry, grid, width, (int)mode);
    else
        SIM_LAUNCH(k_relative_features<float>, blocks, THREADS, bytes, s, (float *)features, geometry, grid,
                   width, (int)mode);
}
