/* How many images per second an optimiser step takes in, beside two limits: the step's own matrix products run alone,
 * and the same step in PyTorch.  `make bench` runs it; benchmarks/README.md says what the numbers mean. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "measure.h"
#include "peer.h"
#include "profile.h"

static const char usage[] =
    "usage: bench_step [OPTION...] [SHAPE...]        run it from the repository's root\n"
    "  --rounds N      alternations of step, products and PyTorch; medians are reported (5)\n"
    "  --seconds S     for each of them in a round (3)\n"
    "  --peers FOLDER  the virtual environment that `make peers` makes (build/peers)\n"
    "  --out FILE      also write the numbers as JSON\n"
    "  --profile       instead: the step's time by operation and shape\n"
    "shapes (all, where none is named):";

struct options {
    struct sim_measure_config measure;
    const char *peers, *out;
    int profile;
    char **shapes;
    int shape_count;
};

static void print_usage(FILE *to)
{
    fputs(usage, to);
    for (int i = 0; i < sim_bench_shape_count; i++) fprintf(to, " %s", sim_bench_shapes[i].name);
    fputc('\n', to);
}

/* 0: go on; otherwise leave with status - 1. */
static int parse(struct options *o, int argc, char **argv)
{
    static const struct option table[] = {{"rounds", required_argument, NULL, 'r'}, {"seconds", required_argument, NULL, 's'},
                                          {"peers", required_argument, NULL, 'p'}, {"out", required_argument, NULL, 'o'},
                                          {"profile", no_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    char *end = "";
    *o = (struct options){.measure = {.rounds = 5, .seconds = 3, .script = "benchmarks/peers/bench_step.py"},
                          .peers = "build/peers"};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (c) {
        case 'r': o->measure.rounds = (int)strtol(optarg, &end, 10); break;
        case 's': o->measure.seconds = strtod(optarg, &end); break;
        case 'p': o->peers = optarg; break;
        case 'o': o->out = optarg; break;
        case 'f': o->profile = 1; break;
        case 'h': print_usage(stdout); return 1;
        default: print_usage(stderr); return 3;
        }
        if (*end) {
            fprintf(stderr, "bench_step: '%s' is no number\n", optarg);
            return 3;
        }
    }
    o->shapes = argv + optind, o->shape_count = argc - optind;
    return 0;
}

static int is_wanted(const struct options *o, const char *name)
{
    for (int i = 0; i < o->shape_count; i++)
        if (strcmp(o->shapes[i], name) == 0) return 1;
    return o->shape_count == 0;
}

static sim_status check_shapes(const struct options *o)
{
    for (int i = 0; i < o->shape_count; i++) {
        int known = 0;
        for (int k = 0; k < sim_bench_shape_count; k++) known |= strcmp(o->shapes[i], sim_bench_shapes[k].name) == 0;
        if (!known) return sim_fail(SIM_EINVAL, "no shape is called '%s'; see --help", o->shapes[i]);
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ what comes out */

static void print_table(const struct sim_measure *m, int count, int with_peer)
{
    printf("| shape | images/s | GFLOP/s | share of products | torch images/s | ratio |\n"
           "|---|---:|---:|---:|---:|---:|\n");
    for (int i = 0; i < count; i++) {
        printf("| %s, batch %ld | %.2f | %.0f | %.1f %% |", m[i].shape->name, (long)m[i].shape->batch, m[i].images_per_s,
               1e-9 * m[i].images_per_s * m[i].flop_per_image, 100 * m[i].share_of_products);
        if (with_peer) printf(" %.2f | %.2f |\n", m[i].torch_images_per_s, m[i].ratio);
        else printf(" no peers (make peers) | |\n");
    }
    printf("\n%d threads, %s, medians of %d rounds. GFLOP per image by the method, and executed (attention's backward makes "
           "its logits again):",
           m->threads, m->isa, m->rounds);
    for (int i = 0; i < count; i++)
        printf(" %s %.2f, %.2f%s", m[i].shape->name, 1e-9 * m[i].flop_per_image, 1e-9 * m[i].executed_flop_per_image,
               i + 1 < count ? ";" : ".\n");
    if (with_peer) {
        printf("PyTorch %s, eager, the better of 1 and %d threads:", m->torch_version, m->threads);
        for (int i = 0; i < count; i++) printf(" %d%s", m[i].torch_threads, i + 1 < count ? "," : ".\n");
    }
}

static json_t *number_or_null(double x)
{
    return x > 0 ? json_real(x) : json_null();
}

static sim_status write_json(const char *path, const struct sim_measure *m, int count)
{
    static const char *const ways[] = {"tiled", "plain"};
    json_t *list = json_array();
    for (int i = 0; i < count; i++, m++)
        json_array_append_new(
            list, json_pack("{s:s, s:f, s:f, s:o, s:o, s:f, s:f, s:f, s:s, s:f, s:f, s:s, s:i, s:o, s:i}", "shape",
                            m->shape->name, "images_per_s", m->images_per_s, "share_of_products", m->share_of_products,
                            "torch_images_per_s", number_or_null(m->torch_images_per_s), "ratio", number_or_null(m->ratio),
                            "gflops", 1e-9 * m->images_per_s * m->flop_per_image, "gflop_per_image",
                            1e-9 * m->flop_per_image, "executed_gflop_per_image", 1e-9 * m->executed_flop_per_image,
                            "limit", ways[m->limit], "share_of_tiled", m->share_by[SIM_STEP_PRODUCTS_TILED], "share_of_plain",
                            m->share_by[SIM_STEP_PRODUCTS_PLAIN], "isa", m->isa, "threads", m->threads, "torch_threads",
                            m->torch_threads ? json_integer(m->torch_threads) : json_null(), "rounds", m->rounds));
    char *text = json_dumps(list, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(list);
    if (!text) return sim_fail(SIM_ENOMEM, "no memory for %s", path);
    sim_status status = sim_file_write(path, text, strlen(text));
    free(text);
    return status;
}

/* ------------------------------------------------------------------ the two ways to run */

static sim_status profile(const struct options *o)
{
    for (int i = 0; i < sim_bench_shape_count; i++) {
        if (!is_wanted(o, sim_bench_shapes[i].name)) continue;
        struct sim_subject s;
        sim_status status = sim_subject_open(&s, &sim_bench_shapes[i], "cpu", NULL);
        if (status == SIM_OK) status = sim_profile_print(&s, 3);
        sim_subject_close(&s);
        SIM_TRY(status);
    }
    return SIM_OK;
}

static sim_status bench(struct options *o)
{
    enum { ROOM = 16 };
    struct sim_measure m[ROOM];
    char python[1024];
    int count = 0;
    if (sim_peer_python(o->peers, python, sizeof python)) o->measure.python = python;
    for (int i = 0; i < sim_bench_shape_count && count < ROOM; i++)
        if (is_wanted(o, sim_bench_shapes[i].name))
            SIM_TRY(sim_measure_step(&m[count++], &sim_bench_shapes[i], &o->measure));
    print_table(m, count, o->measure.python != NULL);
    return o->out ? write_json(o->out, m, count) : SIM_OK;
}

int main(int argc, char **argv)
{
    struct options o;
    int leave = parse(&o, argc, argv);
    if (leave) return leave - 1;
    sim_status status = check_shapes(&o);
    if (status == SIM_OK) status = o.profile ? profile(&o) : bench(&o);
    if (status == SIM_OK) return 0;
    fprintf(stderr, "bench_step: %s\n", sim_error_text());
    return 1;
}
