/* The loop: stopping and resuming change nothing, threads change nothing, and whatever goes wrong leaves the
 * last good checkpoint. */
#include "checkpoint.h"
#include "saves.h"
#include "training.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ same bytes */

START_TEST(two_runs_one_file)
{
    struct small s = everything_on();
    const char *folder[2];
    struct sim_epoch_stats curve[2][EPOCHS];
    for (int i = 0; i < 2; i++) {
        folder[i] = fresh_folder();
        struct plan p = plan_of(&s, folder[i]);
        ck_assert_int_eq(train_well(&p, curve[i]), EPOCHS);
    }
    same_checkpoints(folder[0], folder[1]);
    same_curves(curve[0], curve[1], EPOCHS);
    ck_assert_int_eq(saved_step(folder[0]), STEPS);
    ck_assert_double_lt(curve[0][EPOCHS - 1].loss, curve[0][0].loss); /* and it learns */
    free((void *)folder[0]), free((void *)folder[1]);
}
END_TEST

/* Cut at an epoch's end, in mid-epoch, at the first step, and at every third step. */
START_TEST(cut_and_resumed_is_never_cut)
{
    static const int cuts[][8] = {{10}, {7}, {1, 2}, {3, 6, 9, 12, 15, 18}};
    struct small s = everything_on();
    struct plan whole = plan_of(&s, fresh_folder()), parts = plan_of(&s, fresh_folder());
    struct sim_epoch_stats a[EPOCHS], b[EPOCHS];
    train_well(&whole, a);
    parts.resume = 1; /* nothing there at first: a fresh start */
    for (int i = 0; cuts[_i][i]; i++) {
        parts.c.max_steps = cuts[_i][i];
        ck_assert_int_eq(train_well(&parts, NULL), cuts[_i][i] / STEPS_PER_EPOCH);
        ck_assert_int_eq(saved_step(parts.folder), cuts[_i][i]);
    }
    parts.c.max_steps = 0;
    ck_assert_int_eq(train_well(&parts, b), EPOCHS);
    same_checkpoints(whole.folder, parts.folder);
    same_curves(a, b, EPOCHS);
    free((void *)whole.folder), free((void *)parts.folder);
}
END_TEST

START_TEST(stopped_and_resumed_is_never_stopped)
{
    struct small s = everything_on();
    struct plan whole = plan_of(&s, fresh_folder()), parts = plan_of(&s, fresh_folder());
    struct sim_epoch_stats a[EPOCHS], b[EPOCHS];
    struct sim_train_result r;
    train_well(&whole, a);
    parts.fake.stop_at = 12; /* asked for during the 13th step, which is finished */
    ck_assert_int_eq(train(&parts, &r), SIM_EINTERRUPT);
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "step 13 of 20"));
    ck_assert_int_eq(r.steps, 13);
    ck_assert(!r.diverged);
    free(r.curve);
    ck_assert_int_eq(saved_step(parts.folder), 13);
    parts.fake.stop = 0, parts.fake.stop_at = -1, parts.resume = 1;
    train_well(&parts, b);
    same_checkpoints(whole.folder, parts.folder);
    same_curves(a, b, EPOCHS);
    free((void *)whole.folder), free((void *)parts.folder);
}
END_TEST

START_TEST(threads_change_no_byte)
{
    struct small s = everything_on();
    s.vit.img_size = 32, s.vit.embed_dim = 48, s.c.decoder_embed_dim = 64,
    s.c.decoder_num_heads = 4; /* several tiles of everything */
    s.batch = 6, s.hidden = 38;
    const char *folder[3];
    for (int i = 0; i < 3; i++) {
        folder[i] = fresh_folder();
        struct plan p = plan_of(&s, folder[i]);
        p.threads = 1 + i, p.c.max_steps = 3;
        train_well(&p, NULL);
        same_checkpoints(folder[0], folder[i]);
    }
    for (int i = 0; i < 3; i++) free((void *)folder[i]);
}
END_TEST

START_TEST(a_finished_run_stays_as_it_is)
{
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder());
    struct sim_epoch_stats a[EPOCHS], b[EPOCHS];
    const char *kept = fresh_folder();
    train_well(&p, a);
    copy_file(checkpoint_of(p.folder, STEPS), checkpoint_of(kept, STEPS));
    p.resume = 1;
    ck_assert_int_eq(train_well(&p, b), EPOCHS);
    same_checkpoints(p.folder, kept);
    same_curves(a, b, EPOCHS);
    free((void *)p.folder), free((void *)kept);
}
END_TEST

/* ------------------------------------------------------------------ what is recorded */

struct seen {
    int count;
    struct sim_epoch_stats last;
};

static sim_status see(void *context, struct sim_epoch_stats *stats)
{
    struct seen *seen = context;
    seen->count++;
    seen->last = *stats;
    return SIM_OK;
}

/* What a classifier scores is kept with the curve; an epoch's end that fails ends all. */
static sim_status score_two(void *context, struct sim_epoch_stats *stats)
{
    if (stats->epoch == 3) return sim_fail(SIM_EIO, "%s", (const char *)context);
    if (stats->epoch == 2) stats->top1 = 0.25;
    return SIM_OK;
}

START_TEST(scores_after_epochs)
{
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder());
    struct sim_train_result r;
    struct sim_epoch_stats curve[EPOCHS];
    p.on_epoch = score_two, p.context = "no images to score on", p.c.save_every_epochs = 1;
    test_fails(train(&p, &r), "no images to score on");
    free(r.curve);
    p.on_epoch = NULL, p.resume = 1;
    ck_assert_int_eq(train_well(&p, curve), EPOCHS);
    ck_assert(isnan(curve[0].top1));
    ck_assert_double_eq(curve[1].top1, 0.25);
    ck_assert(curve[0].seconds > 0 && isnan(curve[2].top1));
    free((void *)p.folder);
}
END_TEST

START_TEST(the_curve_says_what_happened)
{
    struct small s = small_model();
    struct plan p = plan_of(&s, NULL); /* without a folder nothing is written */
    struct sim_epoch_stats curve[EPOCHS];
    struct seen seen = {0};
    p.on_epoch = see, p.context = &seen;
    ck_assert_int_eq(train_well(&p, curve), EPOCHS);
    ck_assert_int_eq(seen.count, EPOCHS);
    ck_assert_mem_eq(&seen.last, &curve[EPOCHS - 1], sizeof seen.last);
    for (int i = 0; i < EPOCHS; i++) {
        double e = i + 0.8; /* the epoch's last step began here */
        ck_assert_int_eq(curve[i].epoch, i + 1);
        ck_assert_int_eq(curve[i].step, (i + 1) * STEPS_PER_EPOCH);
        ck_assert_double_eq_tol(curve[i].lr, sim_lr_at(&p.c, e), 1e-15);
        ck_assert_double_eq_tol(curve[i].momentum, sim_momentum_at(0.995, 0, e, EPOCHS), 1e-15);
        ck_assert(isfinite(curve[i].loss) && curve[i].grad_norm > 0 && curve[i].images_per_s > 0 &&
                  curve[i].gflops > 0);
        ck_assert_double_eq(curve[i].gemm_share, 0); /* the machine's rate was not given */
    }
}
END_TEST

START_TEST(no_epochs_leaves_the_initial_weights)
{
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder());
    p.c.epochs = 0;
    p.c.warmup_epochs = 0;
    ck_assert_int_eq(train_well(&p, NULL), 0);
    ck_assert_int_eq(saved_step(p.folder), 0);
    struct sim_ops ops = small_ops();
    struct sim_objective o = small_open(&ops, &s, 7);
    struct sim_tensors *file;
    test_ok(sim_tensors_open(&file, checkpoint_of(p.folder, 0)));
    for (int i = 0; i < o.params->count; i++) {
        const struct sim_param *row = &o.params->row[i];
        ck_assert_mem_eq(sim_tensors_find(file, row->name)->data, sim_value(o.params, i),
                         (size_t)row->count * sizeof(float));
    }
    sim_tensors_close(file);
    o.close(&o);
    ops.close(&ops);
    p.resume = 1;
    ck_assert_int_eq(train_well(&p, NULL), 0);
    p.steps_per_epoch = 0, p.resume = 0; /* a set smaller than a batch is no obstacle to not training */
    ck_assert_int_eq(train_well(&p, NULL), 0);
    p.resume = 1;
    ck_assert_int_eq(train_well(&p, NULL), 0);
    p.c.epochs = 1, p.resume = 0;
    struct sim_train_result r;
    test_fails(train(&p, &r), "no batch at all");
    free(r.curve), free((void *)p.folder);
}
END_TEST

/* ------------------------------------------------------------------ what is refused */

START_TEST(another_runs_checkpoint_is_refused)
{
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder());
    const char *kept = fresh_folder();
    struct sim_train_result r;
    train_well(&p, NULL);
    copy_file(checkpoint_of(p.folder, STEPS), checkpoint_of(kept, STEPS));
    copy_file(file_in(p.folder, "curve.json"), file_in(kept, "curve.json"));
#define REFUSED(plan, word)                                                                                  \
    do {                                                                                                     \
        (plan).resume = 1;                                                                                   \
        test_fails(train(&(plan), &r), word);                                                                \
        free(r.curve);                                                                                       \
        same_checkpoints(p.folder, kept);                                                                    \
        test_same_files(file_in(p.folder, "curve.json"), file_in(kept, "curve.json"));                       \
    } while (0)
    struct plan other = p;
    other.hash = "fedcba9876543210";
    REFUSED(other, "belongs to another configuration (0123456789abcdef, this one is fedcba9876543210)");
    other = p, other.steps_per_epoch = 4;
    REFUSED(other, "counts 5 steps an epoch, this data set gives 4");
    other = p, other.c.epochs = 2; /* as a hash would have told */
    REFUSED(other, "has finished 20 steps, this run has only 10");
    other = p, other.s.vit.depth = 3;
    REFUSED(other, "blocks.2");
    other = p, other.s.c.decoder_embed_dim = 32;
    REFUSED(other, "mask_token");
    other = p, other.s.c.train_patch_embed = 1; /* no moments of it there */
    REFUSED(other, "optimizer.exp_avg.patch_embed.proj.weight");
#undef REFUSED
    free((void *)p.folder), free((void *)kept);
}
END_TEST

/* Writes the checkpoint of step 10 again, with another train.position and a checksum over it. */
static void write_position(const char *folder, double step)
{
    struct sim_tensors *file;
    struct sim_tensor t[512];
    double numbers[6] = {step, STEPS_PER_EPOCH, 0, 0, 0, 0};
    const char *path = checkpoint_of(folder, 10), *hash = "0123456789abcdef";
    char sum[17];
    test_ok(sim_tensors_open(&file, path));
    int count = sim_tensors_count(file);
    ck_assert_int_le(count, 512);
    for (int i = 0; i < count; i++) {
        t[i] = *sim_tensors_at(file, i);
        if (strcmp(t[i].name, "train.position") == 0) t[i].data = numbers;
    }
    sim_checkpoint_checksum(t, count, hash, sum);
    test_ok(
        sim_tensors_write(path, t, count, (const char *const[]){"config_hash", hash, "checksum", sum, NULL}));
    sim_tensors_close(file);
}

START_TEST(a_lying_position_is_named)
{
    static const struct {
        double step;
        const char *word;
    } cases[] = {{NAN, "train.position"}, {INFINITY, "train.position"}, {-1, "train.position"},
                 {2.5, "train.position"}, {1e300, "train.position"},    {21, "it is of step 21"}};
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder());
    struct sim_train_result r;
    p.c.max_steps = 10, p.c.keep_last = 1;
    train_well(&p, NULL);
    p.resume = 1, p.c.max_steps = 0;
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        write_position(p.folder, cases[i].step);
        test_fails(train(&p, &r), cases[i].word);
        ck_assert_ptr_nonnull(strstr(sim_error_text(), "of the 1 checkpoint in"));
        free(r.curve);
    }
    free((void *)p.folder);
}
END_TEST

/* ------------------------------------------------------------------ what goes wrong */

/* nan_batch.json holds the step and the images of that batch. */
static void names_of_nan_batch(const struct plan *p, int64_t at)
{
    json_t *o = json_load_file(file_in(p->folder, "nan_batch.json"), 0, NULL), *image;
    struct sim_batch *batch = small_batch(&p->s, (uint64_t)at);
    size_t i;
    ck_assert_int_eq(json_integer_value(json_object_get(o, "step")), at + 1);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "epoch")), at / STEPS_PER_EPOCH + 1);
    ck_assert_str_eq(json_string_value(json_object_get(o, "loss")), "nan");
    ck_assert_int_eq((int)json_array_size(json_object_get(o, "images")), batch->size);
    json_array_foreach(json_object_get(o, "images"), i, image)
    {
        char name[64];
        snprintf(name, sizeof name, "image %ld", (long)batch->index[i]);
        ck_assert_int_eq(json_integer_value(json_object_get(image, "index")), batch->index[i]);
        ck_assert_str_eq(json_string_value(json_object_get(image, "name")), name);
    }
    small_batch_close(batch);
    json_decref(o);
}

START_TEST(a_loss_that_is_no_number_keeps_the_last_checkpoint)
{
    static const struct {
        int64_t nan_at, kept;
        const char *reason;
    } cases[] = {{0, 0, "epoch 1, step 1"}, {7, 5, "epoch 2, step 8"}, {15, 15, "epoch 4, step 16"}};
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder()), good = plan_of(&s, fresh_folder());
    struct sim_train_result r;
    p.c.save_every_epochs = 1, p.fake.nan_at = cases[_i].nan_at;
    ck_assert_int_eq(train(&p, &r), SIM_ENONFINITE);
    ck_assert(r.diverged);
    ck_assert_msg(strstr(r.reason, cases[_i].reason) && strstr(r.reason, "the loss is"), "reason: %s",
                  r.reason);
    ck_assert_int_eq(r.epochs, cases[_i].kept / STEPS_PER_EPOCH);
    ck_assert_int_eq(saved_step(p.folder), cases[_i].kept);
    ck_assert_ptr_nonnull(strstr(r.reason, "; nan_batch.json names the images of that step"));
    names_of_nan_batch(&p, cases[_i].nan_at);
    free(r.curve);
    if (cases[_i].kept == 0)
        good.c.epochs = 0, good.c.warmup_epochs = 0;
    else
        good.c.max_steps = cases[_i].kept; /* no trace of the step that failed */
    train_well(&good, NULL);
    same_checkpoints(p.folder, good.folder);
    free((void *)p.folder), free((void *)good.folder);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_is_found_at_once)
{
    struct small s = small_model();
    char gone[700];
    snprintf(gone, sizeof gone, "%s/not/there", test_scratch());
    struct plan p = plan_of(&s, gone);
    struct sim_train_result r;
    p.fake.broken_at = 0; /* the first batch would fail otherwise */
    ck_assert_int_eq(train(&p, &r), SIM_EIO);
    ck_assert_msg(strstr(sim_error_text(), gone), "%s", sim_error_text());
    free(r.curve);
    char *long_name = malloc(6000);
    memset(long_name, 'a', 5999), long_name[5999] = 0;
    p.folder = long_name;
    test_fails(train(&p, &r), "name is too long");
    free(r.curve), free(long_name);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loop");
    TCase *bytes = tcase_create("same bytes"), *record = tcase_create("record"),
          *refused = tcase_create("refused"), *faults = tcase_create("faults");
    tcase_set_timeout(bytes, 60), tcase_set_timeout(faults, 120);
    tcase_add_test(bytes, two_runs_one_file);
    tcase_add_loop_test(bytes, cut_and_resumed_is_never_cut, 0, 4);
    tcase_add_test(bytes, stopped_and_resumed_is_never_stopped);
    tcase_add_test(bytes, threads_change_no_byte);
    tcase_add_test(bytes, a_finished_run_stays_as_it_is);
    tcase_add_test(record, the_curve_says_what_happened);
    tcase_add_test(record, scores_after_epochs);
    tcase_add_test(record, no_epochs_leaves_the_initial_weights);
    tcase_add_test(refused, another_runs_checkpoint_is_refused);
    tcase_add_test(refused, a_lying_position_is_named);
    tcase_add_loop_test(faults, a_loss_that_is_no_number_keeps_the_last_checkpoint, 0, 3);
    tcase_add_test(faults, a_folder_that_cannot_be_written_is_found_at_once);
    suite_add_tcase(s, bytes);
    suite_add_tcase(s, record);
    suite_add_tcase(s, refused);
    suite_add_tcase(s, faults);
    return test_run(s);
}
