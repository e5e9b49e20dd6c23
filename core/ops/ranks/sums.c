/* Sums over ranks in a fixed order.  Every rank adds up its own slice of all ranks' values, in the order of
 * ranks and in double, and hands the sums around: whatever carries the parcels, every rank gets the same
 * bytes.  Few values are given to everybody and added up by everybody, in the same order. */
#include <stdlib.h>
#include <string.h>

#include "transport.h"

enum {
    FEW_BYTES = 16 << 10,  /* one round instead of two */
    ROUND_BYTES = 4 << 20, /* of values at a time: bounds the scratch memory */
};

static sim_status need(struct sim_room *room, size_t size)
{
    if (size <= room->size) return SIM_OK;
    free(room->bytes);
    room->bytes = malloc(size);
    room->size = room->bytes ? size : 0;
    return room->bytes ? SIM_OK : sim_fail(SIM_ENOMEM, "no memory to receive %zu bytes of other ranks", size);
}

/* out (count) = scale * sum over ranks of from[i] (count); out may be one of them. */
static void add_up(void *out, const void *const *from, int ranks, int64_t count, enum sim_number kind,
                   double scale)
{
    enum { BLOCK = 256 };
    double sum[BLOCK];
    for (int64_t at = 0; at < count; at += BLOCK) {
        const int64_t here = count - at < BLOCK ? count - at : BLOCK;
        for (int64_t k = 0; k < here; k++) sum[k] = 0;
        for (int i = 0; i < ranks; i++)
            if (kind == SIM_NUMBER_FLOAT)
                for (int64_t k = 0; k < here; k++) sum[k] += (double)((const float *)from[i] + at)[k];
            else
                for (int64_t k = 0; k < here; k++) sum[k] += ((const double *)from[i] + at)[k];
        if (kind == SIM_NUMBER_FLOAT)
            for (int64_t k = 0; k < here; k++) ((float *)out + at)[k] = (float)(sum[k] * scale);
        else
            for (int64_t k = 0; k < here; k++) ((double *)out + at)[k] = sum[k] * scale;
    }
}

struct tables { /* one entry per rank each */
    struct sim_parcel *out, *in;
    const void **from;
};

/* Everybody's values to everybody. */
static sim_status few(const struct sim_ranks *r, struct sim_transport *t, int lane, struct sim_room *room,
                      const struct tables *b, char *values, int64_t count, size_t each, enum sim_number kind,
                      double scale)
{
    const size_t bytes = (size_t)count * each;
    SIM_TRY(need(room, bytes * (size_t)r->size));
    for (int i = 0; i < r->size; i++) {
        char *theirs = (char *)room->bytes + (size_t)i * bytes;
        b->out[i] = (struct sim_parcel){values, bytes};
        b->in[i] = (struct sim_parcel){theirs, bytes};
        b->from[i] = i == r->rank ? values : theirs;
    }
    SIM_TRY(t->exchange(t, lane, b->out, b->in, sim_ranks_timeout_s(), 0));
    add_up(values, b->from, r->size, count, kind, scale);
    return SIM_OK;
}

/* Slice i of the values belongs to rank i: it receives all, adds up, and sends the sums to all. */
static sim_status sliced(const struct sim_ranks *r, struct sim_transport *t, int lane, struct sim_room *room,
                         const struct tables *b, char *values, int64_t count, size_t each,
                         enum sim_number kind, double scale)
{
    const int64_t n = r->size, first = count * r->rank / n, mine = count * (r->rank + 1) / n - first;
    const size_t bytes = (size_t)mine * each;
    SIM_TRY(need(room, bytes * (size_t)n));
    for (int64_t i = 0; i < n; i++) {
        int64_t at = count * i / n, size = count * (i + 1) / n - at;
        char *theirs = (char *)room->bytes + (size_t)i * bytes;
        b->out[i] = (struct sim_parcel){values + (size_t)at * each, (size_t)size * each};
        b->in[i] = (struct sim_parcel){theirs, bytes};
        b->from[i] = i == r->rank ? values + (size_t)first * each : theirs;
    }
    SIM_TRY(t->exchange(t, lane, b->out, b->in, sim_ranks_timeout_s(), 0));
    add_up(values + (size_t)first * each, b->from, r->size, mine, kind, scale);
    for (int64_t i = 0; i < n; i++) {
        b->in[i] = b->out[i];
        b->out[i] = (struct sim_parcel){values + (size_t)first * each, bytes};
    }
    return t->exchange(t, lane, b->out, b->in, sim_ranks_timeout_s(), 0);
}

sim_status sim_sums_make(const struct sim_ranks *r, struct sim_transport *t, int lane, struct sim_room *room,
                         void *values, int64_t count, enum sim_number kind, double scale)
{
    const size_t each = kind == SIM_NUMBER_FLOAT ? sizeof(float) : sizeof(double), n = (size_t)r->size;
    const int64_t most = (int64_t)(ROUND_BYTES / each);
    struct tables b = {.out = calloc(2 * n, sizeof *b.out), .from = calloc(n, sizeof *b.from)};
    sim_status s = SIM_OK;
    b.in = b.out + n;
    if (!b.out || !b.from) s = sim_fail(SIM_ENOMEM, "no memory for a list of %d ranks", r->size);
    for (int64_t at = 0; s == SIM_OK && at < count; at += most) {
        int64_t here = count - at < most ? count - at : most;
        char *v = (char *)values + (size_t)at * each;
        s = ((size_t)here * each <= FEW_BYTES ? few : sliced)(r, t, lane, room, &b, v, here, each, kind,
                                                              scale);
    }
    free(b.out);
    free(b.from);
    return s;
}
