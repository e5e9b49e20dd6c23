/* Views made by the device against those that the CPU makes, and against Pillow's bytes.
 * The tolerance is 0, for bytes and for the normalised floats. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "ops.h"
#include "rng.h"
#include "safetensors.h"
#include "support.h"
#include "view_jobs.h"

static struct sim_ops ops; /* closed: none here makes views */

static void open_backend(void)
{
    if (strstr(sim_ops_built_in(), "cuda")) test_ok(sim_ops_open(&ops, "cuda", NULL));
}

static int nothing_to_test(void)
{
    if (ops.make_views) return 0;
    test_skip("no backend of this program makes views");
    return 1;
}

static void close_backend(void)
{
    if (ops.close) ops.close(&ops);
}

/* ------------------------------------------------------------------ made-up images and views */

static struct sim_image noise(int w, int h, uint32_t seed)
{
    struct sim_image im;
    test_ok(sim_image_open(&im, w, h));
    for (int i = 0; i < w * h * 3; i++) {
        uint32_t u = (uint32_t)i * 2654435761u + seed * 40503u;
        u ^= u >> 15, u *= 2246822519u, u ^= u >> 13;
        /* half of it smooth, so that not every operation ends at 0 and 255 */
        im.rgb[i] = seed % 2 ? (uint8_t)u : (uint8_t)(i / 3 % w * 5 + i % 3 * 40 + (int)(u & 15));
    }
    return im;
}

static int below(struct sim_rng *r, int n)
{
    return (int)sim_rng_below(r, (uint32_t)n);
}

/* Any crop of the image, one pixel and all of it among them, and any colour; factors reach beyond what is
 * drawn for training. */
static struct sim_view any_view(struct sim_rng *r, int width, int height)
{
    struct sim_view v = {.flip = below(r, 2), .jitter = below(r, 4) != 0};
    uint32_t order[4];
    v.w = below(r, 5) ? 1 + below(r, width) : below(r, 2) ? 1 : width;
    v.h = below(r, 5) ? 1 + below(r, height) : below(r, 2) ? 1 : height;
    v.i = below(r, height - v.h + 1), v.j = below(r, width - v.w + 1);
    sim_rng_permutation(r, 4, order);
    for (int k = 0; k < 4; k++) v.order[k] = (int)order[k];
    for (int k = 0; k < 3; k++) v.factor[k] = sim_rng_between(r, 0, 2.5);
    v.factor[3] = sim_rng_between(r, -0.5, 0.5);
    v.grayscale = below(r, 5) == 0, v.solarize = below(r, 3) == 0, v.blur = below(r, 2);
    v.sigma = below(r, 6) ? sim_rng_between(r, 0, 2.5) : sim_rng_between(r, 2.5, 70);
    return v;
}

static struct sim_view_style any_style(struct sim_rng *r)
{
    struct sim_view_style style = {.filter = below(r, 2) ? SIM_RESAMPLE_BICUBIC : SIM_RESAMPLE_BILINEAR};
    for (int k = 0; k < 4; k++) style.jitters[k] = below(r, 6) != 0;
    style.flip_last = below(r, 2);
    style.normalize = below(r, 3) ? SIM_NORMALIZE_IMAGENET : SIM_NORMALIZE_HALF;
    return style;
}

/* ------------------------------------------------------------------ a batch of jobs */

struct batch {
    struct sim_view_set set;
    struct sim_view_jobs jobs;
    struct sim_view_job job[64];
    const struct sim_image *source[64];
};

static void batch_start(struct batch *b, const struct sim_view_style *style, int size)
{
    b->jobs = (struct sim_view_jobs){.size = size, .style = *style, .job = b->job, .set = &b->set};
}

static void batch_add(struct batch *b, const struct sim_image *im, int64_t number, const struct sim_view *v)
{
    b->source[b->jobs.count] = im;
    b->job[b->jobs.count++] = (struct sim_view_job){
        .view = *v, .image = number, .width = im->width, .height = im->height, .rgb = im->rgb};
}

/* The device's views, on the host. */
static float *made(const struct batch *b)
{
    const size_t bytes = (size_t)(b->jobs.count * 3 * b->jobs.size * b->jobs.size) * sizeof(float);
    float *on_device = ops.memory.take(ops.memory.context, bytes), *out = malloc(bytes);
    ck_assert(on_device && out);
    ops.make_views(&ops, on_device, &b->jobs);
    ops.download(&ops, out, on_device, bytes);
    test_ok(ops.finish(&ops));
    ops.memory.release(ops.memory.context, on_device);
    return out;
}

static void same_views(const struct batch *b, const char *what)
{
    const int size = b->jobs.size, plane = 3 * size * size;
    float *got = made(b), *want = malloc((size_t)plane * sizeof *want);
    uint8_t *rgb = malloc((size_t)plane);
    for (int k = 0; k < b->jobs.count; k++) {
        const struct sim_view *v = &b->job[k].view;
        test_ok(sim_view_apply(&b->jobs.style, v, b->source[k], size, rgb));
        sim_pixels_normalize(rgb, size, size, b->jobs.style.normalize, want);
        for (int i = 0; i < plane; i++)
            ck_assert_msg(memcmp(&got[k * plane + i], &want[i], sizeof *want) == 0,
                          "%s: view %d of %d x %d pixels from a crop of %d x %d (flip %d, jitter %d in order "
                          "%d%d%d%d, gray %d, blur %g, solarize %d): float %d is %.9g, the CPU's %.9g",
                          what, k, size, size, v->w, v->h, v->flip, v->jitter, v->order[0], v->order[1],
                          v->order[2], v->order[3], v->grayscale, v->blur ? v->sigma : -1, v->solarize, i,
                          got[k * plane + i], want[i]);
    }
    free(rgb), free(want), free(got);
}

/* ------------------------------------------------------------------ against the CPU */

START_TEST(any_view_of_any_image)
{
    if (nothing_to_test()) return;
    static const int sizes[] = {1, 2, 3, 7, 16, 31, 46, 64, 97};
    const int size = sizes[_i % 9];
    for (uint32_t round = 0; round < 4; round++) {
        struct sim_rng r = sim_rng_make(1, SIM_PURPOSE_TEST, round, (uint64_t)_i, 0);
        const struct sim_view_style style = any_style(&r);
        struct sim_image im[24];
        struct batch b = {0};
        batch_start(&b, &style, size);
        for (int k = 0; k < 24; k++) {
            im[k] = noise(1 + below(&r, 150), 1 + below(&r, 150), (uint32_t)k);
            const struct sim_view v = any_view(&r, im[k].width, im[k].height);
            batch_add(&b, &im[k], k, &v);
        }
        same_views(&b, "any");
        for (int k = 0; k < 24; k++) sim_image_close(&im[k]);
    }
}
END_TEST

START_TEST(every_order_of_colours_with_every_flag)
{
    if (nothing_to_test()) return;
    static const struct sim_view_style style = {.filter = SIM_RESAMPLE_BICUBIC, .jitters = {1, 1, 1, 1}};
    struct sim_image im = noise(40, 30, 2);
    struct batch b = {0};
    batch_start(&b, &style, 12);
    for (int code = 0; code < 256; code++) {
        struct sim_view v = {.h = 30, .w = 40, .jitter = 1, .sigma = 1.1};
        int present = 0;
        for (int k = 0; k < 4; k++) present |= 1 << (v.order[k] = code >> 2 * k & 3);
        if (present != 15) continue;
        const double factor[4] = {0.7, 1.6, 0.4, 0.09};
        memcpy(v.factor, factor, sizeof factor);
        for (int flags = 0; flags < 8; flags++) {
            v.grayscale = flags & 1, v.blur = flags >> 1 & 1, v.solarize = flags >> 2;
            batch_add(&b, &im, 0, &v);
        }
        if (b.jobs.count < 64 && code != 0xe4)
            continue; /* 3210 in base 4 is not the last, but none is lost */
        same_views(&b, "orders");
        b.jobs.count = 0;
    }
    if (b.jobs.count) same_views(&b, "orders");
    sim_image_close(&im);
}
END_TEST

/* The size of ViT-B's input; more tiles and strips than one. */
START_TEST(full_size)
{
    if (nothing_to_test()) return;
    struct sim_rng r = sim_rng_make(2, SIM_PURPOSE_TEST, 0, 0, 0);
    struct sim_view_style style = any_style(&r);
    style.jitters[1] = 1;
    struct sim_image im[3] = {noise(500, 375, 4), noise(90, 333, 6), noise(224, 224, 8)};
    struct batch b = {0};
    batch_start(&b, &style, 224);
    for (int k = 0; k < 3; k++) {
        struct sim_view v = any_view(&r, im[k].width, im[k].height);
        v.jitter = 1, v.blur = k != 1, v.sigma = 1.7;
        if (k == 0) v.w = 450, v.h = 300, v.i = 40, v.j = 20;
        if (k == 2) v.w = v.h = 224, v.i = v.j = 0;
        batch_add(&b, &im[k], k, &v);
    }
    same_views(&b, "full size");
    for (int k = 0; k < 3; k++) sim_image_close(&im[k]);
}
END_TEST

/* ------------------------------------------------------------------ against Pillow */

/* Bytes back from normalised floats: each byte has a float of its own. */
static void expect_bytes(const float *got, int size, const uint8_t *want, const char *what)
{
    const int pixels = size * size;
    float *floats = malloc((size_t)pixels * 3 * sizeof *floats);
    sim_pixels_normalize(want, size, size, SIM_NORMALIZE_IMAGENET, floats);
    ck_assert_msg(memcmp(got, floats, (size_t)pixels * 3 * sizeof *floats) == 0, "%s: not Pillow's bytes",
                  what);
    free(floats);
}

static void to_bytes(const float *got, int size, uint8_t *rgb)
{
    static const double mean[3] = {0.485, 0.456, 0.406}, deviation[3] = {0.229, 0.224, 0.225};
    for (int i = 0; i < size * size; i++)
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = (uint8_t)lround((got[c * size * size + i] * deviation[c] + mean[c]) * 255);
}

START_TEST(golden_crops)
{
    if (nothing_to_test()) return;
    struct sim_tensors *file;
    test_ok(sim_tensors_open(&file, test_path("golden/image_ops.safetensors")));
    const struct sim_tensor *image = sim_tensors_find(file, "image");
    const struct sim_image src = {
        .width = (int)image->shape[1], .height = (int)image->shape[0], .rgb = (uint8_t *)image->data};
    json_t *specs = json_loads(sim_tensors_metadata(file, "spec"), 0, NULL), *spec;
    const char *name;
    int cases = 0;
    json_object_foreach(specs, name, spec)
    {
        int size;
        const char *filter;
        struct sim_view v = {.order = {0, 1, 2, 3}};
        if (json_unpack(spec, "{s:i,s:i,s:i,s:i,s:i,s:s}", "i", &v.i, "j", &v.j, "h", &v.h, "w", &v.w, "size",
                        &size, "filter", &filter) != 0)
            continue;
        const struct sim_view_style style = {.filter = strcmp(filter, "bicubic") ? SIM_RESAMPLE_BILINEAR
                                                                                 : SIM_RESAMPLE_BICUBIC};
        struct batch b = {0};
        batch_start(&b, &style, size);
        batch_add(&b, &src, 0, &v);
        float *got = made(&b);
        expect_bytes(got, size, sim_tensors_find(file, name)->data, name);
        free(got);
        cases++;
    }
    ck_assert_int_ge(cases, 20);
    json_decref(specs);
    sim_tensors_close(file);
}
END_TEST

/* As noise() in reference/pillow_pixels.py. */
static void pillow_noise(struct sim_image *im, int seed)
{
    for (int i = 0; i < im->width * im->height * 3; i++) {
        uint32_t u = (uint32_t)i * 2654435761u + (uint32_t)seed * 40503u;
        u ^= u >> 15, u *= 2246822519u, u ^= u >> 13;
        im->rgb[i] = (uint8_t)u;
    }
}

/* "OP W H SEED [VALUE] HASH", on square images; the crop is the whole of it. */
static int read_operation(const char *line, int *side, int *seed, struct sim_view *v, uint64_t *want)
{
    static const char *const names[4] = {"brightness", "contrast", "saturation", "hue"};
    char op[16];
    int w, h;
    double value = 0;
    if (sscanf(line, "%15s %d %d %d", op, &w, &h, seed) != 4 || w != h || w > 256) return 0;
    if (strcmp(op, "grayscale") == 0) {
        if (sscanf(line, "%*s %*d %*d %*d %" SCNx64, want) != 1) return 0;
        v->grayscale = 1;
    } else if (sscanf(line, "%*s %*d %*d %*d %lf %" SCNx64, &value, want) != 2) {
        return 0;
    }
    for (int k = 0; k < 4; k++)
        if (strcmp(op, names[k]) == 0) v->jitter = 1, v->order[0] = k, v->order[k] = 0, v->factor[k] = value;
    if (strcmp(op, "blur") == 0) v->blur = 1, v->sigma = value;
    *side = v->w = v->h = w;
    return v->jitter || v->blur || v->grayscale;
}

static int read_crop(const char *line, int *w, int *h, int *seed, struct sim_view *v, int *side, char *filter,
                     uint64_t *want)
{
    int oh;
    return sscanf(line, "crop_resize %d %d %d %d %d %d %d %d %d %d %15s %" SCNx64, w, h, seed, &v->flip,
                  &v->i, &v->j, &v->h, &v->w, side, &oh, filter, want) == 12 &&
           *side == oh && *w * *h < 100000;
}

START_TEST(hashes_of_pillow)
{
    if (nothing_to_test()) return;
    FILE *f = fopen(test_path("ops/pillow_pixels.txt"), "r");
    ck_assert_ptr_nonnull(f);
    char line[256];
    int cases = 0;
    while (fgets(line, sizeof line, f)) {
        int w, h, seed, side;
        char filter[16] = "bicubic";
        uint64_t want;
        /* only the operation that the line names is there */
        struct sim_view_style style = {0};
        struct sim_view v = {.order = {0, 1, 2, 3}};
        if (read_operation(line, &side, &seed, &v, &want))
            w = h = side;
        else if (!read_crop(line, &w, &h, &seed, &v, &side, filter, &want))
            continue;
        style.filter = strcmp(filter, "bicubic") ? SIM_RESAMPLE_BILINEAR : SIM_RESAMPLE_BICUBIC;
        if (v.jitter) style.jitters[v.order[0]] = 1;
        struct sim_image im;
        test_ok(sim_image_open(&im, w, h));
        pillow_noise(&im, seed);
        struct batch b = {0};
        batch_start(&b, &style, side);
        batch_add(&b, &im, 0, &v);
        float *got = made(&b);
        uint8_t *rgb = malloc((size_t)(side * side * 3));
        to_bytes(got, side, rgb);
        ck_assert_msg(XXH64(rgb, (size_t)(side * side * 3), 0) == want, "not Pillow's bytes: %s", line);
        free(rgb), free(got);
        sim_image_close(&im);
        cases++;
    }
    fclose(f);
    ck_assert_int_ge(cases, 60);
}
END_TEST

/* ------------------------------------------------------------------ what stays, what streams */

enum { SET = 40 };

struct sources {
    struct sim_image image[SET];
    atomic_uchar held[SET];
};

static void sources_open(struct sources *s, int side)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < SET; i++) s->image[i] = noise(side + i % 7, side + i % 5, (uint32_t)i);
}

static void sources_close(struct sources *s)
{
    for (int i = 0; i < SET; i++) sim_image_close(&s->image[i]);
}

static int count_held(const struct sources *s)
{
    int n = 0;
    for (int i = 0; i < SET; i++) n += s->held[i];
    return n;
}

/* Five batches in which images come in any order and more than once; where the device holds one, without its
 * pixels. */
static void several_batches(struct sources *s, const char *name)
{
    for (uint32_t round = 0; round < 5; round++) {
        struct sim_rng r = sim_rng_make(3, SIM_PURPOSE_TEST, round, 0, 0);
        const struct sim_view_style style = any_style(&r);
        struct batch b = {.set = {.images = SET, .held = s->held}};
        memcpy(b.set.name, name, strlen(name) + 1);
        batch_start(&b, &style, 16);
        for (int k = 0; k < 48; k++) {
            const int i = below(&r, SET);
            const struct sim_view v = any_view(&r, s->image[i].width, s->image[i].height);
            batch_add(&b, &s->image[i], i, &v);
            if (s->held[i]) b.job[k].rgb = NULL;
        }
        same_views(&b, name);
    }
}

START_TEST(images_stay_on_the_device)
{
    if (nothing_to_test()) return;
    struct sources s;
    sources_open(&s, 30);
    several_batches(&s, "first");
    ck_assert_int_eq(count_held(&s), SET); /* 240 draws meet each of 40 */
    memset(s.held, 0, sizeof s.held);
    several_batches(&s, "first"); /* another source of the same set */
    memset(s.held, 0, sizeof s.held);
    several_batches(&s, "second");
    struct sim_view_style style = {0};
    struct sim_view v = {.h = 1, .w = 1};
    struct batch b = {.set = {.name = "first", .images = SET, .held = s.held}};
    batch_start(&b, &style, 4);
    batch_add(&b, &s.image[0], 0, &v);
    b.job[0].rgb = NULL;
    float out[48];
    ops.make_views(&ops, out, &b.jobs);
    test_fails(ops.finish(&ops), "cannot take turns");
    memset(s.held, 0, sizeof s.held);
    several_batches(&s, ""); /* a set without a name is not kept */
    ck_assert_int_eq(count_held(&s), 0);
    sources_close(&s);
}
END_TEST

/* An emulated device so small that a part of the images stays, and a batch is made in several groups. */
START_TEST(the_others_stream)
{
    if (nothing_to_test()) return;
    struct sources s;
    sources_open(&s, 100);
    close_backend();
    setenv("SIM_SHIM_MEMORY", "3145728", 1);
    open_backend();
    unsetenv("SIM_SHIM_MEMORY");
    several_batches(&s, "small");
    int held = count_held(&s);
    if (strcmp(ops.isa, "emulated") == 0)
        ck_assert_msg(held > 5 && held < SET - 5, "%d of %d images are held", held, SET);
    sources_close(&s);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    if (nothing_to_test()) return;
    static const int bad[][4] = {{-1, 0, 2, 2}, {0, -1, 2, 2}, {0, 0, 0, 2}, {0, 0, 2, 0},
                                 {4, 0, 2, 2},  {0, 4, 2, 2},  {0, 0, 6, 5}, {2147483647, 0, 2, 2}};
    struct sources s;
    sources_open(&s, 5);
    const struct sim_view_style style = {0};
    float out[4 * 48];
    struct batch b = {.set = {.name = "set", .images = SET, .held = s.held}};
    batch_start(&b, &style, 4);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        const struct sim_view v = {.i = bad[k][0], .j = bad[k][1], .h = bad[k][2], .w = bad[k][3]},
                              good = {.h = 2, .w = 2};
        b.jobs.count = 0;
        batch_add(&b, &s.image[1], 1, &good);
        batch_add(&b, &s.image[0], 0, &v);
        ops.make_views(&ops, out, &b.jobs);
        test_fails(ops.finish(&ops), "leaves image 0 of height 5 and width 5");
    }
    const struct sim_view blurred = {.h = 2, .w = 2, .blur = 1, .sigma = NAN};
    b.jobs.count = 0;
    batch_add(&b, &s.image[0], 0, &blurred);
    ops.make_views(&ops, out, &b.jobs);
    test_fails(ops.finish(&ops), "sigma");
    b.jobs.size = 0;
    ops.make_views(&ops, out, &b.jobs);
    test_fails(ops.finish(&ops), "0 x 0");
    several_batches(&s, "set"); /* what was planned before a refusal is not taken for copied */
    sources_close(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("views on the device");
    TCase *cpu = tcase_create("cpu"), *pillow = tcase_create("pillow"), *memory = tcase_create("memory"),
          *refusals = tcase_create("refusals");
    tcase_add_loop_test(cpu, any_view_of_any_image, 0, 9);
    tcase_add_test(cpu, every_order_of_colours_with_every_flag);
    tcase_add_test(cpu, full_size);
    tcase_add_test(pillow, golden_crops);
    tcase_add_test(pillow, hashes_of_pillow);
    tcase_add_test(memory, images_stay_on_the_device);
    tcase_add_test(memory, the_others_stream);
    tcase_add_test(refusals, what_cannot_be_is_refused);
    TCase *all[] = {cpu, pillow, memory, refusals};
    for (int k = 0; k < 4; k++) {
        tcase_add_checked_fixture(all[k], open_backend, close_backend); /* no device survives a fork */
        tcase_set_timeout(all[k], 300);
        suite_add_tcase(suite, all[k]);
    }
    return test_run(suite);
}
