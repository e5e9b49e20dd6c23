#include "device_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "run_cost.h"

enum { MOST_JSON_BYTES = 1 << 20, ANSWERS = 256, USES = SIM_ATTENTION_USES + 3 };

/* What the library said of a shape: runs of one file share most of theirs, and a plan takes its time. */
struct answer {
    struct sim_attention_shape shape;
    enum sim_attention_pass pass;
    sim_status status;
    struct sim_planned planned;
    char sentence[1600]; /* where there is no plan */
};

struct table {
    struct sim_planner *planner;
    struct answer *answer; /* (ANSWERS) */
    int answers;
    int64_t ranks;
    int shapes, missing; /* passes over shapes so far, and those without a plan */
    int loaded;          /* some code was loaded: there is such a device */
};

static const struct answer *ask(struct table *t, enum sim_attention_pass pass,
                                const struct sim_attention_shape *shape)
{
    for (int i = 0; i < t->answers; i++)
        if (t->answer[i].pass == pass && memcmp(&t->answer[i].shape, shape, sizeof *shape) == 0)
            return &t->answer[i];
    if (t->answers == ANSWERS) t->answers--; /* more shapes than anyone has: the last is asked for again */
    struct answer *a = &t->answer[t->answers++];
    *a = (struct answer){.shape = *shape, .pass = pass};
    a->status = sim_planner_attention(t->planner, pass, shape, &a->planned);
    if (a->status != SIM_OK) snprintf(a->sentence, sizeof a->sentence, "%s", sim_error_text());
    return a;
}

static const char *format_bytes(int64_t bytes, char out[24])
{
    const double b = (double)bytes;
    if (b >= 1 << 30)
        snprintf(out, 24, "%.2f GiB", b / (1 << 30));
    else if (b >= 1 << 20)
        snprintf(out, 24, "%.1f MiB", b / (1 << 20));
    else if (b >= 1 << 10)
        snprintf(out, 24, "%.1f KiB", b / (1 << 10));
    else
        snprintf(out, 24, "%d B", (int)bytes);
    return out;
}

/* "engine 9, 256 B, shared 131.0 KiB"; returns the memory that the pass takes. */
static int64_t print_pass(struct table *t, enum sim_attention_pass pass,
                          const struct sim_attention_shape *shape)
{
    const struct answer *a = ask(t, pass, shape);
    char memory[24], shared[24];
    t->shapes++;
    if (a->status != SIM_OK) {
        t->missing++;
        printf(" %6s %11s %11s", "none", "-", "-");
        return 0;
    }
    const int64_t bytes = a->planned.workspace_bytes + a->planned.scratch_bytes;
    if (a->planned.loaded) t->loaded = 1;
    printf(" %6lld %11s %11s", (long long)a->planned.engine, format_bytes(bytes, memory),
           format_bytes(a->planned.shared_bytes, shared));
    return bytes;
}

static int64_t print_use(struct table *t, const char *folder, const struct sim_attention_use *use,
                         enum sim_attention_pass backward)
{
    const struct sim_attention_shape *s = &use->shape;
    printf("%-24s %-17s %6lld %6lld %5lld %4lld", folder, use->where, (long long)s->batch,
           (long long)s->tokens, (long long)s->heads, (long long)s->head_dim);
    int64_t most = print_pass(t, use->trained ? SIM_ATTENTION_FORWARD_STATS : SIM_ATTENTION_FORWARD, s);
    if (use->trained) {
        int64_t bytes = print_pass(t, backward, s);
        if (bytes > most) most = bytes;
    }
    printf("\n");
    return most;
}

/* Attention over every patch: of scores. */
static struct sim_attention_use whole_images(const char *where, const struct sim_run_config *c,
                                             int64_t images, int trained)
{
    const int64_t grid = c->model.img_size / c->model.patch_size;
    return (struct sim_attention_use){
        where,
        {images, 1 + grid * grid, c->model.num_heads, c->model.embed_dim / c->model.num_heads},
        trained};
}

/* One rank's part of a batch. */
static sim_status share_of(const struct table *t, const char *key, int64_t images, int64_t *out)
{
    *out = images / t->ranks;
    if (images % t->ranks == 0) return SIM_OK;
    return sim_fail(SIM_EINVAL, "%s: %lld images are no multiple of --ranks %lld", key, (long long)images,
                    (long long)t->ranks);
}

/* Of pre-training and of every score. */
static sim_status list_uses(const struct table *t, const struct sim_run_config *c,
                            struct sim_attention_use uses[USES], int *count)
{
    struct sim_pretrain_job job;
    int64_t images;
    SIM_TRY(share_of(t, "train.batch_size", c->train.batch_size, &images));
    SIM_TRY(sim_run_config_job(c, images, &job));
    *count = sim_objective_kind_of(&c->pretrain)->attention(uses, &job);
    uses[(*count)++] = whole_images("evaluation", c, c->eval.batch_size, 0);
    if (!sim_run_finetunes(c, 0) && !sim_run_finetunes(c, 1)) return SIM_OK;
    SIM_TRY(share_of(t, "finetune.batch_size", c->finetune.batch_size, &images));
    if (c->finetune.epochs) uses[(*count)++] = whole_images("fine-tuning", c, images, 1);
    uses[(*count)++] = whole_images("validation", c, images, 0);
    return SIM_OK;
}

static void print_memory(const char *folder, const char *what, const struct sim_cost *cost)
{
    char activations[24], state[24];
    printf("%-24s %s: %s of activations, %s of weights and optimiser", folder, what,
           format_bytes(cost->activation_bytes, activations), format_bytes(cost->state_bytes, state));
}

static sim_status print_run(struct table *t, const struct sim_run *run)
{
    const struct sim_run_config *c = &run->config;
    const int fused = c->compute.precision == SIM_PRECISION_BF16;
    struct sim_attention_use uses[USES];
    struct sim_cost cost, tuned;
    char scratch[24];
    int64_t most = 0;
    int count;
    SIM_TRY(list_uses(t, c, uses, &count));
    SIM_TRY(sim_run_config_cost(c, c->train.batch_size / t->ranks, &cost));
    SIM_TRY(sim_run_cost_finetune(&tuned, c, c->finetune.batch_size / t->ranks, 0));
    for (int i = 0; i < count && fused; i++) {
        int64_t bytes =
            print_use(t, run->folder, &uses[i],
                      c->compute.deterministic ? SIM_ATTENTION_BACKWARD : SIM_ATTENTION_BACKWARD_FAST);
        if (bytes > most) most = bytes;
    }
    if (!fused)
        printf("%-24s compute.precision: %s composes attention of matrix products, which need no plan\n",
               run->folder, sim_precision_name((enum sim_precision)c->compute.precision));
    print_memory(run->folder, "memory", &cost);
    printf("%s%s\n", fused ? ", attention's scratch " : "", fused ? format_bytes(most, scratch) : "");
    if (tuned.parameters) print_memory(run->folder, "fine-tuning", &tuned), printf("\n");
    printf("\n");
    return SIM_OK;
}

static sim_status print_all(struct table *t, const struct sim_experiment *e)
{
    const char *device = sim_planner_device(t->planner), *library = sim_planner_library(t->planner);
    printf("\nFused attention on %s by %s", device, library);
    if (t->ranks > 1) printf(", one of %lld ranks", (long long)t->ranks);
    printf("; memory is the engine's workspace and the scratch lent to it.\n\n");
    printf("%-24s %-17s %6s %6s %5s %4s %6s %11s %11s %6s %11s %11s\n", "", "", "", "", "", "", "for-", "",
           "shared", "back-", "", "shared");
    printf("%-24s %-17s %6s %6s %5s %4s %6s %11s %11s %6s %11s %11s\n", "run", "attention", "images",
           "tokens", "heads", "dim", "ward", "memory", "per block", "ward", "memory", "per block");
    for (int i = 0; i < e->count; i++) {
        sim_status status = print_run(t, &e->runs[i]);
        if (status != SIM_OK) return sim_context(status, "run %s", e->runs[i].folder);
    }
    if (t->missing) {
        const struct answer *first = t->answer;
        while (first->status == SIM_OK) first++;
        return sim_fail(SIM_ELIB, "%d of %d passes over attention have no plan on %s; the first: %s",
                        t->missing, t->shapes, device, first->sentence);
    }
    if (t->shapes)
        printf("%d passes over attention, all planned on %s%s.\n", t->shapes, device,
               t->loaded ? "" : " from its description: no GPU ran any of it");
    return SIM_OK;
}

sim_status sim_device_plan_print(const struct sim_experiment *e, const char *json_file, int64_t ranks)
{
    struct table t = {.ranks = ranks};
    char *json;
    size_t size;
    SIM_TRY(sim_file_read(json_file, MOST_JSON_BYTES, &json, &size));
    sim_status status = sim_planner_open(&t.planner, json);
    free(json);
    if (status != SIM_OK) return sim_context(status, "--device-json %s", json_file);
    t.answer = calloc(ANSWERS, sizeof *t.answer);
    status = t.answer ? print_all(&t, e) : sim_fail(SIM_ENOMEM, "no memory for the device's plans");
    free(t.answer);
    sim_planner_close(t.planner);
    return status;
}
