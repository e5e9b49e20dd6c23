/* RGB to PNG, in memory and as a file. */
#include "encode.h"

#include <stdlib.h>

#include <spng.h>

#include "file.h"

sim_status sim_png_encode(const uint8_t *rgb, int w, int h, void **bytes, size_t *count)
{
    *bytes = NULL;
    if (w < 1 || h < 1) return sim_fail(SIM_EINVAL, "a PNG of %d x %d pixels cannot be", w, h);
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    if (!ctx) return sim_fail(SIM_ENOMEM, "no memory to encode a PNG of %d x %d pixels", w, h);
    struct spng_ihdr header = {
        .width = (uint32_t)w, .height = (uint32_t)h, .bit_depth = 8, .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    int error = spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    if (!error) error = spng_set_ihdr(ctx, &header);
    if (!error)
        error = spng_encode_image(ctx, rgb, (size_t)w * (size_t)h * 3, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    if (!error) *bytes = spng_get_png_buffer(ctx, count, &error);
    spng_ctx_free(ctx);
    return *bytes ? SIM_OK : sim_fail(SIM_ELIB, "encoding a PNG failed: %s", spng_strerror(error));
}

sim_status sim_png_write(const char *path, const uint8_t *rgb, int w, int h)
{
    void *bytes;
    size_t count;
    sim_status status = sim_png_encode(rgb, w, h, &bytes, &count);
    if (status != SIM_OK) return sim_context(status, "%s", path);
    status = sim_file_write(path, bytes, count);
    free(bytes);
    return status;
}
