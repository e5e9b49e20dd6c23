#include "slurm.h"

#include <errno.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "progress.h"
#include "record.h"
#include "room.h"
#include "run_cost.h"

#define THREADS 4
#define GEMM_SECONDS 0.4
#define SHARE 0.5              /* of the matrix rate that a step reaches at the least */
#define SLACK 2.0              /* of the time, for reading and other nodes */
#define LEAST_MINUTES 30       /* of a time limit */
#define MOST_MINUTES (24 * 60) /* what takes longer is saved and queued again */
#define WARNING_S 120          /* before the time limit: a step and a checkpoint */

struct size {
    int64_t memory_mib, minutes;
    int threads, tasks;
};

/* ------------------------------------------------------------------ how large */
/* Minutes that the run takes at most, about; MOST_MINUTES where that is unknown. */
static sim_status minutes_of(const struct sim_run *run, double gflops, int64_t *out)
{
    struct sim_run_sets sets;
    struct sim_run_cost cost;
    SIM_TRY(sim_run_sets_count(&sets, &run->config, 0));
    SIM_TRY(sim_run_cost(&cost, &run->config, &sets));
    double minutes =
        LEAST_MINUTES + SLACK * (cost.pretrain_gflop + cost.scoring_gflop) / (SHARE * gflops) / 60;
    *out = sets.train && minutes < MOST_MINUTES ? (int64_t)minutes : MOST_MINUTES;
    return SIM_OK;
}

static sim_status find_gflops(struct sim_session *s, const struct sim_experiment *e,
                              const struct sim_slurm_options *o, int threads, double *out)
{
    char *end;
    if (o->gflops) {
        *out = strtod(o->gflops, &end);
        if (end != o->gflops && !*end && *out > 0 && *out < 1e12) return SIM_OK;
        return sim_fail(SIM_EINVAL, "--gflops %s: a positive number is needed", o->gflops);
    }
    if (strcmp(s->backend.name, "cpu") != 0)
        return sim_fail(SIM_EINVAL,
                        "how fast are the nodes' devices? the time limit follows from --gflops X");
    int cores = omp_get_num_procs();
    omp_set_num_threads(threads < cores ? threads : cores);
    SIM_TRY(sim_session_open_device(s, &e->runs[0].config.compute));
    *out = s->machine.gemm_gflops * (threads < cores ? 1 : (double)threads / cores);
    sim_session_close_device(s);
    return SIM_OK;
}

static sim_status find_size(struct sim_session *s, const struct sim_experiment *e, const int *wanted,
                            const struct sim_slurm_options *o, struct size *out)
{
    double gflops = 0;
    *out = (struct size){.threads = o->threads ? o->threads : THREADS};
    SIM_TRY(find_gflops(s, e, o, out->threads, &gflops));
    for (int i = 0; i < e->count; i++) {
        int64_t bytes, minutes;
        if (!wanted[i]) continue;
        SIM_TRY(sim_room_need(&e->runs[i], s->backend.name, &bytes));
        SIM_TRY(minutes_of(&e->runs[i], gflops, &minutes));
        int64_t mib = (bytes + bytes / 4) / 1048576 + 1; /* a quarter more than counted */
        if (mib > out->memory_mib) out->memory_mib = mib;
        if (minutes > out->minutes) out->minutes = minutes;
        out->tasks++;
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ the file */
/* A word for the shell, whatever it holds. */
static void put_word(FILE *f, const char *word)
{
    fputc('\'', f);
    for (const char *c = word; *c; c++)
        if (*c == '\'')
            fputs("'\\''", f);
        else
            fputc(*c, f);
    fputc('\'', f);
}

/* How many words from argv[i] on are the launcher's own, which the tasks must not repeat: 0, 1 or 2. */
static int words_of_launcher(char **argv, int i, int argc)
{
    static const char *const with_value[] = {"--launcher", "--sbatch",  "--gflops", "--jobs",
                                             "--run",      "--threads", "--memory"};
    if (strcmp(argv[i], "--dry-run") == 0) return 1;
    for (size_t k = 0; k < sizeof with_value / sizeof *with_value; k++) {
        size_t n = strlen(with_value[k]);
        if (strncmp(argv[i], with_value[k], n) != 0) continue;
        if (argv[i][n] == '=') return 1;
        if (!argv[i][n]) return i + 1 < argc ? 2 : 1;
    }
    return 0;
}

static void put_command(FILE *f, const struct sim_slurm_options *o, const struct size *size)
{
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    put_word(f, n > 0 ? program : "siameseim");
    fputs(" run", f);
    for (int i = 1; i < o->argc;) {
        int own = words_of_launcher(o->argv, i, o->argc);
        if (own) {
            i += own;
            continue;
        }
        fputc(' ', f);
        put_word(f, o->argv[i++]);
    }
    fprintf(f, " --threads %d --run \"$run\"", size->threads);
}

static void put_directives(FILE *f, const struct sim_session *s, const char *folder, const char *name,
                           const struct sim_slurm_options *o, const struct size *size)
{
    char limit[32] = "";
    if (o->at_a_time) snprintf(limit, sizeof limit, "%%%d", o->at_a_time);
    fprintf(f,
            "#SBATCH --job-name=%s\n"
            "#SBATCH --array=0-%d%s\n"
            "#SBATCH --ntasks=1\n"
            "#SBATCH --cpus-per-task=%d\n"
            "#SBATCH --mem=%lldM\n"
            "#SBATCH --time=%lld\n"
            "#SBATCH --signal=B:TERM@%d\n"
            "#SBATCH --requeue\n"
            "#SBATCH --open-mode=append\n"
            "#SBATCH --output=%s/%%A_%%a.log\n",
            name, size->tasks - 1, limit, size->threads, (long long)size->memory_mib,
            (long long)size->minutes, WARNING_S, folder);
    if (strcmp(s->backend.name, "cpu") != 0) fputs("#SBATCH --gres=gpu:1\n", f);
}

/* The task's own process passes the warning on, waits for the checkpoint, and queues itself again where the
 * run says that it is to be started again (SIM_EXIT_AGAIN).  A job that the user cancelled cannot be queued
 * again, which is as it should be. */
static const char tail[] = " &\n"
                           "child=$!\n"
                           "trap 'kill -TERM \"$child\" 2> /dev/null' TERM\n"
                           "wait \"$child\"; status=$?\n"
                           "while kill -0 \"$child\" 2> /dev/null; do wait \"$child\"; status=$?; done\n"
                           "if [[ $status == 75 ]]; then\n"
                           "  scontrol requeue \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\"\n"
                           "fi\n"
                           "exit \"$status\"\n";

static void put_script(FILE *f, const struct sim_session *s, const struct sim_experiment *e,
                       const int *wanted, const char *folder, const struct sim_slurm_options *o,
                       const struct size *size)
{
    char here[PATH_MAX];
    fputs("#!/bin/bash\n", f);
    put_directives(f, s, folder, e->runs[0].experiment, o, size);
    fprintf(
        f, "# Written by siameseim run --launcher slurm: one task per run; sized by the most demanding one.\n"
           "cd ");
    put_word(f, getcwd(here, sizeof here) ? here : ".");
    fputs(" || exit 1\nruns=(", f);
    for (int i = 0; i < e->count; i++) {
        if (!wanted[i]) continue;
        fputs("\n  ", f);
        put_word(f, e->runs[i].folder);
    }
    fputs("\n)\nrun=${runs[SLURM_ARRAY_TASK_ID]}\n", f);
    put_command(f, o, size);
    fputs(tail, f);
}

static sim_status write_script(const char *path, const struct sim_session *s, const struct sim_experiment *e,
                               const int *wanted, const char *folder, const struct sim_slurm_options *o,
                               const struct size *size)
{
    char *text = NULL;
    size_t count = 0;
    FILE *f = open_memstream(&text, &count);
    if (!f) return sim_fail(SIM_ENOMEM, "%s: no memory to write it", path);
    put_script(f, s, e, wanted, folder, o, size);
    sim_status status = fclose(f) == 0 ? sim_file_write(path, text, count)
                                       : sim_fail(SIM_ENOMEM, "%s: no memory to write it", path);
    free(text);
    return status;
}

/* ------------------------------------------------------------------ submitting */
static sim_status submit(const char *path, const struct sim_slurm_options *o)
{
    int status;
    const char **words = calloc((size_t)o->sbatch->count + 3, sizeof *words);
    if (!words) return sim_fail(SIM_ENOMEM, "no memory to call sbatch");
    words[0] = "sbatch";
    for (int i = 0; i < o->sbatch->count; i++) words[1 + i] = o->sbatch->word[i];
    words[1 + o->sbatch->count] = path;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execvp("sbatch", (char **)words);
        _exit(errno == ENOENT ? 127 : 126);
    }
    free(words);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return sim_fail(SIM_EIO, "cannot start sbatch: %s", strerror(errno));
    if (status == 0) return SIM_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return sim_fail(SIM_EIO, "there is no sbatch here; %s is written, for a machine that has Slurm",
                        path);
    return sim_fail(SIM_EIO, "sbatch did not take %s; it says why above", path);
}

/* Which runs are still to be made; *count of them.  `--run FOLDER` must lead each task to its own. */
static sim_status choose(const struct sim_session *s, const struct sim_experiment *e, int *wanted, int *count)
{
    *count = 0;
    for (int i = 0; i < e->count; i++) {
        const struct sim_run *run = &e->runs[i];
        struct sim_recorded last = {.status = ""};
        if (!s->fresh) SIM_TRY(sim_record_find(s->records, run->name, run->config_hash, &last));
        wanted[i] = !sim_recorded_is_final(&last);
        *count += wanted[i];
        for (int k = 0; k < e->count; k++)
            if (k != i && strcmp(e->runs[k].name, run->folder) == 0)
                return sim_fail(
                    SIM_EINVAL,
                    "%s: the run's name %s is also the folder of another, so that no task could be given "
                    "one of them alone: rename it",
                    e->runs[k].file, run->folder);
    }
    return SIM_OK;
}

static sim_status launch(struct sim_session *s, const struct sim_experiment *e, int *wanted,
                         const struct sim_slurm_options *o)
{
    char given[PATH_MAX], folder[PATH_MAX], path[PATH_MAX + 16], took[32];
    struct size size;
    int count;
    SIM_TRY(choose(s, e, wanted, &count));
    if (!count) {
        sim_session_say(s, "all %d runs are recorded in %s: nothing to submit", e->count, s->records);
        return SIM_OK;
    }
    if (snprintf(given, sizeof given, "%s/slurm", s->out) >= (int)sizeof given)
        return sim_fail(SIM_EINVAL, "--out %s: this path is too long", s->out);
    SIM_TRY(sim_make_folder(given));
    if (!realpath(given, folder)) return sim_fail(SIM_EIO, "%s: %s", given, strerror(errno));
    for (const char *c = folder; *c; c++)
        if (*c == '%' || *c == '\\' || *c == '\n' || *c == ' ')
            return sim_fail(SIM_EINVAL,
                            "--out %s: sbatch gives spaces, %% and \\ in a path a meaning of its own",
                            folder);
    snprintf(path, sizeof path, "%s/sweep.sh", folder);
    SIM_TRY(find_size(s, e, wanted, o, &size));
    SIM_TRY(write_script(path, s, e, wanted, folder, o, &size));
    sim_format_duration(60.0 * (double)size.minutes, took, sizeof took);
    sim_session_say(s, "%s: %d task%s, each with %d core%s, %lld MiB, %s", path, count, count == 1 ? "" : "s",
                    size.threads, size.threads == 1 ? "" : "s", (long long)size.memory_mib, took);
    return o->dry_run ? SIM_OK : submit(path, o);
}

sim_status sim_slurm_launch(struct sim_session *s, const struct sim_experiment *e,
                            const struct sim_slurm_options *o)
{
    int *wanted = calloc((size_t)e->count + 1, sizeof *wanted);
    if (!wanted) return sim_fail(SIM_ENOMEM, "no memory for %d runs", e->count);
    sim_status status = launch(s, e, wanted, o);
    free(wanted);
    return status;
}
