#include "equal.h"

#include <stdlib.h>
#include <xxhash.h>

#include "ranks.h"

/* A tensor's values and, where it is trained, its moments. */
static uint64_t hash_row(const struct sim_params *p, const struct sim_param *row)
{
    const size_t bytes = (size_t)row->count * sizeof(float);
    uint64_t h = XXH64(p->host.value + row->offset, bytes, 0);
    if (row->gradient < 0 || !p->host.moment1) return h;
    h = XXH64(p->host.moment1 + row->gradient, bytes, h);
    return XXH64(p->host.moment2 + row->gradient, bytes, h);
}

static sim_status compare(const struct sim_params *p, const uint64_t *first, const uint64_t *mine)
{
    for (int r = 0; r < p->count; r++)
        if (first[r] != mine[r])
            return sim_fail(SIM_ELIB,
                            "%s is not what rank 0 has: the ranks no longer train one model (hashes %016llx, "
                            "%016llx)",
                            p->row[r].name, (unsigned long long)mine[r], (unsigned long long)first[r]);
    return SIM_OK;
}

sim_status sim_params_equal_on_ranks(const struct sim_params *p)
{
    const struct sim_ranks *ranks = p->ops->ranks;
    if (!ranks) return SIM_OK;
    const size_t n = (size_t)p->count;
    uint64_t *mine = calloc(2 * n + 1, sizeof *mine), *first = mine + n;
    sim_status s = mine ? sim_params_fetch(p, SIM_FETCH_VALUES | SIM_FETCH_MOMENTS)
                        : sim_fail(SIM_ENOMEM, "no memory for %d hashes", p->count);
    for (size_t r = 0; s == SIM_OK && r < n; r++) first[r] = mine[r] = hash_row(p, &p->row[r]);
    s = sim_ranks_agree(ranks, s);
    if (s == SIM_OK) s = sim_ranks_broadcast(ranks, first, n * sizeof *first);
    if (s == SIM_OK) s = sim_ranks_agree(ranks, compare(p, first, mine));
    free(mine);
    return s;
}
