/* Drawing of views, of their geometry and of masks, against the facts of method.md 1.5 and 1.6. */
#include "recipe.h"
#include "support.h"
#include "views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Centre of target patch (u, v) in view-1 patch units, as the model computes it: pixels of view 1 are g * (y
 * + .5). */
static void target_centre(const float *geometry, int grid, int u, int v, double *y, double *x)
{
    double di = geometry[0], dj = geometry[1], sh = geometry[2], sw = geometry[3], fj = geometry[5];
    *y = sh * (u + 0.5) + grid * di - 0.5;
    *x = geometry[4] != 0 ? -sw * (v + 0.5) + grid * fj - 0.5 : sw * (v + 0.5) + grid * dj - 0.5;
}

/* The same centre by way of the source image: out of frame 2, unflipped, into frame 1. */
static void centre_by_source(const struct sim_view view[2], int width, int grid, int u, int v, double *y,
                             double *x)
{
    double row = view[1].i + (u + 0.5) * view[1].h / grid, column = view[1].j + (v + 0.5) * view[1].w / grid;
    if (view[1].flip) column = width - column;
    if (view[0].flip) column = width - column;
    *y = (row - view[0].i) / view[0].h * grid - 0.5;
    *x = (column - view[0].j) / view[0].w * grid - 0.5;
}

START_TEST(geometry_maps_every_centre_to_the_same_source_point)
{
    struct sim_augment_config c = test_recipe();
    static const int sizes[][2] = {{500, 375}, {375, 500}, {32, 32}, {7, 1000}, {1, 1}};
    int flipped = 0;
    for (int k = 0; k < 5; k++)
        for (uint64_t index = 0; index < 400; index++) {
            struct sim_view view[2];
            float geometry[6];
            sim_views_draw(&c, 3, 1, index, sizes[k][0], sizes[k][1], view, geometry);
            for (int side = 0; side < 2; side++) {
                const struct sim_view *v = &view[side];
                ck_assert(v->i >= 0 && v->j >= 0 && v->h > 0 && v->w > 0);
                ck_assert(v->i + v->h <= sizes[k][1] && v->j + v->w <= sizes[k][0]);
            }
            ck_assert(geometry[4] == (view[0].flip != view[1].flip));
            flipped += geometry[4] != 0;
            for (int p = 0; p < 14 * 14; p += 5) {
                double y, x, want_y, want_x;
                target_centre(geometry, 14, p / 14, p % 14, &y, &x);
                centre_by_source(view, sizes[k][0], 14, p / 14, p % 14, &want_y, &want_x);
                /* float32 of numbers up to 14 * |geometry| */
                double bound = 1e-5 * (1 + fabs(geometry[0]) + fabs(geometry[1]) + geometry[2] + geometry[3] +
                                       fabs(geometry[5]));
                ck_assert_double_eq_tol(y, want_y, bound);
                ck_assert_double_eq_tol(x, want_x, bound);
            }
        }
    ck_assert_int_gt(flipped, 800);
    ck_assert_int_lt(flipped, 1200);
}
END_TEST

START_TEST(same_view_is_the_identity)
{
    struct sim_augment_config c = test_recipe();
    c.same_view = 1;
    for (uint64_t index = 0; index < 200; index++) {
        struct sim_view view[2];
        float g[6];
        sim_views_draw(&c, 0, 0, index, 640, 480, view, g);
        ck_assert(view[0].flip == view[1].flip && view[0].i == view[1].i && view[0].j == view[1].j);
        ck_assert(view[0].h == view[1].h && view[0].w == view[1].w);
        ck_assert(g[0] == 0 && g[1] == 0 && g[2] == 1 && g[3] == 1 && g[4] == 0);
        double y, x;
        target_centre(g, 14, 3, 9, &y, &x);
        ck_assert(y == 3 && x == 9);
    }
}
END_TEST

START_TEST(same_size_is_a_shift)
{
    struct sim_augment_config c = test_recipe(), free_places = test_recipe();
    static const int sizes[][2] = {{500, 375}, {32, 32}, {7, 1000}, {1, 1}};
    int moved = 0, free_flips = 0;
    c.same_size = 1;
    for (int k = 0; k < 4; k++)
        for (uint64_t index = 0; index < 500; index++) {
            struct sim_view view[2], other[2];
            float g[6];
            sim_views_draw(&free_places, 5, 2, index, sizes[k][0], sizes[k][1], other, g);
            sim_views_draw(&c, 5, 2, index, sizes[k][0], sizes[k][1], view, g);
            ck_assert(view[0].h == view[1].h && view[0].w == view[1].w && g[2] == 1 && g[3] == 1);
            ck_assert(view[1].i >= 0 && view[1].i + view[1].h <= sizes[k][1]);
            ck_assert(view[1].j >= 0 && view[1].j + view[1].w <= sizes[k][0]);
            /* view 1, flips and colours are as without it */
            ck_assert_mem_eq(&view[0], &other[0], sizeof view[0]);
            ck_assert(view[1].flip == other[1].flip && view[1].sigma == other[1].sigma);
            moved += g[0] != 0 || g[1] != 0;
            free_flips += g[4] != 0;
            for (int p = 0; p < 14 * 14; p += 5) {
                double y, x, want_y, want_x;
                target_centre(g, 14, p / 14, p % 14, &y, &x);
                centre_by_source(view, sizes[k][0], 14, p / 14, p % 14, &want_y, &want_x);
                ck_assert_double_eq_tol(y, want_y, 1e-5 * (3 + fabs(g[0]) + fabs(g[1]) + fabs(g[5])));
                ck_assert_double_eq_tol(x, want_x, 1e-5 * (3 + fabs(g[0]) + fabs(g[1]) + fabs(g[5])));
            }
        }
    ck_assert_int_gt(moved, 1000);
    ck_assert_int_gt(free_flips, 800);
}
END_TEST

static int same_place(const struct sim_view *a, const struct sim_view *b)
{
    return a->flip == b->flip && a->i == b->i && a->j == b->j && a->h == b->h && a->w == b->w;
}

static int same_colours(const struct sim_view *a, const struct sim_view *b)
{
    return a->jitter == b->jitter && memcmp(a->order, b->order, sizeof a->order) == 0 &&
           memcmp(a->factor, b->factor, sizeof a->factor) == 0 && a->grayscale == b->grayscale &&
           a->blur == b->blur && a->sigma == b->sigma && a->solarize == b->solarize;
}

/* Alone it leaves every crop, flip and geometry as they are without it, and all of view 1. */
START_TEST(same_colour_is_the_first_views)
{
    struct sim_augment_config c = test_recipe(), free_colours = test_recipe();
    int moved = 0, other_colours = 0;
    c.same_colour = 1;
    c.solarize1 = free_colours.solarize1 = 0.5; /* so that view 1 has some of everything to take over */
    for (uint64_t index = 0; index < 500; index++) {
        struct sim_view view[2], other[2];
        float g[6], h[6];
        sim_views_draw(&free_colours, 5, 2, index, 64, 48, other, h);
        sim_views_draw(&c, 5, 2, index, 64, 48, view, g);
        ck_assert(same_colours(&view[0], &view[1]));
        ck_assert(same_place(&view[0], &other[0]) && same_colours(&view[0], &other[0]));
        ck_assert(same_place(&view[1], &other[1]));
        ck_assert_mem_eq(g, h, sizeof g);
        moved += !same_place(&view[0], &view[1]);
        other_colours += !same_colours(&view[1], &other[1]);
    }
    ck_assert_int_gt(moved, 490);
    ck_assert_int_eq(other_colours, 500);
}
END_TEST

/* method.md 1.6, 500 x 375 images, crop_min 0.08: 59 % of target centres lie inside view 1, 3.2 % of pairs
 * have none inside, 15 % all of them; the scale ratio reaches 4.2. */
START_TEST(overlap_of_the_views_is_as_derived)
{
    enum { PAIRS = 20000 };
    struct sim_augment_config c = test_recipe();
    int64_t inside = 0, none = 0, all = 0, flips = 0, inside1 = 0;
    double largest = 0;
    for (uint64_t index = 0; index < PAIRS; index++) {
        struct sim_view view[2];
        float g[6];
        sim_views_draw(&c, 11, 0, index, 500, 375, view, g);
        int here = 0;
        for (int p = 0; p < 196; p++) {
            double y, x;
            target_centre(g, 14, p / 14, p % 14, &y, &x);
            here += y > -0.5 && y < 13.5 && x > -0.5 && x < 13.5;
        }
        inside += here, none += here == 0, all += here == 196;
        flips += view[0].flip, inside1 += view[1].flip;
        largest = fmax(largest, fmax(g[2], g[3]));
    }
    ck_assert_double_eq_tol((double)inside / (196.0 * PAIRS), 0.59, 0.01);
    ck_assert_double_eq_tol((double)none / PAIRS, 0.032, 0.004);
    ck_assert_double_eq_tol((double)all / PAIRS, 0.15, 0.01);
    ck_assert_double_eq_tol((double)flips / PAIRS, 0.5, 0.015);
    ck_assert_double_eq_tol((double)inside1 / PAIRS, 0.5, 0.015);
    ck_assert_double_gt(largest, 3.5);
    ck_assert_double_lt(largest, 4.6);
}
END_TEST

START_TEST(colour_is_drawn_with_the_given_probabilities)
{
    enum { DRAWS = 20000 };
    struct sim_augment_config c = test_recipe();
    int64_t count[2][4] = {{0}}, first[4] = {0};
    double low[4] = {9, 9, 9, 9}, high[4] = {-9, -9, -9, -9}, sigma_low = 9, sigma_high = 0;
    for (uint64_t index = 0; index < DRAWS; index++) {
        struct sim_view view[2];
        float g[6];
        sim_views_draw(&c, 5, 2, index, 64, 64, view, g);
        for (int side = 0; side < 2; side++) {
            const struct sim_view *v = &view[side];
            count[side][0] += v->jitter, count[side][1] += v->grayscale;
            count[side][2] += v->blur, count[side][3] += v->solarize;
            int present = 0;
            for (int k = 0; k < 4; k++) {
                present |= 1 << v->order[k];
                low[k] = fmin(low[k], v->factor[k]), high[k] = fmax(high[k], v->factor[k]);
            }
            ck_assert_int_eq(present, 15);
            first[v->order[0]]++;
            sigma_low = fmin(sigma_low, v->sigma), sigma_high = fmax(sigma_high, v->sigma);
        }
    }
    static const double want[2][4] = {{0.8, 0.2, 1, 0}, {0.8, 0.2, 0.1, 0.2}};
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < 4; k++)
            ck_assert_double_eq_tol((double)count[side][k] / DRAWS, want[side][k], 0.015);
    for (int k = 0; k < 4; k++) ck_assert_double_eq_tol((double)first[k] / (2 * DRAWS), 0.25, 0.01);
    static const double bounds[4][2] = {{0.6, 1.4}, {0.6, 1.4}, {0.8, 1.2}, {-0.1, 0.1}};
    for (int k = 0; k < 4; k++) {
        ck_assert(low[k] >= bounds[k][0] && low[k] < bounds[k][0] + 0.01);
        ck_assert(high[k] < bounds[k][1] && high[k] > bounds[k][1] - 0.01);
    }
    ck_assert(sigma_low >= 0.1 && sigma_low < 0.11 && sigma_high < 2 && sigma_high > 1.99);
}
END_TEST

START_TEST(ablating_one_augmentation_leaves_the_others)
{
    struct sim_augment_config a = test_recipe(), b = a;
    b.jitter = 0, b.blur1 = 0.5, b.flip = 0;
    for (uint64_t index = 0; index < 100; index++) {
        struct sim_view x[2], y[2];
        float g[6];
        sim_views_draw(&a, 5, 2, index, 64, 48, x, g);
        sim_views_draw(&b, 5, 2, index, 64, 48, y, g);
        for (int side = 0; side < 2; side++) {
            ck_assert(x[side].i == y[side].i && x[side].w == y[side].w);
            ck_assert(x[side].grayscale == y[side].grayscale && x[side].sigma == y[side].sigma);
            ck_assert(x[side].factor[2] == y[side].factor[2] && x[side].solarize == y[side].solarize);
        }
    }
}
END_TEST

/* Images too narrow for any crop fall back to the centred one with the nearest allowed aspect. */
START_TEST(extreme_aspects_fall_back_to_the_centre)
{
    struct sim_augment_config c = test_recipe();
    struct sim_view view[2];
    float g[6];
    c.crop_min = 0.9;
    sim_views_draw(&c, 0, 0, 0, 1000, 90, view, g);
    ck_assert(view[0].h == 90 && view[0].w == 120 && view[0].i == 0 && view[0].j == 440);
    sim_views_draw(&c, 0, 0, 0, 90, 1000, view, g);
    ck_assert(view[0].w == 90 && view[0].h == 120 && view[0].j == 0 && view[0].i == 440);
}
END_TEST

/* A picture in which every pixel tells its place: view 1 of a flipped pair equals the mirrored view. */
START_TEST(views_are_cut_where_they_say)
{
    struct sim_augment_config c = test_recipe();
    c.jitter = c.grayscale = c.blur1 = c.blur2 = c.solarize2 = 0;
    struct sim_image im;
    test_ok(sim_image_open(&im, 200, 100));
    for (int y = 0; y < 100; y++)
        for (int x = 0; x < 200; x++) {
            uint8_t *p = im.rgb + (y * 200 + x) * 3;
            p[0] = (uint8_t)x, p[1] = (uint8_t)(2 * y), p[2] = 7;
        }
    for (uint64_t index = 0; index < 50; index++) {
        struct sim_view view[2];
        float g[6];
        uint8_t out[16 * 16 * 3];
        sim_views_draw(&c, 1, 0, index, 200, 100, view, g);
        for (int side = 0; side < 2; side++) {
            test_ok(sim_view_make(&c, &view[side], &im, 16, out));
            for (int p = 0; p < 256; p++) {
                int u = p / 16, v = p % 16;
                if (u < 2 || u > 13 || v < 2 || v > 13) continue; /* the filter leans inwards at the rim */
                double y = view[side].i + (u + 0.5) * view[side].h / 16,
                       x = view[side].j + (v + 0.5) * view[side].w / 16;
                if (view[side].flip) x = 200 - x;
                ck_assert_double_eq_tol(out[p * 3], x - 0.5, 1.6);
                ck_assert_double_eq_tol(out[p * 3 + 1], 2 * (y - 0.5), 2.1);
            }
        }
    }
    sim_image_close(&im);
}
END_TEST

/* ------------------------------------------------------------------ masks */

static int ones(const uint8_t *mask, int cells)
{
    int n = 0;
    for (int p = 0; p < cells; p++) {
        ck_assert_uint_le(mask[p], 1);
        n += mask[p];
    }
    return n;
}

START_TEST(masks_hide_exactly_so_many)
{
    uint8_t mask[32 * 32 + 1];
    for (int kind = SIM_MASK_NONE; kind <= SIM_MASK_BLOCKWISE; kind++)
        for (int min_block = 1; min_block <= 64; min_block *= 4)
            for (int grid = 1; grid <= 32; grid = grid < 8 ? grid + 1 : grid * 2 - 2) {
                struct sim_mask_config c = {.kind = kind, .min_block = min_block, .min_aspect = 0.3};
                int cells = grid * grid;
                for (int hidden = 0; hidden <= cells;
                     hidden += hidden < 5 || hidden > cells - 5 ? 1 : 1 + cells / 9) {
                    if (kind == SIM_MASK_NONE && hidden) break;
                    memset(mask, 0xEE, sizeof mask);
                    sim_mask_draw(&c, 9, 4, (uint64_t)hidden, grid, hidden, mask);
                    ck_assert_int_eq(ones(mask, cells), hidden);
                    ck_assert_uint_eq(mask[cells], 0xEE);
                }
            }
}
END_TEST

/* Cells without a masked neighbour above, below, left or right: the fillers, and blocks of a single cell. */
static int lonely(const uint8_t *mask, int grid)
{
    int n = 0;
    for (int y = 0; y < grid; y++)
        for (int x = 0; x < grid; x++) {
            if (!mask[y * grid + x]) continue;
            int friends = (y > 0 && mask[(y - 1) * grid + x]) + (y + 1 < grid && mask[(y + 1) * grid + x]) +
                          (x > 0 && mask[y * grid + x - 1]) + (x + 1 < grid && mask[y * grid + x + 1]);
            n += friends == 0;
        }
    return n;
}

START_TEST(blocks_are_blocks_and_random_is_random)
{
    enum { DRAWS = 4000 };
    struct sim_mask_config blocks = {.kind = SIM_MASK_BLOCKWISE, .min_block = 16, .min_aspect = 0.3};
    struct sim_mask_config random = {.kind = SIM_MASK_RANDOM, .min_block = 16, .min_aspect = 0.3};
    uint8_t mask[196];
    double cell[196] = {0};
    int alone = 0, pairs = 0, random_pairs = 0;
    for (uint64_t index = 0; index < DRAWS; index++) {
        sim_mask_draw(&blocks, 2, 0, index, 14, 118, mask);
        alone += lonely(mask, 14);
        for (int p = 0; p < 195; p++) pairs += p % 14 != 13 && mask[p] != mask[p + 1];
        sim_mask_draw(&random, 2, 0, index, 14, 118, mask);
        for (int p = 0; p < 196; p++) cell[p] += mask[p];
        for (int p = 0; p < 195; p++) random_pairs += p % 14 != 13 && mask[p] != mask[p + 1];
    }
    /* A second implementation of the rule, with another generator, has 0.279 cells alone and 21.9 borders
     * between hidden and visible cells of a row (6,000 draws); at random there are 2 * .6 * .4 * 182 = 87.5
     * borders. */
    ck_assert_double_eq_tol((double)alone / DRAWS, 0.28, 0.04);
    ck_assert_double_eq_tol((double)pairs / DRAWS, 21.9, 0.5);
    ck_assert_double_eq_tol((double)random_pairs / DRAWS, 2 * (118.0 / 196) * (78.0 / 195) * 182, 1);
    for (int p = 0; p < 196; p++) ck_assert_double_eq_tol(cell[p] / DRAWS, 118.0 / 196, 0.04);
}
END_TEST

START_TEST(draws_depend_on_every_part_of_their_key)
{
    struct sim_augment_config c = test_recipe();
    struct sim_mask_config m = {.kind = SIM_MASK_BLOCKWISE, .min_block = 16, .min_aspect = 0.3};
    struct sim_view base[2], again[2];
    uint8_t mask[196], other[196];
    float g[6], h[6];
    sim_views_draw(&c, 1, 2, 3, 500, 375, base, g);
    sim_mask_draw(&m, 1, 2, 3, 14, 118, mask);
    static const uint64_t keys[][3] = {{1, 2, 3}, {2, 2, 3}, {1, 3, 3}, {1, 2, 4}, {1, 2, 3 | 1ull << 40}};
    for (int k = 0; k < 5; k++) {
        sim_views_draw(&c, keys[k][0], (uint32_t)keys[k][1], keys[k][2], 500, 375, again, h);
        sim_mask_draw(&m, keys[k][0], (uint32_t)keys[k][1], keys[k][2], 14, 118, other);
        ck_assert_int_eq(memcmp(g, h, sizeof g) == 0, k == 0);
        ck_assert_int_eq(memcmp(mask, other, sizeof mask) == 0, k == 0);
    }
    ck_assert(base[0].i != base[1].i || base[0].j != base[1].j); /* the two views have streams of their own */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("views");
    TCase *views = tcase_create("views"), *masks = tcase_create("masks");
    tcase_set_timeout(views, 60);
    tcase_set_timeout(masks, 60);
    tcase_add_test(views, geometry_maps_every_centre_to_the_same_source_point);
    tcase_add_test(views, same_view_is_the_identity);
    tcase_add_test(views, same_colour_is_the_first_views);
    tcase_add_test(views, same_size_is_a_shift);
    tcase_add_test(views, overlap_of_the_views_is_as_derived);
    tcase_add_test(views, colour_is_drawn_with_the_given_probabilities);
    tcase_add_test(views, ablating_one_augmentation_leaves_the_others);
    tcase_add_test(views, extreme_aspects_fall_back_to_the_centre);
    tcase_add_test(views, views_are_cut_where_they_say);
    tcase_add_test(masks, masks_hide_exactly_so_many);
    tcase_add_test(masks, blocks_are_blocks_and_random_is_random);
    tcase_add_test(masks, draws_depend_on_every_part_of_their_key);
    suite_add_tcase(suite, views);
    suite_add_tcase(suite, masks);
    return test_run(suite);
}
