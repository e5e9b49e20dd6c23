/* siameseim plan: what the runs of a file would cost here, without training. */
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "command.h"
#include "device_plan.h"
#include "estimate.h"
#include "machine.h"
#include "options.h"

#define GEMM_SECONDS 0.4

static const char help[] =
    "usage: siameseim plan FILE.yaml... [options]\n"
    "\n"
    "Says for every run of the files what it is and would cost: identity (the configuration's hash), "
    "parameters,\n"
    "arithmetic of pre-training and of scoring (fine-tuning, the linear probe, features, robustness), "
    "memory, steps,\n"
    "time on this machine and on an H200, and whether it is recorded already.\n"
    "Nothing is trained and no image is decoded.\n"
    "\n"
    "  --scale SCALE     mini, small or paper, where the files have scales (default: each file's first)\n"
    "  --run NAME        only this run; may be repeated\n"
    "  --set KEY=VALUE   change a key in all runs; may be repeated\n"
    "  --out DIR         look into DIR/records.jsonl for what is recorded already\n"
    "  --records FILE    look into FILE; may be repeated\n"
    "  --images N        take the training set to hold N images (default: as configured, or counted)\n"
    "  --device DEVICE   for this device: cpu (the default), cuda or cuda:N\n"
    "  --threads N       measure with so many threads\n"
    "  --gflops X        do not measure: take X GFLOP/s as the machine's matrix rate\n"
    "  --device-json F   also plan attention for the GPU that F describes, as cuDNN writes it; may be "
    "repeated\n"
    "  --ranks N         with --device-json: N such GPUs share a batch (default: 1)\n"
    "\n"
    "The time is the arithmetic at 63 % of the measured matrix rate, as quickstart's records have it, and at "
    "an\n"
    "assumed 400 TFLOP/s of an H200; reading comes on top, and what regressions and neighbours take beyond "
    "the\n"
    "networks' products.\n"
    "\n"
    "Planning for a GPU needs cuDNN but neither the GPU nor its driver; without the driver LD_LIBRARY_PATH "
    "must\n"
    "name a folder with a stub in its place (stubs/ beside this program, where it was built).  It fails "
    "where\n"
    "some attention has no plan.\n"
    "\n"
    "example: siameseim plan ablations/siameseim_vit_b.yaml --images 1281167\n";

struct words {
    struct sim_words files, sets, names, devices, records;
    const char *images, *threads, *gflops, *ranks, *device, *scale, *out;
    const char *out_records; /* the records below --out: they need not be there yet */
};

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

static sim_status plan_here(const struct words *w, struct sim_estimate_from *a)
{
    struct sim_experiment experiment;
    struct sim_backend backend;
    SIM_TRY(sim_backend_parse(w->device, &backend));
    sim_status status = open_runs(&experiment, w, backend.name);
    if (status == SIM_OK && experiment.count)
        status = measure(w, &backend, &experiment.runs[0].config.compute, &a->gflops);
    if (status == SIM_OK) status = sim_estimate_print(&experiment, a);
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
    struct sim_estimate_from a = {.records = w->records.word, .record_count = w->records.count};
    int64_t threads, ranks = 1;
    if (!w->files.count)
        return sim_fail(SIM_EINVAL,
                        "which runs? a FILE.yaml is needed, such as ablations/quickstart.yaml; see --help");
    for (int i = 0; i < w->records.count; i++)
        if (w->records.word[i] != w->out_records && access(w->records.word[i], R_OK) != 0)
            return sim_fail(SIM_EIO, "--records %s: there is no such file to read", w->records.word[i]);
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

/* `--out DIR` stands for the records that a run leaves there; the path is written into `records`. */
static sim_status add_folder(struct sim_words *w, const char *folder, char records[PATH_MAX])
{
    const char **grown = realloc(w->word, ((size_t)w->count + 1) * sizeof *grown);
    if (!grown) return sim_fail(SIM_ENOMEM, "no memory for %d files of records", w->count + 1);
    w->word = grown;
    if (snprintf(records, PATH_MAX, "%s/records.jsonl", folder) >= PATH_MAX)
        return sim_fail(SIM_EINVAL, "--out %s: this path is too long", folder);
    w->word[w->count++] = records;
    return SIM_OK;
}

static int run_plan(int argc, char **argv)
{
    struct words w = {0};
    char records[PATH_MAX];
    const struct sim_option options[] = {
        {"--run", NULL, NULL, &w.names},      {"--set", NULL, NULL, &w.sets},
        {"--images", NULL, &w.images, NULL},  {"--threads", NULL, &w.threads, NULL},
        {"--gflops", NULL, &w.gflops, NULL},  {"--device-json", NULL, NULL, &w.devices},
        {"--ranks", NULL, &w.ranks, NULL},    {"--device", NULL, &w.device, NULL},
        {"--scale", NULL, &w.scale, NULL},    {"--out", NULL, &w.out, NULL},
        {"--records", NULL, NULL, &w.records}};
    sim_status status = sim_options_parse(argc, argv, options, sizeof options / sizeof *options, &w.files);
    w.out_records = records;
    if (status == SIM_OK && w.out) status = add_folder(&w.records, w.out, records);
    if (status == SIM_OK) status = plan_files(&w);
    sim_words_close(&w.files);
    sim_words_close(&w.sets);
    sim_words_close(&w.names);
    sim_words_close(&w.devices);
    sim_words_close(&w.records);
    return status == SIM_OK ? 0 : sim_command_failed("plan");
}

const struct sim_command sim_command_plan = {
    "plan", "what the runs of a file would cost on this machine, without training", help, run_plan};
