/* Choosing the loops over pixels (isa/pixel_kernels.h). */
#include "isa/pixel_kernels.h"

#include <pthread.h>

#include "isa.h"

static struct sim_pixel_kernels kernels;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The wider ones also use AVX512_VNNI, which x86-64-v4 does not contain. */
static void choose(void)
{
    if (sim_cpu_has_v4() && __builtin_cpu_supports("avx512vnni")) {
        sim_pixel_kernels_color_v4(&kernels);
        sim_pixel_kernels_resize_v4(&kernels);
    } else {
        sim_pixel_kernels_color_v3(&kernels);
        sim_pixel_kernels_resize_v3(&kernels);
    }
}

const struct sim_pixel_kernels *sim_pixel_kernels(void)
{
    pthread_once(&once, choose);
    return &kernels;
}
