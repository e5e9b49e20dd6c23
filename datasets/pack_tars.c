/* ImageNet as it is published: a tar of one tar for each class, or images without classes and a list of
 * labels.  The tars are not compressed, so only their headers are read here; an image's bytes are fetched
 * from its place when they are wanted. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pack_labels.h"
#include "pack_source.h"
#include "progress.h"

enum { PULL_BYTES = 1 << 14, PEEK_MEMBERS = 64 };

struct tars {
    const struct sim_pack_source_config *config;
    char *path;                 /* the tar, or the folder */
    int fd;                     /* of the tar; -1: a folder of tars or of images */
    int folder_of_tars;         /* of which CLASS.tar holds the images CLASS/... */
    struct sim_catalogue *list; /* being filled */
    struct sim_progress progress;
};

/* 1: called X.tar, and X is a name for a class. */
static int is_tar_name(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && name[0] != '.' && strcmp(name + n - 4, ".tar") == 0;
}

/* ------------------------------------------------------------------ headers of a tar */

/* A tar that is a part of an open file. */
struct part {
    int fd;
    uint64_t begin, end, at;
    const char *name; /* for errors */
    uint8_t pulled[PULL_BYTES];
};

static la_ssize_t pull(struct archive *a, void *context, const void **out)
{
    struct part *p = context;
    size_t count = p->end - p->at < PULL_BYTES ? (size_t)(p->end - p->at) : PULL_BYTES;
    ssize_t n = pread(p->fd, p->pulled, count, (off_t)p->at);
    if (n < 0) {
        archive_set_error(a, errno, "%s", strerror(errno));
        return -1;
    }
    p->at += (uint64_t)n;
    *out = p->pulled;
    return n;
}

static la_int64_t skip(struct archive *a, void *context, la_int64_t count)
{
    struct part *p = context;
    (void)a;
    uint64_t left = p->end - p->at, step = count < 0 ? 0 : (uint64_t)count < left ? (uint64_t)count : left;
    p->at += step;
    return (la_int64_t)step;
}

/* One regular file of a tar: its name without folders, where its bytes begin in the open file, how many they
 * are. A status other than SIM_OK ends the scan; *enough ends it too. */
typedef sim_status visitor(void *context, const char *name, uint64_t at, uint64_t size, int *enough);

static sim_status visit(struct part *p, struct archive *a, visitor *visit_member, void *context)
{
    struct archive_entry *e;
    int64_t members = 0;
    int code = ARCHIVE_OK, enough = 0;
    while (!enough && (code = archive_read_next_header(a, &e)) == ARCHIVE_OK) {
        uint64_t at = p->begin + (uint64_t)archive_filter_bytes(a, 0), size = (uint64_t)archive_entry_size(e);
        const char *utf8 = archive_entry_pathname_utf8(e), *name = utf8 ? utf8 : archive_entry_pathname(e);
        members++;
        if (!name || archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e)) continue;
        if (at > p->end || size > p->end - at || archive_entry_sparse_count(e) > 0)
            return sim_fail(SIM_EFORMAT, "%s: cut short or damaged at its member '%s'", p->name, name);
        SIM_TRY(visit_member(context, basename(name), at, size, &enough));
    }
    if (enough || code == ARCHIVE_EOF) return SIM_OK;
    return sim_fail(SIM_EFORMAT, "%s: cut short or damaged behind its member number %lld: %s", p->name,
                    (long long)members, archive_error_string(a) ? archive_error_string(a) : "unexpected end");
}

static sim_status scan(int fd, uint64_t begin, uint64_t size, const char *name, visitor *visit_member,
                       void *context)
{
    struct part *p = malloc(sizeof *p);
    struct archive *a = archive_read_new();
    sim_status status = SIM_OK;
    if (!p || !a) {
        status = sim_fail(SIM_ENOMEM, "%s: no memory to read a tar", name);
    } else {
        p->fd = fd, p->begin = p->at = begin, p->end = begin + size, p->name = name;
        archive_read_support_format_tar(a);
        archive_read_set_read_callback(a, pull);
        archive_read_set_skip_callback(a, skip);
        archive_read_set_callback_data(a, p);
        status = archive_read_open1(a) == ARCHIVE_OK
                     ? visit(p, a, visit_member, context)
                     : sim_fail(SIM_EFORMAT, "%s is no tar: %s", name, archive_error_string(a));
    }
    archive_read_free(a);
    free(p);
    return status;
}

/* Opens a file; *size its bytes. */
static sim_status open_file(const char *path, int *fd, uint64_t *size)
{
    struct stat s;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &s) != 0) {
        sim_status status = sim_fail(SIM_EIO, "%s: cannot open: %s", path, strerror(errno));
        if (*fd >= 0) close(*fd);
        *fd = -1;
        return status;
    }
    *size = (uint64_t)s.st_size;
    return SIM_OK;
}

/* ------------------------------------------------------------------ what a path holds */

struct glance {
    int64_t tars, images, others;
    int folders; /* of a folder: there are such in it */
};

static sim_status glance(void *context, const char *name, uint64_t at, uint64_t size, int *enough)
{
    struct glance *g = context;
    (void)at, (void)size;
    if (is_tar_name(name))
        g->tars++;
    else if (sim_catalogue_is_image(name, NULL, 0) == 1)
        g->images++;
    else
        g->others++;
    *enough = g->tars + g->images + g->others >= PEEK_MEMBERS;
    return SIM_OK;
}

/* Calls visit_member for each file of a folder, at being 0; *folders (or NULL) becomes 1 where there are
 * folders too. */
static sim_status walk(const char *path, visitor *visit_member, void *context, int *folders)
{
    DIR *dir = opendir(path);
    sim_status status = SIM_OK;
    int enough = 0;
    if (!dir) return sim_fail(SIM_EIO, "cannot read the folder %s: %s", path, strerror(errno));
    for (struct dirent *e; status == SIM_OK && !enough && (e = readdir(dir));) {
        struct stat s;
        if (e->d_name[0] == '.' || fstatat(dirfd(dir), e->d_name, &s, 0) != 0) continue;
        if (S_ISDIR(s.st_mode) && folders) *folders = 1;
        if (S_ISREG(s.st_mode)) status = visit_member(context, e->d_name, 0, (uint64_t)s.st_size, &enough);
    }
    closedir(dir);
    return status;
}

/* ------------------------------------------------------------------ a tar for each class */

/* The class whose tar is being read. */
struct class_tar {
    struct tars *t;
    int fd;
    const char *class;
};

static sim_status add_image(struct tars *t, int fd, const char *class, const char *name, uint64_t at,
                            uint64_t size)
{
    uint8_t head[SIM_HEAD_BYTES];
    char *path;
    int image = name[0] == '.' ? 0 : sim_catalogue_is_image(name, NULL, 0);
    if (image < 0) {
        ssize_t n = pread(fd, head, sizeof head < size ? sizeof head : (size_t)size, (off_t)at);
        image = sim_catalogue_is_image(name, head, n > 0 ? (size_t)n : 0);
    }
    if (!image) {
        sim_catalogue_leave_out(t->list, name);
        return SIM_OK;
    }
    if (asprintf(&path, "%s/%s", class, name) < 0) return sim_fail(SIM_ENOMEM, "%s: no memory", name);
    sim_status status = sim_catalogue_add(t->list, path, size, NULL);
    if (status == SIM_OK) t->list->members[t->list->count - 1].at = at;
    free(path);
    return status;
}

static sim_status take_class_image(void *context, const char *name, uint64_t at, uint64_t size, int *enough)
{
    struct class_tar *c = context;
    (void)enough;
    return add_image(c->t, c->fd, c->class, name, at, size);
}

static sim_status read_class(struct tars *t, int fd, const char *tar_name, uint64_t at, uint64_t size)
{
    char where[512], class[256];
    snprintf(where, sizeof where, "%.240s: %.240s", t->path, tar_name);
    if (strlen(tar_name) - 4 >= sizeof class)
        return sim_fail(SIM_EFORMAT, "%s: this name is too long", where);
    snprintf(class, sizeof class, "%.*s", (int)strlen(tar_name) - 4, tar_name);
    struct class_tar c = {t, fd, class};
    SIM_TRY(sim_catalogue_add_class(t->list, class));
    return scan(fd, at, size, where, take_class_image, &c);
}

static sim_status take_inner_tar(void *context, const char *name, uint64_t at, uint64_t size, int *enough)
{
    struct tars *t = context;
    (void)enough;
    sim_progress_update(&t->progress, (int64_t)(at >> 20), NULL);
    if (is_tar_name(name)) return read_class(t, t->fd, name, at, size);
    sim_catalogue_leave_out(t->list, name);
    return SIM_OK;
}

static sim_status take_tar_file(void *context, const char *name, uint64_t at, uint64_t size, int *enough)
{
    struct tars *t = context;
    char *path;
    int fd;
    (void)at, (void)enough;
    if (!is_tar_name(name)) {
        sim_catalogue_leave_out(t->list, name);
        return SIM_OK;
    }
    if (asprintf(&path, "%s/%s", t->path, name) < 0) return sim_fail(SIM_ENOMEM, "%s: no memory", name);
    sim_status status = open_file(path, &fd, &size);
    if (status == SIM_OK) status = read_class(t, fd, name, 0, size);
    if (fd >= 0) close(fd);
    free(path);
    return status;
}

/* ------------------------------------------------------------------ images without classes */

static sim_status take_flat_image(void *context, const char *name, uint64_t at, uint64_t size, int *enough)
{
    struct tars *t = context;
    (void)enough;
    if (sim_catalogue_is_image(name, NULL, 0) == 1) return add_image(t, t->fd, "", name, at, size);
    sim_catalogue_leave_out(t->list, name);
    return SIM_OK;
}

/* `flat` has paths "/NAME", sorted; they get their classes in front. */
static sim_status put_classes(struct tars *t, const struct sim_catalogue *flat)
{
    struct sim_label_list labels;
    SIM_TRY(sim_label_list_open(&labels, t->config->labels, t->config->synsets));
    sim_status status = SIM_OK;
    for (int64_t i = 0; i < flat->count && status == SIM_OK; i++) {
        const struct sim_member *m = &flat->members[i];
        const char *name = m->path + 1, *class;
        status = sim_label_list_find(&labels, name, i, flat->count, &class);
        if (status == SIM_OK && (strchr(class, '/') || class[0] == '.'))
            status = sim_fail(SIM_EINVAL, "%s: \"%s\" cannot be a class, for its name would be a path",
                              labels.path, class);
        if (status == SIM_OK) status = add_image(t, t->fd, class, name, m->at, m->size_bytes);
    }
    sim_label_list_close(&labels);
    return status;
}

static sim_status label_flat(struct tars *t)
{
    struct sim_catalogue flat = *t->list;
    *t->list = (struct sim_catalogue){.left_out = flat.left_out};
    memcpy(t->list->first_left_out, flat.first_left_out, sizeof flat.first_left_out);
    sim_catalogue_sort(&flat);
    sim_status status = put_classes(t, &flat);
    sim_catalogue_close(&flat);
    return status;
}

/* ------------------------------------------------------------------ reading, opening */

static sim_status tars_read(void *self, const struct sim_member *m, struct sim_bytes *out)
{
    const struct tars *t = self;
    if (t->fd >= 0) return sim_pack_read_at(t->fd, m->at, m->size_bytes, m->path, out);
    const char *name = strchr(m->path, '/') + 1;
    char *path;
    int fd, n = t->folder_of_tars
                    ? asprintf(&path, "%s/%.*s.tar", t->path, (int)(name - 1 - m->path), m->path)
                    : asprintf(&path, "%s/%s", t->path, name);
    uint64_t size;
    if (n < 0) return sim_fail(SIM_ENOMEM, "%s: no memory", m->path);
    sim_status status = open_file(path, &fd, &size);
    if (status == SIM_OK) status = sim_pack_read_at(fd, m->at, m->size_bytes, path, out);
    if (fd >= 0) close(fd);
    free(path);
    return status;
}

static void tars_close(void *self)
{
    struct tars *t = self;
    if (t->fd >= 0) close(t->fd);
    free(t->path);
    free(t);
}

/* What lies there: tars of classes, images without classes for which there are labels, or something else. */
static sim_status look(struct tars *t, int folder, uint64_t size, int *tars, int *flat)
{
    struct glance g = {0};
    if (folder)
        SIM_TRY(walk(t->path, glance, &g, &g.folders));
    else if (scan(t->fd, 0, size, t->path, glance, &g) != SIM_OK && g.tars == 0)
        return SIM_OK; /* compressed, or no tar: others will say */
    *tars = g.tars > 0 && g.images == 0 && !g.folders;
    *flat = g.images > 0 && t->config->labels;
    return SIM_OK;
}

static sim_status list(struct tars *t, int folder, uint64_t size, int tars)
{
    sim_status status;
    t->folder_of_tars = folder && tars;
    sim_progress_start(&t->progress, "listing", "MB", folder ? 0 : (int64_t)(size >> 20));
    if (folder)
        status = walk(t->path, tars ? take_tar_file : take_flat_image, t, NULL);
    else
        status = scan(t->fd, 0, size, t->path, tars ? take_inner_tar : take_flat_image, t);
    sim_progress_finish(&t->progress);
    if (status == SIM_OK && !tars) status = label_flat(t);
    return status == SIM_OK ? sim_catalogue_finish(t->list, t->path) : status;
}

sim_status sim_pack_tars_open(struct sim_pack_source *out, const struct sim_pack_source_config *c, int *is)
{
    struct stat s;
    uint64_t size = 0;
    int tars = 0, flat = 0;
    *is = 0;
    if (stat(c->path, &s) != 0 || !(S_ISDIR(s.st_mode) || S_ISREG(s.st_mode))) return SIM_OK;
    struct tars *t = calloc(1, sizeof *t);
    if (!t || !(t->path = strdup(c->path))) {
        free(t);
        return sim_fail(SIM_ENOMEM, "%s: no memory", c->path);
    }
    t->fd = -1, t->config = c, t->list = &out->list;
    sim_status status = S_ISDIR(s.st_mode) ? SIM_OK : open_file(t->path, &t->fd, &size);
    if (status == SIM_OK) status = look(t, S_ISDIR(s.st_mode), size, &tars, &flat);
    *is = status == SIM_OK && (tars || flat);
    if (*is) {
        out->self = t, out->read = tars_read, out->close = tars_close;
        snprintf(out->about, sizeof out->about, "%s",
                 tars ? "a tar for each class" : "images and a list of labels");
        return list(t, S_ISDIR(s.st_mode), size, tars);
    }
    tars_close(t);
    return status;
}
