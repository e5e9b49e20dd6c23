/* siameseim status: how far the runs of a folder are, whoever makes them. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "claim.h"
#include "command.h"
#include "options.h"
#include "run_status.h"

static const char help[] = "usage: siameseim status DIR\n"
                           "\n"
                           "Says how far each run under DIR is, the --out of a `siameseim run`: at work, "
                           "with rate and ETA and by which\n"
                           "process, done, failed and why, or cut off, so that the same `siameseim run` "
                           "would go on with it.  Runs that\n"
                           "have not begun are not known here.  Nothing is changed.\n"
                           "\n"
                           "example: siameseim status runs/quick\n";

struct tally {
    int done, running, failed, cut;
};

/* A run whose status says that it is at work is so while its claim is held. */
static sim_status print_run(const char *out, const char *name, struct tally *t)
{
    char folder[PATH_MAX], said[700], who[SIM_CLAIM_WHO_BYTES];
    struct sim_run_status s;
    int held = 0;
    if (snprintf(folder, sizeof folder, "%s/%s", out, name) >= (int)sizeof folder) return SIM_OK;
    sim_run_status_read(folder, &s);
    if (!s.state[0]) return SIM_OK;
    sim_run_status_say(&s, said, sizeof said);
    int running = strcmp(s.state, "running") == 0, ok = strcmp(s.state, "ok") == 0;
    if (running) SIM_TRY(sim_claim_look(folder, "run", &held, who));
    int cut = (running && !held) || strcmp(s.state, "interrupted") == 0;
    t->done += ok, t->running += running && held, t->cut += cut, t->failed += !running && !ok && !cut;
    printf("%-24s ", name);
    if (held)
        printf("%s; %s\n", said, who);
    else if (cut)
        printf("cut off%s%.100s; the same command goes on with it\n", s.note[0] ? " at " : "", s.note);
    else
        puts(ok ? "done" : said);
    return SIM_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int shown(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static sim_status print_folder(const char *out)
{
    struct dirent **names;
    struct tally t = {0};
    sim_status status = SIM_OK;
    int count = scandir(out, &names, shown, by_name);
    if (count < 0) return sim_fail(SIM_EIO, "%s: the folder cannot be read: %s", out, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (status == SIM_OK) status = print_run(out, names[i]->d_name, &t);
        free(names[i]);
    }
    free(names);
    SIM_TRY(status);
    if (t.done + t.running + t.failed + t.cut == 0)
        return sim_fail(SIM_EINVAL, "%s: no run has begun here; DIR is the --out of a siameseim run", out);
    printf("%d done, %d running, %d failed, %d cut off\n", t.done, t.running, t.failed, t.cut);
    return SIM_OK;
}

static int run_status(int argc, char **argv)
{
    struct sim_words folders = {0};
    sim_status status = sim_options_parse(argc, argv, NULL, 0, &folders);
    if (status == SIM_OK && folders.count != 1)
        status = sim_fail(SIM_EINVAL, "which folder? one DIR is needed, the --out of a siameseim run");
    if (status == SIM_OK) status = print_folder(folders.word[0]);
    sim_words_close(&folders);
    return status == SIM_OK ? 0 : sim_command_failed("status");
}

const struct sim_command sim_command_status = {"status", "how far the runs of a folder are", help,
                                               run_status};
