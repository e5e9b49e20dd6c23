/* siameseim run: every run of the files given, one after the other. */
#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "file.h"
#include "options.h"
#include "progress.h"
#include "run_one.h"

static const char help[] =
    "usage: siameseim run FILE.yaml... --out DIR [options]\n"
    "\n"
    "For every run of the files: pre-trains the encoder, scores it frozen, before and after, and records\n"
    "what came out.\n"
    "\n"
    "  --out DIR         gets records.jsonl, table.md, plots, and for every run NAME/ with config.yaml,\n"
    "                    encoder.safetensors, checkpoint.safetensors and the curves; with several seeds the\n"
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
    "Ctrl-C stops after the current step with a checkpoint, a second one at once; the same command goes on\n"
    "from there and ends with the same bytes.  Exit status: 0 all done, 1 a run failed or diverged or the\n"
    "report could not be written, 130 interrupted.\n"
    "\n"
    "example: siameseim run ablations/quickstart.yaml --out runs/quick --set train.epochs=20\n";

static const struct sim_drawing *drawing;
static volatile sig_atomic_t stop;

void sim_run_set_drawing(const struct sim_drawing *given)
{
    drawing = given;
}

/* ------------------------------------------------------------------ being stopped */
/* SIGINT and SIGTERM are blocked in every thread and waited for in one.  A handler must not run on a thread
 * that computes: oneDNN 2.6's AVX-512 sgemm keeps data below its stack's red zone, where the kernel puts a
 * handler's frame, and then frees what it finds there. */
static sigset_t stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

/* The first signal asks the loop to stop, the second ends the program as it would have without us. */
static void *wait_for_signals(void *unused)
{
    const sigset_t set = stop_signals();
    int number = 0;
    if (sigwait(&set, &number) != 0) return unused;
    stop = 1;
    sim_log("stopping after this step, or when the scores are done; once more: at once, back to the last "
            "checkpoint");
    if (sigwait(&set, &number) != 0) return unused;
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    return unused;
}

/* Before any other thread is started, so that they all inherit what is blocked. */
static sim_status catch_signals(void)
{
    const sigset_t set = stop_signals();
    pthread_t thread;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int failed = pthread_create(&thread, NULL, wait_for_signals, NULL);
    if (failed)
        return sim_fail(SIM_EIO, "cannot start the thread that waits for Ctrl-C: %s", strerror(failed));
    pthread_detach(thread);
    return SIM_OK;
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

static sim_status check_paths(const struct sim_experiment *e)
{
    for (int i = 0; i < e->count; i++) {
        const struct sim_data_config *d = &e->runs[i].config.data;
        if (d->kind != SIM_DATA_FOLDER) continue;
        SIM_TRY(check_path(&e->runs[i], "train", d->train));
        SIM_TRY(check_path(&e->runs[i], "val", d->val));
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ all runs */
struct tally {
    int done, skipped, diverged, failed, interrupted, undrawn;
};

static void run_all(struct sim_session *s, const struct sim_experiment *e, struct tally *t)
{
    /* Several ranks do not try the next run after a failure: they may no longer agree where they are. */
    for (int i = 0; i < e->count && !t->interrupted && !(s->ranks && t->failed); i++) {
        enum sim_outcome outcome = SIM_RUN_OK;
        const struct sim_run *run = &e->runs[i];
        sim_session_say(s, "[%d/%d] %s: %s, seed %lld", i + 1, e->count, run->experiment, run->name,
                        (long long)run->config.seed);
        if (run->note[0]) sim_session_say(s, "%s", run->note);
        sim_status status = sim_run_one(s, run, &outcome);
        if (status == SIM_EINTERRUPT)
            t->interrupted = 1;
        else if (status != SIM_OK) {
            t->failed++;
            sim_context(status, "run %s", run->folder);
            sim_command_failed("run");
        } else if (outcome == SIM_RUN_DIVERGED)
            t->diverged++;
        else if (outcome == SIM_RUN_SKIPPED)
            t->skipped++;
        else
            t->done++;
    }
}

static void summarise(const struct sim_session *s, struct tally *t)
{
    const char *const records[] = {s->records};
    if (t->interrupted) {
        sim_log("interrupted: nothing is lost; the same command goes on from the checkpoint in %s", s->out);
        return;
    }
    if (s->drawing && access(s->records, R_OK) == 0 &&
        s->drawing->all(records, 1, s->out, NULL, s->quiet ? NULL : stdout) != SIM_OK) {
        t->undrawn = 1;
        sim_context(SIM_EIO, "the runs are done, but the report could not be finished");
        sim_command_failed("run");
    }
    sim_session_say(s, "%d done, %d recorded before, %d diverged, %d failed; records in %s", t->done,
                    t->skipped, t->diverged, t->failed, s->records);
}

struct words {
    struct sim_words files, sets, names;
    const char *out, *threads, *device, *scale;
    int resume, fresh, quiet;
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

/* Meets the other ranks, if there are any, before anything can fail on one of them alone. */
static sim_status meet(struct sim_session *s, const struct words *w)
{
    SIM_TRY(sim_backend_parse(w->device, &s->backend));
    SIM_TRY(catch_signals());
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
    if (!w->threads) return SIM_OK;
    SIM_TRY(sim_options_whole("--threads", w->threads, 1, 1024, &threads));
    omp_set_num_threads((int)threads);
    return SIM_OK;
}

/* Returns the exit status. */
static int run_files(const struct words *w)
{
    struct sim_session session = {
        .out = w->out, .fresh = w->fresh, .quiet = w->quiet, .drawing = drawing, .stop = &stop};
    struct sim_experiment experiment = {0};
    struct tally tally = {0};
    char why[512] = ""; /* the last words, for ranks that still wait */
    sim_progress_quiet(w->quiet);
    sim_status status = check_words(w);
    if (status == SIM_OK) status = meet(&session, w);
    if (status == SIM_OK) status = prepare(&session, &experiment, w);
    if (status == SIM_OK)
        run_all(&session, &experiment, &tally);
    else
        sim_command_failed("run");
    const int failed = status != SIM_OK || tally.failed;
    if (failed) snprintf(why, sizeof why, "%s", sim_error_text());
    if (status == SIM_OK && sim_ranks_first(session.ranks)) summarise(&session, &tally);
    sim_run_images_close(&session.images);
    sim_session_close_device(&session);
    sim_ranks_close(session.ranks, failed ? why : NULL);
    sim_experiment_close(&experiment);
    return tally.interrupted ? 130 : failed || tally.diverged || tally.undrawn;
}

static int run_run(int argc, char **argv)
{
    struct words w = {0};
    const struct sim_option options[] = {
        {"--out", NULL, &w.out, NULL},       {"--run", NULL, NULL, &w.names},
        {"--set", NULL, NULL, &w.sets},      {"--threads", NULL, &w.threads, NULL},
        {"--device", NULL, &w.device, NULL}, {"--resume", &w.resume, NULL, NULL},
        {"--fresh", &w.fresh, NULL, NULL},   {"--quiet", &w.quiet, NULL, NULL},
        {"--scale", NULL, &w.scale, NULL}};
    sim_status status = sim_options_parse(argc, argv, options, sizeof options / sizeof *options, &w.files);
    int code = status == SIM_OK ? run_files(&w) : sim_command_failed("run");
    sim_words_close(&w.files);
    sim_words_close(&w.sets);
    sim_words_close(&w.names);
    return code;
}

const struct sim_command sim_command_run = {
    "run", "pre-train, score, record and draw every run of the files given", help, run_run};
