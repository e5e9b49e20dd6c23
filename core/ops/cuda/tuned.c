#include "tuned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

enum { MOST_FILE_BYTES = 16 << 20 };

struct line {
    struct line *next;
    char *key, *hex; /* into `text` */
    char text[];
};

struct sim_tuned {
    struct line *lines; /* in the order of the file */
    struct line **end;
    char path[];
};

/* Takes in "KEY<tab>hex"; anything else is passed over. */
static sim_status add(struct sim_tuned *t, const char *text, size_t size)
{
    const char *tab = memchr(text, '\t', size);
    if (!tab || tab == text) return SIM_OK;
    struct line *l = malloc(sizeof *l + size + 1);
    if (!l) return sim_fail(SIM_ENOMEM, "no memory for the tuned choices of %s", t->path);
    memcpy(l->text, text, size);
    l->text[size] = 0;
    l->key = l->text, l->hex = l->text + (tab - text) + 1;
    l->hex[-1] = 0;
    l->next = NULL;
    *t->end = l;
    t->end = &l->next;
    return SIM_OK;
}

sim_status sim_tuned_open(struct sim_tuned **out, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    *out = NULL;
    if (access(path, F_OK) == 0) SIM_TRY(sim_file_read(path, MOST_FILE_BYTES, &text, &size));
    struct sim_tuned *t = malloc(sizeof *t + strlen(path) + 1);
    if (!t) {
        free(text);
        return sim_fail(SIM_ENOMEM, "no memory for the tuned choices of %s", path);
    }
    strcpy(t->path, path);
    t->lines = NULL, t->end = &t->lines;
    sim_status status = SIM_OK;
    for (size_t at = 0; at < size && status == SIM_OK;) {
        const char *newline = memchr(text + at, '\n', size - at);
        if (!newline) break; /* a half line: a process died here */
        size_t length = (size_t)(newline - (text + at));
        status = add(t, text + at, length);
        at += length + 1;
    }
    free(text);
    if (status != SIM_OK)
        sim_tuned_close(t);
    else
        *out = t;
    return status;
}

void sim_tuned_close(struct sim_tuned *t)
{
    if (!t) return;
    while (t->lines) {
        struct line *l = t->lines;
        t->lines = l->next;
        free(l);
    }
    free(t);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_hex(const char *hex, unsigned char *bytes, size_t size)
{
    if (strlen(hex) != 2 * size) return 0;
    for (size_t i = 0; i < size; i++) {
        int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) return 0;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return 1;
}

int sim_tuned_find(const struct sim_tuned *t, const char *key, void *bytes, size_t size)
{
    for (const struct line *l = t->lines; l; l = l->next)
        if (strcmp(l->key, key) == 0 && read_hex(l->hex, bytes, size)) return 1;
    return 0;
}

static sim_status make_parent(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return SIM_OK;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return sim_make_folder(folder);
}

sim_status sim_tuned_keep(struct sim_tuned *t, const char *key, const void *bytes, size_t size)
{
    size_t length = strlen(key);
    if (length == 0 || strpbrk(key, "\t\n"))
        return sim_fail(SIM_EINVAL, "a tuned choice's key is empty or holds a tab or a newline: \"%s\"", key);
    char *line = malloc(length + 2 + 2 * size);
    if (!line) return sim_fail(SIM_ENOMEM, "no memory for the tuned choices of %s", t->path);
    memcpy(line, key, length);
    line[length] = '\t';
    for (size_t i = 0; i < size; i++)
        sprintf(line + length + 1 + 2 * i, "%02x", ((const unsigned char *)bytes)[i]);
    line[length + 1 + 2 * size] = 0;
    sim_status status = add(t, line, strlen(line));
    if (status == SIM_OK) status = make_parent(t->path);
    if (status == SIM_OK) status = sim_file_append_line(t->path, line);
    free(line);
    return status;
}

int sim_tuned_path(const char *name, char *out, size_t size)
{
    const char *whole = getenv("SIM_TUNED"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (whole && *whole)
        snprintf(out, size, "%s", whole);
    else if (cache && *cache == '/')
        snprintf(out, size, "%s/siameseim/%s", cache, name);
    else if (home && *home == '/')
        snprintf(out, size, "%s/.cache/siameseim/%s", home, name);
    else
        return 0;
    return 1;
}
