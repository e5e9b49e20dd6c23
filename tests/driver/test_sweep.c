/* Sweeps: side by side gives what one after the other gives; failures; memory; several runners on one folder.
 */
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "status.h"
#include "support.h"
#include "sweeps.h"
#include "tool.h"

static char file[800], out[700], log_path[800];

static void setup(const char *more_runs)
{
    snprintf(file, sizeof file, "%s", sweep_file(test_scratch(), more_runs));
    snprintf(out, sizeof out, "%s", test_scratch());
    snprintf(log_path, sizeof log_path, "%s/log", out);
}

static void says(const char *log, const char *word)
{
    char *text = sweep_said(log);
    ck_assert_msg(strstr(text, word) != NULL, "\"%s\" is missing in:\n%s", word, text);
    free(text);
}

static const char *text_of(json_t *records, const char *key, const char *field)
{
    const char *text = json_string_value(json_object_get(json_object_get(records, key), field));
    ck_assert_msg(text != NULL, "there is no record %s with %s", key, field);
    return text;
}

static void wait_for_a_checkpoint(const char *folder, double seconds)
{
    for (double s = 0; !newest_checkpoint(folder); s += 0.01) {
        ck_assert_msg(s < seconds, "no checkpoint comes in %s", folder);
        sweep_nap(0.01);
    }
}

/* How often the program said so, over all its logs of the folder's runs. */
static int count_in_logs(const char *word)
{
    static const char *const runs[] = {"plain-s0", "plain-s1", "open-s0", "open-s1"};
    char path[800];
    int n = 0;
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s/log.txt", out, runs[i]);
        if (access(path, F_OK) != 0) continue;
        char *text = sweep_said(path);
        n += sweep_count(text, word);
        free(text);
    }
    return n;
}

/* ------------------------------------------------------------------ one runner */
START_TEST(side_by_side_gives_the_same)
{
    char alone[700], log[800];
    int lines, oks;
    setup("");
    snprintf(alone, sizeof alone, "%s", test_scratch());
    snprintf(log, sizeof log, "%s/log", alone);
    ck_assert_int_eq(tool_end(tool_start(log, "run %s --out %s --threads 2", file, alone)), 0);
    ck_assert_int_eq(tool_end(tool_start(log_path, "run %s --out %s --jobs 2", file, out)), 0);
    sweep_same(alone, out);
    ck_assert_int_eq(tool_end(tool_start(log_path, "run %s --out %s --jobs 2", file, out)), 0);
    says(log_path, "4 of 4 runs are already recorded");
    json_decref(sweep_records(out, &lines, &oks));
    ck_assert_int_eq(lines, 4);
    ck_assert_int_eq(tool_end(tool_start(log_path, "status %s", out)), 0);
    says(log_path, "4 done, 0 running, 0 failed, 0 cut off");
}
END_TEST

/* Images that are not there, a loss that runs away, more memory than there is: three reasons; and the rest is
 * done. */
static const char failing[] = "  absent: {data: {kind: folder, train: no/images, val: no/images}}\n"
                              "  wild: {train: {lr: 1000, weight_decay: 100}}\n"
                              "  large: {model: {img_size: 224, embed_dim: 384}, train: {batch_size: 64}}\n";

START_TEST(the_others_go_on)
{
    static const char *const jobs[] = {"--jobs 2 --memory 700",
                                       "--threads 1 --run absent --run plain --run wild"};
    for (int i = 0; i < 2; i++) {
        int lines, oks, again;
        setup(failing);
        for (int start = 0; start < 2; start++) {
            ck_assert_int_eq(tool_end(tool_start(log_path, "run %s --out %s %s", file, out, jobs[i])), 1);
            json_t *records = sweep_records(out, &again, &oks);
            if (!start) lines = again;
            ck_assert_int_eq(again,
                             lines); /* the same failure is recorded once, what diverged is not repeated */
            ck_assert_str_eq(text_of(records, "absent 0", "status"), "failed");
            ck_assert_ptr_nonnull(strstr(text_of(records, "absent 0", "reason"), "no/images"));
            ck_assert_str_eq(text_of(records, "wild 1", "status"), "diverged");
            ck_assert_str_eq(text_of(records, "plain 1", "status"), "ok");
            if (i == 0) {
                ck_assert_str_eq(text_of(records, "large 0", "status"), "failed");
                ck_assert_ptr_nonnull(strstr(text_of(records, "large 0", "reason"), "MiB are allowed"));
                ck_assert_str_eq(text_of(records, "open 1", "status"), "ok");
            }
            json_decref(records);
        }
        says(log_path, "in no figure above"); /* the table lists them */
        says(log_path, "no/images");
    }
}
END_TEST

START_TEST(data_that_are_there_for_no_run_stop_all)
{
    setup("");
    ck_assert_int_eq(tool_end(tool_start(log_path,
                                         "run %s --out %s --jobs 2 --set data.kind=folder --set "
                                         "data.train=no/images --set data.val=no/images",
                                         file, out)),
                     1);
    says(log_path, "no/images");
    snprintf(log_path, sizeof log_path, "%s/records.jsonl", out);
    ck_assert_int_ne(access(log_path, F_OK), 0);
}
END_TEST

/* Stopped in the middle, each run saves; the same command goes on. */
START_TEST(asked_to_stop)
{
    char alone[700], log[800], run[800];
    pid_t children[8];
    int n, lines, oks;
    setup("");
    snprintf(alone, sizeof alone, "%s", test_scratch());
    snprintf(log, sizeof log, "%s/log", alone);
    snprintf(run, sizeof run, "%s/plain-s0", out);
    const char *words = "--set train.epochs=200 --set train.save_every_steps=0 --run plain";
    pid_t sweep = tool_start(log_path, "run %s --out %s --jobs 2 %s", file, out, words);
    wait_for_a_checkpoint(run, 30);
    n = sweep_children(sweep, children, 8);
    ck_assert_int_ge(n, 1);
    kill(sweep, SIGINT);
    ck_assert_int_eq(tool_end(sweep), 130);
    for (int i = 0; i < n; i++) ck_assert_int_ne(kill(children[i], 0), 0);
    json_decref(sweep_records(out, &lines, &oks));
    ck_assert_int_lt(oks, 2);
    ck_assert_int_eq(tool_end(tool_start(log_path, "status %s", out)), 0);
    says(log_path, "cut off");
    ck_assert_int_eq(tool_end(tool_start(log_path, "run %s --out %s --jobs 2 %s", file, out, words)), 0);
    ck_assert_int_gt(count_in_logs("resuming from"), 0);
    ck_assert_int_eq(tool_end(tool_start(log, "run %s --out %s --threads 1 %s", file, alone, words)), 0);
    sweep_same(alone, out);
}
END_TEST

START_TEST(a_terminal_sees_a_few_lines)
{
    static char seen[1 << 18];
    char words[3000];
    size_t n = 0;
    int fd, status;
    setup("");
    snprintf(words, sizeof words, "exec %s run %s --out %s --jobs 2 --set train.epochs=60", tool_path(), file,
             out);
    struct winsize size = {.ws_row = 24, .ws_col = 100};
    pid_t child = forkpty(&fd, NULL, NULL, &size);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", words, (char *)NULL);
        _exit(126);
    }
    for (ssize_t r; n < sizeof seen - 1 && (r = read(fd, seen + n, sizeof seen - 1 - n)) > 0;) n += (size_t)r;
    seen[n] = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", seen);
    ck_assert_msg(strstr(seen, "of 4 runs done, 2 running"), "%s", seen);
    ck_assert_msg(strstr(seen, "\x1b[3A\r\x1b[J"), "%s", seen); /* three lines are taken away again */
    ck_assert_msg(strstr(seen, "training") && strstr(seen, "ETA"), "%s", seen);
    close(fd);
}
END_TEST

START_TEST(words_that_do_not_go_together)
{
    setup("");
    static const char *const wrong[][2] = {{"--jobs 0", "--jobs"},
                                           {"--memory 100", "--jobs"},
                                           {"--dry-run", "--launcher"},
                                           {"--launcher pbs", "slurm"},
                                           {"--jobs 2 --memory lots", "--memory"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_int_eq(tool_end(tool_start(log_path, "run %s --out %s %s", file, out, wrong[i][0])), 1);
        says(log_path, wrong[i][1]);
    }
    ck_assert_int_eq(tool_end(tool_start(log_path, "status %s/none", out)), 1);
    says(log_path, "cannot be read");
    setenv("WORLD_SIZE", "2", 1), setenv("RANK", "0", 1), setenv("MASTER_ADDR", "localhost", 1);
    setenv("MASTER_PORT", "1", 1);
    ck_assert_int_eq(tool_end(tool_start(log_path, "run %s --out %s --jobs 2", file, out)), 1);
    says(log_path, "one of the two");
    unsetenv("WORLD_SIZE"), unsetenv("RANK"), unsetenv("MASTER_ADDR"), unsetenv("MASTER_PORT");
}
END_TEST

/* ------------------------------------------------------------------ two runners */
START_TEST(two_runners_share_the_work)
{
    int lines, oks;
    setup("");
    for (int way = 0; way < 3; way++) {
        char other[800];
        snprintf(out, sizeof out, "%s", test_scratch());
        snprintf(log_path, sizeof log_path, "%s/log", out);
        snprintf(other, sizeof other, "%s/other", out);
        pid_t a = tool_start(log_path, "run %s --out %s --jobs 2", file, out);
        if (way == 1) sweep_nap(0.4);
        pid_t b = tool_start(other, "run %s --out %s --jobs 2", file, out);
        if (way == 2) { /* one of them stands still for a while: it lives, and what it holds is left alone */
            sweep_nap(0.5);
            pid_t children[8];
            int n = sweep_children(a, children, 8);
            for (int i = 0; i < n; i++) kill(children[i], SIGSTOP);
            sweep_nap(2);
            for (int i = 0; i < n; i++) kill(children[i], SIGCONT);
        }
        int x = tool_end(a), y = tool_end(b);
        ck_assert_msg((x == 0 || x == 3) && (y == 0 || y == 3) && (x == 0 || y == 0), "%d and %d", x, y);
        json_decref(sweep_records(out, &lines, &oks));
        ck_assert_int_eq(lines, 4);
        ck_assert_int_eq(oks, 4);
        ck_assert_int_eq(count_in_logs("epoch 1/4"), 4); /* nothing was trained twice */
    }
}
END_TEST

/* A runner whose processes cannot be seen from here (another machine, here another table of processes) falls
 * silent: its run is taken over, and when it wakes up it finds out, and records nothing. */
START_TEST(a_silent_runner_elsewhere_loses_its_run)
{
    char command[3000], run[800], other[800];
    pid_t child[4];
    int lines, oks, status;
    setup("");
    if (system("unshare --pid --fork true 2> /dev/null") != 0) {
        test_skip("no process namespaces may be made here");
        return;
    }
    setenv("SIM_CLAIM_STALE_S", "1.5", 1);
    snprintf(other, sizeof other, "%s/other", out);
    snprintf(run, sizeof run, "%s/plain-s0", out);
    snprintf(command, sizeof command,
             "exec unshare --pid --fork --kill-child %s run %s --out %s --threads 1 --run plain-s0 --set "
             "train.epochs=300 > %s 2>&1",
             tool_path(), file, out, log_path);
    pid_t a = fork();
    if (a == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(126);
    }
    wait_for_a_checkpoint(run, 30);
    ck_assert_int_eq(sweep_children(a, child, 4), 1);
    const char *words = "--threads 1 --run plain-s0 --set train.epochs=300";
    ck_assert_int_eq(tool_end(tool_start(other, "run %s --out %s %s", file, out, words)), 3);
    ck_assert_int_eq(kill(child[0], SIGSTOP), 0);
    sweep_nap(2);
    ck_assert_int_eq(tool_end(tool_start(other, "run %s --out %s %s", file, out, words)), 0);
    says(other, "resuming");
    kill(child[0], SIGCONT);
    ck_assert_int_eq(waitpid(a, &status, 0), a);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 130, "%x:\n%s", (unsigned)status,
                  sweep_said(log_path));
    says(log_path, "plain-s0 was taken over by another process");
    json_decref(sweep_records(out, &lines, &oks));
    ck_assert_int_eq(lines, 1);
    unsetenv("SIM_CLAIM_STALE_S");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sweep");
    TCase *one = tcase_create("one runner"), *two = tcase_create("two runners");
    tcase_add_test(one, side_by_side_gives_the_same);
    tcase_add_test(one, the_others_go_on);
    tcase_add_test(one, data_that_are_there_for_no_run_stop_all);
    tcase_add_test(one, asked_to_stop);
    tcase_add_test(one, a_terminal_sees_a_few_lines);
    tcase_add_test(one, words_that_do_not_go_together);
    tcase_add_test(two, two_runners_share_the_work);
    tcase_add_test(two, a_silent_runner_elsewhere_loses_its_run);
    tcase_set_timeout(one, 300);
    tcase_set_timeout(two, 300);
    suite_add_tcase(suite, one);
    suite_add_tcase(suite, two);
    return test_run(suite);
}
