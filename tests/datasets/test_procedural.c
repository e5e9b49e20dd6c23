/* pw-cls: counts, bytes, independence of order and threads, the dial, the shapes. */
#include "procedural_parts.h"
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ------------------------------------------------------------------ helpers */

static struct sim_data_config preset(void)
{
    return (struct sim_data_config){.procedural_train_per_class = 200,
                                    .procedural_val_per_class = 25,
                                    .procedural_size = 96,
                                    .procedural_shortcut = 0.7};
}

static uint64_t image_hash(const struct sim_images *set, int64_t i)
{
    struct sim_image im;
    test_ok(set->read(set->self, i, &im));
    uint64_t h = XXH64(im.rgb, 3 * (size_t)im.width * (size_t)im.height, (uint64_t)i);
    sim_image_close(&im);
    return h;
}

/* One number over `count` images, `step` apart. */
static uint64_t hash_of(const struct sim_data_config *c, enum sim_split split, int64_t step, int64_t count)
{
    struct sim_images set;
    uint64_t h[64];
    ck_assert_int_le(count, 64);
    test_ok(sim_procedural_open(&set, c, split));
    for (int64_t k = 0; k < count; k++) h[k] = image_hash(&set, k * step);
    set.close(set.self);
    return XXH64(h, sizeof *h * (size_t)count, 0);
}

static const struct sim_procedural_object *main_object(const struct sim_procedural_scene *s)
{
    return &s->object[s->count - 1];
}

/* ------------------------------------------------------------------ the set */

START_TEST(every_split_has_its_exact_histogram)
{
    struct sim_data_config c = preset();
    for (int split = SIM_TRAIN; split <= SIM_VAL; split++) {
        struct sim_images set;
        test_ok(sim_procedural_open(&set, &c, split));
        int64_t per_class = split == SIM_TRAIN ? 200 : 25, seen[SIM_PROCEDURAL_FAMILIES] = {0};
        ck_assert_int_eq(set.classes, 20);
        ck_assert_int_eq(set.count, 20 * per_class);
        for (int64_t i = 0; i < set.count; i++) {
            int32_t label = set.label(set.self, i);
            ck_assert(label >= 0 && label < 20);
            seen[label]++;
            struct sim_procedural_scene scene;
            sim_procedural_plan(&c, split, i, &scene);
            ck_assert_int_eq(main_object(&scene)->family, label);
        }
        for (int k = 0; k < 20; k++) ck_assert_int_eq(seen[k], per_class);
        set.close(set.self);
    }
}
END_TEST

START_TEST(names_say_split_index_and_family)
{
    struct sim_data_config c = preset();
    struct sim_images set;
    char name[64];
    test_ok(sim_procedural_open(&set, &c, SIM_TRAIN));
    set.name(set.self, 43, name, sizeof name);
    ck_assert_str_eq(name, "pw-cls train 43 (gear)");
    ck_assert_str_eq(set.class_name(set.self, 3), "gear");
    ck_assert_ptr_null(set.class_name(set.self, 20));
    for (int a = 0; a < 20; a++)
        for (int b = 0; b < a; b++)
            ck_assert_str_ne(set.class_name(set.self, a), set.class_name(set.self, b));
    struct sim_image im;
    test_fails(set.read(set.self, 4000, &im), "4000");
    test_fails(set.read(set.self, -1, &im), "-1");
    set.close(set.self);
}
END_TEST

START_TEST(parameters_out_of_bounds_are_named)
{
    struct sim_images set;
    struct sim_data_config c = preset();
    c.procedural_size = 15;
    test_fails(sim_procedural_open(&set, &c, SIM_TRAIN), "procedural_size");
    c = preset(), c.procedural_val_per_class = 0;
    test_fails(sim_procedural_open(&set, &c, SIM_VAL), "procedural_val_per_class");
    ck_assert_ptr_null(set.self);
}
END_TEST

START_TEST(the_manifest_changes_with_what_the_bytes_depend_on)
{
    struct sim_images train, val, other;
    struct sim_data_config c = preset(), changed[5];
    test_ok(sim_procedural_open(&train, &c, SIM_TRAIN));
    test_ok(sim_procedural_open(&val, &c, SIM_VAL));
    ck_assert_str_ne(train.manifest_hash, val.manifest_hash);
    ck_assert_uint_eq(strlen(train.manifest_hash), 16);
    for (int k = 0; k < 5; k++) changed[k] = c;
    changed[0].procedural_seed = 1, changed[1].procedural_size = 64,
    changed[2].procedural_train_per_class = 3;
    changed[3].procedural_shortcut = 0.5, changed[4].workers = 7;
    for (int k = 0; k < 5; k++) {
        test_ok(sim_procedural_open(&other, &changed[k], SIM_TRAIN));
        ck_assert_int_eq(strcmp(other.manifest_hash, train.manifest_hash) != 0, k < 4);
        other.close(other.self);
    }
    test_ok(sim_procedural_open(&other, &changed[3], SIM_VAL)); /* the dial does not reach val */
    ck_assert_str_eq(other.manifest_hash, val.manifest_hash);
    other.close(other.self);
    train.close(train.self);
    val.close(val.self);
}
END_TEST

/* ------------------------------------------------------------------ the bytes */

/* These stand for "equal bytes on every machine": compilers, optimisation levels, sanitizers.  They change
 * only together with SIM_PROCEDURAL_VERSION. */
START_TEST(the_bytes_are_the_committed_ones)
{
    struct sim_data_config c = preset();
    ck_assert_uint_eq(hash_of(&c, SIM_TRAIN, 67, 40), 0x1f875894ca80ac32ull);
    ck_assert_uint_eq(hash_of(&c, SIM_VAL, 11, 40), 0xfb6014d03213a720ull);
    c.procedural_size = 161, c.procedural_seed = 4294967295;
    ck_assert_uint_eq(hash_of(&c, SIM_TRAIN, 1, 20), 0x206da02b1bcf5957ull);
}
END_TEST

START_TEST(reading_again_and_in_any_order_gives_the_same_bytes)
{
    struct sim_data_config c = preset();
    struct sim_images set;
    uint64_t first[20];
    test_ok(sim_procedural_open(&set, &c, SIM_VAL));
    for (int i = 0; i < 20; i++) first[i] = image_hash(&set, i);
    for (int k = 0; k < 40; k++) {
        int i = (k * 13 + 7) % 20;
        ck_assert_uint_eq(image_hash(&set, i), first[i]);
    }
    set.close(set.self);
    c.procedural_val_per_class = 3; /* a smaller set is the beginning of a larger one */
    test_ok(sim_procedural_open(&set, &c, SIM_VAL));
    for (int i = 19; i >= 0; i--) ck_assert_uint_eq(image_hash(&set, i), first[i]);
    set.close(set.self);
}
END_TEST

struct reader {
    const struct sim_images *set;
    int first;
    uint64_t hash[32];
};

static void *read_some(void *argument)
{
    struct reader *r = argument;
    for (int k = 0; k < 32; k++) {
        int i = (k + r->first) % 32;
        struct sim_image im;
        if (r->set->read(r->set->self, i, &im) != SIM_OK) return NULL;
        r->hash[i] = XXH64(im.rgb, 3 * (size_t)im.width * (size_t)im.height, 0);
        sim_image_close(&im);
    }
    return r;
}

START_TEST(threads_read_the_same_bytes)
{
    struct sim_data_config c = preset();
    struct sim_images set;
    struct reader r[4];
    pthread_t thread[4];
    test_ok(sim_procedural_open(&set, &c, SIM_TRAIN));
    for (int k = 0; k < 4; k++) {
        r[k] = (struct reader){.set = &set, .first = 7 * k};
        ck_assert_int_eq(pthread_create(&thread[k], NULL, read_some, &r[k]), 0);
    }
    for (int k = 0; k < 4; k++) {
        void *done;
        ck_assert_int_eq(pthread_join(thread[k], &done), 0);
        ck_assert_ptr_nonnull(done);
        ck_assert_mem_eq(r[k].hash, r[0].hash, sizeof r[0].hash);
    }
    set.close(set.self);
}
END_TEST

START_TEST(splits_seeds_and_indices_differ)
{
    struct sim_data_config c = preset(), other = c;
    other.procedural_seed = 1;
    ck_assert_uint_ne(hash_of(&c, SIM_TRAIN, 1, 1), hash_of(&c, SIM_VAL, 1, 1));
    ck_assert_uint_ne(hash_of(&c, SIM_TRAIN, 1, 1), hash_of(&other, SIM_TRAIN, 1, 1));
    struct sim_images set;
    uint64_t h[100];
    test_ok(sim_procedural_open(&set, &c, SIM_TRAIN));
    for (int i = 0; i < 100; i++) {
        h[i] = image_hash(&set, i);
        for (int k = 0; k < i; k++) ck_assert_uint_ne(h[i], h[k]);
    }
    set.close(set.self);
}
END_TEST

/* ------------------------------------------------------------------ the shortcut dial */

/* Share of images whose main object wears its class's texture and palette. */
static double preferred_share(const struct sim_data_config *c, enum sim_split split, int64_t count)
{
    int64_t both = 0;
    for (int64_t i = 0; i < count; i++) {
        struct sim_procedural_scene s;
        sim_procedural_plan(c, split, i, &s);
        const struct sim_procedural_object *o = main_object(&s);
        both += o->texture == sim_procedural_preferred_texture(o->family) &&
                o->palette == sim_procedural_preferred_palette(o->family);
    }
    return (double)both / (double)count;
}

START_TEST(the_dial_turns_the_training_split_and_only_that)
{
    struct sim_data_config c = preset();
    const struct {
        double dial, share;
    } cases[] = {{0, 0.01}, {0.7, 0.703}, {1, 1}};
    for (int k = 0; k < 3; k++) {
        c.procedural_shortcut = cases[k].dial;
        double p = cases[k].share, bound = 5 * sqrt(p * (1 - p) / 4000);
        ck_assert(fabs(preferred_share(&c, SIM_TRAIN, 4000) - p) <= bound);
        ck_assert(fabs(preferred_share(&c, SIM_VAL, 4000) - 0.01) <= 5 * sqrt(0.01 * 0.99 / 4000));
    }
}
END_TEST

START_TEST(no_two_classes_prefer_the_same_pair)
{
    for (int a = 0; a < SIM_PROCEDURAL_FAMILIES; a++)
        for (int b = 0; b < a; b++)
            ck_assert(sim_procedural_preferred_texture(a) != sim_procedural_preferred_texture(b) ||
                      sim_procedural_preferred_palette(a) != sim_procedural_preferred_palette(b));
}
END_TEST

START_TEST(the_dial_leaves_shapes_and_places_alone)
{
    struct sim_data_config off = preset(), on = off;
    off.procedural_shortcut = 0, on.procedural_shortcut = 1;
    size_t pixels = 96 * 96;
    uint8_t *a = malloc(2 * pixels), *b = a + pixels;
    int same_picture = 0;
    for (int64_t i = 0; i < 20; i++) {
        struct sim_image x, y;
        test_ok(sim_procedural_scene(&off, SIM_TRAIN, i, &x, a));
        test_ok(sim_procedural_scene(&on, SIM_TRAIN, i, &y, b));
        ck_assert_mem_eq(a, b, pixels);
        same_picture += memcmp(x.rgb, y.rgb, 3 * pixels) == 0;
        sim_image_close(&x);
        sim_image_close(&y);
    }
    ck_assert_int_le(same_picture, 2);
    free(a);
}
END_TEST

/* ------------------------------------------------------------------ scenes */

START_TEST(the_main_object_is_whole_and_of_the_size_promised)
{
    struct sim_data_config c = preset();
    double area[SIM_PROCEDURAL_FAMILIES] = {0};
    uint8_t *mask = malloc(96 * 96);
    for (int64_t i = 0; i < 400; i++) {
        struct sim_procedural_scene s;
        struct sim_image im;
        sim_procedural_plan(&c, SIM_VAL, i, &s);
        test_ok(sim_procedural_render(&s, &im, mask, NULL));
        sim_image_close(&im);
        int left = 96, right = -1, top = 96, bottom = -1, count = 0;
        for (int p = 0; p < 96 * 96; p++) {
            ck_assert_int_le(mask[p], s.count);
            if (mask[p] != s.count) continue;
            int x = p % 96, y = p / 96;
            left = x < left ? x : left, right = x > right ? x : right;
            top = y < top ? y : top, bottom = y > bottom ? y : bottom;
            count++;
        }
        double side = fmax(right - left, bottom - top) + 1, promised = 96 * main_object(&s)->side;
        ck_assert(promised >= 0.3 * 96 && promised <= 0.8 * 96);
        /* sharp tips fall below half a pixel */
        ck_assert_msg(side <= promised + 1.5 && side >= promised - 4, "%s: %.0f px of %.1f",
                      sim_procedural_family_name((int)(i % 20)), side, promised);
        ck_assert(left > 0 && top > 0 && right < 95 && bottom < 95);
        area[i % 20] += (double)count / (promised * promised) / 20;
    }
    /* share of the square over the longer side: from thin letters to the disk's 0.79 and more */
    for (int k = 0; k < 20; k++)
        ck_assert_msg(area[k] > 0.15 && area[k] < 0.9, "%s fills %.3f", sim_procedural_family_name(k),
                      area[k]);
    ck_assert(area[0] > area[5] && area[0] > area[8]); /* a disk fills more than a ring and a letter */
    free(mask);
}
END_TEST

START_TEST(stuff_is_the_two_kinds_planned)
{
    struct sim_data_config c = preset();
    int seen[SIM_STUFF_KINDS] = {0};
    uint8_t *stuff = malloc(96 * 96);
    for (int64_t i = 0; i < 60; i++) {
        struct sim_procedural_scene s;
        struct sim_image im;
        sim_procedural_plan(&c, SIM_TRAIN, i, &s);
        test_ok(sim_procedural_render(&s, &im, NULL, stuff));
        sim_image_close(&im);
        for (int p = 0; p < 96 * 96; p++) {
            ck_assert(stuff[p] == s.above || stuff[p] == s.below);
            seen[stuff[p]]++;
        }
    }
    for (int k = 0; k < SIM_STUFF_KINDS; k++)
        ck_assert_msg(seen[k] > 0, "no %s", sim_procedural_stuff_name(k));
    free(stuff);
}
END_TEST

START_TEST(any_size_and_objects_beyond_the_edge_render)
{
    const int sizes[] = {8, 16, 33, 250};
    for (int k = 0; k < 4; k++) {
        struct sim_data_config c = preset();
        c.procedural_size = sizes[k];
        uint8_t *mask = malloc((size_t)(sizes[k] * sizes[k]));
        for (int64_t i = 0; i < 40; i++) {
            struct sim_procedural_scene s;
            struct sim_image im;
            sim_procedural_plan(&c, SIM_TRAIN, i, &s);
            struct sim_procedural_object *o = &s.object[s.count - 1];
            o->x = -1.2 + 0.09 * (double)i, o->y = 1.6 - 0.06 * (double)i, o->side = i % 3 ? 0.6 : 3.9;
            test_ok(sim_procedural_render(&s, &im, mask, NULL));
            ck_assert(im.width == sizes[k] && im.height == sizes[k]);
            sim_image_close(&im);
        }
        free(mask);
    }
}
END_TEST

START_TEST(impossible_plans_are_refused)
{
    struct sim_data_config c = preset();
    struct sim_procedural_scene good, bad;
    struct sim_image im;
    sim_procedural_plan(&c, SIM_TRAIN, 0, &good);
    bad = good, bad.size = 0;
    test_fails(sim_procedural_render(&bad, &im, NULL, NULL), "side 0");
    bad = good, bad.count = 17;
    test_fails(sim_procedural_render(&bad, &im, NULL, NULL), "17 objects");
    bad = good, bad.object[0].family = 20;
    test_fails(sim_procedural_render(&bad, &im, NULL, NULL), "family 20");
    bad = good, bad.object[0].side = NAN;
    test_fails(sim_procedural_render(&bad, &im, NULL, NULL), "object 0");
    bad = good, bad.object[0].x = 1e9;
    test_fails(sim_procedural_render(&bad, &im, NULL, NULL), "object 0");
    bad = good, bad.below = SIM_STUFF_KINDS;
    test_fails(sim_procedural_render(&bad, &im, NULL, NULL), "stuff");
}
END_TEST

/* ------------------------------------------------------------------ the parts */

START_TEST(sine_and_cosine_are_right)
{
    for (int i = -4000; i <= 4000; i++) {
        double t = i / 1777.0;
        ck_assert(fabs(sim_procedural_sin(t) - sin(2 * M_PI * t)) < 2e-8);
        ck_assert(fabs(sim_procedural_cos(t) - cos(2 * M_PI * t)) < 2e-8);
    }
}
END_TEST

START_TEST(no_outline_comes_near_its_bounds)
{
    struct outline *o = malloc(sizeof *o);
    for (int family = 0; family < SIM_PROCEDURAL_FAMILIES; family++)
        for (uint64_t k = 0; k < 100; k++) {
            struct sim_rng r = sim_rng_make(k, SIM_PURPOSE_TEST, 0, (uint64_t)family, 0);
            sim_procedural_outline(family, &r, o);
            ck_assert_int_ge(o->contours, 1);
            ck_assert_int_lt(o->contours, OUTLINE_CONTOURS);
            ck_assert_int_lt(o->points, OUTLINE_POINTS);
            for (int i = 0; i < o->points; i++) ck_assert(isfinite(o->x[i]) && isfinite(o->y[i]));
        }
    free(o);
}
END_TEST

static void add_box(struct outline *o, double x0, double y0, double x1, double y1, int hole)
{
    sim_procedural_contour_open(o);
    sim_procedural_contour_put(o, x0, y0);
    sim_procedural_contour_put(o, hole ? x0 : x1, hole ? y1 : y0);
    sim_procedural_contour_put(o, x1, y1);
    sim_procedural_contour_put(o, hole ? x1 : x0, hole ? y0 : y1);
    sim_procedural_contour_close(o);
}

START_TEST(coverage_is_area_with_holes_and_unions)
{
    static struct outline o;
    int32_t c[6 * 6];
    struct window at = {-1, -1, 6, 6};
    add_box(&o, 0, 0, 3.5, 2.25, 0);
    add_box(&o, 1, 0, 4, 1, 0); /* overlaps: a union, not a sum */
    add_box(&o, 1, 1, 2, 2, 1);
    sim_procedural_fill(&o, at, c);
    static const int32_t want[36] = {
        0, 0,   0,   0,   0,   0, /* */
        0, 256, 256, 256, 256, 0, /* */
        0, 256, 0,   256, 128, 0, /* */
        0, 64,  64,  64,  32,  0, /* */
    };
    ck_assert_mem_eq(c, want, sizeof want);
    /* an outline that leaves the window on every side covers it whole */
    o.contours = o.points = 0;
    add_box(&o, -1000, -1000, 1000, 1000, 0);
    sim_procedural_fill(&o, at, c);
    for (int i = 0; i < 36; i++) ck_assert_int_eq(c[i], 256);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("procedural");
    TCase *t = tcase_create("procedural");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_split_has_its_exact_histogram);
    tcase_add_test(t, names_say_split_index_and_family);
    tcase_add_test(t, parameters_out_of_bounds_are_named);
    tcase_add_test(t, the_manifest_changes_with_what_the_bytes_depend_on);
    tcase_add_test(t, the_bytes_are_the_committed_ones);
    tcase_add_test(t, reading_again_and_in_any_order_gives_the_same_bytes);
    tcase_add_test(t, threads_read_the_same_bytes);
    tcase_add_test(t, splits_seeds_and_indices_differ);
    tcase_add_test(t, the_dial_turns_the_training_split_and_only_that);
    tcase_add_test(t, no_two_classes_prefer_the_same_pair);
    tcase_add_test(t, the_dial_leaves_shapes_and_places_alone);
    tcase_add_test(t, the_main_object_is_whole_and_of_the_size_promised);
    tcase_add_test(t, stuff_is_the_two_kinds_planned);
    tcase_add_test(t, any_size_and_objects_beyond_the_edge_render);
    tcase_add_test(t, impossible_plans_are_refused);
    tcase_add_test(t, sine_and_cosine_are_right);
    tcase_add_test(t, no_outline_comes_near_its_bounds);
    tcase_add_test(t, coverage_is_area_with_holes_and_unions);
    suite_add_tcase(s, t);
    return test_run(s);
}
