/* Parcels over MPI: point to point, so that sums are this program's own and in its order.  Two threads call,
 * one at a time (MPI_THREAD_SERIALIZED): neither holds MPI while it waits. */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "sockets.h"
#include "transport.h"

enum { TAGS = 30000 }; /* what every MPI has */

struct mpi {
    struct sim_transport base;
    const struct sim_ranks *ranks;
    MPI_Comm lane[SIM_LANES];
    MPI_Request *request[SIM_LANES]; /* (2 size) receives, then sends */
    int *ready[SIM_LANES];           /* (2 size) those that a look found done */
    unsigned exchanges[SIM_LANES];
    pthread_mutex_t lock;
    int opened;
};

static sim_status failed(int code, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(code, text, &length);
    return sim_fail(SIM_ELIB, "%s: %s", what, text);
}

/* The first rank whose parcel has not come, or to whom one has not gone. */
static int missing(const struct mpi *t, int lane)
{
    const int n = t->ranks->size;
    for (int i = 0; i < n; i++)
        if (t->request[lane][i] != MPI_REQUEST_NULL || t->request[lane][n + i] != MPI_REQUEST_NULL) return i;
    return t->ranks->rank;
}

static sim_status begin(struct mpi *t, int lane, const struct sim_parcel *out, const struct sim_parcel *in)
{
    const int n = t->ranks->size, tag = (int)(t->exchanges[lane]++ % TAGS);
    int code = MPI_SUCCESS;
    for (int i = 0; i < 2 * n; i++) t->request[lane][i] = MPI_REQUEST_NULL;
    for (int i = 0; i < n && code == MPI_SUCCESS; i++) {
        if (i == t->ranks->rank) continue;
        if (in[i].size > INT32_MAX || out[i].size > INT32_MAX)
            return sim_fail(SIM_EINVAL, "a message of %zu bytes is too large for MPI",
                            in[i].size > out[i].size ? in[i].size : out[i].size);
        code = MPI_Irecv(in[i].bytes, (int)in[i].size, MPI_BYTE, i, tag, t->lane[lane], &t->request[lane][i]);
        if (code == MPI_SUCCESS)
            code = MPI_Isend(out[i].bytes, (int)out[i].size, MPI_BYTE, i, tag, t->lane[lane],
                             &t->request[lane][n + i]);
    }
    return code == MPI_SUCCESS ? SIM_OK : failed(code, "MPI cannot send");
}

static sim_status exchange(struct sim_transport *base, int lane, const struct sim_parcel *out,
                           const struct sim_parcel *in, double limit_s, int for_first)
{
    struct mpi *t = (struct mpi *)base;
    const double started = sim_now_s();
    double since = started;
    pthread_mutex_lock(&t->lock);
    sim_status s = begin(t, lane, out, in);
    pthread_mutex_unlock(&t->lock);
    while (s == SIM_OK) {
        int done = 0;
        pthread_mutex_lock(&t->lock);
        int code =
            MPI_Testsome(2 * t->ranks->size, t->request[lane], &done, t->ready[lane], MPI_STATUSES_IGNORE);
        pthread_mutex_unlock(&t->lock);
        const double now = sim_now_s();
        const int who = missing(t, lane);
        if (code != MPI_SUCCESS) {
            s = failed(code, "MPI lost a message");
            return sim_context(s, "%s", sim_rank_name(t->ranks, who));
        }
        if (done == MPI_UNDEFINED || who == t->ranks->rank) return SIM_OK;
        if (for_first && who == 0) since = now;
        if (now - since > limit_s)
            return sim_fail(SIM_EIO, "%s has not answered for %.0f s (SIM_RANKS_TIMEOUT_S)",
                            sim_rank_name(t->ranks, who), limit_s);
        if (now - started > 0.002) sim_pause(now - started < 0.1 ? 50e-6 : 1e-3);
    }
    return s;
}

/* mpirun and srun end a job one of whose processes died; there is nothing to look at. */
static sim_status look(struct sim_transport *base)
{
    (void)base;
    return SIM_OK;
}

/* A rank that gives up takes the job with it: the others may wait for it in a call that has no end. */
static void close_mpi(struct sim_transport *base, const char *why)
{
    struct mpi *t = (struct mpi *)base;
    if (!t) return;
    if (why && t->opened) {
        fprintf(stderr, "siameseim: %s ends the job: %s\n", sim_rank_name(t->ranks, t->ranks->rank), why);
        fflush(NULL);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    for (int k = 0; k < SIM_LANES; k++) {
        if (t->lane[k] != MPI_COMM_NULL) MPI_Comm_free(&t->lane[k]);
        free(t->request[k]), free(t->ready[k]);
    }
    MPI_Finalize();
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Ranks of one machine share memory: MPI knows them. */
static int read_local(struct sim_ranks *r)
{
    MPI_Comm local;
    int code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, r->rank, MPI_INFO_NULL, &local);
    if (code != MPI_SUCCESS) return code;
    MPI_Comm_rank(local, &r->local_rank);
    MPI_Comm_size(local, &r->local_size);
    return MPI_Comm_free(&local);
}

static sim_status open_lanes(struct mpi *t, struct sim_ranks *r)
{
    const size_t n = (size_t)r->size;
    char name[SIM_RANK_HOST_BYTES] = "";
    SIM_TRY(sim_ranks_take_hosts(r));
    gethostname(name, sizeof name - 1);
    int code = MPI_Allgather(name, sizeof name, MPI_BYTE, r->host, sizeof name, MPI_BYTE, MPI_COMM_WORLD);
    if (code == MPI_SUCCESS) code = read_local(r);
    for (int k = 0; k < SIM_LANES && code == MPI_SUCCESS; k++) {
        code = MPI_Comm_dup(MPI_COMM_WORLD, &t->lane[k]);
        t->request[k] = calloc(2 * n, sizeof **t->request);
        t->ready[k] = calloc(2 * n, sizeof **t->ready);
        if (!t->request[k] || !t->ready[k]) return sim_fail(SIM_ENOMEM, "no memory for %d ranks", r->size);
    }
    return code == MPI_SUCCESS ? SIM_OK : failed(code, "MPI does not bring the ranks together");
}

sim_status sim_mpi_open(struct sim_transport **out, struct sim_ranks *r)
{
    int level = 0;
    *out = NULL;
    struct mpi *t = calloc(1, sizeof *t);
    if (!t) return sim_fail(SIM_ENOMEM, "no memory for MPI");
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
    if (code != MPI_SUCCESS) {
        free(t);
        return sim_fail(SIM_ELIB, "MPI_Init_thread fails with code %d", code);
    }
    t->base = (struct sim_transport){.name = "mpi",
                                     .serial = level < MPI_THREAD_SERIALIZED,
                                     .exchange = exchange,
                                     .look = look,
                                     .close = close_mpi};
    t->ranks = r;
    pthread_mutex_init(&t->lock, NULL);
    for (int k = 0; k < SIM_LANES; k++) t->lane[k] = MPI_COMM_NULL;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); /* duplicates inherit it */
    MPI_Comm_rank(MPI_COMM_WORLD, &r->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &r->size);
    r->transport = r->bootstrap = "mpi";
    sim_status s = r->size > 1 ? open_lanes(t, r)
                               : sim_fail(SIM_EINVAL, "mpirun started several of this, but each finds itself "
                                                      "alone: is it the mpirun of another MPI than the one "
                                                      "compiled in?");
    t->opened = r->size > 1;
    if (s != SIM_OK) {
        char why[512];
        snprintf(why, sizeof why, "%s", sim_error_text());
        close_mpi(&t->base, why);
        return sim_fail(s, "%s", why);
    }
    *out = &t->base;
    return SIM_OK;
}
