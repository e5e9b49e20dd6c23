#include "gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"

extern char **environ;

const char *sim_gnuplot_colour(int i)
{
    static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                          "#E69F00", "#56B4E9", "#222222"};
    return colours[i % (int)(sizeof colours / sizeof *colours)];
}

sim_status sim_gnuplot_open(struct sim_drawing_script *s, int width, int height)
{
    *s = (struct sim_drawing_script){.width = width, .height = height};
    s->to = open_memstream(&s->text, &s->size);
    if (!s->to) return sim_fail(SIM_ENOMEM, "no memory for a plot");
    fputs("set encoding utf8\n"
          "set border 3 lc rgb '#444444' lw 1\n"
          "set tics out nomirror scale 0.6 textcolor rgb '#222222'\n"
          "set grid ytics lc rgb '#E4E4E4' lw 1 dt 1\n"
          "unset key\n",
          s->to);
    return SIM_OK;
}

void sim_gnuplot_close(struct sim_drawing_script *s)
{
    if (s->to) fclose(s->to);
    free(s->text);
    *s = (struct sim_drawing_script){0};
}

void sim_gnuplot_tics(FILE *to, const char *axis, double low, double high, int whole)
{
    double decade = floor(log10((high - low) / 8)), step = pow(10, decade);
    static const double round[] = {1, 2, 5, 10};
    for (int k = 0; k < 4 && (high - low) / step > 8; k++) step = round[k] * pow(10, decade);
    if (whole && step < 1) step = 1;
    int decimals = (int)fmax(0, -floor(log10(step) + 1e-9));
    fprintf(to, "set %stics %.12g, %.12g format '%%.%d%c'\n", axis, ceil(low / step - 1e-9) * step, step,
            decimals > 5 ? 2 : decimals, decimals > 5 ? 'g' : 'f');
}

/* ------------------------------------------------------------------ the child */

/* The child's three streams: nameless files in memory, so no pipe can fill up and block. */
struct streams {
    int in, out, err;
};

static void streams_close(struct streams *f)
{
    if (f->in >= 0) close(f->in);
    if (f->out >= 0) close(f->out);
    if (f->err >= 0) close(f->err);
}

static sim_status streams_open(struct streams *f, const char *head, const struct sim_drawing_script *s)
{
    *f = (struct streams){memfd_create("gnuplot-script", MFD_CLOEXEC),
                          memfd_create("gnuplot-picture", MFD_CLOEXEC),
                          memfd_create("gnuplot-errors", MFD_CLOEXEC)};
    if (f->in >= 0 && f->out >= 0 && f->err >= 0 && dprintf(f->in, "%s", head) >= 0) {
        size_t done = 0;
        ssize_t n = 1;
        while (done < s->size && (n = write(f->in, s->text + done, s->size - done)) > 0) done += (size_t)n;
        if (done == s->size && lseek(f->in, 0, SEEK_SET) == 0) return SIM_OK;
    }
    sim_status status =
        sim_fail(SIM_EIO, "the script for gnuplot cannot be handed over: %s", strerror(errno));
    streams_close(f);
    return status;
}

static sim_status read_back(int file, char **text, size_t *size)
{
    struct stat s;
    *text = NULL;
    if (fstat(file, &s) != 0)
        return sim_fail(SIM_EIO, "what gnuplot wrote cannot be read: %s", strerror(errno));
    *size = (size_t)s.st_size;
    *text = calloc(1, *size + 1);
    if (!*text) return sim_fail(SIM_ENOMEM, "no memory for a picture of %zu bytes", *size);
    size_t done = 0;
    ssize_t n = 1;
    while (done < *size && (n = pread(file, *text + done, *size - done, (off_t)done)) > 0) done += (size_t)n;
    if (done == *size) return SIM_OK;
    free(*text);
    *text = NULL;
    return sim_fail(SIM_EIO, "what gnuplot wrote cannot be read: %s", strerror(errno));
}

/* Runs gnuplot over the streams; -d: without the user's own settings. */
static sim_status run_child(const struct streams *f)
{
    char program[] = "gnuplot", option[] = "-d";
    char *const arguments[] = {program, option, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;
    int code = 0;
    sigemptyset(&none); /* whatever this program blocks, gnuplot can be stopped */
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, f->in, 0);
    posix_spawn_file_actions_adddup2(&actions, f->out, 1);
    posix_spawn_file_actions_adddup2(&actions, f->err, 2);
    int spawned = posix_spawnp(&child, program, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (spawned == ENOENT)
        return sim_fail(SIM_ELIB,
                        "plots need gnuplot, which is not on the PATH (Debian: apt-get install gnuplot-nox)");
    if (spawned != 0) return sim_fail(SIM_ELIB, "gnuplot cannot be started: %s", strerror(spawned));
    while (waitpid(child, &code, 0) < 0)
        if (errno != EINTR) return sim_fail(SIM_ELIB, "gnuplot got lost: %s", strerror(errno));
    if (WIFEXITED(code) && WEXITSTATUS(code) == 0) return SIM_OK;
    char *errors = NULL;
    size_t size = 0;
    if (read_back(f->err, &errors, &size) != SIM_OK) return SIM_ELIB;
    sim_status status = sim_fail(SIM_ELIB, "gnuplot failed: %.400s", *errors ? errors : "it gave no reason");
    free(errors);
    return status;
}

static sim_status render(const struct sim_drawing_script *s, const char *terminal, const char *path)
{
    struct streams f;
    char *picture = NULL;
    size_t size = 0;
    SIM_TRY(streams_open(&f, terminal, s));
    sim_status status = run_child(&f);
    if (status == SIM_OK) status = read_back(f.out, &picture, &size);
    if (status == SIM_OK && size == 0) status = sim_fail(SIM_ELIB, "gnuplot drew nothing for %s", path);
    if (status == SIM_OK) status = sim_file_write(path, picture, size);
    free(picture);
    streams_close(&f);
    return status;
}

sim_status sim_gnuplot_draw(struct sim_drawing_script *s, const char *folder, const char *stem,
                            FILE *terminal)
{
    char head[256], *path = NULL;
    sim_status status = SIM_OK;
    int broken = ferror(s->to);
    if (fclose(s->to) != 0 || broken) status = sim_fail(SIM_ENOMEM, "no memory for a plot");
    s->to = NULL;
    for (int png = 0; png < 2 && status == SIM_OK; png++) {
        if (asprintf(&path, "%s/%s.%s", folder, stem, png ? "png" : "svg") < 0) {
            status = sim_fail(SIM_ENOMEM, "no memory for a path");
            break;
        }
        if (png)
            snprintf(
                head, sizeof head,
                "set terminal pngcairo noenhanced size %d,%d font 'DejaVu Sans,12' fontscale 1.5 linewidth 2 "
                "pointscale 2 background rgb 'white'\n",
                2 * s->width, 2 * s->height);
        else
            snprintf(head, sizeof head,
                     "set terminal svg noenhanced size %d,%d font 'DejaVu Sans,12' background rgb 'white'\n",
                     s->width, s->height);
        status = render(s, head, path);
        if (status == SIM_OK && terminal) fprintf(terminal, "  %s\n", path);
        free(path);
    }
    sim_gnuplot_close(s);
    return status;
}
