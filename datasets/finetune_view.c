#include "finetune_view.h"

#include <math.h>

#include "rng.h"
#include "views.h"

/* Streams of SIM_PURPOSE_FINETUNE_VIEW. */
enum { PLACE, OPERATIONS, ERASE, NOISE };

#define APPLIED 0.5 /* of the chosen operations */
#define ATTEMPTS 10
#define ERASE_AREA_MIN 0.02
#define ERASE_AREA_MAX (1.0 / 3)
#define ERASE_ASPECT_MIN 0.3

static struct sim_rng stream(const struct sim_look *look, int64_t image, uint32_t number)
{
    return sim_rng_make(look->seed, SIM_PURPOSE_FINETUNE_VIEW, (uint32_t)look->epoch, (uint64_t)image,
                        number);
}

static void draw_place(const struct sim_look *look, int64_t image, int width, int height,
                       struct sim_finetune_view *out)
{
    const struct sim_augment_config crops = {.crop_min = look->crop_min, .crop_max = 1, .ratio_min = 0.75};
    struct sim_rng r = stream(look, image, PLACE);
    struct sim_view v;
    sim_views_draw_crop(&crops, &r, width, height, &v);
    out->i = v.i, out->j = v.j, out->h = v.h, out->w = v.w;
    out->flip = sim_rng_uniform(&r) < look->flip;
}

/* Chosen with replacement; each is then applied or not. */
static void draw_operations(const struct sim_look *look, int64_t image, struct sim_finetune_view *out)
{
    struct sim_rng r = stream(look, image, OPERATIONS);
    out->steps = 0;
    for (int k = 0; k < look->operations; k++) {
        enum sim_randaugment_op op = (enum sim_randaugment_op)sim_rng_below(&r, SIM_RA_OPS);
        int applied = sim_rng_uniform(&r) < APPLIED;
        double magnitude = look->magnitude + look->magnitude_std * sim_rng_normal(&r);
        int negative = sim_rng_uniform(&r) < 0.5;
        magnitude = fmin(fmax(magnitude, 0), 10);
        if (applied)
            out->step[out->steps++] =
                (struct sim_randaugment_step){op, sim_randaugment_value(op, magnitude, negative)};
    }
}

/* One box, smaller than the image both ways. */
static void draw_box(const struct sim_look *look, int64_t image, int size, struct sim_finetune_box *out)
{
    struct sim_rng r = stream(look, image, ERASE);
    *out = (struct sim_finetune_box){0};
    if (sim_rng_uniform(&r) >= look->erase) return;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        double area = (double)size * size * sim_rng_between(&r, ERASE_AREA_MIN, ERASE_AREA_MAX);
        double aspect = exp(sim_rng_between(&r, log(ERASE_ASPECT_MIN), -log(ERASE_ASPECT_MIN)));
        int h = (int)rint(sqrt(area * aspect)), w = (int)rint(sqrt(area / aspect));
        if (h >= size || w >= size) continue;
        out->height = h, out->width = w;
        out->top = (int)sim_rng_below(&r, (uint32_t)(size - h) + 1);
        out->left = (int)sim_rng_below(&r, (uint32_t)(size - w) + 1);
        return;
    }
}

void sim_finetune_view_draw(const struct sim_look *look, int64_t image, int width, int height, int size,
                            struct sim_finetune_view *out)
{
    draw_place(look, image, width, height, out);
    draw_operations(look, image, out);
    draw_box(look, image, size, &out->erase);
}

sim_status sim_finetune_view_make(const struct sim_look *look, const struct sim_finetune_view *v,
                                  const struct sim_image *src, int size, uint8_t *rgb)
{
    SIM_TRY(sim_pixels_crop_resize(src, 0, v->i, v->j, v->h, v->w, size, size, look->filter, rgb));
    if (v->flip) sim_pixels_hflip(rgb, size, size);
    for (int k = 0; k < v->steps; k++) SIM_TRY(sim_randaugment_apply(&v->step[k], rgb, size, size));
    return SIM_OK;
}

void sim_finetune_view_erase(const struct sim_look *look, const struct sim_finetune_view *v, int64_t image,
                             int size, float *x)
{
    const struct sim_finetune_box *b = &v->erase;
    struct sim_rng r = stream(look, image, NOISE);
    for (int c = 0; c < 3 && b->height; c++)
        for (int row = b->top; row < b->top + b->height; row++)
            for (int column = b->left; column < b->left + b->width; column++)
                x[((int64_t)c * size + row) * size + column] = (float)sim_rng_normal(&r);
}
