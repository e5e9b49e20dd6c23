/* The checkpoints of a training: when they are written, which are kept, and that no disk, damage or death
 * loses more than the steps since the last. */
#include "checkpoint.h"
#include "faults.h"
#include "file.h"
#include "saves.h"
#include "training.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------ which checkpoints there are */

static int is_there(const char *folder, int64_t step)
{
    return access(checkpoint_of(folder, step), F_OK) == 0;
}

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

/* The newest two, and those of every second epoch. */
START_TEST(checkpoints_that_are_kept)
{
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder()), whole = plan_of(&s, fresh_folder());
    p.c.save_every_steps = 3, p.c.keep_every_epochs = 2;
    train_well(&p, NULL);
    for (int64_t step = 0; step <= STEPS; step++)
        ck_assert_msg(is_there(p.folder, step) == (step == 10 || step == 18 || step == 20), "step %ld",
                      (long)step);
    p.c.keep_last = 1, p.c.keep_every_epochs = 0; /* started again: nothing of before is left */
    p.c.max_steps = 7;
    train_well(&p, NULL);
    for (int64_t step = 0; step <= STEPS; step++) ck_assert_int_eq(is_there(p.folder, step), step == 7);
    p.c.max_steps = 0, p.c.keep_last = 2, p.resume = 1;
    train_well(&p, NULL);
    train_well(&whole, NULL);
    same_checkpoints(p.folder, whole.folder);
    free((void *)p.folder), free((void *)whole.folder);
}
END_TEST

/* A clock that says to save after every step, or now and then, changes no byte. */
START_TEST(the_clock_changes_no_byte)
{
    static const double minutes[] = {1e-9, 2e-5, 1e-4};
    struct small s = everything_on();
    struct plan whole = plan_of(&s, fresh_folder());
    struct sim_epoch_stats a[EPOCHS], b[EPOCHS];
    train_well(&whole, a);
    for (int i = 0; i < 3; i++) {
        struct plan p = plan_of(&s, fresh_folder());
        p.c.save_every_minutes = minutes[i];
        train_well(&p, b);
        same_checkpoints(whole.folder, p.folder);
        same_curves(a, b, EPOCHS);
        ck_assert_int_eq(is_there(whole.folder, STEPS - 1), 0);
        if (i == 0) ck_assert_int_eq(is_there(p.folder, STEPS - 1), 1);
        free((void *)p.folder);
    }
    free((void *)whole.folder);
}
END_TEST

/* One byte of a file made another. */
static void damage(const char *path, double place)
{
    size_t size;
    char *bytes = small_read(path, &size);
    bytes[(size_t)(place * (double)(size - 1))] ^= 4;
    test_ok(sim_file_write(path, bytes, size));
    free(bytes);
}

/* Wherever it is damaged, the one before it is gone on from, and nothing else differs. */
START_TEST(a_damaged_checkpoint_gives_way_to_the_one_before)
{
    struct small s = small_model();
    struct plan whole = plan_of(&s, fresh_folder()), old = plan_of(&s, fresh_folder());
    struct sim_epoch_stats a[EPOCHS], b[EPOCHS];
    struct sim_train_result r;
    char aside[SIM_SAVES_PATH_BYTES + 16];
    train_well(&whole, a);
    old.c.max_steps = 13, old.c.save_every_steps = 4;
    train_well(&old, NULL);
    for (int i = 0; i <= 8; i++) {
        struct plan p = plan_of(&s, fresh_folder());
        for (int64_t step = 12; step <= 13; step++)
            copy_file(checkpoint_of(old.folder, step), checkpoint_of(p.folder, step));
        copy_file(file_in(old.folder, "curve.json"), file_in(p.folder, "curve.json"));
        if (i < 8)
            damage(checkpoint_of(p.folder, 13), i / 7.0);
        else
            ck_assert_int_eq(truncate(checkpoint_of(p.folder, 13), 5000), 0);
        p.resume = 1, p.fake.stop_at = 12; /* the first step of this process, where it begins at 12 */
        ck_assert_int_eq(train(&p, &r), SIM_EINTERRUPT);
        free(r.curve);
        snprintf(aside, sizeof aside, "%s.damaged", checkpoint_of(p.folder, 13));
        ck_assert_int_eq(access(aside, F_OK), 0);
        ck_assert_int_eq(saved_step(p.folder), 13);
        p.fake.stop = 0, p.fake.stop_at = -1;
        ck_assert_int_eq(train_well(&p, b), EPOCHS);
        same_checkpoints(whole.folder, p.folder);
        same_curves(a, b, EPOCHS);
        p.resume = 0, p.c.epochs = 0, p.c.warmup_epochs = 0; /* started again */
        train_well(&p, NULL);
        ck_assert_int_ne(access(aside, F_OK), 0);
        free((void *)p.folder);
    }
    damage(checkpoint_of(old.folder, 12), 0.5), damage(checkpoint_of(old.folder, 13), 0.5);
    old.resume = 1;
    test_fails(train(&old, &r), "of the 2 checkpoints in");
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "not those that were written"));
    ck_assert(is_there(old.folder, 12) && is_there(old.folder, 13)); /* to be looked at */
    free(r.curve), free((void *)whole.folder), free((void *)old.folder);
}
END_TEST

/* The times of epochs are all that curve.json alone knows. */
START_TEST(a_damaged_curve_costs_its_times)
{
    static const char *const texts[] = {
        "", "[", "{}", "[]", "[1]", "[1, 2, 3]", "[{\"epoch\": 2, \"step\": 4}, {}, {}]", NULL};
    struct small s = small_model();
    struct plan whole = plan_of(&s, fresh_folder()), p = plan_of(&s, fresh_folder());
    struct sim_epoch_stats a[EPOCHS], b[EPOCHS];
    train_well(&whole, a);
    for (int i = 0; i < 8; i++) {
        const char *path = file_in(p.folder, "curve.json");
        p.resume = 0, p.c.max_steps = 10;
        train_well(&p, NULL);
        if (texts[i])
            test_ok(sim_file_write(path, texts[i], strlen(texts[i])));
        else
            ck_assert_int_eq(remove(path), 0);
        p.resume = 1, p.c.max_steps = 0;
        ck_assert_int_eq(train_well(&p, b), EPOCHS);
        same_curves(a, b, EPOCHS);
        same_checkpoints(whole.folder, p.folder);
        ck_assert(isnan(b[1].seconds) && b[2].seconds > 0);
    }
    free((void *)whole.folder), free((void *)p.folder);
}
END_TEST

/* ------------------------------------------------------------------ disks */

/* Every write, fsync and rename of a training that saves after every epoch goes wrong once, in every way: the
 * newest checkpoint is whole, of one of its epochs, and going on from it ends where the undisturbed run ends.
 */
START_TEST(a_fault_at_any_call_loses_nothing)
{
    const enum test_fault kind = (enum test_fault)_i;
    struct small s = small_model();
    s.vit.depth = 1;
    struct plan whole = plan_of(&s, fresh_folder());
    struct sim_epoch_stats a[EPOCHS], b[EPOCHS];
    int n = 1;
    whole.c.epochs = 2;
    train_well(&whole, a);
    for (int struck = 1; struck; n++) {
        struct plan p = plan_of(&s, fresh_folder());
        int status;
        p.c.epochs = 2, p.c.save_every_epochs = 1;
        pid_t child = fork();
        if (child == 0) {
            struct sim_train_result r;
            test_fault_at(kind, n);
            sim_status trained = train(&p, &r);
            _exit(test_fault_at(TEST_FAULT_NONE, 0) < n ? 3
                  : trained == SIM_OK                   ? 0
                  : trained == SIM_EIO                  ? 1
                                                        : 2);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        const int killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        struck = code != 3; /* fewer calls than that */
        if (struck)
            ck_assert_msg(kind == TEST_FAULT_SHORT  ? code == 0
                          : kind >= TEST_FAULT_KILL ? killed
                                                    : code == 1,
                          "%s at call %d ends with %x", test_fault_words[kind], n, (unsigned)status);
        p.resume = 1;
        ck_assert_int_eq(train_well(&p, b), 2);
        same_checkpoints(whole.folder, p.folder);
        same_curves(a, b, 2);
        free((void *)p.folder);
    }
    ck_assert_int_gt(n, 24); /* three checkpoints and curves */
    free((void *)whole.folder);
}
END_TEST

START_TEST(a_disk_too_full_for_a_checkpoint_is_told)
{
    struct small s = small_model();
    struct plan p = plan_of(&s, fresh_folder());
    struct sim_train_result r;
    p.c.max_steps = 5;
    train_well(&p, NULL);
    p.c.max_steps = 10, p.resume = 1;
    test_fault_room(100000);
    ck_assert_int_eq(train(&p, &r), SIM_EIO);
    ck_assert_msg(
        strstr(sim_error_text(), "checkpoint-000000010.safetensors: not written, for want of room: it needs"),
        "%s", sim_error_text());
    ck_assert_ptr_nonnull(strstr(sim_error_text(), "and its file system has 0.1 MiB free"));
    ck_assert_int_eq(saved_step(p.folder), 5);
    free(r.curve), free((void *)p.folder);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("saves");
    TCase *kept = tcase_create("kept"), *faults = tcase_create("faults");
    tcase_set_timeout(kept, 60), tcase_set_timeout(faults, 120);
    tcase_add_test(kept, when_checkpoints_are_written);
    tcase_add_test(kept, checkpoints_that_are_kept);
    tcase_add_test(kept, the_clock_changes_no_byte);
    tcase_add_test(faults, a_damaged_checkpoint_gives_way_to_the_one_before);
    tcase_add_test(faults, a_damaged_curve_costs_its_times);
    tcase_add_loop_test(faults, a_fault_at_any_call_loses_nothing, TEST_FAULT_SHORT, TEST_FAULTS);
    tcase_add_test(faults, a_disk_too_full_for_a_checkpoint_is_told);
    suite_add_tcase(s, kept);
    suite_add_tcase(s, faults);
    return test_run(s);
}
