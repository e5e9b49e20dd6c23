/* A device that is none: device.h on the host, so that the whole backend can be put to the test without a
 * GPU. Its memory is the heap's, and of a size that can be chosen; it never reads as if it were a GPU. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "emulated.h"

enum { DEVICES = 8, ALIGN_BYTES = 256 };

static int64_t memory_asked;

void sim_shim_set_memory(int64_t bytes)
{
    memory_asked = bytes;
}

/* As asked for, or all of the host's. */
static int64_t memory_bytes(void)
{
    const char *text = getenv("SIM_SHIM_MEMORY");
    int64_t bytes = memory_asked > 0 ? memory_asked : text ? strtoll(text, NULL, 10) : 0;
    return bytes > 0 ? bytes : (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

int sim_device_runtime(void)
{
    return 0;
}

sim_status sim_device_open(struct sim_device **out, int ordinal)
{
    *out = NULL;
    if (ordinal < 0 || ordinal >= DEVICES)
        return sim_fail(SIM_EINVAL, "there is no device cuda:%d: the host emulation has cuda:0 to cuda:%d",
                        ordinal, DEVICES - 1);
    struct sim_device *d = sim_calloc_aligned(1, sizeof *d);
    if (!d) return sim_fail(SIM_ENOMEM, "no memory for the host emulation of a device");
    d->facts = (struct sim_device_facts){
        .name = "host emulation (no GPU)",
        .emulated = 1,
        .multiprocessors = 8, /* whatever the host: what is shared out by it stays the same everywhere */
        .memory_bytes = memory_bytes(),
        .l2_bytes = 32 << 20,
    };
    for (int i = 0; i < SIM_STREAMS; i++) d->streams[i].device = d;
    *out = d;
    return SIM_OK;
}

static void forget_blocks(struct sim_block *b)
{
    while (b) {
        struct sim_block *next = b->next;
        free(b->at);
        free(b);
        b = next;
    }
}

void sim_device_close(struct sim_device *d)
{
    if (!d) return;
    if (d->capture) sim_device_graph_close(d, sim_device_capture_end(d));
    sim_emulated_drain(d);
    forget_blocks(d->blocks);
    forget_blocks(d->pinned);
    free(d);
}

const struct sim_device_facts *sim_device_facts(const struct sim_device *d)
{
    return &d->facts;
}

sim_stream sim_device_stream(const struct sim_device *d, enum sim_lane_of which)
{
    return (sim_stream)&d->streams[which];
}

/* ------------------------------------------------------------------ memory */

static void *take(struct sim_block **list, size_t bytes)
{
    struct sim_block *b = malloc(sizeof *b);
    void *at = NULL;
    if (b && posix_memalign(&at, ALIGN_BYTES, bytes ? bytes : 1) != 0) at = NULL;
    if (!at) {
        free(b);
        return NULL;
    }
    memset(at, 0, bytes);
    *b = (struct sim_block){*list, at, bytes};
    *list = b;
    return at;
}

/* Returns the block's size, or 0 where the list has no such block. */
static size_t release(struct sim_block **list, void *block)
{
    for (; *list; list = &(*list)->next) {
        struct sim_block *b = *list;
        if (b->at != block) continue;
        size_t bytes = b->bytes;
        *list = b->next;
        free(b->at);
        free(b);
        return bytes;
    }
    return 0;
}

void *sim_device_take(struct sim_device *d, size_t bytes)
{
    int64_t available = d->facts.memory_bytes - d->used_bytes;
    if (sim_emulated_capturing(d, "memory taken")) {
        sim_fail(SIM_EINVAL, "%s", d->sentence);
        return NULL;
    }
    void *at = bytes <= (size_t)available ? take(&d->blocks, bytes) : NULL;
    if (!at)
        sim_fail(SIM_ENOMEM, "no memory for %zu bytes on %s, where %" PRId64 " of %" PRId64 " bytes are free",
                 bytes, d->facts.name, available, d->facts.memory_bytes);
    else
        d->used_bytes += (int64_t)bytes;
    return at;
}

int64_t sim_device_free_bytes(const struct sim_device *d)
{
    return d->facts.memory_bytes - d->used_bytes;
}

void sim_device_release(struct sim_device *d, void *block)
{
    if (!block) return;
    sim_device_wait(d);
    d->used_bytes -= (int64_t)release(&d->blocks, block);
}

void *sim_device_take_pinned(struct sim_device *d, size_t bytes)
{
    void *at = take(&d->pinned, bytes);
    if (!at) sim_fail(SIM_ENOMEM, "no page-locked host memory for %zu bytes", bytes);
    return at;
}

void sim_device_release_pinned(struct sim_device *d, void *block)
{
    if (!block) return;
    sim_device_wait(d);
    release(&d->pinned, block);
}

int sim_emulated_pinned(const struct sim_device *d, const void *at, size_t bytes)
{
    for (const struct sim_block *b = d->pinned; b; b = b->next)
        if ((uintptr_t)at >= (uintptr_t)b->at && (uintptr_t)at + bytes <= (uintptr_t)b->at + b->bytes)
            return 1;
    return 0;
}

/* ------------------------------------------------------------------ copies */

struct copy {
    void *to;
    const void *from; /* NULL: zeroes; itself: the bytes that follow */
    size_t bytes;
};

static sim_status work_copy(void *argument)
{
    const struct copy *c = argument;
    const void *from = c->from == c->to ? (const void *)(c + 1) : c->from;
    if (from)
        memmove(c->to, from, c->bytes);
    else
        memset(c->to, 0, c->bytes);
    return SIM_OK;
}

/* As on a GPU, what happens late or at once depends on the host's memory: page-locked memory is read and
 * written when the copy's turn comes; other memory is read at once, and to write it waits. */
void sim_device_copy(struct sim_device *d, sim_stream s, void *to, const void *from, size_t bytes,
                     enum sim_direction way)
{
    struct copy plain = {to, from, bytes};
    if (d->failed || bytes == 0 || to == from) return;
    const void *host = way == SIM_TO_DEVICE ? from : to;
    if (way == SIM_ON_DEVICE || sim_emulated_pinned(d, host, bytes)) {
        sim_shim_queue(s, work_copy, &plain, sizeof plain);
        return;
    }
    if (((struct sim_emulated_stream *)s)->captured) {
        sim_device_fail(d, "a copy of %zu bytes of host memory that is not page-locked cannot be captured",
                        bytes);
        return;
    }
    if (way == SIM_TO_HOST) {
        sim_shim_queue(s, work_copy, &plain, sizeof plain);
        sim_device_wait(d);
        return;
    }
    struct copy *held = malloc(sizeof *held + bytes);
    if (!held) {
        sim_device_fail(d, "no memory to hold %zu bytes for the host emulation of a device", bytes);
        return;
    }
    *held = (struct copy){to, to, bytes};
    memcpy(held + 1, from, bytes);
    sim_shim_queue(s, work_copy, held, sizeof *held + bytes);
    free(held);
}

void sim_device_zero(struct sim_device *d, sim_stream s, void *at, size_t bytes)
{
    struct copy c = {at, NULL, bytes};
    if (!d->failed && bytes) sim_shim_queue(s, work_copy, &c, sizeof c);
}

/* ------------------------------------------------------------------ failures */

void sim_device_fail(struct sim_device *d, const char *format, ...)
{
    if (d->failed) return;
    d->failed = 1;
    va_list args;
    va_start(args, format);
    vsnprintf(d->sentence, sizeof d->sentence, format, args);
    va_end(args);
}

const char *sim_device_failure(struct sim_device *d, int clear)
{
    if (!d->failed) return NULL;
    if (clear) d->failed = 0;
    return d->sentence;
}
