/* --launcher slurm: the file it writes; and, where a Slurm of one node can be started here, its jobs. */
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
static char node[700], why[512]; /* where the Slurm lives; why there is none */
static int started;

static void setup(void)
{
    snprintf(file, sizeof file, "%s", sweep_file(test_scratch(), ""));
    snprintf(out, sizeof out, "%s", test_scratch());
    snprintf(log_path, sizeof log_path, "%s/log", out);
}

static void holds(const char *path, const char *word)
{
    char *text = sweep_said(path);
    ck_assert_msg(strstr(text, word) != NULL, "\"%s\" is missing in:\n%s", word, text);
    free(text);
}

static const char *in_out(const char *name)
{
    static char path[4][900];
    static int turn;
    char *p = path[turn++ & 3];
    snprintf(p, sizeof path[0], "%s/%s", out, name);
    return p;
}

START_TEST(a_dry_run_only_writes)
{
    setup();
    ck_assert_int_eq(tool_end(tool_start(log_path,
                                         "run %s --out %s --launcher slurm --dry-run --gflops 100 --jobs 2 "
                                         "--threads 3 --set train.epochs=2 --run plain --run=open-s1",
                                         file, out)),
                     0);
    static const char *const words[] = {"#SBATCH --array=0-2%2\n",
                                        "#SBATCH --cpus-per-task=3\n",
                                        "#SBATCH --signal=B:TERM@120\n",
                                        "#SBATCH --requeue\n",
                                        "#SBATCH --time=30\n",
                                        "  'plain-s0'\n  'plain-s1'\n  'open-s1'\n",
                                        "'--set' 'train.epochs=2' --threads 3 --run \"$run\""};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) holds(in_out("slurm/sweep.sh"), words[i]);
    char *text = sweep_said(in_out("slurm/sweep.sh")), command[1000];
    ck_assert_ptr_null(strstr(text, "'--launcher'"));
    ck_assert_ptr_null(strstr(text, "--gflops"));
    ck_assert_ptr_null(strstr(text, "gres"));
    free(text);
    snprintf(command, sizeof command, "bash -n %s", in_out("slurm/sweep.sh"));
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_ne(access(in_out("records.jsonl"), F_OK), 0);
}
END_TEST

/* A slower node or a longer run asks for more time, a larger one for more memory; no more than a day. */
START_TEST(sized_from_the_configurations)
{
    setup();
    ck_assert_int_eq(
        tool_end(tool_start(log_path,
                            "run %s --out %s --launcher slurm --dry-run --gflops 0.0001 --set "
                            "train.epochs=100 --set train.batch_size=2048 --set model.embed_dim=512 "
                            "--set data.procedural_train_per_class=2000",
                            file, out)),
        0);
    holds(in_out("slurm/sweep.sh"), "#SBATCH --time=1440\n");
    char *text = sweep_said(in_out("slurm/sweep.sh")), *memory = strstr(text, "--mem=");
    ck_assert_ptr_nonnull(memory);
    ck_assert_int_gt(atoi(memory + 6), 1000);
    free(text);
}
END_TEST

START_TEST(what_slurm_cannot_be_given)
{
    setup();
    ck_assert_int_eq(
        tool_end(tool_start(log_path, "run %s --out %s --launcher slurm --gflops none", file, out)), 1);
    holds(log_path, "--gflops none");
    ck_assert_int_eq(
        tool_end(tool_start(log_path, "run %s --out %s/50%% --launcher slurm --gflops 10", file, out)), 1);
    holds(log_path, "a meaning of its own");
    setenv("PATH", "/nowhere", 1);
    ck_assert_int_eq(
        tool_end(tool_start(log_path, "run %s --out %s --launcher slurm --gflops 10", file, out)), 1);
    holds(log_path, "there is no sbatch here");
}
END_TEST

/* ------------------------------------------------------------------ a real one */
static int ask(const char *format, const char *value, char *answer, size_t size)
{
    char command[2000];
    snprintf(command, sizeof command, format, value);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    answer[fread(answer, 1, size - 1, f)] = 0;
    answer[strcspn(answer, "\n")] = 0;
    return pclose(f);
}

/* In the parent of the tests, so that a test that fails leaves no daemon behind. */
static void start_node(void)
{
    char conf[800], command[2000];
    snprintf(node, sizeof node, "%s", test_scratch());
    snprintf(command, sizeof command, "%s start %s", test_path("driver/slurm_node.sh"), node);
    int status = ask("%s", command, why, sizeof why);
    started = status == 0;
    snprintf(conf, sizeof conf, "%s/slurm.conf", node);
    setenv("SLURM_CONF", conf, 1);
}

static void stop_node(void)
{
    char command[2000], nothing[64];
    if (!started) return;
    snprintf(command, sizeof command, "scancel -u $(id -un) 2> /dev/null; %s stop %s",
             test_path("driver/slurm_node.sh"), node);
    ask("%s", command, nothing, sizeof nothing);
}

/* Until no job is there any more. */
static void wait_for_jobs(double seconds)
{
    char jobs[512];
    for (double s = 0; ask("%s", "squeue -h", jobs, sizeof jobs) != 0 || jobs[0]; s += 0.2) {
        ck_assert_msg(s < seconds, "still there: %s", jobs);
        sweep_nap(0.2);
    }
}

START_TEST(jobs_of_a_real_slurm)
{
    char alone[700], log[800], job[64], heard[512];
    int lines, oks;
    if (!started) {
        test_skip("%s", why[0] ? why : "no Slurm can be started here");
        return;
    }
    setup();
    snprintf(alone, sizeof alone, "%s", test_scratch());
    snprintf(log, sizeof log, "%s/log", alone);
    const char *words = "--threads 1 --set train.epochs=60";
    ck_assert_int_eq(tool_end(tool_start(log, "run %s --out %s %s", file, alone, words)), 0);
    const char *launch = "run %s --out %s %s --launcher slurm --gflops 50";
    ck_assert_int_eq(tool_end(tool_start(log_path, launch, file, out, words)), 0);
    holds(log_path, "Submitted batch job");
    wait_for_jobs(120);
    sweep_same(alone, out);
    json_decref(sweep_records(out, &lines, &oks));
    ck_assert_int_eq(lines, 4);
    ck_assert_int_eq(tool_end(tool_start(log_path, launch, file, out, words)), 0);
    holds(log_path, "nothing to submit");

    /* The warning before the time limit: the task saves, is queued again, and goes on. */
    snprintf(out, sizeof out, "%s", test_scratch());
    const char *longer = "--threads 1 --set train.epochs=1500 --set train.save_every_steps=0 --run plain-s0";
    ck_assert_int_eq(tool_end(tool_start(log_path, launch, file, out, longer)), 0);
    for (int i = 0; steps_of(in_out("plain-s0")) < 0; i++) {
        ck_assert_int_lt(i, 3000);
        sweep_nap(0.01);
    }
    ck_assert_int_eq(ask("%s", "squeue -h -r -o %F", job, sizeof job), 0);
    ask("scancel --batch --signal=TERM %s_0", job, heard, sizeof heard);
    for (int i = 0;
         ask("squeue -h -r -j %s -o %%T", job, heard, sizeof heard) != 0 || strcmp(heard, "PENDING"); i++) {
        ck_assert_msg(i < 150, "the task is %s, not queued again", heard);
        sweep_nap(0.2);
    }
    json_decref(sweep_records(out, &lines, &oks));
    ck_assert_int_eq(lines, 0);
    /* Slurm lets it wait two minutes, lest a node still knows the credential of the same second as revoked.
     */
    sweep_nap(3);
    ask("scontrol update JobId=%s StartTime=now", job, heard, sizeof heard);
    wait_for_jobs(240);
    char name[64];
    snprintf(name, sizeof name, "slurm/%.20s_0.log", job);
    json_decref(sweep_records(out, &lines, &oks));
    ck_assert_msg(oks == 1, "%s", sweep_said(in_out(name)));
    holds(in_out(name), "stopping after this step");
    holds(in_out(name), "resuming from");

    ck_assert_int_eq(tool_end(tool_start(log_path,
                                         "run %s --out %s %s --launcher slurm --gflops 50 --run open-s0 "
                                         "--sbatch=--partition=none",
                                         file, out, words)),
                     1);
    holds(log_path, "sbatch did not take");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slurm");
    TCase *file_only = tcase_create("file"), *jobs = tcase_create("jobs");
    tcase_add_test(file_only, a_dry_run_only_writes);
    tcase_add_test(file_only, sized_from_the_configurations);
    tcase_add_test(file_only, what_slurm_cannot_be_given);
    tcase_add_test(jobs, jobs_of_a_real_slurm);
    tcase_add_unchecked_fixture(jobs, start_node, stop_node);
    tcase_set_timeout(file_only, 120);
    tcase_set_timeout(jobs, 600);
    suite_add_tcase(suite, file_only);
    suite_add_tcase(suite, jobs);
    return test_run(suite);
}
