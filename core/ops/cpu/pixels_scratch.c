#include "pixels_scratch.h"

#include <pthread.h>
#include <stdlib.h>

#include "arena.h"

/* Beyond this a block is not kept: blurs and crops of very large images. */
enum { KEPT_BYTES = 4 << 20 };

struct block {
    void *at;
    size_t bytes;
};
static _Thread_local struct block kept;
static pthread_key_t at_end; /* its value is not NULL in threads that keep a block */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int have_key;

static void give_back(void *block)
{
    free(block);
}

static void make_key(void)
{
    have_key = pthread_key_create(&at_end, give_back) == 0;
}

static void *take(void *context, size_t bytes)
{
    (void)context;
    if (bytes <= kept.bytes) return kept.at;
    free(kept.at);
    kept = (struct block){0};
    pthread_once(&once, make_key);
    void *at = sim_calloc_aligned(bytes, 1);
    if (have_key && pthread_setspecific(at_end, at && bytes <= KEPT_BYTES ? at : NULL) == 0 && at &&
        bytes <= KEPT_BYTES)
        kept = (struct block){at, bytes};
    return at;
}

static void release(void *context, void *block)
{
    (void)context;
    if (block != kept.at) free(block);
}

const struct sim_memory sim_pixels_scratch = {.take = take, .release = release, .place = "host"};
