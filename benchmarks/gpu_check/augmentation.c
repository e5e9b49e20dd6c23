/* Views made on the device, images per second: from images that it holds, and from images that come with the job. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "gpu_bench.h"
#include "rng.h"
#include "run_config.h"
#include "view_jobs.h"
#include "views.h"

struct bench {
    const struct sim_ops *o;
    float *out;
    uint8_t *pixels; /* (images, height, width, 3) */
    atomic_uchar *held;
    struct sim_view_job *job;
    struct sim_view_set set;
    struct sim_view_jobs jobs;
};

static void make(void *argument)
{
    const struct bench *b = argument;
    b->o->make_views(b->o, b->out, &b->jobs);
}

/* As ImageNet's: 500 x 375 pixels, the published augmentation. */
static sim_status fill(struct bench *b, int64_t count, int64_t images, int size, int width, int height)
{
    struct sim_run_config c;
    const size_t bytes = (size_t)width * (size_t)height * 3;
    b->pixels = malloc((size_t)images * bytes);
    b->held = calloc((size_t)images, sizeof *b->held);
    b->job = calloc((size_t)count, sizeof *b->job);
    b->out = sim_bench_floats(b->o, count * 3 * size * size, 1);
    if (!b->pixels || !b->held || !b->job || !b->out) return sim_fail(SIM_ENOMEM, "no memory for %ld views", (long)count);
    struct sim_rng r = sim_rng_make(2, SIM_PURPOSE_TEST, 0, 0, 0);
    for (size_t i = 0; i < (size_t)images * bytes; i++) b->pixels[i] = i % 7 ? b->pixels[i - 1] : (uint8_t)(255 * sim_rng_uniform(&r));
    SIM_TRY(sim_fields_preset(sim_run_schema(), &c));
    b->set = (struct sim_view_set){.name = "gpu_bench", .images = images, .held = b->held};
    b->jobs = (struct sim_view_jobs){
        .count = count, .size = size, .style = sim_views_style(&c.augment), .job = b->job, .set = &b->set};
    for (int64_t i = 0; i < count; i++) {
        struct sim_view view[2];
        float geometry[6];
        sim_views_draw(&c.augment, 3, 0, (uint64_t)i, width, height, view, geometry);
        b->job[i] = (struct sim_view_job){.view = view[i % 2], .image = i % images, .width = width, .height = height,
                                          .rgb = b->pixels + (size_t)(i % images) * bytes};
    }
    return SIM_OK;
}

static sim_status time_views(struct bench *b, const char *name, const char *shape)
{
    const struct sim_repeat r = {b->o, make, b, 0.1};
    double seconds;
    SIM_TRY(sim_repeat_time(&r, &seconds));
    return sim_line_print(json_pack("{s:s, s:s, s:s, s:f, s:f, s:s}", "kind", "operation", "name", name, "shape", shape,
                                    "ms", 1e3 * seconds, "value", (double)b->jobs.count / seconds, "unit", "views/s"));
}

sim_status sim_bench_augmentation(int tiny)
{
    struct sim_ops o;
    const int size = tiny ? 32 : 224, width = tiny ? 50 : 500, height = tiny ? 40 : 375;
    const int64_t count = tiny ? 4 : 256;
    char shape[80];
    SIM_TRY(sim_ops_open(&o, "cuda", NULL));
    if (!o.make_views) {
        o.close(&o);
        return sim_fail(SIM_ELIB, "this backend makes no views");
    }
    struct bench b = {.o = &o};
    snprintf(shape, sizeof shape, "%ld views of %d x %d from %d x %d", (long)count, size, size, width, height);
    sim_status status = fill(&b, count, count, size, width, height);
    if (status == SIM_OK) {
        b.set.name[0] = 0; /* nothing is kept: pixels travel with every job */
        status = time_views(&b, "views, pixels from the host", shape);
    }
    if (status == SIM_OK) {
        snprintf(b.set.name, sizeof b.set.name, "gpu_bench");
        make(&b); /* the device takes the images; from now on jobs come without pixels where it did */
        status = o.finish(&o);
        int64_t held = 0;
        for (int64_t i = 0; i < count; i++)
            if (b.held[b.job[i].image]) b.job[i].rgb = NULL, held++;
        if (status == SIM_OK && held == count) status = time_views(&b, "views, images on the device", shape);
    }
    sim_bench_release(&o, b.out);
    free(b.pixels), free(b.held), free(b.job);
    o.close(&o);
    return status;
}
