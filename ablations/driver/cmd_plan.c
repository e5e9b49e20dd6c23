/* siameseim plan: what the runs of a file would cost here, without training. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "command.h"
#include "device_plan.h"
#include "experiment.h"
#include "images.h"
#include "machine.h"
#include "objective.h"
#include "options.h"
#include "procedural.h"
#include "progress.h"

#define GEMM_SECONDS 0.4
#define ASSUMED_SHARE 0.7 /* of the measured matrix rate that a step reaches */

static const char help[] =
    "usage: siameseim plan FILE.yaml... [options]\n"
    "\n"
    "Says for every run of the files what it would cost on this machine: parameters, arithmetic, memory,\n"
    "steps, time.  Nothing is trained and no image is decoded.\n"
    "\n"
    "  --run NAME        only this run; may be repeated\n"
    "  --set KEY=VALUE   change a key in all runs; may be repeated\n"
    "  --images N        take the training set to hold N images (default: as configured, or counted)\n"
    "  --device DEVICE   for this device: cpu (the default), cuda or cuda:N\n"
    "  --threads N       measure with so many threads\n"
    "  --gflops X        do not measure: take X GFLOP/s as the machine's matrix rate\n"
    "  --device-json F   also plan attention for the GPU that F describes, as cuDNN writes it; may be "
    "repeated\n"
    "  --ranks N         with --device-json: N such GPUs share a batch (default: 1)\n"
    "\n"
    "The time is the arithmetic at 70 % of the measured matrix rate, an assumption; scoring and reading\n"
    "come on top.\n"
    "\n"
    "Planning for a GPU needs cuDNN but neither the GPU nor its driver; without the driver LD_LIBRARY_PATH "
    "must\n"
    "name a folder with a stub in its place (stubs/ beside this program, where it was built).  It fails "
    "where\n"
    "some attention has no plan.\n"
    "\n"
    "example: siameseim plan ablations/siameseim_vit_b.yaml --images 1281167\n";

struct words {
    struct sim_words files, sets, names, devices;
    const char *images, *threads, *gflops, *ranks, *device, *scale, *out;
};

struct assumptions {
    int64_t images; /* 0: to be found out */
    double gflops;
};

struct estimate {
    struct sim_cost cost;
    int64_t images, steps; /* 0: unknown */
    double gflop, seconds;
};

/* Images in the training set; 0 where its path leads nowhere. */
static sim_status count_images(const struct sim_run *run, int64_t *out)
{
    const struct sim_data_config *d = &run->config.data;
    struct sim_images images;
    *out = 0;
    if (d->kind == SIM_DATA_PROCEDURAL) {
        *out = SIM_PROCEDURAL_FAMILIES * d->procedural_train_per_class;
        if (d->limit_train && d->limit_train < *out) *out = d->limit_train;
        return SIM_OK;
    }
    if (d->limit_train) {
        *out = d->limit_train;
        return SIM_OK;
    }
    sim_status status = sim_images_open(&images, d, SIM_TRAIN, (uint64_t)run->config.seed);
    if (status == SIM_EIO) return SIM_OK; /* not on this machine: the cost per image stands all the same */
    SIM_TRY(status);
    *out = images.count;
    sim_images_close(&images);
    return SIM_OK;
}

static sim_status estimate_run(const struct sim_run *run, const struct assumptions *a, struct estimate *out)
{
    const struct sim_run_config *c = &run->config;
    int64_t grid = c->model.img_size / c->model.patch_size, hidden;
    memset(out, 0, sizeof *out);
    SIM_TRY(sim_mask_hidden(&c->mask, grid, &hidden));
    SIM_TRY(
        sim_siameseim_cost(&out->cost, &c->model, &c->siameseim, c->train.batch_size, grid * grid - hidden,
                           c->compute.precision == SIM_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float)));
    out->images = a->images;
    if (!out->images) SIM_TRY(count_images(run, &out->images));
    out->steps = c->train.epochs * (out->images / c->train.batch_size);
    if (c->train.max_steps && c->train.max_steps < out->steps) out->steps = c->train.max_steps;
    out->gflop = 1e-9 * out->cost.flop_per_image * (double)c->train.batch_size * (double)out->steps;
    out->seconds = a->gflops > 0 ? out->gflop / (ASSUMED_SHARE * a->gflops) : 0;
    return SIM_OK;
}

static void print_heading(void)
{
    printf("%-24s %9s %9s %9s %11s %9s %8s %9s %11s %14s\n", "run", "params M", "trained M", "momentum",
           "GFLOP/image", "images", "steps", "memory", "GFLOP", "time");
}

static void print_run(const struct sim_run *run, const struct estimate *e)
{
    char memory[24], images[24] = "?", steps[24] = "?", gflop[24] = "?", took[32] = "?";
    double gib = (double)(e->cost.activation_bytes + e->cost.state_bytes) / 1073741824.0;
    snprintf(memory, sizeof memory, gib >= 1 ? "%.1f GiB" : "%.0f MiB", gib >= 1 ? gib : gib * 1024);
    if (e->images) snprintf(images, sizeof images, "%lld", (long long)e->images);
    if (e->images || !run->config.train.epochs) {
        snprintf(steps, sizeof steps, "%lld", (long long)e->steps);
        snprintf(gflop, sizeof gflop, "%.3g", e->gflop);
        sim_format_duration(e->seconds, took, sizeof took);
    }
    printf("%-24s %9.2f %9.2f %9.2f %11.3g %9s %8s %9s %11s %14s\n", run->folder,
           1e-6 * (double)e->cost.parameters, 1e-6 * (double)e->cost.trainable,
           1e-6 * (double)e->cost.momentum_copies, 1e-9 * e->cost.flop_per_image, images, steps, memory,
           gflop, took);
}

static sim_status print_plan(const struct sim_experiment *e, const struct assumptions *a)
{
    double seconds = 0;
    int unknown = 0;
    char took[32];
    print_heading();
    for (int i = 0; i < e->count; i++) {
        struct estimate estimate;
        sim_status status = estimate_run(&e->runs[i], a, &estimate);
        if (status != SIM_OK) return sim_context(status, "run %s", e->runs[i].folder);
        print_run(&e->runs[i], &estimate);
        seconds += estimate.seconds;
        unknown += !estimate.images && e->runs[i].config.train.epochs > 0;
    }
    sim_format_duration(seconds, took, sizeof took);
    printf("\n%d run%s, %s of training at %.0f %% of %.0f GFLOP/s; memory is that of activations, weights "
           "and optimiser.\n",
           e->count, e->count == 1 ? "" : "s", took, 100 * ASSUMED_SHARE, a->gflops);
    if (unknown)
        printf("The training images of %d run%s are not here, so steps and time are open: set data.train, or "
               "--images N.\n",
               unknown, unknown == 1 ? "" : "s");
    return SIM_OK;
}

/* The device's matrix rate in what the first run computes in. */
static sim_status measure(const struct words *w, const struct sim_backend *backend,
                          const struct sim_compute_config *compute, double *gflops)
{
    struct sim_ops ops;
    struct sim_machine machine;
    char *end;
    if (w->gflops) {
        *gflops = strtod(w->gflops, &end);
        if (end != w->gflops && !*end && *gflops > 0 && *gflops < 1e12) return SIM_OK;
        return sim_fail(SIM_EINVAL, "--gflops %s: a positive number is needed", w->gflops);
    }
    SIM_TRY(sim_backend_open(&ops, backend, compute, NULL));
    sim_machine_read(&machine, &ops, GEMM_SECONDS);
    ops.close(&ops);
    *gflops = machine.gemm_gflops;
    printf("%s, %s, %d thread%s: matrix products at %.0f GFLOP/s\n\n", machine.facts.device,
           sim_precision_name(machine.precision), machine.threads, machine.threads == 1 ? "" : "s", *gflops);
    return SIM_OK;
}

/* The runs asked for, resolved for a backend of this name; close after failure too. */
static sim_status open_runs(struct sim_experiment *e, const struct words *w, const char *backend)
{
    *e = (struct sim_experiment){0};
    SIM_TRY(sim_experiment_open(e, w->files.word, w->files.count, w->scale, w->sets.word, w->sets.count));
    SIM_TRY(sim_experiment_select(e, w->names.word, w->names.count));
    return sim_experiment_resolve(e, backend);
}

static sim_status plan_here(const struct words *w, struct assumptions *a)
{
    struct sim_experiment experiment;
    struct sim_backend backend;
    SIM_TRY(sim_backend_parse(w->device, &backend));
    sim_status status = open_runs(&experiment, w, backend.name);
    if (status == SIM_OK && experiment.count)
        status = measure(w, &backend, &experiment.runs[0].config.compute, &a->gflops);
    if (status == SIM_OK) status = print_plan(&experiment, a);
    sim_experiment_close(&experiment);
    return status;
}

/* On GPUs that are described, the runs are resolved anew: what `auto` stands for depends on the device. */
static sim_status plan_there(const struct words *w, int64_t ranks)
{
    struct sim_experiment experiment;
    sim_status status = open_runs(&experiment, w, "cuda");
    for (int i = 0; i < w->devices.count && status == SIM_OK; i++)
        status = sim_device_plan_print(&experiment, w->devices.word[i], ranks);
    sim_experiment_close(&experiment);
    return status;
}

static sim_status plan_files(const struct words *w)
{
    struct assumptions a = {0};
    int64_t threads, ranks = 1;
    if (!w->files.count)
        return sim_fail(SIM_EINVAL,
                        "which runs? a FILE.yaml is needed, such as ablations/quickstart.yaml; see --help");
    if (w->images) SIM_TRY(sim_options_whole("--images", w->images, 1, INT64_C(1000000000000), &a.images));
    if (w->threads) {
        SIM_TRY(sim_options_whole("--threads", w->threads, 1, 1024, &threads));
        omp_set_num_threads((int)threads);
    }
    if (w->ranks) SIM_TRY(sim_options_whole("--ranks", w->ranks, 1, 65536, &ranks));
    if (w->ranks && !w->devices.count)
        return sim_fail(SIM_EINVAL,
                        "--ranks is the number of GPUs; which kind? --device-json FILE is needed");
    SIM_TRY(plan_here(w, &a));
    return w->devices.count ? plan_there(w, ranks) : SIM_OK;
}

static int run_plan(int argc, char **argv)
{
    struct words w = {0};
    const struct sim_option options[] = {
        {"--run", NULL, NULL, &w.names},     {"--set", NULL, NULL, &w.sets},
        {"--images", NULL, &w.images, NULL}, {"--threads", NULL, &w.threads, NULL},
        {"--gflops", NULL, &w.gflops, NULL}, {"--device-json", NULL, NULL, &w.devices},
        {"--ranks", NULL, &w.ranks, NULL},   {"--device", NULL, &w.device, NULL}};
    sim_status status = sim_options_parse(argc, argv, options, sizeof options / sizeof *options, &w.files);
    if (status == SIM_OK) status = plan_files(&w);
    sim_words_close(&w.files);
    sim_words_close(&w.sets);
    sim_words_close(&w.names);
    sim_words_close(&w.devices);
    return status == SIM_OK ? 0 : sim_command_failed("plan");
}

const struct sim_command sim_command_plan = {
    "plan", "what the runs of a file would cost on this machine, without training", help, run_plan};
