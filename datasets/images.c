#include "images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "archive_images.h"
#include "damaged.h"
#include "pack.h"
#include "rng.h"

void sim_images_close(struct sim_images *s)
{
    if (s->close) s->close(s->self);
    sim_damaged_close(s);
    memset(s, 0, sizeof *s);
}

sim_status sim_images_read_into(const struct sim_images *s, int64_t i, struct sim_image *im)
{
    if (s->read_into) return s->read_into(s->self, i, im);
    sim_image_close(im);
    return s->read(s->self, i, im);
}

/* ------------------------------------------------------------------ a part of a set */

struct subset {
    struct sim_images whole; /* owned */
    int64_t *index;          /* (count) into the whole set, ascending */
};

static sim_status subset_read(void *self, int64_t i, struct sim_image *out)
{
    const struct subset *s = self;
    return s->whole.read(s->whole.self, s->index[i], out);
}

static sim_status subset_read_into(void *self, int64_t i, struct sim_image *im)
{
    const struct subset *s = self;
    return sim_images_read_into(&s->whole, s->index[i], im);
}

static int32_t subset_label(void *self, int64_t i)
{
    const struct subset *s = self;
    return s->whole.label(s->whole.self, s->index[i]);
}

static void subset_name(void *self, int64_t i, char *name, int size)
{
    const struct subset *s = self;
    s->whole.name(s->whole.self, s->index[i], name, size);
}

static const char *subset_class_name(void *self, int label)
{
    const struct subset *s = self;
    return s->whole.class_name(s->whole.self, label);
}

static void subset_close(void *self)
{
    struct subset *s = self;
    sim_images_close(&s->whole);
    free(s->index);
    free(s);
}

/* How many of each class: as even as the classes allow.  Classes that have fewer give all they have; what
 * does not divide goes, one image each, to classes in an order drawn by seed. */
static void share_out(int64_t limit, const int64_t *available, int classes, const uint32_t *order,
                      int64_t *quota)
{
    memset(quota, 0, (size_t)classes * sizeof *quota);
    for (int64_t left = limit; left > 0;) {
        int open = 0;
        for (int k = 0; k < classes; k++) open += quota[k] < available[k];
        if (open == 0) return;
        int64_t each = left / open;
        for (int k = 0; k < classes && left > 0; k++) {
            int64_t *q = &quota[order[k]], free_images = available[order[k]] - *q;
            int64_t more = each > 0 ? each : 1;
            if (more > free_images) more = free_images;
            *q += more, left -= more;
        }
    }
}

/* Draws `limit` images: of every class a random part, by (seed, split, class). */
static sim_status draw(const struct sim_images *whole, enum sim_split split, uint64_t seed, int64_t limit,
                       int64_t *index)
{
    int classes = whole->classes;
    uint32_t *order = malloc((size_t)classes * sizeof *order),
             *shuffled = malloc((size_t)whole->count * sizeof *shuffled);
    int64_t *available = calloc((size_t)classes, sizeof *available),
            *quota = malloc((size_t)classes * sizeof *quota);
    uint8_t *taken = calloc((size_t)whole->count, 1);
    sim_status status = SIM_OK;
    if (!order || !shuffled || !available || !quota || !taken) {
        status = sim_fail(SIM_ENOMEM, "no memory to draw %ld of %ld images", (long)limit, (long)whole->count);
        goto end;
    }
    struct sim_rng r = sim_rng_make(seed, SIM_PURPOSE_SUBSET, (uint32_t)split, (uint64_t)classes, 0);
    sim_rng_permutation(&r, (uint32_t)classes, order);
    for (int64_t i = 0; i < whole->count; i++) available[whole->label(whole->self, i)]++;
    share_out(limit, available, classes, order, quota);
    /* One shuffle of the whole set; each class takes from its front.  A larger limit therefore contains a
     * smaller one. */
    r = sim_rng_make(seed, SIM_PURPOSE_SUBSET, (uint32_t)split, (uint64_t)classes, 1);
    sim_rng_permutation(&r, (uint32_t)whole->count, shuffled);
    for (int64_t i = 0; i < whole->count; i++) {
        int64_t *left = &quota[whole->label(whole->self, shuffled[i])];
        if (*left > 0) taken[shuffled[i]] = 1, --*left;
    }
    int64_t n = 0;
    for (int64_t i = 0; i < whole->count; i++)
        if (taken[i]) index[n++] = i;
end:
    free(order);
    free(shuffled);
    free(available);
    free(quota);
    free(taken);
    return status;
}

/* Replaces *set by a part of it. */
static sim_status limit_to(struct sim_images *set, enum sim_split split, uint64_t seed, int64_t limit)
{
    if (limit == 0 || limit == set->count) return SIM_OK;
    if (limit > set->count)
        return sim_fail(SIM_EINVAL, "data.limit_%s asks for %ld images, and there are %ld; 0 takes all",
                        split == SIM_TRAIN ? "train" : "val", (long)limit, (long)set->count);
    struct subset *s = calloc(1, sizeof *s);
    int64_t *index = malloc((size_t)limit * sizeof *index);
    sim_status status = s && index ? draw(set, split, seed, limit, index)
                                   : sim_fail(SIM_ENOMEM, "no memory for %ld images", (long)limit);
    if (status != SIM_OK) {
        free(s);
        free(index);
        return status;
    }
    s->whole = *set;
    s->index = index;
    *set = (struct sim_images){.self = s,
                               .count = limit,
                               .classes = s->whole.classes,
                               .read = subset_read,
                               .read_into = subset_read_into,
                               .label = subset_label,
                               .name = subset_name,
                               .class_name = subset_class_name,
                               .close = subset_close};
    XXH64_hash_t seed_hash = XXH64(s->whole.manifest_hash, strlen(s->whole.manifest_hash), 0);
    memcpy(set->pack_hash, s->whole.pack_hash, sizeof set->pack_hash);
    snprintf(set->manifest_hash, sizeof set->manifest_hash, "%016llx",
             (unsigned long long)XXH64(index, (size_t)limit * sizeof *index, seed_hash));
    return SIM_OK;
}

/* ------------------------------------------------------------------ choosing */

sim_status sim_images_open_path(struct sim_images *out, const char *path, const char *key)
{
    struct stat s;
    size_t n;
    if (!*path)
        return sim_fail(SIM_EINVAL, "%s is empty: name a folder of CLASS/IMAGE, ARCHIVE[:FOLDER] or a pack",
                        key);
    if (stat(path, &s) == 0 && S_ISDIR(s.st_mode)) return sim_folder_open(out, path);
    if (sim_pack_is(path)) return sim_pack_open(out, path);
    if (sim_archive_split(path, &n)) return sim_archive_open(out, path);
    return sim_fail(SIM_EIO, "%s: there is no folder, no archive and no pack at %s", key, path);
}

sim_status sim_images_take_exif(struct sim_images *s, int exif, const char *key)
{
    if (exif == SIM_EXIF_IGNORE) return SIM_OK;
    if (!s->honour_exif)
        return sim_fail(SIM_EINVAL,
                        "%s: data.exif: honour cannot be had: no image of this set has EXIF data left", key);
    s->honour_exif(s->self);
    return SIM_OK;
}

sim_status sim_images_open(struct sim_images *out, const struct sim_data_config *c, enum sim_split split,
                           uint64_t seed)
{
    const char *key = split == SIM_TRAIN ? "data.train" : "data.val";
    memset(out, 0, sizeof *out);
    sim_status status = c->kind == SIM_DATA_PROCEDURAL
                            ? sim_procedural_open(out, c, split)
                            : sim_images_open_path(out, split == SIM_TRAIN ? c->train : c->val, key);
    if (status == SIM_OK && c->kind == SIM_DATA_FOLDER) status = sim_images_take_exif(out, c->exif, key);
    if (status == SIM_OK && out->count > UINT32_MAX)
        status = sim_fail(SIM_EINVAL, "%s: %ld images are more than %lu, the most that an epoch can shuffle",
                          key, (long)out->count, (unsigned long)UINT32_MAX);
    if (status == SIM_OK)
        status = limit_to(out, split, seed, split == SIM_TRAIN ? c->limit_train : c->limit_val);
    if (status == SIM_OK) status = sim_damaged_open(out);
    if (status != SIM_OK) sim_images_close(out);
    return status;
}

sim_status sim_images_agree(const struct sim_images *train, const struct sim_images *val)
{
    int a = 0, b = 0;
    while (a < train->classes && b < val->classes) {
        const char *x = train->class_name(train->self, a), *y = val->class_name(val->self, b);
        if (strcmp(x, y) != 0) break;
        a++, b++;
    }
    if (a == train->classes && b == val->classes) return SIM_OK;
    return sim_fail(
        SIM_EINVAL,
        "data.train and data.val differ in their classes (%d and %d): class number %d is %s%s%s in train and "
        "%s%s%s in val; labels would not mean the same",
        train->classes, val->classes, a, a < train->classes ? "'" : "",
        a < train->classes ? train->class_name(train->self, a) : "absent", a < train->classes ? "'" : "",
        b < val->classes ? "'" : "", b < val->classes ? val->class_name(val->self, b) : "absent",
        b < val->classes ? "'" : "");
}
