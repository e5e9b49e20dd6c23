/* What scores cost: images by hand, times what a network takes for each; and what is in memory together. */
#include <string.h>

#include "run_cost.h"
#include "support.h"
#include "tool.h"

/* A small run that scores nothing yet. */
static struct sim_run_config config(void)
{
    struct sim_run_config c;
    test_ok(sim_run_config_preset(&c, SIM_OBJECTIVE_SIAMESEIM));
    c.model = (struct sim_vit_config){
        .img_size = 32, .patch_size = 8, .embed_dim = 16, .depth = 2, .num_heads = 2, .mlp_ratio = 4};
    c.pretrain.siameseim.decoder_embed_dim = 16, c.pretrain.siameseim.decoder_num_heads = 2;
    c.mask.min_block = 2;
    c.train.epochs = 3, c.train.batch_size = 10;
    c.eval.knn = c.eval.logistic = 0;
    c.finetune.batch_size = 8;
    c.data.procedural_train_per_class = 2, c.data.procedural_val_per_class = 1;
    c.shift.procedural_per_class = 3;
    return c;
}

static const struct sim_run_sets sets = {.train = 45, .val = 21, .shifted = 1000, .classes = 5};

static struct sim_run_cost cost_of(const struct sim_run_config *c)
{
    struct sim_run_cost out;
    test_ok(sim_run_config_check(c));
    test_ok(sim_run_cost(&out, c, &sets));
    return out;
}

/* Multiply-adds, times two, of one image through the encoder and a head: 16 patches and a class token. */
static double forward_flop(void)
{
    const double d = 16, tokens = 17;
    return 2 * (16 * 192 * d + 2 * (12 * tokens * d * d + 2 * tokens * tokens * d) + d * 5);
}

/* Images that the configuration shows to a network that does not learn. */
static double shown(const struct sim_run_config *c)
{
    return cost_of(c).scoring_gflop * 1e9 / forward_flop();
}

START_TEST(pre_training)
{
    struct sim_run_config c = config();
    struct sim_run_cost cost = cost_of(&c);
    ck_assert_int_eq(cost.steps, 3 * 4);
    ck_assert_double_eq_tol(cost.pretrain_gflop, 120e-9 * cost.pretrain.flop_per_image, 1e-12);
    ck_assert_double_eq(cost.scoring_gflop, 0);
    ck_assert_int_eq(cost.finetune.parameters, 0);
    ck_assert_int_eq(cost.memory_bytes, cost.pretrain.activation_bytes + cost.pretrain.state_bytes);
    c.train.max_steps = 7;
    ck_assert_int_eq(cost_of(&c).steps, 7);
    c.train.epochs = 0;
    ck_assert_int_eq(cost_of(&c).steps, 0);
}
END_TEST

START_TEST(scores_of_a_frozen_encoder)
{
    struct sim_run_config c = config();
    c.eval.knn = c.eval.logistic = 1; /* of one pass over both sets; untrained and pre-trained */
    ck_assert_double_eq_tol(shown(&c), 2 * (45 + 21), 1e-6);
    const struct sim_run_cost cost = cost_of(&c);
    ck_assert_int_gt(cost.memory_bytes,
                     cost.pretrain.activation_bytes + cost.pretrain.state_bytes + 4 * 16 * (45 + 21));
    c.eval.linear = 1, c.eval.linear_epochs = 12, c.eval.linear_batch_size = 5;
    ck_assert_double_eq_tol(shown(&c), 2 * (45 + 21 + 12 * 45), 1e-6);
    c.eval.linear_augment = 0;
    ck_assert_double_eq_tol(shown(&c), 2 * (45 + 21), 1e-6);
    c.eval.few_shot = 1, c.eval.few_shot_percent = 20;
    ck_assert_double_eq_tol(shown(&c), 2 * (45 + 21 + 9 + 21), 1e-6);
    c.eval.few_shot_per_class = 3;
    ck_assert_double_eq_tol(shown(&c), 2 * (45 + 21 + 15 + 21), 1e-6);
    c.eval.robustness = 1, c.eval.robustness_head = SIM_HEAD_LOGISTIC;
    ck_assert_double_eq_tol(shown(&c), 2 * (45 + 21 + 15 + 21 + 1000), 1e-6);
    c.train.epochs = 0;
    ck_assert_double_eq_tol(shown(&c), 45 + 21 + 15 + 21 + 1000, 1e-6);
}
END_TEST

START_TEST(fine_tuning)
{
    struct sim_run_config c = config();
    const double patches = 2 * 16 * 192 * 16;
    c.eval.finetune = 1, c.finetune.epochs = 10, c.finetune.score_every_epochs = 4;
    /* five whole batches of 8; three forwards but that pixels need no gradient; scored at 4, 8 and the end */
    const double one = 10 * 40 * (3 * forward_flop() - patches) + 3 * 21 * forward_flop();
    ck_assert_double_eq_tol(cost_of(&c).scoring_gflop, 2e-9 * one, 1e-9);
    c.finetune.from_scratch = 0;
    ck_assert_double_eq_tol(cost_of(&c).scoring_gflop, 1e-9 * one, 1e-9);
    c.finetune.score_every_epochs = 0;
    c.eval.robustness = 1, c.eval.robustness_head = SIM_HEAD_FINETUNE;
    ck_assert_double_eq_tol(cost_of(&c).scoring_gflop, 1e-9 * (one + (1021 - 3 * 21) * forward_flop()), 1e-9);
    /* batches of many images are more than pre-training takes, which is over by then */
    c.train.batch_size = 2, c.finetune.batch_size = 40, c.finetune.mixup = c.finetune.cutmix = 0;
    const struct sim_run_cost cost = cost_of(&c);
    ck_assert_int_gt(cost.finetune.activation_bytes, cost.pretrain.activation_bytes);
    ck_assert_int_eq(cost.memory_bytes, cost.finetune.activation_bytes + cost.finetune.state_bytes +
                                            4 * cost.finetune.parameters);
    strcpy(c.finetune.encoder, "classifier.safetensors");
    c.train.epochs = c.finetune.epochs = 0;
    ck_assert_double_eq_tol(cost_of(&c).scoring_gflop, 1021e-9 * forward_flop(), 1e-9);
}
END_TEST

START_TEST(which_encoders_are_fine_tuned)
{
    struct sim_run_config c = config();
    ck_assert(!sim_run_finetunes(&c, 0) && !sim_run_finetunes(&c, 1));
    c.eval.finetune = 1;
    ck_assert(sim_run_finetunes(&c, 0) && sim_run_finetunes(&c, 1));
    c.finetune.from_scratch = 0;
    ck_assert(!sim_run_finetunes(&c, 0) && sim_run_finetunes(&c, 1));
    c.train.epochs = 0;
    ck_assert(sim_run_finetunes(&c, 0) && !sim_run_finetunes(&c, 1));
    strcpy(c.finetune.encoder, "encoder.safetensors");
    ck_assert(!sim_run_finetunes(&c, 0) && sim_run_finetunes(&c, 1));
}
END_TEST

START_TEST(images_are_counted)
{
    struct sim_run_config c = config();
    struct sim_run_sets s;
    test_ok(sim_run_sets_count(&s, &c, 0));
    ck_assert(s.train == 40 && s.val == 0 && s.shifted == 0); /* nothing is scored */
    c.eval.logistic = c.eval.robustness = 1;
    test_ok(sim_run_sets_count(&s, &c, 0));
    ck_assert(s.train == 40 && s.val == 20 && s.classes == 20);
    ck_assert_int_eq(s.shifted, 15 * 5 * 20 + (10 + 10 + 20) * 3);
    c.shift.limit_val = 7;
    strcpy(c.shift.corruptions, "fog,snow");
    strcpy(c.shift.severities, "1,5");
    test_ok(sim_run_sets_count(&s, &c, 123));
    ck_assert_int_eq(s.train, 123);
    ck_assert_int_eq(s.shifted, 2 * 2 * 7 + (10 + 10 + 20) * 3);
    /* what is not here counts as its limit, or not at all */
    c.data.kind = SIM_DATA_FOLDER, c.data.limit_val = 30;
    strcpy(c.data.train, "no/such/folder"), strcpy(c.data.val, "no/such/folder");
    strcpy(c.shift.a, "no/such/folder");
    test_ok(sim_run_sets_count(&s, &c, 0));
    ck_assert(s.train == 0 && s.val == 30 && s.shifted == 2 * 2 * 7);
}
END_TEST

START_TEST(the_table)
{
    expect(tool("plan %s --gflops 100 --set eval.finetune=true --set finetune.batch_size=16 "
                "--set finetune.epochs=7",
                smoke_file()) == 0,
           "pre-training      scoring\n");
    expect(1, "of training and scoring");
    expect(tool("plan %s --gflops 100 --images 80 --set data.kind=folder --set data.train=no/such "
                "--set data.val=no/such",
                smoke_file()) == 0,
           "The validation images of 1 run are not here");
    expect(tool("plan %s --gflops 100 --set data.kind=folder --set data.train=no/such --set data.val=no/such",
                smoke_file()) == 0,
           "The training images of 1 run are not here");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run cost");
    TCase *t = tcase_create("cost");
    tcase_add_test(t, pre_training);
    tcase_add_test(t, scores_of_a_frozen_encoder);
    tcase_add_test(t, fine_tuning);
    tcase_add_test(t, which_encoders_are_fine_tuned);
    tcase_add_test(t, images_are_counted);
    tcase_add_test(t, the_table);
    suite_add_tcase(suite, t);
    return test_run(suite);
}
