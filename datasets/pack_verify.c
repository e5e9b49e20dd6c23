/* Every checksum of a pack. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "pack.h"
#include "pool.h"
#include "progress.h"

enum { TASK_IMAGES = 256, BATCH_TASKS = 64 };

struct check {
    const struct sim_pack *pack;
    struct sim_pack_check *config;
    int64_t first; /* of the batch */
    char *
        *wrong; /* (TASK_IMAGES * BATCH_TASKS) what is wrong with the batch's images, owned; NULL: nothing */
    atomic_llong bytes;
};

static sim_status check_image(const struct check *c, int64_t i, size_t *count)
{
    const uint8_t *bytes;
    struct sim_image im;
    SIM_TRY(sim_pack_file(c->pack, i, &bytes, count));
    sim_status status = SIM_OK;
    if (c->config->decode) {
        status = sim_decode(bytes, *count, "decoding", &im);
        sim_image_close(&im);
    }
    sim_pack_release(c->pack, bytes, *count);
    return status;
}

static void check_task(void *context, int64_t task, int worker)
{
    (void)worker;
    struct check *c = context;
    for (int64_t k = task * TASK_IMAGES; k < (task + 1) * TASK_IMAGES && c->first + k < c->pack->images;
         k++) {
        size_t count = 0;
        if (check_image(c, c->first + k, &count) != SIM_OK) c->wrong[k] = strdup(sim_error_text());
        atomic_fetch_add(&c->bytes, (long long)count);
    }
}

/* Hash of index and names, and images one behind the other without gap or overlap. */
static sim_status check_tables(const struct sim_pack *p)
{
    const struct sim_pack_header *h = p->header;
    uint64_t at = SIM_PACK_HEADER_BYTES;
    const uint8_t *from = (const uint8_t *)p->index;
    if (XXH64(from, (size_t)(p->map + p->map_bytes - from), 0) != h->tables_hash)
        return sim_fail(SIM_EFORMAT, "the index or the names are damaged (hash)");
    for (int64_t i = 0; i < p->images; i++) {
        if (p->index[i].at != at || p->index[i].name_at >= h->names_bytes)
            return sim_fail(SIM_EFORMAT, "the index is damaged at image %lld", (long long)i);
        at += p->index[i].bytes;
    }
    if (at != SIM_PACK_HEADER_BYTES + h->data_bytes)
        return sim_fail(SIM_EFORMAT, "there are bytes that belong to no image");
    return SIM_OK;
}

static void tell(struct sim_pack_check *c, int64_t i, const char *what)
{
    if (i >= 0) c->damaged++;
    if (c->tell) c->tell(c->context, i, what);
}

static void check_images(struct check *c, struct sim_pool *pool)
{
    const int64_t images = c->pack->images, batch = TASK_IMAGES * BATCH_TASKS;
    struct sim_progress progress;
    sim_progress_start(&progress, "checking", "images", images);
    for (c->first = 0; c->first < images; c->first += batch) {
        int64_t count = images - c->first < batch ? images - c->first : batch;
        struct sim_job job = {check_task, c, (count + TASK_IMAGES - 1) / TASK_IMAGES, 0, 0, NULL};
        sim_pool_submit(pool, &job);
        sim_pool_wait(pool, &job);
        for (int64_t k = 0; k < count; k++) {
            if (!c->wrong[k]) continue;
            tell(c->config, c->first + k, c->wrong[k]);
            free(c->wrong[k]);
            c->wrong[k] = NULL;
        }
        sim_progress_update(&progress, c->first + count, NULL);
    }
    sim_progress_finish(&progress);
}

sim_status sim_pack_verify(struct sim_pack_check *c)
{
    struct sim_pack p;
    struct sim_pool *pool = NULL;
    SIM_TRY(sim_pack_map(&p, c->path));
    struct check check = {.pack = &p, .config = c};
    c->images = p.images, c->damaged = 0;
    check.wrong = calloc((size_t)TASK_IMAGES * BATCH_TASKS, sizeof *check.wrong);
    sim_status status = check.wrong ? sim_pool_open(&pool, c->workers)
                                    : sim_fail(SIM_ENOMEM, "%s: no memory to check it", c->path);
    int tables_bad = 0;
    if (status == SIM_OK) {
        tables_bad = check_tables(&p) != SIM_OK;
        if (tables_bad) tell(c, -1, sim_error_text());
        check_images(&check, pool);
        c->bytes = (uint64_t)check.bytes;
    }
    if (status == SIM_OK && (c->damaged || tables_bad))
        status = sim_fail(SIM_EFORMAT, "%s is damaged: %lld of %lld images%s", c->path, (long long)c->damaged,
                          (long long)c->images, tables_bad ? ", and its tables" : "");
    sim_pool_close(pool);
    free(check.wrong);
    sim_pack_unmap(&p);
    return status;
}
