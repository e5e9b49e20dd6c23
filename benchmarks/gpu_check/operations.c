/* Single operations at the shapes of a ViT-B/16 step with 256 images: attention against the product's rate, passes
 * against the copy's. */
#include <stdio.h>
#include <stdlib.h>

#include "gpu_bench.h"

/* Everything that some operation here reads or writes; each uses what it needs. */
struct bench {
    const struct sim_ops *o;
    int64_t images, tokens, heads, head_dim, rows, dim, wide;
    sim_act *x, *y, *z, *wide_x, *wide_y; /* (rows, 3 dim), (rows, wide) */
    float *weight, *bias, *mean, *rstd, *dw, *db, *lse;
    float *block;                   /* parameters, gradients, two moments: 4 x floats */
    struct sim_segment *segment;
    int segments;
    int64_t floats;
    struct sim_scalars *scalars;
};

static void attention(void *a)
{
    const struct bench *b = a;
    b->o->attention(b->o, b->y, b->lse, b->x, b->images, b->tokens, b->heads, b->head_dim);
}
static void attention_backward(void *a)
{
    const struct bench *b = a;
    b->o->attention_backward(b->o, b->z, b->y, b->x, b->y, b->lse, b->images, b->tokens, b->heads, b->head_dim);
}
static void layernorm(void *a)
{
    const struct bench *b = a;
    b->o->layernorm(b->o, b->y, b->mean, b->rstd, b->x, b->weight, b->bias, b->rows, b->dim, 1e-6);
}
static void layernorm_backward(void *a)
{
    const struct bench *b = a;
    b->o->layernorm_backward(b->o, b->z, 0, b->dw, b->db, b->y, b->x, b->mean, b->rstd, b->weight, b->rows, b->dim);
}
static void batchnorm(void *a)
{
    const struct bench *b = a;
    b->o->batchnorm(b->o, b->y, b->mean, b->rstd, NULL, NULL, b->x, b->weight, b->bias, 1, b->rows, b->dim, 1e-5, 0.1);
}
static void batchnorm_backward(void *a)
{
    const struct bench *b = a;
    b->o->batchnorm_backward(b->o, b->z, 0, b->dw, b->db, b->y, b->x, b->mean, b->rstd, b->weight, 1, b->rows, b->dim);
}
static void linear(void *a)
{
    const struct bench *b = a;
    b->o->linear(b->o, b->wide_y, b->x, b->block, b->bias, b->rows, b->dim, b->wide);
}
static void linear_gelu(void *a)
{
    const struct bench *b = a;
    b->o->linear_gelu(b->o, b->wide_y, b->wide_x, b->x, b->block, b->bias, b->rows, b->dim, b->wide);
}
static void adamw(void *a)
{
    const struct bench *b = a;
    const struct sim_adamw h = {0.9, 0.95, 1e-8};
    b->o->adamw(b->o, b->segment, b->segments, b->scalars, &h);
}
static void ema(void *a)
{
    const struct bench *b = a;
    b->o->ema(b->o, b->segment, b->segments, b->scalars);
}
static void sum_squares(void *a)
{
    const struct bench *b = a;
    b->o->sum_squares(b->o, &b->scalars->sum_squares, b->segment, b->segments);
}

/* ------------------------------------------------------------------ timing and printing */

/* flop or bytes: what the operation must at least do; the other is 0. */
static sim_status one(struct bench *b, const char *name, const char *shape, void (*queue)(void *), double flop,
                      double bytes, double *seconds)
{
    const struct sim_repeat r = {b->o, queue, b, 0.04};
    double took;
    if (!seconds) seconds = &took;
    sim_status status = sim_repeat_time(&r, seconds);
    if (status != SIM_OK) return sim_context(status, "%s %s", name, shape);
    return sim_line_print(json_pack("{s:s, s:s, s:s, s:f, s:f, s:s}", "kind", "operation", "name", name, "shape",
                                    shape, "ms", 1e3 * *seconds, "value",
                                    (flop > 0 ? 1e-12 * flop : 1e-9 * bytes) / *seconds, "unit",
                                    flop > 0 ? "TFLOP/s" : "GB/s"));
}

static sim_status attentions(struct bench *b, int64_t tokens, int64_t heads, int64_t head_dim)
{
    char shape[64];
    b->tokens = tokens, b->heads = heads, b->head_dim = head_dim;
    const double product = 2.0 * (double)(b->images * heads * head_dim) * (double)tokens * (double)tokens;
    snprintf(shape, sizeof shape, "%ld images, %ld tokens, %ld x %ld", (long)b->images, (long)tokens, (long)heads,
             (long)head_dim);
    SIM_TRY(one(b, "attention", shape, attention, 2 * product, 0, NULL));
    return one(b, "attention backward", shape, attention_backward, 5 * product, 0, NULL);
}

static sim_status passes(struct bench *b)
{
    const double act = (double)b->rows * (double)b->dim * (double)b->o->act_bytes,
                 wide = (double)b->rows * (double)b->wide * (double)b->o->act_bytes, floats = 4 * (double)b->floats,
                 flop = 2.0 * (double)b->rows * (double)b->dim * (double)b->wide;
    char shape[64], parameters[64];
    double plain, gelu;
    snprintf(shape, sizeof shape, "%ld x %ld", (long)b->rows, (long)b->dim);
    snprintf(parameters, sizeof parameters, "%.1f M parameters", 1e-6 * (double)b->floats);
    SIM_TRY(one(b, "layernorm", shape, layernorm, 0, 2 * act, NULL));
    SIM_TRY(one(b, "layernorm backward", shape, layernorm_backward, 0, 3 * act, NULL));
    SIM_TRY(one(b, "token batchnorm", shape, batchnorm, 0, 3 * act, NULL)); /* x is read twice */
    SIM_TRY(one(b, "token batchnorm backward", shape, batchnorm_backward, 0, 5 * act, NULL));
    snprintf(shape, sizeof shape, "%ld x %ld -> %ld", (long)b->rows, (long)b->dim, (long)b->wide);
    SIM_TRY(one(b, "linear with bias", shape, linear, flop, 0, &plain));
    SIM_TRY(one(b, "linear with bias, GELU", shape, linear_gelu, flop, 0, &gelu));
    /* what GELU adds: at least its input read, its value written */
    SIM_TRY(sim_line_print(json_pack("{s:s, s:s, s:s, s:f, s:f, s:s}", "kind", "operation", "name",
                                     "GELU (the difference)", "shape", shape, "ms", 1e3 * (gelu - plain), "value",
                                     gelu > plain ? 2e-9 * wide / (gelu - plain) : 0.0, "unit", "GB/s")));
    SIM_TRY(one(b, "sum of squares", parameters, sum_squares, 0, floats, NULL));
    SIM_TRY(one(b, "AdamW", parameters, adamw, 0, 7 * floats, NULL)); /* p, m, v read and written, g read */
    return one(b, "EMA", parameters, ema, 0, 3 * floats, NULL);
}

/* ------------------------------------------------------------------ memory */

static sim_status take(struct bench *b)
{
    enum { EACH = 1 << 20 };
    const struct sim_ops *o = b->o;
    const int64_t lse = b->rows * 16;
    b->x = sim_bench_acts(o, b->rows * 3 * b->dim);
    b->z = sim_bench_acts(o, b->rows * 3 * b->dim);
    b->y = sim_bench_acts(o, b->rows * b->dim);
    b->wide_x = sim_bench_acts(o, b->rows * b->wide);
    b->wide_y = sim_bench_acts(o, b->rows * b->wide);
    b->weight = sim_bench_floats(o, b->dim, 1), b->bias = sim_bench_floats(o, b->wide, 1);
    b->mean = sim_bench_floats(o, b->rows + b->dim, 0.1f), b->rstd = sim_bench_floats(o, b->rows + b->dim, 1);
    b->dw = sim_bench_floats(o, b->dim, 1), b->db = sim_bench_floats(o, b->dim, 1);
    b->lse = sim_bench_floats(o, lse, 1);
    b->block = sim_bench_floats(o, 4 * b->floats, 0.02f);
    b->segments = (int)((b->floats + EACH - 1) / EACH);
    b->segment = calloc((size_t)b->segments, sizeof *b->segment);
    b->scalars = o->memory.take(o->memory.context, sizeof *b->scalars);
    if (!b->x || !b->y || !b->z || !b->wide_x || !b->wide_y || !b->weight || !b->bias || !b->mean || !b->rstd ||
        !b->dw || !b->db || !b->lse || !b->block || !b->segment || !b->scalars)
        return sim_fail(SIM_ENOMEM, "no memory for the operands of %ld rows", (long)b->rows);
    for (int i = 0; i < b->segments; i++) {
        const int64_t at = (int64_t)i * EACH, left = b->floats - at;
        b->segment[i] = (struct sim_segment){.p = b->block + at,
                                             .g = b->block + b->floats + at,
                                             .m = b->block + 2 * b->floats + at,
                                             .v = b->block + 3 * b->floats + at,
                                             .count = left < EACH ? left : EACH,
                                             .weight_decay = 0.05,
                                             .lr_scale = 1};
    }
    const struct sim_scalars scalars = {.in = {1e-6, 0.99, 0.1, 0.05}, .grad_scale = 1};
    o->upload(o, b->scalars, &scalars, sizeof scalars);
    o->weights_changed(o, b->block, b->floats);
    o->weights_changed(o, b->weight, b->dim);
    o->weights_changed(o, b->bias, b->wide);
    return o->finish(o);
}

static void release(struct bench *b)
{
    const void *const blocks[] = {b->x, b->y, b->z, b->wide_x, b->wide_y, b->weight, b->bias, b->mean, b->rstd,
                                  b->dw, b->db, b->lse, b->block, b->scalars};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) sim_bench_release(b->o, blocks[i]);
    free(b->segment);
}

sim_status sim_bench_operations(int tiny)
{
    struct sim_ops o;
    SIM_TRY(sim_ops_open(&o, "cuda", &(struct sim_device_options){.precision = SIM_PRECISION_BF16}));
    struct bench b = {.o = &o, .images = tiny ? 2 : 256, .dim = tiny ? 32 : 768, .wide = tiny ? 64 : 3072,
                      .floats = tiny ? 5000 : 86000000};
    b.rows = b.images * (tiny ? 17 : 275);
    sim_status status = take(&b);
    if (status == SIM_OK && tiny) status = attentions(&b, 17, 2, 16);
    if (status == SIM_OK && !tiny) status = attentions(&b, 79, 12, 64);  /* online encoder: visible patches */
    if (status == SIM_OK && !tiny) status = attentions(&b, 197, 12, 64); /* target encoder */
    if (status == SIM_OK && !tiny) status = attentions(&b, 275, 16, 48); /* predictor */
    if (status == SIM_OK) status = passes(&b);
    release(&b);
    o.close(&o);
    return status;
}
