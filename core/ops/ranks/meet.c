#include "meet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "progress.h"
#include "sockets.h"

/* What is sent while meeting.  One program on machines of one kind: structs as they lie in memory. */
#define MAGIC "SIMRANK1"
enum { TO_MEET = -1 }; /* hello.link of who comes to rank 0 to learn the table */

struct hello {
    char magic[8];
    uint64_t meeting; /* sim_place.meeting, and behind the table its token */
    int32_t rank, size, link, port;
    char host[SIM_RANK_HOST_BYTES];
};
struct table_head {
    char magic[8];
    uint64_t token; /* drawn by rank 0: connections of another run are turned away */
};
struct table_row {
    struct sim_address address; /* where this rank listens, as rank 0 sees it */
    int32_t beside_first;       /* on rank 0's machine: reached by rank 0's own address */
    int32_t port;
    char host[SIM_RANK_HOST_BYTES];
};

struct meeting {
    const struct sim_place *place;
    struct sim_ranks *ranks;
    struct sim_peer *peer;
    struct table_row *row; /* (size) */
    int *waiting;          /* (size) rank 0: sockets of those who came, -1: none */
    int listening;
    uint64_t number, token;
    struct sim_address first; /* rank 0, as this process reached it */
    double until;
};

static const double one_message_s = 10; /* for who has connected to say who it is */

static double left(const struct meeting *m)
{
    double s = m->until - sim_now_s();
    return s > 0 ? s : 0;
}

static uint64_t draw(void)
{
    uint64_t token = 0;
    FILE *f = fopen("/dev/urandom", "rbe");
    if (!f || fread(&token, sizeof token, 1, f) != 1) token = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
    if (f) fclose(f);
    return token;
}

static struct hello my_hello(const struct meeting *m, int link, uint64_t number)
{
    struct hello h = {.meeting = number,
                      .rank = m->place->rank,
                      .size = m->place->size,
                      .link = link,
                      .port = sim_socket_port(m->listening)};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    snprintf(h.host, sizeof h.host, "%s", m->row[m->place->rank].host);
    return h;
}

/* ------------------------------------------------------------------ rank 0 */
/* "1, 3, 7" */
static void list_missing(const struct meeting *m, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = 1; i < m->place->size && used + 8 < size; i++)
        if (m->waiting[i] < 0) used += (size_t)snprintf(out + used, size - used, "%s%d", used ? ", " : "", i);
}

/* Who knocks; 0: somebody who does not belong here and is turned away. */
static sim_status let_in(struct meeting *m, int s, int *came)
{
    struct hello h;
    struct sim_address from;
    *came = 0;
    if (sim_socket_read(s, &h, sizeof h, one_message_s) != 0 || memcmp(h.magic, MAGIC, sizeof h.magic) != 0 ||
        h.meeting != m->number || h.link != TO_MEET || sim_socket_peer(s, &from) != 0 ||
        sim_socket_write(s, MAGIC, sizeof h.magic, one_message_s) != 0)
        return SIM_OK;
    h.host[sizeof h.host - 1] = 0;
    if (h.size != m->place->size || h.rank < 1 || h.rank >= h.size)
        return sim_fail(SIM_EINVAL, "%s says that it is rank %d of %d; rank 0 was started as one of %d",
                        h.host, h.rank, h.size, m->place->size);
    struct table_row *row = &m->row[h.rank];
    if (m->waiting[h.rank] >= 0)
        return sim_fail(SIM_EINVAL, "two processes say that they are rank %d, on %s and on %s", h.rank,
                        row->host, h.host);
    sim_address_set_port(&from, h.port);
    *row =
        (struct table_row){.address = from, .beside_first = sim_address_is_loopback(&from), .port = h.port};
    memcpy(row->host, h.host, sizeof row->host);
    m->waiting[h.rank] = s;
    *came = 1;
    return SIM_OK;
}

static sim_status gather_all(struct meeting *m)
{
    for (int came = 1; came < m->place->size;) {
        int one, s = sim_socket_accept(m->listening, left(m));
        if (s < 0) {
            char missing[200];
            list_missing(m, missing, sizeof missing);
            return sim_fail(SIM_EIO,
                            "after %.0f s of waiting, these of %d ranks have not come: %s "
                            "(SIM_RANKS_TIMEOUT_S)",
                            sim_ranks_timeout_s(), m->place->size, missing);
        }
        sim_status status = let_in(m, s, &one);
        if (!one) close(s);
        if (status != SIM_OK) return status;
        came += one;
    }
    return SIM_OK;
}

static sim_status hand_out(struct meeting *m)
{
    struct table_head head = {.token = m->token};
    memcpy(head.magic, MAGIC, sizeof head.magic);
    for (int i = 1; i < m->place->size; i++)
        if (sim_socket_write(m->waiting[i], &head, sizeof head, left(m)) != 0 ||
            sim_socket_write(m->waiting[i], m->row, (size_t)m->place->size * sizeof *m->row, left(m)) != 0)
            return sim_fail(SIM_EIO, "rank %d (%s) was gone before all had met", i, m->row[i].host);
    return SIM_OK;
}

/* Rank 0's address into the file that the others look for. */
static sim_status publish(const struct meeting *m)
{
    char text[256];
    snprintf(text, sizeof text, "%s %d\n", m->row[0].host, sim_socket_port(m->listening));
    sim_status status = sim_file_write(m->place->file, text, strlen(text));
    return status == SIM_OK ? SIM_OK : sim_context(status, "SIM_RANKS_FOLDER");
}

static sim_status be_first(struct meeting *m)
{
    SIM_TRY(sim_socket_listen(&m->listening, m->place->port));
    m->token = draw();
    if (m->place->boot == SIM_BOOT_FOLDER && publish(m) != SIM_OK) return SIM_EIO;
    sim_status status = gather_all(m);
    if (m->place->boot == SIM_BOOT_FOLDER) unlink(m->place->file);
    return status == SIM_OK ? hand_out(m) : status;
}

/* ------------------------------------------------------------------ the others */
/* Where rank 0 may be: known, or read from the file, which an earlier launch of this name may have left. */
static sim_status where_first(const struct meeting *m, struct sim_address *out, int room, int *count)
{
    char *text, host[128];
    size_t size;
    int port;
    *count = 0;
    if (m->place->boot == SIM_BOOT_ENVIRONMENT)
        return sim_socket_lookup(m->place->address, m->place->port, out, room, count);
    if (access(m->place->file, R_OK) != 0 || sim_file_read(m->place->file, 4096, &text, &size) != SIM_OK)
        return SIM_OK; /* not yet */
    int read = sscanf(text, "%127s %d", host, &port);
    free(text);
    if (read != 2) return SIM_OK;
    int beside = strcmp(host, m->row[m->place->rank].host) == 0;
    return sim_socket_lookup(beside ? "localhost" : host, port, out, room, count);
}

/* One visit to one address: *met = 1 and the table, or 0: not there yet. */
static sim_status visit(struct meeting *m, const struct sim_address *to, int *met)
{
    struct table_head head;
    char answer[8];
    const struct hello h = my_hello(m, TO_MEET, m->number);
    int s = sim_socket_try(to, one_message_s), gone = 0;
    *met = 0;
    if (s < 0) return SIM_OK;
    if (sim_socket_write(s, &h, sizeof h, one_message_s) == 0 &&
        sim_socket_read(s, answer, sizeof answer, one_message_s) == 0 &&
        memcmp(answer, MAGIC, sizeof answer) == 0) {
        /* That is rank 0; the table comes when the last rank has come. */
        gone = sim_socket_read(s, &head, sizeof head, left(m)) != 0 ||
               memcmp(head.magic, MAGIC, sizeof head.magic) != 0 ||
               sim_socket_read(s, m->row, (size_t)m->place->size * sizeof *m->row, one_message_s) != 0;
        *met = !gone;
    }
    close(s);
    if (gone)
        return sim_fail(SIM_EIO, "rank %d: rank 0 left before all ranks had met: see what it says",
                        m->place->rank);
    if (*met) m->token = head.token, m->first = *to;
    return SIM_OK;
}

static sim_status come(struct meeting *m)
{
    enum { ADDRESSES = 8 };
    struct sim_address at[ADDRESSES];
    int count, met;
    SIM_TRY(sim_socket_listen(&m->listening, 0));
    for (;;) {
        SIM_TRY(where_first(m, at, ADDRESSES, &count));
        for (int i = 0; i < count; i++) {
            SIM_TRY(visit(m, &at[i], &met));
            if (met) return SIM_OK;
        }
        if (left(m) <= 0) break;
        sim_pause(0.1);
    }
    const char *place = m->place->boot == SIM_BOOT_FOLDER ? m->place->file : m->place->address;
    return sim_fail(SIM_EIO, "rank %d: rank 0 was not to be met at %s within %.0f s (SIM_RANKS_TIMEOUT_S)",
                    m->place->rank, place, sim_ranks_timeout_s());
}

/* ------------------------------------------------------------------ everybody to everybody */
static sim_status call_lower(struct meeting *m)
{
    for (int i = 0; i < m->place->rank; i++) {
        struct sim_address to = i == 0 || m->row[i].beside_first ? m->first : m->row[i].address;
        if (i) sim_address_set_port(&to, m->row[i].port);
        for (int link = 0; link < SIM_LINKS; link++) {
            const struct hello h = my_hello(m, link, m->token);
            m->peer[i].link[link] = sim_socket_try(&to, left(m));
            if (m->peer[i].link[link] < 0 ||
                sim_socket_write(m->peer[i].link[link], &h, sizeof h, one_message_s) != 0)
                return sim_fail(SIM_EIO,
                                "rank %d cannot reach rank %d (%s): is a port between the machines "
                                "closed?",
                                m->place->rank, i, m->row[i].host);
        }
    }
    return SIM_OK;
}

static sim_status answer_higher(struct meeting *m)
{
    const int wanted = (m->place->size - 1 - m->place->rank) * SIM_LINKS;
    for (int have = 0; have < wanted;) {
        struct hello h;
        int s = sim_socket_accept(m->listening, left(m));
        if (s < 0)
            return sim_fail(SIM_EIO, "rank %d: not all other ranks have called within %.0f s", m->place->rank,
                            sim_ranks_timeout_s());
        if (sim_socket_read(s, &h, sizeof h, one_message_s) == 0 &&
            memcmp(h.magic, MAGIC, sizeof h.magic) == 0 && h.meeting == m->token && h.rank > m->place->rank &&
            h.rank < m->place->size && h.link >= 0 && h.link < SIM_LINKS &&
            m->peer[h.rank].link[h.link] < 0) {
            m->peer[h.rank].link[h.link] = s;
            have++;
        } else
            close(s);
    }
    return SIM_OK;
}

static sim_status meet(struct meeting *m)
{
    const int n = m->place->size;
    gethostname(m->row[m->place->rank].host, SIM_RANK_HOST_BYTES - 1);
    SIM_TRY(m->place->rank == 0 ? be_first(m) : come(m));
    for (int i = 0; i < n; i++) {
        memcpy(m->ranks->host[i], m->row[i].host, SIM_RANK_HOST_BYTES);
        m->ranks->host[i][SIM_RANK_HOST_BYTES - 1] = 0;
    }
    SIM_TRY(call_lower(m)); /* connections wait in the listener's queue until it answers */
    return answer_higher(m);
}

sim_status sim_meet(const struct sim_place *p, struct sim_ranks *r, struct sim_peer *peer)
{
    const size_t n = (size_t)p->size;
    struct meeting m = {.place = p,
                        .ranks = r,
                        .peer = peer,
                        .row = calloc(n, sizeof *m.row),
                        .waiting = malloc(n * sizeof *m.waiting),
                        .listening = -1,
                        .number = p->meeting,
                        .until = sim_now_s() + sim_ranks_timeout_s()};
    sim_status status = SIM_OK;
    for (int i = 0; i < p->size; i++) {
        for (int k = 0; k < SIM_LINKS; k++) peer[i].link[k] = -1;
        if (m.waiting) m.waiting[i] = -1;
    }
    if (!m.row || !m.waiting) status = sim_fail(SIM_ENOMEM, "no memory for a table of %d ranks", p->size);
    if (status == SIM_OK) status = meet(&m);
    for (int i = 0; m.waiting && i < p->size; i++)
        if (m.waiting[i] >= 0) close(m.waiting[i]);
    if (m.listening >= 0) close(m.listening);
    free(m.row);
    free(m.waiting);
    return status;
}
