/* siameseim run: every run of the files given, one after the other, side by side, or handed to Slurm. */
#include <errno.h>
#include <omp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "file.h"
#include "options.h"
#include "progress.h"
#include "claim.h"
#include "slurm.h"
#include "stop_signals.h"
#include "sweep.h"

static const char help[] =
    "usage: siameseim run FILE.yaml... --out DIR [options]\n"
    "\n"
    "For every run of the files: pre-trains the encoder, scores it frozen, before and after, and records\n"
    "what came out.\n"
    "\n"
    "  --out DIR         gets records.jsonl, table.md, plots, and for every run NAME/ with config.yaml,\n"
    "                    encoder.safetensors, checkpoint-STEP.safetensors and the curves; with several seeds "
    "the\n"
    "                    folders are NAME-sSEED\n"
    "  --scale SCALE     mini, small or paper, where the files have scales (default: each file's first)\n"
    "  --run NAME        only this run; may be repeated; NAME-sSEED picks one seed\n"
    "  --set KEY=VALUE   change a key in all runs, such as train.epochs=20; may be repeated;\n"
    "                    seed=3 replaces the files' lists of seeds; siameseim config --help-keys: all keys\n"
    "  --threads N       compute threads (default: OMP_NUM_THREADS, or every core); changes no result\n"
    "  --device DEVICE   cpu (the default), cuda, or cuda:N; compute.precision auto is fp32 on the first "
    "and\n"
    "                    bf16 on the others\n"
    "  --resume          skip runs that are recorded, continue those that were cut off: the default\n"
    "  --fresh           start every run again, over what stands in DIR\n"
    "  --quiet           no progress, no table: only errors\n"
    "  --jobs N          up to N runs side by side, as far as there are cores and memory; the cores are "
    "divided\n"
    "                    among them, unless --threads says what each gets; with --device cuda:K the N "
    "devices\n"
    "                    from K on; each run writes NAME/log.txt\n"
    "  --memory MIB      with --jobs: what all may take together (default: what is free)\n"
    "  --launcher slurm  hand the runs that are not recorded yet to Slurm, as a job array: "
    "DIR/slurm/sweep.sh,\n"
    "                    sized from the configurations, saved and queued again when its time is up; --jobs "
    "N: at\n"
    "                    most N at a time; --threads: cores of each (default 4)\n"
    "  --dry-run         with --launcher: only write that file\n"
    "  --sbatch WORD     with --launcher: a word for sbatch, such as --sbatch=--partition=long; may be "
    "repeated\n"
    "  --gflops X        with --launcher: the nodes' matrix rate, from which the time limit follows "
    "(default: measured\n"
    "                    here, on as many threads; needed for a GPU)\n"
    "\n"
    "Several processes train together, one per device or share of the cores, when they are started by mpirun "
    "or\n"
    "srun (with MPI compiled in), or with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as torchrun sets "
    "them, or\n"
    "with SIM_RANKS_FOLDER=a folder that all see, SIM_RANKS_NAME=a word of this launch, RANK and "
    "WORLD_SIZE.\n"
    "train.batch_size is that of all together.  Rank 0 scores and writes; all read DIR.  A rank that is gone "
    "ends\n"
    "the others; one that does not come for SIM_RANKS_TIMEOUT_S seconds (600) counts as gone.\n"
    "\n"
    "Ctrl-C, SIGTERM and SIGUSR1 stop after the current step with a checkpoint, or after the current batch "
    "of a score,\n"
    "which is begun again; a second Ctrl-C or SIGTERM at once; the same command goes on\n"
    "from there and ends with the same bytes.  A run that fails is recorded as failed with its reason, the\n"
    "others go on, and the next start tries it again; one that diverged would do so again, and is not.  "
    "Several\n"
    "such commands may work on one DIR, also from several machines: no run is made twice.  siameseim status "
    "DIR\n"
    "looks on.  Exit status: 0 all runs are recorded, 1 a run failed or diverged or the report could not be\n"
    "written, 3 other processes are still at some runs, 75 stopped by SIGTERM or SIGUSR1 and to be started "
    "again (queued\n"
    "again, for a batch system), 130 stopped by Ctrl-C.\n"
    "\n"
    "example: siameseim run ablations/quickstart.yaml --out runs/quick --set train.epochs=20\n";

#define REPORT_WAIT_S 600.0

static const struct sim_drawing *drawing;
static volatile sig_atomic_t stop;

void sim_run_set_drawing(const struct sim_drawing *given)
{
    drawing = given;
}

/* ------------------------------------------------------------------ checks before any work */
/* "folder", "archive" or "archive:folder/inside" must be readable. */
static sim_status check_path(const struct sim_run *run, const char *key, const char *path)
{
    char outer[SIM_TEXT_BYTES];
    snprintf(outer, sizeof outer, "%s", path);
    char *colon = strrchr(outer, ':');
    if (!path[0] || access(path, R_OK) == 0) return SIM_OK;
    if (colon) *colon = 0;
    if (colon && access(outer, R_OK) == 0) return SIM_OK;
    return sim_fail(SIM_EIO, "%s: run %s: data.%s: there is no readable %s; set it with --set data.%s=PATH",
                    run->file, run->name, key, path, key);
}

/* A run whose images are not there fails, and the others go on; where they are there for none, nothing
 * begins. */
static sim_status check_paths(const struct sim_experiment *e)
{
    sim_status status = SIM_OK;
    for (int i = 0; i < e->count; i++) {
        const struct sim_data_config *d = &e->runs[i].config.data;
        if (d->kind != SIM_DATA_FOLDER) return SIM_OK;
        status = check_path(&e->runs[i], "train", d->train);
        if (status == SIM_OK) status = check_path(&e->runs[i], "val", d->val);
        if (status == SIM_OK) return SIM_OK;
    }
    return status;
}

/* ------------------------------------------------------------------ all runs */
/* Of a failure that all ranks know of rank 0 speaks alone, the others of what concerns themselves. */
static void say_failure(const struct sim_session *s)
{
    if (sim_ranks_first(s->ranks) || !sim_ranks_agreed(s->ranks)) sim_command_failed("run");
}

static void make_run(struct sim_session *s, const struct sim_experiment *e, int i, struct sim_tally *t,
                     int *left)
{
    enum sim_outcome outcome = SIM_RUN_OK;
    const struct sim_run *run = &e->runs[i];
    sim_session_say(s, "[%d/%d] %s: %s, seed %lld", i + 1, e->count, run->experiment, run->name,
                    (long long)run->config.seed);
    if (run->note[0]) sim_session_say(s, "%s", run->note);
    sim_status status = sim_run_one(s, run, &outcome);
    *left = status == SIM_OK && outcome == SIM_RUN_LEFT;
    if (status == SIM_EINTERRUPT)
        t->interrupted = 1;
    else if (status != SIM_OK) {
        t->failed++;
        sim_context(status, "run %s", run->folder);
        say_failure(s);
    } else if (outcome == SIM_RUN_DIVERGED)
        t->diverged++;
    else if (outcome == SIM_RUN_SKIPPED)
        t->skipped++;
    else if (outcome == SIM_RUN_OK)
        t->done++;
}

/* One after the other; those that another process was at, once more when the others are through. */
static sim_status run_all(struct sim_session *s, const struct sim_experiment *e, struct sim_tally *t)
{
    int *left = malloc((size_t)e->count * sizeof *left + 1);
    if (!left) return sim_fail(SIM_ENOMEM, "no memory for %d runs", e->count);
    for (int i = 0; i < e->count; i++) left[i] = 1;
    for (int pass = 0; pass < (e->count > 1 ? 2 : 1); pass++)
        /* Several ranks do not try the next run after a failure: they may no longer agree where they are. */
        for (int i = 0; i < e->count && !t->interrupted && !(s->ranks && t->failed); i++)
            if (left[i]) make_run(s, e, i, t, &left[i]);
    for (int i = 0; i < e->count; i++) t->left += left[i] && !t->interrupted;
    free(left);
    return SIM_OK;
}

/* The report is drawn by one process at a time, so that the last to finish draws last. */
static sim_status draw_all(const struct sim_session *s)
{
    const char *const records[] = {s->records};
    struct sim_claim *claim;
    SIM_TRY(sim_claim_wait(&claim, s->out, "report", REPORT_WAIT_S));
    sim_status status = s->drawing->all(records, 1, s->out, NULL, s->quiet ? NULL : stdout);
    sim_claim_release(&claim);
    return status;
}

static void summarise(const struct sim_session *s, struct sim_tally *t)
{
    char left[64] = "";
    if (t->interrupted) {
        sim_log("interrupted: nothing is lost; the same command goes on from the checkpoint in %s", s->out);
        return;
    }
    if (s->drawing && access(s->records, R_OK) == 0 && draw_all(s) != SIM_OK) {
        t->undrawn = 1;
        sim_context(SIM_EIO, "the runs are done, but the report could not be finished");
        sim_command_failed("run");
    }
    if (t->left) snprintf(left, sizeof left, ", %d left to other processes", t->left);
    sim_session_say(s, "%d done, %d recorded before, %d diverged, %d failed%s; records in %s", t->done,
                    t->skipped, t->diverged, t->failed, left, s->records);
}

struct words {
    struct sim_words files, sets, names, sbatch;
    const char *out, *threads, *device, *jobs, *memory, *launcher, *gflops, *scale;
    int resume, fresh, quiet, dry_run;
    char **argv; /* all words as they came */
    int argc;
};

static sim_status read_files(struct sim_session *s, struct sim_experiment *e, const struct words *w)
{
    SIM_TRY(sim_experiment_open(e, w->files.word, w->files.count, w->scale, w->sets.word, w->sets.count));
    SIM_TRY(sim_experiment_select(e, w->names.word, w->names.count));
    SIM_TRY(sim_experiment_resolve(e, s->backend.name));
    SIM_TRY(check_paths(e));
    if (sim_ranks_first(s->ranks)) SIM_TRY(sim_make_folder(s->out));
    if (snprintf(s->records, sizeof s->records, "%s/records.jsonl", s->out) >= (int)sizeof s->records)
        return sim_fail(SIM_EINVAL, "--out %s: this path is too long", s->out);
    return SIM_OK;
}

/* Early, so that a device that is not there is said before any work. */
static sim_status prepare(struct sim_session *s, struct sim_experiment *e, const struct words *w)
{
    SIM_TRY(sim_ranks_agree(s->ranks, read_files(s, e, w)));
    return e->count ? sim_session_open_device(s, &e->runs[0].config.compute) : SIM_OK;
}

/* The same for a sweep, whose parent opens none: a child tries, and says what it has to say. */
static sim_status try_device(struct sim_session *s, const struct sim_experiment *e)
{
    int status;
    if (!e->count || strcmp(s->backend.name, "cpu") == 0) return SIM_OK;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        s->quiet = 1;
        _exit(sim_session_open_device(s, &e->runs[0].config.compute) == SIM_OK ? 0
                                                                               : sim_command_failed("run"));
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return sim_fail(SIM_EIO, "cannot start a process: %s", strerror(errno));
    return status == 0 ? SIM_OK : sim_fail(SIM_EINVAL, "no run was started");
}

/* Meets the other ranks, if there are any, before anything can fail on one of them alone. */
static sim_status meet(struct sim_session *s, const struct words *w)
{
    SIM_TRY(sim_backend_parse(w->device, &s->backend));
    SIM_TRY(sim_stop_signals_catch(s->stop));
    SIM_TRY(sim_ranks_open(&s->ranks));
    if (!s->ranks) return SIM_OK;
    sim_backend_take_place(&s->backend, s->ranks, w->threads != NULL);
    if (s->ranks->rank) s->quiet = 1;
    sim_session_say(s, "%d ranks over %s, which found each other by %s; %d on this machine", s->ranks->size,
                    s->ranks->transport, s->ranks->bootstrap, s->ranks->local_size);
    return SIM_OK;
}

static sim_status check_words(const struct words *w)
{
    int64_t threads;
    if (!w->files.count)
        return sim_fail(SIM_EINVAL,
                        "which runs? a FILE.yaml is needed, such as ablations/quickstart.yaml; see --help");
    if (!w->out || !*w->out) return sim_fail(SIM_EINVAL, "where to? --out DIR is needed; see --help");
    if (w->resume && w->fresh) return sim_fail(SIM_EINVAL, "--resume and --fresh contradict each other");
    if (w->launcher && strcmp(w->launcher, "slurm") != 0)
        return sim_fail(SIM_EINVAL, "--launcher %.40s: slurm is the one there is", w->launcher);
    if (!w->launcher && (w->dry_run || w->sbatch.count || w->gflops))
        return sim_fail(SIM_EINVAL, "--dry-run, --sbatch and --gflops go with --launcher slurm");
    if (w->memory && !w->jobs) return sim_fail(SIM_EINVAL, "--memory goes with --jobs");
    if (!w->threads) return SIM_OK;
    SIM_TRY(sim_options_whole("--threads", w->threads, 1, 1024, &threads));
    omp_set_num_threads((int)threads);
    return SIM_OK;
}

/* Which signal it was, for ranks that got none. */
static void share_stop(const struct sim_session *s)
{
    const int32_t mine = (int32_t)*s->stop;
    int32_t *all = s->ranks ? calloc((size_t)s->ranks->size, sizeof *all) : NULL;
    if (all && sim_ranks_gather(s->ranks, &mine, all, sizeof mine) == SIM_OK)
        for (int i = 0; i < s->ranks->size && !*s->stop; i++) *s->stop = all[i];
    free(all);
}

static int exit_status(const struct sim_tally *t, int failed)
{
    if (t->interrupted) return sim_stop_exit_status(stop);
    if (failed || t->failed || t->diverged || t->undrawn) return 1;
    return t->left ? 3 : 0;
}

/* In this process, alone or as one of several ranks.  Returns the exit status. */
static int run_here(struct sim_session *session, const struct words *w)
{
    struct sim_experiment experiment = {0};
    struct sim_tally tally = {0};
    char why[512] = ""; /* the last words, for ranks that still wait */
    sim_status status = meet(session, w);
    if (status == SIM_OK) status = prepare(session, &experiment, w);
    if (status == SIM_OK) status = run_all(session, &experiment, &tally);
    if (status != SIM_OK) say_failure(session);
    const int failed = status != SIM_OK || tally.failed;
    if (tally.interrupted) share_stop(session);
    if (failed) snprintf(why, sizeof why, "%s", sim_error_text());
    if (status == SIM_OK && sim_ranks_first(session->ranks)) summarise(session, &tally);
    sim_run_images_close(&session->images);
    sim_session_close_device(session);
    sim_ranks_close(session->ranks, failed ? why : NULL);
    sim_experiment_close(&experiment);
    return exit_status(&tally, failed);
}

static sim_status sweep(struct sim_session *s, struct sim_experiment *e, struct sim_tally *t,
                        const struct words *w, int64_t jobs)
{
    struct sim_sweep_options o = {.jobs = (int)jobs, .threads = w->threads ? omp_get_max_threads() : 0};
    if (w->memory) {
        SIM_TRY(sim_options_whole("--memory", w->memory, 1, INT64_C(1) << 40, &o.memory_bytes));
        o.memory_bytes <<= 20;
    }
    if (sim_ranks_wanted())
        return sim_fail(SIM_EINVAL,
                        "--jobs makes runs side by side, ranks make one run together: one of the two");
    SIM_TRY(sim_backend_parse(w->device, &s->backend));
    SIM_TRY(read_files(s, e, w));
    SIM_TRY(try_device(s, e));
    SIM_TRY(sim_sweep_run(s, e, &o, t));
    /* The runs' processes are gone: what is left of this one may be stopped at once. */
    const sigset_t set = sim_stop_signals();
    if (!t->interrupted) sigprocmask(SIG_UNBLOCK, &set, NULL);
    summarise(s, t);
    return SIM_OK;
}

/* In processes of their own.  Returns the exit status. */
static int run_side_by_side(struct sim_session *session, const struct words *w, int64_t jobs)
{
    struct sim_experiment experiment = {0};
    struct sim_tally tally = {0};
    sim_status status = sweep(session, &experiment, &tally, w, jobs);
    if (status != SIM_OK) sim_command_failed("run");
    sim_experiment_close(&experiment);
    return exit_status(&tally, status != SIM_OK);
}

static sim_status launch(struct sim_session *s, struct sim_experiment *e, const struct words *w, int64_t jobs)
{
    struct sim_slurm_options o = {.argv = w->argv,
                                  .argc = w->argc,
                                  .sbatch = &w->sbatch,
                                  .dry_run = w->dry_run,
                                  .at_a_time = w->jobs ? (int)jobs : 0,
                                  .threads = w->threads ? omp_get_max_threads() : 0,
                                  .gflops = w->gflops};
    SIM_TRY(sim_backend_parse(w->device, &s->backend));
    SIM_TRY(read_files(s, e, w));
    return sim_slurm_launch(s, e, &o);
}

static int run_by_slurm(struct sim_session *session, const struct words *w, int64_t jobs)
{
    struct sim_experiment experiment = {0};
    sim_status status = launch(session, &experiment, w, jobs);
    sim_experiment_close(&experiment);
    return status == SIM_OK ? 0 : sim_command_failed("run");
}

/* Returns the exit status. */
static int run_files(const struct words *w)
{
    struct sim_session session = {
        .out = w->out, .fresh = w->fresh, .quiet = w->quiet, .drawing = drawing, .stop = &stop};
    int64_t jobs = 1;
    sim_progress_quiet(w->quiet);
    sim_status status = check_words(w);
    if (status == SIM_OK && w->jobs) status = sim_options_whole("--jobs", w->jobs, 1, 1024, &jobs);
    if (status != SIM_OK) return sim_command_failed("run");
    if (w->launcher) return run_by_slurm(&session, w, jobs);
    return jobs > 1 ? run_side_by_side(&session, w, jobs) : run_here(&session, w);
}

static int run_run(int argc, char **argv)
{
    struct words w = {.argv = argv, .argc = argc};
    const struct sim_option options[] = {
        {"--out", NULL, &w.out, NULL},       {"--run", NULL, NULL, &w.names},
        {"--set", NULL, NULL, &w.sets},      {"--threads", NULL, &w.threads, NULL},
        {"--device", NULL, &w.device, NULL}, {"--resume", &w.resume, NULL, NULL},
        {"--fresh", &w.fresh, NULL, NULL},   {"--quiet", &w.quiet, NULL, NULL},
        {"--jobs", NULL, &w.jobs, NULL},     {"--memory", NULL, &w.memory, NULL},
        {"--gflops", NULL, &w.gflops, NULL}, {"--launcher", NULL, &w.launcher, NULL},
        {"--sbatch", NULL, NULL, &w.sbatch}, {"--dry-run", &w.dry_run, NULL, NULL},
        {"--scale", NULL, &w.scale, NULL}};
    sim_status status = sim_options_parse(argc, argv, options, sizeof options / sizeof *options, &w.files);
    int code = status == SIM_OK ? run_files(&w) : sim_command_failed("run");
    sim_words_close(&w.files);
    sim_words_close(&w.sets);
    sim_words_close(&w.names);
    sim_words_close(&w.sbatch);
    return code;
}

const struct sim_command sim_command_run = {
    "run", "pre-train, score, record and draw every run of the files given", help, run_run};
