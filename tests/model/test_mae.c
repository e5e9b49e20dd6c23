/* MAE: its table against the official names, its cost, what its encoder may see, what it refuses.  That its
 * step is right to the last gradient, tests/driver/test_verify.c shows. */
#include "mae_model.h"
#include "small_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct sim_mae_config small_config = {
    .decoder_embed_dim = 16, .decoder_depth = 2, .decoder_num_heads = 2, .norm_pix_loss = 1};

static sim_status open_mae(struct sim_objective *out, const struct sim_ops *ops, const struct small *s)
{
    return sim_mae_open(out, ops, &s->vit, &small_config, s->batch, s->hidden, 1);
}

/* ------------------------------------------------------------------ the table */

/* Names, shapes and order of the state_dict that the reference saved. */
START_TEST(the_table_is_the_official_one)
{
    const struct sim_vit_config vit = {
        .img_size = 32, .patch_size = 4, .embed_dim = 48, .depth = 2, .num_heads = 3, .mlp_ratio = 4};
    const struct sim_mae_config c = {.decoder_embed_dim = 32, .decoder_depth = 2, .decoder_num_heads = 4};
    struct sim_mae m;
    struct sim_tensors *file;
    test_ok(sim_tensors_open(&file, test_path("golden/mae/init.safetensors")));
    test_ok(sim_mae_describe(&m, &vit, &c, 4, 48));
    sim_mae_add_rows(&m);
    ck_assert_int_eq(m.params.count, sim_tensors_count(file));
    for (int r = 0; r < m.params.count; r++) {
        const struct sim_param *row = &m.params.row[r];
        const struct sim_tensor *t = sim_tensors_at(file, r);
        ck_assert_str_eq(row->name, t->name);
        ck_assert_int_eq(row->dims, t->dims);
        for (int d = 0; d < row->dims; d++) ck_assert_int_eq(row->shape[d], t->shape[d]);
        const int frozen = strstr(row->name, "pos_embed") != NULL, vector = row->dims == 1;
        ck_assert_int_eq((row->flags & SIM_ROW_TRAINED) != 0, !frozen);
        ck_assert_int_eq((row->flags & SIM_ROW_DECAYED) != 0, !frozen && !vector); /* tokens are decayed */
    }
    sim_params_close(&m.params);
    sim_tensors_close(file);
}
END_TEST

/* Column first: SiameseIM's tables with their halves swapped. */
START_TEST(positions_are_the_references)
{
    struct sim_ops ops = small_ops();
    struct small s = small_model();
    s.vit = (struct sim_vit_config){
        .img_size = 32, .patch_size = 4, .embed_dim = 48, .depth = 1, .num_heads = 3, .mlp_ratio = 4};
    struct sim_objective o;
    struct sim_tensors *file;
    const struct sim_tensor *t;
    test_ok(sim_mae_open(&o, &ops, &s.vit, &small_config, 1, 48, 1));
    test_ok(sim_tensors_open(&file, test_path("golden/mae/init.safetensors")));
    test_ok(sim_tensors_expect(file, "pos_embed", SIM_F32, 3, (const int64_t[]){1, 65, 48}, &t));
    const float *ours = sim_value(o.params, sim_params_find(o.params, "pos_embed"));
    for (int64_t i = 0; i < t->count; i++)
        ck_assert_double_eq_tol((double)ours[i], (double)((const float *)t->data)[i], 1e-7);
    sim_tensors_close(file);
    o.close(&o);
    ops.close(&ops);
}
END_TEST

/* ------------------------------------------------------------------ cost */

static double block_mac(double tokens, double dim)
{
    return 12 * tokens * dim * dim + 2 * tokens * tokens * dim;
}

/* ViT-B/16 as published: 111.66 M trained (method.md 1.11), 58.7 GFLOP a step of which the official code
 * spends 0.6 on embedding patches that it hides and on the gradient of pixels. */
START_TEST(vit_b_costs_what_the_specification_says)
{
    const struct small s = vit_b();
    const struct sim_mae_config c = {.decoder_embed_dim = 512, .decoder_depth = 8, .decoder_num_heads = 16};
    struct sim_cost cost;
    test_ok(sim_mae_cost(&cost, &s.vit, &c, 1, 147, 4));
    ck_assert_double_eq_tol(1e-6 * (double)cost.trainable, 111.66, 0.005);
    ck_assert_int_eq(cost.parameters - cost.trainable, 197 * (768 + 512));
    ck_assert_int_eq(cost.momentum_copies, 0);
    const double mac =
        3 * (12 * block_mac(50, 768) + 50 * 768 * 512 + 8 * block_mac(197, 512) + 196 * 512 * 768) +
        2 * 49 * 768 * 768;
    ck_assert_double_eq_tol(cost.flop_per_image / (2 * mac), 1, 1e-12);
    ck_assert_double_eq_tol(1e-9 * cost.flop_per_image, 58.7 - 0.6, 0.1);
}
END_TEST

START_TEST(counting_equals_opening)
{
    struct small s = small_model();
    for (int variant = 0; variant < 2; variant++) {
        struct small_bench b;
        struct sim_cost cost;
        if (variant) s.vit.drop_path_rate = 0.2, s.vit.init_values = 0.1;
        small_bench_open(&b, &s, open_mae);
        test_ok(sim_mae_cost(&cost, &s.vit, &small_config, s.batch, s.hidden, 4));
        ck_assert_mem_eq(&cost, &b.o.cost, sizeof cost);
        small_bench_close(&b);
    }
}
END_TEST

/* ------------------------------------------------------------------ what is seen */

struct seen {
    const char *name;
    float *data;
    int64_t count;
};

static void see(void *context, const char *name, const sim_act *data, const int64_t shape[3])
{
    struct seen *s = context;
    if (strcmp(name, s->name) != 0) return;
    s->count = shape[0] * shape[1] * shape[2];
    s->data = malloc((size_t)s->count * sizeof(float));
    memcpy(s->data, data, (size_t)s->count * sizeof(float));
}

/* The loss, and a copy of the activation of this name, which the caller frees. */
static double look(struct small_bench *b, const char *name, struct seen *s)
{
    struct sim_trace trace = {see, s};
    double loss;
    *s = (struct seen){.name = name};
    test_ok(small_step(&b->o, b->batch, 0, 0, &trace, &loss));
    ck_assert_ptr_nonnull(s->data);
    return loss;
}

/* Other pixels under the mask: the same prediction, another target, another loss. */
START_TEST(hidden_pixels_reach_the_loss_alone)
{
    const struct small s = small_model();
    struct small_bench b;
    small_bench_open(&b, &s, open_mae);
    const int64_t grid = s.vit.img_size / s.vit.patch_size, side = s.vit.img_size;
    struct seen before, after;
    const double loss = look(&b, "pred", &before);
    for (int64_t i = 0; i < s.batch * 3 * side * side; i++) {
        const int64_t image = i / (3 * side * side), y = i / side % side, x = i % side;
        const int64_t l = y / s.vit.patch_size * grid + x / s.vit.patch_size;
        if (b.batch->mask[image * grid * grid + l]) ((float *)b.batch->view1)[i] += (float)sin((double)i);
    }
    const double other = look(&b, "pred", &after);
    ck_assert_int_eq(before.count, s.batch * grid * grid * 48);
    ck_assert_mem_eq(before.data, after.data, (size_t)before.count * sizeof(float));
    ck_assert(fabs(loss - other) > 1e-3);
    free(before.data), free(after.data);
    small_bench_close(&b);
}
END_TEST

/* One view is all it takes; the second and the geometry may be absent. */
START_TEST(one_view_is_enough)
{
    const struct small s = small_model();
    struct small_bench b;
    small_bench_open(&b, &s, open_mae);
    struct sim_batch half = *b.batch;
    double both, one;
    test_ok(small_step(&b.o, b.batch, 0, 0, NULL, &both));
    half.view2 = NULL, half.geometry = NULL;
    test_ok(small_step(&b.o, &half, 0, 0, NULL, &one));
    ck_assert_double_eq(both, one);
    small_bench_close(&b);
}
END_TEST

START_TEST(drop_path_is_a_function)
{
    struct small s = small_model();
    struct small_bench b;
    s.vit.drop_path_rate = 0.5;
    small_bench_open(&b, &s, open_mae);
    double first, again, later;
    test_ok(small_step(&b.o, b.batch, 0, 0, NULL, &first));
    test_ok(small_step(&b.o, b.batch, 0, 1, NULL, &later));
    test_ok(small_step(&b.o, b.batch, 0, 0, NULL, &again));
    ck_assert_double_eq(first, again);
    ck_assert_double_ne(first, later);
    small_bench_close(&b);
}
END_TEST

/* ------------------------------------------------------------------ what is refused */

START_TEST(bad_batches_are_refused)
{
    const struct small s = small_model();
    struct small other = s;
    struct small_bench b;
    small_bench_open(&b, &s, open_mae);
    struct sim_batch wrong = *b.batch;
    double loss;
    wrong.size = 3;
    test_fails(small_step(&b.o, &wrong, 0, 0, NULL, &loss), "planned for 4");
    wrong = *b.batch, wrong.view1 = NULL;
    test_fails(small_step(&b.o, &wrong, 0, 0, NULL, &loss), "without views");
    other.hidden = s.hidden + 1; /* fewer visible patches than the decoder is planned for */
    struct sim_batch *fewer = small_batch(&other, 0);
    test_fails(small_step(&b.o, fewer, 0, 0, NULL, &loss),
               "leave 6 patches visible; this model is planned for 7");
    other.hidden = s.hidden - 1;
    struct sim_batch *more = small_batch(&other, 0);
    test_fails(small_step(&b.o, more, 0, 0, NULL, &loss), "1 to 7");
    small_batch_close(fewer), small_batch_close(more);
    small_bench_close(&b);
}
END_TEST

START_TEST(impossible_shapes_are_refused)
{
    const struct small s = small_model();
    struct sim_mae_config c = small_config;
    struct sim_cost cost;
    test_fails(sim_mae_cost(&cost, &s.vit, &c, 4, 0, 4),
               "mask.kind: MAE predicts the patches that are hidden");
    test_fails(sim_mae_cost(&cost, &s.vit, &c, 4, 16, 4), "16 of 16 patches hidden");
    test_fails(sim_mae_cost(&cost, &s.vit, &c, 0, 12, 4), "0 images");
    c.decoder_num_heads = 3;
    test_fails(sim_mae_cost(&cost, &s.vit, &c, 4, 12, 4), "mae.decoder_num_heads: 3 heads do not divide");
    c = small_config, c.decoder_embed_dim = 18;
    test_fails(sim_mae_cost(&cost, &s.vit, &c, 4, 12, 4), "mae.decoder_embed_dim: 18 is no multiple of 4");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mae");
    TCase *t = tcase_create("mae");
    tcase_add_test(t, the_table_is_the_official_one);
    tcase_add_test(t, positions_are_the_references);
    tcase_add_test(t, vit_b_costs_what_the_specification_says);
    tcase_add_test(t, counting_equals_opening);
    tcase_add_test(t, hidden_pixels_reach_the_loss_alone);
    tcase_add_test(t, one_view_is_enough);
    tcase_add_test(t, drop_path_is_a_function);
    tcase_add_test(t, bad_batches_are_refused);
    tcase_add_test(t, impossible_shapes_are_refused);
    suite_add_tcase(s, t);
    return test_run(s);
}
