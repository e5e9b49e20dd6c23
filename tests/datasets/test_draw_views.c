/* The pictures of `siameseim views`: the views are the loader's own bytes, the mask greys what is hidden, and
 * the dots of the geometry lie on the same thing in both views. */
#include "draw_views.h"
#include "images.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim_image open_drawing(const char *folder, const char *name)
{
    char path[700];
    struct sim_image im;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    test_ok(sim_decode_file(path, &im));
    return im;
}

static void make_source(struct sim_image *im)
{
    test_ok(sim_image_open(im, 90, 60));
    for (int y = 0; y < 60; y++)
        for (int x = 0; x < 90; x++) {
            uint8_t *p = im->rgb + (y * 90 + x) * 3;
            p[0] = (uint8_t)(2 * x), p[1] = (uint8_t)(4 * y), p[2] = 100;
        }
}

START_TEST(drawings_show_what_the_loader_makes)
{
    struct sim_augment_config c = {.crop_min = 0.2,
                                   .crop_max = 1,
                                   .ratio_min = 0.75,
                                   .filter = SIM_FILTER_BICUBIC,
                                   .flip = 0.5,
                                   .solarize2 = 0.5};
    struct sim_mask_config m = {.kind = SIM_MASK_BLOCKWISE, .min_block = 4, .min_aspect = 0.3};
    struct sim_image source, view, im;
    uint8_t mask[64];
    make_source(&source);
    test_ok(sim_image_open(&view, 64, 64));
    for (uint64_t index = 0; index < 8; index++) {
        struct sim_views_drawing d = {
            .source = &source, .augment = &c, .mask = mask, .grid = 8, .img_size = 64};
        const char *folder = test_scratch();
        sim_views_draw(&c, 1, 0, index, 90, 60, d.view, d.geometry);
        sim_mask_draw(&m, 1, 0, index, 8, 38, mask);
        test_ok(sim_draw_views(&d, folder));
        for (int k = 0; k < 2; k++) {
            test_ok(sim_view_make(&c, &d.view[k], &source, 64, view.rgb));
            im = open_drawing(folder, k ? "view2.png" : "view1.png");
            ck_assert(im.width == 64 && im.height == 64);
            ck_assert_mem_eq(im.rgb, view.rgb, 64 * 64 * 3);
            sim_image_close(&im);
            im = open_drawing(folder, k ? "view2_x6.png" : "view1_x6.png");
            ck_assert(im.width == 384 && im.height == 384);
            ck_assert_mem_eq(im.rgb + (7 * 384 + 13) * 3, view.rgb + (1 * 64 + 2) * 3, 3);
            sim_image_close(&im);
        }
        test_ok(sim_view_make(&c, &d.view[0], &source, 64, view.rgb));
        im = open_drawing(folder, "mask.png");
        ck_assert_int_eq(im.width, 384);
        for (int p = 0; p < 64; p++) { /* the middle of every patch */
            int y = p / 8 * 48 + 25, x = p % 8 * 48 + 25;
            const uint8_t *drawn = im.rgb + (y * 384 + x) * 3, *plain = view.rgb + (y / 6 * 64 + x / 6) * 3;
            if (mask[p])
                ck_assert_int_lt(abs(drawn[0] - 128), 20);
            else
                ck_assert_mem_eq(drawn, plain, 3);
        }
        sim_image_close(&im);
        im = open_drawing(folder, "geometry.png");
        ck_assert(im.width > 500 && im.height > 400);
        sim_image_close(&im);
    }
    sim_image_close(&view);
    sim_image_close(&source);
}
END_TEST

START_TEST(extremes_are_drawn)
{
    struct sim_augment_config c = {.crop_min = 0.001, .crop_max = 0.01, .ratio_min = 0.75, .flip = 0.5};
    static const int sizes[][2] = {{1, 1}, {2, 900}, {700, 3}, {40, 40}};
    uint8_t mask[1] = {0};
    for (int k = 0; k < 4; k++) {
        struct sim_image source;
        struct sim_views_drawing d = {
            .source = &source, .augment = &c, .mask = mask, .grid = 1, .img_size = 8};
        test_ok(sim_image_open(&source, sizes[k][0], sizes[k][1]));
        sim_views_draw(&c, 1, 0, 3, source.width, source.height, d.view, d.geometry);
        test_ok(sim_draw_views(&d, test_scratch()));
        sim_image_close(&source);
    }
}
END_TEST

START_TEST(an_absent_folder_is_named)
{
    struct sim_augment_config c = {.crop_min = 0.2, .crop_max = 1, .ratio_min = 0.75};
    struct sim_image source;
    uint8_t mask[16] = {0};
    char folder[600];
    struct sim_views_drawing d = {.source = &source, .augment = &c, .mask = mask, .grid = 4, .img_size = 16};
    make_source(&source);
    sim_views_draw(&c, 1, 0, 0, 90, 60, d.view, d.geometry);
    snprintf(folder, sizeof folder, "%s/absent", test_scratch());
    test_fails(sim_draw_views(&d, folder), "absent");
    sim_image_close(&source);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("draw_views");
    TCase *cases = tcase_create("draw_views");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, drawings_show_what_the_loader_makes);
    tcase_add_test(cases, extremes_are_drawn);
    tcase_add_test(cases, an_absent_folder_is_named);
    suite_add_tcase(suite, cases);
    return test_run(suite);
}
