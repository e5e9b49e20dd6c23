/* siameseim corrupt: an image under one of ImageNet-C's corruptions, or under all of them on one sheet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "centre_crop.h"
#include "command.h"
#include "corrupt.h"
#include "draw.h"
#include "images.h"
#include "options.h"

static const char help[] =
    "usage: siameseim corrupt CORRUPTION SEVERITY IN OUT.png [options]\n"
    "       siameseim corrupt --sheet IN OUT.png [options]\n"
    "\n"
    "Corrupts a JPEG or PNG as the robustness score does (eval.robustness), by the formulae and constants "
    "of\n"
    "ImageNet-C, or shows all 15 corruptions at severities 1 to 5 beside the image on one sheet.  "
    "Corruptions:\n"
    "\n"
    "  gaussian_noise shot_noise impulse_noise   defocus_blur glass_blur motion_blur zoom_blur\n"
    "  snow frost fog brightness                 contrast elastic_transform pixelate jpeg_compression\n"
    "\n"
    "  --size N          first resize and cut out the middle N x N pixels, as when scoring (default: the "
    "image as it\n"
    "                    is; for a sheet 224)\n"
    "  --constants SET   224 (ImageNet-C), 64 (Tiny-ImageNet-C) or 32 (CIFAR-10-C); default: by the shorter "
    "side\n"
    "  --seed S          of what is drawn (default 0)\n"
    "  --index I         number of the image in its set, which what is drawn depends on too (default 0)\n"
    "\n"
    "example: siameseim corrupt fog 3 photo.jpg fog.png --size 224\n"
    "         siameseim corrupt --sheet photo.jpg sheet.png --size 64\n";

struct wish {
    struct sim_corrupt_job job;
    int64_t size;      /* 0: as it is */
    int constants_set; /* 0: by the image's side */
};

static enum sim_constants constants_of(const struct wish *w, const struct sim_image *im)
{
    return w->constants_set ? w->job.constants
                            : sim_constants_for(im->width < im->height ? im->width : im->height);
}

/* Reads the image, at the size that is wished for. */
static sim_status open_image(const char *path, const struct wish *w, struct sim_image *out)
{
    struct sim_image whole;
    SIM_TRY(sim_decode_file(path, &whole));
    if (!w->size) {
        *out = whole;
        return SIM_OK;
    }
    sim_status status = sim_image_open(out, (int)w->size, (int)w->size);
    if (status == SIM_OK)
        status = sim_centre_crop(&whole, (int)sim_centre_resize(0, w->size), (int)w->size,
                                 SIM_RESAMPLE_BILINEAR, out->rgb);
    if (status != SIM_OK) sim_image_close(out);
    sim_image_close(&whole);
    return status;
}

/* ---------------------------------------------------------------- the sheet */

enum { GAP = 4, HEAD = 24, LABEL = 216 }; /* pixels: between pictures, of the line of severities, of names */
enum { COLUMNS = 1 + SIM_SEVERITIES };

static const struct sim_color paper = {255, 255, 255}, ink = {20, 20, 20};

/* One picture of the sheet; severity 0 is the image itself. */
static sim_status put_picture(struct sim_image *sheet, const struct sim_image *im, struct sim_corrupt_job job,
                              int times)
{
    struct sim_image one, large;
    const int cell_w = im->width * times + GAP, cell_h = im->height * times + GAP;
    SIM_TRY(sim_image_open(&one, im->width, im->height));
    memcpy(one.rgb, im->rgb, (size_t)im->width * (size_t)im->height * 3);
    sim_status status = job.severity ? sim_corrupt(&job, &one) : SIM_OK;
    if (status == SIM_OK) status = sim_draw_enlarged(&large, one.rgb, one.width, one.height, times);
    if (status == SIM_OK) {
        status =
            sim_draw_picture(sheet, &large, 0, 0, 0, large.height, large.width, LABEL + job.severity * cell_w,
                             HEAD + (int)job.corruption * cell_h, large.width, large.height);
        sim_image_close(&large);
    }
    sim_image_close(&one);
    return status;
}

static sim_status draw_sheet(const struct sim_image *im, const struct wish *w, struct sim_image *sheet)
{
    const int shorter = im->width < im->height ? im->width : im->height;
    const int times = shorter <= 48 ? 3 : shorter <= 112 ? 2 : 1;
    struct sim_corrupt_job job = w->job;
    job.constants = constants_of(w, im);
    SIM_TRY(sim_image_open(sheet, LABEL + COLUMNS * (im->width * times + GAP),
                           HEAD + SIM_CORRUPTIONS * (im->height * times + GAP)));
    sim_draw_fill(sheet, paper);
    for (int s = 0; s < COLUMNS; s++) {
        char text[16];
        snprintf(text, sizeof text, s ? "severity %d" : "clean", s);
        sim_draw_text(sheet, LABEL + s * (im->width * times + GAP), 2, text,
                      times > 1 || im->width < 128 ? 1 : 2, ink);
    }
    for (int c = 0; c < SIM_CORRUPTIONS; c++) {
        job.corruption = (enum sim_corruption)c;
        sim_draw_text(sheet, 4, HEAD + c * (im->height * times + GAP) + im->height * times / 2 - 9,
                      sim_corruption_name(job.corruption), 2, ink);
        for (job.severity = 0; job.severity <= SIM_SEVERITIES; job.severity++)
            SIM_TRY(put_picture(sheet, im, job, times));
    }
    return SIM_OK;
}

/* ---------------------------------------------------------------- the command */

static sim_status write_png(const char *path, const struct sim_image *im, const char *what)
{
    SIM_TRY(sim_png_write(path, im->rgb, im->width, im->height));
    printf("%s: %d x %d pixels, %s\n", path, im->width, im->height, what);
    return SIM_OK;
}

static sim_status make_sheet(const char *in, const char *out, struct wish *w)
{
    struct sim_image im, sheet = {0};
    if (!w->size) w->size = 224;
    SIM_TRY(open_image(in, w, &im));
    sim_status status = draw_sheet(&im, w, &sheet);
    if (status == SIM_OK) status = write_png(out, &sheet, "15 corruptions at severities 1 to 5");
    sim_image_close(&sheet);
    sim_image_close(&im);
    return status;
}

static sim_status make_one(const char *in, const char *out, const struct wish *w)
{
    struct sim_corrupt_job job = w->job;
    struct sim_image im;
    char what[64];
    SIM_TRY(open_image(in, w, &im));
    job.constants = constants_of(w, &im);
    snprintf(what, sizeof what, "%s %d with the constants for %s px", sim_corruption_name(job.corruption),
             job.severity, sim_constants_name(job.constants));
    sim_status status = sim_corrupt(&job, &im);
    if (status == SIM_OK) status = write_png(out, &im, what);
    sim_image_close(&im);
    return status;
}

static sim_status parse_constants(const char *text, struct wish *w)
{
    for (int i = 0; i < SIM_CONSTANTS_COUNT; i++)
        if (strcmp(text, sim_constants_name((enum sim_constants)i)) == 0) {
            w->job.constants = (enum sim_constants)i, w->constants_set = 1;
            return SIM_OK;
        }
    return sim_fail(SIM_EINVAL, "--constants %s: it is 224, 64 or 32", text);
}

static sim_status parse_number(const char *name, const char *text, int64_t low, int64_t high, int64_t *out)
{
    return text ? sim_options_whole(name, text, low, high, out) : SIM_OK;
}

static sim_status work(const struct sim_words *words, int sheet, struct wish *w)
{
    const char *const *word = words->word;
    if (sheet && words->count != 2)
        return sim_fail(SIM_EINVAL, "--sheet needs two files, IN and OUT.png; see --help");
    if (sheet) return make_sheet(word[0], word[1], w);
    if (words->count != 4)
        return sim_fail(SIM_EINVAL,
                        "CORRUPTION SEVERITY IN OUT.png are needed, or --sheet IN OUT.png; see --help");
    int64_t severity;
    SIM_TRY(sim_corruption_find(word[0], (int)strlen(word[0]), "corrupt", &w->job.corruption));
    SIM_TRY(sim_options_whole("SEVERITY", word[1], INT32_MIN, INT32_MAX, &severity));
    SIM_TRY(sim_severity_check(severity, word[0]));
    w->job.severity = (int)severity;
    return make_one(word[2], word[3], w);
}

static int run_corrupt_command(int argc, char **argv)
{
    struct sim_words words = {0};
    struct wish w = {0};
    int sheet = 0;
    int64_t seed = 0, index = 0;
    const char *size = NULL, *constants = NULL, *seed_text = NULL, *index_text = NULL;
    const struct sim_option options[] = {{"--sheet", &sheet, NULL, NULL},
                                         {"--size", NULL, &size, NULL},
                                         {"--constants", NULL, &constants, NULL},
                                         {"--seed", NULL, &seed_text, NULL},
                                         {"--index", NULL, &index_text, NULL}};
    sim_status status = sim_options_parse(argc, argv, options, 5, &words);
    if (status == SIM_OK) status = parse_number("--size", size, 8, 1024, &w.size);
    if (status == SIM_OK) status = parse_number("--seed", seed_text, 0, INT64_MAX, &seed);
    if (status == SIM_OK) status = parse_number("--index", index_text, 0, UINT32_MAX, &index);
    if (status == SIM_OK && constants) status = parse_constants(constants, &w);
    w.job.seed = (uint64_t)seed, w.job.index = (uint64_t)index;
    if (status == SIM_OK) status = work(&words, sheet, &w);
    sim_words_close(&words);
    return status == SIM_OK ? 0 : sim_command_failed("corrupt");
}

const struct sim_command sim_command_corrupt = {
    "corrupt", "corrupt an image as ImageNet-C does, or draw every corruption on a sheet", help,
    run_corrupt_command};
