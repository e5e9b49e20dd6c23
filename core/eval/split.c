#include "split.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "file.h"
#include "rng.h"

#define MOST_BYTES ((size_t)256 << 20) /* of a list: ImageNet's 1.28 million paths are 60 MB */

enum { NAME_BYTES = 4096 };

void sim_split_close(struct sim_split *s)
{
    free(s->index);
    *s = (struct sim_split){0};
}

static sim_status no_memory(const struct sim_labelled *set)
{
    return sim_fail(SIM_ENOMEM, "few-shot: no memory for a split of %lld images", (long long)set->images);
}

/* The split of the images that are marked in taken (images). */
static sim_status collect(struct sim_split *out, const struct sim_labelled *set, const uint8_t *taken)
{
    int64_t count = 0;
    for (int64_t i = 0; i < set->images; i++) count += taken[i];
    out->index = malloc((size_t)(count ? count : 1) * sizeof *out->index);
    if (!out->index) return no_memory(set);
    for (int64_t i = 0; i < set->images; i++)
        if (taken[i]) out->index[out->count++] = i;
    snprintf(out->hash, sizeof out->hash, "%016llx",
             (unsigned long long)XXH64(out->index, (size_t)count * sizeof *out->index, 0));
    return SIM_OK;
}

/* ------------------------------------------------------------------ a list */

struct entry {
    const char *text, *base; /* base: after the last slash */
    int64_t line, image;     /* image: -1 until one is found */
};

struct list {
    const char *path;
    char *text; /* the file, lines cut by NULs */
    struct entry *entry;
    int64_t count;
};

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int by_base(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->base, y->base);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Cuts the text into entries, without what stands around a line's text, and sorts them by base. */
static sim_status cut(struct list *l, size_t size)
{
    int64_t room = 1, line = 0;
    for (size_t k = 0; k < size; k++) room += l->text[k] == '\n';
    l->entry = malloc((size_t)room * sizeof *l->entry);
    if (!l->entry) return sim_fail(SIM_ENOMEM, "%s: no memory for %lld lines", l->path, (long long)room);
    for (char *at = l->text, *end = l->text + size; at < end; line++) {
        char *stop = memchr(at, '\n', (size_t)(end - at)), *next = stop ? stop + 1 : end;
        if (!stop) stop = end;
        if (memchr(at, 0, (size_t)(stop - at)))
            return sim_fail(SIM_EFORMAT, "%s:%lld: a zero byte; this is no list of images", l->path,
                            (long long)line + 1);
        while (at < stop && (*at == ' ' || *at == '\t')) at++;
        while (stop > at && strchr(" \t\r", stop[-1])) stop--;
        *stop = 0; /* the text ends in a NUL of its own, so there is room */
        if (*at)
            l->entry[l->count++] =
                (struct entry){.text = at, .base = base_of(at), .line = line + 1, .image = -1};
        at = next;
    }
    if (l->count == 0) return sim_fail(SIM_EFORMAT, "%s lists no image", l->path);
    qsort(l->entry, (size_t)l->count, sizeof *l->entry, by_base);
    return SIM_OK;
}

/* Does the name end in the entry, which begins where a part of the path does, or the path inside an archive?
 */
static int ends_in(const char *name, const char *entry)
{
    size_t n = strlen(name), e = strlen(entry);
    if (e > n || strcmp(name + n - e, entry) != 0) return 0;
    return e == n || name[n - e - 1] == '/' || (n - e >= 2 && strncmp(name + n - e - 2, ": ", 2) == 0);
}

static int64_t first_of_base(const struct list *l, const char *base)
{
    int64_t low = 0, high = l->count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (strcmp(l->entry[middle].base, base) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Gives image i to the entries that name it. */
static sim_status match(struct list *l, const struct sim_labelled *set, int64_t i, uint8_t *taken)
{
    char name[NAME_BYTES], other[NAME_BYTES];
    const struct entry *before = NULL;
    set->name(set->self, i, name, sizeof name);
    const char *base = base_of(name);
    for (int64_t k = first_of_base(l, base); k < l->count && strcmp(l->entry[k].base, base) == 0; k++) {
        struct entry *e = &l->entry[k];
        if (!ends_in(name, e->text)) continue;
        if (before)
            return sim_fail(SIM_EFORMAT, "%s:%lld: %s was named in line %lld already", l->path,
                            (long long)e->line, e->text, (long long)before->line);
        if (e->image >= 0) {
            set->name(set->self, e->image, other, sizeof other);
            return sim_fail(SIM_EFORMAT,
                            "%s:%lld: %s may be %s or %s; write as much of the path as tells them apart",
                            l->path, (long long)e->line, e->text, other, name);
        }
        before = e, e->image = i, taken[i] = 1;
    }
    return SIM_OK;
}

/* Every line has its image, and every class a line. */
static sim_status check_matches(const struct list *l, const struct sim_labelled *set, const uint8_t *taken)
{
    char example[NAME_BYTES];
    const struct entry *lost = NULL;
    int64_t missing = 0;
    for (int64_t k = 0; k < l->count; k++) {
        if (l->entry[k].image >= 0) continue;
        missing++;
        if (!lost || l->entry[k].line < lost->line) lost = &l->entry[k];
    }
    set->name(set->self, 0, example, sizeof example);
    if (lost)
        return sim_fail(SIM_EFORMAT,
                        "%s:%lld: %s is none of the %lld training images, such as %s (the first of %lld "
                        "lines without one; "
                        "data.limit_train leaves images out)",
                        l->path, (long long)lost->line, lost->text, (long long)set->images, example,
                        (long long)missing);
    uint8_t *seen = calloc((size_t)set->classes, 1);
    if (!seen) return no_memory(set);
    for (int64_t i = 0; i < set->images; i++)
        if (taken[i]) seen[set->label(set->self, i)] = 1;
    int empty = 0;
    while (empty < set->classes && seen[empty]) empty++;
    free(seen);
    if (empty == set->classes) return SIM_OK;
    return sim_fail(SIM_EFORMAT, "%s: none of its %lld images is of class %s, which could not be learnt",
                    l->path, (long long)l->count, set->class_name(set->self, empty));
}

sim_status sim_split_read(struct sim_split *out, const struct sim_labelled *set, const char *path)
{
    struct list l = {.path = path};
    size_t size;
    *out = (struct sim_split){0};
    sim_status status = sim_file_read(path, MOST_BYTES, &l.text, &size);
    if (status != SIM_OK) return sim_context(status, "eval.few_shot_list");
    uint8_t *taken = calloc((size_t)set->images, 1);
    if (!taken) status = no_memory(set);
    if (status == SIM_OK) status = cut(&l, size);
    for (int64_t i = 0; i < set->images && status == SIM_OK; i++) status = match(&l, set, i, taken);
    if (status == SIM_OK) status = check_matches(&l, set, taken);
    if (status == SIM_OK) status = collect(out, set, taken);
    free(taken);
    free(l.entry);
    free(l.text);
    return status == SIM_OK ? SIM_OK : sim_context(status, "eval.few_shot_list");
}

/* ------------------------------------------------------------------ a draw */

/* quota (classes): images of each class. */
static sim_status share_out(const struct sim_labelled *set, double percent, int64_t per_class,
                            struct sim_rng *r, int64_t *quota)
{
    uint32_t classes = (uint32_t)set->classes;
    int64_t total = per_class ? per_class * classes : llrint(percent / 100 * (double)set->images);
    if (total < classes)
        return sim_fail(
            SIM_EINVAL,
            "eval.few_shot_percent: %g %% of %lld images are %lld, which leaves some of the %d classes "
            "without one; at least %.4g %% are needed, or eval.few_shot_per_class",
            percent, (long long)set->images, (long long)total, set->classes,
            100.0 * set->classes / (double)set->images);
    uint32_t *order = malloc(classes * sizeof *order);
    if (!order) return no_memory(set);
    sim_rng_permutation(r, classes, order);
    for (uint32_t k = 0; k < classes; k++) quota[order[k]] = total / classes + (k < total % classes);
    free(order);
    return SIM_OK;
}

sim_status sim_split_draw(struct sim_split *out, const struct sim_labelled *set, double percent,
                          int64_t per_class, uint64_t seed)
{
    *out = (struct sim_split){0};
    struct sim_rng share = sim_rng_make(seed, SIM_PURPOSE_FEW_SHOT, 0, 0, 0);
    struct sim_rng shuffle = sim_rng_make(seed, SIM_PURPOSE_FEW_SHOT, 0, 0, 1);
    int64_t *quota = calloc((size_t)set->classes, sizeof *quota);
    uint32_t *shuffled = malloc((size_t)set->images * sizeof *shuffled);
    uint8_t *taken = calloc((size_t)set->images, 1);
    sim_status status =
        quota && shuffled && taken ? share_out(set, percent, per_class, &share, quota) : no_memory(set);
    if (status == SIM_OK) {
        sim_rng_permutation(&shuffle, (uint32_t)set->images, shuffled);
        for (int64_t i = 0; i < set->images; i++) {
            int64_t *left = &quota[set->label(set->self, shuffled[i])];
            if (*left > 0) taken[shuffled[i]] = 1, --*left;
        }
    }
    for (int c = 0; c < set->classes && status == SIM_OK; c++)
        if (quota[c])
            status = sim_fail(
                SIM_EINVAL,
                "eval.few_shot_%s: class %s has %lld images fewer than an even share asks for; ask "
                "for less, or name the images in eval.few_shot_list",
                per_class ? "per_class" : "percent", set->class_name(set->self, c), (long long)quota[c]);
    if (status == SIM_OK) status = collect(out, set, taken);
    free(quota);
    free(shuffled);
    free(taken);
    return status;
}
