/* What passes between the host and the device.
 *
 * A step never waits for a copy.  Staged tensors go through page-locked memory on the copy stream into a
 * block beside their destination, while the compute stream still works on the step before; the compute stream
 * then moves them over.  Each destination has two such pairs of blocks, so that the host fills one while the
 * other is under way.  What is small is copied on the compute stream itself. */
#include <stdlib.h>
#include <string.h>

#include "bfloat16.h"
#include "cuda.h"

enum { LANES = 16, SMALL_BYTES = 64 << 10, UPLOADS = 16, UPLOAD_BYTES = 4096 };

/* One of the two pairs of a destination. */
struct half {
    void *pinned, *beside; /* beside: on the device, for what is not small */
    size_t pinned_bytes, beside_bytes;
    sim_event copied, moved; /* pinned memory was read; beside was read */
};

struct lane {
    const void *to; /* the destination; NULL: free */
    int64_t used;   /* when */
    int turn;
    struct half half[2];
};

struct sim_transfers {
    struct lane lanes[LANES];
    int64_t calls;
    unsigned char *uploads; /* page-locked: UPLOADS slots of UPLOAD_BYTES, then the posts */
    sim_event uploaded[UPLOADS];
    int upload_turn;
    sim_event posted[SIM_POST_SLOTS];
};

/* ------------------------------------------------------------------ opening and closing */

static void close_half(struct sim_cuda *c, struct half *h)
{
    sim_device_release_pinned(c->device, h->pinned);
    sim_device_release(c->device, h->beside);
    sim_device_event_close(c->device, h->copied);
    sim_device_event_close(c->device, h->moved);
    *h = (struct half){0};
}

void sim_cuda_close_transfers(struct sim_cuda *c)
{
    struct sim_transfers *t = c->transfers;
    if (!t) return;
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < 2; k++) close_half(c, &t->lanes[i].half[k]);
    for (int i = 0; i < UPLOADS; i++) sim_device_event_close(c->device, t->uploaded[i]);
    for (int i = 0; i < SIM_POST_SLOTS; i++) sim_device_event_close(c->device, t->posted[i]);
    sim_device_release_pinned(c->device, t->uploads);
    free(t);
    c->transfers = NULL;
}

/* Made at the first transfer; NULL: the failure is kept. */
static struct sim_transfers *transfers(struct sim_cuda *c)
{
    if (c->transfers) return c->transfers;
    struct sim_transfers *t = c->transfers = calloc(1, sizeof *t);
    if (!t) {
        sim_cuda_fail(c, SIM_ENOMEM, "no memory for transfers");
        return NULL;
    }
    t->uploads = sim_device_take_pinned(c->device, UPLOADS * UPLOAD_BYTES + SIM_POST_SLOTS * SIM_POST_BYTES);
    if (!t->uploads) sim_cuda_fail(c, SIM_ENOMEM, "transfers: %s", sim_error_text());
    for (int i = 0; i < UPLOADS; i++) t->uploaded[i] = sim_device_event_open(c->device);
    for (int i = 0; i < SIM_POST_SLOTS; i++) t->posted[i] = sim_device_event_open(c->device);
    if (t->uploads) return t;
    sim_cuda_close_transfers(c);
    return NULL;
}

static unsigned char *post_slot(const struct sim_transfers *t, int slot)
{
    return t->uploads + UPLOADS * UPLOAD_BYTES + slot * SIM_POST_BYTES;
}

/* ------------------------------------------------------------------ to the device */

/* The lane of a destination; the one unused for longest becomes that of a new one. */
static struct lane *lane_of(struct sim_transfers *t, const void *to)
{
    struct lane *oldest = &t->lanes[0];
    for (int i = 0; i < LANES; i++) {
        struct lane *l = &t->lanes[i];
        if (l->to == to) {
            oldest = l;
            break;
        }
        if (l->used < oldest->used) oldest = l;
    }
    oldest->to = to;
    oldest->used = ++t->calls;
    return oldest;
}

/* Makes room in a half, whose former contents are through.  0: the failure is kept. */
static int make_room(struct sim_cuda *c, struct half *h, size_t bytes, int small)
{
    if (!h->copied) {
        h->copied = sim_device_event_open(c->device);
        h->moved = sim_device_event_open(c->device);
    }
    if (h->pinned_bytes < bytes) {
        sim_device_release_pinned(c->device, h->pinned);
        h->pinned = sim_device_take_pinned(c->device, bytes);
        h->pinned_bytes = h->pinned ? bytes : 0;
    }
    if (h->pinned && !small && h->beside_bytes < bytes) {
        sim_device_release(c->device, h->beside);
        h->beside = sim_device_take(c->device, bytes);
        h->beside_bytes = h->beside ? bytes : 0;
    }
    if (h->pinned_bytes >= bytes && (small || h->beside_bytes >= bytes)) return 1;
    sim_cuda_fail(c, SIM_ENOMEM, "staging a batch: %s (a smaller train.batch_size needs less)",
                  sim_error_text());
    return 0;
}

static const void *stage(const struct sim_ops *o, void *device, const void *host, size_t bytes)
{
    struct sim_cuda *c = sim_cuda(o);
    struct sim_device *d = c->device;
    struct sim_transfers *t = bytes ? transfers(c) : NULL;
    if (!t) return device;
    if (c->capturing) {
        sim_cuda_fail(c, SIM_EINVAL, "a batch is staged while a graph is recorded");
        return device;
    }
    struct lane *lane = lane_of(t, device);
    struct half *h = &lane->half[lane->turn ^= 1];
    const int small = bytes <= SMALL_BYTES;
    if (h->copied) sim_cuda_wait_for(c, h->copied); /* of the call before the last: long done */
    if (!make_room(c, h, bytes, small)) return device;
    memcpy(h->pinned, host, bytes);
    if (small) {
        sim_device_copy(d, c->stream, device, h->pinned, bytes, SIM_TO_DEVICE);
        sim_device_event_record(d, h->copied, c->stream);
        return device;
    }
    sim_stream copies = sim_device_stream(d, SIM_STREAM_COPY);
    sim_device_stream_waits(d, copies, h->moved);
    sim_device_copy(d, copies, h->beside, h->pinned, bytes, SIM_TO_DEVICE);
    sim_device_event_record(d, h->copied, copies);
    sim_device_stream_waits(d, c->stream, h->copied);
    sim_device_copy(d, c->stream, device, h->beside, bytes, SIM_ON_DEVICE);
    sim_device_event_record(d, h->moved, c->stream);
    return device;
}

static void upload(const struct sim_ops *o, void *to, const void *from, size_t bytes)
{
    struct sim_cuda *c = sim_cuda(o);
    struct sim_transfers *t = bytes ? transfers(c) : NULL;
    if (!t) return;
    if (c->capturing) {
        sim_cuda_fail(c, SIM_EINVAL, "an upload while a graph is recorded");
        return;
    }
    if (bytes > UPLOAD_BYTES) { /* the driver reads memory that is not page-locked before it returns */
        sim_device_copy(c->device, c->stream, to, from, bytes, SIM_TO_DEVICE);
        return;
    }
    const int turn = t->upload_turn++ % UPLOADS;
    unsigned char *slot = t->uploads + turn * UPLOAD_BYTES;
    sim_cuda_wait_for(c, t->uploaded[turn]);
    memcpy(slot, from, bytes);
    sim_device_copy(c->device, c->stream, to, slot, bytes, SIM_TO_DEVICE);
    sim_device_event_record(c->device, t->uploaded[turn], c->stream);
}

/* ------------------------------------------------------------------ to the host */

static void download(const struct sim_ops *o, void *to, const void *from, size_t bytes)
{
    struct sim_cuda *c = sim_cuda(o);
    if (bytes == 0) return;
    sim_cuda_wait(c); /* the copy itself would wait as well, but blind to ranks that are gone */
    if (c->failed == SIM_OK) sim_device_copy(c->device, c->stream, to, from, bytes, SIM_TO_HOST);
}

static void read_act(const struct sim_ops *o, float *to, const sim_act *from, int64_t count)
{
    if (sim_cuda(o)->act == SIM_ELEMENT_F32) {
        download(o, to, from, (size_t)count * sizeof *to);
        return;
    }
    /* Into the second half of the same memory, and widened from the front: every number is read before its
     * bytes are written over. */
    unsigned char *halves = (unsigned char *)(to + count) - (size_t)count * sizeof(uint16_t);
    download(o, halves, from, (size_t)count * sizeof(uint16_t));
    for (int64_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, halves + (size_t)i * sizeof bits, sizeof bits);
        to[i] = sim_bf16_widen(bits);
    }
}

static void post(const struct sim_ops *o, int slot, const void *from, size_t bytes)
{
    struct sim_cuda *c = sim_cuda(o);
    struct sim_transfers *t = transfers(c);
    if (!t) return;
    if (slot < 0 || slot >= SIM_POST_SLOTS || bytes > SIM_POST_BYTES) {
        sim_cuda_fail(c, SIM_EINVAL, "post of %zu bytes to slot %d: at most %d bytes, slots 0 to %d", bytes,
                      slot, SIM_POST_BYTES, SIM_POST_SLOTS - 1);
        return;
    }
    sim_device_copy(c->device, c->stream, post_slot(t, slot), from, bytes, SIM_TO_HOST);
    sim_device_event_record(c->device, t->posted[slot], c->stream);
}

static sim_status collect(const struct sim_ops *o, int slot, void *to, size_t bytes)
{
    struct sim_cuda *c = sim_cuda(o);
    memset(to, 0, bytes);
    if (slot < 0 || slot >= SIM_POST_SLOTS || bytes > SIM_POST_BYTES)
        return sim_fail(SIM_EINVAL, "collect of %zu bytes from slot %d: at most %d bytes, slots 0 to %d",
                        bytes, slot, SIM_POST_BYTES, SIM_POST_SLOTS - 1);
    if (c->transfers) {
        sim_cuda_wait_for(c, c->transfers->posted[slot]);
        memcpy(to, post_slot(c->transfers, slot), bytes);
    }
    return sim_cuda_report(c);
}

void sim_cuda_fill_transfers(struct sim_ops *o)
{
    o->stage = stage;
    o->upload = upload;
    o->download = download;
    o->read_act = read_act;
    o->post = post;
    o->collect = collect;
}
