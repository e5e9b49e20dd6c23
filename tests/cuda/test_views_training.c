/* Training whose views the device makes against training whose views the loader makes: the same weights, bit
 * for bit, as nothing else differs. */
#include <stdlib.h>
#include <string.h>

#include "cuda.h"
#include "loader.h"
#include "ops.h"
#include "recipe.h"
#include "siameseim.h"
#include "step.h"
#include "support.h"

enum { BATCH = 6, SIDE = 16, PATCH = 4, EPOCHS = 2 };

static const struct sim_mask_config blocks = {
    .kind = SIM_MASK_BLOCKWISE, .count = 9, .min_block = 4, .min_aspect = 0.3};

/* A small model, and the images that it is shown. */
struct training {
    struct sim_ops ops;
    struct sim_objective model;
    struct sim_data_config data;
    struct sim_augment_config augment;
    struct sim_images images;
    struct sim_source source;
};

/* jobs: the device makes the views.  The loader reads `t` as long as it is open. */
static void open_training(struct training *t, const struct sim_device_options *options, int jobs,
                          int64_t cache_mb)
{
    static const struct sim_vit_config vit = {
        .img_size = SIDE, .patch_size = PATCH, .embed_dim = 16, .depth = 1, .num_heads = 2, .mlp_ratio = 2};
    static const struct sim_siameseim_config config = {.decoder_embed_dim = 16,
                                                       .decoder_num_heads = 2,
                                                       .projector_depth = 1,
                                                       .predictor_depth = 1,
                                                       .neg_weight = 0.02,
                                                       .momentum = 0.99};
    t->data = (struct sim_data_config){.kind = SIM_DATA_PROCEDURAL,
                                       .procedural_train_per_class = 1,
                                       .procedural_val_per_class = 1,
                                       .procedural_size = 24,
                                       .cache_mb = cache_mb};
    t->augment = test_recipe();
    const struct sim_loader_config loader = {.images = &t->images,
                                             .data = &t->data,
                                             .augment = &t->augment,
                                             .mask = &blocks,
                                             .batch_size = BATCH,
                                             .img_size = SIDE,
                                             .patch_size = PATCH,
                                             .workers = 2,
                                             .jobs = jobs};
    test_ok(sim_ops_cuda_open(&t->ops, options));
    test_ok(sim_siameseim_open(&t->model, &t->ops, &vit, &config, BATCH, 7, 5));
    test_ok(sim_images_open(&t->images, &t->data, SIM_TRAIN, 0));
    test_ok(sim_loader_open(&t->source, &loader));
}

static void close_training(struct training *t)
{
    t->source.close(t->source.self);
    t->model.close(&t->model);
    sim_images_close(&t->images);
    t->ops.close(&t->ops);
}

/* The weights after two epochs; the caller frees. */
static float *trained(int jobs, int64_t cache_mb, int graphs, int64_t *count, double *loss)
{
    static const struct sim_train_config training = {
        .epochs = EPOCHS, .batch_size = BATCH, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
    const struct sim_device_options options = {.precision = SIM_PRECISION_FP32, .graphs = graphs};
    struct training t;
    struct sim_optimiser optimiser;
    open_training(&t, &options, jobs, cache_mb);
    test_ok(sim_optimiser_open(&optimiser, &t.model, &training));
    for (int64_t e = 0; e < EPOCHS; e++)
        for (int64_t s = 0; s < t.source.steps_per_epoch; s++) {
            const struct sim_batch *batch;
            struct sim_step_result result;
            test_ok(t.source.next(t.source.self, e, s, &batch));
            test_ok(sim_train_step(&optimiser, batch, 1e-3, 0.99, e, NULL, &result));
            *loss = result.loss;
        }
    test_ok(sim_params_fetch(t.model.params, SIM_FETCH_VALUES));
    *count = t.model.params->value_count;
    float *values = malloc((size_t)*count * sizeof *values);
    memcpy(values, t.model.params->host.value, (size_t)*count * sizeof *values);
    sim_optimiser_close(&optimiser);
    close_training(&t);
    return values;
}

START_TEST(where_views_are_made_changes_no_byte)
{
    int64_t count, other;
    double loss, other_loss;
    float *host = trained(0, 1, 0, &count, &loss);
    for (int k = 0; k < 3; k++) { /* with and without a cache of decoded images; with recorded graphs */
        float *device = trained(1, k == 1, k == 2, &other, &other_loss);
        ck_assert_int_eq(count, other);
        ck_assert_msg(loss == other_loss, "loss %.17g with the loader's views, %.17g with the device's", loss,
                      other_loss);
        ck_assert_mem_eq(host, device, (size_t)count * sizeof *host);
        free(device);
    }
    free(host);
}
END_TEST

START_TEST(batches_that_cannot_be)
{
    struct training t;
    const struct sim_batch *batch;
    int64_t key;
    open_training(&t, NULL, 1, 0);
    test_ok(t.source.next(t.source.self, 0, 0, &batch));
    struct sim_batch without = *batch;
    without.jobs2 = NULL;
    test_fails(t.model.load(t.model.self, &without, 0, &key), "without jobs");
    struct sim_view_jobs small = *batch->jobs1;
    small.size = 8;
    without.jobs1 = &small;
    test_fails(t.model.load(t.model.self, &without, 0, &key), "views of 8 pixels");
    t.ops.make_views = NULL;
    test_fails(t.model.load(t.model.self, batch, 0, &key), "makes none");
    close_training(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("training with the device's views");
    TCase *c = tcase_create("training");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, where_views_are_made_changes_no_byte);
    tcase_add_test(c, batches_that_cannot_be);
    suite_add_tcase(suite, c);
    return test_run(suite);
}
