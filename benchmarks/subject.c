#include "subject.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

/* As in the paper, projector and predictor split their width into more heads than the encoder: there 16 of 48 numbers
 * beside 12 of 64.  ViT-S keeps the 48; ViT-Ti, whose 192 would make 4, takes 6.  MAE's decoder is two thirds as wide and
 * as deep as the encoder, in heads of 32, as published.  MoCo-v3's heads are 5.3 times as wide as the encoder, as
 * published. */
const struct sim_bench_shape sim_bench_shapes[] = {
    {"vit_ti_64", .img = 64, .patch = 8, .dim = 192, .depth = 12, .heads = 3, .dec_dim = 192, .dec_heads = 6, .batch = 64,
     .hidden = 38},
    {"vit_s_64", .img = 64, .patch = 8, .dim = 384, .depth = 12, .heads = 6, .dec_dim = 384, .dec_heads = 8, .batch = 32,
     .hidden = 38},
    {"vit_b_224", .img = 224, .patch = 16, .dim = 768, .depth = 12, .heads = 12, .dec_dim = 768, .dec_heads = 16,
     .batch = 8, .hidden = 118},
    {"mae_ti_64", SIM_OBJECTIVE_MAE, .img = 64, .patch = 8, .dim = 192, .depth = 12, .heads = 3, .dec_dim = 128,
     .dec_heads = 4, .dec_depth = 8, .batch = 64, .hidden = 48},
    {"mae_s_64", SIM_OBJECTIVE_MAE, .img = 64, .patch = 8, .dim = 384, .depth = 12, .heads = 6, .dec_dim = 256,
     .dec_heads = 8, .dec_depth = 8, .batch = 32, .hidden = 48},
    {"mae_b_224", SIM_OBJECTIVE_MAE, .img = 224, .patch = 16, .dim = 768, .depth = 12, .heads = 12, .dec_dim = 512,
     .dec_heads = 16, .dec_depth = 8, .batch = 8, .hidden = 147},
    {"moco_ti_64", SIM_OBJECTIVE_MOCO_V3, .img = 64, .patch = 8, .dim = 192, .depth = 12, .heads = 3, .dec_dim = 128,
     .mlp_dim = 1024, .batch = 64},
    {"moco_s_64", SIM_OBJECTIVE_MOCO_V3, .img = 64, .patch = 8, .dim = 384, .depth = 12, .heads = 6, .dec_dim = 256,
     .mlp_dim = 2048, .batch = 32},
    {"moco_b_224", SIM_OBJECTIVE_MOCO_V3, .img = 224, .patch = 16, .dim = 768, .depth = 12, .heads = 12, .dec_dim = 256,
     .mlp_dim = 4096, .batch = 8},
};
const int sim_bench_shape_count = sizeof sim_bench_shapes / sizeof *sim_bench_shapes;

/* ------------------------------------------------------------------ the batch */

/* `images` of `pixels` numbers; those beyond the sixteenth repeat the first ones: speed does not see it. */
static void fill_normal(float *x, int64_t images, int64_t pixels, uint32_t view)
{
    const int64_t drawn = (images < 16 ? images : 16) * pixels;
    struct sim_rng r = sim_rng_make(0, SIM_PURPOSE_TEST, 0, 0, view);
    for (int64_t i = 0; i < drawn; i++) x[i] = (float)sim_rng_normal(&r);
    for (int64_t i = drawn; i < images * pixels; i++) x[i] = x[i - drawn];
}

static sim_status make_batch(struct sim_subject *s)
{
    const struct sim_bench_shape *p = s->shape;
    const int64_t grid = p->img / p->patch, patches = grid * grid, pixels = p->batch * 3 * p->img * p->img;
    static const float geometry[6] = {0.1f, -0.2f, 0.8f, 1.2f, 0.0f, 0.5f};
    float *floats = calloc((size_t)(2 * pixels + 6 * p->batch), sizeof *floats);
    int64_t *index = calloc((size_t)p->batch, sizeof *index);
    uint8_t *mask = calloc((size_t)(p->batch * patches), 1);
    uint32_t *order = calloc((size_t)patches, sizeof *order);
    s->memory[0] = floats, s->memory[1] = index, s->memory[2] = mask;
    if (!floats || !index || !mask || !order) {
        free(order);
        return sim_fail(SIM_ENOMEM, "no memory for a batch of %ld images", (long)p->batch);
    }
    fill_normal(floats, p->batch, pixels / p->batch, 1);
    fill_normal(floats + pixels, p->batch, pixels / p->batch, 2);
    for (int64_t b = 0; b < p->batch; b++) {
        struct sim_rng r = sim_rng_make(0, SIM_PURPOSE_TEST, 0, (uint64_t)b, 3);
        sim_rng_permutation(&r, (uint32_t)patches, order);
        for (int64_t i = 0; i < p->hidden; i++) mask[b * patches + order[i]] = 1;
        memcpy(floats + 2 * pixels + 6 * b, geometry, sizeof geometry);
        index[b] = b;
    }
    free(order);
    s->batch = (struct sim_batch){.size = p->batch, .view1 = floats, .view2 = floats + pixels, .mask = mask,
                                  .geometry = floats + 2 * pixels, .index = index};
    return SIM_OK;
}

/* ------------------------------------------------------------------ the step */

sim_status sim_subject_open(struct sim_subject *s, const struct sim_bench_shape *p, const char *device,
                            const struct sim_device_options *options)
{
    const struct sim_vit_config vit = {.img_size = p->img, .patch_size = p->patch, .embed_dim = p->dim,
                                       .depth = p->depth, .num_heads = p->heads, .mlp_ratio = 4};
    const struct sim_pretrain_config method = {
        .objective = p->objective,
        .siameseim = {.decoder_embed_dim = p->dec_dim, .decoder_num_heads = p->dec_heads,
                      .projector_depth = SIM_BENCH_PROJECTOR_DEPTH, .predictor_depth = SIM_BENCH_PREDICTOR_DEPTH,
                      .projector_norm = SIM_NORM_BN, .predictor_norm = SIM_NORM_BN,
                      .relative_position = SIM_RELATIVE_FULL, .loss = SIM_LOSS_DENSE, .neg_weight = 0.02,
                      .momentum = 0.995, .momentum_schedule = SIM_MOMENTUM_CONST},
        .mae = {.decoder_embed_dim = p->dec_dim, .decoder_depth = p->dec_depth, .decoder_num_heads = p->dec_heads,
                .norm_pix_loss = 1},
        .moco_v3 = {.mlp_dim = p->mlp_dim, .dim = p->dec_dim, .temperature = 0.2, .momentum = 0.99,
                    .momentum_schedule = SIM_MOMENTUM_CONST}};
    const struct sim_objective_kind *kind = sim_objective_kind_of(&method);
    const struct sim_pretrain_job job = {&vit, &method, p->batch, p->hidden};
    *s = (struct sim_subject){.shape = p};
    s->config = (struct sim_train_config){.batch_size = p->batch, .lr = 1e-3, .weight_decay = 0.05, .beta1 = 0.9,
                                          .beta2 = 0.95, .eps = 1e-8,
                                          .clip_grad = p->objective == SIM_OBJECTIVE_SIAMESEIM};
    SIM_TRY(kind->check(&method, &vit, p->hidden));
    SIM_TRY(make_batch(s));
    SIM_TRY(sim_watch_open(&s->watch, device, options));
    SIM_TRY(kind->open(&s->objective, &s->watch.ops, &job, 0));
    return sim_optimiser_open(&s->optimiser, &s->objective, &s->config);
}

sim_status sim_subject_step(struct sim_subject *s, double *seconds)
{
    struct sim_step_result result;
    double since = omp_get_wtime();
    SIM_TRY(sim_train_step(&s->optimiser, &s->batch, s->config.lr, s->objective.momentum, 0,
                           NULL, &result));
    *seconds = omp_get_wtime() - since;
    return SIM_OK;
}

sim_status sim_subject_steps(struct sim_subject *s, int count, double *seconds)
{
    struct sim_step_result result;
    double since = omp_get_wtime();
    for (int i = 0; i < count; i++) {
        SIM_TRY(sim_step_queue(&s->optimiser, &s->batch, s->config.lr, s->objective.momentum, 0, NULL));
        if (i > 0) SIM_TRY(sim_step_result_of(&s->optimiser, s->optimiser.step - 1, &result));
    }
    SIM_TRY(sim_step_result_of(&s->optimiser, s->optimiser.step, &result));
    SIM_TRY(s->watch.ops.finish(&s->watch.ops));
    *seconds = omp_get_wtime() - since;
    return SIM_OK;
}

void sim_subject_close(struct sim_subject *s)
{
    sim_optimiser_close(&s->optimiser);
    if (s->objective.close) s->objective.close(&s->objective);
    sim_watch_close(&s->watch);
    for (int i = 0; i < 3; i++) free(s->memory[i]);
    *s = (struct sim_subject){0};
}
