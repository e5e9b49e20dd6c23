#include "backend.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "progress.h"

sim_status sim_backend_parse(const char *text, struct sim_backend *out)
{
    const char *colon = text ? strchr(text, ':') : NULL;
    int64_t ordinal = 0;
    if (!text) text = "cpu";
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    *out = (struct sim_backend){.ordinal = 0};
    if (!((length == 3 && strncmp(text, "cpu", 3) == 0) || (length == 4 && strncmp(text, "cuda", 4) == 0)))
        return sim_fail(SIM_EINVAL, "--device %.40s: cpu, cuda or cuda:N is needed; this program has: %s",
                        text, sim_ops_built_in());
    memcpy(out->name, text, length);
    if (!colon) return SIM_OK;
    if (out->name[1] == 'p')
        return sim_fail(SIM_EINVAL, "--device %.40s: there is one cpu; no number belongs behind it", text);
    SIM_TRY(sim_options_whole("--device cuda:N, N", colon + 1, 0, 1023, &ordinal));
    out->ordinal = (int)ordinal;
    return SIM_OK;
}

void sim_backend_take_place(struct sim_backend *b, const struct sim_ranks *r, int threads_given)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    char who[96];
    if (!r) return;
    if (!visible || strchr(visible, ',')) b->ordinal += r->local_rank;
    const int cores = omp_get_num_procs(), bound = cores < sysconf(_SC_NPROCESSORS_ONLN);
    if (!threads_given && !getenv("OMP_NUM_THREADS") && !bound && r->local_size > 1)
        omp_set_num_threads(cores > r->local_size ? cores / r->local_size : 1);
    if (r->rank == 0) return;
    snprintf(who, sizeof who, "rank %d (%s)", r->rank, r->host[r->rank]);
    sim_log_as(who);
    sim_progress_quiet(1);
}

sim_status sim_backend_open(struct sim_ops *out, const struct sim_backend *b,
                            const struct sim_compute_config *c, const struct sim_ranks *ranks)
{
    struct sim_device_options options = sim_compute_options(c, b->ordinal);
    options.ranks = ranks;
    sim_status status = sim_ops_open(out, b->name, &options);
    return status == SIM_OK ? SIM_OK : sim_context(status, "device %s", b->name);
}
