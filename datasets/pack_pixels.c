/* CIFAR-10, CIFAR-100 and MNIST as published: raw pixels in a few files, which become a PNG each. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "encode.h"
#include "file.h"
#include "pack_source.h"

enum { PARTS = 6, NAMES = PARTS - 1, LOOK_AT = 16, PULL_BYTES = 1 << 16 };
enum { CIFAR_SIDE = 32, CIFAR_PIXELS = CIFAR_SIDE * CIFAR_SIDE * 3, PNG_EXTRA = 1024 };
static const size_t most_part_bytes = (size_t)1 << 30;

/* One set in the form in which it is published. */
struct form {
    const char *about;
    const char *parts[2][NAMES]; /* training, validation; NULL: no more */
    const char *names;           /* of the file of class names, a line each */
    int label_bytes, label_at;   /* in front of an image's pixels, and which of them counts */
};
static const struct form forms[] = {
    {"CIFAR-10",
     {{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
      {"test_batch.bin"}},
     "batches.meta.txt",
     1,
     0},
    {"CIFAR-100", {{"train.bin"}, {"test.bin"}}, "fine_label_names.txt", 2, 1},
};
enum { FORMS = sizeof forms / sizeof *forms };

struct pixels {
    struct sim_bytes part[PARTS]; /* the last holds CIFAR's class names, or MNIST's labels */
    int found[PARTS];
    int width, height, channels; /* of every image */
};

/* ------------------------------------------------------------------ files, also out of archives */

/* The rest of the current member into *out. */
static sim_status read_member(struct archive *a, const char *path, struct sim_bytes *out)
{
    for (out->count = 0;;) {
        if (out->count > most_part_bytes)
            return sim_fail(SIM_EFORMAT, "%s: larger than the %zu bytes that such a file may have", path,
                            most_part_bytes);
        SIM_TRY(sim_bytes_reserve(out, out->count + PULL_BYTES, path));
        la_ssize_t n = archive_read_data(a, out->data + out->count, PULL_BYTES);
        if (n < 0)
            return sim_fail(SIM_EFORMAT, "%s: cut short or damaged: %s", path,
                            archive_error_string(a) ? archive_error_string(a) : "unexpected end");
        if (n == 0) return SIM_OK;
        out->count += (size_t)n;
    }
}

/* A file as it is, or what gzip made of it. */
static sim_status read_file(const char *path, struct sim_bytes *out)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    if (!a) return sim_fail(SIM_ENOMEM, "%s: no memory", path);
    archive_read_support_filter_gzip(a);
    archive_read_support_format_raw(a);
    sim_status status = archive_read_open_filename(a, path, PULL_BYTES) == ARCHIVE_OK &&
                                archive_read_next_header(a, &e) == ARCHIVE_OK
                            ? read_member(a, path, out)
                            : sim_fail(SIM_EIO, "%s: cannot read: %s", path, archive_error_string(a));
    archive_read_free(a);
    return status;
}

static int part_of(const struct form *f, int val, const char *name)
{
    for (int k = 0; k < NAMES && f->parts[val][k]; k++)
        if (strcmp(name, f->parts[val][k]) == 0) return k;
    return strcmp(name, f->names) == 0 ? NAMES : -1;
}

static const struct form *form_with(const char *name)
{
    for (int k = 0; k < FORMS; k++)
        if (part_of(&forms[k], 0, name) >= 0 || part_of(&forms[k], 1, name) >= 0) return &forms[k];
    return NULL;
}

/* Reads the parts of a set out of an archive.  Only as far as it takes to see that there are none; *form is
 * NULL then. */
static sim_status read_archive(struct pixels *p, const char *path, int val, const struct form **form)
{
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    sim_status status = SIM_OK;
    int code = ARCHIVE_FATAL;
    *form = NULL;
    if (!a) return sim_fail(SIM_ENOMEM, "%s: no memory", path);
    archive_read_support_filter_all(a);
    archive_read_support_format_tar(a);
    if (archive_read_open_filename(a, path, PULL_BYTES) != ARCHIVE_OK) goto end;
    for (int n = 0; status == SIM_OK && (code = archive_read_next_header(a, &e)) == ARCHIVE_OK; n++) {
        const char *name = archive_entry_pathname(e) ? basename(archive_entry_pathname(e)) : "";
        if (!*form) *form = form_with(name);
        if (!*form && n >= LOOK_AT) goto end;
        int part = *form ? part_of(*form, val, name) : -1;
        if (part >= 0) status = read_member(a, path, &p->part[part]);
        if (part >= 0) p->found[part] = 1;
    }
    if (*form && status == SIM_OK && code != ARCHIVE_EOF)
        status = sim_fail(SIM_EFORMAT, "%s: the archive is cut short or damaged: %s", path,
                          archive_error_string(a));
end:
    archive_read_free(a);
    return status;
}

static int is_there(const char *folder, const char *name, char *path, int size)
{
    struct stat s;
    return snprintf(path, (size_t)size, "%s/%s", folder, name) < size && stat(path, &s) == 0 &&
           S_ISREG(s.st_mode);
}

static sim_status read_folder(struct pixels *p, const char *folder, int val, const struct form **form)
{
    char path[4096];
    *form = NULL;
    for (int k = 0; k < FORMS && !*form; k++)
        if (is_there(folder, forms[k].names, path, sizeof path)) *form = &forms[k];
    for (int k = 0; k < PARTS && *form; k++) {
        const char *name = k < NAMES ? (*form)->parts[val][k] : (*form)->names;
        if (!name || !is_there(folder, name, path, sizeof path)) continue;
        SIM_TRY(read_file(path, &p->part[k]));
        p->found[k] = 1;
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ the list of images */

/* Image `number` of `part`, whose pixels begin at `at` of it. */
static sim_status add_image(struct sim_catalogue *list, const struct pixels *p, const char *class,
                            const char *part, int64_t number, int k, size_t at)
{
    char *path;
    if (asprintf(&path, "%s/%.*s-%05lld.png", class, (int)strcspn(part, "."), part, (long long)number) < 0)
        return sim_fail(SIM_ENOMEM, "no memory for a name");
    sim_status status =
        sim_catalogue_add(list, path, (uint64_t)p->width * (uint64_t)p->height * 3 + PNG_EXTRA, NULL);
    if (status == SIM_OK) list->members[list->count - 1].at = (uint64_t)k << 32 | at;
    free(path);
    return status;
}

/* Lines of a text, cut out of it; returns how many. */
static int cut_lines(struct sim_bytes *text, const char **line, int most)
{
    int count = 0;
    char *at = (char *)text->data, *end = at + text->count;
    while (at < end) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        if (n > 0 && at[n - 1] == '\r') at[n - 1] = 0;
        at[n] = 0; /* reserved beyond count */
        if (*at && count < most) line[count++] = at;
        at += n + 1;
    }
    return count;
}

static sim_status list_cifar(struct sim_catalogue *list, struct pixels *p, const struct form *f, int val,
                             const char *where)
{
    enum { MOST = 256 };
    const char *class[MOST];
    const size_t record = (size_t)f->label_bytes + CIFAR_PIXELS;
    p->width = p->height = CIFAR_SIDE, p->channels = 3;
    if (!p->found[NAMES])
        return sim_fail(SIM_EFORMAT, "%s: %s lacks %s, which names its classes", where, f->about, f->names);
    SIM_TRY(sim_bytes_reserve(&p->part[NAMES], p->part[NAMES].count + 1, where));
    int classes = cut_lines(&p->part[NAMES], class, MOST);
    for (int k = 0; k < classes; k++)
        if (strchr(class[k], '/') || class[k][0] == '.')
            return sim_fail(SIM_EFORMAT, "%s: %s: \"%s\" cannot be a class", where, f->names, class[k]);
    for (int k = 0; k < NAMES && f->parts[val][k]; k++) {
        const struct sim_bytes *b = &p->part[k];
        if (!p->found[k]) return sim_fail(SIM_EFORMAT, "%s: %s lacks %s", where, f->about, f->parts[val][k]);
        if (b->count == 0 || b->count % record)
            return sim_fail(SIM_EFORMAT,
                            "%s: %s has %zu bytes, no multiple of the %zu of an image: it is cut or damaged",
                            where, f->parts[val][k], b->count, record);
        for (size_t i = 0; i < b->count / record; i++) {
            int label = b->data[i * record + (size_t)f->label_at];
            if (label >= classes)
                return sim_fail(SIM_EFORMAT, "%s: %s: image %zu is of class %d, and %s names %d classes",
                                where, f->parts[val][k], i, label, f->names, classes);
            SIM_TRY(add_image(list, p, class[label], f -> parts[val][k], (int64_t)i, k,
                              i *record + (size_t)f -> label_bytes));
        }
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ idx */

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* An idx file of bytes in `dims` dimensions, whose sizes come first. */
static sim_status check_idx(const struct sim_bytes *b, const char *path, int dims, uint32_t *size)
{
    const size_t head = 4 + 4 * (size_t)dims;
    uint64_t bytes = 1;
    int sound =
        b->count >= head && b->data[0] == 0 && b->data[1] == 0 && b->data[2] == 8 && b->data[3] == dims;
    for (int k = 0; k < dims && sound; k++) {
        size[k] = big_endian(b->data + 4 + 4 * k);
        sound = size[k] > 0 && size[k] <= most_part_bytes / bytes;
        bytes *= size[k];
    }
    if (sound && b->count - head == bytes) return SIM_OK;
    return sim_fail(SIM_EFORMAT, "%s is no whole idx file of bytes in %d dimensions (it has %zu bytes)", path,
                    dims, b->count);
}

static sim_status list_idx(struct sim_catalogue *list, struct pixels *p, const char *images,
                           const char *labels)
{
    uint32_t size[3], count;
    SIM_TRY(read_file(images, &p->part[0]));
    SIM_TRY(read_file(labels, &p->part[NAMES]));
    SIM_TRY(check_idx(&p->part[0], images, 3, size));
    SIM_TRY(check_idx(&p->part[NAMES], labels, 1, &count));
    if (count != size[0])
        return sim_fail(SIM_EFORMAT, "%s has %u images, and %s has %u labels", images, size[0], labels,
                        count);
    if (size[1] > 4096 || size[2] > 4096)
        return sim_fail(SIM_EFORMAT, "%s: images of %u x %u pixels are no idx set that anyone knows", images,
                        size[2], size[1]);
    p->height = (int)size[1], p->width = (int)size[2], p->channels = 1;
    for (uint32_t i = 0; i < count; i++) {
        char class[4];
        snprintf(class, sizeof class, "%u", (unsigned)p->part[NAMES].data[8 + i]);
        SIM_TRY(
            add_image(list, p, class, basename(images), (int64_t)i, 0, 16 + (size_t)i * size[1] * size[2]));
    }
    return SIM_OK;
}

/* "DIR/train-labels-idx1-ubyte.gz" for "DIR/train-images-idx3-ubyte.gz", or, where there is none, with or
 * without the ending; 0 where the name says nothing. */
static int labels_beside(const char *images, char *out, int size)
{
    static const char from[2][8] = {"images", "idx3"}, to[2][8] = {"labels", "idx1"};
    char name[256];
    struct stat s;
    int folder = (int)(basename(images) - images);
    if (snprintf(name, sizeof name, "%s", images + folder) >= (int)sizeof name) return 0;
    for (int k = 0; k < 2; k++) {
        char *at = strstr(name, from[k]);
        if (!at) return 0;
        memcpy(at, to[k], strlen(to[k]));
    }
    int gzip = strlen(name) > 3 && strcmp(name + strlen(name) - 3, ".gz") == 0;
    if (snprintf(out, (size_t)size, "%.*s%s", folder, images, name) >= size) return 0;
    if (stat(out, &s) == 0) return 1;
    if (gzip) name[strlen(name) - 3] = 0;
    return snprintf(out, (size_t)size, "%.*s%s%s", folder, images, name, gzip ? "" : ".gz") < size;
}

/* The idx file of images that a path means, or 0: the file itself, or the one of a folder. */
static int find_idx(const char *path, int folder, int val, char *out, int size)
{
    static const char *const names[2][2] = {{"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"},
                                            {"t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"}};
    if (!folder) return strstr(basename(path), "idx3") && snprintf(out, (size_t)size, "%s", path) < size;
    return is_there(path, names[val][0], out, size) || is_there(path, names[val][1], out, size);
}

/* ------------------------------------------------------------------ the source */

static sim_status pixels_read(void *self, const struct sim_member *m, struct sim_bytes *out)
{
    const struct pixels *p = self;
    const size_t plane = (size_t)p->width * (size_t)p->height;
    const uint8_t *from = p->part[m->at >> 32].data + (m->at & UINT32_MAX);
    uint8_t *rgb = malloc(plane * 3);
    void *png = NULL;
    size_t count = 0;
    if (!rgb) return sim_fail(SIM_ENOMEM, "%s: no memory", m->path);
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++) rgb[3 * i + c] = from[p->channels == 3 ? c * plane + i : i];
    sim_status status = sim_png_encode(rgb, p->width, p->height, &png, &count);
    if (status == SIM_OK) status = sim_bytes_reserve(out, count, m->path);
    if (status == SIM_OK) memcpy(out->data, png, out->count = count);
    free(png);
    free(rgb);
    return status;
}

static void pixels_close(void *self)
{
    struct pixels *p = self;
    for (int k = 0; k < PARTS; k++) sim_bytes_close(&p->part[k]);
    free(p);
}

/* Reads what is there; *is as in pack_source.h. */
static sim_status read_set(struct sim_pack_source *out, struct pixels *p,
                           const struct sim_pack_source_config *c, int folder, int *is)
{
    char images[4096], labels[4096];
    const struct form *form = NULL;
    const char *part = c->val ? "validation" : "training";
    if (find_idx(c->path, folder, c->val, images, sizeof images)) {
        *is = 1;
        if (!c->labels && !labels_beside(images, labels, sizeof labels))
            return sim_fail(SIM_EINVAL, "%s: its name does not say where the labels lie: give --labels FILE",
                            images);
        snprintf(out->about, sizeof out->about, "idx %.64s, pixels as PNG", basename(images));
        return list_idx(&out->list, p, images, c->labels ? c->labels : labels);
    }
    SIM_TRY(folder ? read_folder(p, c->path, c->val, &form) : read_archive(p, c->path, c->val, &form));
    *is = form != NULL;
    if (!form) return SIM_OK;
    snprintf(out->about, sizeof out->about, "%s, %s images, pixels as PNG", form->about, part);
    return list_cifar(&out->list, p, form, c->val, c->path);
}

sim_status sim_pack_pixels_open(struct sim_pack_source *out, const struct sim_pack_source_config *c, int *is)
{
    struct stat s;
    *is = 0;
    if (stat(c->path, &s) != 0 || !(S_ISDIR(s.st_mode) || S_ISREG(s.st_mode))) return SIM_OK;
    struct pixels *p = calloc(1, sizeof *p);
    if (!p) return sim_fail(SIM_ENOMEM, "%s: no memory", c->path);
    sim_status status = read_set(out, p, c, S_ISDIR(s.st_mode), is);
    if (!*is) {
        pixels_close(p);
        return status;
    }
    out->self = p, out->read = pixels_read, out->close = pixels_close, out->drawn = 1;
    return status == SIM_OK ? sim_catalogue_finish(&out->list, c->path) : status;
}
