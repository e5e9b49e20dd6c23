#include "small_model.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "file.h"
#include "rng.h"

struct small small_model(void)
{
    return (struct small){
        .name = "small",
        .vit = {.img_size = 16, .patch_size = 4, .embed_dim = 24, .depth = 2, .num_heads = 3, .mlp_ratio = 4},
        .c = {.decoder_embed_dim = 16,
              .decoder_num_heads = 2,
              .projector_depth = 1,
              .predictor_depth = 1,
              .neg_weight = 0.02,
              .momentum = 0.995},
        .batch = 4,
        .hidden = 9};
}

struct small vit_b(void)
{
    return (struct small){.name = "ViT-B/16",
                          .vit = {.img_size = 224,
                                  .patch_size = 16,
                                  .embed_dim = 768,
                                  .depth = 12,
                                  .num_heads = 12,
                                  .mlp_ratio = 4},
                          .c = {.decoder_embed_dim = 768,
                                .decoder_num_heads = 16,
                                .projector_depth = 2,
                                .predictor_depth = 4,
                                .neg_weight = 0.02,
                                .momentum = 0.995},
                          .batch = 1,
                          .hidden = 118};
}

int64_t small_patches(const struct small *s)
{
    int64_t grid = s->vit.img_size / s->vit.patch_size;
    return grid * grid;
}

struct sim_ops small_ops(void)
{
    struct sim_ops ops;
    omp_set_num_threads(1);
    test_ok(sim_ops_cpu_open(&ops, NULL));
    return ops;
}

struct sim_objective small_open(const struct sim_ops *ops, const struct small *s, uint64_t seed)
{
    struct sim_objective o;
    test_ok(sim_siameseim_open(&o, ops, &s->vit, &s->c, s->batch, small_patches(s) - s->hidden, seed));
    return o;
}

struct sim_train_config small_training(const struct small *s)
{
    return (struct sim_train_config){.epochs = 4,
                                     .batch_size = s->batch,
                                     .lr = 1e-3,
                                     .warmup_epochs = 1,
                                     .weight_decay = 0.05,
                                     .beta1 = 0.9,
                                     .beta2 = 0.95,
                                     .eps = 1e-8,
                                     .clip_grad = 1,
                                     .keep_last = 2};
}

/* ------------------------------------------------------------------ batches */

static void draw_mask(struct sim_rng *r, uint8_t *mask, int64_t patches, int64_t hidden)
{
    uint32_t order[1024];
    ck_assert_int_le(patches, 1024);
    sim_rng_permutation(r, (uint32_t)patches, order);
    memset(mask, 0, (size_t)patches);
    for (int64_t i = 0; i < hidden; i++) mask[order[i]] = 1;
}

static void draw_geometry(struct sim_rng *r, float g[6])
{
    double sh = sim_rng_between(r, 0.5, 2), sw = sim_rng_between(r, 0.5, 2);
    double di = sim_rng_between(r, -0.5, 0.5), dj = sim_rng_between(r, -0.5, 0.5);
    double all[6] = {di, dj, sh, sw, (double)sim_rng_below(r, 2), sim_rng_between(r, 0.5, 1.5)};
    for (int i = 0; i < 6; i++) g[i] = (float)all[i];
}

struct sim_batch *small_batch(const struct small *s, uint64_t number)
{
    const int64_t patches = small_patches(s), pixels = s->batch * 3 * s->vit.img_size * s->vit.img_size;
    float *view = sim_calloc_aligned((size_t)(2 * pixels), sizeof *view);
    uint8_t *mask = calloc((size_t)(s->batch * patches), 1);
    float *geometry = calloc((size_t)s->batch * 6, sizeof *geometry);
    int64_t *index = calloc((size_t)s->batch, sizeof *index);
    struct sim_batch *b = calloc(1, sizeof *b);
    ck_assert(view && mask && geometry && index && b);
    struct sim_rng r = sim_rng_make(1, SIM_PURPOSE_TEST, 0, number, 0);
    for (int64_t i = 0; i < 2 * pixels; i++) view[i] = (float)sim_rng_normal(&r);
    for (int64_t i = 0; i < s->batch; i++) {
        draw_mask(&r, mask + i * patches, patches, s->hidden);
        draw_geometry(&r, geometry + 6 * i);
        index[i] = (int64_t)number * s->batch + i;
    }
    *b = (struct sim_batch){.size = s->batch,
                            .view1 = view,
                            .view2 = view + pixels,
                            .mask = mask,
                            .geometry = geometry,
                            .index = index};
    return b;
}

void small_batch_close(struct sim_batch *b)
{
    if (!b) return;
    free((void *)b->view1), free((void *)b->mask), free((void *)b->geometry), free((void *)b->index);
    free(b);
}

sim_status small_step(const struct sim_objective *o, const struct sim_batch *batch, double momentum,
                      int64_t epoch, const struct sim_trace *trace, double *loss)
{
    struct sim_scalars s = {.in = {.momentum = momentum}}; /* the CPU backend reads the host's memory */
    int64_t key;
    SIM_TRY(o->load(o->self, batch, epoch, &key));
    o->compute(o->self, &s, trace);
    *loss = s.loss;
    return o->ops->finish(o->ops);
}

void small_shake(struct sim_params *p, uint64_t seed)
{
    for (int i = 0; i < p->count; i++) {
        const struct sim_param *row = &p->row[i];
        if (row->init == SIM_INIT_POSITIONS || row->flags & SIM_ROW_BUFFER) continue;
        struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_TEST, 1, (uint64_t)i, 0);
        float *v = sim_value(p, i);
        for (int64_t k = 0; k < row->count; k++) v[k] += (float)(0.1 * sim_rng_normal(&r));
    }
}

/* ------------------------------------------------------------------ all of it */

void small_bench_open(struct small_bench *b, const struct small *s,
                      sim_status (*open)(struct sim_objective *out, const struct sim_ops *ops,
                                         const struct small *s))
{
    *b = (struct small_bench){.s = *s, .ops = small_ops(), .batch = small_batch(s, 1)};
    if (open)
        test_ok(open(&b->o, &b->ops, s));
    else
        b->o = small_open(&b->ops, s, 2);
    small_shake(b->o.params, 3);
}

void small_bench_close(struct small_bench *b)
{
    small_batch_close(b->batch);
    if (b->o.close) b->o.close(&b->o); /* unless the test did */
    b->ops.close(&b->ops);
}

/* ------------------------------------------------------------------ files */

char *small_read(const char *path, size_t *size)
{
    char *bytes = NULL;
    test_ok(sim_file_read(path, 64u << 20, &bytes, size));
    return bytes;
}
