#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "durable.h"

/* ------------------------------------------------------------------ whole or absent */

enum {
    BUFFER_BYTES = 1 << 16
}; /* a checkpoint has hundreds of small tensors: few calls, few places to fail */

struct sim_writer {
    int fd;
    char *path, *temporary;
    size_t used; /* of buffer */
    char buffer[BUFFER_BYTES];
};

static void release(struct sim_writer *w)
{
    if (w->fd >= 0) close(w->fd);
    free(w->path);
    free(w->temporary);
    free(w);
}

/* "FOLDER/.NAME.PID-NUMBER-WORD.tmp": in the same folder, so that the rename stays within one file system.
 * The random word keeps processes apart that have one number on two machines. */
static char *temporary_name(const char *path)
{
    static atomic_uint number;
    unsigned word = 0;
    if (getrandom(&word, sizeof word, GRND_NONBLOCK) < 0) word = 0;
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    char *name;
    int n = asprintf(&name, "%.*s.%s.%ld-%u-%u.tmp", folder, path, path + folder, (long)getpid(),
                     atomic_fetch_add(&number, 1), word);
    return n < 0 ? NULL : name;
}

sim_status sim_writer_open(struct sim_writer **out, const char *path)
{
    *out = NULL;
    struct stat s;
    if (stat(path, &s) == 0 && S_ISDIR(s.st_mode))
        return sim_fail(SIM_EIO, "%s: cannot write: it is a folder", path);
    struct sim_writer *w = calloc(1, sizeof *w);
    if (!w) return sim_fail(SIM_ENOMEM, "%s: no memory to write it", path);
    w->fd = -1;
    w->path = strdup(path);
    w->temporary = temporary_name(path);
    if (!w->path || !w->temporary) {
        release(w);
        return sim_fail(SIM_ENOMEM, "%s: no memory to write it", path);
    }
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0) {
        int code = errno;
        release(w);
        return sim_fail(SIM_EIO, "%s: cannot write: %s", path, strerror(code));
    }
    *out = w;
    return SIM_OK;
}

static sim_status put_now(struct sim_writer *w, const void *bytes, size_t count)
{
    if (count == 0 || sim_durable_write(w->fd, bytes, count) == 0) return SIM_OK;
    return sim_fail(SIM_EIO, "%s: cannot write: %s", w->path, strerror(errno));
}

static sim_status flush(struct sim_writer *w)
{
    size_t count = w->used;
    w->used = 0;
    return put_now(w, w->buffer, count);
}

sim_status sim_writer_put(struct sim_writer *w, const void *bytes, size_t count)
{
    if (count > BUFFER_BYTES - w->used) SIM_TRY(flush(w));
    if (count > BUFFER_BYTES) return put_now(w, bytes, count);
    if (count > 0) memcpy(w->buffer + w->used, bytes, count);
    w->used += count;
    return SIM_OK;
}

sim_status sim_writer_commit(struct sim_writer **writer)
{
    struct sim_writer *w = *writer;
    sim_status status = flush(w);
    if (status != SIM_OK) {
        sim_writer_abandon(writer);
        return status;
    }
    *writer = NULL;
    int failed = sim_durable_sync(w->fd) != 0;
    if (!failed) {
        failed = close(w->fd) != 0;
        w->fd = -1;
    }
    if (!failed) failed = rename(w->temporary, w->path) != 0;
    if (failed) {
        int code = errno;
        unlink(w->temporary);
        status = sim_fail(SIM_EIO, "%s: cannot save: %s", w->path, strerror(code));
    } else if (sim_durable_sync_folder_of(w->path) != 0) {
        status =
            sim_fail(SIM_EIO, "%s: saved, but its folder cannot be synced, so a power cut may undo it: %s",
                     w->path, strerror(errno));
    }
    release(w);
    return status;
}

void sim_writer_abandon(struct sim_writer **w)
{
    if (!*w) return;
    unlink((*w)->temporary);
    release(*w);
    *w = NULL;
}

sim_status sim_file_write(const char *path, const void *bytes, size_t count)
{
    struct sim_writer *w;
    SIM_TRY(sim_writer_open(&w, path));
    sim_status status = sim_writer_put(w, bytes, count);
    if (status != SIM_OK) {
        sim_writer_abandon(&w);
        return status;
    }
    return sim_writer_commit(&w);
}

sim_status sim_file_room(const char *path, uint64_t bytes)
{
    char *folder = sim_durable_folder_of(path);
    struct statvfs v;
    if (!folder) return sim_fail(SIM_ENOMEM, "%s: no memory to look for room", path);
    int known = statvfs(folder, &v) == 0;
    free(folder);
    if (!known) return SIM_OK; /* writing will tell */
    uint64_t left = (uint64_t)v.f_bavail * v.f_frsize;
    if (left >= bytes) return SIM_OK;
    return sim_fail(
        SIM_EIO,
        "%s: not written, for want of room: it needs %.1f MiB, and its file system has %.1f MiB free", path,
        (double)bytes / 1048576, (double)left / 1048576);
}

/* ------------------------------------------------------------------ reading */

/* Reads until the end or until one byte more than max_bytes, whatever kind of file it is. */
static sim_status read_all(int fd, const char *path, size_t max_bytes, char **text, size_t *size_bytes)
{
    size_t used = 0, room = 4096;
    char *p = malloc(room + 1);
    for (;;) {
        if (!p) return sim_fail(SIM_ENOMEM, "%s: no memory for %zu bytes", path, room);
        ssize_t n = read(fd, p + used, room - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int code = errno;
            free(p);
            return sim_fail(SIM_EIO, "%s: cannot read: %s", path, strerror(code));
        }
        if (n == 0) break;
        used += (size_t)n;
        if (used > max_bytes) {
            free(p);
            return sim_fail(SIM_EFORMAT, "%s: larger than the %zu bytes that such a file may have", path,
                            max_bytes);
        }
        if (used == room) {
            char *more = realloc(p, 2 * room + 1);
            if (!more) free(p);
            p = more;
            room *= 2;
        }
    }
    p[used] = '\0';
    *text = p;
    if (size_bytes) *size_bytes = used;
    return SIM_OK;
}

sim_status sim_file_read(const char *path, size_t max_bytes, char **text, size_t *size_bytes)
{
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sim_fail(SIM_EIO, "%s: cannot open: %s", path, strerror(errno));
    sim_status status = read_all(fd, path, max_bytes, text, size_bytes);
    close(fd);
    return status;
}

/* ------------------------------------------------------------------ appending */

/* Appends under the lock; on failure takes back what was written, if no one else can be writing. */
static int append_locked(int fd, int locked, char *line, size_t count)
{
    off_t end = lseek(fd, 0, SEEK_END);
    char last = '\n';
    if (end < 0 || (end > 0 && pread(fd, &last, 1, end - 1) != 1)) return -1;
    int whole = last == '\n'; /* line[0] is the newline that ends a half line, if there is one */
    if (sim_durable_write(fd, line + whole, count - (size_t)whole) == 0 && sim_durable_sync(fd) == 0)
        return 0;
    int code = errno;
    if (locked && ftruncate(fd, end) != 0) code = errno;
    errno = code;
    return -1;
}

sim_status sim_file_append_line(const char *path, const char *line)
{
    if (strchr(line, '\n')) return sim_fail(SIM_EINVAL, "%s: a line to append holds a newline", path);
    char *text;
    int count = asprintf(&text, "\n%s\n", line);
    if (count < 0) return sim_fail(SIM_ENOMEM, "%s: no memory to append a line", path);
    int created = access(path, F_OK) != 0;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        int code = errno;
        free(text);
        return sim_fail(SIM_EIO, "%s: cannot append: %s", path, strerror(code));
    }
    int r, locked; /* several runs of a sweep may append at once; a file system without locks still appends */
    do locked = flock(fd, LOCK_EX) == 0;
    while (!locked && errno == EINTR);
    r = append_locked(fd, locked, text, (size_t)count);
    if (r == 0 && created) r = sim_durable_sync_folder_of(path);
    int code = errno;
    free(text);
    close(fd);
    return r == 0 ? SIM_OK : sim_fail(SIM_EIO, "%s: cannot append: %s", path, strerror(code));
}

/* ------------------------------------------------------------------ folders */

sim_status sim_make_folder(const char *path)
{
    char *part = strdup(path);
    if (!part) return sim_fail(SIM_ENOMEM, "%s: no memory to make the folder", path);
    for (char *p = part + 1; *part; p++) {
        char end = *p;
        if (end != '/' && end != '\0') continue;
        *p = '\0';
        struct stat s;
        if (mkdir(part, 0777) != 0 && (stat(part, &s) != 0 || !S_ISDIR(s.st_mode))) {
            int code = errno;
            sim_status status =
                sim_fail(SIM_EIO, "%s: cannot make the folder %s: %s", path, part,
                         code == 0 || code == EEXIST ? "a file stands there" : strerror(code));
            free(part);
            return status;
        }
        if (end == '\0') break;
        *p = '/';
    }
    int writable = *part && faccessat(AT_FDCWD, part, W_OK | X_OK, AT_EACCESS) == 0,
        code = *part ? errno : ENOENT;
    free(part);
    return writable ? SIM_OK
                    : sim_fail(SIM_EIO, "%s: the folder cannot be written: %s", path, strerror(code));
}

/* ".NAME.PID-NUMBER-WORD.tmp", as temporary_name makes it. */
static int is_temporary(const char *name)
{
    const char *end = strrchr(name, '.'), *number = end;
    if (name[0] != '.' || !end || strcmp(end, ".tmp") != 0) return 0;
    while (number > name && number[-1] != '.') number--;
    return number > name + 1 && number < end && strspn(number, "0123456789-") == (size_t)(end - number);
}

sim_status sim_folder_clean(const char *folder)
{
    DIR *d = opendir(folder);
    if (!d) return sim_fail(SIM_EIO, "%s: cannot open the folder: %s", folder, strerror(errno));
    for (struct dirent *entry; (entry = readdir(d));)
        if (is_temporary(entry->d_name)) unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    return SIM_OK;
}
