/* Decoding files made here: colours, depths, damage of every length, lies about sizes.  (Against Pillow's
 * pixels on real files: test_decode_pillow.c.) */
#include "file.h"
#include "images.h"
#include "rng.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <spng.h>

struct bytes {
    uint8_t *at;
    size_t count;
};

enum { W = 37, H = 23 };

static const uint8_t *pattern(int channels)
{
    static uint8_t pixels[W * H * 4];
    for (int i = 0; i < W * H; i++) {
        for (int c = 0; c < channels; c++)
            pixels[i * channels + c] = (uint8_t)(i % W * 6 + i / W * (3 + c) + c * 50);
    }
    return pixels;
}

static struct bytes jpeg(const uint8_t *pixels, int channels, int progressive)
{
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr errors;
    unsigned char *to = NULL;
    unsigned long count = 0;
    j.err = jpeg_std_error(&errors);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &to, &count);
    j.image_width = W;
    j.image_height = H;
    j.input_components = channels;
    j.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&j);
    jpeg_set_quality(&j, 100, TRUE);
    if (progressive) jpeg_simple_progression(&j);
    jpeg_start_compress(&j, TRUE);
    while (j.next_scanline < H) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + j.next_scanline * W * (size_t)channels);
        jpeg_write_scanlines(&j, &row, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
    return (struct bytes){to, count};
}

/* A PNG of W x H samples as the file has them (`raw` big-endian, packed); palette may be NULL. */
static struct bytes png(const void *raw, size_t count, uint8_t bits, uint8_t colour,
                        struct spng_plte *palette)
{
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr header = {.width = W, .height = H, .bit_depth = bits, .color_type = colour};
    struct bytes b;
    int error = 0;
    ck_assert_int_eq(spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1), 0);
    ck_assert_int_eq(spng_set_ihdr(ctx, &header), 0);
    if (palette) ck_assert_int_eq(spng_set_plte(ctx, palette), 0);
    ck_assert_int_eq(spng_encode_image(ctx, raw, count, SPNG_FMT_RAW, SPNG_ENCODE_FINALIZE), 0);
    b.at = spng_get_png_buffer(ctx, &b.count, &error);
    ck_assert_ptr_nonnull(b.at);
    spng_ctx_free(ctx);
    return b;
}

static struct sim_image decoded(struct bytes b)
{
    struct sim_image im;
    test_ok(sim_decode(b.at, b.count, "made here", &im));
    ck_assert_int_eq(im.width, W);
    ck_assert_int_eq(im.height, H);
    free(b.at);
    return im;
}

/* ---------------------------------------------------------------- colours and depths */

START_TEST(png_round_trip)
{
    char path[600];
    struct sim_image im;
    snprintf(path, sizeof path, "%s/a.png", test_scratch());
    test_ok(sim_png_write(path, pattern(3), W, H));
    test_ok(sim_decode_file(path, &im));
    ck_assert_int_eq(im.width, W);
    ck_assert_int_eq(im.height, H);
    ck_assert_mem_eq(im.rgb, pattern(3), W * H * 3);
    sim_image_close(&im);
    test_fails(sim_png_write(path, pattern(3), 0, H), "cannot be");
    test_fails(sim_png_write("/nowhere/at/all.png", pattern(3), W, H), "/nowhere/at");
}
END_TEST

START_TEST(jpeg_colours)
{
    for (int progressive = 0; progressive < 2; progressive++) {
        struct sim_image grey = decoded(jpeg(pattern(1), 1, progressive)),
                         rgb = decoded(jpeg(pattern(3), 3, progressive));
        const uint8_t *wanted = pattern(1);
        for (int i = 0; i < W * H; i++) {
            ck_assert_int_le(abs(grey.rgb[3 * i] - wanted[i]), 2);
            ck_assert(grey.rgb[3 * i] == grey.rgb[3 * i + 1] && grey.rgb[3 * i] == grey.rgb[3 * i + 2]);
        }
        sim_image_close(&grey);
        sim_image_close(&rgb);
    }
}
END_TEST

/* Four components are taken as inverted: file bytes (255 - C, 255 - M, 255 - Y, 255 - K). */
START_TEST(jpeg_cmyk_is_inverted)
{
    static const uint8_t cases[][7] = {{255, 255, 255, 255, 255, 255, 255},
                                       {255, 255, 255, 0, 0, 0, 0},
                                       {0, 255, 255, 255, 0, 255, 255},
                                       {255, 0, 255, 128, 128, 0, 128},
                                       {128, 255, 255, 128, 64, 128, 128}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        static uint8_t flat[W * H * 4];
        for (int i = 0; i < W * H; i++) memcpy(flat + 4 * i, cases[k], 4);
        struct sim_image im = decoded(jpeg(flat, 4, 0));
        ck_assert_mem_eq(im.rgb + 3 * (W + 1), cases[k] + 4, 3);
        sim_image_close(&im);
    }
}
END_TEST

START_TEST(png_sixteen_bits)
{
    static uint8_t raw[W * H * 8];
    static const uint16_t values[] = {0, 1, 200, 255, 256, 4096, 65535};
    for (int i = 0; i < W * H; i++)
        raw[2 * i] = (uint8_t)(values[i % 7] >> 8), raw[2 * i + 1] = (uint8_t)values[i % 7];
    struct sim_image im = decoded(png(raw, W * H * 2, 16, SPNG_COLOR_TYPE_GRAYSCALE, NULL));
    for (int i = 0; i < W * H; i++) { /* clipped, not scaled */
        int v = values[i % 7] > 255 ? 255 : values[i % 7];
        for (int c = 0; c < 3; c++) ck_assert_int_eq(im.rgb[3 * i + c], v);
    }
    sim_image_close(&im);
    for (int i = 0; i < W * H * 8; i++) raw[i] = (uint8_t)(i * 7);
    im = decoded(png(raw, W * H * 8, 16, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, NULL));
    for (int i = 0; i < W * H; i++) {
        for (int c = 0; c < 3; c++) ck_assert_int_eq(im.rgb[3 * i + c], raw[8 * i + 2 * c]);
    }
    sim_image_close(&im);
}
END_TEST

START_TEST(png_small_depths_and_palettes)
{
    static uint8_t raw[W * H];
    struct spng_plte palette = {.n_entries = 3,
                                .entries = {{10, 20, 30, 0}, {40, 50, 60, 0}, {70, 80, 90, 0}}};
    const size_t row = (W * 2 + 7) / 8;
    for (size_t i = 0; i < row * H; i++) raw[i] = 0x1b; /* 0 1 2 3 */
    struct sim_image grey = decoded(png(raw, row * H, 2, SPNG_COLOR_TYPE_GRAYSCALE, NULL));
    struct sim_image indexed = decoded(png(raw, row * H, 2, SPNG_COLOR_TYPE_INDEXED, &palette));
    for (int x = 0; x < 4; x++) {
        uint8_t entry[3] = {(uint8_t)(10 + 30 * x), (uint8_t)(20 + 30 * x), (uint8_t)(30 + 30 * x)};
        if (x == 3) memset(entry, 3, 3); /* beyond the palette: Pillow's table starts as a grey ramp */
        ck_assert_int_eq(grey.rgb[3 * x], 85 * x);
        ck_assert_mem_eq(indexed.rgb + 3 * x, entry, 3);
    }
    sim_image_close(&grey);
    sim_image_close(&indexed);
}
END_TEST

/* ---------------------------------------------------------------- what is no image */

static void refused(const void *bytes, size_t count, const char *word)
{
    struct sim_image im;
    test_fails(sim_decode(bytes, count, "folder/odd.jpg", &im), word);
    ck_assert_msg(strstr(sim_error_text(), "folder/odd.jpg") != NULL, "\"%s\" does not name the file",
                  sim_error_text());
    ck_assert_ptr_null(im.rgb);
}

START_TEST(what_is_no_image_is_named)
{
    char path[600];
    struct sim_image im;
    refused("", 0, "empty");
    refused("hello", 5, "neither a JPEG nor a PNG");
    refused("\xff\xd8", 2, "neither");
    refused("\xff\xd8\xff", 3, "truncated");
    refused("\xff\xd8\xff\xd9", 4, "JPEG");
    refused("\x89PNG\r\n\x1a\n", 8, "truncated");
    snprintf(path, sizeof path, "%s/note.png", test_scratch());
    test_ok(sim_file_write(path, "a text file\n", 12));
    test_fails(sim_decode_file(path, &im), "note.png");
    test_ok(sim_file_write(path, "", 0));
    test_fails(sim_decode_file(path, &im), "empty");
    test_fails(sim_decode_file("/nowhere/x.png", &im), "/nowhere/x.png");
}
END_TEST

/* The name says .jpg, the content is a PNG. */
START_TEST(type_is_told_by_content)
{
    char path[600];
    struct sim_image im;
    snprintf(path, sizeof path, "%s/a.jpg", test_scratch());
    test_ok(sim_png_write(path, pattern(3), W, H));
    test_ok(sim_decode_file(path, &im));
    sim_image_close(&im);
}
END_TEST

/* One image after another in the same memory; what does not fit, and what fails, gives it back. */
START_TEST(memory_is_used_again)
{
    struct bytes big = jpeg(pattern(3), 3, 0), grey = jpeg(pattern(1), 1, 1), cut = big;
    struct sim_image im = {0}, fresh_big = decoded(jpeg(pattern(3), 3, 0)),
                     fresh_grey = decoded(jpeg(pattern(1), 1, 1));
    test_ok(sim_image_open(&im, 2 * W, H + 1));
    memset(im.rgb, 0x5a, im.room_bytes);
    const uint8_t *memory = im.rgb;
    for (int round = 0; round < 3; round++) {
        test_ok(sim_decode_into(big.at, big.count, "big", &im));
        ck_assert(im.rgb == memory && im.width == W && im.height == H);
        ck_assert_mem_eq(im.rgb, fresh_big.rgb, W * H * 3);
        test_ok(sim_decode_into(grey.at, grey.count, "grey", &im));
        ck_assert(im.rgb == memory);
        ck_assert_mem_eq(im.rgb, fresh_grey.rgb, W * H * 3);
    }
    cut.count /= 2;
    ck_assert_int_eq(sim_decode_into(cut.at, cut.count, "cut", &im), SIM_EFORMAT);
    ck_assert(!im.rgb && !im.room_bytes);
    test_ok(sim_image_open(&im, W, H - 1));
    test_ok(sim_decode_into(big.at, big.count, "big", &im));
    ck_assert_uint_eq(im.room_bytes, W * H * 3);
    ck_assert_mem_eq(im.rgb, fresh_big.rgb, W * H * 3);
    ck_assert_int_eq(sim_decode_into((const uint8_t *)"GIF89a", 6, "no", &im), SIM_EFORMAT);
    ck_assert_ptr_null(im.rgb);
    sim_image_close(&fresh_big), sim_image_close(&fresh_grey);
    free(big.at), free(grey.at);
}
END_TEST

/* ---------------------------------------------------------------- damage */

/* Cut anywhere: an error as long as pixels are missing; only the end marker (2 bytes of a JPEG; checksum and
 * last chunk of a PNG) may go. */
static void cut_everywhere(struct bytes b, size_t spare)
{
    for (size_t n = 0; n < b.count; n++) {
        struct sim_image im;
        uint8_t *part =
            malloc(n + 1); /* its own block, so that reading on is an error under AddressSanitizer */
        memcpy(part, b.at, n);
        sim_status s = sim_decode(part, n, "cut", &im);
        free(part);
        if (n + spare < b.count) {
            ck_assert_msg(s == SIM_EFORMAT, "%zu of %zu bytes: status %d", n, b.count, s);
            ck_assert_ptr_null(im.rgb);
        }
        sim_image_close(&im);
    }
    free(b.at);
}

START_TEST(cut_short)
{
    static uint8_t noise[W * H * 3];
    struct sim_rng r = sim_rng_make(1, SIM_PURPOSE_TEST, 0, 0, 0);
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)sim_rng_u32(&r);
    cut_everywhere(jpeg(noise, 3, 0), 16);
    cut_everywhere(jpeg(noise, 3, 1), 3);
    cut_everywhere(jpeg(noise, 1, 0), 16);
    cut_everywhere(png(noise, W * H * 3, 8, SPNG_COLOR_TYPE_TRUECOLOR, NULL), 24);
}
END_TEST

/* Random damage: any answer but a crash or a half-made image. */
START_TEST(random_damage)
{
    struct bytes files[] = {jpeg(pattern(3), 3, 0), jpeg(pattern(3), 3, 1), jpeg(pattern(4), 4, 0),
                            png(pattern(3), W * H * 3, 8, SPNG_COLOR_TYPE_TRUECOLOR, NULL),
                            png(pattern(1), W * H, 8, SPNG_COLOR_TYPE_GRAYSCALE, NULL)};
    struct sim_rng r = sim_rng_make(2, SIM_PURPOSE_TEST, 0, 0, 0);
    for (int n = 0; n < 2000; n++) {
        const struct bytes *from = &files[n % 5];
        uint8_t *copy = malloc(from->count);
        struct sim_image im;
        memcpy(copy, from->at, from->count);
        for (uint32_t k = 1 + sim_rng_below(&r, 4); k > 0; k--) {
            copy[sim_rng_below(&r, (uint32_t)from->count)] = (uint8_t)sim_rng_u32(&r);
        }
        sim_status s = sim_decode(copy, from->count, "damaged", &im);
        ck_assert((s == SIM_OK) == (im.rgb != NULL));
        sim_image_close(&im);
        free(copy);
    }
    for (int i = 0; i < 5; i++) free(files[i].at);
}
END_TEST

/* Headers that claim more than the file can hold. */
START_TEST(lies_about_sizes)
{
    struct bytes b = jpeg(pattern(3), 3, 0);
    uint8_t *frame = b.at;
    while (frame[0] != 0xff || frame[1] != 0xc0) frame++;
    memcpy(frame + 5, "\xff\xdc\xff\xdc", 4);
    refused(b.at, b.count, "65500 x 65500");
    free(b.at);
    /* A PNG whose header says 7000 x 7000, with a true checksum, over a handful of data. */
    static const uint8_t huge[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0,    0, 0,    13,
                                   'I',  'H', 'D', 'R', 0,    0,    0x1b, 0x58, 0,    0, 0x1b, 0x58,
                                   8,    2,   0,   0,   0,    0x16, 0xf9, 0x2c, 0xd8, 0, 0,    0,
                                   2,    'I', 'D', 'A', 'T',  0x78, 0x9c, 0,    0,    0, 0};
    refused(huge, sizeof huge, "truncated");
}
END_TEST

/* A byte of the pixel data of a PNG is changed: the data's own checksum tells. */
START_TEST(damaged_png_data)
{
    struct bytes b = png(pattern(3), W * H * 3, 8, SPNG_COLOR_TYPE_TRUECOLOR, NULL);
    for (size_t i = 60; i + 30 < b.count; i += 7) {
        struct sim_image im;
        b.at[i] ^= 0x10;
        ck_assert_int_eq(sim_decode(b.at, b.count, "damaged", &im), SIM_EFORMAT);
        b.at[i] ^= 0x10;
    }
    b.at[20] ^= 1; /* in the header, which has a checksum of its own */
    refused(b.at, b.count, "IHDR");
    free(b.at);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decode");
    TCase *c = tcase_create("made here");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, png_round_trip);
    tcase_add_test(c, jpeg_colours);
    tcase_add_test(c, jpeg_cmyk_is_inverted);
    tcase_add_test(c, png_sixteen_bits);
    tcase_add_test(c, png_small_depths_and_palettes);
    tcase_add_test(c, what_is_no_image_is_named);
    tcase_add_test(c, type_is_told_by_content);
    tcase_add_test(c, memory_is_used_again);
    tcase_add_test(c, cut_short);
    tcase_add_test(c, random_damage);
    tcase_add_test(c, lies_about_sizes);
    tcase_add_test(c, damaged_png_data);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
