#include "partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "durable.h"

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

sim_status sim_partial_put(struct sim_partial *p, const void *bytes, size_t count)
{
    return sim_durable_write(p->fd, bytes, count) == 0 ? SIM_OK : cannot(p->path, "write");
}

sim_status sim_partial_put_at(struct sim_partial *p, uint64_t offset, const void *bytes, size_t count)
{
    if (lseek(p->fd, (off_t)offset, SEEK_SET) < 0) return cannot(p->path, "write");
    SIM_TRY(sim_partial_put(p, bytes, count));
    return lseek(p->fd, 0, SEEK_END) < 0 ? cannot(p->path, "write") : SIM_OK;
}

sim_status sim_partial_sync(struct sim_partial *p)
{
    return sim_durable_sync(p->fd) == 0 ? SIM_OK : cannot(p->path, "save");
}

sim_status sim_partial_commit(struct sim_partial *p, const char *path)
{
    SIM_TRY(sim_partial_sync(p));
    if (rename(p->path, path) != 0)
        return sim_fail(SIM_EIO, "%s: cannot become %s: %s", p->path, path, strerror(errno));
    sim_partial_close(p);
    if (sim_durable_sync_folder_of(path) == 0) return SIM_OK;
    return sim_fail(SIM_EIO, "%s: saved, but its folder cannot be synced, so a power cut may undo it: %s",
                    path, strerror(errno));
}

void sim_partial_close(struct sim_partial *p)
{
    if (p->path && p->fd >= 0) close(p->fd);
    free(p->path);
    *p = (struct sim_partial){.fd = -1};
}
