/* The parameter table: counts, names and order of the public checkpoint (method.md 1.2), initialisation,
 * loading. */
#include "positions.h"
#include "siameseim_model.h"
#include "small_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ counts of ViT-B */

/* The rows alone, without memory for values.  Released by rows_close. */
static struct sim_siameseim *rows_of(const struct small *s)
{
    struct sim_siameseim *m = calloc(1, sizeof *m);
    ck_assert_ptr_nonnull(m);
    test_ok(sim_siameseim_describe(m, &s->vit, &s->c, s->batch, small_patches(s) - s->hidden));
    sim_siameseim_add_rows(m);
    ck_assert(!m->params.failed);
    return m;
}

static void rows_close(struct sim_siameseim *m)
{
    sim_params_close(&m->params);
    free(m);
}

static int ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

START_TEST(vit_b_counts)
{
    struct small s = vit_b();
    struct sim_siameseim *m = rows_of(&s);
    int64_t plain = 0, plain_rows = 0, decayed = 0, decayed_rows = 0, frozen = 0, copies = 0, buffers = 0;
    for (int i = 0; i < m->params.count; i++) {
        const struct sim_param *r = &m->params.row[i];
        if (r->flags & SIM_ROW_BUFFER)
            buffers += r->count;
        else if (r->partner >= 0)
            copies += r->count;
        else if (!(r->flags & SIM_ROW_TRAINED))
            frozen += r->count;
        else if (r->flags & SIM_ROW_DECAYED)
            decayed += r->count, decayed_rows++;
        else
            plain += r->count, plain_rows++;
    }
    ck_assert_int_eq(plain, 182016);
    ck_assert_int_eq(plain_rows, 147);
    ck_assert_int_eq(decayed, 129762816);
    ck_assert_int_eq(decayed_rows, 77);
    ck_assert_int_eq(plain + decayed, 129944832);
    ck_assert_int_eq(frozen, 893184);
    ck_assert_int_eq(copies, 100412928);
    ck_assert_int_eq(plain + decayed + frozen + copies, 231250944);
    ck_assert_int_eq(buffers, 24576);
    ck_assert_int_eq(m->params.counters, 16);
    rows_close(m);
}
END_TEST

START_TEST(vit_b_cost_counts)
{
    struct small s = vit_b();
    struct sim_cost cost;
    test_ok(sim_siameseim_cost(&cost, &s.vit, &s.c, 1, 78, 4));
    ck_assert_int_eq(cost.trainable, 129944832);
    ck_assert_int_eq(cost.momentum_copies, 100412928);
    ck_assert_int_eq(cost.parameters, 231250944 + 24576); /* running statistics are in the table too */
}
END_TEST

/* timm's rule: no decay for vectors and biases; so the two tokens, of 3 dimensions, are decayed. */
START_TEST(what_is_decayed)
{
    struct small s = small_model();
    s.vit.init_values = 0.1, s.c.train_patch_embed = 1;
    struct sim_siameseim *m = rows_of(&s);
    for (int i = 0; i < m->params.count; i++) {
        const struct sim_param *r = &m->params.row[i];
        if (!(r->flags & SIM_ROW_TRAINED)) continue;
        int wanted = r->dims > 1 && !ends_with(r->name, ".bias");
        ck_assert_msg(!(r->flags & SIM_ROW_DECAYED) == !wanted, "%s: decay is %s", r->name,
                      wanted ? "missing" : "wrong");
        ck_assert_msg(strncmp(r->name, "mm_", 3) != 0, "%s is trained", r->name);
    }
    ck_assert(m->params.row[sim_params_find(&m->params, "cls_token")].flags & SIM_ROW_DECAYED);
    ck_assert(m->params.row[sim_params_find(&m->params, "mask_token")].flags & SIM_ROW_DECAYED);
    rows_close(m);
}
END_TEST

START_TEST(what_is_followed)
{
    struct small s = small_model();
    struct sim_siameseim *m = rows_of(&s);
    const struct sim_params *p = &m->params;
    for (int i = 0; i < p->count; i++) {
        const struct sim_param *r = &p->row[i];
        int copy = strncmp(r->name, "mm_", 3) == 0 &&
                   !(r->flags & SIM_ROW_BUFFER); /* mm_'s BN statistics are its own */
        ck_assert_msg((r->partner >= 0) == copy, "%s: partner %d", r->name, r->partner);
        if (!copy) continue;
        ck_assert_str_eq(p->row[r->partner].name, r->name + 3);
        ck_assert_int_eq(p->row[r->partner].count, r->count);
    }
    rows_close(m);
}
END_TEST

/* ------------------------------------------------------------------ names and order */

static struct small golden_variant(int i)
{
    static const char *const names[] = {"base",         "layernorm",     "layer_scale",
                                        "no_projector", "no_scale",      "no_relative",
                                        "global_loss",  "shared_target", "no_mask"};
    struct small s = small_model();
    s.name = names[i];
    s.vit.img_size = 32, s.vit.embed_dim = 48;
    s.c.decoder_embed_dim = 32, s.c.decoder_num_heads = 4, s.c.predictor_depth = 2;
    if (i == 1)
        s.c.projector_norm = s.c.predictor_norm = SIM_NORM_LN, s.c.online_ln = s.c.train_patch_embed = 1;
    if (i == 2) s.vit.init_values = 0.1;
    if (i == 3) s.c.projector_depth = 0;
    return s;
}
enum { GOLDEN_VARIANTS = 9 };

START_TEST(names_shapes_and_order_are_the_references)
{
    struct small s = golden_variant(_i);
    struct sim_ops ops = small_ops();
    struct sim_objective o = small_open(&ops, &s, 0);
    struct sim_tensors *file;
    struct sim_tensor *ours;
    int count;
    char path[128];
    snprintf(path, sizeof path, "golden/%s/init.safetensors", s.name);
    test_ok(sim_tensors_open(&file, test_path(path)));
    test_ok(sim_params_tensors(o.params, &ours, &count));
    ck_assert_int_eq(count, sim_tensors_count(file));
    for (int i = 0; i < count; i++) {
        const struct sim_tensor *theirs = sim_tensors_at(file, i);
        ck_assert_str_eq(ours[i].name, theirs->name);
        ck_assert_int_eq(ours[i].dtype, theirs->dtype);
        ck_assert_int_eq(ours[i].dims, theirs->dims);
        for (int d = 0; d < ours[i].dims; d++) ck_assert_int_eq(ours[i].shape[d], theirs->shape[d]);
    }
    /* what is fixed has the reference's values, and loading brings the rest */
    int pos = sim_params_find(o.params, "decoder_pos_embed");
    const float *table = sim_tensors_find(file, "decoder_pos_embed")->data;
    for (int64_t k = 0; k < o.params->row[pos].count; k++)
        ck_assert_float_eq_tol(sim_value(o.params, pos)[k], table[k], 1e-7);
    test_ok(sim_params_load(o.params, file));
    for (int i = 0; i < count; i++) {
        const struct sim_tensor *theirs = sim_tensors_at(file, i);
        ck_assert(
            memcmp(ours[i].data, theirs->data, (size_t)theirs->count * sim_dtype_bytes(theirs->dtype)) == 0);
    }
    free(ours);
    sim_tensors_close(file);
    o.close(&o);
    ops.close(&ops);
}
END_TEST

START_TEST(absolute_positions_are_the_references)
{
    static const int64_t cases[][2] = {{14, 768}, {8, 192}, {3, 32}};
    struct sim_tensors *file;
    test_ok(sim_tensors_open(&file, test_path("golden/positions.safetensors")));
    for (int i = 0; i < 3; i++) {
        const int64_t grid = cases[i][0], dim = cases[i][1];
        char name[32];
        snprintf(name, sizeof name, "absolute.%ld.%ld", (long)grid, (long)dim);
        const struct sim_tensor *t;
        test_ok(sim_tensors_expect(file, name, SIM_F32, 2, (int64_t[]){1 + grid * grid, dim}, &t));
        float *ours = malloc((size_t)t->count * sizeof *ours);
        sim_absolute_positions(ours, SIM_ROWS_FIRST, grid, dim);
        for (int64_t k = 0; k < t->count; k++)
            ck_assert_float_eq_tol(ours[k], ((const float *)t->data)[k], 1e-7);
        free(ours);
    }
    sim_tensors_close(file);
}
END_TEST

/* ------------------------------------------------------------------ initialisation */

/* Uniform in +-bound: no value beyond, the largest near it, mean and variance as they should be. */
static void assert_uniform(const float *v, int64_t count, double bound, const char *what)
{
    double largest = 0, sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(v[i]));
        sum += v[i], squares += (double)v[i] * v[i];
    }
    double n = (double)count, deviation = bound / sqrt(3.0);
    ck_assert_msg(largest <= bound * (1 + 1e-6), "%s: %g beyond %g", what, largest, bound);
    ck_assert_msg(largest > bound * (1 - 20 / n), "%s: nothing near %g, only %g", what, bound, largest);
    ck_assert_msg(fabs(sum / n) < 5 * deviation / sqrt(n), "%s: mean %g", what, sum / n);
    ck_assert_msg(fabs(sqrt(squares / n) / deviation - 1) < 3 / sqrt(n), "%s: deviation %g", what,
                  sqrt(squares / n));
}

/* ViT-B's own shapes, with the bounds that method.md 1.2 prints. */
START_TEST(vit_b_bounds)
{
    struct sim_params p;
    sim_params_start(&p);
    static const struct {
        const char *name;
        int dims;
        int64_t shape[4];
        double bound;
    } cases[] = {{"patch_embed.proj.weight", 4, {768, 3, 16, 16}, 0.0625},
                 {"attn.qkv.weight", 2, {2304, 768}, 0.044194},
                 {"mlp.fc1.weight", 2, {3072, 768}, 0.039528},
                 {"mlp.fc2.weight", 2, {768, 3072}, 0.039528},
                 {"decoder_embed.weight", 2, {768, 768}, 0.0625},
                 {"decoder_pos_mlp.weight", 2, {768, 1536}, 0.051031}};
    enum { CASES = sizeof cases / sizeof *cases };
    for (int i = 0; i < CASES; i++)
        ck_assert_int_eq(
            sim_params_add(&p, 0, SIM_INIT_XAVIER, 0, -1, cases[i].dims, cases[i].shape, "%s", cases[i].name),
            i);
    int bias = sim_params_add(&p, 0, SIM_INIT_FAN_IN, 768, -1, 1, (int64_t[]){20000}, "bias");
    int token = sim_params_add(&p, 0, SIM_INIT_NORMAL, 0.02, -1, 3, (int64_t[]){1, 1, 20000}, "token");
    struct sim_ops ops = small_ops();
    test_ok(sim_params_allocate(&p, &ops, 0));
    test_ok(sim_params_initialise(&p, 3));
    for (int i = 0; i < CASES; i++) {
        /* the printed bounds are rounded to six places */
        double exact = sqrt(6.0 / (double)(cases[i].shape[0] + p.row[i].count / cases[i].shape[0]));
        ck_assert_double_eq_tol(exact, cases[i].bound, 5e-7);
        assert_uniform(sim_value(&p, i), p.row[i].count, exact, cases[i].name);
    }
    assert_uniform(sim_value(&p, bias), 20000, 0.036084391824, "bias");
    double sum = 0, squares = 0, fourth = 0;
    for (int k = 0; k < 20000; k++) {
        double z = sim_value(&p, token)[k] / 0.02;
        sum += z, squares += z * z, fourth += z * z * z * z;
    }
    ck_assert_double_eq_tol(sum / 20000, 0, 0.03);
    ck_assert_double_eq_tol(squares / 20000, 1, 0.04);
    ck_assert_double_eq_tol(fourth / 20000, 3, 0.3); /* a normal's, not a uniform's 1.8 */
    sim_params_close(&p);
    ops.close(&ops);
}
END_TEST

/* The value that a tensor of this name holds everywhere at the start; -1: it is drawn or a table. */
static double constant_of(const char *name)
{
    if (ends_with(name, "gamma")) return 0.3; /* init_values of the test below */
    if (ends_with(name, "running_var") || (strstr(name, "norm") && ends_with(name, ".weight"))) return 1;
    if (ends_with(name, "running_mean")) return 0;
    return ends_with(name, ".bias") && !strstr(name, "patch_embed") ? 0 : -1;
}

START_TEST(each_row_has_its_initialiser)
{
    struct sim_ops ops = small_ops();
    struct small s = small_model();
    s.vit.init_values = 0.3;
    struct sim_objective o = small_open(&ops, &s, 11);
    const struct sim_params *p = o.params;
    for (int i = 0; i < p->count; i++) {
        const struct sim_param *r = &p->row[i];
        const float *v = sim_value(p, i);
        double constant = constant_of(r->name);
        int token = ends_with(r->name, "_token");
        if (r->partner >= 0) {
            ck_assert_msg(memcmp(v, sim_value(p, r->partner), (size_t)r->count * sizeof *v) == 0,
                          "%s is no copy", r->name);
        } else if (constant >= 0) {
            for (int64_t k = 0; k < r->count; k++)
                ck_assert_msg(v[k] == (float)constant, "%s holds %g", r->name, (double)v[k]);
        } else if (r->init == SIM_INIT_XAVIER || r->init == SIM_INIT_FAN_IN) {
            /* of the patch embedding's (24, 3, 4, 4) weight and its bias: fan-in 48 */
            double bound =
                r->dims == 1 ? 1 / sqrt(48.0) : sqrt(6.0 / (double)(r->shape[0] + r->count / r->shape[0]));
            double largest = 0;
            for (int64_t k = 0; k < r->count; k++) largest = fmax(largest, fabs(v[k]));
            ck_assert_msg(largest <= bound * (1 + 1e-6) && largest > 0.8 * bound, "%s: largest %g, bound %g",
                          r->name, largest, bound);
        } else if (token) {
            for (int64_t k = 0; k < r->count; k++)
                ck_assert_msg(fabsf(v[k]) < 0.12f && v[k] != 0, "%s: %g", r->name, (double)v[k]);
        } else {
            ck_assert_msg(ends_with(r->name, "pos_embed"), "%s: from where?", r->name);
            for (int64_t k = 0; k < r->shape[2]; k++) ck_assert_float_eq(v[k], 0); /* cls */
        }
    }
    for (int i = 0; i < p->counters; i++) ck_assert_int_eq(p->counter[i].value, 0);
    o.close(&o);
    ops.close(&ops);
}
END_TEST

START_TEST(the_seed_decides)
{
    struct sim_ops ops = small_ops();
    struct small s = small_model();
    struct sim_objective a = small_open(&ops, &s, 5), b = small_open(&ops, &s, 5),
                         c = small_open(&ops, &s, 6);
    size_t bytes = (size_t)a.params->value_count * sizeof(float);
    ck_assert(memcmp(a.params->value, b.params->value, bytes) == 0);
    for (int i = 0; i < a.params->count; i++) {
        const struct sim_param *r = &a.params->row[i];
        int drawn = r->init == SIM_INIT_XAVIER || r->init == SIM_INIT_NORMAL || r->init == SIM_INIT_FAN_IN;
        int same =
            memcmp(sim_value(a.params, i), sim_value(c.params, i), (size_t)r->count * sizeof(float)) == 0;
        ck_assert_msg(same == !drawn, "%s is %s under another seed", r->name,
                      same ? "the same" : "different");
    }
    /* rows of one shape do not repeat each other */
    int first = sim_params_find(a.params, "blocks.0.mlp.fc1.weight"),
        second = sim_params_find(a.params, "blocks.1.mlp.fc1.weight");
    ck_assert(memcmp(sim_value(a.params, first), sim_value(a.params, second), 24 * 96 * sizeof(float)) != 0);
    a.close(&a), b.close(&b), c.close(&c);
    ops.close(&ops);
}
END_TEST

/* ------------------------------------------------------------------ loading */

/* Writes the model's tensors with one of them dropped (change 0), given another shape (1) or another type
 * (2). */
static const char *damaged_copy(const struct sim_params *p, const char *victim, int change)
{
    static char path[600];
    struct sim_tensor *t;
    int count, kept = 0, found = 0;
    test_ok(sim_params_tensors(p, &t, &count));
    for (int i = 0; i < count; i++) {
        struct sim_tensor one = t[i];
        if (strcmp(one.name, victim) == 0) {
            found = 1;
            if (change == 0) continue;
            if (change == 1) one.shape[0]--;
            if (change == 2) one.dtype = SIM_I32;
        }
        t[kept++] = one;
    }
    ck_assert_msg(found, "no tensor %s", victim);
    snprintf(path, sizeof path, "%s/damaged.safetensors", test_scratch());
    test_ok(sim_tensors_write(path, t, kept, NULL));
    free(t);
    return path;
}

START_TEST(what_a_file_lacks_is_named)
{
    static const char *const victims[] = {"cls_token", "blocks.1.attn.qkv.weight", "mm_blocks.0.norm1.bias",
                                          "projector_decoder_blocks.0.norm1.bn.running_var"};
    struct sim_ops ops = small_ops();
    struct small s = small_model();
    struct sim_objective o = small_open(&ops, &s, 1);
    for (int i = 0; i < 4; i++) {
        for (int change = 0; change < 3; change++) {
            struct sim_tensors *file;
            test_ok(sim_tensors_open(&file, damaged_copy(o.params, victims[i], change)));
            test_fails(sim_params_load(o.params, file), victims[i]);
            test_fails(sim_params_load(o.params, file), "damaged.safetensors");
            sim_tensors_close(file);
        }
    }
    const char *counter = "mm_projector_decoder_blocks.0.norm2.bn.num_batches_tracked";
    struct sim_tensors *file;
    test_ok(sim_tensors_open(&file, damaged_copy(o.params, counter, 0)));
    test_fails(sim_params_load(o.params, file), counter);
    sim_tensors_close(file);
    o.close(&o);
    ops.close(&ops);
}
END_TEST

START_TEST(a_table_that_cannot_be_says_so)
{
    struct sim_params p;
    struct sim_ops ops = small_ops();
    sim_params_start(&p);
    sim_params_add(&p, 0, SIM_INIT_CONSTANT, 0, -1, 2, (int64_t[]){1 << 30, 1 << 30}, "too large");
    test_fails(sim_params_allocate(&p, &ops, 0), "does not fit");
    sim_params_close(&p);
    sim_params_start(&p);
    sim_params_add(&p, 0, SIM_INIT_CONSTANT, 0, -1, 1, (int64_t[]){4}, "%0120d", 7);
    test_fails(sim_params_allocate(&p, &ops, 0), "does not fit");
    sim_params_close(&p);
    ops.close(&ops);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("params");
    TCase *t = tcase_create("params");
    tcase_add_test(t, vit_b_counts);
    tcase_add_test(t, vit_b_cost_counts);
    tcase_add_test(t, what_is_decayed);
    tcase_add_test(t, what_is_followed);
    tcase_add_loop_test(t, names_shapes_and_order_are_the_references, 0, GOLDEN_VARIANTS);
    tcase_add_test(t, absolute_positions_are_the_references);
    tcase_add_test(t, vit_b_bounds);
    tcase_add_test(t, each_row_has_its_initialiser);
    tcase_add_test(t, the_seed_decides);
    tcase_add_test(t, what_a_file_lacks_is_named);
    tcase_add_test(t, a_table_that_cannot_be_says_so);
    suite_add_tcase(s, t);
    return test_run(s);
}
