#include "gpu_bench.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "peer.h"
#include "rng.h"

static const char usage[] =
    "usage: gpu_bench facts | rates | operations | steps | profile [--tiny]\n"
    "       gpu_bench report LINES --markdown FILE --record FILE --seconds S\n"
    "A part of make gpu-check (benchmarks/README.md).  JSON lines on standard output.\n";

/* ------------------------------------------------------------------ what the parts share */

static sim_status many(const struct sim_repeat *r, int64_t count, double *seconds)
{
    double since = omp_get_wtime();
    for (int64_t i = 0; i < count; i++) r->queue(r->argument);
    SIM_TRY(r->ops->finish(r->ops));
    *seconds = omp_get_wtime() - since;
    return SIM_OK;
}

sim_status sim_repeat_time(const struct sim_repeat *r, double *seconds)
{
    enum { ROUNDS = 5 };
    double took, each[ROUNDS];
    int64_t count = 1;
    SIM_TRY(many(r, 2, &took)); /* plans, caches, memory touched */
    for (;;) {
        SIM_TRY(many(r, count, &took));
        if (took >= 0.2 * r->seconds || count >= 100000) break;
        count *= 4;
    }
    count = (int64_t)((double)count * r->seconds / took) + 1;
    for (int i = 0; i < ROUNDS; i++) {
        SIM_TRY(many(r, count, &took));
        each[i] = took / (double)count;
    }
    *seconds = sim_median(each, ROUNDS);
    return SIM_OK;
}

sim_status sim_line_print(json_t *line)
{
    char *text = line ? json_dumps(line, JSON_REAL_PRECISION(7)) : NULL;
    json_decref(line);
    if (!text) return sim_fail(SIM_ENOMEM, "no memory for a line of JSON");
    puts(text);
    free(text);
    return fflush(stdout) == 0 ? SIM_OK : sim_fail(SIM_EIO, "standard output could not be written");
}

/* count numbers of `bytes` each, the upper part of a float32 (bfloat16 is its upper half). */
static void *filled(const struct sim_ops *o, int64_t count, size_t bytes, float scale)
{
    enum { DRAWN = 1 << 16 };
    static float drawn[DRAWN];
    struct sim_rng r = sim_rng_make(1, SIM_PURPOSE_TEST, 0, 0, 0);
    unsigned char *host = malloc((size_t)count * bytes);
    void *there = o->memory.take(o->memory.context, (size_t)count * bytes);
    for (int i = 0; i < DRAWN; i++) drawn[i] = scale * (float)sim_rng_normal(&r);
    for (int64_t i = 0; host && i < count; i++)
        memcpy(host + (size_t)i * bytes, (unsigned char *)&drawn[i % DRAWN] + (sizeof(float) - bytes), bytes);
    if (host && there) o->upload(o, there, host, (size_t)count * bytes);
    free(host);
    return host ? there : NULL;
}

sim_act *sim_bench_acts(const struct sim_ops *o, int64_t count)
{
    return filled(o, count, o->act_bytes, 1);
}

float *sim_bench_floats(const struct sim_ops *o, int64_t count, float scale)
{
    return filled(o, count, sizeof(float), scale);
}

void sim_bench_release(const struct sim_ops *o, const void *block)
{
    o->memory.release(o->memory.context, (void *)block);
}

const struct sim_bench_model *sim_bench_models(int tiny)
{
    static const struct sim_bench_model real[SIM_BENCH_MODELS] = {
        {{"vit_s_224", 224, 16, 384, 12, 6, 384, 8, .batch = 128, .hidden = 118}, 512},
        {{"vit_b_224", 224, 16, 768, 12, 12, 768, 16, .batch = 64, .hidden = 118}, 256}};
    static const struct sim_bench_model small[SIM_BENCH_MODELS] = {
        {{"tiny_s", 32, 8, 32, 1, 2, 32, 4, .batch = 2, .hidden = 9}, 3},
        {{"tiny_b", 32, 8, 64, 1, 2, 64, 4, .batch = 2, .hidden = 9}, 3}};
    return tiny ? small : real;
}

/* ------------------------------------------------------------------ the program */

static sim_status print_facts(void)
{
    struct sim_ops ops;
    struct sim_ops_facts f;
    SIM_TRY(sim_ops_open(&ops, "cuda", NULL));
    sim_facts_of(&ops, &f);
    ops.close(&ops);
    json_t *libraries = json_array();
    for (int i = 0; i < f.library_count; i++) json_array_append_new(libraries, json_string(f.libraries[i]));
    return sim_line_print(json_pack("{s:s, s:b, s:s, s:s, s:o, s:s}", "kind", "facts", "emulated", f.emulated,
                                    "device", f.device, "driver", f.driver, "libraries", libraries, "commit",
                                    SIM_VERSION));
}

struct words {
    const char *what, *lines, *markdown, *record;
    double seconds;
    int tiny;
};

static int parse(struct words *w, int argc, char **argv)
{
    *w = (struct words){.what = argc > 1 ? argv[1] : ""};
    for (int i = 2; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--tiny") == 0) w->tiny = 1;
        else if (strcmp(argv[i], "--markdown") == 0 && next) w->markdown = argv[++i];
        else if (strcmp(argv[i], "--record") == 0 && next) w->record = argv[++i];
        else if (strcmp(argv[i], "--seconds") == 0 && next) w->seconds = strtod(argv[++i], NULL);
        else if (argv[i][0] != '-' && !w->lines) w->lines = argv[i];
        else return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    struct words w;
    sim_status status = SIM_EINVAL;
    int known = parse(&w, argc, argv);
    if (known && strcmp(w.what, "facts") == 0) status = print_facts();
    else if (known && strcmp(w.what, "rates") == 0) status = sim_bench_rates(w.tiny);
    else if (known && strcmp(w.what, "operations") == 0) {
        status = sim_bench_operations(w.tiny);
        if (status == SIM_OK) status = sim_bench_augmentation(w.tiny);
    } else if (known && strcmp(w.what, "steps") == 0) status = sim_bench_steps(w.tiny);
    else if (known && strcmp(w.what, "profile") == 0) status = sim_bench_profile(w.tiny);
    else if (known && strcmp(w.what, "report") == 0 && w.lines && w.markdown && w.record)
        status = sim_bench_report(w.lines, w.markdown, w.record, w.seconds);
    else {
        fputs(usage, stderr);
        return 2;
    }
    if (status == SIM_OK) return 0;
    fprintf(stderr, "gpu_bench: %s\n", sim_error_text());
    return 1;
}
