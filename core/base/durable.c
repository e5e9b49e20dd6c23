#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sim_durable_write(int fd, const void *bytes, size_t count)
{
    const char *p = bytes;
    while (count > 0) {
        ssize_t n = write(fd, p, count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        p += n;
        count -= (size_t)n;
    }
    return 0;
}

int sim_durable_sync(int fd)
{
    int r;
    do r = fsync(fd);
    while (r != 0 && errno == EINTR);
    return r;
}

char *sim_durable_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int sim_durable_sync_folder_of(const char *path)
{
    char *folder = sim_durable_folder_of(path);
    if (!folder) return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = fd < 0 ? -1 : sim_durable_sync(fd),
        code = errno;
    free(folder);
    if (fd >= 0) close(fd);
    errno = code;
    return r == 0 || code == EINVAL ? 0 : -1; /* EINVAL: a file system whose folders need no fsync */
}
