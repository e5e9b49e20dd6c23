/* JPEG and PNG: no bytes do harm, and an accepted image has all its pixels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <spng.h>

#include "images.h"
#include "seeds.h"

enum { SIDE = 11 }; /* no multiple of a JPEG block */

static void seed_jpeg(int argc, char **argv, const char *name, int channels, J_COLOR_SPACE space,
                      int progressive)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL, row[SIDE * 4];
    unsigned long count = 0;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &count);
    c.image_width = c.image_height = SIDE;
    c.input_components = channels;
    c.in_color_space = space;
    jpeg_set_defaults(&c);
    if (progressive)
        jpeg_simple_progression(&c);
    else
        c.restart_interval = 1;
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < SIDE; y++) {
        JSAMPROW rows[1] = {row};
        for (size_t x = 0; x < sizeof row; x++) row[x] = (unsigned char)(x * 7 + (size_t)y * 31);
        jpeg_write_scanlines(&c, rows, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    fuzz_seed(argc, argv, name, bytes, count);
    free(bytes);
}

static void seed_png(int argc, char **argv, const char *name, uint8_t color, uint8_t depth)
{
    static const unsigned char pixels[SIDE * SIDE * 8] = {1, 2, 3, 4, 5, 6, 7};
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr head = {.width = SIDE, .height = SIDE, .bit_depth = depth, .color_type = color};
    struct spng_plte palette = {.n_entries = 8};
    int channels = color == SPNG_COLOR_TYPE_TRUECOLOR         ? 3
                   : color == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA ? 4
                   : color == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ? 2
                                                              : 1;
    size_t size = (size_t)(SIDE * channels * depth + 7) / 8 * SIDE, count = 0;
    int failed;
    spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    spng_set_ihdr(png, &head);
    if (color == SPNG_COLOR_TYPE_INDEXED) spng_set_plte(png, &palette);
    FUZZ_CHECK(spng_encode_image(png, pixels, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) == 0);
    void *bytes = spng_get_png_buffer(png, &count, &failed);
    fuzz_seed(argc, argv, name, bytes, count);
    free(bytes);
    spng_ctx_free(png);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    seed_jpeg(*argc, *argv, "rgb.jpg", 3, JCS_RGB, 0);
    seed_jpeg(*argc, *argv, "grey.jpg", 1, JCS_GRAYSCALE, 0);
    seed_jpeg(*argc, *argv, "cmyk.jpg", 4, JCS_CMYK, 0);
    seed_jpeg(*argc, *argv, "progressive.jpg", 3, JCS_RGB, 1);
    seed_png(*argc, *argv, "rgb.png", SPNG_COLOR_TYPE_TRUECOLOR, 8);
    seed_png(*argc, *argv, "rgba16.png", SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 16);
    seed_png(*argc, *argv, "grey1.png", SPNG_COLOR_TYPE_GRAYSCALE, 1);
    seed_png(*argc, *argv, "grey_alpha.png", SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 8);
    seed_png(*argc, *argv, "palette.png", SPNG_COLOR_TYPE_INDEXED, 4);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static volatile unsigned sum; /* keeps the reads */
    struct sim_image image = {0};
    if (sim_decode(bytes, count, "input", &image) != SIM_OK) {
        FUZZ_CHECK(strstr(sim_error_text(), "input") != NULL);
        return 0;
    }
    FUZZ_CHECK(image.width > 0 && image.height > 0);
    for (size_t i = 0; i < (size_t)image.width * (size_t)image.height * 3; i++) sum += image.rgb[i];
    sim_image_close(&image);
    return 0;
}
