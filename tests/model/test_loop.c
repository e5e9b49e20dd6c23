/* The loop: stopping and resuming change nothing, threads change nothing, and whatever goes wrong leaves the
 * last good checkpoint. */
#include "curve.h"
#include "faults.h"
#include "file.h"
#include "loop.h"
#include "progress.h"
#include "safetensors.h"
#include "small_model.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ a made-up source */

enum { STEPS_PER_EPOCH = 5, EPOCHS = 4, STEPS = STEPS_PER_EPOCH * EPOCHS };

struct fake {
    struct small s;
    struct sim_batch *batch;
    int64_t nan_at, broken_at, stop_at; /* step in all, from 0; -1: never */
    volatile sig_atomic_t stop;
};

static sim_status fake_next(void *self, int64_t epoch, int64_t step, const struct sim_batch **out)
{
    struct fake *f = self;
    int64_t at = epoch * STEPS_PER_EPOCH + step;
    if (at == f->broken_at) return sim_fail(SIM_EIO, "the made-up disk is gone");
    small_batch_close(f->batch);
    f->batch = small_batch(&f->s, (uint64_t)at);
    float *view = (float *)f->batch->view1;
    for (int64_t i = 0; at == f->nan_at && i < 3 * f->s.vit.img_size * f->s.vit.img_size; i++) view[i] = NAN;
    if (at == f->stop_at) f->stop = 1;
    *out = f->batch;
    return SIM_OK;
}

/* ------------------------------------------------------------------ a run */

struct plan {
    struct small s;
    struct sim_train_config c;
    struct fake fake;
    int64_t steps_per_epoch;
    int resume, threads;
    const char *folder, *hash;
    sim_status (*on_epoch)(void *context, struct sim_epoch_stats *stats);
    void *context;
};

static struct plan plan_of(const struct small *s, const char *folder)
{
    return (struct plan){.s = *s,
                         .c = small_training(s),
                         .steps_per_epoch = STEPS_PER_EPOCH,
                         .threads = 1,
                         .folder = folder,
                         .hash = "0123456789abcdef",
                         .fake = {.s = *s, .nan_at = -1, .broken_at = -1, .stop_at = -1}};
}

/* A whole process's work: model opened, trained, closed.  The caller frees result->curve. */
static sim_status train(struct plan *p, struct sim_train_result *result)
{
    sim_progress_quiet(1);
    struct sim_ops ops = small_ops();
    omp_set_num_threads(p->threads);
    struct sim_objective o = small_open(&ops, &p->s, 7);
    struct sim_source source = {.self = &p->fake,
                                .images = p->steps_per_epoch * p->s.batch,
                                .steps_per_epoch = p->steps_per_epoch,
                                .next = fake_next};
    struct sim_train_job job = {.objective = &o,
                                .config = &p->c,
                                .source = &source,
                                .folder = p->folder,
                                .config_hash = p->hash,
                                .seed = 7,
                                .resume = p->resume,
                                .stop = &p->fake.stop,
                                .on_epoch = p->on_epoch,
                                .context = p->context};
    sim_status s = sim_train_run(&job, result);
    small_batch_close(p->fake.batch);
    p->fake.batch = NULL;
    o.close(&o);
    ops.close(&ops);
    return s;
}

/* Runs what must succeed; the curve goes to `curve` where asked for. */
static int train_well(struct plan *p, struct sim_epoch_stats curve[EPOCHS])
{
    struct sim_train_result r;
    test_ok(train(p, &r));
    if (curve) memcpy(curve, r.curve, (size_t)r.epochs * sizeof *curve);
    free(r.curve);
    ck_assert(!r.diverged);
    return r.epochs;
}

static const char *file_in(const char *folder, const char *name)
{
    static char path[4][700];
    static int turn;
    char *p = path[turn++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static const char *checkpoint_in(const char *folder)
{
    return file_in(folder, "checkpoint.safetensors");
}

/* test_scratch's buffer is one; these stay. */
static const char *fresh_folder(void)
{
    return strdup(test_scratch());
}

static void copy_file(const char *from, const char *to)
{
    size_t size;
    char *bytes = small_read(from, &size);
    test_ok(sim_file_write(to, bytes, size));
    free(bytes);
}

static int64_t saved_step(const char *folder)
{
    struct sim_tensors *file;
    const struct sim_tensor *t;
    test_ok(sim_tensors_open(&file, checkpoint_in(folder)));
    test_ok(sim_tensors_expect(file, "train.position", SIM_F64, 1, (int64_t[]){6}, &t));
    int64_t step = (int64_t)((const double *)t->data)[0];
    sim_tensors_close(file);
    return step;
}

static void same_curves(const struct sim_epoch_stats *a, const struct sim_epoch_stats *b, int count)
{
    for (int i = 0; i < count; i++) { /* all but the timings */
        ck_assert_int_eq(a[i].epoch, b[i].epoch);
        ck_assert_int_eq(a[i].step, b[i].step);
        ck_assert_double_eq(a[i].loss, b[i].loss);
        ck_assert_double_eq(a[i].grad_norm, b[i].grad_norm);
        ck_assert_double_eq(a[i].lr, b[i].lr);
        ck_assert_double_eq(a[i].momentum, b[i].momentum);
    }
}

/* ------------------------------------------------------------------ same bytes */

static struct small everything_on(void)
{
    struct small s = small_model();
    s.vit.drop_path_rate = 0.3, s.vit.init_values = 0.1, s.c.train_patch_embed = 1;
    return s;
}

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
    test_same_files(checkpoint_in(folder[0]), checkpoint_in(folder[1]));
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
    test_same_files(checkpoint_in(whole.folder), checkpoint_in(parts.folder));
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
    test_same_files(checkpoint_in(whole.folder), checkpoint_in(parts.folder));
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
        test_same_files(checkpoint_in(folder[0]), checkpoint_in(folder[i]));
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
    copy_file(checkpoint_in(p.folder), checkpoint_in(kept));
    p.resume = 1;
    ck_assert_int_eq(train_well(&p, b), EPOCHS);
    test_same_files(checkpoint_in(p.folder), checkpoint_in(kept));
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
    struct sim_epoch_stats *curve;
    p.on_epoch = score_two, p.context = "no images to score on", p.c.save_every_epochs = 1;
    test_fails(train(&p, &r), "no images to score on");
    free(r.curve);
    test_ok(sim_curve_load(file_in(p.folder, "curve.json"), 2, &curve));
    ck_assert(isnan(curve[0].top1));
    ck_assert_double_eq(curve[1].top1, 0.25);
    free(curve);
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

/* Checkpoints fall where the configuration says: seen through a source that breaks after the ninth step. */
START_TEST(when_checkpoints_are_written)
{
    static const struct {
        int64_t epochs, steps, last;
    } cases[] = {{0, 0, 0}, {1, 0, 5}, {2, 0, 0}, {0, 2, 8}, {0, 3, 9}, {1, 4, 8}, {0, 5, 5}};
    struct small s = small_model();
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        struct plan p = plan_of(&s, fresh_folder());
        struct sim_train_result r;
        p.c.save_every_epochs = cases[i].epochs, p.c.save_every_steps = cases[i].steps, p.fake.broken_at = 9;
        ck_assert_int_eq(train(&p, &r), SIM_EIO);
        ck_assert_ptr_nonnull(strstr(sim_error_text(), "the made-up disk is gone"));
        ck_assert_int_eq(saved_step(p.folder), cases[i].last);
        free(r.curve), free((void *)p.folder);
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
    test_ok(sim_tensors_open(&file, checkpoint_in(p.folder)));
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
    copy_file(checkpoint_in(p.folder), checkpoint_in(kept));
    copy_file(file_in(p.folder, "curve.json"), file_in(kept, "curve.json"));
#define REFUSED(plan, word)                                                                                  \
    do {                                                                                                     \
        (plan).resume = 1;                                                                                   \
        test_fails(train(&(plan), &r), word);                                                                \
        free(r.curve);                                                                                       \
        test_same_files(checkpoint_in(p.folder), checkpoint_in(kept));                                       \
        test_same_files(file_in(p.folder, "curve.json"), file_in(kept, "curve.json"));                       \
    } while (0)
    struct plan other = p;
    other.hash = "fedcba9876543210";
    REFUSED(other, "belongs to configuration 0123456789abcdef, this run is fedcba9876543210");
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

/* A checkpoint with another train.position, whose other tensors are in order. */
static void write_position(const char *folder, double step)
{
    struct sim_tensors *file;
    struct sim_tensor t[512];
    double numbers[6] = {step, STEPS_PER_EPOCH, 0, 0, 0, 0};
    test_ok(sim_tensors_open(&file, checkpoint_in(folder)));
    int count = sim_tensors_count(file);
    ck_assert_int_le(count, 512);
    for (int i = 0; i < count; i++) {
        t[i] = *sim_tensors_at(file, i);
        if (strcmp(t[i].name, "train.position") == 0) t[i].data = numbers;
    }
    const char *const metadata[] = {"config_hash", "0123456789abcdef", NULL};
    test_ok(sim_tensors_write(checkpoint_in(folder), t, count, metadata));
    sim_tensors_close(file);
}

START_TEST(a_lying_position_is_named)
{
    static const struct {
        double step;
        const char *word;
    } cases[] = {{NAN, "train.position"}, {INFINITY, "train.position"}, {-1, "train.position"},
                 {2.5, "train.position"}, {1e300, "train.position"},    {21, "has finished 21 steps"},
                 {1e15, "has finished"},  {15, "at least 3 epochs"}};
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder());
    struct sim_train_result r;
    p.c.max_steps = 10;
    train_well(&p, NULL);
    p.resume = 1, p.c.max_steps = 0;
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        write_position(p.folder, cases[i].step);
        test_fails(train(&p, &r), cases[i].word);
        free(r.curve);
    }
    free((void *)p.folder);
}
END_TEST

START_TEST(a_damaged_curve_is_named)
{
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder());
    struct sim_train_result r;
    p.c.max_steps = 10;
    train_well(&p, NULL);
    p.resume = 1, p.c.max_steps = 0;
    static const char *const texts[] = {
        "", "[", "{}", "[]", "[1]", "[1, 2, 3]", "[{\"epoch\": 2, \"step\": 4}, {}, {}]"};
    for (int i = 0; i < 7; i++) {
        test_ok(sim_file_write(file_in(p.folder, "curve.json"), texts[i], strlen(texts[i])));
        test_fails(train(&p, &r), "curve.json");
        free(r.curve);
    }
    ck_assert_int_eq(remove(file_in(p.folder, "curve.json")), 0);
    test_fails(train(&p, &r), "curve.json");
    free(r.curve);
    ck_assert_int_eq(saved_step(p.folder), 10);
    free((void *)p.folder);
}
END_TEST

/* ------------------------------------------------------------------ what goes wrong */

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
    free(r.curve);
    if (cases[_i].kept == 0)
        good.c.epochs = 0, good.c.warmup_epochs = 0;
    else
        good.c.max_steps = cases[_i].kept; /* no trace of the step that failed */
    train_well(&good, NULL);
    test_same_files(checkpoint_in(p.folder), checkpoint_in(good.folder));
    free((void *)p.folder), free((void *)good.folder);
}
END_TEST

/* Every write, fsync and rename of a save fails once: the checkpoint there is the old one or the new one,
 * whole, and resuming from it ends where the undisturbed run ends. */
START_TEST(a_full_disk_leaves_the_previous_checkpoint)
{
    struct small s = small_model();
    s.vit.depth = 1; /* fewer tensors, fewer writes to fail */
    struct plan old = plan_of(&s, fresh_folder()), whole = plan_of(&s, fresh_folder()),
                p = plan_of(&s, fresh_folder());
    struct sim_train_result r;
    old.c.max_steps = 5, whole.c.max_steps = 7;
    train_well(&old, NULL);
    train_well(&whole, NULL);
    size_t size, new_size;
    char *bytes = small_read(checkpoint_in(old.folder), &size),
         *new_bytes = small_read(checkpoint_in(whole.folder), &new_size);
    p.c.max_steps = 7, p.resume = 1;
    int64_t failures = 0, n = 1;
    for (int failed = 1; failed; n++) {
        copy_file(checkpoint_in(old.folder), checkpoint_in(p.folder));
        copy_file(file_in(old.folder, "curve.json"), file_in(p.folder, "curve.json"));
        test_fault_at(TEST_FAULT_ENOSPC, n);
        sim_status status = train(&p, &r);
        failed = status != SIM_OK;
        if (failed) {
            ck_assert_int_eq(status, SIM_EIO);
            ck_assert_ptr_nonnull(strstr(sim_error_text(), p.folder));
        }
        free(r.curve);
        test_fault_at(TEST_FAULT_NONE, 0);
        size_t found_size;
        char *found = small_read(checkpoint_in(p.folder), &found_size);
        int is_old = found_size == size && memcmp(found, bytes, size) == 0,
            is_new = found_size == new_size && memcmp(found, new_bytes, new_size) == 0;
        ck_assert_msg(is_old || is_new, "fault %ld: neither the old nor the new checkpoint", (long)n);
        ck_assert(failed || is_new);
        free(found);
        failures += failed;
        if (failed && n % 3 == 0) { /* resuming each time would only repeat the test of resuming */
            train_well(&p, NULL);
            test_same_files(checkpoint_in(p.folder), checkpoint_in(whole.folder));
        }
    }
    ck_assert_int_ge(failures, 8); /* both files: a write, fsync, rename, the folder's fsync */
    free(bytes), free(new_bytes);
    free((void *)old.folder), free((void *)whole.folder), free((void *)p.folder);
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
    tcase_add_test(record, when_checkpoints_are_written);
    tcase_add_test(record, no_epochs_leaves_the_initial_weights);
    tcase_add_test(refused, another_runs_checkpoint_is_refused);
    tcase_add_test(refused, a_lying_position_is_named);
    tcase_add_test(refused, a_damaged_curve_is_named);
    tcase_add_loop_test(faults, a_loss_that_is_no_number_keeps_the_last_checkpoint, 0, 3);
    tcase_add_test(faults, a_full_disk_leaves_the_previous_checkpoint);
    tcase_add_test(faults, a_folder_that_cannot_be_written_is_found_at_once);
    suite_add_tcase(s, bytes);
    suite_add_tcase(s, record);
    suite_add_tcase(s, refused);
    suite_add_tcase(s, faults);
    return test_run(s);
}
