/* RGB to a PNG file. */
#include "images.h"

#include <stdlib.h>

#include <spng.h>

#include "file.h"

sim_status sim_png_write(const char *path, const uint8_t *rgb, int w, int h)
{
    if (w < 1 || h < 1) return sim_fail(SIM_EINVAL, "%s: a PNG of %d x %d pixels cannot be", path, w, h);
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    if (!ctx) return sim_fail(SIM_ENOMEM, "%s: no memory to encode a PNG", path);
    struct spng_ihdr header = {
        .width = (uint32_t)w, .height = (uint32_t)h, .bit_depth = 8, .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    size_t count = 0;
    void *bytes = NULL;
    int error = spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    if (!error) error = spng_set_ihdr(ctx, &header);
    if (!error) {
        error = spng_encode_image(ctx, rgb, (size_t)w * (size_t)h * 3, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    }
    if (!error) bytes = spng_get_png_buffer(ctx, &count, &error);
    sim_status s = bytes ? sim_file_write(path, bytes, count)
                         : sim_fail(SIM_ELIB, "%s: encoding a PNG failed: %s", path, spng_strerror(error));
    free(bytes);
    spng_ctx_free(ctx);
    return s;
}
