/* siameseim image: one image operation on one picture, so that anyone can compare us with Pillow. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "images.h"
#include "nearest.h"
#include "options.h"
#include "pixels.h"
#include "randaugment.h"

static const char help[] =
    "usage: siameseim image OP [KEY=VALUE]... IN OUT.png\n"
    "\n"
    "Applies one image operation of the augmentation to a JPEG or PNG (told by content, made RGB as "
    "Pillow's\n"
    "convert(\"RGB\") does) and writes a PNG.  The bytes equal those of Pillow 9.4 and torchvision; the call "
    "they\n"
    "equal stands on the right.\n"
    "\n"
    "  crop_resize i= j= h= w= size= [filter=bicubic|bilinear]   rows i..i+h, columns j..j+w, then size x "
    "size pixels\n"
    "                                 im.crop((j, i, j+w, i+h)).resize((size, size), filter)\n"
    "  hflip                          left and right exchanged: ImageOps.mirror(im)\n"
    "  brightness factor=             0 black, 1 as it is: ImageEnhance.Brightness(im).enhance(factor)\n"
    "  contrast factor=               0 flat grey, 1 as it is: ImageEnhance.Contrast(im).enhance(factor)\n"
    "  saturation factor=             0 grey, 1 as it is: ImageEnhance.Color(im).enhance(factor)\n"
    "  hue factor=                    turns of the colour circle, -0.5 to 0.5: functional.adjust_hue(im, "
    "factor)\n"
    "  grey                           luminance in all three channels: im.convert(\"L\").convert(\"RGB\")\n"
    "  blur sigma=                    im.filter(ImageFilter.GaussianBlur(sigma))\n"
    "  solarise                       values from 128 on are inverted: ImageOps.solarize(im)\n"
    "\n"
    "and those of RandAugment, as timm makes them:\n"
    "  autocontrast, equalize, invert ImageOps.autocontrast(im), equalize(im), invert(im)\n"
    "  posterize bits=                ImageOps.posterize(im, bits)\n"
    "  solarize_from threshold=       ImageOps.solarize(im, threshold)\n"
    "  solarize_add add=              values below 128 grow by so much, to 255\n"
    "  sharpness factor=              ImageEnhance.Sharpness(im).enhance(factor)\n"
    "  rotate degrees=                im.rotate(degrees, BICUBIC, fillcolor=(124, 116, 104))\n"
    "  shear_x factor=, shear_y factor=\n"
    "                                 im.transform(im.size, AFFINE, (1, factor, 0, 0, 1, 0), BICUBIC, ...)\n"
    "  translate_x share=, translate_y share=\n"
    "                                 by so much of the side, likewise\n"
    "\n"
    "gray, grayscale and solarize are taken too.\n"
    "\n"
    "example: siameseim image crop_resize i=10 j=20 h=200 w=300 size=224 filter=bicubic photo.jpg view.png\n"
    "         siameseim image hue factor=-0.1 view.png other.png\n";

enum { MAX_KEYS = 6, MAX_SIZE = 16384 };

enum key { I, J, H, W, SIZE, FILTER, FACTOR, SIGMA, DEGREES, SHARE, BITS, THRESHOLD, ADD, KEYS };
static const char *const key_names[KEYS] = {
    "i", "j", "h", "w", "size", "filter", "factor", "sigma", "degrees", "share", "bits", "threshold", "add"};

/* What stands on the command line: value[k] where given[k]. */
struct values {
    int given[KEYS];
    double value[KEYS]; /* of filter: enum sim_resample */
};

/* One operation: keys it takes, the range of its factor, and what it does to *im. */
struct operation {
    const char *name, *other_names[2];
    enum key keys[MAX_KEYS];
    int key_count;
    double low, high; /* of the number it takes, corners and sizes aside */
    sim_status (*apply)(struct sim_image *im, const struct values *v);
};

/* ---------------------------------------------------------------- operations */

static sim_status crop_resize(struct sim_image *im, const struct values *v)
{
    const int size = (int)v->value[SIZE];
    struct sim_image out;
    SIM_TRY(sim_image_open(&out, size, size));
    sim_status status =
        sim_pixels_crop_resize(im, 0, (int)v->value[I], (int)v->value[J], (int)v->value[H], (int)v->value[W],
                               size, size, (enum sim_resample)v->value[FILTER], out.rgb);
    if (status != SIM_OK) {
        sim_image_close(&out);
        return status;
    }
    sim_image_close(im);
    *im = out;
    return SIM_OK;
}

/* The operations that cannot fail share one shape. */
#define IN_PLACE(name, call)                                                                                 \
    static sim_status name(struct sim_image *im, const struct values *v)                                     \
    {                                                                                                        \
        (void)v;                                                                                             \
        call;                                                                                                \
        return SIM_OK;                                                                                       \
    }
IN_PLACE(hflip, sim_pixels_hflip(im->rgb, im->width, im->height))
IN_PLACE(brightness, sim_pixels_brightness(im->rgb, im->width, im->height, v->value[FACTOR]))
IN_PLACE(contrast, sim_pixels_contrast(im->rgb, im->width, im->height, v->value[FACTOR]))
IN_PLACE(saturation, sim_pixels_saturation(im->rgb, im->width, im->height, v->value[FACTOR]))
IN_PLACE(hue, sim_pixels_hue(im->rgb, im->width, im->height, v->value[FACTOR]))
IN_PLACE(grey, sim_pixels_grayscale(im->rgb, im->width, im->height))
IN_PLACE(solarise, sim_pixels_solarize(im->rgb, im->width, im->height, SIM_SOLARIZE_HALF))
#undef IN_PLACE

static sim_status blur(struct sim_image *im, const struct values *v)
{
    return sim_pixels_blur(im->rgb, im->width, im->height, v->value[SIGMA]);
}

/* RandAugment's take one number or none. */
static sim_status randaugment(struct sim_image *im, enum sim_randaugment_op op, double value)
{
    const struct sim_randaugment_step step = {op, value};
    return sim_randaugment_apply(&step, im->rgb, im->width, im->height);
}
#define RANDAUGMENT(name, op, key)                                                                           \
    static sim_status name(struct sim_image *im, const struct values *v)                                     \
    {                                                                                                        \
        return randaugment(im, op, v->value[key]);                                                           \
    }
RANDAUGMENT(autocontrast, SIM_RA_AUTO_CONTRAST, FACTOR)
RANDAUGMENT(equalize, SIM_RA_EQUALIZE, FACTOR)
RANDAUGMENT(invert, SIM_RA_INVERT, FACTOR)
RANDAUGMENT(posterize, SIM_RA_POSTERIZE, BITS)
RANDAUGMENT(solarize_from, SIM_RA_SOLARIZE, THRESHOLD)
RANDAUGMENT(solarize_add, SIM_RA_SOLARIZE_ADD, ADD)
RANDAUGMENT(sharpness, SIM_RA_SHARPNESS, FACTOR)
RANDAUGMENT(rotate, SIM_RA_ROTATE, DEGREES)
RANDAUGMENT(shear_x, SIM_RA_SHEAR_X, FACTOR)
RANDAUGMENT(shear_y, SIM_RA_SHEAR_Y, FACTOR)
RANDAUGMENT(translate_x, SIM_RA_TRANSLATE_X, SHARE)
RANDAUGMENT(translate_y, SIM_RA_TRANSLATE_Y, SHARE)
#undef RANDAUGMENT

static const struct operation operations[] = {
    {"crop_resize", {0}, {I, J, H, W, SIZE, FILTER}, 6, 0, 0, crop_resize},
    {"hflip", {0}, {0}, 0, 0, 0, hflip},
    {"brightness", {0}, {FACTOR}, 1, 0, 100, brightness},
    {"contrast", {0}, {FACTOR}, 1, 0, 100, contrast},
    {"saturation", {0}, {FACTOR}, 1, 0, 100, saturation},
    {"hue", {0}, {FACTOR}, 1, -0.5, 0.5, hue},
    {"grey", {"gray", "grayscale"}, {0}, 0, 0, 0, grey},
    {"blur", {0}, {SIGMA}, 1, 0, 1000, blur},
    {"solarise", {"solarize"}, {0}, 0, 0, 0, solarise},
    {"autocontrast", {0}, {0}, 0, 0, 0, autocontrast},
    {"equalize", {0}, {0}, 0, 0, 0, equalize},
    {"invert", {0}, {0}, 0, 0, 0, invert},
    {"posterize", {0}, {BITS}, 1, 0, 8, posterize},
    {"solarize_from", {0}, {THRESHOLD}, 1, 0, 256, solarize_from},
    {"solarize_add", {0}, {ADD}, 1, 0, 255, solarize_add},
    {"sharpness", {0}, {FACTOR}, 1, 0, 100, sharpness},
    {"rotate", {0}, {DEGREES}, 1, -360, 360, rotate},
    {"shear_x", {0}, {FACTOR}, 1, -100, 100, shear_x},
    {"shear_y", {0}, {FACTOR}, 1, -100, 100, shear_y},
    {"translate_x", {0}, {SHARE}, 1, -1, 1, translate_x},
    {"translate_y", {0}, {SHARE}, 1, -1, 1, translate_y},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static sim_status find_operation(const char *name, const struct operation **out)
{
    const char *names[OPERATIONS];
    for (int i = 0; i < OPERATIONS; i++) {
        const struct operation *o = *out = &operations[i];
        if (strcmp(name, o->name) == 0) return SIM_OK;
        for (int k = 0; k < 2; k++)
            if (o->other_names[k] && strcmp(name, o->other_names[k]) == 0) return SIM_OK;
        names[i] = o->name;
    }
    const char *near = sim_nearest(name, names, OPERATIONS);
    return sim_fail(SIM_EINVAL, "no operation \"%s\"%s%s; --help lists them", name, near ? ", nearest: " : "",
                    near ? near : "");
}

/* ---------------------------------------------------------------- keys and values */

/* "i, j, h, w, size, filter" */
static void list_keys(const struct operation *o, char *text, size_t size)
{
    text[0] = 0;
    for (int k = 0; k < o->key_count; k++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", k ? ", " : "", key_names[o->keys[k]]);
    }
}

static sim_status unknown_key(const struct operation *o, const char *word)
{
    const char *names[MAX_KEYS];
    char keys[80], name[32];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    if (o->key_count == 0)
        return sim_fail(SIM_EINVAL, "%s takes no keys, and \"%s\" is no file", o->name, word);
    for (int k = 0; k < o->key_count; k++) names[k] = key_names[o->keys[k]];
    const char *near = sim_nearest(name, names, o->key_count);
    list_keys(o, keys, sizeof keys);
    return sim_fail(SIM_EINVAL, "%s has no key \"%s\"%s%s; its keys: %s", o->name, name,
                    near ? ", nearest: " : "", near ? near : "", keys);
}

static sim_status parse_value(const struct operation *o, enum key key, const char *text, double *out)
{
    if (key == FILTER) {
        if (strcmp(text, "bicubic") && strcmp(text, "bilinear"))
            return sim_fail(SIM_EINVAL, "%s: filter=%s; it is bicubic or bilinear", o->name, text);
        *out = strcmp(text, "bicubic") ? SIM_RESAMPLE_BILINEAR : SIM_RESAMPLE_BICUBIC;
        return SIM_OK;
    }
    const int place = key == I || key == J || key == H || key == W || key == SIZE;
    if (place || key == BITS || key == THRESHOLD || key == ADD) {
        int64_t whole;
        const int64_t low = !place || key == I || key == J ? 0 : 1, high = key == SIZE ? MAX_SIZE
                                                                           : place     ? INT32_MAX
                                                                                       : (int64_t)o->high;
        SIM_TRY(sim_options_whole(key_names[key], text, low, high, &whole));
        *out = (double)whole;
        return SIM_OK;
    }
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= o->low && value <= o->high))
        return sim_fail(SIM_EINVAL, "%s: %s=%s; it is a number from %g to %g", o->name, key_names[key], text,
                        o->low, o->high);
    *out = value;
    return SIM_OK;
}

static sim_status parse_keys(const struct operation *o, const char *const *words, int count, struct values *v)
{
    for (int i = 0; i < count; i++) {
        const char *equals = strchr(words[i], '=');
        if (!equals)
            return sim_fail(SIM_EINVAL,
                            "\"%s\" is no KEY=VALUE; usage: siameseim image OP [KEY=VALUE]... IN OUT.png",
                            words[i]);
        enum key key = KEYS;
        for (int k = 0; k < o->key_count; k++) {
            const char *name = key_names[o->keys[k]];
            if (strlen(name) == (size_t)(equals - words[i]) && !strncmp(words[i], name, strlen(name)))
                key = o->keys[k];
        }
        if (key == KEYS) return unknown_key(o, words[i]);
        if (v->given[key]++) return sim_fail(SIM_EINVAL, "%s is given twice", key_names[key]);
        SIM_TRY(parse_value(o, key, equals + 1, &v->value[key]));
    }
    for (int k = 0; k < o->key_count; k++) {
        char keys[80];
        if (v->given[o->keys[k]] || o->keys[k] == FILTER) continue;
        list_keys(o, keys, sizeof keys);
        return sim_fail(SIM_EINVAL, "%s needs %s=; its keys: %s", o->name, key_names[o->keys[k]], keys);
    }
    return SIM_OK;
}

/* ---------------------------------------------------------------- the command */

static sim_status work(const struct sim_words *words)
{
    const struct operation *o;
    struct values v = {.value[FILTER] = SIM_RESAMPLE_BICUBIC};
    struct sim_image im;
    if (words->count == 0) return sim_fail(SIM_EINVAL, "no operation given; --help lists them");
    SIM_TRY(find_operation(words->word[0], &o));
    if (words->count < 3 || strchr(words->word[words->count - 2], '='))
        return sim_fail(SIM_EINVAL, "%s needs two files: IN OUT.png, after its keys", o->name);
    const char *in = words->word[words->count - 2], *out = words->word[words->count - 1];
    SIM_TRY(parse_keys(o, words->word + 1, words->count - 3, &v));
    size_t length = strlen(out);
    if (length < 4 || strcmp(out + length - 4, ".png"))
        return sim_fail(SIM_EINVAL, "the result is a PNG: OUT ends in .png, which %s does not", out);
    SIM_TRY(sim_decode_file(in, &im));
    sim_status status = o->apply(&im, &v);
    if (status != SIM_OK) status = sim_context(status, "%s", in);
    if (status == SIM_OK) status = sim_png_write(out, im.rgb, im.width, im.height);
    if (status == SIM_OK) printf("%s: %d x %d pixels, %s of %s\n", out, im.width, im.height, o->name, in);
    sim_image_close(&im);
    return status;
}

static int run_image_command(int argc, char **argv)
{
    struct sim_words words = {0};
    sim_status status = sim_options_parse(argc, argv, NULL, 0, &words);
    if (status == SIM_OK) status = work(&words);
    sim_words_close(&words);
    return status == SIM_OK ? 0 : sim_command_failed("image");
}

const struct sim_command sim_command_image = {
    "image", "apply one image operation to a JPEG or PNG: the way to compare with Pillow", help,
    run_image_command};
