#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------ reading */

static sim_status read_lines(FILE *in, const char *program, json_t *lines)
{
    char *line = NULL;
    size_t room = 0;
    sim_status status = SIM_OK;
    while (getline(&line, &room, in) > 0) { /* to the end even after a failure, so that the program is not stuck */
        json_error_t error;
        json_t *value = status == SIM_OK ? json_loads(line, 0, &error) : NULL;
        if (value && json_is_object(value)) json_array_append_new(lines, value);
        else {
            json_decref(value);
            line[strcspn(line, "\n")] = 0;
            if (status == SIM_OK) status = sim_fail(SIM_EFORMAT, "%s printed '%s', which is no JSON object", program, line);
        }
    }
    free(line);
    return status;
}

static sim_status outcome(pid_t child, const char *program)
{
    int how = 0;
    while (waitpid(child, &how, 0) < 0)
        if (errno != EINTR) return sim_fail(SIM_EIO, "waiting for %s: %s", program, strerror(errno));
    if (WIFSIGNALED(how)) return sim_fail(SIM_EIO, "%s was ended by signal %d", program, WTERMSIG(how));
    if (WEXITSTATUS(how)) return sim_fail(SIM_EIO, "%s ended with status %d", program, WEXITSTATUS(how));
    return SIM_OK;
}

sim_status sim_peer_run(const char *const argv[], json_t **lines)
{
    int ends[2];
    *lines = NULL;
    if (pipe(ends)) return sim_fail(SIM_EIO, "a pipe to %s: %s", argv[0], strerror(errno));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]), close(ends[1]);
        execv(argv[0], (char *const *)argv);
        fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    FILE *in = child > 0 ? fdopen(ends[0], "r") : NULL;
    if (!in) {
        close(ends[0]);
        if (child > 0) outcome(child, argv[0]);
        return sim_fail(SIM_EIO, "starting %s: %s", argv[0], strerror(errno));
    }
    *lines = json_array();
    sim_status status = *lines ? read_lines(in, argv[0], *lines) : sim_fail(SIM_ENOMEM, "no memory for %s's lines", argv[0]);
    fclose(in);
    sim_status ended = outcome(child, argv[0]);
    if (ended != SIM_OK) status = ended; /* the more telling of the two */
    if (status != SIM_OK) {
        json_decref(*lines);
        *lines = NULL;
    }
    return status;
}

/* ------------------------------------------------------------------ small help */

int sim_peer_python(const char *folder, char *path, size_t room)
{
    const char *const parts[] = {"requirements.txt", "bin/python"}; /* the first is put there last */
    for (int i = 0; i < 2; i++) {
        int length = snprintf(path, room, "%s/%s", folder, parts[i]);
        if (length < 0 || (size_t)length >= room || access(path, i ? X_OK : R_OK) != 0) return 0;
    }
    return 1;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double sim_median(double *x, int count)
{
    qsort(x, (size_t)count, sizeof *x, ascending);
    return 0.5 * (x[(count - 1) / 2] + x[count / 2]);
}
