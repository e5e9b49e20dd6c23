/* RGB to JPEG by libjpeg-turbo, set up as Pillow's save(format="JPEG", quality=...) sets it up: YCbCr 4:2:0,
 * integer DCT, the standard tables scaled to the quality. */
#include "encode.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

struct encoder {
    struct jpeg_compress_struct jpeg; /* first: the library hands back a pointer to it */
    struct jpeg_error_mgr errors;
    jmp_buf fail;
    unsigned char *bytes;
    unsigned long count;
};

static void on_error(j_common_ptr common)
{
    struct encoder *e = (struct encoder *)common;
    char text[JMSG_LENGTH_MAX];
    common->err->format_message(common, text);
    sim_fail(SIM_ELIB, "an image of %d x %d pixels could not be written as JPEG: %s",
             (int)e->jpeg.image_width, (int)e->jpeg.image_height, text);
    longjmp(e->fail, 1);
}

static sim_status encode(struct encoder *e, const uint8_t *rgb, int w, int h, int quality)
{
    e->jpeg.err = jpeg_std_error(&e->errors);
    e->errors.error_exit = on_error;
    if (setjmp(e->fail)) return SIM_ELIB;
    jpeg_create_compress(&e->jpeg);
    jpeg_mem_dest(&e->jpeg, &e->bytes, &e->count);
    e->jpeg.image_width = (JDIMENSION)w, e->jpeg.image_height = (JDIMENSION)h;
    e->jpeg.input_components = 3, e->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&e->jpeg);
    jpeg_set_quality(&e->jpeg, quality, TRUE);
    jpeg_start_compress(&e->jpeg, TRUE);
    for (int y = 0; y < h; y++) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (size_t)y * (size_t)w * 3);
        jpeg_write_scanlines(&e->jpeg, &row, 1);
    }
    jpeg_finish_compress(&e->jpeg);
    return SIM_OK;
}

sim_status sim_jpeg_encode(const uint8_t *rgb, int w, int h, int quality, uint8_t **bytes, size_t *count)
{
    if (w < 1 || h < 1 || w > JPEG_MAX_DIMENSION || h > JPEG_MAX_DIMENSION || quality < 1 || quality > 100)
        return sim_fail(SIM_EINVAL,
                        "JPEG of %d x %d pixels, quality %d: sides are 1 to %ld, qualities 1 to 100", w, h,
                        quality, (long)JPEG_MAX_DIMENSION);
    struct encoder *e = calloc(1, sizeof *e);
    if (!e) return sim_fail(SIM_ENOMEM, "no memory for a JPEG encoder");
    sim_status status = encode(e, rgb, w, h, quality);
    jpeg_destroy_compress(&e->jpeg);
    if (status == SIM_OK)
        *bytes = e->bytes, *count = e->count;
    else
        free(e->bytes);
    free(e);
    return status;
}
