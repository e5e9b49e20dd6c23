#include "estimate.h"

#include <stdio.h>
#include <string.h>

#include "progress.h"

/* ------------------------------------------------------------------ one run */

static int is_final(const struct sim_estimate *e)
{
    return sim_recorded_is_final(&e->recorded);
}

/* Whether the two show the same images for their scores. */
static int same_sets(const struct sim_run_config *a, const struct sim_run_config *b)
{
    return memcmp(&a->data, &b->data, sizeof a->data) == 0 &&
           memcmp(&a->shift, &b->shift, sizeof a->shift) == 0 &&
           sim_eval_any(&a->eval) == sim_eval_any(&b->eval) && a->eval.robustness == b->eval.robustness;
}

sim_status sim_estimate_run(const struct sim_run *run, const struct sim_estimate_from *from,
                            struct sim_estimate *out)
{
    const struct sim_run_config *c = &run->config;
    memset(out, 0, sizeof *out);
    if (from->counted && same_sets(from->counted, c))
        out->sets = from->sets;
    else
        SIM_TRY(sim_run_sets_count(&out->sets, c, from->images));
    SIM_TRY(sim_run_cost(&out->cost, c, &out->sets));
    const double gflop = out->cost.pretrain_gflop + out->cost.scoring_gflop;
    out->seconds = from->gflops > 0 ? gflop / (SIM_STEP_SHARE * from->gflops) : 0;
    out->h200_hours = gflop / (1e3 * SIM_H200_TFLOPS) / 3600;
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
    printf("%-*s %-16s %9s %9s %11s %9s %8s %9s %12s %12s\n", width, "", "", "", "", "", "", "", "",
           "pre-training", "scoring");
    printf("%-*s %-16s %9s %9s %11s %9s %8s %9s %12s %12s %14s %9s  %s\n", width, "run", "identity",
           "params M", "trained M", "GFLOP/image", "images", "steps", "memory", "GFLOP", "GFLOP", "time",
           "H200 h", "recorded");
}

static void print_run(const struct sim_run *run, const struct sim_estimate *e, int width)
{
    const struct sim_cost *step = &e->cost.pretrain;
    const int64_t images = e->sets.train;
    char memory[24], count[24] = "?", steps[24] = "?", training[24] = "?", scoring[24] = "?", took[32] = "?",
                     hours[24] = "?";
    double gib = (double)e->cost.memory_bytes / 1073741824.0;
    snprintf(memory, sizeof memory, gib >= 1 ? "%.1f GiB" : "%.0f MiB", gib >= 1 ? gib : gib * 1024);
    if (images) snprintf(count, sizeof count, "%lld", (long long)images);
    if (images || !run->config.train.epochs) {
        snprintf(steps, sizeof steps, "%lld", (long long)e->cost.steps);
        snprintf(training, sizeof training, "%.3g", e->cost.pretrain_gflop);
    }
    if (images) {
        snprintf(scoring, sizeof scoring, "%.3g", e->cost.scoring_gflop);
        format_hours(e->h200_hours, hours);
        sim_format_duration(e->seconds, took, sizeof took);
    }
    printf("%-*s %-16s %9.2f %9.2f %11.3g %9s %8s %9s %12s %12s %14s %9s  %s\n", width, run->folder,
           run->config_hash, 1e-6 * (double)step->parameters, 1e-6 * (double)step->trainable,
           1e-9 * step->flop_per_image, count, steps, memory, training, scoring, took, hours,
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

/* Sums over the runs so far. */
struct sums {
    double seconds, h200_hours, left_seconds;
    int recorded, no_train, no_val; /* runs: done already; whose images are not here */
};

static void add(struct sums *s, const struct sim_run *run, const struct sim_estimate *e)
{
    s->seconds += e->seconds, s->h200_hours += e->h200_hours;
    s->recorded += is_final(e);
    if (!is_final(e)) s->left_seconds += e->seconds;
    s->no_train += !e->sets.train;
    s->no_val += e->sets.train && !e->sets.val && sim_eval_any(&run->config.eval);
}

static void print_sums(const struct sums *s, int runs, const struct sim_estimate_from *from)
{
    char took[32], remains[32], gpu[24];
    sim_format_duration(s->seconds, took, sizeof took);
    format_hours(s->h200_hours, gpu);
    sim_format_duration(s->left_seconds, remains, sizeof remains);
    printf("\n%d run%s, %s of training and scoring at %.0f %% of %.0f GFLOP/s, or %s hours of an H200 at "
           "%.0f TFLOP/s (assumed);\n"
           "memory is that of activations, weights, optimiser and features, where they are most.\n",
           runs, runs == 1 ? "" : "s", took, 100 * SIM_STEP_SHARE, from->gflops, gpu, SIM_H200_TFLOPS);
    if (from->record_count) printf("%d recorded already; the others take %s here.\n", s->recorded, remains);
    if (s->no_train)
        printf("The training images of %d run%s are not here, so steps and time are open: set data.train, or "
               "--images N.\n",
               s->no_train, s->no_train == 1 ? "" : "s");
    if (s->no_val)
        printf("The validation images of %d run%s are not here, and count as none: set data.val.\n",
               s->no_val, s->no_val == 1 ? "" : "s");
}

sim_status sim_estimate_print(const struct sim_experiment *e, const struct sim_estimate_from *from)
{
    struct sim_estimate_from known = *from;
    struct sums sums = {0};
    const int width = name_width(e);
    print_heading(width);
    for (int i = 0; i < e->count; i++) {
        struct sim_estimate estimate;
        sim_status status = sim_estimate_run(&e->runs[i], &known, &estimate);
        if (status != SIM_OK) return sim_context(status, "run %s", e->runs[i].folder);
        print_run(&e->runs[i], &estimate, width);
        add(&sums, &e->runs[i], &estimate);
        known.counted = &e->runs[i].config, known.sets = estimate.sets;
    }
    print_sums(&sums, e->count, from);
    print_questions(e);
    return SIM_OK;
}
