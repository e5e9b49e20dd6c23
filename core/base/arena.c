#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int padded_bytes(size_t count, size_t element_bytes, size_t *out)
{
    size_t n;
    if (__builtin_mul_overflow(count, element_bytes, &n)) return 0;
    if (__builtin_add_overflow(n, (size_t)SIM_ALIGN_BYTES - 1, &n)) return 0;
    *out = n / SIM_ALIGN_BYTES * SIM_ALIGN_BYTES;
    return 1;
}

void *sim_calloc_aligned(size_t count, size_t element_bytes)
{
    size_t n;
    if (!padded_bytes(count, element_bytes, &n)) return NULL;
    if (n == 0) n = SIM_ALIGN_BYTES;
    void *p = aligned_alloc(SIM_ALIGN_BYTES, n);
    if (p) memset(p, 0, n);
    return p;
}

void sim_arena_measure(struct sim_arena *a)
{
    *a = (struct sim_arena){.measuring = 1};
}

static void *take_from_host(void *context, size_t bytes)
{
    (void)context;
    return sim_calloc_aligned(bytes, 1);
}

static void release_to_host(void *context, void *block)
{
    (void)context;
    free(block);
}

const struct sim_memory sim_host_memory = {
    .take = take_from_host, .release = release_to_host, .place = "host"};

sim_status sim_memory_lacks(const struct sim_memory *m, const char *what, size_t bytes)
{
    if (m->says_why) return sim_context(SIM_ENOMEM, "%s", what);
    return sim_fail(SIM_ENOMEM, "%s: cannot allocate %.1f MiB of %s memory", what, (double)bytes / 1048576.0,
                    m->place);
}

sim_status sim_arena_open(struct sim_arena *a, const struct sim_memory *memory, size_t size_bytes)
{
    *a = (struct sim_arena){.size_bytes = size_bytes, .memory = *memory};
    a->base = memory->take(memory->context, size_bytes);
    if (!a->base) return sim_memory_lacks(memory, "working memory", size_bytes);
    return SIM_OK;
}

void *sim_arena_take(struct sim_arena *a, size_t count, size_t element_bytes)
{
    size_t n, end;
    if (!padded_bytes(count, element_bytes, &n) || __builtin_add_overflow(a->used_bytes, n, &end)) {
        a->failed = 1;
        return NULL;
    }
    if (a->measuring) {
        a->used_bytes = end;
        return NULL;
    }
    if (end > a->size_bytes) {
        a->failed = 1;
        return NULL;
    }
    void *p = a->base + a->used_bytes;
    a->used_bytes = end;
    return p;
}

void sim_arena_close(struct sim_arena *a)
{
    if (a->base) a->memory.release(a->memory.context, a->base);
    *a = (struct sim_arena){0};
}
