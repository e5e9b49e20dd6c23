#include "partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sim_status cannot(const char *path, const char *what)
{
    return sim_fail(SIM_EIO, "%s: cannot %s: %s", path, what, strerror(errno));
}

sim_status sim_partial_open(struct sim_partial *out, const char *path, uint64_t keep_bytes)
{
    *out = (struct sim_partial){.fd = -1, .path = strdup(path)};
    if (!out->path) return sim_fail(SIM_ENOMEM, "%s: no memory to write it", path);
    out->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (out->fd >= 0 && ftruncate(out->fd, (off_t)keep_bytes) == 0 && lseek(out->fd, 0, SEEK_END) >= 0)
        return SIM_OK;
    sim_status status = cannot(path, "write");
    sim_partial_close(out);
    return status;
}

/* Over short writes and signals. */
sim_status sim_partial_put(struct sim_partial *p, const void *bytes, size_t count)
{
    const char *from = bytes;
    while (count > 0) {
        ssize_t n = write(p->fd, from, count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return cannot(p->path, "write");
        from += n;
        count -= (size_t)n;
    }
    return SIM_OK;
}

sim_status sim_partial_put_at(struct sim_partial *p, uint64_t offset, const void *bytes, size_t count)
{
    if (lseek(p->fd, (off_t)offset, SEEK_SET) < 0) return cannot(p->path, "write");
    SIM_TRY(sim_partial_put(p, bytes, count));
    return lseek(p->fd, 0, SEEK_END) < 0 ? cannot(p->path, "write") : SIM_OK;
}

sim_status sim_partial_sync(struct sim_partial *p)
{
    int r;
    do r = fsync(p->fd);
    while (r != 0 && errno == EINTR);
    return r == 0 ? SIM_OK : cannot(p->path, "save");
}

sim_status sim_partial_commit(struct sim_partial *p, const char *path)
{
    SIM_TRY(sim_partial_sync(p));
    if (rename(p->path, path) != 0)
        return sim_fail(SIM_EIO, "%s: cannot become %s: %s", p->path, path, strerror(errno));
    sim_partial_close(p);
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1,
        failed = fd < 0 || fsync(fd) != 0;
    int code = errno;
    if (fd >= 0) close(fd);
    free(folder);
    if (!failed || code == EINVAL) return SIM_OK; /* EINVAL: a file system whose folders need no fsync */
    return sim_fail(SIM_EIO, "%s: saved, but its folder cannot be synced, so a power cut may undo it: %s",
                    path, strerror(code));
}

void sim_partial_close(struct sim_partial *p)
{
    if (p->path && p->fd >= 0) close(p->fd);
    free(p->path);
    *p = (struct sim_partial){.fd = -1};
}
