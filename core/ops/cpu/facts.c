/* What the CPU backend says of itself. */
#include "facts.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <string.h>

#include "cpu.h"

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

void sim_cpu_libraries(struct sim_ops_facts *out)
{
    const dnnl_version_t *v = dnnl_version();
    sim_facts_library(out, "onednn %d.%d.%d", v->major, v->minor, v->patch);
}

static void describe(const struct sim_ops *o, struct sim_ops_facts *out)
{
    char processor[128];
    processor_name(processor, sizeof processor);
    snprintf(out->device, sizeof out->device, "%s (%s)", processor, o->isa);
    sim_cpu_libraries(out);
}

void sim_cpu_facts(struct sim_ops *o)
{
    o->describe = describe;
}
