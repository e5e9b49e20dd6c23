#include "room.h"

#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "procedural.h"
#include "run_cost.h"

#define PROGRAM_BYTES (INT64_C(192) << 20) /* code, libraries, batches under way, features to score */

/* The first whole number in a file; -1: none ("max", or no such file). */
static int64_t number_in(const char *path, const char *after)
{
    char line[512];
    long long n = -1;
    FILE *f = fopen(path, "re");
    while (f && n < 0 && fgets(line, sizeof line, f)) {
        if (strncmp(line, after, strlen(after)) != 0) continue;
        if (sscanf(line + strlen(after), " %lld", &n) != 1) n = -1;
    }
    if (f) fclose(f);
    return n;
}

/* ------------------------------------------------------------------ control groups */
/* Calls for our group and all groups above it, with the folder that describes each. */
static void each_group(const char *controller, const char *mount, int64_t (*ask)(const char *folder),
                       int64_t *least)
{
    char line[PATH_MAX], folder[2 * PATH_MAX];
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f)) {
        char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;
        if (!second) continue;
        *second = 0;
        line[0] = 0;
        if (strcmp(first + 1, controller) != 0) continue;
        char *path = second + 1;
        path[strcspn(path, "\n")] = 0;
        for (;;) {
            snprintf(folder, sizeof folder, "%s%s", mount, path);
            int64_t n = ask(folder);
            if (n >= 0 && (*least < 0 || n < *least)) *least = n;
            char *slash = strrchr(path, '/');
            if (!slash || !path[1]) break;
            slash[slash == path] = 0;
        }
    }
    if (f) fclose(f);
}

static int64_t left_of(const char *folder, const char *limit, const char *used, const char *cache_key)
{
    char path[2 * PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, limit);
    int64_t most = number_in(path, "");
    snprintf(path, sizeof path, "%s/%s", folder, used);
    int64_t now = number_in(path, "");
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    int64_t cache = number_in(path, cache_key); /* what the kernel gives back when memory gets short */
    if (most < 0 || now < 0 || most > INT64_C(1) << 60) return -1;
    if (cache > 0) now -= cache < now ? cache : now;
    return most > now ? most - now : 0;
}

static int64_t left_v2(const char *folder)
{
    return left_of(folder, "memory.max", "memory.current", "inactive_file ");
}

static int64_t left_v1(const char *folder)
{
    return left_of(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ");
}

/* Cores that the quota of processor time comes to, rounded up. */
static int64_t cores_v2(const char *folder)
{
    char path[2 * PATH_MAX + 32];
    long long quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    FILE *f = fopen(path, "re");
    int n = f ? fscanf(f, "%lld %lld", &quota, &period) : 0;
    if (f) fclose(f);
    return n == 2 && quota > 0 && period > 0 ? (quota + period - 1) / period : -1;
}

int sim_room_cores(void)
{
    int64_t quota = -1;
    int cores = omp_get_num_procs();
    each_group("", "/sys/fs/cgroup", cores_v2, &quota);
    if (quota > 0 && quota < cores) cores = (int)quota;
    return cores > 0 ? cores : 1;
}

int64_t sim_room_free_bytes(void)
{
    int64_t kib = number_in("/proc/meminfo", "MemAvailable:"), least = kib < 0 ? -1 : kib * 1024;
    each_group("", "/sys/fs/cgroup", left_v2, &least);
    each_group("memory", "/sys/fs/cgroup/memory", left_v1, &least);
    return least;
}

int64_t sim_room_taken_bytes(pid_t process)
{
    char path[64];
    long long pages = 0;
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)process);
    FILE *f = fopen(path, "re");
    if (!f || fscanf(f, "%*d %lld", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

/* The cache of decoded images; the made-up sets may be smaller. */
static int64_t cache_bytes(const struct sim_data_config *d)
{
    int64_t most = d->cache_mb << 20, images = SIM_PROCEDURAL_FAMILIES * d->procedural_train_per_class;
    int64_t all = images * d->procedural_size * d->procedural_size * 3;
    return d->kind == SIM_DATA_PROCEDURAL && all < most ? all : most;
}

sim_status sim_room_need(const struct sim_run *run, const char *backend, int64_t *bytes)
{
    const struct sim_run_config *c = &run->config;
    const struct sim_run_sets uncounted = {0}; /* features are part of PROGRAM_BYTES */
    struct sim_run_cost cost;
    SIM_TRY(sim_run_cost(&cost, c, &uncounted));
    *bytes = PROGRAM_BYTES + cache_bytes(&c->data);
    if (strcmp(backend, "cpu") == 0) *bytes += cost.memory_bytes;
    return SIM_OK;
}
