/* The frozen encoder: equal to the online network's own blocks, the same at every call, and written out under
 * timm's names. */
#include "small_model.h"
#include "encoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim_encoder *encoder_of(struct small_bench *b, int64_t max_batch)
{
    struct sim_encoder *e;
    test_ok(sim_encoder_open(&e, &b->ops, &b->s.vit, b->o.params, max_batch));
    return e;
}

/* ------------------------------------------------------------------ values */

struct watched {
    char name[64];
    float *data; /* (B, N, D) of the block watched */
    int64_t shape[3];
};

static void watch(void *context, const char *name, const sim_act *data, const int64_t shape[3])
{
    struct watched *w = context;
    if (strcmp(name, w->name) != 0) return;
    size_t bytes = (size_t)(shape[0] * shape[1] * shape[2]) * sizeof(float);
    w->data = malloc(bytes);
    memcpy(w->data, data, bytes);
    memcpy(w->shape, shape, sizeof w->shape);
}

/* With no patch hidden the objective's last online block is the encoder's output. */
START_TEST(mean_of_the_online_blocks_patches)
{
    struct small s = small_model();
    s.hidden = 0, s.vit.depth = 1 + _i % 4;
    if (_i >= 4) s.vit.init_values = 0.4;
    struct small_bench b;
    small_bench_open(&b, &s, NULL);
    struct watched w = {0};
    snprintf(w.name, sizeof w.name, "online.blocks.%ld", (long)s.vit.depth - 1);
    struct sim_trace trace = {watch, &w};
    double loss;
    test_ok(small_step(&b.o, b.batch, 1, 0, &trace, &loss));
    ck_assert_ptr_nonnull(w.data);
    ck_assert_int_eq(w.shape[1], 17);
    ck_assert_int_eq(w.shape[2], 24);

    struct sim_encoder *e = encoder_of(&b, s.batch);
    ck_assert_int_eq(sim_encoder_dim(e), 24);
    ck_assert_int_eq(sim_encoder_img_size(e), 16);
    float mean[4 * 24];
    test_ok(sim_encoder_mean_patch(e, b.batch->view1, s.batch, mean));
    for (int64_t i = 0; i < s.batch; i++)
        for (int64_t k = 0; k < 24; k++) {
            double sum = 0;
            for (int64_t n = 1; n < 17; n++)
                sum += (double)w.data[(i * 17 + n) * 24 + k]; /* without the cls token */
            ck_assert_double_eq_tol(mean[i * 24 + k], sum / 16, 1e-5 * fmax(1, fabs(sum / 16)));
        }
    float cls[4 * 24];
    test_ok(sim_encoder_cls(e, b.batch->view1, s.batch, cls));
    for (int64_t i = 0; i < s.batch; i++)
        for (int64_t k = 0; k < 24; k++)
            ck_assert_float_eq_tol(cls[i * 24 + k], w.data[i * 17 * 24 + k], 1e-5);
    free(w.data);
    sim_encoder_close(e);
    small_bench_close(&b);
}
END_TEST

/* Inference swaps two buffers from block to block: odd and even depths must both leave them as they were. */
START_TEST(every_call_gives_the_same_bytes)
{
    struct small s = small_model();
    s.vit.depth = 1 + _i % 4;
    if (_i >= 4) s.vit.init_values = 0.4;
    struct small_bench b;
    small_bench_open(&b, &s, NULL);
    struct sim_encoder *e = encoder_of(&b, s.batch);
    float first[4 * 24], other[4 * 24], again[4 * 24];
    test_ok(sim_encoder_mean_patch(e, b.batch->view1, 4, first));
    test_ok(sim_encoder_mean_patch(e, b.batch->view2, 4, other));
    test_ok(sim_encoder_mean_patch(e, b.batch->view1, 4, again));
    ck_assert_mem_eq(first, again, sizeof first);
    ck_assert_mem_ne(first, other, sizeof first);
    /* an image's features depend on no other image, and not on how many there are */
    const int64_t pixels = 3 * 16 * 16;
    for (int64_t i = 0; i < 4; i++) {
        test_ok(sim_encoder_mean_patch(e, b.batch->view1 + i * pixels, 1, again));
        for (int k = 0; k < 24; k++) ck_assert_float_eq_tol(again[k], first[24 * i + k], 1e-5);
    }
    struct sim_encoder *roomy = encoder_of(&b, 9);
    test_ok(sim_encoder_mean_patch(roomy, b.batch->view1, 4, again));
    ck_assert_mem_eq(first, again, sizeof first);
    sim_encoder_close(roomy);
    sim_encoder_close(e);
    small_bench_close(&b);
}
END_TEST

/* The target network runs through the same swapping buffers; two steps on unmoved weights give one loss. */
START_TEST(the_target_is_the_same_at_every_step)
{
    struct small s = small_model();
    s.vit.depth = 1 + _i % 2, s.c.projector_depth = _i / 2;
    struct small_bench b;
    small_bench_open(&b, &s, NULL);
    double first, again;
    test_ok(small_step(&b.o, b.batch, 1, 0, NULL, &first));
    test_ok(small_step(&b.o, b.batch, 1, 0, NULL, &again));
    ck_assert_double_eq(first, again);
    small_bench_close(&b);
}
END_TEST

START_TEST(outputs_stay_inside_their_rows)
{
    struct small s = small_model();
    struct small_bench b;
    small_bench_open(&b, &s, NULL);
    struct sim_encoder *e = encoder_of(&b, 4);
    float out[5 * 24];
    for (int k = 0; k < 5 * 24; k++) out[k] = 12345;
    test_ok(sim_encoder_mean_patch(e, b.batch->view1, 2, out + 24));
    for (int k = 0; k < 24; k++) {
        ck_assert_float_eq(out[k], 12345);
        ck_assert_float_eq(out[3 * 24 + k], 12345);
        ck_assert_float_ne(out[24 + k], 12345);
    }
    sim_encoder_close(e);
    small_bench_close(&b);
}
END_TEST

/* ------------------------------------------------------------------ what is refused */

START_TEST(what_cannot_be_is_refused)
{
    struct small s = small_model();
    struct small_bench b;
    small_bench_open(&b, &s, NULL);
    struct sim_encoder *e = encoder_of(&b, 3);
    float mean[4 * 24];
    test_fails(sim_encoder_mean_patch(e, b.batch->view1, 4, mean), "4 images in a batch planned for 3");
    test_fails(sim_encoder_cls(e, b.batch->view1, 4, mean), "4 images in a batch planned for 3");
    test_ok(sim_encoder_mean_patch(e, b.batch->view1, 3, mean));
    sim_encoder_close(e);
    sim_encoder_close(NULL);

    struct sim_vit_config vit = s.vit;
    vit.depth = 3;
    test_fails(sim_encoder_open(&e, &b.ops, &vit, b.o.params, 4), "blocks.2.");
    vit = s.vit, vit.init_values = 0.1;
    test_fails(sim_encoder_open(&e, &b.ops, &vit, b.o.params, 4), "ls1.gamma");
    vit = s.vit, vit.embed_dim = 48; /* the table's rows are 24 wide */
    test_fails(sim_encoder_open(&e, &b.ops, &vit, b.o.params, 4), "cls_token");
    vit = s.vit, vit.mlp_ratio = 2;
    test_fails(sim_encoder_open(&e, &b.ops, &vit, b.o.params, 4), "mlp.fc1.weight");
    vit = s.vit, vit.img_size = 32;
    test_fails(sim_encoder_open(&e, &b.ops, &vit, b.o.params, 4), "pos_embed");
    vit = s.vit, vit.num_heads = 7;
    test_fails(sim_encoder_open(&e, &b.ops, &vit, b.o.params, 4), "num_heads");
    small_bench_close(&b);
}
END_TEST

/* ------------------------------------------------------------------ the file */

/* The names of timm's VisionTransformer with a class token, but for its final norm and head. */
static void timm_names(char names[64][64], int *count, int depth, int layer_scale)
{
    static const char *const front[] = {"cls_token", "pos_embed", "patch_embed.proj.weight",
                                        "patch_embed.proj.bias"};
    static const char *const block[] = {
        "norm1.weight",   "norm1.bias",   "attn.qkv.weight", "attn.qkv.bias",  "attn.proj.weight",
        "attn.proj.bias", "norm2.weight", "norm2.bias",      "mlp.fc1.weight", "mlp.fc1.bias",
        "mlp.fc2.weight", "mlp.fc2.bias", "ls1.gamma",       "ls2.gamma"};
    *count = 0;
    for (int i = 0; i < 4; i++) snprintf(names[(*count)++], 64, "%s", front[i]);
    for (int d = 0; d < depth; d++)
        for (int i = 0; i < (layer_scale ? 14 : 12); i++)
            snprintf(names[(*count)++], 64, "blocks.%d.%s", d, block[i]);
}

START_TEST(the_file_holds_timms_names)
{
    struct small s = small_model();
    if (_i) s.vit.init_values = 0.1;
    struct small_bench b;
    small_bench_open(&b, &s, NULL);
    char path[600], names[64][64];
    int count;
    snprintf(path, sizeof path, "%s/encoder.safetensors", test_scratch());
    const char *const metadata[] = {"format", "pt", "note", "ours", NULL};
    test_ok(sim_params_write_encoder(b.o.params, path, metadata));
    struct sim_tensors *file;
    test_ok(sim_tensors_open(&file, path));
    timm_names(names, &count, (int)s.vit.depth, _i);
    ck_assert_int_eq(sim_tensors_count(file), count);
    for (int i = 0; i < count; i++) {
        const struct sim_tensor *t = sim_tensors_find(file, names[i]);
        int row = sim_params_find(b.o.params, names[i]);
        ck_assert_msg(t && row >= 0, "no %s", names[i]);
        ck_assert_int_eq(t->dtype, SIM_F32);
        ck_assert_int_eq(t->count, b.o.params->row[row].count);
        ck_assert_mem_eq(t->data, sim_value(b.o.params, row), (size_t)t->count * sizeof(float));
    }
    ck_assert_str_eq(sim_tensors_metadata(file, "format"), "pt");
    ck_assert_str_eq(sim_tensors_metadata(file, "note"), "ours");
    sim_tensors_close(file);
    small_bench_close(&b);
}
END_TEST

/* With SIM_KEEP=FOLDER in the environment: leaves an encoder, images and their features there, on which
 * tests/reference/check_timm.py asks timm for the same features. */
/* What is kept of a network that is closed: the same encoder, the same file. */
START_TEST(a_copy_outlives_the_network)
{
    struct small s = small_model();
    struct small_bench b;
    struct sim_params copy;
    char from_network[700], from_copy[700];
    size_t sizes[2];
    snprintf(from_network, sizeof from_network, "%s/a.safetensors", test_scratch());
    snprintf(from_copy, sizeof from_copy, "%s/b.safetensors", test_scratch());
    small_bench_open(&b, &s, NULL);
    test_ok(sim_params_write_encoder(b.o.params, from_network, NULL));
    test_ok(sim_params_copy_encoder(&copy, b.o.params));
    b.o.close(&b.o);
    ck_assert_int_eq(copy.gradient_count, 0);
    ck_assert_int_ge(sim_params_find_encoder(&copy, "blocks.1.mlp.fc2.bias"), 0);
    ck_assert_int_lt(sim_params_find(&copy, "mask_token"), 0);
    test_ok(sim_params_write_encoder(&copy, from_copy, NULL));
    char *one = small_read(from_network, &sizes[0]), *two = small_read(from_copy, &sizes[1]);
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_mem_eq(one, two, sizes[0]);
    free(one), free(two);
    sim_params_close(&copy);
    small_bench_close(&b);
}
END_TEST

START_TEST(kept_for_timm)
{
    const char *folder = getenv("SIM_KEEP");
    if (!folder) folder = test_scratch();
    struct small s = small_model();
    s.vit = (struct sim_vit_config){
        .img_size = 48, .patch_size = 8, .embed_dim = 96, .depth = 3, .num_heads = 6, .mlp_ratio = 3};
    s.batch = 5, s.hidden = 20;
    if (_i) s.vit.init_values = 0.2;
    struct small_bench b;
    small_bench_open(&b, &s, NULL);
    char path[600];
    snprintf(path, sizeof path, "%s/encoder-%d.safetensors", folder, _i);
    test_ok(sim_params_write_encoder(b.o.params, path, (const char *const[]){"format", "pt", NULL}));
    float mean[5 * 96];
    struct sim_encoder *e = encoder_of(&b, 5);
    test_ok(sim_encoder_mean_patch(e, b.batch->view1, 5, mean));
    struct sim_tensor t[] = {
        {.name = "images", .dtype = SIM_F32, .dims = 4, .shape = {5, 3, 48, 48}, .data = b.batch->view1},
        {.name = "mean_patch", .dtype = SIM_F32, .dims = 2, .shape = {5, 96}, .data = mean},
    };
    snprintf(path, sizeof path, "%s/features-%d.safetensors", folder, _i);
    test_ok(sim_tensors_write(path, t, 2, (const char *const[]){"num_heads", "6", NULL}));
    sim_encoder_close(e);
    small_bench_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encoder");
    TCase *t = tcase_create("encoder");
    tcase_add_loop_test(t, mean_of_the_online_blocks_patches, 0, 8);
    tcase_add_loop_test(t, every_call_gives_the_same_bytes, 0, 8);
    tcase_add_loop_test(t, the_target_is_the_same_at_every_step, 0, 6);
    tcase_add_test(t, outputs_stay_inside_their_rows);
    tcase_add_test(t, what_cannot_be_is_refused);
    tcase_add_loop_test(t, the_file_holds_timms_names, 0, 2);
    tcase_add_test(t, a_copy_outlives_the_network);
    tcase_add_loop_test(t, kept_for_timm, 0, 2);
    suite_add_tcase(s, t);
    return test_run(s);
}
