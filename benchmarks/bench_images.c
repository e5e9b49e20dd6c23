/* How many images per second the data side makes, on one thread, from a 500 x 375 photo made here.
 *
 *     bench_images [FOLDER]
 *
 * Prints a JSON line per operation: {"op", "images_per_s", "crc32"}; the speed is that of the best of ROUNDS
 * rounds, per second of the thread's processor time, so that other programs disturb it little; the sum is
 * over everything made.
 *
 * With FOLDER it also writes photo.jpg and views.json there, from which
 * peers/bench_pillow.py does the same operations with Pillow and torchvision: equal sums, comparable speeds.
 *
 *   decode       JPEG to RGB
 *   crop_resize  crops as drawn, bicubic to 224
 *   jitter       brightness, contrast, saturation, hue on 224 x 224
 *   blur         Gaussian, sigma 1, on 224 x 224
 *   two_views    all of it: decode, both views as the published augmentation draws them, normalised to floats
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>
#include <zlib.h>

#include "file.h"
#include "images.h"
#include "rng.h"
#include "run_config.h"
#include "views.h"

enum { WIDTH = 500, HEIGHT = 375, SIZE = 224, VIEW_BYTES = SIZE * SIZE * 3, PAIRS = 32, ROUNDS = 7 };
static const double round_s = 0.15;

struct bench {
    struct sim_augment_config augment; /* as preset: the published one */
    unsigned char *jpeg;
    unsigned long jpeg_bytes;
    struct sim_image photo; /* decoded */
    struct sim_view views[PAIRS][2];
    uint8_t view[VIEW_BYTES]; /* the 224 x 224 input of jitter and blur */
    uint8_t out[VIEW_BYTES];
    float *floats; /* (2, 3, SIZE, SIZE) */
    uint32_t sum;  /* of what was made */
};

/* ---------------------------------------------------------------- the photo */

/* Slow colour gradients, a few discs with edges, grain: compresses to about 100 KB, as ImageNet's photos do.
 */
static void draw_photo(uint8_t *rgb)
{
    struct sim_rng r = sim_rng_make(1, SIM_PURPOSE_TEST, 0, 0, 0);
    double disc[12][6];
    for (int d = 0; d < 12; d++) {
        disc[d][0] = sim_rng_between(&r, 0, WIDTH), disc[d][1] = sim_rng_between(&r, 0, HEIGHT);
        disc[d][2] = sim_rng_between(&r, 10, 90);
        for (int c = 3; c < 6; c++) disc[d][c] = sim_rng_between(&r, -90, 90);
    }
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++, rgb += 3) {
            double v[3] = {120 + 70 * sin(x / 71.0 + y / 140.0), 110 + 60 * cos(y / 53.0),
                           60.0 + 130 * x / WIDTH};
            double grain = 7 * sim_rng_normal(&r) + 14 * sin(x * 0.7) * sin(y * 0.9);
            for (int d = 0; d < 12; d++) {
                if (hypot(x - disc[d][0], y - disc[d][1]) > disc[d][2]) continue;
                for (int c = 0; c < 3; c++) v[c] += disc[d][3 + c];
            }
            for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)fmin(fmax(v[c] + grain, 0), 255);
        }
    }
}

/* Quality 90, colours at half resolution: libjpeg's defaults otherwise. */
static void encode_photo(struct bench *b, const uint8_t *rgb)
{
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr errors;
    j.err = jpeg_std_error(&errors);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &b->jpeg, &b->jpeg_bytes);
    j.image_width = WIDTH;
    j.image_height = HEIGHT;
    j.input_components = 3;
    j.in_color_space = JCS_RGB;
    jpeg_set_defaults(&j);
    jpeg_set_quality(&j, 90, TRUE);
    jpeg_start_compress(&j, TRUE);
    while (j.next_scanline < HEIGHT) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (size_t)j.next_scanline * WIDTH * 3);
        jpeg_write_scanlines(&j, &row, 1);
    }
    jpeg_finish_compress(&j);
    jpeg_destroy_compress(&j);
}

/* ---------------------------------------------------------------- what the peer needs */

static json_t *view_json(const struct sim_view *v)
{
    return json_pack("{s:b, s:[iiii], s:b, s:[iiii], s:[ffff], s:b, s:b, s:b, s:f}", "flip", v->flip, "crop",
                     v->i, v->j, v->h, v->w, "jitter", v->jitter, "order", v->order[0], v->order[1],
                     v->order[2], v->order[3], "factor", v->factor[0], v->factor[1], v->factor[2],
                     v->factor[3], "grayscale", v->grayscale, "blur", v->blur, "solarize", v->solarize,
                     "sigma", v->sigma);
}

static sim_status write_inputs(const struct bench *b, const char *folder)
{
    char path[1024];
    SIM_TRY(sim_make_folder(folder));
    snprintf(path, sizeof path, "%s/photo.jpg", folder);
    SIM_TRY(sim_file_write(path, b->jpeg, b->jpeg_bytes));
    json_t *pairs = json_array();
    for (int n = 0; n < PAIRS; n++) {
        json_array_append_new(pairs,
                              json_pack("[oo]", view_json(&b->views[n][0]), view_json(&b->views[n][1])));
    }
    char *text = json_dumps(pairs, JSON_REAL_PRECISION(17));
    json_decref(pairs);
    if (!text) return sim_fail(SIM_ENOMEM, "no memory for views.json");
    snprintf(path, sizeof path, "%s/views.json", folder);
    sim_status s = sim_file_write(path, text, strlen(text));
    free(text);
    return s;
}

/* ---------------------------------------------------------------- the operations; each makes image n */

static void add(struct bench *b, const void *bytes, size_t count)
{
    b->sum = (uint32_t)crc32_z(b->sum, bytes, count);
}

static sim_status op_decode(struct bench *b, int n, int sum)
{
    struct sim_image im;
    (void)n;
    SIM_TRY(sim_decode(b->jpeg, b->jpeg_bytes, "photo.jpg", &im));
    if (sum) add(b, im.rgb, WIDTH * HEIGHT * 3);
    sim_image_close(&im);
    return SIM_OK;
}

static sim_status op_crop_resize(struct bench *b, int n, int sum)
{
    const struct sim_view *v = &b->views[n][0];
    SIM_TRY(sim_pixels_crop_resize(&b->photo, 0, v->i, v->j, v->h, v->w, SIZE, SIZE, SIM_RESAMPLE_BICUBIC,
                                   b->out));
    if (sum) add(b, b->out, VIEW_BYTES);
    return SIM_OK;
}

static sim_status op_jitter(struct bench *b, int n, int sum)
{
    (void)n;
    memcpy(b->out, b->view, VIEW_BYTES);
    sim_pixels_brightness(b->out, SIZE, SIZE, 1.3);
    sim_pixels_contrast(b->out, SIZE, SIZE, 0.7);
    sim_pixels_saturation(b->out, SIZE, SIZE, 1.15);
    sim_pixels_hue(b->out, SIZE, SIZE, -0.07);
    if (sum) add(b, b->out, VIEW_BYTES);
    return SIM_OK;
}

static sim_status op_blur(struct bench *b, int n, int sum)
{
    (void)n;
    memcpy(b->out, b->view, VIEW_BYTES);
    SIM_TRY(sim_pixels_blur(b->out, SIZE, SIZE, 1.0));
    if (sum) add(b, b->out, VIEW_BYTES);
    return SIM_OK;
}

static sim_status op_two_views(struct bench *b, int n, int sum)
{
    struct sim_image im;
    SIM_TRY(sim_decode(b->jpeg, b->jpeg_bytes, "photo.jpg", &im));
    sim_status s = SIM_OK;
    for (int k = 0; k < 2 && s == SIM_OK; k++) {
        float *to = b->floats + (size_t)k * VIEW_BYTES;
        s = sim_view_make(&b->augment, &b->views[n][k], &im, SIZE, b->out);
        if (s == SIM_OK) sim_pixels_normalize(b->out, SIZE, SIZE, SIM_NORMALIZE_IMAGENET, to);
        if (s == SIM_OK && sum) add(b, to, VIEW_BYTES * sizeof *to);
    }
    sim_image_close(&im);
    return s;
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of ROUNDS rounds over all PAIRS, and the sum over one of them. */
static sim_status measure(struct bench *b, const char *name, sim_status (*op)(struct bench *, int, int))
{
    double best = 0;
    b->sum = 0;
    for (int n = 0; n < PAIRS; n++) SIM_TRY(op(b, n, 1));
    for (int r = 0; r < ROUNDS; r++) {
        double start = cpu_s(), took;
        int done = 0;
        do {
            for (int n = 0; n < PAIRS; n++) SIM_TRY(op(b, n, 0));
            done += PAIRS;
            took = cpu_s() - start;
        } while (took < round_s);
        best = fmax(best, done / took);
    }
    printf("{\"op\": \"%s\", \"images_per_s\": %.1f, \"crc32\": \"%08x\"}\n", name, best, b->sum);
    fflush(stdout);
    return SIM_OK;
}

static sim_status run(struct bench *b, const char *folder)
{
    struct sim_image drawn;
    float geometry[6];
    struct sim_run_config preset;
    SIM_TRY(sim_fields_preset(sim_run_schema(), &preset));
    b->augment = preset.augment;
    SIM_TRY(sim_image_open(&drawn, WIDTH, HEIGHT));
    draw_photo(drawn.rgb);
    encode_photo(b, drawn.rgb);
    sim_image_close(&drawn);
    for (uint64_t n = 0; n < PAIRS; n++)
        sim_views_draw(&b->augment, 0, 0, n, WIDTH, HEIGHT, b->views[n], geometry);
    if (folder) SIM_TRY(write_inputs(b, folder));

    SIM_TRY(sim_decode(b->jpeg, b->jpeg_bytes, "photo.jpg", &b->photo));
    SIM_TRY(
        sim_pixels_crop_resize(&b->photo, 0, 40, 60, 275, 366, SIZE, SIZE, SIM_RESAMPLE_BICUBIC, b->view));
    b->floats = calloc(2 * VIEW_BYTES, sizeof *b->floats);
    if (!b->floats) return sim_fail(SIM_ENOMEM, "no memory for two views");
    SIM_TRY(measure(b, "decode", op_decode));
    SIM_TRY(measure(b, "crop_resize", op_crop_resize));
    SIM_TRY(measure(b, "jitter", op_jitter));
    SIM_TRY(measure(b, "blur", op_blur));
    return measure(b, "two_views", op_two_views);
}

int main(int argc, char **argv)
{
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        fputs("usage: bench_images [FOLDER]    FOLDER gets photo.jpg and views.json for "
              "peers/bench_pillow.py\n",
              stderr);
        return 2;
    }
    static struct bench b;
    sim_status s = run(&b, argc == 2 ? argv[1] : NULL);
    if (s != SIM_OK) fprintf(stderr, "bench_images: %s\n", sim_error_text());
    free(b.jpeg);
    free(b.floats);
    sim_image_close(&b.photo);
    return s != SIM_OK;
}
