/* Parcels over TCP: a socket per pair of ranks and lane, all served at once, and one per pair for farewells.
 * A rank that ends, however it ends, closes its sockets; a machine that goes dark is noticed by keepalive. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "meet.h"
#include "progress.h"
#include "sockets.h"

/* In front of every parcel. */
struct head {
    uint32_t number; /* of the exchange on its lane: ranks at different places of the program are found out */
    uint32_t lane;
    uint64_t size;
};

/* One direction of one link during an exchange. */
struct flow {
    struct head head;
    struct sim_parcel parcel;
    size_t done; /* of head and parcel together */
};

enum { FAREWELL_BYTES = 400 };
static const double news_s = 1; /* for a farewell that is on its way when its sender's links close */

struct tcp {
    struct sim_transport base;
    const struct sim_ranks *ranks;
    struct sim_peer *peer;          /* (size) */
    struct flow *out[SIM_LANES];    /* (2 size) sends, then receives */
    struct pollfd *poll[SIM_LANES]; /* (size) */
    uint32_t exchanges[SIM_LANES];
};

/* ------------------------------------------------------------------ who is gone */
enum news { THERE, DIED, LEFT, GAVE_UP };

/* What the link for farewells says of a rank; text (FAREWELL_BYTES) where it gave up. */
static enum news hear(const struct tcp *t, int rank, char *text)
{
    int s = t->peer[rank].link[SIM_LINK_NEWS];
    ssize_t n = recv(s, text, FAREWELL_BYTES - 1, MSG_PEEK);
    text[n > 0 ? n : 0] = 0;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? THERE : DIED;
    return n == 0 ? DIED : text[0] == '.' ? LEFT : GAVE_UP;
}

/* The worst news of all ranks: one that died explains why others gave up. */
static enum news ask_around(const struct tcp *t, int *who, char *text)
{
    static const int weight[] = {[THERE] = 0, [LEFT] = 1, [GAVE_UP] = 2, [DIED] = 3};
    enum news worst = THERE;
    for (int i = 0; i < t->ranks->size; i++) {
        char heard[FAREWELL_BYTES];
        if (i == t->ranks->rank) continue;
        enum news n = hear(t, i, heard);
        if (weight[n] <= weight[worst]) continue;
        worst = n, *who = i;
        memcpy(text, heard, FAREWELL_BYTES);
    }
    return worst;
}

static sim_status look(struct sim_transport *base)
{
    const struct tcp *t = (const struct tcp *)base;
    char text[FAREWELL_BYTES];
    int who = 0;
    switch (ask_around(t, &who, text)) {
    case DIED:
        return sim_fail(SIM_EIO, "%s is gone: it ended or was killed before the work was done",
                        sim_rank_name(t->ranks, who));
    case GAVE_UP:
        return sim_fail(SIM_EIO, "%s gave up: %s", sim_rank_name(t->ranks, who), text);
    default: /* who has left has nothing more to do, which this rank may not know yet */
        return SIM_OK;
    }
}

/* A link of this rank broke: what is known about it, after a moment for the news to arrive. */
static sim_status broken(struct tcp *t, int rank)
{
    const double until = sim_now_s() + news_s;
    char text[FAREWELL_BYTES];
    while (hear(t, rank, text) == THERE && sim_now_s() < until) sim_pause(0.005);
    SIM_TRY(look(&t->base));
    return sim_fail(SIM_EIO, "%s has left while others still work: were all ranks started alike?",
                    sim_rank_name(t->ranks, rank));
}

/* ------------------------------------------------------------------ exchanging */
static size_t whole(const struct flow *f)
{
    return sizeof f->head + f->parcel.size;
}

/* Where the next bytes are, and how many lie there in one piece. */
static void *next_bytes(struct flow *f, size_t *count)
{
    if (f->done < sizeof f->head) {
        *count = sizeof f->head - f->done;
        return (char *)&f->head + f->done;
    }
    *count = whole(f) - f->done;
    return (char *)f->parcel.bytes + (f->done - sizeof f->head);
}

/* Moves what can be moved without waiting: 1, or 0 where the link is broken. */
static int push(int s, struct flow *f)
{
    while (f->done < whole(f)) {
        size_t count;
        const void *from = next_bytes(f, &count);
        ssize_t n = send(s, from, count, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        f->done += (size_t)n;
    }
    return 1;
}

/* *wrong: what came is not what is expected here. */
static int pull(int s, struct flow *f, const struct head *expected, int *wrong)
{
    while (f->done < whole(f)) {
        size_t count;
        void *to = next_bytes(f, &count);
        ssize_t n = recv(s, to, count, 0);
        if (n == 0) return 0;
        if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        f->done += (size_t)n;
        if (f->done < sizeof f->head || !memcmp(&f->head, expected, sizeof f->head)) continue;
        *wrong = 1;
        return 0;
    }
    return 1;
}

static sim_status mismatch(const struct tcp *t, int rank, const struct head *got, const struct head *expected)
{
    return sim_fail(
        SIM_EINVAL,
        "%s is at another place of the program: its message %u has %llu bytes, message %u of %llu "
        "is expected; were all ranks started alike, with one version?",
        sim_rank_name(t->ranks, rank), got->number, (unsigned long long)got->size, expected->number,
        (unsigned long long)expected->size);
}

static sim_status late(const struct tcp *t, int rank, double limit_s)
{
    return sim_fail(SIM_EIO, "%s lives but has not answered for %.0f s (SIM_RANKS_TIMEOUT_S)",
                    sim_rank_name(t->ranks, rank), limit_s);
}

/* Serves every link whose turn it is; *waiting: the first rank that is not done, or -1. */
static sim_status serve(struct tcp *t, int lane, int *waiting)
{
    const int n = t->ranks->size;
    *waiting = -1;
    for (int i = n - 1; i >= 0; i--) {
        struct flow *out = &t->out[lane][i], *in = &t->out[lane][n + i];
        const int s = t->peer[i].link[lane];
        const struct head expected = {t->exchanges[lane], (uint32_t)lane, in->parcel.size};
        int wrong = 0;
        if (i == t->ranks->rank) continue;
        if (!push(s, out) || !pull(s, in, &expected, &wrong))
            return wrong ? mismatch(t, i, &in->head, &expected) : broken(t, i);
        short events = (short)((out->done < whole(out) ? POLLOUT : 0) | (in->done < whole(in) ? POLLIN : 0));
        t->poll[lane][i] = (struct pollfd){.fd = events ? s : -1, .events = events};
        if (events) *waiting = i;
    }
    return SIM_OK;
}

static sim_status exchange(struct sim_transport *base, int lane, const struct sim_parcel *out,
                           const struct sim_parcel *in, double limit_s, int for_first)
{
    struct tcp *t = (struct tcp *)base;
    const int n = t->ranks->size;
    double since = sim_now_s();
    t->exchanges[lane]++;
    for (int i = 0; i < n; i++) {
        t->out[lane][i] =
            (struct flow){.head = {t->exchanges[lane], (uint32_t)lane, out[i].size}, .parcel = out[i]};
        t->out[lane][n + i] = (struct flow){.parcel = in[i]};
    }
    t->poll[lane][t->ranks->rank] = (struct pollfd){.fd = -1};
    for (;;) {
        int waiting;
        SIM_TRY(serve(t, lane, &waiting));
        if (waiting < 0) return SIM_OK;
        if (for_first && waiting == 0) since = sim_now_s();
        if (sim_now_s() - since > limit_s) return late(t, waiting, limit_s);
        poll(t->poll[lane], (nfds_t)n, 1000);
    }
}

/* ------------------------------------------------------------------ opening, leaving */
/* The farewell goes first, so that who finds a link closed finds it. */
static void close_tcp(struct sim_transport *base, const char *why)
{
    struct tcp *t = (struct tcp *)base;
    if (!t) return;
    char text[FAREWELL_BYTES];
    snprintf(text, sizeof text, "%s",
             why ? (*why && *why != '.' ? why : "for a reason it did not say") : ".");
    for (int i = 0; t->peer && i < t->ranks->size; i++)
        if (t->peer[i].link[SIM_LINK_NEWS] >= 0)
            sim_socket_write(t->peer[i].link[SIM_LINK_NEWS], text, strlen(text), 0.1);
    for (int i = 0; t->peer && i < t->ranks->size; i++)
        for (int k = 0; k < SIM_LINKS; k++)
            if (t->peer[i].link[k] >= 0) close(t->peer[i].link[k]);
    for (int k = 0; k < SIM_LANES; k++) free(t->out[k]), free(t->poll[k]);
    free(t->peer);
    free(t);
}

sim_status sim_tcp_open(struct sim_transport **out, struct sim_ranks *r, const struct sim_place *p)
{
    const size_t n = (size_t)p->size;
    struct tcp *t = calloc(1, sizeof *t);
    *out = NULL;
    r->rank = p->rank, r->size = p->size;
    r->transport = "tcp", r->bootstrap = p->boot == SIM_BOOT_FOLDER ? "folder" : "environment";
    if (!t) return sim_fail(SIM_ENOMEM, "no memory for %d ranks", p->size);
    t->base = (struct sim_transport){.name = "tcp", .exchange = exchange, .look = look, .close = close_tcp};
    t->ranks = r;
    int good = (t->peer = malloc(n * sizeof *t->peer)) != NULL;
    for (int i = 0; good && i < p->size; i++)
        for (int k = 0; k < SIM_LINKS; k++) t->peer[i].link[k] = -1;
    for (int k = 0; k < SIM_LANES; k++) {
        good = (t->out[k] = calloc(2 * n, sizeof **t->out)) && good;
        good = (t->poll[k] = calloc(n, sizeof **t->poll)) && good;
    }
    sim_status s = good ? sim_ranks_take_hosts(r) : sim_fail(SIM_ENOMEM, "no memory for %d ranks", p->size);
    if (s == SIM_OK) s = sim_meet(p, r, t->peer);
    if (s != SIM_OK) {
        close_tcp(&t->base, sim_error_text());
        return s;
    }
    sim_ranks_count_local(r, p->local_rank);
    *out = &t->base;
    return SIM_OK;
}
