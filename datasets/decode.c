/* Bytes of an image file to RGB, the type told by content as PIL does, never by name. */
#include "images.h"

#include <stdlib.h>
#include <string.h>

#include "decode_parts.h"
#include "file.h"

static const uint64_t max_pixels = 64000000;

sim_status sim_decode_open(struct sim_image *out, uint32_t width, uint32_t height, const char *name)
{
    if (width == 0 || height == 0) {
        return sim_fail(SIM_EFORMAT, "%s: the file claims an empty image of %u x %u pixels", name, width,
                        height);
    }
    if ((uint64_t)width * height > max_pixels) {
        return sim_fail(SIM_EFORMAT, "%s: the file claims %u x %u pixels; at most 64 megapixels are decoded",
                        name, width, height);
    }
    sim_status s = sim_image_reopen(out, (int)width, (int)height);
    return s == SIM_OK ? s : sim_context(s, "%s", name);
}

static sim_status decode(const uint8_t *bytes, size_t count, const char *name, struct sim_image *out)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, jpeg[3] = {0xff, 0xd8, 0xff};
    if (count == 0) return sim_fail(SIM_EFORMAT, "%s: the file is empty", name);
    if (count >= sizeof jpeg && memcmp(bytes, jpeg, sizeof jpeg) == 0)
        return sim_decode_jpeg(bytes, count, name, out);
    if (count >= sizeof png && memcmp(bytes, png, sizeof png) == 0)
        return sim_decode_png(bytes, count, name, out);
    return sim_fail(SIM_EFORMAT, "%s: neither a JPEG nor a PNG file (%zu bytes, the first is 0x%02x)", name,
                    count, bytes[0]);
}

sim_status sim_decode_into(const uint8_t *bytes, size_t count, const char *name, struct sim_image *im)
{
    sim_status s = decode(bytes, count, name, im);
    if (s != SIM_OK) sim_image_close(im);
    return s;
}

sim_status sim_decode(const uint8_t *bytes, size_t count, const char *name, struct sim_image *out)
{
    *out = (struct sim_image){0};
    return sim_decode_into(bytes, count, name, out);
}

sim_status sim_decode_file_into(const char *path, struct sim_image *im)
{
    char *bytes;
    size_t count;
    sim_status s = sim_file_read(path, SIM_IMAGE_FILE_BYTES, &bytes, &count);
    if (s != SIM_OK) {
        sim_image_close(im);
        return s;
    }
    s = sim_decode_into((const uint8_t *)bytes, count, path, im);
    free(bytes);
    return s;
}

sim_status sim_decode_file(const char *path, struct sim_image *out)
{
    *out = (struct sim_image){0};
    return sim_decode_file_into(path, out);
}
