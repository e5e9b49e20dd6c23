#include "run_views.h"

#include <stdlib.h>

sim_status sim_run_views_open(struct sim_run_views *out, const struct sim_run_config *c,
                              const struct sim_images *images, int64_t index, int64_t epoch)
{
    const int grid = (int)(c->model.img_size / c->model.patch_size);
    const uint64_t seed = (uint64_t)c->seed;
    *out = (struct sim_run_views){.drawing = {.source = &out->source,
                                              .augment = &c->augment,
                                              .grid = grid,
                                              .img_size = (int)c->model.img_size}};
    SIM_TRY(sim_mask_hidden(&c->mask, grid, &out->hidden));
    SIM_TRY(images->read(images->self, index, &out->source));
    out->mask = malloc((size_t)grid * (size_t)grid);
    if (!out->mask) {
        sim_run_views_close(out);
        return sim_fail(SIM_ENOMEM, "no memory for a mask of %d patches", grid * grid);
    }
    out->drawing.mask = out->mask;
    sim_views_draw(&c->augment, seed, (uint32_t)epoch, (uint64_t)index, out->source.width, out->source.height,
                   out->drawing.view, out->drawing.geometry);
    sim_mask_draw(&c->mask, seed, (uint32_t)epoch, (uint64_t)index, grid, (int)out->hidden, out->mask);
    return SIM_OK;
}

void sim_run_views_close(struct sim_run_views *v)
{
    sim_image_close(&v->source);
    free(v->mask);
    *v = (struct sim_run_views){0};
}
