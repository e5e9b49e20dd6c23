#include "seeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "images.h"

const char *fuzz_seed_path(int argc, char **argv, const char *name)
{
    static char path[1024];
    struct stat s;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') continue;
        if (stat(argv[i], &s) != 0 || !S_ISDIR(s.st_mode)) return NULL; /* a single input is run again */
        snprintf(path, sizeof path, "%s/seed-%s", argv[i], name);
        return access(path, F_OK) == 0 ? NULL : path;
    }
    return NULL;
}

void fuzz_seed(int argc, char **argv, const char *name, const void *bytes, size_t count)
{
    const char *path = fuzz_seed_path(argc, argv, name);
    if (path && sim_file_write(path, bytes, count) != SIM_OK) fprintf(stderr, "%s\n", sim_error_text());
}

int fuzz_memory_file(const void *bytes, size_t count, char path[FUZZ_PATH_BYTES])
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
    snprintf(path, FUZZ_PATH_BYTES, "/proc/self/fd/%d", fd);
    return fd;
}

void fuzz_read_all(struct sim_images *set)
{
    char name[256];
    for (int64_t i = 0; i < set->count; i++) {
        struct sim_image image = {0};
        int32_t label = set->label(set->self, i);
        FUZZ_CHECK(label >= 0 && label < set->classes);
        FUZZ_CHECK(set->class_name(set->self, label) != NULL);
        set->name(set->self, i, name, sizeof name);
        if (set->read(set->self, i, &image) == SIM_OK) sim_image_close(&image);
    }
}

void fuzz_broken(const char *promise, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s (last error: %s)\n", file, line, promise, sim_error_text());
    abort();
}
