#include "contact_sheet.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "rng.h"

enum { GAP = 4, LETTER_W = 12, LETTER_H = 18, MOST_LETTERS = 24, MOST_SIDE = 16384 };

static const struct sim_color paper = {255, 255, 255}, ink = {20, 20, 20}, field = {210, 210, 210};

/* The class of a row. */
static int class_of_row(const struct sim_images *set, int rows, int row)
{
    return (int)((int64_t)row * set->classes / rows);
}

/* Draws which images stand where: pick[row * per_class + column], -1 for none.  One pass over the labels; of
 * each class every image is as likely to be among those chosen. */
static void choose(const struct sim_contact_sheet *s, const struct sim_images *set, int rows, int64_t *pick,
                   int64_t *seen)
{
    struct sim_rng r = sim_rng_make(s->seed, SIM_PURPOSE_SUBSET, 0, (uint64_t)set->count, 2);
    for (int k = 0; k < rows * s->per_class; k++) pick[k] = -1;
    for (int64_t i = 0; i < set->count; i++) {
        const int label = set->label(set->self, i);
        int row = (int)(((int64_t)label * rows + set->classes - 1) / set->classes);
        if (row >= rows || class_of_row(set, rows, row) != label) continue;
        int64_t at = seen[row]++;
        if (at >= s->per_class) at = sim_rng_below(&r, (uint32_t)(at + 1));
        if (at < s->per_class) pick[row * s->per_class + at] = i;
    }
}

/* A class's name as the letters of draw.h can show it. */
static void put_name(struct sim_image *sheet, int x, int y, const char *name)
{
    char text[MOST_LETTERS + 1];
    int n = 0;
    for (; name[n] && n < MOST_LETTERS; n++) text[n] = (char)tolower((unsigned char)name[n]);
    text[n] = 0;
    sim_draw_text(sheet, x, y, text, 2, ink);
}

static sim_status put_image(struct sim_contact_sheet *s, const struct sim_images *set, int64_t i,
                            struct sim_image *sheet, int x, int y)
{
    struct sim_image im = {0};
    sim_status status = set->read(set->self, i, &im);
    s->shown++;
    if (status == SIM_EFORMAT) {
        s->damaged++;
        sim_draw_tint(sheet, x, y, s->side, s->side, field, 1);
        sim_draw_line(sheet, x, y, x + s->side, y + s->side, 2, ink);
        sim_draw_line(sheet, x + s->side, y, x, y + s->side, 2, ink);
        return SIM_OK;
    }
    if (status == SIM_OK) {
        const int longer = im.width > im.height ? im.width : im.height;
        int w = (int)((int64_t)im.width * s->side / longer), h = (int)((int64_t)im.height * s->side / longer);
        w += w < 1, h += h < 1;
        status = sim_draw_picture(sheet, &im, 0, 0, 0, im.height, im.width, x + (s->side - w) / 2,
                                  y + (s->side - h) / 2, w, h);
    }
    sim_image_close(&im);
    return status;
}

static sim_status fill(struct sim_contact_sheet *s, const struct sim_images *set, int rows, int label_w,
                       const int64_t *pick, struct sim_image *sheet)
{
    sim_draw_fill(sheet, paper);
    for (int row = 0; row < rows; row++) {
        const int y = GAP + row * (s->side + GAP);
        put_name(sheet, GAP, y + (s->side - LETTER_H) / 2,
                 set->class_name(set->self, class_of_row(set, rows, row)));
        for (int k = 0; k < s->per_class; k++) {
            const int64_t i = pick[row * s->per_class + k];
            if (i >= 0) SIM_TRY(put_image(s, set, i, sheet, label_w + k * (s->side + GAP), y));
        }
    }
    return SIM_OK;
}

sim_status sim_contact_sheet_draw(struct sim_contact_sheet *s, const struct sim_images *set,
                                  struct sim_image *out)
{
    const int rows = s->classes < set->classes ? s->classes : set->classes;
    size_t letters = 0;
    *out = (struct sim_image){0};
    s->shown = s->damaged = 0;
    for (int row = 0; row < rows; row++) {
        size_t n = strlen(set->class_name(set->self, class_of_row(set, rows, row)));
        if (n > letters) letters = n < MOST_LETTERS ? n : MOST_LETTERS;
    }
    const int label_w = (int)letters * LETTER_W + 2 * GAP;
    const int64_t w = label_w + (int64_t)s->per_class * (s->side + GAP),
                  h = GAP + (int64_t)rows * (s->side + GAP);
    if (w > MOST_SIDE || h > MOST_SIDE)
        return sim_fail(SIM_EINVAL,
                        "a sheet of %lld x %lld pixels is too large: ask for fewer or smaller images",
                        (long long)w, (long long)h);
    int64_t *pick = malloc((size_t)rows * (size_t)s->per_class * sizeof *pick),
            *seen = calloc((size_t)rows, sizeof *seen);
    sim_status status =
        pick && seen ? sim_image_open(out, (int)w, (int)h) : sim_fail(SIM_ENOMEM, "no memory for a sheet");
    if (status == SIM_OK) {
        choose(s, set, rows, pick, seen);
        status = fill(s, set, rows, label_w, pick, out);
    }
    if (status != SIM_OK) sim_image_close(out);
    free(pick);
    free(seen);
    return status;
}
