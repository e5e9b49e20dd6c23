#include "catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "exif.h"
#include "file.h"
#include "progress.h"

int sim_catalogue_is_image(const char *name, const uint8_t *head, size_t count)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png"};
    const char *dot = strrchr(name, '.');
    for (size_t k = 0; dot && k < sizeof endings / sizeof *endings; k++)
        if (strcasecmp(dot, endings[k]) == 0)
            return 1; /* an empty or damaged one too: the reader will say so */
    if (!head) return -1;
    return (count >= 3 && memcmp(head, "\xff\xd8\xff", 3) == 0) ||
           (count >= 8 && memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0);
}

/* Makes room for one more element of element_bytes in a growing array. */
static sim_status grow(void *array, int64_t count, int64_t *room, size_t element_bytes)
{
    void **p = array;
    if (count < *room) return SIM_OK;
    int64_t larger = *room ? *room * 2 : 64;
    void *moved = realloc(*p, (size_t)larger * element_bytes);
    if (!moved) return sim_fail(SIM_ENOMEM, "no memory for a table of %ld image files", (long)larger);
    *p = moved, *room = larger;
    return SIM_OK;
}

sim_status sim_catalogue_add(struct sim_catalogue *c, const char *path, uint64_t size_bytes, uint8_t *data)
{
    sim_status status = grow(&c->members, c->count, &c->room, sizeof *c->members);
    char *copy = status == SIM_OK ? strdup(path) : NULL;
    if (!copy) {
        free(data);
        return status != SIM_OK ? status : sim_fail(SIM_ENOMEM, "no memory for the name %s", path);
    }
    c->members[c->count] = (struct sim_member){
        .path = copy, .data = data, .size_bytes = size_bytes, .order = c->count, .label = -1};
    c->count++;
    return SIM_OK;
}

sim_status sim_catalogue_add_class(struct sim_catalogue *c, const char *name)
{
    int64_t room = c->class_room;
    SIM_TRY(grow(&c->classes, c->class_count, &room, sizeof *c->classes));
    c->class_room = (int)room;
    if (!(c->classes[c->class_count] = strdup(name)))
        return sim_fail(SIM_ENOMEM, "no memory for the name %s", name);
    c->class_count++;
    return SIM_OK;
}

void sim_catalogue_leave_out(struct sim_catalogue *c, const char *path)
{
    if (c->left_out++ == 0) snprintf(c->first_left_out, sizeof c->first_left_out, "%s", path);
}

/* A path's end before a slash, a slash before everything else: folder "a" comes before folder "a-b" with all
 * that is in it. */
static int rank(char c)
{
    return c == 0 ? 0 : c == '/' ? 1 : (unsigned char)c + 1;
}

static int compare_paths(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return rank(*a) - rank(*b);
}

static int compare_members(const void *x, const void *y)
{
    const struct sim_member *a = x, *b = y;
    int by_path = compare_paths(a->path, b->path);
    return by_path ? by_path : (a->order > b->order) - (a->order < b->order);
}

void sim_catalogue_sort(struct sim_catalogue *c)
{
    if (c->count == 0) return;
    qsort(c->members, (size_t)c->count, sizeof *c->members, compare_members);
    int64_t kept = 0;
    for (int64_t i = 0; i < c->count; i++) {
        if (i + 1 < c->count && strcmp(c->members[i].path, c->members[i + 1].path) == 0) {
            free(c->members[i].path);
            free(c->members[i].data);
        } else {
            c->members[kept++] = c->members[i];
        }
    }
    c->count = kept;
}

const struct sim_member *sim_catalogue_find(const struct sim_catalogue *c, const char *path)
{
    int64_t low = 0, high = c->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = compare_paths(path, c->members[middle].path);
        if (order == 0) return &c->members[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static int compare_names(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

static size_t class_length(const char *path)
{
    return strcspn(path, "/");
}

/* Classes are the announced folders and the first components of the paths, each once, sorted. */
static sim_status gather_classes(struct sim_catalogue *c)
{
    for (int64_t i = 0; i < c->count; i++) {
        const char *path = c->members[i].path;
        size_t n = class_length(path);
        const char *before = i > 0 ? c->members[i - 1].path : "";
        if (n == class_length(before) && memcmp(path, before, n) == 0) continue;
        char *name = strndup(path, n);
        sim_status status =
            name ? sim_catalogue_add_class(c, name) : sim_fail(SIM_ENOMEM, "no memory for %s", path);
        free(name);
        SIM_TRY(status);
    }
    qsort(c->classes, (size_t)c->class_count, sizeof *c->classes, compare_names);
    int kept = 0;
    for (int k = 0; k < c->class_count; k++) {
        if (kept > 0 && strcmp(c->classes[k], c->classes[kept - 1]) == 0)
            free(c->classes[k]);
        else
            c->classes[kept++] = c->classes[k];
    }
    c->class_count = kept;
    return SIM_OK;
}

/* Both lists are sorted alike, so one walk labels every member and finds the classes without any. */
static sim_status give_labels(struct sim_catalogue *c, const char *where)
{
    int64_t i = 0;
    for (int k = 0; k < c->class_count; k++) {
        size_t n = strlen(c->classes[k]);
        int64_t first = i;
        while (i < c->count && class_length(c->members[i].path) == n &&
               memcmp(c->members[i].path, c->classes[k], n) == 0)
            c->members[i++].label = k;
        if (i == first)
            return sim_fail(
                SIM_EINVAL,
                "%s: the class folder '%s' holds no JPEG or PNG image; fill it or take it away (it would "
                "shift the labels of the others)",
                where, c->classes[k]);
    }
    return SIM_OK;
}

/* One class with nothing but folders in it: almost surely SET was given where SET/train was meant. */
static sim_status check_depth(const struct sim_catalogue *c, const char *where)
{
    if (c->class_count != 1) return SIM_OK;
    for (int64_t i = 0; i < c->count; i++)
        if (!strchr(strchr(c->members[i].path, '/') + 1, '/')) return SIM_OK;
    const char *path = c->members[0].path, *slash = strchr(path, '/');
    int n = (int)(strchr(slash + 1, '/') - path);
    return sim_fail(
        SIM_EINVAL,
        "%s: the only class would be '%s', which holds folders and no images; name the folder whose "
        "children are the classes, such as '%.*s'",
        where, c->classes[0], n, path);
}

sim_status sim_catalogue_take_hash(struct sim_catalogue *c)
{
    XXH64_state_t *state = XXH64_createState();
    if (!state) return sim_fail(SIM_ENOMEM, "no memory to hash a list of images");
    XXH64_reset(state, 0);
    for (int64_t i = 0; i < c->count; i++) {
        const struct sim_member *m = &c->members[i];
        uint8_t number[12];
        for (int b = 0; b < 4; b++) number[b] = (uint8_t)((uint32_t)m->label >> 8 * b);
        for (int b = 0; b < 8; b++) number[4 + b] = (uint8_t)(m->size_bytes >> 8 * b);
        XXH64_update(state, m->path, strlen(m->path) + 1);
        XXH64_update(state, number, sizeof number);
    }
    snprintf(c->hash, sizeof c->hash, "%016llx", (unsigned long long)XXH64_digest(state));
    XXH64_freeState(state);
    return SIM_OK;
}

sim_status sim_catalogue_finish(struct sim_catalogue *c, const char *where)
{
    sim_catalogue_sort(c);
    if (c->count == 0)
        return sim_fail(SIM_EINVAL, "%s: no JPEG or PNG image in it; images are expected as CLASS/IMAGE%s%s",
                        where, c->left_out ? "; left out was " : "", c->first_left_out);
    SIM_TRY(gather_classes(c));
    SIM_TRY(give_labels(c, where));
    SIM_TRY(check_depth(c, where));
    SIM_TRY(sim_catalogue_take_hash(c));
    if (c->left_out)
        sim_log(
            "%s: %ld files are no JPEG or PNG images in a class folder and are left out (the first is %s)",
            where, (long)c->left_out, c->first_left_out);
    return SIM_OK;
}

void sim_catalogue_close(struct sim_catalogue *c)
{
    for (int64_t i = 0; i < c->count; i++) {
        free(c->members[i].path);
        free(c->members[i].data);
    }
    for (int k = 0; k < c->class_count; k++) free(c->classes[k]);
    free(c->members);
    free(c->classes);
    memset(c, 0, sizeof *c);
}

/* ------------------------------------------------------------------ the set of images made of it */
struct set {
    struct sim_catalogue catalogue;
    int upright; /* images are turned as their EXIF data ask */
    char prefix[];
};

static void set_name(void *self, int64_t i, char *name, int size)
{
    const struct set *s = self;
    snprintf(name, (size_t)size, "%s%s", s->prefix, s->catalogue.members[i].path);
}

/* The image, turned as its own EXIF data ask. */
static sim_status read_upright(const struct sim_member *m, const char *name, struct sim_image *im)
{
    char *file = NULL;
    const uint8_t *bytes = m->data;
    size_t count = (size_t)m->size_bytes;
    sim_status status = SIM_OK;
    if (!bytes) {
        status = sim_file_read(name, SIM_IMAGE_FILE_BYTES, &file, &count);
        bytes = (const uint8_t *)file;
    }
    if (status == SIM_OK)
        status = sim_decode_into(bytes, count, name, im);
    else
        sim_image_close(im);
    if (status == SIM_OK) status = sim_exif_turn(im, sim_exif_orientation(bytes, count));
    free(file);
    return status;
}

static sim_status set_read_into(void *self, int64_t i, struct sim_image *im)
{
    const struct set *s = self;
    const struct sim_member *m = &s->catalogue.members[i];
    size_t size = strlen(s->prefix) + strlen(m->path) + 1;
    char *name = malloc(size);
    if (!name) {
        sim_image_close(im);
        return sim_fail(SIM_ENOMEM, "no memory for the name of an image");
    }
    snprintf(name, size, "%s%s", s->prefix, m->path);
    sim_status status = s->upright ? read_upright(m, name, im)
                        : m->data  ? sim_decode_into(m->data, (size_t)m->size_bytes, name, im)
                                   : sim_decode_file_into(name, im);
    free(name);
    return status;
}

static sim_status set_read(void *self, int64_t i, struct sim_image *out)
{
    *out = (struct sim_image){0};
    return set_read_into(self, i, out);
}

static int32_t set_label(void *self, int64_t i)
{
    return ((const struct set *)self)->catalogue.members[i].label;
}

static const char *set_class_name(void *self, int label)
{
    return ((const struct set *)self)->catalogue.classes[label];
}

static void set_honour_exif(void *self)
{
    ((struct set *)self)->upright = 1;
}

static void set_close(void *self)
{
    struct set *s = self;
    sim_catalogue_close(&s->catalogue);
    free(s);
}

/* Takes the catalogue over, and leaves it empty. */
static sim_status take_images(struct sim_images *out, struct sim_catalogue *c, const char *where,
                              const char *prefix)
{
    SIM_TRY(sim_catalogue_finish(c, where));
    size_t length = strlen(prefix) + 1;
    struct set *s = malloc(sizeof *s + length);
    if (!s) return sim_fail(SIM_ENOMEM, "%s: no memory", where);
    memcpy(s->prefix, prefix, length);
    s->catalogue = *c;
    s->upright = 0;
    *out = (struct sim_images){.self = s,
                               .count = c->count,
                               .classes = c->class_count,
                               .read = set_read,
                               .read_into = set_read_into,
                               .label = set_label,
                               .name = set_name,
                               .class_name = set_class_name,
                               .honour_exif = set_honour_exif,
                               .close = set_close};
    memcpy(out->manifest_hash, c->hash, sizeof c->hash);
    memset(c, 0, sizeof *c);
    return SIM_OK;
}

sim_status sim_catalogue_open(struct sim_images *out, const char *path,
                              sim_status (*list)(struct sim_catalogue *c, const char *path, char **prefix))
{
    struct sim_catalogue c = {0};
    char *prefix;
    memset(out, 0, sizeof *out);
    sim_status status = list(&c, path, &prefix);
    if (status == SIM_OK) status = take_images(out, &c, path, prefix);
    sim_catalogue_close(&c);
    free(prefix);
    return status;
}
