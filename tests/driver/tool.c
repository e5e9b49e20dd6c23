#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "checkpoint.h"
#include "file.h"
#include "saves.h"
#include "status.h"
#include "support.h"

char said[1 << 20];

const char *tool_path(void)
{
    const char *path = getenv("SIM_TOOL");
    return path ? path : "build/siameseim";
}

int tool_emulated(void)
{
    const char *path = getenv("SIM_TOOL_SHIM");
    if (!path || access(path, X_OK) != 0) {
        test_skip("no program over the emulated device (SIM_TOOL_SHIM)");
        return 0;
    }
    setenv("SIM_TOOL", path, 1);
    return 1;
}

static pid_t start(const char *before, const char *log, const char *format, va_list args)
{
    char arguments[8000], line[12000], *words[128];
    int count = 0;
    vsnprintf(arguments, sizeof arguments, format, args);
    snprintf(line, sizeof line, "%s %s %s", before, tool_path(), arguments);
    for (char *w = strtok(line, " "); w && count < 127; w = strtok(NULL, " ")) words[count++] = w;
    words[count] = NULL;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child > 0) return child;
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, 1), dup2(out, 2);
    execvp(words[0], words);
    fprintf(stderr, "cannot start %s: %s\n", words[0], strerror(errno));
    _exit(126);
}

pid_t tool_start(const char *log, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pid_t p = start("", log, format, args);
    va_end(args);
    return p;
}

pid_t tool_start_behind(const char *before, const char *log, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pid_t p = start(before, log, format, args);
    va_end(args);
    return p;
}

int tool_end(pid_t p)
{
    int status;
    ck_assert_int_eq(waitpid(p, &status, 0), p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int tool_end_said(pid_t p, const char *log)
{
    int code = tool_end(p);
    FILE *f = fopen(log, "r");
    ck_assert_ptr_nonnull(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    fclose(f);
    return code;
}

static int to_the_end(const char *before, const char *format, va_list args)
{
    char log[700];
    snprintf(log, sizeof log, "%s/log", test_scratch());
    return tool_end_said(start(before, log, format, args), log);
}

int tool(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int code = to_the_end("", format, args);
    va_end(args);
    return code;
}

int tool_behind(const char *before, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int code = to_the_end(before, format, args);
    va_end(args);
    return code;
}

/* ------------------------------------------------------------------ runs of ablations/smoke.yaml */

const char *smoke_file(void)
{
    return test_path("../ablations/smoke.yaml");
}

const char *fresh(void)
{
    static char kept[8][700];
    static int turn;
    char *p = kept[turn++ & 7];
    snprintf(p, sizeof kept[0], "%s", test_scratch());
    return p;
}

void assert_same_file(const char *folder_a, const char *folder_b, const char *name)
{
    char a[900], b[900];
    snprintf(a, sizeof a, "%s/%s", folder_a, name);
    snprintf(b, sizeof b, "%s/%s", folder_b, name);
    test_same_files(a, b);
}

json_t *record_of(const char *folder, int index)
{
    char path[900], *text, *save = NULL;
    json_t *last = NULL;
    snprintf(path, sizeof path, "%s/records.jsonl", folder);
    test_ok(sim_file_read(path, 1 << 24, &text, NULL));
    int at = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), at++) {
        if (index >= 0 && at != index) continue;
        json_decref(last);
        last = json_loads(line, 0, NULL);
    }
    free(text);
    return last;
}

const char *newest_checkpoint(const char *folder)
{
    static char paths[4][SIM_SAVES_PATH_BYTES];
    static int turn;
    long long newest = -1, step;
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        int end = 0;
        if (sscanf(entry->d_name, "checkpoint-%lld.safetensors%n", &step, &end) == 1 && end &&
            !entry->d_name[end] && step > newest)
            newest = step;
    }
    if (d) closedir(d);
    if (newest < 0) return NULL;
    char *path = paths[turn++ & 3];
    test_ok(sim_saves_path(path, folder, newest));
    return path;
}

void assert_same_checkpoint(const char *folder_a, const char *folder_b, const char *run)
{
    char a[900], b[900];
    snprintf(a, sizeof a, "%s/%s", folder_a, run);
    snprintf(b, sizeof b, "%s/%s", folder_b, run);
    const char *newest = newest_checkpoint(a);
    ck_assert_msg(newest != NULL, "there is no checkpoint in %s", a);
    assert_same_file(a, b, strrchr(newest, '/') + 1);
    ck_assert_int_eq(steps_of(a), steps_of(b));
}

int steps_of(const char *folder)
{
    for (;;) {
        struct sim_tensors *file;
        int64_t step = 0;
        const char *path = newest_checkpoint(folder);
        if (!path) return -1;
        sim_status status =
            sim_checkpoint_open(&file, path); /* whole at any moment, also while the program runs */
        if (status != SIM_OK && access(path, F_OK) != 0) continue; /* gone since: there are newer ones */
        test_ok(status);
        test_ok(sim_checkpoint_step(file, path, &step));
        sim_tensors_close(file);
        return (int)step;
    }
}

void wait_for_step(const char *folder, int step, pid_t p)
{
    const struct timespec pause = {0, 500000};
    while (steps_of(folder) < step) {
        ck_assert_msg(waitpid(p, NULL, WNOHANG) == 0, "the program ended before step %d", step);
        nanosleep(&pause, NULL);
    }
}
