/* Whole optimiser steps, and where their time goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "gpu_bench.h"
#include "marks.h"
#include "peer.h"

/* A way to run a model. */
struct way {
    int model, larger; /* which of sim_bench_models, which of its batch sizes */
    struct sim_device_options options;
};

static sim_status open_subject(struct sim_subject *s, struct sim_bench_shape *shape, const struct way *way, int tiny)
{
    double seconds;
    *shape = sim_bench_models(tiny)[way->model].shape;
    if (way->larger) shape->batch = sim_bench_models(tiny)[way->model].larger_batch;
    SIM_TRY(sim_subject_open(s, shape, "cuda", &way->options));
    SIM_TRY(sim_subject_step(s, &seconds)); /* brings the inputs, makes plans */
    sim_watch_keep_inputs(&s->watch);
    return sim_subject_steps(s, tiny ? 1 : 4, &seconds); /* with graphs: records */
}

/* ------------------------------------------------------------------ steps */

static sim_status time_steps(struct sim_subject *s, int tiny, double *seconds)
{
    enum { ROUNDS = 5 };
    double each[ROUNDS], took;
    if (tiny) return sim_subject_steps(s, 1, seconds);
    SIM_TRY(sim_subject_steps(s, 2, &took));
    int count = (int)(0.8 / took) + 2; /* took is that of two steps: 0.4 s a round */
    for (int i = 0; i < ROUNDS; i++) {
        SIM_TRY(sim_subject_steps(s, count, &took));
        each[i] = took / count;
    }
    *seconds = sim_median(each, ROUNDS);
    return SIM_OK;
}

static sim_status step(const struct way *way, int tiny)
{
    struct sim_subject s = {0};
    struct sim_bench_shape shape;
    struct sim_ops_facts facts;
    double seconds = 0;
    sim_status status = open_subject(&s, &shape, way, tiny);
    if (status == SIM_OK) status = time_steps(&s, tiny, &seconds);
    if (status == SIM_OK) {
        json_t *notes = json_array();
        sim_facts_of(&s.watch.inner, &facts);
        for (int i = 0; i < facts.substituted_count; i++)
            json_array_append_new(notes, json_string(facts.substituted[i]));
        const double flop = s.objective.cost.flop_per_image * (double)shape.batch;
        status = sim_line_print(json_pack(
            "{s:s, s:s, s:I, s:s, s:b, s:b, s:f, s:f, s:f, s:f, s:o}", "kind", "step", "shape", shape.name, "batch",
            (json_int_t)shape.batch, "precision", "bf16", "deterministic", s.watch.inner.deterministic, "graph",
            way->options.graphs, "ms", 1e3 * seconds, "images_per_s", (double)shape.batch / seconds, "tflops",
            1e-12 * flop / seconds, "gflop_per_image", 1e-9 * s.objective.cost.flop_per_image, "substituted", notes));
    } else {
        status = sim_context(status, "%s, batch %ld", shape.name, (long)shape.batch);
    }
    sim_subject_close(&s);
    return status;
}

sim_status sim_bench_steps(int tiny)
{
    static const struct way ways[] = {{0, 0, {0}},
                                      {0, 0, {.graphs = 1}},
                                      {0, 1, {0}},
                                      {0, 1, {.fast = 1}},
                                      {1, 0, {0}},
                                      {1, 1, {0}},
                                      {1, 1, {.fast = 1}},
                                      {1, 1, {.fast = 1, .tune = 1}}};
    sim_status first = SIM_OK;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) { /* one that does not fit hides none of the others */
        sim_status status = step(&ways[i], tiny);
        if (status == SIM_OK) continue;
        fprintf(stderr, "gpu_bench: %s\n", sim_error_text());
        first = status;
    }
    return first;
}

/* ------------------------------------------------------------------ the profile */

static sim_status print_profile(const struct sim_watch *w, const struct sim_bench_shape *shape, int steps, double whole)
{
    double inside = 0;
    for (size_t i = 0; i < w->count; i++) {
        const char *name = w->calls[i].name;
        double seconds = 0, flop = 0;
        int calls = 0, seen = 0;
        for (size_t k = 0; k < i && !seen; k++) seen = strcmp(w->calls[k].name, name) == 0;
        if (seen) continue;
        for (size_t k = i; k < w->count; k++)
            if (strcmp(w->calls[k].name, name) == 0)
                seconds += w->calls[k].seconds, flop += sim_call_flop(&w->calls[k]), calls++;
        inside += seconds;
        SIM_TRY(sim_line_print(json_pack("{s:s, s:s, s:I, s:s, s:f, s:f, s:f, s:f}", "kind", "profile", "shape",
                                         shape->name, "batch", (json_int_t)shape->batch, "operation", name, "calls",
                                         (double)calls / steps, "ms", 1e3 * seconds / steps, "share",
                                         seconds / steps / whole, "tflops", seconds > 0 ? 1e-12 * flop / seconds : 0.0)));
    }
    return sim_line_print(json_pack("{s:s, s:s, s:I, s:s, s:f, s:f, s:f, s:f}", "kind", "profile", "shape", shape->name,
                                    "batch", (json_int_t)shape->batch, "operation", "between operations", "calls", 0.0,
                                    "ms", 1e3 * (whole - inside / steps), "share", 1 - inside / steps / whole, "tflops",
                                    0.0));
}

static sim_status profile(const struct way *way, int tiny)
{
    const int steps = tiny ? 1 : 5;
    struct sim_subject s = {0};
    struct sim_bench_shape shape;
    struct sim_watch_clock clock = {0};
    double seconds = 0;
    sim_status status = open_subject(&s, &shape, way, tiny);
    if (status == SIM_OK) status = sim_marks_open(&clock, &s.watch.inner);
    if (status == SIM_OK) {
        s.watch.clock = &clock;
        sim_watch_on(&s.watch);
        status = sim_subject_steps(&s, 1, &seconds); /* makes the events */
    }
    if (status == SIM_OK) {
        sim_watch_on(&s.watch);
        status = sim_subject_steps(&s, steps, &seconds);
    }
    if (clock.self) sim_watch_off(&s.watch);
    if (status == SIM_OK) status = print_profile(&s.watch, &shape, steps, seconds / steps);
    s.watch.clock = NULL;
    sim_marks_close(&clock);
    sim_subject_close(&s);
    return status;
}

sim_status sim_bench_profile(int tiny)
{
    SIM_TRY(profile(&(struct way){0, 1, {0}}, tiny));
    return profile(&(struct way){1, 1, {0}}, tiny);
}
