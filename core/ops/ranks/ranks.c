/* The public face of ranks: opening by environment, small collectives, and the thread that means gradients.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport.h"

enum { SENTENCE_BYTES = 512 };

struct mean {
    float *values;
    int64_t count;
};

struct sim_ranks_inside {
    struct sim_transport *transport;
    struct sim_room room[SIM_LANES];

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t begun, done;
    pthread_t thread;
    int running, ending;
    struct mean *queue; /* begun and not done: `waiting` from `first` on, in a ring of `capacity` */
    int64_t first, waiting, capacity;
    sim_status
        failed; /* the first failure: it stands for good, since the ranks no longer agree where they are */
    char sentence[SENTENCE_BYTES];

    char agreed[2 * SENTENCE_BYTES]; /* the sentence of the last failure that all were given */
};

double sim_ranks_timeout_s(void)
{
    const char *text = getenv("SIM_RANKS_TIMEOUT_S");
    char *end;
    double s = text && *text ? strtod(text, &end) : 0;
    return s > 0 && isfinite(s) && !*end ? s : 600;
}

const char *sim_rank_name(const struct sim_ranks *r, int rank)
{
    static _Thread_local char names[4][SIM_RANK_HOST_BYTES + 24];
    static _Thread_local int turn;
    char *name = names[turn++ & 3];
    snprintf(name, sizeof names[0], "rank %d (%s)", rank, r->host[rank]);
    return name;
}

sim_status sim_ranks_take_hosts(struct sim_ranks *r)
{
    r->host = calloc((size_t)r->size, sizeof *r->host);
    return r->host ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory for the names of %d machines", r->size);
}

void sim_ranks_count_local(struct sim_ranks *r, int local_rank)
{
    int lower = 0, all = 0;
    for (int i = 0; i < r->size; i++) {
        int here = strcmp(r->host[i], r->host[r->rank]) == 0;
        all += here, lower += here && i < r->rank;
    }
    r->local_rank = local_rank >= 0 ? local_rank : lower;
    r->local_size = all;
}

/* ------------------------------------------------------------------ failing for good */
static sim_status keep(struct sim_ranks_inside *in, sim_status s)
{
    if (s == SIM_OK) return s;
    pthread_mutex_lock(&in->lock);
    if (in->failed == SIM_OK) {
        in->failed = s;
        snprintf(in->sentence, sizeof in->sentence, "%s", sim_error_text());
    }
    pthread_mutex_unlock(&in->lock);
    return s;
}

static sim_status usable(struct sim_ranks_inside *in)
{
    pthread_mutex_lock(&in->lock);
    sim_status s = in->failed;
    if (s != SIM_OK) sim_fail(s, "%s", in->sentence);
    pthread_mutex_unlock(&in->lock);
    return s;
}

/* ------------------------------------------------------------------ the thread beside */
static void *mean_thread(void *context)
{
    struct sim_ranks *r = context;
    struct sim_ranks_inside *in = r->inside;
    pthread_mutex_lock(&in->lock);
    for (;;) {
        while (!in->waiting && !in->ending) pthread_cond_wait(&in->begun, &in->lock);
        if (!in->waiting) break;
        struct mean m = in->queue[in->first];
        int failed = in->failed != SIM_OK;
        pthread_mutex_unlock(&in->lock);
        if (!failed)
            keep(in, sim_sums_make(r, in->transport, SIM_LANE_BESIDE, &in->room[SIM_LANE_BESIDE], m.values,
                                   m.count, SIM_NUMBER_FLOAT, 1.0 / r->size));
        pthread_mutex_lock(&in->lock);
        in->first = (in->first + 1) % in->capacity, in->waiting--;
        pthread_cond_broadcast(&in->done);
    }
    pthread_mutex_unlock(&in->lock);
    return NULL;
}

/* Signals are the main program's: the thread takes none. */
static sim_status start_thread(struct sim_ranks *r)
{
    struct sim_ranks_inside *in = r->inside;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&in->thread, NULL, mean_thread, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return sim_fail(SIM_EIO, "cannot start the thread that means gradients: %s", strerror(failed));
    in->running = 1;
    return SIM_OK;
}

/* With the lock held. */
static sim_status put(struct sim_ranks_inside *in, float *values, int64_t count)
{
    if (in->waiting == in->capacity) {
        int64_t more = in->capacity ? 2 * in->capacity : 64;
        struct mean *ring = malloc((size_t)more * sizeof *ring);
        if (!ring) return sim_fail(SIM_ENOMEM, "no memory for a list of gradients");
        for (int64_t i = 0; i < in->waiting; i++) ring[i] = in->queue[(in->first + i) % in->capacity];
        free(in->queue);
        in->queue = ring, in->first = 0, in->capacity = more;
    }
    in->queue[(in->first + in->waiting++) % in->capacity] = (struct mean){values, count};
    pthread_cond_signal(&in->begun);
    return SIM_OK;
}

sim_status sim_ranks_mean_begin(const struct sim_ranks *r, float *values, int64_t count)
{
    if (!r || count < 1) return SIM_OK;
    struct sim_ranks_inside *in = r->inside;
    if (in->transport->serial) {
        SIM_TRY(usable(in));
        return keep(in, sim_sums_make(r, in->transport, SIM_LANE_BESIDE, &in->room[SIM_LANE_BESIDE], values,
                                      count, SIM_NUMBER_FLOAT, 1.0 / r->size));
    }
    pthread_mutex_lock(&in->lock);
    sim_status s = put(in, values, count);
    pthread_mutex_unlock(&in->lock);
    return keep(in, s);
}

sim_status sim_ranks_mean_wait(const struct sim_ranks *r)
{
    if (!r) return SIM_OK;
    struct sim_ranks_inside *in = r->inside;
    pthread_mutex_lock(&in->lock);
    while (in->waiting) pthread_cond_wait(&in->done, &in->lock);
    pthread_mutex_unlock(&in->lock);
    return usable(in);
}

/* ------------------------------------------------------------------ the caller's lane */
sim_status sim_ranks_sum(const struct sim_ranks *r, double *values, int64_t count)
{
    if (!r) return SIM_OK;
    struct sim_ranks_inside *in = r->inside;
    SIM_TRY(usable(in));
    return keep(in, sim_sums_make(r, in->transport, SIM_LANE_CALLER, &in->room[SIM_LANE_CALLER], values,
                                  count, SIM_NUMBER_DOUBLE, 1));
}

sim_status sim_ranks_sum_floats(const struct sim_ranks *r, float *values, int64_t count)
{
    if (!r) return SIM_OK;
    struct sim_ranks_inside *in = r->inside;
    SIM_TRY(usable(in));
    return keep(in, sim_sums_make(r, in->transport, SIM_LANE_CALLER, &in->room[SIM_LANE_CALLER], values,
                                  count, SIM_NUMBER_FLOAT, 1));
}

/* Parcels of `out_bytes` from `mine` to everybody; everybody's, of in_bytes(rank), one behind the other. */
static sim_status swap(const struct sim_ranks *r, const void *mine, size_t out_bytes, void *theirs,
                       size_t first_bytes, size_t other_bytes, int for_first)
{
    struct sim_ranks_inside *in = r->inside;
    const size_t n = (size_t)r->size;
    SIM_TRY(usable(in));
    struct sim_parcel *p = calloc(2 * n, sizeof *p);
    if (!p) return keep(in, sim_fail(SIM_ENOMEM, "no memory for a list of %d ranks", r->size));
    char *at = theirs;
    for (size_t i = 0; i < n; i++) {
        p[i] = (struct sim_parcel){(void *)(uintptr_t)mine, out_bytes}; /* only read */
        p[n + i] = (struct sim_parcel){at, i ? other_bytes : first_bytes};
        at += p[n + i].size;
    }
    sim_status s =
        in->transport->exchange(in->transport, SIM_LANE_CALLER, p, p + n, sim_ranks_timeout_s(), for_first);
    free(p);
    return keep(in, s);
}

static sim_status gather(const struct sim_ranks *r, const void *mine, void *all, size_t bytes, int for_first)
{
    SIM_TRY(swap(r, mine, bytes, all, bytes, bytes, for_first));
    memcpy((char *)all + (size_t)r->rank * bytes, mine, bytes);
    return SIM_OK;
}

sim_status sim_ranks_gather(const struct sim_ranks *r, const void *mine, void *all, size_t bytes)
{
    if (r) return gather(r, mine, all, bytes, 1);
    memcpy(all, mine, bytes);
    return SIM_OK;
}

sim_status sim_ranks_share(const struct sim_ranks *r, const void *mine, void *all, size_t bytes)
{
    if (r) return gather(r, mine, all, bytes, 0);
    memcpy(all, mine, bytes);
    return SIM_OK;
}

sim_status sim_ranks_broadcast(const struct sim_ranks *r, void *blob, size_t bytes)
{
    if (!r) return SIM_OK;
    return r->rank == 0 ? swap(r, blob, bytes, NULL, 0, 0, 1) : swap(r, NULL, 0, blob, bytes, 0, 1);
}

sim_status sim_ranks_barrier(const struct sim_ranks *r)
{
    return r ? swap(r, NULL, 0, NULL, 0, 0, 1) : SIM_OK;
}

/* ------------------------------------------------------------------ agreeing */
/* Every rank has this failure. */
static sim_status shared(const struct sim_ranks *r, sim_status s)
{
    snprintf(r->inside->agreed, sizeof r->inside->agreed, "%s", sim_error_text());
    return s;
}

/* Somebody failed: rare, and then the sentences go around. */
static sim_status quote(const struct sim_ranks *r, sim_status theirs, int who, const char *sentence)
{
    char(*all)[SENTENCE_BYTES] = calloc((size_t)r->size, sizeof *all);
    if (!all) return keep(r->inside, sim_fail(SIM_ENOMEM, "no memory for what %d ranks say", r->size));
    sim_status s = sim_ranks_gather(r, sentence, all, SENTENCE_BYTES);
    all[who][SENTENCE_BYTES - 1] = 0;
    if (s == SIM_OK)
        s = shared(r, who == r->rank ? sim_fail(theirs, "%s", sentence)
                                     : sim_fail(theirs, "%s: %s", sim_rank_name(r, who), all[who]));
    free(all);
    return s;
}

int sim_ranks_agreed(const struct sim_ranks *r)
{
    if (!r || !*r->inside->agreed) return 0;
    const char *text = sim_error_text();
    const size_t whole = strlen(text), end = strlen(r->inside->agreed);
    return whole >= end && strcmp(text + whole - end, r->inside->agreed) == 0;
}

static sim_status agree(const struct sim_ranks *r, sim_status mine, int *any, int for_first)
{
    struct word {
        int32_t status, any;
    } here = {(int32_t)mine, *any}, *all;
    char sentence[SENTENCE_BYTES] = "";
    if (mine != SIM_OK) snprintf(sentence, sizeof sentence, "%s", sim_error_text());
    if (!(all = calloc((size_t)r->size, sizeof *all)))
        return keep(r->inside, sim_fail(SIM_ENOMEM, "no memory for a list of %d ranks", r->size));
    sim_status s = gather(r, &here, all, sizeof here, for_first);
    int who = -1;
    for (int i = r->size - 1; s == SIM_OK && i >= 0; i--) {
        *any |= all[i].any;
        if (all[i].status != SIM_OK) who = i;
    }
    if (s == SIM_OK && who >= 0) s = quote(r, (sim_status)all[who].status, who, sentence);
    free(all);
    return s;
}

sim_status sim_ranks_agree_on(const struct sim_ranks *r, sim_status mine, int *any)
{
    return r ? agree(r, mine, any, 0) : mine;
}

sim_status sim_ranks_agree(const struct sim_ranks *r, sim_status mine)
{
    int any = 0;
    return r ? agree(r, mine, &any, 1) : mine;
}

sim_status sim_ranks_same(const struct sim_ranks *r, uint64_t mine, const char *what)
{
    uint64_t *all;
    if (!r) return SIM_OK;
    if (!(all = calloc((size_t)r->size, sizeof *all)))
        return keep(r->inside, sim_fail(SIM_ENOMEM, "no memory for a list of %d ranks", r->size));
    sim_status s = sim_ranks_gather(r, &mine, all, sizeof mine);
    for (int i = 1; s == SIM_OK && i < r->size; i++)
        if (all[i] != all[0])
            s = shared(r, sim_fail(SIM_EINVAL, "%s of %s differ from those of %s (%016llx, %016llx)", what,
                                   sim_rank_name(r, i), sim_rank_name(r, 0), (unsigned long long)all[i],
                                   (unsigned long long)all[0]));
    free(all);
    return s;
}

sim_status sim_ranks_look(const struct sim_ranks *r)
{
    if (!r) return SIM_OK;
    SIM_TRY(usable(r->inside));
    return keep(r->inside, r->inside->transport->look(r->inside->transport));
}

/* ------------------------------------------------------------------ opening, leaving */
int sim_ranks_wanted(void)
{
    struct sim_place p;
    return sim_place_read(&p) != SIM_OK || p.boot != SIM_BOOT_ALONE;
}

static sim_status open_transport(struct sim_ranks *r, const struct sim_place *p)
{
    struct sim_ranks_inside *in = calloc(1, sizeof *in);
    if (!in) return sim_fail(SIM_ENOMEM, "no memory for ranks");
    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->begun, NULL);
    pthread_cond_init(&in->done, NULL);
    r->inside = in;
    SIM_TRY(p->boot == SIM_BOOT_MPI ? sim_mpi_open(&in->transport, r) : sim_tcp_open(&in->transport, r, p));
    return in->transport->serial ? SIM_OK : start_thread(r);
}

sim_status sim_ranks_open(struct sim_ranks **out)
{
    struct sim_place p;
    *out = NULL;
    SIM_TRY(sim_place_read(&p));
    if (p.boot == SIM_BOOT_ALONE) return SIM_OK;
    struct sim_ranks *r = calloc(1, sizeof *r);
    if (!r) return sim_fail(SIM_ENOMEM, "no memory for ranks");
    sim_status s = open_transport(r, &p);
    if (s == SIM_OK)
        *out = r;
    else {
        char why[SENTENCE_BYTES];
        snprintf(why, sizeof why, "%s", sim_error_text());
        sim_ranks_close(r, why);
        sim_fail(s, "%s", why);
    }
    return s;
}

void sim_ranks_close(struct sim_ranks *r, const char *why)
{
    if (!r) return;
    struct sim_ranks_inside *in = r->inside;
    if (in && in->running) {
        pthread_mutex_lock(&in->lock);
        in->ending = 1;
        pthread_cond_signal(&in->begun);
        pthread_mutex_unlock(&in->lock);
        pthread_join(in->thread, NULL);
    }
    if (in) {
        if (in->transport)
            in->transport->close(in->transport, in->failed != SIM_OK && !why ? in->sentence : why);
        for (int k = 0; k < SIM_LANES; k++) free(in->room[k].bytes);
        free(in->queue);
        pthread_cond_destroy(&in->begun), pthread_cond_destroy(&in->done);
        pthread_mutex_destroy(&in->lock);
        free(in);
    }
    free(r->host);
    free(r);
}
