/* What a step costs, against method.md 1.11 and against the block formula. */
#include "siameseim_model.h"
#include "small_model.h"

#include <math.h>

static struct sim_cost cost_of(const struct small *s)
{
    struct sim_cost cost;
    test_ok(sim_siameseim_cost(&cost, &s->vit, &s->c, s->batch, small_patches(s) - s->hidden, 4));
    return cost;
}

/* GFLOP of ViT-B's parts as the table of method.md 1.11 prints them. */
START_TEST(vit_b_costs_what_the_specification_says)
{
    struct small s = vit_b();
    double gflop = cost_of(&s).flop_per_image * 1e-9;
    const double table = 141.3, visible_patches_only = 0.14, pred_on_targets_only = 0.28;
    ck_assert_double_eq_tol(gflop, table - visible_patches_only - pred_on_targets_only, 0.05);
}
END_TEST

/* Multiply-adds of a block of N tokens: 12 N D^2 + 2 N^2 D. */
static double block_mac(double tokens, double dim)
{
    return 12 * tokens * dim * dim + 2 * tokens * tokens * dim;
}

START_TEST(vit_b_costs_the_sum_of_its_parts)
{
    struct small s = vit_b();
    const double d = 768, d2 = d * d, online_tokens = 79, all = 275, targets = 196;
    double trained = 12 * block_mac(online_tokens, d) + online_tokens * d2 + 2 * block_mac(online_tokens, d) +
                     4 * block_mac(all, d) + targets * d2;
    double target = targets * d2 + 12 * block_mac(197, d) + 197 * d2 + 2 * block_mac(197, d);
    double positions = targets * 2 * d2, patches = 78 * d2, loss = 2 * targets * d2;
    double mac = 3 * trained + 2 * positions + patches + target + loss;
    ck_assert_double_eq_tol(cost_of(&s).flop_per_image / (2 * mac), 1, 1e-12);

    s.c.train_patch_embed = 1; /* a gradient of the weights, none of the pixels */
    ck_assert_double_eq_tol(cost_of(&s).flop_per_image / (2 * (mac + patches)), 1, 1e-12);
    s.c.loss = SIM_LOSS_GLOBAL; /* one row per image instead of 196 */
    ck_assert_double_eq_tol(cost_of(&s).flop_per_image / (2 * (mac + patches - loss + 2 * d2)), 1, 1e-12);
}
END_TEST

START_TEST(block_formula)
{
    struct sim_block_shape shape = {.dim = 96, .heads = 3, .hidden = 384};
    ck_assert_double_eq_tol(sim_block_flop(&shape, 65), 2 * block_mac(65, 96), 1);
    shape.hidden = 2 * 96; /* mlp ratio 2: 4 of the 12 D^2 go */
    ck_assert_double_eq_tol(sim_block_flop(&shape, 65), 2 * (block_mac(65, 96) - 4.0 * 65 * 96 * 96), 1);
}
END_TEST

START_TEST(counting_equals_opening)
{
    struct sim_ops ops = small_ops();
    for (int variant = 0; variant < 4; variant++) {
        struct small s = small_model();
        if (variant == 1) s.c.projector_norm = s.c.predictor_norm = SIM_NORM_LN, s.c.online_ln = 1;
        if (variant == 2) s.vit.init_values = 0.1, s.vit.drop_path_rate = 0.2, s.c.loss = SIM_LOSS_GLOBAL;
        if (variant == 3) s.c.projector_depth = 0, s.c.train_patch_embed = 1, s.hidden = 0;
        struct sim_objective o = small_open(&ops, &s, 1);
        struct sim_cost cost = cost_of(&s);
        ck_assert_int_eq(cost.parameters, o.cost.parameters);
        ck_assert_int_eq(cost.trainable, o.cost.trainable);
        ck_assert_int_eq(cost.momentum_copies, o.cost.momentum_copies);
        ck_assert_double_eq(cost.flop_per_image, o.cost.flop_per_image);
        ck_assert_int_eq(cost.activation_bytes, o.cost.activation_bytes);
        ck_assert_int_eq(cost.state_bytes, o.cost.state_bytes);
        const struct sim_params *p = o.params;
        ck_assert_int_eq(cost.state_bytes, 4 * (p->value_count + 3 * p->gradient_count));
        o.close(&o);
    }
    ops.close(&ops);
}
END_TEST

START_TEST(activation_memory_grows_with_the_work)
{
    struct small s = small_model();
    int64_t last = 0;
    for (s.batch = 1; s.batch <= 8; s.batch++) {
        int64_t bytes = cost_of(&s).activation_bytes;
        ck_assert_int_gt(bytes, last);
        last = bytes;
    }
    s = small_model(), last = 0;
    for (s.hidden = small_patches(&s) - 1; s.hidden >= 0; s.hidden--) {
        int64_t bytes = cost_of(&s).activation_bytes;
        ck_assert_int_ge(bytes, last); /* buffers are padded to cache lines */
        last = bytes;
    }
    s = small_model(), last = 0;
    for (s.vit.depth = 1; s.vit.depth <= 5; s.vit.depth++) {
        int64_t bytes = cost_of(&s).activation_bytes;
        ck_assert_int_gt(bytes, last);
        last = bytes;
    }
}
END_TEST

START_TEST(impossible_shapes_are_refused)
{
    struct sim_cost cost;
    struct small s = small_model();
    test_fails(sim_siameseim_cost(&cost, &s.vit, &s.c, 4, 0, 4), "visible patches");
    test_fails(sim_siameseim_cost(&cost, &s.vit, &s.c, 4, 17, 4), "1 to 16");
    test_fails(sim_siameseim_cost(&cost, &s.vit, &s.c, 0, 4, 4), "0 images");
    s.vit.num_heads = 5;
    test_fails(sim_siameseim_cost(&cost, &s.vit, &s.c, 4, 4, 4), "model.num_heads: 5 heads do not divide");
    s = small_model(), s.vit.patch_size = 5;
    test_fails(sim_siameseim_cost(&cost, &s.vit, &s.c, 4, 4, 4), "model.patch_size");
    s = small_model(), s.vit.embed_dim = 27;
    test_fails(sim_siameseim_cost(&cost, &s.vit, &s.c, 4, 4, 4), "model.embed_dim: 27 is no multiple of 4");
    s = small_model(), s.c.decoder_num_heads = 3;
    test_fails(sim_siameseim_cost(&cost, &s.vit, &s.c, 4, 4, 4), "siameseim.decoder_num_heads");
    s = small_model(), s.c.decoder_embed_dim = 18;
    test_fails(sim_siameseim_cost(&cost, &s.vit, &s.c, 4, 4, 4), "siameseim.decoder_embed_dim");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cost");
    TCase *t = tcase_create("cost");
    tcase_add_test(t, vit_b_costs_what_the_specification_says);
    tcase_add_test(t, vit_b_costs_the_sum_of_its_parts);
    tcase_add_test(t, block_formula);
    tcase_add_test(t, counting_equals_opening);
    tcase_add_test(t, activation_memory_grows_with_the_work);
    tcase_add_test(t, impossible_shapes_are_refused);
    suite_add_tcase(s, t);
    return test_run(s);
}
