#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <omp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "claim.h"
#include "command.h"
#include "file.h"
#include "progress.h"
#include "record.h"
#include "room.h"
#include "run_status.h"
#include "stop_signals.h"
#include "sweep_view.h"

#define LOOK_MS 200
#define OTHERS_S 5.0 /* how long, with nothing else to do, runs in other hands are asked for again */

/* How a child says what became of its run. */
enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_SKIPPED = 10,
    EXIT_DIVERGED = 11,
    EXIT_LEFT = 12,
    EXIT_INTERRUPTED = SIM_EXIT_INTERRUPTED /* by whatever signal: the parent passes on but one */
};

struct slot {
    pid_t process; /* 0: free */
    int run;
    double started_s;
};

struct sweep {
    struct sim_session *session;
    const struct sim_experiment *experiment;
    const struct sim_sweep_options *options;
    struct sim_tally *tally;
    struct sim_sweep_view view;
    enum {
        PENDING,
        RUNNING,
        ENDED,
        LEFT
    } *
        state;                         /* (runs); LEFT: in other hands, asked for again at the end */
    int64_t *need;                     /* (runs) bytes */
    char (*folder)[PATH_MAX];          /* (jobs) of the run in each slot */
    struct sim_sweep_row *rows;        /* (jobs) */
    struct slot *slots;                /* (jobs) */
    int jobs, threads, running, stops; /* stops: signals that asked to stop */
    int told_waiting;                  /* that memory is what a run waits for */
    double others_until_s;             /* 0: not waiting for runs in other hands */
    pid_t self;
};

/* A line above the view. */
#define say(s, ...) (sim_sweep_view_clear(&(s)->view), sim_session_say((s)->session, __VA_ARGS__))

static const struct sim_run *run_of(const struct sweep *s, int i)
{
    return &s->experiment->runs[i];
}

/* ------------------------------------------------------------------ in the child */
static sim_status go_to_log(const struct sweep *s, const struct sim_run *run)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s/log.txt", s->session->out, run->folder) >= (int)sizeof path)
        return sim_fail(SIM_EINVAL, "the path %s/%s/log.txt is too long", s->session->out, run->folder);
    int nothing = open("/dev/null", O_RDONLY), log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (log < 0) return sim_fail(SIM_EIO, "%s: cannot write: %s", path, strerror(errno));
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    fflush(NULL);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    return SIM_OK;
}

/* A group of its own, so that Ctrl-C at the terminal reaches the parent alone, which passes it on once; and
 * an end when the parent ends. */
static sim_status be_a_child(struct sweep *s)
{
    sigset_t child;
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        return sim_fail(SIM_EIO, "cannot ask to be told of the parent's end: %s", strerror(errno));
    if (getppid() != s->self) return sim_fail(SIM_EINTERRUPT, "the parent is gone");
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &child, NULL);
    omp_set_num_threads(s->threads);
    return sim_stop_signals_catch(s->session->stop);
}

static int make_run(struct sweep *s, const struct sim_run *run, int slot)
{
    static const int exit_of[] = {[SIM_RUN_OK] = EXIT_DONE,
                                  [SIM_RUN_SKIPPED] = EXIT_SKIPPED,
                                  [SIM_RUN_DIVERGED] = EXIT_DIVERGED,
                                  [SIM_RUN_LEFT] = EXIT_LEFT};
    struct sim_session *session = s->session;
    enum sim_outcome outcome = SIM_RUN_OK;
    sim_status status = go_to_log(s, run);
    if (status == SIM_OK) status = be_a_child(s);
    if (strcmp(session->backend.name, "cpu") != 0)
        session->backend.ordinal += slot; /* each a device of its own */
    session->quiet = 0;                   /* the log is there to be filled */
    sim_progress_quiet(0);
    if (status == SIM_OK) status = sim_run_one(session, run, &outcome);
    sim_run_images_close(&session->images);
    sim_session_close_device(session);
    if (status == SIM_OK) return exit_of[outcome];
    if (status == SIM_EINTERRUPT) return EXIT_INTERRUPTED;
    sim_context(status, "run %s", run->folder);
    return sim_command_failed("run");
}

/* ------------------------------------------------------------------ starting */
/* Memory that the next run may take: what is free, less what those under way will still take of theirs; or,
 * under a limit, what they leave of it.  -1: unknown. */
static int64_t memory_left(const struct sweep *s)
{
    int64_t left = s->options->memory_bytes ? s->options->memory_bytes : sim_room_free_bytes();
    if (left < 0) return -1;
    for (int i = 0; i < s->jobs; i++) {
        const struct slot *slot = &s->slots[i];
        if (!slot->process) continue;
        int64_t to_come = s->need[slot->run];
        if (!s->options->memory_bytes) to_come -= sim_room_taken_bytes(slot->process);
        if (to_come > 0) left -= to_come;
    }
    return left > 0 ? left : 0;
}

static sim_status start(struct sweep *s, int i, int slot)
{
    const struct sim_run *run = run_of(s, i);
    char *folder = s->folder[slot];
    if (snprintf(folder, PATH_MAX, "%s/%s", s->session->out, run->folder) >= PATH_MAX)
        return sim_fail(SIM_EINVAL, "the path %s/%s is too long", s->session->out, run->folder);
    SIM_TRY(sim_make_folder(folder));
    say(s, "[%d/%d] %s: %s, seed %lld", i + 1, s->experiment->count, run->experiment, run->name,
        (long long)run->config.seed);
    if (run->note[0]) say(s, "%s", run->note);
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) return sim_fail(SIM_EIO, "cannot start a process: %s", strerror(errno));
    if (child == 0) {
        int code = make_run(s, run, slot);
        fflush(NULL);
        _exit(code);
    }
    setpgid(child, child); /* whoever of the two comes first */
    s->slots[slot] = (struct slot){child, i, sim_now_s()};
    s->state[i] = RUNNING;
    s->running++;
    return SIM_OK;
}

/* A failure that the run's own process could not record, because it was killed or never began. */
static void record_failure(struct sweep *s, const struct sim_run *run, const char *reason)
{
    char folder[PATH_MAX], who[SIM_CLAIM_WHO_BYTES];
    struct sim_run_status_writer status = {.path = ""};
    struct sim_claim *claim = NULL;
    struct sim_machine machine = {.precision = run->config.compute.precision == SIM_PRECISION_BF16
                                                   ? SIM_PRECISION_BF16
                                                   : SIM_PRECISION_FP32,
                                  .threads = s->threads};
    struct sim_record r = {.run = run, .machine = &machine, .status = "failed", .reason = reason};
    snprintf(machine.backend, sizeof machine.backend, "%s", s->session->backend.name);
    snprintf(folder, sizeof folder, "%s/%s", s->session->out, run->folder);
    sim_machine_utc(r.started);
    sim_status made = sim_make_folder(folder);
    if (made == SIM_OK) made = sim_claim_take(&claim, folder, "run", who, NULL);
    if (made == SIM_OK && !claim) return; /* another is at it already */
    if (made == SIM_OK) made = sim_record_commit(&r, s->session->out, 0, NULL);
    if (made != SIM_OK)
        say(s, "the failure of run %s could not be recorded: %s", run->folder, sim_error_text());
    if (claim) {
        sim_run_status_begin(&status, folder);
        sim_run_status_end(&status, "failed", reason);
    }
    sim_claim_release(&claim);
}

/* Failed, and the command's words say so even where it is quiet. */
static void tell_failure(struct sweep *s, const struct sim_run *run, const char *reason)
{
    s->tally->failed++;
    sim_sweep_view_clear(&s->view);
    fprintf(stderr, "siameseim run: run %s failed: %s\n", run->folder, reason);
}

/* The first that waits and fits; -1: none. */
static int next_that_fits(struct sweep *s, int64_t left)
{
    int waiting = -1;
    for (int i = 0; i < s->experiment->count; i++) {
        if (s->state[i] != PENDING) continue;
        if (left < 0 || s->need[i] <= left) return i;
        if (waiting < 0) waiting = i;
    }
    if (waiting >= 0 && s->running && !s->told_waiting) {
        s->told_waiting = 1;
        say(s, "%s needs about %lld MiB of memory, and %lld MiB are left: it waits",
            run_of(s, waiting)->folder, (long long)(s->need[waiting] >> 20), (long long)(left >> 20));
    }
    return -1;
}

/* With nothing under way, what does not fit will never fit. */
static void give_up_the_too_large(struct sweep *s, int64_t left)
{
    char why[256];
    for (int i = 0; i < s->experiment->count; i++) {
        if (s->state[i] != PENDING) continue;
        snprintf(why, sizeof why, "it needs about %lld MiB of memory, and %lld MiB are %s; not started",
                 (long long)(s->need[i] >> 20), (long long)(left >> 20),
                 s->options->memory_bytes ? "allowed (--memory)" : "free");
        s->state[i] = ENDED;
        record_failure(s, run_of(s, i), why);
        tell_failure(s, run_of(s, i), why);
    }
}

static int free_slot(const struct sweep *s)
{
    for (int i = 0; i < s->jobs; i++)
        if (!s->slots[i].process) return i;
    return -1;
}

static void start_what_fits(struct sweep *s)
{
    for (int slot; !s->stops && (slot = free_slot(s)) >= 0;) {
        int64_t left = memory_left(s);
        int i = next_that_fits(s, left);
        if (i < 0 && !s->running) give_up_the_too_large(s, left);
        if (i < 0) return;
        if (start(s, i, slot) == SIM_OK) continue;
        char why[512];
        snprintf(why, sizeof why, "%s", sim_error_text());
        s->state[i] = ENDED;
        tell_failure(s, run_of(s, i), why);
    }
}

/* ------------------------------------------------------------------ ending */
static void ended_by_signal(struct sweep *s, const struct sim_run *run, int number)
{
    char why[160];
    if (s->stops) {
        s->tally->interrupted = 1;
        return;
    }
    snprintf(why, sizeof why, "its process was killed by signal %d (%s)%s", number, strsignal(number),
             number == SIGKILL ? ": by somebody, or by the kernel for want of memory" : "");
    record_failure(s, run, why);
    tell_failure(s, run, why);
}

static void ended_by_itself(struct sweep *s, int i, int code, double seconds, const char *folder)
{
    struct sim_tally *t = s->tally;
    const struct sim_run *run = run_of(s, i);
    struct sim_run_status status;
    char took[32];
    sim_format_duration(seconds, took, sizeof took);
    sim_run_status_read(folder, &status);
    switch (code) {
    case EXIT_DONE:
        t->done++, say(s, "%s: done in %s", run->folder, took);
        break;
    case EXIT_SKIPPED:
        t->skipped++, say(s, "%s is already recorded", run->folder);
        break;
    case EXIT_DIVERGED:
        t->diverged++, say(s, "%s diverged: %s", run->folder, status.reason);
        break;
    case EXIT_LEFT:
        s->state[i] = LEFT, t->left++;
        break;
    case EXIT_INTERRUPTED:
        if (s->stops)
            t->interrupted = 1;
        else
            t->left++,
                say(s, "%s was stopped by somebody else; the same command goes on with it", run->folder);
        break;
    default:
        tell_failure(s, run, status.reason[0] ? status.reason : "its log.txt says why");
    }
}

static void reap(struct sweep *s)
{
    for (int i = 0; i < s->jobs; i++) {
        struct slot *slot = &s->slots[i];
        int status;
        if (!slot->process || waitpid(slot->process, &status, WNOHANG) != slot->process) continue;
        slot->process = 0;
        s->running--;
        s->state[slot->run] = ENDED;
        s->told_waiting = 0;
        if (WIFSIGNALED(status))
            ended_by_signal(s, run_of(s, slot->run), WTERMSIG(status));
        else
            ended_by_itself(s, slot->run, WEXITSTATUS(status), sim_now_s() - slot->started_s, s->folder[i]);
    }
}

/* Runs in other hands are asked for again once nothing else is left to do: their holder may have been cut
 * off. */
static int ask_again(struct sweep *s)
{
    int again = 0;
    if (s->running || s->stops) return 0;
    for (int i = 0; i < s->experiment->count; i++)
        if (s->state[i] == PENDING) return 1;
    double now = sim_now_s();
    if (!s->others_until_s) s->others_until_s = now + OTHERS_S;
    if (now > s->others_until_s) return 0;
    for (int i = 0; i < s->experiment->count; i++) {
        char path[PATH_MAX], who[SIM_CLAIM_WHO_BYTES];
        int held = 1;
        if (s->state[i] != LEFT) continue;
        again = 1;
        snprintf(path, sizeof path, "%s/%s", s->session->out, run_of(s, i)->folder);
        if (sim_claim_look(path, "run", &held, who) != SIM_OK || held) continue;
        s->state[i] = PENDING;
        s->tally->left--;
    }
    return again;
}

/* ------------------------------------------------------------------ the loop */
static void tell_children(struct sweep *s, int number)
{
    if (s->stops && number == SIGUSR1) return; /* which only ever asks */
    if (!s->stops++) *s->session->stop = number;
    s->tally->interrupted = 1;
    if (s->stops == 1)
        say(s, "stopping %d run%s, each after its step, or its batch of a score; once more: at once",
            s->running, s->running == 1 ? "" : "s");
    for (int i = 0; i < s->jobs; i++)
        if (s->slots[i].process) kill(s->slots[i].process, s->stops > 2 ? SIGKILL : SIGTERM);
}

/* Sleeps until a child ends, a signal asks to stop, or a moment has passed. */
static void wait_a_moment(struct sweep *s, const sigset_t *awaited)
{
    const struct timespec moment = {0, LOOK_MS * 1000000L};
    const sigset_t stops = sim_stop_signals();
    int number = sigtimedwait(awaited, NULL, &moment);
    if (number > 0 && sigismember(&stops, number)) tell_children(s, number);
}

static void show(struct sweep *s)
{
    int count = 0;
    for (int i = 0; i < s->jobs; i++)
        if (s->slots[i].process)
            s->rows[count++] = (struct sim_sweep_row){run_of(s, s->slots[i].run)->folder, s->folder[i]};
    sim_sweep_view_show(&s->view, s->tally, s->experiment->count, s->rows, count);
}

static void all_runs(struct sweep *s)
{
    sigset_t awaited = sim_stop_signals();
    sigaddset(&awaited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &awaited, NULL);
    start_what_fits(s);
    while (s->running || ask_again(s)) {
        show(s);
        wait_a_moment(s, &awaited);
        reap(s);
        start_what_fits(s);
    }
    sim_sweep_view_clear(&s->view);
}

/* Those that are recorded need no process. */
static sim_status skip_recorded(struct sweep *s)
{
    for (int i = 0; i < s->experiment->count && !s->session->fresh; i++) {
        const struct sim_run *run = run_of(s, i);
        struct sim_recorded last;
        SIM_TRY(sim_record_find(s->session->records, run->name, run->config_hash, &last));
        if (!sim_recorded_is_final(&last)) continue;
        s->state[i] = ENDED;
        if (strcmp(last.status, "ok") == 0)
            s->tally->skipped++;
        else
            s->tally->diverged++, say(s, "%s is recorded as diverged: %s", run->folder, last.reason);
    }
    if (s->tally->skipped)
        say(s, "%d of %d runs are already recorded", s->tally->skipped, s->experiment->count);
    return SIM_OK;
}

static sim_status prepare(struct sweep *s)
{
    int count = s->experiment->count, cores = sim_room_cores();
    s->jobs = s->options->jobs < count ? s->options->jobs : count;
    if (s->jobs > cores && !s->options->threads) {
        s->jobs = cores;
        say(s, "%d at a time: there %s no more core%s", cores, cores == 1 ? "is" : "are",
            cores == 1 ? "" : "s");
    }
    if (s->jobs < 1) s->jobs = 1;
    s->threads = s->options->threads ? s->options->threads : cores > s->jobs ? cores / s->jobs : 1;
    s->state = calloc((size_t)count + 1, sizeof *s->state);
    s->need = calloc((size_t)count + 1, sizeof *s->need);
    s->folder = calloc((size_t)s->jobs, sizeof *s->folder);
    s->rows = calloc((size_t)s->jobs, sizeof *s->rows);
    s->slots = calloc((size_t)s->jobs, sizeof *s->slots);
    if (!s->state || !s->need || !s->folder || !s->rows || !s->slots)
        return sim_fail(SIM_ENOMEM, "no memory for a sweep of %d runs", count);
    for (int i = 0; i < count; i++)
        SIM_TRY(sim_room_need(run_of(s, i), s->session->backend.name, &s->need[i]));
    SIM_TRY(skip_recorded(s));
    say(s, "up to %d runs side by side, with %d thread%s each", s->jobs, s->threads,
        s->threads == 1 ? "" : "s");
    return SIM_OK;
}

sim_status sim_sweep_run(struct sim_session *session, const struct sim_experiment *e,
                         const struct sim_sweep_options *o, struct sim_tally *t)
{
    struct sweep s = {.session = session, .experiment = e, .options = o, .tally = t, .self = getpid()};
    sim_sweep_view_open(&s.view, session->quiet);
    sim_status status = prepare(&s);
    if (status == SIM_OK) all_runs(&s);
    free(s.state);
    free(s.need);
    free(s.folder);
    free(s.rows);
    free(s.slots);
    return status;
}
