/* Where an image's time goes (data_bench.h). */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "data_bench.h"

const char *const sim_data_stage_names[SIM_DATA_STAGES] = {"decode", "draw", "resample",
                                                           "colour", "blur", "normalise"};

/* A view is made three times, each time with more of what was drawn. */
enum { BARE, COLOURED, WHOLE, WAYS };

struct times {
    double decode, draw, view[WAYS], normalize;
};

static double thread_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct sim_view with_less(struct sim_view v, int way)
{
    if (way < WHOLE) v.blur = 0;
    if (way < COLOURED) v.jitter = v.grayscale = v.solarize = 0;
    return v;
}

/* Adds what image i takes to *t. */
static sim_status one_image(const struct sim_data_bench *b, int64_t i, struct sim_image *view, float *out,
                            struct times *t)
{
    const struct sim_augment_config *augment = &b->config.augment;
    const int size = view->width;
    struct sim_image source = {0};
    struct sim_view views[2];
    float geometry[6];
    double last = thread_s(), now;
#define PASSED(into) (now = thread_s(), (into) += now - last, last = now)
    SIM_TRY(b->images.read(b->images.self, i, &source));
    PASSED(t->decode);
    sim_views_draw(augment, 0, 0, (uint64_t)i, source.width, source.height, views, geometry);
    PASSED(t->draw);
    sim_status status = SIM_OK;
    for (int k = 0; k < 2; k++) {
        for (int way = 0; way < WAYS && status == SIM_OK; way++) {
            const struct sim_view v = with_less(views[k], way);
            status = sim_view_make(augment, &v, &source, size, view->rgb);
            PASSED(t->view[way]);
        }
        sim_pixels_normalize(view->rgb, size, size, (enum sim_normalize)b->config.data.normalize, out);
        PASSED(t->normalize);
    }
#undef PASSED
    sim_image_close(&source);
    return status;
}

sim_status sim_data_bench_stages(const struct sim_data_bench *b, int rounds, double seconds[SIM_DATA_STAGES])
{
    const int size = (int)b->config.model.img_size;
    struct sim_image view;
    struct times best = {HUGE_VAL, HUGE_VAL, {HUGE_VAL, HUGE_VAL, HUGE_VAL}, HUGE_VAL};
    SIM_TRY(sim_image_open(&view, size, size));
    float *out = malloc((size_t)size * (size_t)size * 3 * sizeof *out);
    sim_status status = out ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory for a view");
    for (int r = 0; r < rounds && status == SIM_OK; r++) {
        struct times t = {0};
        for (int64_t i = 0; i < b->opened_images && status == SIM_OK; i++)
            status = one_image(b, i, &view, out, &t);
        best.decode = fmin(best.decode, t.decode), best.draw = fmin(best.draw, t.draw);
        for (int way = 0; way < WAYS; way++) best.view[way] = fmin(best.view[way], t.view[way]);
        best.normalize = fmin(best.normalize, t.normalize);
    }
    free(out);
    sim_image_close(&view);
    if (status != SIM_OK) return status;
    seconds[SIM_DATA_DECODE] = best.decode, seconds[SIM_DATA_DRAW] = best.draw;
    seconds[SIM_DATA_RESAMPLE] = best.view[BARE];
    seconds[SIM_DATA_COLOUR] = best.view[COLOURED] - best.view[BARE];
    seconds[SIM_DATA_BLUR] = best.view[WHOLE] - best.view[COLOURED];
    seconds[SIM_DATA_NORMALIZE] = best.normalize;
    for (int s = 0; s < SIM_DATA_STAGES; s++) seconds[s] /= (double)b->opened_images;
    return SIM_OK;
}
