/* A tar archive (plain, gzip, bzip2, xz, zstd) of class folders of images.  It is read once, from end to end,
 * when the set is opened; the members' own compressed bytes then stay in memory, so that a run trains
 * straight from it.
 *
 * Two libarchive readers are stacked: the lower one only decompresses, the upper one only knows tar and pulls
 * from the lower.  After tar's end the lower is drained, which is how a cut is seen that falls behind the
 * last member. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_images.h"
#include "catalogue.h"
#include "progress.h"

enum { TAR_BLOCK = 512, PULL_BYTES = 1 << 16, TOP_NAMES = 4 };

/* Images hardly shrink, so a stream that is so many times its file is no set of them but a bomb, be it packed
 * once or several times over.  The first bytes are free: an archive of small equal files shrinks well. */
enum { BOMB_FREE_BYTES = 64 << 20, BOMB_RATIO = 250 };
/* Hard links repeat members in memory.  Together they may take so many times the stream. */
enum { LINKED_FREE_BYTES = 64 << 20, LINKED_RATIO = 4 };

struct link {
    char *path, *target; /* both from the archive's root */
};

struct reader {
    const char *path;               /* of the archive */
    char *folder;                   /* inside it, normalised; "" for its root */
    struct archive *stream, *tar;   /* lower and upper */
    uint8_t *pulled;                /* PULL_BYTES that the upper reads from */
    int64_t pulled_bytes;           /* of the decompressed stream so far */
    struct sim_catalogue catalogue; /* paths below `folder` */
    uint8_t *bytes;                 /* the member being read */
    size_t size, room;
    uint64_t kept_bytes, most_bytes; /* of members in memory, and how much of that is sane */
    int bomb;                        /* decompression was given up */
    int64_t whole;                   /* members read to their end */
    int64_t end_bytes;               /* where the last whole member's data end in the stream */
    char *last;                      /* its name */
    struct link *links;
    int64_t link_count, link_room;
    char top[TOP_NAMES][64]; /* first names met at the root, for the error about a missing folder */
    int top_count;
    int found; /* something lies in `folder` */
    struct sim_progress progress;
};

/* ------------------------------------------------------------------ names */

/* Drops "." and empty components in place.  0 when the name climbs with ".." or is empty; -1 when a component
 * is hidden (begins with a dot): such files are not images of anybody's set. */
static int normalise(char *name)
{
    char *to = name;
    int hidden = 0;
    for (char *from = name; *from;) {
        size_t n = strcspn(from, "/"), step = n + (from[n] == '/');
        if (n == 2 && from[0] == '.' && from[1] == '.') return 0;
        if (n > 0 && !(n == 1 && from[0] == '.')) {
            hidden |= from[0] == '.';
            if (to > name) *to++ = '/';
            memmove(to, from, n);
            to += n;
        }
        from += step;
    }
    *to = 0;
    return to == name ? 0 : hidden ? -1 : 1;
}

/* The part of a normalised name below the folder, or NULL. */
static const char *below(const struct reader *r, const char *name)
{
    size_t n = strlen(r->folder);
    if (n == 0) return name;
    return strncmp(name, r->folder, n) == 0 && name[n] == '/' ? name + n + 1 : NULL;
}

static void note_top(struct reader *r, const char *name)
{
    int n = (int)strcspn(name, "/");
    for (int k = 0; k < r->top_count; k++)
        if ((int)strlen(r->top[k]) == n && memcmp(r->top[k], name, (size_t)n) == 0) return;
    if (r->top_count < TOP_NAMES && n < (int)sizeof r->top[0])
        snprintf(r->top[r->top_count++], sizeof r->top[0], "%.*s", n, name);
}

/* ------------------------------------------------------------------ the two readers */

static sim_status cut_short(const struct reader *r, const char *why)
{
    if (r->bomb)
        return sim_fail(
            SIM_EFORMAT,
            "%s is refused as a decompression bomb: what was read of it unpacks to more than %d times "
            "as much (%ld MiB so far), which no images do",
            r->path, (int)BOMB_RATIO, (long)(r->pulled_bytes >> 20));
    if (r->whole == 0)
        return sim_fail(SIM_EFORMAT,
                        "%s: the archive is cut short or damaged (%s) before its first whole member", r->path,
                        why);
    return sim_fail(
        SIM_EFORMAT,
        "%s: the archive is cut short or damaged (%s); the last whole member is '%s', number %ld: fetch or "
        "pack it again",
        r->path, why, r->last, (long)r->whole);
}

static const char *complaint(struct archive *a)
{
    const char *text = archive_error_string(a);
    return text ? text : "unexpected end of data";
}

/* The next bytes of the decompressed stream into r->pulled: how many, 0 at the end, negative on failure. */
static la_ssize_t unpack(struct reader *r)
{
    la_ssize_t n = archive_read_data(r->stream, r->pulled, PULL_BYTES);
    if (n > 0) r->pulled_bytes += n;
    r->bomb = r->pulled_bytes > BOMB_FREE_BYTES &&
              r->pulled_bytes / BOMB_RATIO > archive_filter_bytes(r->stream, -1);
    return r->bomb ? -1 : n;
}

static la_ssize_t pull(struct archive *tar, void *context, const void **out)
{
    struct reader *r = context;
    la_ssize_t n = unpack(r);
    if (n < 0) {
        archive_set_error(tar, EIO, "%s", complaint(r->stream));
        return -1;
    }
    *out = r->pulled;
    return n;
}

static sim_status open_readers(struct reader *r)
{
    struct archive_entry *entry;
    r->stream = archive_read_new();
    r->tar = archive_read_new();
    r->pulled = malloc(PULL_BYTES);
    if (!r->stream || !r->tar || !r->pulled)
        return sim_fail(SIM_ENOMEM, "%s: no memory to read an archive", r->path);
    archive_read_support_filter_gzip(r->stream);
    archive_read_support_filter_bzip2(r->stream);
    archive_read_support_filter_xz(r->stream);
    archive_read_support_filter_zstd(r->stream);
    archive_read_support_format_raw(r->stream);
    archive_read_support_format_tar(r->tar);
    if (archive_read_open_filename(r->stream, r->path, PULL_BYTES) != ARCHIVE_OK ||
        archive_read_next_header(r->stream, &entry) != ARCHIVE_OK)
        return cut_short(r, complaint(r->stream));
    if (archive_read_open(r->tar, r, NULL, pull, NULL) != ARCHIVE_OK)
        return sim_fail(
            SIM_EFORMAT,
            "%s is no tar archive (%s); plain tar, or gzip, bzip2, xz or zstd around one, is read", r->path,
            complaint(r->tar));
    return SIM_OK;
}

/* Behind tar's end there may be padding and the trailer of the compression.  Reading on to the end of file
 * checks both; a tar without its closing block of zeros was cut between two members. */
static sim_status drain(struct reader *r)
{
    la_ssize_t n;
    do n = unpack(r);
    while (n > 0);
    if (n < 0) return cut_short(r, complaint(r->stream));
    int64_t padded = (r->end_bytes + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    if (r->pulled_bytes - padded < TAR_BLOCK) return cut_short(r, "tar's closing block is missing");
    return SIM_OK;
}

/* ------------------------------------------------------------------ members */

/* Reads more of the current member into r->bytes, until it has `most` bytes or ends.  Its announced size is
 * not trusted: memory grows with what arrives. */
static sim_status read_member(struct reader *r, const char *name, size_t most)
{
    while (r->size < most) {
        if (r->size == r->room) {
            size_t room = r->room ? r->room * 2 : 1 << 16;
            uint8_t *moved = r->kept_bytes + room / 2 <= r->most_bytes ? realloc(r->bytes, room) : NULL;
            if (!moved)
                return sim_fail(SIM_ENOMEM,
                                "%s: its images need more than %lu MiB, half of this machine's memory, at "
                                "'%s': unpack the "
                                "archive and give the folder",
                                r->path, (unsigned long)(r->most_bytes >> 20), name);
            r->bytes = moved, r->room = room;
        }
        size_t wanted = (most < r->room ? most : r->room) - r->size;
        la_ssize_t n = archive_read_data(r->tar, r->bytes + r->size, wanted);
        if (n < 0) return cut_short(r, complaint(r->tar));
        if (n == 0) return SIM_OK;
        r->size += (size_t)n;
    }
    return SIM_OK;
}

/* Reads the current member, an image, to its end. */
static sim_status read_image(struct reader *r, struct archive_entry *entry, const char *name)
{
    /* Holes would become zeros that no byte of the archive stands for. */
    if (archive_entry_sparse_count(entry) > 0)
        return sim_fail(SIM_EFORMAT, "%s: '%s' is stored with holes: pack the archive without tar's --sparse",
                        r->path, name);
    SIM_TRY(read_member(r, name, SIM_IMAGE_FILE_BYTES + 1));
    if (r->size <= SIM_IMAGE_FILE_BYTES) return SIM_OK;
    return sim_fail(SIM_EFORMAT, "%s: '%s' is larger than %lu MiB: no image is", r->path, name,
                    (unsigned long)(SIM_IMAGE_FILE_BYTES >> 20));
}

static sim_status keep_member(struct reader *r, const char *relative)
{
    uint8_t *data = malloc(r->size ? r->size : 1);
    r->kept_bytes += r->size + strlen(relative) + sizeof(struct sim_member);
    if (!data || r->kept_bytes > r->most_bytes) {
        free(data);
        return sim_fail(SIM_ENOMEM,
                        "%s: its images need more than %lu MiB, half of this machine's memory, at '%s': "
                        "unpack the archive "
                        "and give the folder",
                        r->path, (unsigned long)(r->most_bytes >> 20), relative);
    }
    if (r->size) memcpy(data, r->bytes, r->size);
    return sim_catalogue_add(&r->catalogue, relative, r->size, data);
}

/* Hard links repeat an earlier member; they are looked up when all members are known. */
static sim_status note_link(struct reader *r, const char *relative, const char *target)
{
    if (r->link_count == r->link_room) {
        int64_t room = r->link_room ? r->link_room * 2 : 16;
        struct link *moved = realloc(r->links, (size_t)room * sizeof *moved);
        if (!moved) return sim_fail(SIM_ENOMEM, "%s: no memory for its links", r->path);
        r->links = moved, r->link_room = room;
    }
    r->kept_bytes += sizeof(struct link) + strlen(relative) + strlen(target);
    struct link l = {strdup(relative), strdup(target)};
    r->links[r->link_count++] = l;
    return l.path && l.target ? SIM_OK : sim_fail(SIM_ENOMEM, "%s: no memory for its links", r->path);
}

/* `name` is the member's normalised name and writable. */
static sim_status take_member(struct reader *r, struct archive_entry *entry, const char *name)
{
    const char *relative = below(r, name), *target = archive_entry_hardlink(entry);
    if (!relative) return SIM_OK;
    r->found = 1;
    int in_class = strchr(relative, '/') != NULL;
    if (archive_entry_filetype(entry) == AE_IFDIR)
        return in_class ? SIM_OK : sim_catalogue_add_class(&r->catalogue, relative);
    if (target && in_class) return note_link(r, relative, target);
    int image =
        in_class && archive_entry_filetype(entry) == AE_IFREG ? sim_catalogue_is_image(relative, NULL, 0) : 0;
    r->size = 0;
    if (image < 0) {
        SIM_TRY(read_member(r, name, SIM_HEAD_BYTES));
        image = sim_catalogue_is_image(relative, r->bytes, r->size);
    }
    if (!image) {
        sim_catalogue_leave_out(&r->catalogue, relative);
        return SIM_OK;
    }
    SIM_TRY(read_image(r, entry, name));
    return keep_member(r, relative);
}

static sim_status take_entry(struct reader *r, struct archive_entry *entry)
{
    const char *raw = archive_entry_pathname_utf8(entry);
    if (!raw) raw = archive_entry_pathname(entry);
    char *name = strdup(raw ? raw : "");
    if (!name) return sim_fail(SIM_ENOMEM, "%s: no memory for a name", r->path);
    int usable = normalise(name);
    sim_status status = SIM_OK;
    if (usable > 0) {
        note_top(r, name);
        status = take_member(r, entry, name);
    } else if (usable == 0 && archive_entry_filetype(entry) != AE_IFDIR) {
        sim_catalogue_leave_out(&r->catalogue, raw ? raw : "a member without a readable name");
    }
    if (status == SIM_OK && archive_read_data_skip(r->tar) < ARCHIVE_WARN)
        status = cut_short(r, complaint(r->tar));
    if (status == SIM_OK) {
        r->whole++;
        r->end_bytes = archive_filter_bytes(r->tar, 0);
        free(r->last);
        r->last = name;
        name = NULL;
    }
    free(name);
    return status;
}

/* A copy of what each hard link points to, where that is an image of this folder. */
static sim_status resolve_links(struct reader *r)
{
    if (r->link_count) sim_catalogue_sort(&r->catalogue);
    int64_t known = r->catalogue.count;
    uint64_t linked_bytes = 0, most_bytes = LINKED_FREE_BYTES + (uint64_t)r->pulled_bytes * LINKED_RATIO;
    for (int64_t i = 0; i < r->link_count; i++) {
        struct link *l = &r->links[i];
        const char *target = normalise(l->target) > 0 ? below(r, l->target) : NULL;
        struct sim_catalogue before = r->catalogue;
        before.count = known; /* only this part is sorted */
        const struct sim_member *m = target ? sim_catalogue_find(&before, target) : NULL;
        if (!m) {
            sim_catalogue_leave_out(&r->catalogue, l->path);
            continue;
        }
        r->size = (size_t)m->size_bytes;
        if ((linked_bytes += r->size) > most_bytes)
            return sim_fail(
                SIM_EFORMAT,
                "%s: its hard links would make more than %lu MiB out of an archive of %ld, at '%s'", r->path,
                (unsigned long)(most_bytes >> 20), (long)(r->pulled_bytes >> 20), l->path);
        if (r->size > r->room) { /* cannot be: the member once passed through r->bytes */
            return sim_fail(SIM_ELIB, "%s: a link is larger than what it points to", r->path);
        }
        memcpy(r->bytes, m->data, r->size);
        SIM_TRY(keep_member(r, l->path));
    }
    return SIM_OK;
}

static sim_status read_all(struct reader *r)
{
    struct archive_entry *entry;
    struct stat s;
    if (stat(r->path, &s) != 0 || access(r->path, R_OK) != 0)
        return sim_fail(SIM_EIO, "cannot read the archive %s: %s", r->path, strerror(errno));
    if (s.st_size == 0) return sim_fail(SIM_EFORMAT, "%s is empty, no tar archive", r->path);
    SIM_TRY(open_readers(r));
    sim_progress_start(&r->progress, "reading archive", "kB", s.st_size >> 10);
    for (;;) {
        int code = archive_read_next_header(r->tar, &entry);
        if (code == ARCHIVE_EOF) break;
        if (code < ARCHIVE_WARN && r->whole == 0 && archive_format(r->tar) == 0)
            return sim_fail(SIM_EFORMAT,
                            "%s is no tar archive, nor one packed by gzip, bzip2, xz or zstd (%s)", r->path,
                            complaint(r->tar));
        if (code < ARCHIVE_WARN) return cut_short(r, complaint(r->tar));
        SIM_TRY(take_entry(r, entry));
        if (r->whole % 256 == 0)
            sim_progress_update(&r->progress, archive_filter_bytes(r->stream, -1) >> 10, NULL);
    }
    SIM_TRY(drain(r));
    return resolve_links(r);
}

static sim_status missing_folder(const struct reader *r)
{
    char names[TOP_NAMES * 72] = "";
    for (int k = 0; k < r->top_count; k++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s'%s'", k ? ", " : "", r->top[k]);
    return sim_fail(SIM_EINVAL, "%s holds no folder '%s'; at its top it has %s", r->path, r->folder,
                    r->top_count ? names : "nothing");
}

static void close_reader(struct reader *r)
{
    archive_read_free(r->tar); /* both are legal on NULL */
    archive_read_free(r->stream);
    sim_catalogue_close(&r->catalogue);
    for (int64_t i = 0; i < r->link_count; i++) {
        free(r->links[i].path);
        free(r->links[i].target);
    }
    free(r->links);
    free(r->pulled);
    free(r->bytes);
    free(r->last);
    free(r->folder);
}

/* ------------------------------------------------------------------ the path form ARCHIVE[:FOLDER] */

static int is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

int sim_archive_split(const char *path, size_t *archive_length)
{
    size_t n = strlen(path);
    if (is_file(path)) {
        *archive_length = n;
        return 1;
    }
    char *head = strdup(path);
    int found = 0;
    while (head && !found && n-- > 0) {
        if (head[n] != ':') continue;
        head[n] = 0;
        found = is_file(head);
        *archive_length = n;
    }
    free(head);
    return found;
}

sim_status sim_archive_list(struct sim_catalogue *c, const char *path, char **prefix)
{
    size_t n;
    *prefix = NULL;
    if (!sim_archive_split(path, &n))
        return sim_fail(SIM_EIO, "no archive at %s (the form is ARCHIVE or ARCHIVE:FOLDER)", path);
    char *file = strndup(path, n);
    struct reader r = {.path = file, .folder = strdup(path[n] ? path + n + 1 : "")};
    r.most_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
    sim_status status = SIM_OK;
    if (!file || !r.folder) {
        status = sim_fail(SIM_ENOMEM, "no memory for the path %s", path);
    } else if (*r.folder && normalise(r.folder) == 0 && strstr(r.folder, "..")) {
        status = sim_fail(SIM_EINVAL, "%s: the folder inside an archive cannot climb with '..'", path);
    } else {
        status = read_all(&r);
        sim_progress_finish(&r.progress);
    }
    if (status == SIM_OK && !r.found && *r.folder) status = missing_folder(&r);
    if (status == SIM_OK && asprintf(prefix, "%s: %s%s", file, r.folder, *r.folder ? "/" : "") < 0) {
        *prefix = NULL;
        status = sim_fail(SIM_ENOMEM, "no memory for the path %s", path);
    }
    *c = r.catalogue;
    memset(&r.catalogue, 0, sizeof r.catalogue);
    close_reader(&r);
    free(file);
    return status;
}

sim_status sim_archive_open(struct sim_images *out, const char *path)
{
    return sim_catalogue_open(out, path, sim_archive_list);
}
