#include "estimate.h"

#include <stdio.h>
#include <string.h>

#include "images.h"
#include "procedural.h"
#include "progress.h"

/* ------------------------------------------------------------------ one run */

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

static int is_final(const struct sim_estimate *e)
{
    return sim_recorded_is_final(&e->recorded);
}

sim_status sim_estimate_run(const struct sim_run *run, const struct sim_estimate_from *from,
                            struct sim_estimate *out)
{
    const struct sim_run_config *c = &run->config;
    memset(out, 0, sizeof *out);
    SIM_TRY(sim_run_config_cost(c, c->train.batch_size, &out->cost));
    out->images = from->images;
    if (!out->images) SIM_TRY(count_images(run, &out->images));
    out->steps = c->train.epochs * (out->images / c->train.batch_size);
    if (c->train.max_steps && c->train.max_steps < out->steps) out->steps = c->train.max_steps;
    out->gflop = 1e-9 * out->cost.flop_per_image * (double)c->train.batch_size * (double)out->steps;
    out->seconds = from->gflops > 0 ? out->gflop / (SIM_STEP_SHARE * from->gflops) : 0;
    out->h200_hours = out->gflop / (1e3 * SIM_H200_TFLOPS) / 3600;
    for (int i = 0; i < from->record_count && !is_final(out); i++)
        SIM_TRY(sim_record_find(from->records[i], run->name, run->config_hash, &out->recorded));
    return SIM_OK;
}

/* ------------------------------------------------------------------ the table */

/* Columns for the longest folder. */
static int name_width(const struct sim_experiment *e)
{
    size_t width = 24;
    for (int i = 0; i < e->count; i++)
        if (strlen(e->runs[i].folder) > width) width = strlen(e->runs[i].folder);
    return (int)width;
}

static void format_hours(double hours, char out[24])
{
    snprintf(out, 24, hours < 1000 ? "%.3g" : "%.0f", hours);
}

static void print_heading(int width)
{
    printf("%-*s %-16s %9s %9s %11s %9s %8s %9s %11s %14s %9s  %s\n", width, "run", "identity", "params M",
           "trained M", "GFLOP/image", "images", "steps", "memory", "GFLOP", "time", "H200 h", "recorded");
}

static void print_run(const struct sim_run *run, const struct sim_estimate *e, int width)
{
    char memory[24], images[24] = "?", steps[24] = "?", gflop[24] = "?", took[32] = "?", hours[24] = "?";
    double gib = (double)(e->cost.activation_bytes + e->cost.state_bytes) / 1073741824.0;
    snprintf(memory, sizeof memory, gib >= 1 ? "%.1f GiB" : "%.0f MiB", gib >= 1 ? gib : gib * 1024);
    if (e->images) snprintf(images, sizeof images, "%lld", (long long)e->images);
    if (e->images || !run->config.train.epochs) {
        snprintf(steps, sizeof steps, "%lld", (long long)e->steps);
        snprintf(gflop, sizeof gflop, "%.3g", e->gflop);
        format_hours(e->h200_hours, hours);
        sim_format_duration(e->seconds, took, sizeof took);
    }
    printf("%-*s %-16s %9.2f %9.2f %11.3g %9s %8s %9s %11s %14s %9s  %s\n", width, run->folder,
           run->config_hash, 1e-6 * (double)e->cost.parameters, 1e-6 * (double)e->cost.trainable,
           1e-9 * e->cost.flop_per_image, images, steps, memory, gflop, took, hours,
           e->recorded.status[0] ? e->recorded.status : "-");
}

/* What is asked, and what the files say it costs: once per experiment. */
static void print_questions(const struct sim_experiment *e)
{
    for (int i = 0; i < e->count; i++) {
        const struct sim_run *run = &e->runs[i];
        const char *question = json_string_value(json_object_get(run->study, "question"));
        const char *scale = json_string_value(json_object_get(run->study, "scale"));
        if (i && strcmp(run->file, e->runs[i - 1].file) == 0) continue;
        if (!run->expected[0] && !(question && *question) && !(scale && *scale)) continue;
        printf("\n%s%s%s: %s\n", run->experiment, scale && *scale ? ", " : "", scale ? scale : "",
               question && *question ? question : run->about);
        if (run->expected[0]) printf("  expected: %s\n", run->expected);
        printf("  claims: %zu\n", json_array_size(json_object_get(run->study, "claims")));
    }
}

sim_status sim_estimate_print(const struct sim_experiment *e, const struct sim_estimate_from *from)
{
    double seconds = 0, hours = 0, left = 0;
    int unknown = 0, recorded = 0;
    char took[32], remains[32], gpu[24];
    const int width = name_width(e);
    print_heading(width);
    for (int i = 0; i < e->count; i++) {
        struct sim_estimate estimate;
        sim_status status = sim_estimate_run(&e->runs[i], from, &estimate);
        if (status != SIM_OK) return sim_context(status, "run %s", e->runs[i].folder);
        print_run(&e->runs[i], &estimate, width);
        seconds += estimate.seconds, hours += estimate.h200_hours;
        recorded += is_final(&estimate);
        if (!is_final(&estimate)) left += estimate.seconds;
        unknown += !estimate.images && e->runs[i].config.train.epochs > 0;
    }
    sim_format_duration(seconds, took, sizeof took);
    format_hours(hours, gpu);
    sim_format_duration(left, remains, sizeof remains);
    printf("\n%d run%s, %s of training at %.0f %% of %.0f GFLOP/s, or %s hours of an H200 at %.0f TFLOP/s "
           "(assumed);\n"
           "memory is that of activations, weights and optimiser.\n",
           e->count, e->count == 1 ? "" : "s", took, 100 * SIM_STEP_SHARE, from->gflops, gpu,
           SIM_H200_TFLOPS);
    if (from->record_count) printf("%d recorded already; the others take %s here.\n", recorded, remains);
    if (unknown)
        printf("The training images of %d run%s are not here, so steps and time are open: set data.train, or "
               "--images N.\n",
               unknown, unknown == 1 ? "" : "s");
    print_questions(e);
    return SIM_OK;
}
