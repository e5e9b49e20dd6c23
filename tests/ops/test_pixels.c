/* Image operations against Pillow 9.4, RandAugment's against timm upon it: pixel by pixel on golden/image_ops
 * and golden/randaugment.safetensors, and by hash on the images of ops/pillow_pixels.txt (made by
 * reference/pillow_pixels.py).  The tolerance is 0. */
#include "pixels.h"
#include "randaugment.h"
#include "safetensors.h"
#include "support.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { SENTINEL_BYTES = 64, SENTINEL = 0xa5 };

/* A copy of an image with sentinels on both sides; its pixels. */
static uint8_t *guarded(const uint8_t *rgb, size_t bytes)
{
    uint8_t *block = malloc(bytes + 2 * SENTINEL_BYTES);
    memset(block, SENTINEL, bytes + 2 * SENTINEL_BYTES);
    if (rgb) memcpy(block + SENTINEL_BYTES, rgb, bytes);
    return block + SENTINEL_BYTES;
}

/* Checks the sentinels and frees. */
static void release(uint8_t *pixels, size_t bytes, const char *what)
{
    uint8_t *block = pixels - SENTINEL_BYTES;
    for (size_t i = 0; i < SENTINEL_BYTES; i++) {
        ck_assert_msg(block[i] == SENTINEL, "%s wrote %zu bytes before its output", what, SENTINEL_BYTES - i);
        ck_assert_msg(pixels[bytes + i] == SENTINEL, "%s wrote at byte %zu past its output", what, i);
    }
    free(block);
}

static void same(const uint8_t *got, const uint8_t *want, size_t bytes, const char *what)
{
    for (size_t i = 0; i < bytes; i++) {
        ck_assert_msg(got[i] == want[i], "%s: byte %zu is %d, Pillow's is %d", what, i, got[i], want[i]);
    }
}

/* ---------------------------------------------------------------- golden pixels */

/* Applies the in-place operation `op` with one parameter; 0 where there is no such operation. */
static int apply(const char *op, uint8_t *rgb, int w, int h, double value)
{
    if (!strcmp(op, "hflip"))
        sim_pixels_hflip(rgb, w, h);
    else if (!strcmp(op, "brightness"))
        sim_pixels_brightness(rgb, w, h, value);
    else if (!strcmp(op, "contrast"))
        sim_pixels_contrast(rgb, w, h, value);
    else if (!strcmp(op, "saturation"))
        sim_pixels_saturation(rgb, w, h, value);
    else if (!strcmp(op, "hue"))
        sim_pixels_hue(rgb, w, h, value);
    else if (!strcmp(op, "grayscale"))
        sim_pixels_grayscale(rgb, w, h);
    else if (!strcmp(op, "solarize"))
        sim_pixels_solarize(rgb, w, h, SIM_SOLARIZE_HALF);
    else if (!strcmp(op, "blur"))
        test_ok(sim_pixels_blur(rgb, w, h, value));
    else
        return 0;
    return 1;
}

static int whole(const json_t *spec, const char *key)
{
    return (int)json_integer_value(json_object_get(spec, key));
}

static void golden_crop(const struct sim_image *src, const json_t *spec, const struct sim_tensor *want)
{
    int size = whole(spec, "size");
    const char *name = json_string_value(json_object_get(spec, "filter"));
    enum sim_resample filter = strcmp(name, "bicubic") ? SIM_RESAMPLE_BILINEAR : SIM_RESAMPLE_BICUBIC;
    uint8_t *out = guarded(NULL, (size_t)want->count);
    test_ok(sim_pixels_crop_resize(src, 0, whole(spec, "i"), whole(spec, "j"), whole(spec, "h"),
                                   whole(spec, "w"), size, size, filter, out));
    same(out, want->data, (size_t)want->count, want->name);
    release(out, (size_t)want->count, want->name);
}

START_TEST(golden_cases)
{
    struct sim_tensors *file;
    test_ok(sim_tensors_open(&file, test_path("golden/image_ops.safetensors")));
    const struct sim_tensor *image = sim_tensors_find(file, "image");
    ck_assert_ptr_nonnull(image);
    struct sim_image src = {
        .width = (int)image->shape[1], .height = (int)image->shape[0], .rgb = (uint8_t *)image->data};
    const int w = src.width, h = src.height;
    const size_t bytes = (size_t)image->count;
    json_t *specs = json_loads(sim_tensors_metadata(file, "spec"), 0, NULL), *spec;
    const char *name;
    int cases = 0;
    json_object_foreach(specs, name, spec)
    {
        const struct sim_tensor *want = sim_tensors_find(file, name);
        ck_assert_msg(want != NULL, "golden file without %s", name);
        char op[64];
        snprintf(op, sizeof op, "%s", name);
        op[strcspn(op, ".")] = 0;
        cases++;
        if (!strcmp(op, "crop_resize")) {
            golden_crop(&src, spec, want);
            continue;
        }
        uint8_t *rgb = guarded(image->data, bytes);
        if (!strcmp(op, "jitter_chain")) {
            sim_pixels_brightness(rgb, w, h, 1.3);
            sim_pixels_contrast(rgb, w, h, 0.7);
            sim_pixels_saturation(rgb, w, h, 1.15);
            sim_pixels_hue(rgb, w, h, -0.07);
        } else {
            const json_t *value = json_object_get(spec, strcmp(op, "blur") ? "factor" : "sigma");
            ck_assert_msg(apply(op, rgb, w, h, json_number_value(value)), "unknown golden case %s", name);
        }
        same(rgb, want->data, bytes, name);
        release(rgb, bytes, name);
    }
    ck_assert_int_ge(cases, 46);
    const struct sim_tensor *floats = sim_tensors_find(file, "normalized");
    uint8_t *out = guarded(NULL, bytes * sizeof(float));
    sim_pixels_normalize(src.rgb, w, h, SIM_NORMALIZE_IMAGENET, (float *)(void *)out);
    same(out, floats->data, bytes * sizeof(float), "normalized");
    release(out, bytes * sizeof(float), "normalized");
    const uint8_t ends[3] = {0, 255, 51};
    float half[3];
    sim_pixels_normalize(ends, 1, 1, SIM_NORMALIZE_HALF, half);
    ck_assert(half[0] == -1 && half[1] == 1 && fabsf(half[2] + 0.6f) < 1e-7f);
    json_decref(specs);
    sim_tensors_close(file);
}
END_TEST

/* The operation of RandAugment of this name; SIM_RA_OPS where there is none. */
static enum sim_randaugment_op randaugment_op(const char *name)
{
    int op = 0;
    while (op < SIM_RA_OPS && strcmp(name, sim_randaugment_names[op])) op++;
    return (enum sim_randaugment_op)op;
}

/* All fifteen, at the parameters that the file names. */
START_TEST(golden_randaugment)
{
    struct sim_tensors *file;
    test_ok(sim_tensors_open(&file, test_path("golden/randaugment.safetensors")));
    const struct sim_tensor *image = sim_tensors_find(file, "image");
    const int w = (int)image->shape[1], h = (int)image->shape[0];
    json_t *specs = json_loads(sim_tensors_metadata(file, "spec"), 0, NULL), *spec, *value;
    const char *name, *key;
    int cases = 0, seen[SIM_RA_OPS + 1] = {0};
    json_object_foreach(specs, name, spec)
    {
        char op[32];
        snprintf(op, sizeof op, "%s", name);
        op[strcspn(op, ".")] = 0;
        struct sim_randaugment_step step = {.op = randaugment_op(op)};
        json_object_foreach(spec, key, value)
        {
            if (strcmp(key, "below")) step.value = json_number_value(value);
        }
        uint8_t *rgb = guarded(image->data, (size_t)image->count);
        test_ok(sim_randaugment_apply(&step, rgb, w, h));
        same(rgb, sim_tensors_find(file, name)->data, (size_t)image->count, name);
        release(rgb, (size_t)image->count, name);
        cases++, seen[step.op] = 1;
    }
    ck_assert_int_eq(cases, 46);
    for (int op = 0; op < SIM_RA_OPS; op++)
        ck_assert_msg(seen[op], "no case of %s", sim_randaugment_names[op]);
    json_decref(specs);
    sim_tensors_close(file);
}
END_TEST

/* timm's parameters at magnitudes 9, 10 and 0 (method.md 3.3). */
START_TEST(randaugment_magnitudes)
{
    static const double nine[SIM_RA_OPS] = {0,    0,    0,    27,   1,    26,    99,   1.81,
                                            1.81, 1.81, 1.81, 0.27, 0.27, 0.405, 0.405};
    for (int op = 0; op < SIM_RA_OPS; op++) {
        double v = sim_randaugment_value(op, 9, 0), back = sim_randaugment_value(op, 9, 1);
        ck_assert_double_eq_tol(v, nine[op], 1e-12);
        int factor = op >= SIM_RA_COLOR && op <= SIM_RA_SHARPNESS,
            sign = op == SIM_RA_ROTATE || op >= SIM_RA_SHEAR_X;
        ck_assert_double_eq_tol(back, factor ? 0.19 : sign ? -v : v, 1e-12);
    }
    ck_assert_double_eq(sim_randaugment_value(SIM_RA_POSTERIZE, 10, 0), 0);
    ck_assert_double_eq(sim_randaugment_value(SIM_RA_SOLARIZE, 10, 0), 0);
    ck_assert_double_eq(sim_randaugment_value(SIM_RA_COLOR, 10, 1), 0.1);
    ck_assert_double_eq(sim_randaugment_value(SIM_RA_POSTERIZE, 0, 0), 4);
    ck_assert_double_eq(sim_randaugment_value(SIM_RA_SOLARIZE, 0, 0), 256);
}
END_TEST

/* ---------------------------------------------------------------- hashes */

/* As noise() in reference/pillow_pixels.py; "every" gives each colour once. */
static uint8_t *noise(int w, int h, const char *seed)
{
    size_t count = (size_t)w * (size_t)h * 3;
    uint8_t *rgb = malloc(count);
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(seed, "every")) {
            rgb[i] = (uint8_t)(i / 3 >> 8 * (2 - i % 3));
            continue;
        }
        uint32_t u = (uint32_t)i * 2654435761u + (uint32_t)atoi(seed) * 40503u;
        u ^= u >> 15;
        u *= 2246822519u;
        u ^= u >> 13;
        rgb[i] = (uint8_t)u;
    }
    return rgb;
}

static void expect_hash(const uint8_t *rgb, size_t bytes, uint64_t want, const char *line)
{
    uint64_t got = XXH64(rgb, bytes, 0);
    ck_assert_msg(got == want, "hash %016" PRIx64 ", Pillow's stands in: %s", got, line);
}

/* "crop_resize W H SEED FLIP I J H W OUT_W OUT_H FILTER HASH" */
static void hashed_crop(const char *line)
{
    int w, h, flip, i, j, ch, cw, ow, oh;
    char seed[16], filter[16];
    uint64_t want;
    ck_assert_int_eq(sscanf(line, "%*s %d %d %15s %d %d %d %d %d %d %d %15s %" SCNx64, &w, &h, seed, &flip,
                            &i, &j, &ch, &cw, &ow, &oh, filter, &want),
                     12);
    struct sim_image src = {.width = w, .height = h, .rgb = noise(w, h, seed)};
    size_t bytes = (size_t)ow * (size_t)oh * 3;
    uint8_t *out = guarded(NULL, bytes);
    test_ok(sim_pixels_crop_resize(&src, flip, i, j, ch, cw, ow, oh,
                                   strcmp(filter, "bicubic") ? SIM_RESAMPLE_BILINEAR : SIM_RESAMPLE_BICUBIC,
                                   out));
    expect_hash(out, bytes, want, line);
    release(out, bytes, line);
    free(src.rgb);
}

/* "ra.OP W H SEED VALUE HASH" */
static void hashed_randaugment(const char *line)
{
    int w, h, seed;
    char op[16];
    struct sim_randaugment_step step;
    uint64_t want;
    ck_assert_int_eq(sscanf(line, "ra.%15s %d %d %d %lf %" SCNx64, op, &w, &h, &seed, &step.value, &want), 6);
    step.op = randaugment_op(op);
    char text[16];
    snprintf(text, sizeof text, "%d", seed);
    size_t bytes = (size_t)w * (size_t)h * 3;
    uint8_t *plain = noise(w, h, text), *rgb;
    for (size_t i = 0; i < bytes && seed >= 100; i++) plain[i] = (uint8_t)(plain[i] / 4 + 50);
    rgb = guarded(plain, bytes);
    test_ok(sim_randaugment_apply(&step, rgb, w, h));
    expect_hash(rgb, bytes, want, line);
    release(rgb, bytes, line);
    free(plain);
}

/* "OP W H SEED [VALUE] HASH" */
static void hashed_in_place(const char *line)
{
    int w, h;
    char op[16], seed[16];
    double value = 0;
    uint64_t want;
    if (sscanf(line, "grayscale %d %d %15s %" SCNx64, &w, &h, seed, &want) == 4)
        snprintf(op, sizeof op, "grayscale");
    else
        ck_assert_int_eq(sscanf(line, "%15s %d %d %15s %lf %" SCNx64, op, &w, &h, seed, &value, &want), 6);
    size_t bytes = (size_t)w * (size_t)h * 3;
    uint8_t *plain = noise(w, h, seed), *rgb = guarded(plain, bytes);
    ck_assert_msg(apply(op, rgb, w, h, value), "unknown operation: %s", line);
    expect_hash(rgb, bytes, want, line);
    release(rgb, bytes, line);
    free(plain);
}

START_TEST(hashes_of_pillow)
{
    FILE *f = fopen(test_path("ops/pillow_pixels.txt"), "r");
    ck_assert_ptr_nonnull(f);
    char line[256];
    int cases = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        if (!strncmp(line, "crop_resize", 11))
            hashed_crop(line);
        else if (!strncmp(line, "ra.", 3))
            hashed_randaugment(line);
        else
            hashed_in_place(line);
        cases++;
    }
    fclose(f);
    ck_assert_int_ge(cases, 900);
}
END_TEST

/* ---------------------------------------------------------------- without Pillow */

START_TEST(flip_argument_is_hflip_then_crop)
{
    const int w = 53, h = 31;
    struct sim_image src = {.width = w, .height = h, .rgb = noise(w, h, "3")};
    struct sim_image flipped = {.width = w, .height = h, .rgb = noise(w, h, "3")};
    sim_pixels_hflip(flipped.rgb, w, h);
    uint8_t a[20 * 20 * 3], b[20 * 20 * 3];
    for (int filter = 0; filter < 2; filter++) {
        for (int n = 0; n < 60; n++) {
            int ch = 1 + n * 7 % h, cw = 1 + n * 11 % w, i = n * 5 % (h - ch + 1), j = n * 3 % (w - cw + 1);
            test_ok(sim_pixels_crop_resize(&src, 1, i, j, ch, cw, 20, 20, filter, a));
            test_ok(sim_pixels_crop_resize(&flipped, 0, i, j, ch, cw, 20, 20, filter, b));
            ck_assert_mem_eq(a, b, sizeof a);
        }
    }
    free(src.rgb);
    free(flipped.rgb);
}
END_TEST

/* The image stands at the very end of its allocation: under AddressSanitizer a read past it is an error. */
START_TEST(crop_at_the_last_pixel_reads_no_further)
{
    for (int w = 1; w < 24; w++) {
        struct sim_image src = {.width = w, .height = 5, .rgb = noise(w, 5, "1")};
        uint8_t out[9 * 9 * 3];
        test_ok(sim_pixels_crop_resize(&src, 0, 2, w / 2, 3, w - w / 2, 9, 9, SIM_RESAMPLE_BICUBIC, out));
        test_ok(sim_pixels_crop_resize(&src, 1, 2, 0, 3, w - w / 2, 9, 9, SIM_RESAMPLE_BICUBIC, out));
        free(src.rgb);
    }
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    uint8_t rgb[4 * 4 * 3] = {0}, out[4 * 4 * 3];
    struct sim_image src = {.width = 4, .height = 4, .rgb = rgb}, none;
    static const int bad[][4] = {{-1, 0, 2, 2}, {0, -1, 2, 2},         {0, 0, 0, 2},
                                 {0, 0, 2, 0},  {3, 0, 2, 2},          {0, 3, 2, 2},
                                 {0, 0, 5, 4},  {2147483647, 0, 2, 2}, {0, 2147483647, 2, 2147483647}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        test_fails(sim_pixels_crop_resize(&src, 0, bad[k][0], bad[k][1], bad[k][2], bad[k][3], 4, 4,
                                          SIM_RESAMPLE_BICUBIC, out),
                   "height 4 and width 4");
    }
    test_fails(sim_pixels_crop_resize(&src, 0, 0, 0, 4, 4, 0, 4, SIM_RESAMPLE_BICUBIC, out),
               "sizes start at 1");
    test_fails(sim_pixels_blur(rgb, 4, 4, -1), "sigma -1");
    test_fails(sim_pixels_blur(rgb, 4, 4, 0.0 / 0.0), "sigma");
    test_fails(sim_image_open(&none, 0, 4), "empty");
    ck_assert_ptr_null(none.rgb);
    sim_image_close(&none);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pixels");
    TCase *c = tcase_create("pillow");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, golden_cases);
    tcase_add_test(c, golden_randaugment);
    tcase_add_test(c, randaugment_magnitudes);
    tcase_add_test(c, hashes_of_pillow);
    tcase_add_test(c, flip_argument_is_hflip_then_crop);
    tcase_add_test(c, crop_at_the_last_pixel_reads_no_further);
    tcase_add_test(c, what_cannot_be_is_refused);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
