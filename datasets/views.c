#include "views.h"

#include <math.h>
#include <string.h>

#include "rng.h"

/* Streams of SIM_PURPOSE_VIEW: geometry of views 1 and 2 are 0 and 1, their colours 2 and 3.  Apart, because
 * the number of crop attempts varies: an ablation that changes only crops then keeps every colour, and the
 * reverse. */
enum { GEOMETRY_STREAM = 0, COLOUR_STREAM = 2 };

/* Sizes round half to even, as Python does. */
void sim_views_draw_crop(const struct sim_augment_config *c, struct sim_rng *r, int width, int height,
                         struct sim_view *v)
{
    double area = (double)width * height, log_ratio = log(c->ratio_min);
    for (int attempt = 0; attempt < 10; attempt++) {
        double target = area * sim_rng_between(r, c->crop_min, c->crop_max);
        double ratio = exp(sim_rng_between(r, log_ratio, -log_ratio));
        double w = rint(sqrt(target * ratio)), h = rint(sqrt(target / ratio));
        if (!(0 < w && w <= width && 0 < h && h <= height)) continue;
        v->w = (int)w, v->h = (int)h;
        v->i = (int)sim_rng_below(r, (uint32_t)(height - v->h) + 1);
        v->j = (int)sim_rng_below(r, (uint32_t)(width - v->w) + 1);
        return;
    }
    double aspect = (double)width / height;
    v->w = width, v->h = height;
    if (aspect < c->ratio_min)
        v->h = (int)rint(width / c->ratio_min);
    else if (aspect > 1 / c->ratio_min)
        v->w = (int)rint(height / c->ratio_min);
    v->i = (height - v->h) / 2;
    v->j = (width - v->w) / 2;
}

/* A second crop of the first one's size, its place drawn like any crop's. */
static void draw_shift(struct sim_rng *r, int width, int height, const struct sim_view *first,
                       struct sim_view *v)
{
    v->w = first->w, v->h = first->h;
    v->i = (int)sim_rng_below(r, (uint32_t)(height - v->h) + 1);
    v->j = (int)sim_rng_below(r, (uint32_t)(width - v->w) + 1);
}

/* Every number is drawn whether used or not, so that switching one augmentation off leaves the others as they
 * were.  The order of the four jitters comes before their factors. */
static void draw_colour(const struct sim_augment_config *c, struct sim_rng *r, int second, struct sim_view *v)
{
    uint32_t order[4];
    v->jitter = sim_rng_uniform(r) < c->jitter;
    sim_rng_permutation(r, 4, order);
    for (int k = 0; k < 4; k++) v->order[k] = (int)order[k];
    v->factor[0] = sim_rng_between(r, 1 - c->brightness, 1 + c->brightness);
    v->factor[1] = sim_rng_between(r, 1 - c->contrast, 1 + c->contrast);
    v->factor[2] = sim_rng_between(r, 1 - c->saturation, 1 + c->saturation);
    v->factor[3] = sim_rng_between(r, -c->hue, c->hue);
    v->grayscale = sim_rng_uniform(r) < c->grayscale;
    v->blur = sim_rng_uniform(r) < (second ? c->blur2 : c->blur1);
    v->sigma = sim_rng_between(r, c->blur_sigma_min, c->blur_sigma_max);
    v->solarize = sim_rng_uniform(r) < (second ? c->solarize2 : c->solarize1);
}

/* The first view's colour operations in the second, which keeps its crop and flip. */
static void take_colour(const struct sim_view *from, struct sim_view *to)
{
    const struct sim_view own = *to;
    *to = *from;
    to->flip = own.flip, to->i = own.i, to->j = own.j, to->h = own.h, to->w = own.w;
}

void sim_views_draw(const struct sim_augment_config *c, uint64_t seed, uint32_t epoch, uint64_t index, int w,
                    int h, struct sim_view view[2], float geometry[6])
{
    for (uint32_t k = 0; k < 2; k++) {
        struct sim_rng place = sim_rng_make(seed, SIM_PURPOSE_VIEW, epoch, index, GEOMETRY_STREAM + k);
        struct sim_rng colour = sim_rng_make(seed, SIM_PURPOSE_VIEW, epoch, index, COLOUR_STREAM + k);
        view[k].flip = sim_rng_uniform(&place) < c->flip;
        sim_views_draw_crop(c, &place, w, h, &view[k]);
        if (k == 1 && c->same_size) draw_shift(&place, w, h, &view[0], &view[1]);
        /* what is drawn is the place in the frame that the crop is taken from; what is kept, in the view's
         * own */
        if (c->flip_last && view[k].flip) view[k].j = w - view[k].j - view[k].w;
        draw_colour(c, &colour, k == 1, &view[k]);
    }
    const struct sim_view *a = &view[0];
    struct sim_view *b = &view[1];
    if (c->same_view) b->flip = a->flip, b->i = a->i, b->j = a->j, b->h = a->h, b->w = a->w;
    if (c->same_colour) take_colour(a, b);

    /* In double, then rounded once, as the official loader's float64 tuple is on its way to the device. */
    geometry[0] = (float)((double)(b->i - a->i) / a->h);
    geometry[1] = (float)((double)(b->j - a->j) / a->w);
    geometry[2] = (float)((double)b->h / a->h);
    geometry[3] = (float)((double)b->w / a->w);
    geometry[4] = a->flip != b->flip;
    geometry[5] = (float)((double)(w - a->j - b->j) / a->w);
}

struct sim_view_style sim_views_style(const struct sim_augment_config *c)
{
    return (struct sim_view_style){
        .filter = c->filter == SIM_FILTER_BICUBIC ? SIM_RESAMPLE_BICUBIC : SIM_RESAMPLE_BILINEAR,
        .flip_last = c->flip_last,
        .jitters = {c->brightness > 0, c->contrast > 0, c->saturation > 0, c->hue > 0}};
}

sim_status sim_view_make(const struct sim_augment_config *c, const struct sim_view *v,
                         const struct sim_image *src, int size, uint8_t *out)
{
    const struct sim_view_style style = sim_views_style(c);
    return sim_view_apply(&style, v, src, size, out);
}
