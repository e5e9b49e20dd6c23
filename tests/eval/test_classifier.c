/* The classifier of fine-tuning against the golden truth (shared steps, gradients, state after four steps),
 * its inference against its training, and what it says of weights that do not fit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classifier.h"
#include "rng.h"
#include "step.h"
#include "support.h"

enum { SIDE = 16, PIXELS = 3 * SIDE * SIDE, CLASSES = 5, BATCH = 4 };

static struct sim_classifier_shape small(void)
{
    return (struct sim_classifier_shape){.vit = {.img_size = SIDE,
                                                 .patch_size = 4,
                                                 .embed_dim = 24,
                                                 .depth = 2,
                                                 .num_heads = 3,
                                                 .mlp_ratio = 2,
                                                 .drop_path_rate = 0.3},
                                         .classes = CLASSES,
                                         .batch = BATCH,
                                         .layer_decay = 0.5,
                                         .training = 1};
}

static void fill(float *x, int64_t count, uint64_t seed)
{
    struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_TEST, 0, 0, 0);
    for (int64_t i = 0; i < count; i++) x[i] = (float)sim_rng_normal(&r);
}

static struct sim_ops cpu(void)
{
    struct sim_ops ops;
    test_ok(sim_ops_open(&ops, "cpu", NULL));
    return ops;
}

/* Layers count from the patch embedding to the head; vectors and the cls token are not decayed, positions not
 * trained. */
START_TEST(rows_have_their_rates)
{
    struct sim_ops ops = cpu();
    struct sim_classifier_shape shape = small();
    struct sim_classifier *c;
    struct sim_objective o;
    test_ok(sim_classifier_open(&c, &ops, &shape, 1));
    const struct sim_params *p = sim_classifier_params(c);
    const struct {
        const char *name;
        double scale;
        int trained, decayed;
    } expected[] = {{"cls_token", 0.125, 1, 0},
                    {"pos_embed", 0.125, 0, 0},
                    {"patch_embed.proj.weight", 0.125, 1, 1},
                    {"patch_embed.proj.bias", 0.125, 1, 0},
                    {"blocks.0.norm1.weight", 0.25, 1, 0},
                    {"blocks.0.mlp.fc2.bias", 0.25, 1, 0},
                    {"blocks.1.attn.qkv.weight", 0.5, 1, 1},
                    {"fc_norm.weight", 1, 1, 0},
                    {"head.weight", 1, 1, 1},
                    {"head.bias", 1, 1, 0}};
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        int r = sim_params_find(p, expected[k].name);
        ck_assert_msg(r >= 0, "no %s", expected[k].name);
        ck_assert_double_eq(p->row[r].lr_scale, expected[k].scale);
        ck_assert_int_eq(p->row[r].gradient >= 0, expected[k].trained);
        ck_assert_int_eq((p->row[r].flags & SIM_ROW_DECAYED) != 0, expected[k].decayed);
    }
    sim_classifier_objective(c, &o);
    ck_assert_int_eq(o.cost.trainable, o.cost.parameters - p->row[sim_params_find(p, "pos_embed")].count);
    sim_classifier_close(c);
    ops.close(&ops);
}
END_TEST

/* method.md 1.10: a fine-tuning step of ViT-B/16 takes 105.2 GFLOP per image; 3.3: 86,567,656 parameters, of
 * which 86,416,360 are trained. */
START_TEST(vit_b_is_the_published_one)
{
    struct sim_cost cost;
    const struct sim_classifier_shape shape = {.vit = {.img_size = 224,
                                                       .patch_size = 16,
                                                       .embed_dim = 768,
                                                       .depth = 12,
                                                       .num_heads = 12,
                                                       .mlp_ratio = 4},
                                               .classes = 1000,
                                               .batch = 1,
                                               .layer_decay = 0.65,
                                               .training = 1};
    test_ok(sim_classifier_cost(&cost, &shape, sizeof(float)));
    ck_assert_int_eq(cost.parameters, 86567656);
    ck_assert_int_eq(cost.trainable, 86416360);
    ck_assert_double_eq_tol(1e-9 * cost.flop_per_image, 105.2, 0.1);
}
END_TEST

/* Without drop path the loss of a step is that of the logits that inference gives; an inference in between
 * changes nothing, whatever its number of images. */
START_TEST(inference_is_the_same_network)
{
    struct sim_ops ops = cpu();
    struct sim_classifier_shape shape = small(), plain = small();
    static float x[BATCH * PIXELS], target[BATCH * CLASSES];
    float logits[BATCH * CLASSES], alone[BATCH * CLASSES];
    struct sim_classifier *trained, *other;
    struct sim_objective o;
    struct sim_scalars scalars = {0};
    char path[700];
    int64_t key;
    shape.vit.drop_path_rate = 0;
    plain.training = 0;
    fill(x, BATCH * PIXELS, 3);
    for (int i = 0; i < BATCH; i++) target[i * CLASSES + i] = 0.75, target[i * CLASSES + CLASSES - 1] += 0.25;
    test_ok(sim_classifier_open(&trained, &ops, &shape, 5));
    struct sim_params *p = sim_classifier_params(trained);
    fill(p->host.value + p->row[sim_params_find(p, "head.weight")].offset, 24 * CLASSES, 8);
    test_ok(sim_params_store(p));
    sim_classifier_objective(trained, &o);
    test_ok(o.load(o.self, &(struct sim_batch){.size = BATCH, .view1 = x, .target = target}, 0, &key));
    o.compute(o.self, &scalars, NULL);
    test_ok(ops.finish(&ops));
    test_ok(sim_classifier_logits(trained, x, BATCH, logits));
    double loss = 0;
    for (int i = 0; i < BATCH; i++) {
        double sum = 0;
        for (int k = 0; k < CLASSES; k++) sum += exp(logits[i * CLASSES + k]);
        for (int k = 0; k < CLASSES; k++)
            loss += target[i * CLASSES + k] * (log(sum) - logits[i * CLASSES + k]) / BATCH;
    }
    ck_assert_double_eq_tol(scalars.loss, loss, 1e-6);

    snprintf(path, sizeof path, "%s/classifier.safetensors", test_scratch());
    test_ok(sim_classifier_write(trained, path, NULL));
    test_ok(sim_classifier_open(&other, &ops, &plain, 77));
    test_ok(sim_classifier_load(other, path, 1));
    for (int i = 0; i < BATCH; i++)
        test_ok(sim_classifier_logits(other, x + i * PIXELS, 1, alone + i * CLASSES));
    for (int k = 0; k < BATCH * CLASSES; k++) ck_assert_double_eq_tol(alone[k], logits[k], 1e-5);
    test_fails(sim_classifier_logits(other, x, BATCH + 1, alone), "5 images in a batch planned for 4");
    sim_classifier_close(trained);
    sim_classifier_close(other);
    ops.close(&ops);
}
END_TEST

START_TEST(weights_that_do_not_fit)
{
    struct sim_ops ops = cpu();
    struct sim_classifier_shape shape = small(), wide = small(), more = small();
    struct sim_classifier *c, *w, *m;
    struct sim_objective o;
    static float x[BATCH * PIXELS], keep[4 * BATCH];
    char path[700];
    int64_t key;
    wide.vit.embed_dim = 48, more.classes = 7;
    test_ok(sim_classifier_open(&c, &ops, &shape, 1));
    test_ok(sim_classifier_open(&w, &ops, &wide, 1));
    test_ok(sim_classifier_open(&m, &ops, &more, 1));
    snprintf(path, sizeof path, "%s/other.safetensors", test_scratch());
    test_ok(sim_classifier_write(w, path, NULL));
    test_fails(sim_classifier_load(c, path, 0), "cls_token");
    test_fails(sim_classifier_take_encoder(c, sim_classifier_params(w)),
               "cls_token of 24 numbers, the encoder's has 48");
    test_ok(sim_classifier_write(m, path, NULL));
    test_fails(sim_classifier_load(c, path, 1), "its head tells 7 classes apart, these images are of 5");
    test_ok(sim_params_write_encoder(sim_classifier_params(m), path, NULL)); /* without a head */
    test_fails(sim_classifier_load(c, path, 1), "an encoder without a head");
    test_ok(sim_classifier_load(c, path, 0));
    test_ok(sim_classifier_take_encoder(c, sim_classifier_params(m)));
    sim_classifier_objective(c, &o);
    test_fails(o.load(o.self, &(struct sim_batch){.size = BATCH, .view1 = x}, 0, &key),
               "without pixels or targets");
    test_fails(o.load(o.self, &(struct sim_batch){.size = 1, .view1 = x, .target = x}, 0, &key),
               "1 images for a classifier planned for 4");
    sim_classifier_close(m);
    shape.vit.drop_path_rate = 0;
    test_ok(sim_classifier_open(&m, &ops, &shape, 1));
    sim_classifier_objective(m, &o);
    test_fails(
        o.load(o.self, &(struct sim_batch){.size = BATCH, .view1 = x, .target = x, .keep = keep}, 0, &key),
        "whose drop_path_rate is 0");
    sim_classifier_close(m);
    shape.classes = 1;
    test_fails(sim_classifier_open(&m, &ops, &shape, 1), "1 classes");
    sim_classifier_close(c);
    sim_classifier_close(w);
    ops.close(&ops);
}
END_TEST

/* Factors are drawn for (epoch, image, branch) and scale the branch; the first block is never dropped. */
START_TEST(drop_path_is_drawn)
{
    struct sim_ops ops = cpu();
    struct sim_classifier_shape shape = small();
    static float x[BATCH * PIXELS], target[BATCH * CLASSES];
    const int64_t index[BATCH] = {4, 0, 9, 2};
    double loss[3];
    struct sim_classifier *c;
    struct sim_objective o;
    shape.vit.drop_path_rate = 0.5;
    fill(x, BATCH * PIXELS, 3);
    for (int i = 0; i < BATCH; i++) target[i * CLASSES + i] = 1;
    test_ok(sim_classifier_open(&c, &ops, &shape, 5));
    struct sim_params *p = sim_classifier_params(c);
    fill(p->host.value + p->row[sim_params_find(p, "head.weight")].offset, 24 * CLASSES, 8);
    test_ok(sim_params_store(p));
    sim_classifier_objective(c, &o);
    for (int k = 0; k < 3; k++) {
        struct sim_scalars scalars = {0};
        int64_t key;
        float logits[CLASSES];
        test_ok(o.load(o.self,
                       &(struct sim_batch){.size = BATCH, .view1 = x, .target = target, .index = index},
                       k == 1 ? 6 : 5, &key));
        o.compute(o.self, &scalars, NULL);
        loss[k] = scalars.loss;
        test_ok(sim_classifier_logits(c, x, 1, logits));
    }
    ck_assert_double_ne(loss[0], loss[1]);
    ck_assert_double_eq(loss[0], loss[2]);
    sim_classifier_close(c);
    ops.close(&ops);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("classifier");
    TCase *t = tcase_create("classifier");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, rows_have_their_rates);
    tcase_add_test(t, vit_b_is_the_published_one);
    tcase_add_test(t, inference_is_the_same_network);
    tcase_add_test(t, weights_that_do_not_fit);
    tcase_add_test(t, drop_path_is_drawn);
    suite_add_tcase(s, t);
    return test_run(s);
}
