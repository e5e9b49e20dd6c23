/* Collectives over NCCL.  One communicator for both streams: two could wait for each other.  It never blocks
 * the host, which while it waits looks whether the other ranks still live. */
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_ranks.h"
#include "facts.h"
#include "progress.h"

struct nccl {
    ncclComm_t comm; /* NULL: given up */
};

const char *sim_cuda_ranks_library(void)
{
    static _Thread_local char text[32];
    int v = 0;
    if (ncclGetVersion(&v) != ncclSuccess) return "";
    snprintf(text, sizeof text, "nccl %d.%d.%d", v / 10000, v / 100 % 100, v % 100);
    return text;
}

static sim_status failed(const struct nccl *n, ncclResult_t answer, const char *what)
{
    const char *more = ncclGetLastError(n->comm);
    return sim_fail(SIM_ELIB, "NCCL, %s: %s%s%s", what, ncclGetErrorString(answer), more && *more ? ": " : "",
                    more && *more ? more : "");
}

/* The same sums from run to run: one algorithm and protocol whatever the message's size, no sums inside the
 * switch.  What the user has set stands, and is said. */
static void fix_order(struct sim_cuda *c)
{
    static const char *const fixed[][2] = {
        {"NCCL_ALGO", "Ring"}, {"NCCL_PROTO", "Simple"}, {"NCCL_NVLS_ENABLE", "0"}};
    for (int i = 0; i < 3; i++) {
        const char *stands = getenv(fixed[i][0]);
        if (!stands)
            setenv(fixed[i][0], fixed[i][1], 1);
        else if (strcmp(stands, fixed[i][1]) != 0)
            sim_facts_substitute(&c->noted,
                                 "%s=%.60s of the environment instead of %s: sums over ranks may "
                                 "vary from run to run",
                                 fixed[i][0], stands, fixed[i][1]);
    }
}

/* Until what was asked of the communicator is under way on the device. */
static sim_status settle(struct nccl *n, const struct sim_ranks *ranks, ncclResult_t answer, const char *what)
{
    const double started = sim_now_s(), limit = sim_ranks_timeout_s();
    double looked = started;
    while (answer == ncclInProgress) {
        const double now = sim_now_s();
        ncclResult_t asked = ncclCommGetAsyncError(n->comm, &answer);
        if (asked != ncclSuccess) answer = asked;
        if (now - looked > 0.2) {
            SIM_TRY(sim_ranks_look(ranks));
            looked = now;
        }
        if (now - started > limit)
            return sim_fail(SIM_EIO, "NCCL, %s: not done after %.0f s (SIM_RANKS_TIMEOUT_S)", what, limit);
    }
    return answer == ncclSuccess ? SIM_OK : failed(n, answer, what);
}

/* ------------------------------------------------------------------ opening */
static sim_status open_comm(struct nccl *n, const struct sim_ranks *ranks)
{
    struct {
        ncclUniqueId id;
        int32_t answer;
    } first = {.answer = ncclSuccess};
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    if (ranks->rank == 0) first.answer = ncclGetUniqueId(&first.id);
    SIM_TRY(sim_ranks_broadcast(ranks, &first, sizeof first));
    if (first.answer != ncclSuccess) return failed(n, (ncclResult_t)first.answer, "rank 0's start");
    return settle(n, ranks, ncclCommInitRankConfig(&n->comm, ranks->size, first.id, ranks->rank, &config),
                  "connecting the ranks' devices");
}

sim_status sim_collectives_open(struct sim_cuda *c, struct sim_cuda_ranks *r)
{
    struct nccl *n = calloc(1, sizeof *n);
    r->library = n;
    if (!n) return sim_fail(SIM_ENOMEM, "no memory for NCCL");
    if (c->deterministic) fix_order(c);
    return open_comm(n, r->ranks);
}

/* Where a rank is gone there is nobody to take leave of. */
void sim_collectives_close(struct sim_cuda_ranks *r)
{
    struct nccl *n = r->library;
    if (!n) return;
    if (n->comm) {
        if (sim_ranks_look(r->ranks) == SIM_OK &&
            settle(n, r->ranks, ncclCommFinalize(n->comm), "taking leave") == SIM_OK)
            ncclCommDestroy(n->comm);
        else
            ncclCommAbort(n->comm);
    }
    free(n);
    r->library = NULL;
}

/* ------------------------------------------------------------------ collectives */
static void settle_or_fail(struct sim_cuda *c, ncclResult_t answer, const char *what)
{
    sim_status status = settle(c->ranks->library, c->ranks->ranks, answer, what);
    if (status == SIM_OK) return;
    sim_collectives_check(c->ranks, 1);
    sim_cuda_fail(c, status, "%s", sim_error_text());
}

void sim_collectives_queue(struct sim_cuda *c, sim_stream s, void *values, int64_t count, int doubles,
                           int mean)
{
    struct nccl *n = c->ranks->library;
    if (!n->comm) return; /* the failure is recorded */
    settle_or_fail(c,
                   ncclAllReduce(values, values, (size_t)count, doubles ? ncclDouble : ncclFloat,
                                 mean ? ncclAvg : ncclSum, n->comm, s),
                   "a sum over ranks");
}

void sim_collectives_gather(struct sim_cuda *c, sim_stream s, void *all, const void *mine, size_t bytes)
{
    struct nccl *n = c->ranks->library;
    if (!n->comm) return;
    settle_or_fail(c, ncclAllGather(mine, all, bytes, ncclUint8, n->comm, s), "gathering from all ranks");
}

/* Aborting ends the kernels that wait for a rank that is gone, so that the device can be waited for. */
sim_status sim_collectives_check(struct sim_cuda_ranks *r, int give_up)
{
    struct nccl *n = r->library;
    ncclResult_t answer = ncclSuccess;
    if (!n || !n->comm) return give_up ? SIM_EIO : SIM_OK;
    if (give_up) {
        ncclCommAbort(n->comm);
        n->comm = NULL;
        return SIM_EIO;
    }
    if (ncclCommGetAsyncError(n->comm, &answer) == ncclSuccess &&
        (answer == ncclSuccess || answer == ncclInProgress))
        return SIM_OK;
    return failed(n, answer, "between the ranks' devices");
}
