/* siameseim image: every operation once, and every way of asking for what cannot be. */
#include "command.h"
#include "file.h"
#include "images.h"
#include "pixels.h"
#include "status.h"
#include "support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { W = 40, H = 30 };

static char in[640], out[640]; /* the picture and where results go */

static void fill(uint8_t *rgb)
{
    for (int i = 0; i < W * H * 3; i++) rgb[i] = (uint8_t)(i * 37 + i / 97 * 11);
}

static void set_up(void)
{
    uint8_t rgb[W * H * 3];
    const char *folder = test_scratch();
    fill(rgb);
    snprintf(in, sizeof in, "%s/in.png", folder);
    snprintf(out, sizeof out, "%s/out.png", folder);
    test_ok(sim_png_write(in, rgb, W, H));
}

/* Runs the command on words separated by spaces; IN and OUT stand for the files. */
static int run(const char *words)
{
    char line[512], *argv[16];
    int argc = 0;
    snprintf(line, sizeof line, "image %s", words);
    for (char *w = strtok(line, " "); w && argc < 16; w = strtok(NULL, " ")) {
        argv[argc++] = !strcmp(w, "IN") ? in : !strcmp(w, "OUT") ? out : w;
    }
    return sim_command_image.run(argc, argv);
}

static void refused(const char *words, const char *because)
{
    remove(out);
    ck_assert_msg(run(words) == 1, "image %s succeeded", words);
    ck_assert_msg(strstr(sim_error_text(), because) != NULL, "image %s says \"%s\", without \"%s\"", words,
                  sim_error_text(), because);
    FILE *f = fopen(out, "rb");
    ck_assert_msg(f == NULL, "image %s left an output", words);
}

static void gives(const char *words, const uint8_t *want, int w, int h)
{
    struct sim_image im;
    ck_assert_msg(run(words) == 0, "image %s: %s", words, sim_error_text());
    test_ok(sim_decode_file(out, &im));
    ck_assert_int_eq(im.width, w);
    ck_assert_int_eq(im.height, h);
    ck_assert_msg(!memcmp(im.rgb, want, (size_t)w * (size_t)h * 3), "image %s: other pixels", words);
    sim_image_close(&im);
}

START_TEST(operations)
{
    uint8_t rgb[W * H * 3], crop[12 * 12 * 3];
    struct sim_image src = {.width = W, .height = H, .rgb = rgb};
#define AFTER(call, words)                                                                                   \
    do {                                                                                                     \
        fill(rgb);                                                                                           \
        call;                                                                                                \
        gives(words, rgb, W, H);                                                                             \
    } while (0)
    AFTER(sim_pixels_hflip(rgb, W, H), "hflip IN OUT");
    AFTER(sim_pixels_brightness(rgb, W, H, 1.3), "brightness factor=1.3 IN OUT");
    AFTER(sim_pixels_contrast(rgb, W, H, 0.7), "contrast factor=0.7 IN OUT");
    AFTER(sim_pixels_saturation(rgb, W, H, 1.15), "saturation factor=1.15 IN OUT");
    AFTER(sim_pixels_hue(rgb, W, H, -0.07), "hue factor=-0.07 IN OUT");
    AFTER(sim_pixels_grayscale(rgb, W, H), "grey IN OUT");
    AFTER(sim_pixels_grayscale(rgb, W, H), "grayscale IN OUT");
    AFTER(sim_pixels_solarize(rgb, W, H, SIM_SOLARIZE_HALF), "solarise IN OUT");
    AFTER(sim_pixels_solarize(rgb, W, H, SIM_SOLARIZE_HALF), "solarize IN OUT");
    AFTER(test_ok(sim_pixels_blur(rgb, W, H, 1.5)), "blur sigma=1.5 IN OUT");
    AFTER(sim_pixels_equalize(rgb, W, H), "equalize IN OUT");
    AFTER(sim_pixels_invert(rgb, W, H), "invert IN OUT");
    AFTER(sim_pixels_posterize(rgb, W, H, 2), "posterize bits=2 IN OUT");
    AFTER(sim_pixels_solarize(rgb, W, H, 26), "solarize_from threshold=26 IN OUT");
    AFTER(sim_pixels_add_below(rgb, W, H, 128, 55), "solarize_add add=55 IN OUT");
    AFTER(test_ok(sim_pixels_sharpness(rgb, W, H, 1.8)), "sharpness factor=1.8 IN OUT");
    AFTER(test_ok(sim_pixels_rotate(rgb, W, H, -27, (const uint8_t[]){124, 116, 104})),
          "rotate degrees=-27 IN OUT");
#undef AFTER
    fill(rgb);
    test_ok(sim_pixels_crop_resize(&src, 0, 3, 5, 20, 30, 12, 12, SIM_RESAMPLE_BILINEAR, crop));
    gives("crop_resize i=3 j=5 h=20 w=30 size=12 filter=bilinear IN OUT", crop, 12, 12);
    test_ok(sim_pixels_crop_resize(&src, 0, 3, 5, 20, 30, 12, 12, SIM_RESAMPLE_BICUBIC, crop));
    gives("crop_resize w=30 size=12 i=3 filter=bicubic j=5 h=20 IN OUT", crop, 12, 12);
    gives("crop_resize i=3 j=5 h=20 w=30 size=12 IN OUT", crop, 12, 12);
}
END_TEST

START_TEST(what_cannot_be)
{
    refused("", "no operation given");
    refused("blurr sigma=1 IN OUT", "nearest: blur");
    refused("hflip", "two files");
    refused("hflip OUT", "two files");
    refused("blur sigma=1 OUT", "two files");
    refused("blur IN OUT", "blur needs sigma=");
    refused("blur sgima=1 IN OUT", "nearest: sigma");
    refused("blur sigma=1 sigma=2 IN OUT", "given twice");
    refused("blur sigma=-1 IN OUT", "from 0 to 1000");
    refused("blur sigma=nan IN OUT", "sigma=nan");
    refused("posterize bits=9 IN OUT", "bits");
    refused("rotate degrees=400 IN OUT", "from -360 to 360");
    refused("blur sigma=1x IN OUT", "sigma=1x");
    refused("blur sigma= IN OUT", "number");
    refused("blur 1.5 IN OUT", "no KEY=VALUE");
    refused("hflip factor=1 IN OUT", "takes no keys");
    refused("hue factor=0.6 IN OUT", "from -0.5 to 0.5");
    refused("brightness sigma=1 IN OUT", "brightness has no key \"sigma\"");
    refused("crop_resize i=0 j=0 h=10 w=10 IN OUT", "needs size=");
    refused("crop_resize i=0 j=0 h=10 w=10 size=0 IN OUT", "size");
    refused("crop_resize i=-1 j=0 h=10 w=10 size=8 IN OUT", "i");
    refused("crop_resize i=0 j=0 h=10.5 w=10 size=8 IN OUT", "h");
    refused("crop_resize i=0 j=0 h=10 w=10 size=8 filter=lanczos IN OUT", "bicubic or bilinear");
    refused("crop_resize i=0 j=0 h=31 w=10 size=8 IN OUT", "height 30 and width 40");
    refused("crop_resize i=0 j=31 h=10 w=10 size=8 IN OUT", "in.png");
    refused("hflip /nowhere/x.jpg OUT", "/nowhere/x.jpg");
    refused("hflip IN result.jpg", "ends in .png");
    refused("hflip IN /nowhere/result.png", "/nowhere");
    refused("hflip --sigma=1 IN OUT", "unknown option");
}
END_TEST

/* A file that is no image is named. */
START_TEST(unreadable_files)
{
    char text[660];
    snprintf(text, sizeof text, "%s.txt", in);
    test_ok(sim_file_write(text, "no image", 8));
    char *argv[] = {"image", "hflip", text, out};
    ck_assert_int_eq(sim_command_image.run(4, argv), 1);
    ck_assert_ptr_nonnull(strstr(sim_error_text(), text));
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "neither a JPEG nor a PNG"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("image_command");
    TCase *c = tcase_create("image");
    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, operations);
    tcase_add_test(c, what_cannot_be);
    tcase_add_test(c, unreadable_files);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
