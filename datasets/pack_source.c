#include "pack_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_images.h"
#include "pack.h"

/* ------------------------------------------------------------------ bytes */

sim_status sim_bytes_reserve(struct sim_bytes *b, size_t room, const char *what)
{
    if (room <= b->room) return SIM_OK;
    if (room < 2 * b->room) room = 2 * b->room;
    uint8_t *moved = realloc(b->data, room);
    if (!moved) return sim_fail(SIM_ENOMEM, "%s: no memory for %zu bytes", what, room);
    b->data = moved, b->room = room;
    return SIM_OK;
}

void sim_bytes_close(struct sim_bytes *b)
{
    free(b->data);
    *b = (struct sim_bytes){0};
}

static sim_status copy_to(struct sim_bytes *out, const uint8_t *bytes, size_t count, const char *what)
{
    SIM_TRY(sim_bytes_reserve(out, count, what));
    if (count) memcpy(out->data, bytes, count);
    out->count = count;
    return SIM_OK;
}

sim_status sim_pack_read_at(int fd, uint64_t offset, uint64_t count, const char *what, struct sim_bytes *out)
{
    if (count > SIM_IMAGE_FILE_BYTES)
        return sim_fail(SIM_EFORMAT, "%s: %llu bytes are more than an image may have", what,
                        (unsigned long long)count);
    SIM_TRY(sim_bytes_reserve(out, (size_t)count, what));
    for (out->count = 0; out->count < count;) {
        ssize_t n =
            pread(fd, out->data + out->count, (size_t)count - out->count, (off_t)(offset + out->count));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sim_fail(SIM_EIO, "%s: cannot read: %s", what, strerror(errno));
        if (n == 0)
            return sim_fail(SIM_EFORMAT, "%s: it ends after %zu of %llu bytes: did it change meanwhile?",
                            what, out->count, (unsigned long long)count);
        out->count += (size_t)n;
    }
    return SIM_OK;
}

/* ------------------------------------------------------------------ folders and archives of class folders */

struct listed {
    char *prefix;
};

static sim_status listed_read(void *self, const struct sim_member *m, struct sim_bytes *out)
{
    const struct listed *l = self;
    char *path = NULL;
    if (m->data) return copy_to(out, m->data, (size_t)m->size_bytes, m->path);
    if (asprintf(&path, "%s%s", l->prefix, m->path) < 0)
        return sim_fail(SIM_ENOMEM, "%s: no memory", m->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    sim_status status = fd < 0 ? sim_fail(SIM_EIO, "%s: cannot open: %s", path, strerror(errno))
                               : sim_pack_read_at(fd, 0, m->size_bytes, path, out);
    if (fd >= 0) close(fd);
    free(path);
    return status;
}

static void listed_close(void *self)
{
    struct listed *l = self;
    free(l->prefix);
    free(l);
}

typedef sim_status lister(struct sim_catalogue *c, const char *path, char **prefix);

static sim_status open_listed(struct sim_pack_source *out, const char *path, lister *list, const char *about)
{
    struct listed *l = calloc(1, sizeof *l);
    if (!l) return sim_fail(SIM_ENOMEM, "%s: no memory", path);
    out->self = l, out->read = listed_read, out->close = listed_close;
    snprintf(out->about, sizeof out->about, "%s", about);
    SIM_TRY(list(&out->list, path, &l->prefix));
    return sim_catalogue_finish(&out->list, path);
}

/* ------------------------------------------------------------------ a pack */

static sim_status pack_read(void *self, const struct sim_member *m, struct sim_bytes *out)
{
    const uint8_t *bytes;
    size_t count;
    SIM_TRY(sim_pack_file(self, (int64_t)m->at, &bytes, &count));
    sim_status status = copy_to(out, bytes, count, m->path);
    sim_pack_release(self, bytes, count);
    return status;
}

static void pack_close(void *self)
{
    sim_pack_unmap(self);
    free(self);
}

static sim_status open_pack(struct sim_pack_source *out, const char *path)
{
    char name[4096];
    struct sim_pack *p = calloc(1, sizeof *p);
    if (!p) return sim_fail(SIM_ENOMEM, "%s: no memory", path);
    out->self = p, out->read = pack_read, out->close = pack_close;
    SIM_TRY(sim_pack_map(p, path));
    snprintf(out->about, sizeof out->about, "%s", p->header->source);
    for (int64_t i = 0; i < p->images; i++) {
        sim_pack_path(p, i, name, sizeof name);
        if (strlen(name) == sizeof name - 1)
            return sim_fail(SIM_EFORMAT, "%s: the name of image %lld is too long", path, (long long)i);
        SIM_TRY(sim_catalogue_add(&out->list, name, p->index[i].bytes, NULL));
        out->list.members[i].at = (uint64_t)i;
    }
    return sim_catalogue_finish(&out->list, path);
}

/* ------------------------------------------------------------------ choosing */

static sim_status choose(struct sim_pack_source *out, const struct sim_pack_source_config *c)
{
    struct stat s;
    size_t n;
    int is, folder = stat(c->path, &s) == 0 && S_ISDIR(s.st_mode);
    if (sim_pack_is(c->path)) return open_pack(out, c->path);
    SIM_TRY(sim_pack_pixels_open(out, c, &is));
    if (is) return SIM_OK;
    SIM_TRY(sim_pack_tars_open(out, c, &is));
    if (is) return SIM_OK;
    if (c->labels || c->val)
        return sim_fail(SIM_EINVAL, "%s: %s is for %s, which this is not", c->path,
                        c->labels ? "--labels" : "--val",
                        c->labels ? "images that lie in no class folder, and for idx files"
                                  : "CIFAR's and MNIST's files, which hold both parts of a set");
    if (folder) return open_listed(out, c->path, sim_folder_list, "class folders of images");
    if (sim_archive_split(c->path, &n))
        return open_listed(out, c->path, sim_archive_list, "class folders of images");
    return sim_fail(SIM_EIO, "there is nothing to pack at %s: no folder, archive, pack or idx file", c->path);
}

sim_status sim_pack_source_open(struct sim_pack_source *out, const struct sim_pack_source_config *c)
{
    *out = (struct sim_pack_source){0};
    sim_status status = choose(out, c);
    if (status != SIM_OK) sim_pack_source_close(out);
    return status;
}

void sim_pack_source_close(struct sim_pack_source *s)
{
    if (s->close) s->close(s->self);
    sim_catalogue_close(&s->list);
    *s = (struct sim_pack_source){0};
}
