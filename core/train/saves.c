#include "saves.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "progress.h"

#define PREFIX "checkpoint-"
#define SUFFIX ".safetensors"
#define ASIDE ".damaged"

/* ------------------------------------------------------------------ names */

sim_status sim_saves_path(char out[SIM_SAVES_PATH_BYTES], const char *folder, int64_t step)
{
    int n = snprintf(out, SIM_SAVES_PATH_BYTES, "%s/" PREFIX "%09lld" SUFFIX, folder, (long long)step);
    if (n > 0 && n + sizeof ASIDE <= SIM_SAVES_PATH_BYTES) return SIM_OK;
    return sim_fail(SIM_EINVAL, "%.200s...: the folder's name is too long", folder);
}

/* The step in a checkpoint's name; -1: it is none.  *aside: one that was set aside. */
static int64_t step_of(const char *name, int *aside)
{
    const char *digits = name + strlen(PREFIX);
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) return -1;
    size_t n = strspn(digits, "0123456789");
    *aside = strcmp(digits + n, SUFFIX ASIDE) == 0;
    if (n < 9 || n > 18 || !(*aside || strcmp(digits + n, SUFFIX) == 0)) return -1;
    return strtoll(digits, NULL, 10);
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* The steps of the folder's checkpoints, newest first, or of those set aside; the caller frees *steps. */
static sim_status list(const char *folder, int of_aside, int64_t **steps, int *count)
{
    int room = 16;
    *count = 0;
    *steps = malloc((size_t)room * sizeof **steps);
    DIR *d = opendir(folder);
    if (!d && errno == ENOENT) return SIM_OK;
    if (!d) return sim_fail(SIM_EIO, "%s: cannot look for checkpoints: %s", folder, strerror(errno));
    for (struct dirent *entry; *steps && (entry = readdir(d));) {
        int aside = 0;
        int64_t step = step_of(entry->d_name, &aside);
        if (step < 0 || aside != of_aside) continue;
        if (*count == room) {
            int64_t *more = realloc(*steps, (size_t)(room *= 2) * sizeof *more);
            if (!more) free(*steps);
            *steps = more;
        }
        if (*steps) (*steps)[(*count)++] = step;
    }
    closedir(d);
    if (!*steps) return sim_fail(SIM_ENOMEM, "%s: no memory to list its checkpoints", folder);
    qsort(*steps, (size_t)*count, sizeof **steps, newest_first);
    return SIM_OK;
}

/* ------------------------------------------------------------------ the newest good one */

/* SIM_EFORMAT, SIM_EIO: damaged. */
static sim_status open_one(struct sim_tensors **out, char path[SIM_SAVES_PATH_BYTES], const char *folder,
                           int64_t named)
{
    int64_t step = 0;
    SIM_TRY(sim_saves_path(path, folder, named));
    SIM_TRY(sim_checkpoint_open(out, path));
    sim_status s = sim_checkpoint_step(*out, path, &step);
    if (s == SIM_OK && step != named)
        s = sim_fail(SIM_EFORMAT, "%s: it is of step %lld, which its name does not say", path,
                     (long long)step);
    if (s == SIM_OK) return SIM_OK;
    sim_tensors_close(*out);
    *out = NULL;
    return s;
}

static sim_status check_owner(const struct sim_tensors *file, const char *path, const char *config_hash)
{
    const char *hash = sim_tensors_metadata(file, "config_hash");
    if (!config_hash || (hash && strcmp(hash, config_hash) == 0)) return SIM_OK;
    return sim_fail(
        SIM_EINVAL,
        "%s belongs to another configuration (%s, this one is %s): choose another --out, or start the run "
        "again with --fresh",
        path, hash && hash[0] ? hash : "without a hash", config_hash);
}

/* Says which are damaged, and moves them out of the way of those to come. */
static sim_status set_aside(const char *folder, const int64_t *steps, int damaged, const char *good)
{
    for (int i = 0; i < damaged; i++) {
        char path[SIM_SAVES_PATH_BYTES], aside[SIM_SAVES_PATH_BYTES + sizeof ASIDE], why[1024];
        struct sim_tensors *file;
        if (open_one(&file, path, folder, steps[i]) == SIM_OK) { /* a disk that changes its mind */
            sim_tensors_close(file);
            return sim_fail(SIM_EIO, "%s could not be read, and now it can: the disk is not to be trusted",
                            path);
        }
        snprintf(why, sizeof why, "%s", sim_error_text());
        snprintf(aside, sizeof aside, "%s" ASIDE, path);
        if (rename(path, aside) != 0)
            return sim_fail(SIM_EIO, "%s is damaged, and cannot be moved aside: %s", path, strerror(errno));
        sim_log("damaged checkpoint: %s; set aside as %s, going on from %s", why, aside, good);
    }
    return SIM_OK;
}

static sim_status find(struct sim_tensors **out, char path[SIM_SAVES_PATH_BYTES], const char *folder,
                       const char *config_hash, const int64_t *steps, int count)
{
    char why[1024] = "";
    int i = 0;
    for (; i < count && !*out; i++) {
        sim_status s = open_one(out, path, folder, steps[i]);
        if (s != SIM_OK && s != SIM_EFORMAT && s != SIM_EIO) return s;
        if (s != SIM_OK && i == 0) snprintf(why, sizeof why, "%s", sim_error_text());
    }
    if (count && !*out)
        return sim_fail(SIM_EFORMAT,
                        "%s; of the %d checkpoint%s in %s none is whole: --fresh starts the run again", why,
                        count, count == 1 ? "" : "s", folder);
    if (!*out) return SIM_OK;
    SIM_TRY(check_owner(*out, path, config_hash));
    return set_aside(folder, steps, i - 1, path);
}

sim_status sim_saves_open(struct sim_tensors **out, char path[SIM_SAVES_PATH_BYTES], const char *folder,
                          const char *config_hash)
{
    int64_t *steps;
    int count;
    *out = NULL;
    path[0] = 0;
    SIM_TRY(list(folder, 0, &steps, &count));
    sim_status s = find(out, path, folder, config_hash, steps, count);
    free(steps);
    if (s == SIM_OK) return SIM_OK;
    sim_tensors_close(*out);
    *out = NULL;
    return s;
}

/* ------------------------------------------------------------------ those that go */

static sim_status remove_one(const char *folder, int64_t step, const char *end)
{
    char path[SIM_SAVES_PATH_BYTES], whole[SIM_SAVES_PATH_BYTES + sizeof ASIDE];
    SIM_TRY(sim_saves_path(path, folder, step));
    snprintf(whole, sizeof whole, "%s%s", path, end);
    if (unlink(whole) == 0 || errno == ENOENT) return SIM_OK;
    return sim_fail(SIM_EIO, "%s cannot be removed: %s", whole, strerror(errno));
}

sim_status sim_saves_prune(const char *folder, int64_t last, int64_t every)
{
    int64_t *steps;
    int count;
    SIM_TRY(list(folder, 0, &steps, &count));
    sim_status s = SIM_OK;
    for (int i = 0; i < count && s == SIM_OK; i++) {
        const int milestone = every > 0 && steps[i] > 0 && steps[i] % every == 0;
        if (i > 0 && i >= last && !milestone) s = remove_one(folder, steps[i], "");
    }
    free(steps);
    return s;
}

sim_status sim_saves_remove(const char *folder)
{
    for (int aside = 0; aside < 2; aside++) {
        int64_t *steps;
        int count;
        SIM_TRY(list(folder, aside, &steps, &count));
        sim_status s = SIM_OK;
        for (int i = 0; i < count && s == SIM_OK; i++) s = remove_one(folder, steps[i], aside ? ASIDE : "");
        free(steps);
        if (s != SIM_OK) return s;
    }
    return SIM_OK;
}
