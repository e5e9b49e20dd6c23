#include "machine.h"

#include <archive.h>
#include <jpeglib.h>
#include <omp.h>
#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include <yaml.h>

void sim_machine_read(struct sim_machine *out, const struct sim_ops *ops, double gemm_seconds)
{
    memset(out, 0, sizeof *out);
    snprintf(out->backend, sizeof out->backend, "%s", ops->name);
    sim_facts_of(ops, &out->facts);
    out->precision = ops->precision, out->deterministic = ops->deterministic;
    out->threads = omp_get_max_threads();
    if (gemm_seconds > 0 && !out->facts.emulated) out->gemm_gflops = sim_ops_measure_gemm(ops, gemm_seconds);
}

/* archive_version_string() reads "libarchive 3.6.2": the number after the name. */
static void archive_number(char *out, size_t size)
{
    const char *text = archive_version_string(), *space = strchr(text, ' ');
    snprintf(out, size, "%s", space ? space + 1 : text);
}

/* "name version" under its name; 1 where that failed. */
static int put_library(json_t *o, const char *text)
{
    char name[64];
    const char *space = strchr(text, ' ');
    snprintf(name, sizeof name, "%.*s", space ? (int)(space - text) : (int)strlen(text), text);
    return json_object_set_new(o, name, json_string(space ? space + 1 : "")) != 0;
}

json_t *sim_machine_libraries(const struct sim_ops_facts *backend)
{
    struct sim_ops_facts all = {0};
    char archive[64];
    unsigned x = XXH_versionNumber();
    archive_number(archive, sizeof archive);
    for (int i = 0; i < backend->library_count; i++) sim_facts_library(&all, "%s", backend->libraries[i]);
    sim_cpu_libraries(&all); /* features are compared on the CPU whatever the backend */
    json_t *o = json_object();
    int failed = !o;
    for (int i = 0; i < all.library_count && !failed; i++) failed = put_library(o, all.libraries[i]);
    /* libjpeg-turbo does not tell its version at run time: the header's it is. */
    json_t *data = json_pack(
        "{s:s, s:o, s:s, s:s, s:s, s:o}", "libarchive", archive, "libjpeg-turbo",
        json_sprintf("%d.%d.%d", LIBJPEG_TURBO_VERSION_NUMBER / 1000000,
                     LIBJPEG_TURBO_VERSION_NUMBER / 1000 % 1000, LIBJPEG_TURBO_VERSION_NUMBER % 1000),
        "libspng", spng_version_string(), "libyaml", yaml_get_version_string(), "jansson",
        jansson_version_str(), "xxhash", json_sprintf("%u.%u.%u", x / 10000, x / 100 % 100, x % 100));
    failed |= !data || json_object_update(o, data) != 0;
    json_decref(data);
    if (!failed) return o;
    json_decref(o);
    return NULL;
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
