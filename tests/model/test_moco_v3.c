/* MoCo-v3: its table against the official names and start, its cost, which views meet, what it refuses.  That
 * its step is right to the last gradient, tests/driver/test_verify.c shows. */
#include "moco_v3_model.h"
#include "small_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct sim_moco_v3_config small_config = {
    .mlp_dim = 24, .dim = 8, .temperature = 0.2, .momentum = 0.99};

static struct small small_moco(void)
{
    struct small s = small_model();
    s.hidden = 0;
    return s;
}

static sim_status open_moco(struct sim_objective *out, const struct sim_ops *ops, const struct small *s)
{
    return sim_moco_v3_open(out, ops, &s->vit, &small_config, s->batch, 1);
}

static int is_momentum(const char *name)
{
    return strncmp(name, "momentum_encoder.", 17) == 0;
}

/* ------------------------------------------------------------------ the table */

/* Names, shapes and order of the state_dict that the reference saved, counters aside. */
START_TEST(the_table_is_the_official_one)
{
    const struct sim_vit_config vit = {
        .img_size = 32, .patch_size = 4, .embed_dim = 48, .depth = 2, .num_heads = 3, .mlp_ratio = 4};
    const struct sim_moco_v3_config c = {.mlp_dim = 40, .dim = 16, .temperature = 0.2};
    struct sim_moco_v3 m;
    struct sim_tensors *file;
    int at = 0;
    test_ok(sim_tensors_open(&file, test_path("golden/moco_v3/init.safetensors")));
    test_ok(sim_moco_v3_describe(&m, &vit, &c, 4));
    sim_moco_v3_add_rows(&m);
    ck_assert_int_eq(m.params.count + m.params.counters, sim_tensors_count(file));
    for (int r = 0; r < m.params.count; r++) {
        const struct sim_param *row = &m.params.row[r];
        const struct sim_tensor *t = sim_tensors_at(file, at++);
        if (t->dtype == SIM_I64) t = sim_tensors_at(file, at++);
        ck_assert_str_eq(row->name, t->name);
        ck_assert_int_eq(row->dims, t->dims);
        for (int d = 0; d < row->dims; d++) ck_assert_int_eq(row->shape[d], t->shape[d]);
        const int still = strstr(row->name, "pos_embed") || strstr(row->name, "patch_embed") ||
                          strstr(row->name, "running_") || is_momentum(row->name);
        ck_assert_msg((row->flags & SIM_ROW_TRAINED ? 1 : 0) == !still, "%s", row->name);
        ck_assert_msg((row->flags & SIM_ROW_DECAYED ? 1 : 0) == !still, "%s",
                      row->name); /* norms, biases too */
        const int follows =
            is_momentum(row->name) && !strstr(row->name, "pos_embed") && !strstr(row->name, "running_");
        ck_assert_msg((row->partner >= 0) == follows, "%s", row->name);
        if (follows) ck_assert_str_eq(m.params.row[row->partner].name + 13, row->name + 17);
    }
    sim_params_close(&m.params);
    sim_tensors_close(file);
}
END_TEST

/* The largest weight of a row of the table, which uniform draws come close to. */
static double largest(const struct sim_params *p, const char *name)
{
    const int row = sim_params_find(p, name);
    double most = 0;
    ck_assert_msg(row >= 0, "%s", name);
    for (int64_t i = 0; i < p->row[row].count; i++) most = fmax(most, fabs((double)sim_value(p, row)[i]));
    return most;
}

START_TEST(weights_start_as_published)
{
    struct sim_ops ops = small_ops();
    const struct small s = small_moco(); /* width 24, patches of 48 numbers */
    struct sim_objective o;
    test_ok(open_moco(&o, &ops, &s));
    const struct sim_params *p = o.params;
    const struct {
        const char *name;
        double bound;
    } uniform[] = {{"base_encoder.patch_embed.proj.weight", sqrt(6.0 / (48 + 24))},
                   {"base_encoder.blocks.1.attn.qkv.weight", sqrt(6.0 / (24 + 24))},
                   {"base_encoder.blocks.1.mlp.fc1.weight", sqrt(6.0 / (24 + 96))},
                   {"base_encoder.head.0.weight", sqrt(1.0 / 24)},
                   {"base_encoder.head.6.weight", sqrt(1.0 / 24)},
                   {"predictor.0.weight", sqrt(1.0 / 8)}};
    for (size_t i = 0; i < sizeof uniform / sizeof *uniform; i++) {
        const double most = largest(p, uniform[i].name);
        ck_assert_msg(most <= uniform[i].bound && most > 0.95 * uniform[i].bound, "%s: %g, bound %g",
                      uniform[i].name, most, uniform[i].bound);
    }
    ck_assert(largest(p, "base_encoder.patch_embed.proj.bias") == 0);
    ck_assert(largest(p, "base_encoder.cls_token") < 1e-5 && largest(p, "base_encoder.cls_token") > 1e-7);
    for (int r = 0; r < p->count; r++)
        if (p->row[r].partner >= 0)
            ck_assert_mem_eq(sim_value(p, r), sim_value(p, p->row[r].partner),
                             (size_t)p->row[r].count * sizeof(float));
    o.close(&o);
    ops.close(&ops);
}
END_TEST

/* ------------------------------------------------------------------ cost */

/* ViT-B/16 as published: 280.4 GFLOP a step (method.md 1.11), whatever the batch but for its keys. */
START_TEST(vit_b_costs_what_the_specification_says)
{
    const struct small s = vit_b();
    const struct sim_moco_v3_config c = {.mlp_dim = 4096, .dim = 256, .temperature = 0.2};
    struct sim_cost cost;
    test_ok(sim_moco_v3_cost(&cost, &s.vit, &c, 64, 2));
    const double d = 768, block = 12 * (12 * 197 * d * d + 2 * 197.0 * 197 * d), patches = 196 * d * d,
                 head = 4096 * (d + 4096 + 256), predictor = 2 * 256 * 4096;
    const double mac = 3 * (block + head + predictor) + patches + block + patches + head + 2 * 64 * 256;
    ck_assert_double_eq_tol(cost.flop_per_image / (4 * mac), 1, 1e-12);
    ck_assert_double_eq_tol(1e-9 * cost.flop_per_image, 280.4, 0.4);
}
END_TEST

START_TEST(counting_equals_opening)
{
    struct small s = small_moco();
    for (int variant = 0; variant < 2; variant++) {
        struct small_bench b;
        struct sim_cost cost;
        if (variant) s.vit.init_values = 0.1;
        small_bench_open(&b, &s, open_moco);
        test_ok(sim_moco_v3_cost(&cost, &s.vit, &small_config, s.batch, 4));
        ck_assert_mem_eq(&cost, &b.o.cost, sizeof cost);
        small_bench_close(&b);
    }
}
END_TEST

/* ------------------------------------------------------------------ what meets */

/* Views exchanged: the loss is symmetric in them.  Two times the same view: every image finds itself, and as
 * the momentum network is the online one here, better than by chance. */
START_TEST(the_loss_is_symmetric)
{
    const struct small s = small_moco();
    struct small_bench b;
    small_bench_open(&b, &s, open_moco);
    struct sim_batch other = *b.batch;
    double one, exchanged;
    test_ok(small_step(&b.o, b.batch, 1, 0, NULL, &one)); /* momentum 1: the keys' network stays */
    other.view1 = b.batch->view2, other.view2 = b.batch->view1;
    test_ok(small_step(&b.o, &other, 1, 0, NULL, &exchanged));
    ck_assert_double_eq_tol(one, exchanged, 1e-6 * one);
    ck_assert(one > 0 && isfinite(one));
    small_bench_close(&b);
}
END_TEST

/* A loss of 2 * 2 T log(keys) where nothing tells keys apart: T to infinity. */
START_TEST(a_warm_softmax_leaves_chance)
{
    struct sim_ops ops = small_ops();
    const struct small s = small_moco();
    struct sim_moco_v3_config c = small_config;
    struct sim_objective o;
    double loss;
    c.temperature = 100;
    test_ok(sim_moco_v3_open(&o, &ops, &s.vit, &c, s.batch, 1));
    struct sim_batch *b = small_batch(&s, 0);
    test_ok(small_step(&o, b, 0.99, 0, NULL, &loss));
    ck_assert_double_eq_tol(loss / (4 * c.temperature * log((double)s.batch)), 1, 0.02);
    small_batch_close(b);
    o.close(&o);
    ops.close(&ops);
}
END_TEST

/* Each view goes through every BatchNorm by itself. */
START_TEST(batches_are_counted_by_view)
{
    const struct small s = small_moco();
    struct small_bench b;
    small_bench_open(&b, &s, open_moco);
    double loss;
    test_ok(small_step(&b.o, b.batch, 0.99, 0, NULL, &loss));
    ck_assert_int_eq(b.o.params->counters, 3 + 3 + 2);
    for (int i = 0; i < b.o.params->counters; i++) ck_assert_int_eq(b.o.params->counter[i].value, 2);
    small_bench_close(&b);
}
END_TEST

/* The encoder leaves under timm's names, without its prefix, with its norm. */
START_TEST(the_encoder_is_timms)
{
    const struct small s = small_moco();
    struct small_bench b;
    struct sim_tensors *file;
    char path[600];
    small_bench_open(&b, &s, open_moco);
    snprintf(path, sizeof path, "%s/encoder.safetensors", test_scratch());
    test_ok(sim_params_write_encoder(b.o.params, path, (const char *const[]){"format", "pt", NULL}));
    test_ok(sim_tensors_open(&file, path));
    ck_assert_int_eq(sim_tensors_count(file), 4 + 12 * (int)s.vit.depth + 2);
    for (int i = 0; i < sim_tensors_count(file); i++) {
        const struct sim_tensor *t = sim_tensors_at(file, i);
        const int row = sim_params_find_encoder(b.o.params, t->name);
        ck_assert_msg(row >= 0, "%s", t->name);
        ck_assert_mem_eq(t->data, sim_value(b.o.params, row), (size_t)t->count * sizeof(float));
    }
    ck_assert_ptr_nonnull(sim_tensors_find(file, "cls_token"));
    ck_assert_ptr_nonnull(sim_tensors_find(file, "norm.bias"));
    sim_tensors_close(file);
    small_bench_close(&b);
}
END_TEST

/* ------------------------------------------------------------------ what is refused */

START_TEST(what_does_not_fit_is_refused)
{
    struct small s = small_moco();
    struct small_bench b;
    small_bench_open(&b, &s, open_moco);
    struct sim_batch wrong = *b.batch;
    struct sim_objective o;
    struct sim_cost cost;
    double loss;
    wrong.size = 3;
    test_fails(small_step(&b.o, &wrong, 0, 0, NULL, &loss), "planned for 4");
    wrong = *b.batch, wrong.view2 = NULL;
    test_fails(small_step(&b.o, &wrong, 0, 0, NULL, &loss), "without views");
    test_fails(sim_moco_v3_open(&o, &b.ops, &s.vit, &small_config, 1, 1),
               "train.batch_size: moco_v3 tells images");
    test_fails(sim_moco_v3_cost(&cost, &s.vit, &small_config, 0, 4), "0 images");
    test_fails(sim_moco_v3_config_check(&small_config, &s.vit, 9), "mask.kind: 9 patches would be hidden");
    s.vit.drop_path_rate = 0.1;
    test_fails(sim_moco_v3_cost(&cost, &s.vit, &small_config, 4, 4), "model.drop_path_rate");
    s.vit.drop_path_rate = 0, s.vit.num_heads = 5;
    test_fails(sim_moco_v3_cost(&cost, &s.vit, &small_config, 4, 4), "model.num_heads");
    small_bench_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("moco_v3");
    TCase *t = tcase_create("moco_v3");
    tcase_add_test(t, the_table_is_the_official_one);
    tcase_add_test(t, weights_start_as_published);
    tcase_add_test(t, vit_b_costs_what_the_specification_says);
    tcase_add_test(t, counting_equals_opening);
    tcase_add_test(t, the_loss_is_symmetric);
    tcase_add_test(t, a_warm_softmax_leaves_chance);
    tcase_add_test(t, batches_are_counted_by_view);
    tcase_add_test(t, the_encoder_is_timms);
    tcase_add_test(t, what_does_not_fit_is_refused);
    suite_add_tcase(s, t);
    return test_run(s);
}
