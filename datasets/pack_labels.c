#include "pack_labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "pack_devkit.h"

static const size_t most_bytes = (size_t)256 << 20;
static const char between[] = " \t,\r";

/* The next line of *text that has a word, with its first two words ended by zero bytes; 0 at the end. */
static int next_line(char **text, char **first, char **second)
{
    while (**text) {
        char *line = *text, *end = line + strcspn(line, "\n");
        *text = *end ? end + 1 : end;
        *end = 0;
        *first = line + strspn(line, between);
        if (!**first) continue;
        char *after = *first + strcspn(*first, between);
        *second = after + strspn(after, between);
        *after = 0;
        (*second)[strcspn(*second, between)] = 0;
        return 1;
    }
    return 0;
}

static sim_status add(struct sim_label_list *l, int64_t *room, char *name, char *class)
{
    if (l->count == *room) {
        int64_t larger = *room ? *room * 2 : 1024;
        struct sim_label_line *moved = realloc(l->lines, (size_t)larger * sizeof *moved);
        if (!moved) return sim_fail(SIM_ENOMEM, "%s: no memory for %lld labels", l->path, (long long)larger);
        l->lines = moved, *room = larger;
    }
    l->lines[l->count++] = (struct sim_label_line){name, class};
    return SIM_OK;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(((const struct sim_label_line *)a)->name, ((const struct sim_label_line *)b)->name);
}

/* ------------------------------------------------------------------ numbers to names */

/* A whole number from 1 on, or 0. */
static int64_t number_of(const char *word)
{
    char *end;
    int64_t n = strtoll(word, &end, 10);
    return *word >= '0' && *word <= '9' && !*end && n > 0 ? n : 0;
}

/* Lines of the second list into names[1 .. most]. */
static sim_status name_classes(struct sim_label_list *l, const char *path, char **names, int64_t most)
{
    char *at = l->synset_text, *first, *second;
    for (int64_t line = 1; next_line(&at, &first, &second); line++) {
        int64_t n = *second ? number_of(second) : line;
        if (n == 0)
            return sim_fail(
                SIM_EINVAL,
                "%s, line %lld: the second word is \"%s\", and a class's number is expected: lines are "
                "CLASS NUMBER, as in ImageNet's devkit, or CLASS alone in the order of the numbers",
                path, (long long)line, second);
        if (n > most) continue; /* classes that no image has */
        if (names[n]) return sim_fail(SIM_EINVAL, "%s: two classes have number %lld", path, (long long)n);
        names[n] = first;
    }
    return SIM_OK;
}

/* The second list, as text also where it is the devkit's own. */
static sim_status read_synsets(const char *path, char **text)
{
    char *bytes;
    size_t count;
    SIM_TRY(sim_file_read(path, most_bytes, &bytes, &count));
    if (!sim_pack_is_meta_mat(bytes, count)) {
        *text = bytes;
        return SIM_OK;
    }
    sim_status status = sim_pack_meta_mat(bytes, count, path, text);
    free(bytes);
    return status;
}

static sim_status use_synsets(struct sim_label_list *l, const char *path)
{
    int64_t most = 0;
    for (int64_t i = 0; i < l->count; i++) {
        int64_t n = number_of(l->lines[i].class);
        if (n == 0 || n > 1000000)
            return sim_fail(SIM_EINVAL,
                            "%s: its labels are no numbers (\"%s\"), and the list %s names numbers", l->path,
                            l->lines[i].class, path);
        if (n > most) most = n;
    }
    SIM_TRY(read_synsets(path, &l->synset_text));
    char **names = calloc((size_t)most + 1, sizeof *names);
    if (!names) return sim_fail(SIM_ENOMEM, "%s: no memory", path);
    sim_status status = name_classes(l, path, names, most);
    for (int64_t i = 0; i < l->count && status == SIM_OK; i++) {
        int64_t n = number_of(l->lines[i].class);
        if (!names[n])
            status = sim_fail(SIM_EINVAL, "%s does not name class %lld of %s", path, (long long)n, l->path);
        l->lines[i].class = names[n];
    }
    free(names);
    return status;
}

/* ------------------------------------------------------------------ the list */

static sim_status read_lines(struct sim_label_list *l)
{
    char *at = l->text, *first, *second;
    int64_t room = 0;
    while (next_line(&at, &first, &second)) {
        if (l->count == 0) l->by_name = *second != 0;
        if (l->by_name && !*second)
            return sim_fail(SIM_EINVAL, "%s: \"%s\" stands alone on its line, and other lines are NAME CLASS",
                            l->path, first);
        SIM_TRY(add(l, &room, l->by_name ? first : NULL, l->by_name ? second : first));
    }
    if (l->count == 0) return sim_fail(SIM_EINVAL, "%s: the list of labels is empty", l->path);
    if (l->by_name) qsort(l->lines, (size_t)l->count, sizeof *l->lines, compare_lines);
    return SIM_OK;
}

/* A heading such as "ImageId,PredictionString" is no image; it would only matter as a class. */
sim_status sim_label_list_open(struct sim_label_list *out, const char *path, const char *synsets)
{
    *out = (struct sim_label_list){.path = path};
    sim_status status = sim_file_read(path, most_bytes, &out->text, NULL);
    if (status == SIM_OK) status = read_lines(out);
    if (status == SIM_OK && synsets) status = use_synsets(out, synsets);
    if (status == SIM_OK && !synsets && number_of(out->lines[0].class))
        status =
            sim_fail(SIM_EINVAL,
                     "%s: its labels are numbers (\"%s\"): --synsets FILE says which class each of them is",
                     path, out->lines[0].class);
    if (status != SIM_OK) sim_label_list_close(out);
    return status;
}

/* compare_lines with the ending of `name` left out or not. */
static const struct sim_label_line *look_up(const struct sim_label_list *l, const char *name, size_t length)
{
    char key[256];
    if (length >= sizeof key) return NULL;
    memcpy(key, name, length);
    key[length] = 0;
    const struct sim_label_line wanted = {.name = key};
    return bsearch(&wanted, l->lines, (size_t)l->count, sizeof wanted, compare_lines);
}

sim_status sim_label_list_find(const struct sim_label_list *l, const char *name, int64_t order,
                               int64_t images, const char **class)
{
    if (!l->by_name) {
        if (l->count != images)
            return sim_fail(SIM_EINVAL, "%s has %lld labels for %lld images", l->path, (long long)l->count,
                            (long long)images);
        *class = l->lines[order].class;
        return SIM_OK;
    }
    const char *dot = strrchr(name, '.');
    const struct sim_label_line *line = look_up(l, name, strlen(name));
    if (!line && dot) line = look_up(l, name, (size_t)(dot - name));
    if (!line) return sim_fail(SIM_EINVAL, "%s has no label for the image %s", l->path, name);
    *class = line->class;
    return SIM_OK;
}

void sim_label_list_close(struct sim_label_list *l)
{
    free(l->text);
    free(l->synset_text);
    free(l->lines);
    *l = (struct sim_label_list){0};
}
