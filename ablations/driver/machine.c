#include "machine.h"

#include <archive.h>
#include <jpeglib.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include <yaml.h>

/* The "model name" of the first processor, without trademark signs and runs of spaces. */
static void processor_name(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    snprintf(out, size, "unknown processor");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        size_t used = 0;
        for (const char *p = colon + 1; *p && *p != '\n' && used + 1 < size; p++) {
            if (strncmp(p, "(R)", 3) == 0 || strncmp(p, "(TM)", 4) == 0) {
                p = strchr(p, ')');
                continue;
            }
            if (*p == ' ' && (used == 0 || out[used - 1] == ' ')) continue;
            out[used++] = *p;
        }
        out[used] = 0;
        break;
    }
    if (f) fclose(f);
}

void sim_machine_read(struct sim_machine *out, const struct sim_ops *ops, double gemm_seconds)
{
    char processor[128];
    memset(out, 0, sizeof *out);
    processor_name(processor, sizeof processor);
    snprintf(out->backend, sizeof out->backend, "%s", ops->name);
    snprintf(out->device, sizeof out->device, "%s (%s)", processor, ops->isa);
    out->threads = omp_get_max_threads();
    if (gemm_seconds > 0) out->gemm_gflops = sim_ops_measure_gemm(ops, gemm_seconds);
}

/* archive_version_string() reads "libarchive 3.6.2": the number after the name. */
static void archive_number(char *out, size_t size)
{
    const char *text = archive_version_string(), *space = strchr(text, ' ');
    snprintf(out, size, "%s", space ? space + 1 : text);
}

json_t *sim_machine_libraries(void)
{
    char onednn[32], archive[64], xxhash[32], jpeg[32];
    const dnnl_version_t *v = dnnl_version();
    unsigned x = XXH_versionNumber();
    snprintf(onednn, sizeof onednn, "%d.%d.%d", v->major, v->minor, v->patch);
    snprintf(xxhash, sizeof xxhash, "%u.%u.%u", x / 10000, x / 100 % 100, x % 100);
    archive_number(archive, sizeof archive);
    /* libjpeg-turbo does not tell its version at run time: the header's it is. */
    snprintf(jpeg, sizeof jpeg, "%d.%d.%d", LIBJPEG_TURBO_VERSION_NUMBER / 1000000,
             LIBJPEG_TURBO_VERSION_NUMBER / 1000 % 1000, LIBJPEG_TURBO_VERSION_NUMBER % 1000);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "onednn", onednn, "libarchive", archive,
                     "libjpeg-turbo", jpeg, "libspng", spng_version_string(), "libyaml",
                     yaml_get_version_string(), "jansson", jansson_version_str(), "xxhash", xxhash);
}

void sim_machine_spin_briefly(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0) execv("/proc/self/exe", argv);
}

int64_t sim_machine_peak_memory_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

void sim_machine_utc(char out[32])
{
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}
