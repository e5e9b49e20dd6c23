#include "pack_write.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "claim.h"
#include "file.h"
#include "pack_write_parts.h"
#include "partial.h"
#include "pool.h"
#include "progress.h"

enum {
    CHUNK_IMAGES = 256,
    CHUNK_MB = 32,
    SYNC_MB = 256,
    GATHER_BYTES = 1 << 20,
    SYNC_S = 10,
    KEY_BYTES = sizeof(uint64_t)
};

struct slot {
    struct sim_bytes file, smaller; /* used again for every chunk */
    const struct sim_bytes *packed; /* one of them */
    uint32_t flags;
    sim_status status;
    char error[512];
};

/* Images first .. first + count - 1, being read by the pool. */
struct chunk {
    struct sim_job job;
    struct writer *writer;
    int64_t first;
    struct slot *slots;
};

struct writer {
    const struct sim_pack_config *config;
    struct sim_catalogue *list;
    struct sim_pack_made *made;
    char *partial_path, *journal_path;
    struct sim_partial data, journal;
    struct sim_pack_kept *kept; /* of every image, in order */
    int64_t done, journalled;   /* images in `data`; of these in the journal */
    uint64_t data_bytes, unsynced_bytes;
    double synced_s;           /* when the journal was last written */
    struct sim_bytes gathered; /* small images on their way to `data`, one write for all of a chunk */
    int chunk_images;
    struct chunk chunk[2];
    struct sim_pool *pool;
    struct sim_progress progress;
};

/* ------------------------------------------------------------------ reading and re-encoding, in the pool */

static sim_status make(const struct writer *w, const struct sim_member *m, struct slot *s)
{
    const struct sim_pack_config *c = w->config;
    s->flags = 0, s->packed = &s->file;
    SIM_TRY(c->source->read(c->source->self, m, &s->file));
    if (!c->short_side) return SIM_OK;
    sim_status status = sim_pack_recode(&s->file, c->short_side, c->quality, m->path, &s->smaller, &s->flags);
    if (s->flags & SIM_PACK_RECODED) s->packed = &s->smaller;
    return status == SIM_EFORMAT && c->keep_damaged ? SIM_OK : status;
}

static void make_task(void *context, int64_t k, int worker)
{
    (void)worker;
    struct chunk *c = context;
    struct slot *s = &c->slots[k];
    const int64_t i = c->first + k;
    s->status = make(c->writer, &c->writer->list->members[i], s);
    if (s->status != SIM_OK) {
        snprintf(s->error, sizeof s->error, "%s", sim_error_text());
        return;
    }
    uint64_t checksum = XXH64(s->packed->data, s->packed->count, 0);
    c->writer->kept[i] = (struct sim_pack_kept){checksum, (uint32_t)s->packed->count, s->flags};
}

/* The next images after `first`: so many, or so many bytes as the source has them. */
static void submit(struct writer *w, struct chunk *c, int64_t first)
{
    uint64_t bytes = 0;
    c->first = first;
    c->job = (struct sim_job){.task = make_task, .context = c};
    for (int64_t i = first; i < w->list->count && c->job.count < w->chunk_images; i++, c->job.count++) {
        bytes += w->list->members[i].size_bytes;
        if (c->job.count > 0 && bytes > (uint64_t)CHUNK_MB << 20) break;
    }
    sim_pool_submit(w->pool, &c->job);
}

/* ------------------------------------------------------------------ writing, in order */

/* What was written becomes what the next start finds. */
static sim_status journal(struct writer *w)
{
    if (w->journalled == w->done) return SIM_OK;
    SIM_TRY(sim_partial_sync(&w->data));
    /* Not simply at the end: an earlier attempt may have failed half way. */
    SIM_TRY(sim_partial_put_at(&w->journal, KEY_BYTES + (uint64_t)w->journalled * sizeof *w->kept,
                               w->kept + w->journalled, (size_t)(w->done - w->journalled) * sizeof *w->kept));
    SIM_TRY(sim_partial_sync(&w->journal));
    w->journalled = w->done, w->unsynced_bytes = 0, w->synced_s = sim_now_s();
    return SIM_OK;
}

static sim_status put_gathered(struct writer *w)
{
    const size_t count = w->gathered.count;
    w->gathered.count = 0;
    return sim_partial_put(&w->data, w->gathered.data, count);
}

static sim_status put_image(struct writer *w, const struct sim_bytes *b)
{
    if (b->count > GATHER_BYTES - w->gathered.count) SIM_TRY(put_gathered(w));
    if (b->count > GATHER_BYTES) return sim_partial_put(&w->data, b->data, b->count);
    if (b->count) memcpy(w->gathered.data + w->gathered.count, b->data, b->count);
    w->gathered.count += b->count;
    return SIM_OK;
}

/* Images count as done with the whole chunk. */
static sim_status append(struct writer *w, const struct chunk *c)
{
    const uint64_t sync_bytes =
        w->config->sync_bytes ? (uint64_t)w->config->sync_bytes : (uint64_t)SYNC_MB << 20;
    uint64_t bytes = 0;
    for (int64_t k = 0; k < c->job.count; k++) {
        const struct slot *s = &c->slots[k];
        if (s->status != SIM_OK) return sim_fail(s->status, "%s", s->error);
        SIM_TRY(put_image(w, s->packed));
        bytes += s->packed->count;
    }
    SIM_TRY(put_gathered(w));
    w->done += c->job.count, w->data_bytes += bytes, w->unsynced_bytes += bytes;
    sim_progress_update(&w->progress, w->done, NULL);
    return w->unsynced_bytes >= sync_bytes || sim_now_s() - w->synced_s > SYNC_S ? journal(w) : SIM_OK;
}

/* One chunk is made while the one before it is written. */
static sim_status copy_images(struct writer *w)
{
    sim_status status = SIM_OK;
    int at = 0;
    sim_progress_start(&w->progress, "packing", "images", w->list->count);
    w->progress.resumed = w->done;
    w->synced_s = sim_now_s();
    submit(w, &w->chunk[at], w->done);
    while (status == SIM_OK && w->done < w->list->count) {
        struct chunk *now = &w->chunk[at], *next = &w->chunk[at ^= 1];
        sim_pool_wait(w->pool, &now->job);
        submit(w, next, now->first + now->job.count);
        status = append(w, now);
    }
    sim_pool_wait(w->pool, &w->chunk[at].job);
    sim_progress_finish(&w->progress);
    /* What arrived before a failure is kept for the next start. */
    char error[1024];
    snprintf(error, sizeof error, "%s", sim_error_text());
    sim_status kept = journal(w);
    return status != SIM_OK ? sim_fail(status, "%s", error) : kept;
}

/* ------------------------------------------------------------------ tables and header */

/* What stands behind the data, as it will stand in the file. */
struct tables {
    struct sim_pack_header header;
    struct sim_pack_places at; /* of the file */
    uint8_t *block; /* owned; SIM_PACK_ALIGN bytes, of which the last are the padding, then the tables */
    uint8_t *behind_data; /* in it: where the padding begins */
    size_t count;         /* bytes from there on */
};

/* A place of the file, in memory. */
static uint8_t *in_memory(const struct tables *t, uint64_t place)
{
    return t->block + SIM_PACK_ALIGN + (place - t->at.classes);
}

static const char *name_of(const struct sim_member *m)
{
    return strchr(m->path, '/') + 1;
}

static sim_status size_tables(const struct writer *w, struct tables *t)
{
    struct sim_pack_header *h = &t->header;
    const struct sim_catalogue *l = w->list;
    for (int k = 0; k < l->class_count; k++) h->class_names_bytes += strlen(l->classes[k]) + 1;
    for (int64_t i = 0; i < l->count; i++) h->names_bytes += strlen(name_of(&l->members[i])) + 1;
    if (h->names_bytes > UINT32_MAX)
        return sim_fail(SIM_EINVAL, "%s: names of %llu bytes in all are more than a pack can hold",
                        w->config->path, (unsigned long long)h->names_bytes);
    h->images = (uint64_t)l->count, h->classes = (uint64_t)l->class_count, h->data_bytes = w->data_bytes;
    h->file_bytes = INT64_MAX / 8; /* whatever comes out */
    sim_pack_place(h, &t->at);
    h->file_bytes = t->at.end;
    t->count = (size_t)(t->at.end - SIM_PACK_HEADER_BYTES - w->data_bytes);
    t->block = calloc(1, SIM_PACK_ALIGN + (size_t)(t->at.end - t->at.classes));
    if (!t->block) return sim_fail(SIM_ENOMEM, "%s: no memory for its tables", w->config->path);
    t->behind_data = in_memory(t, t->at.end) - t->count;
    return SIM_OK;
}

static void fill_tables(const struct writer *w, struct tables *t)
{
    const struct sim_catalogue *l = w->list;
    struct sim_pack_class *classes = (void *)in_memory(t, t->at.classes);
    struct sim_pack_entry *index = (void *)in_memory(t, t->at.index);
    char *class_names = (char *)in_memory(t, t->at.class_names), *names = (char *)in_memory(t, t->at.names);
    uint64_t data_at = SIM_PACK_HEADER_BYTES, class_name_at = 0, name_at = 0;
    for (int64_t i = 0; i < l->count; i++) {
        const struct sim_member *m = &l->members[i];
        if (i == 0 || m->label != l->members[i - 1].label) {
            classes[m->label] = (struct sim_pack_class){(uint64_t)i, class_name_at};
            class_name_at += (uint64_t)(stpcpy(class_names + class_name_at, l->classes[m->label]) -
                                        (class_names + class_name_at)) +
                             1;
        }
        index[i] = (struct sim_pack_entry){data_at, w->kept[i].checksum, w->kept[i].bytes, (uint32_t)name_at};
        data_at += w->kept[i].bytes;
        name_at += (uint64_t)(stpcpy(names + name_at, name_of(m)) - (names + name_at)) + 1;
    }
}

static sim_status fill_header(struct writer *w, struct tables *t)
{
    const struct sim_pack_config *c = w->config;
    struct sim_pack_header *h = &t->header;
    memcpy(h->magic, SIM_PACK_MAGIC, sizeof h->magic);
    h->version = SIM_PACK_VERSION;
    h->short_side = (uint32_t)c->short_side, h->quality = c->short_side ? (uint32_t)c->quality : 0;
    snprintf(h->source, sizeof h->source, "%s", c->source->about);
    for (int64_t i = 0; i < w->list->count; i++) {
        w->list->members[i].size_bytes = w->kept[i].bytes;
        w->made->recoded += (w->kept[i].flags & SIM_PACK_RECODED) != 0;
        w->made->damaged += (w->kept[i].flags & SIM_PACK_DAMAGED) != 0;
    }
    h->recoded = (uint64_t)w->made->recoded;
    SIM_TRY(sim_catalogue_take_hash(w->list));
    h->manifest = strtoull(w->list->hash, NULL, 16);
    h->tables_hash = XXH64(in_memory(t, t->at.index), (size_t)(t->at.end - t->at.index), 0);
    h->hash = sim_pack_header_hash(h, t->behind_data, (size_t)(in_memory(t, t->at.index) - t->behind_data));
    return SIM_OK;
}

static sim_status finish(struct writer *w)
{
    struct tables t = {0};
    sim_status status = size_tables(w, &t);
    if (status == SIM_OK) {
        fill_tables(w, &t);
        status = fill_header(w, &t);
    }
    if (status == SIM_OK) status = sim_partial_put(&w->data, t.behind_data, t.count);
    if (status == SIM_OK) status = sim_partial_put_at(&w->data, 0, &t.header, sizeof t.header);
    if (status == SIM_OK) status = sim_partial_commit(&w->data, w->config->path);
    if (status == SIM_OK) unlink(w->journal_path);
    w->made->images = w->list->count, w->made->file_bytes = t.at.end;
    free(t.block);
    return status;
}

/* ------------------------------------------------------------------ starting, perhaps again */

/* What makes the bytes what they are: a start with another key begins anew. */
static uint64_t key_of(const struct writer *w)
{
    const struct sim_pack_config *c = w->config;
    const uint32_t form[] = {SIM_PACK_VERSION, (uint32_t)c->short_side,
                             c->short_side ? (uint32_t)c->quality : 0, (uint32_t)c->keep_damaged};
    uint64_t hash = XXH64(w->list->hash, strlen(w->list->hash), XXH64(form, sizeof form, 0));
    return XXH64(c->source->about, strlen(c->source->about), hash);
}

/* Bytes that are still to be written.  A re-encoded image is taken to need a byte for each of its pixels. */
static uint64_t still_needed(const struct writer *w)
{
    const uint64_t smaller = (uint64_t)w->config->short_side * (uint64_t)w->config->short_side * 3 / 2;
    uint64_t bytes = SIM_PACK_HEADER_BYTES;
    for (int64_t i = 0; i < w->list->count; i++) {
        const struct sim_member *m = &w->list->members[i];
        bytes += strlen(m->path) + sizeof(struct sim_pack_entry) + sizeof(struct sim_pack_kept);
        if (i >= w->done) bytes += smaller && smaller < m->size_bytes ? smaller : m->size_bytes;
    }
    return bytes;
}

static sim_status take_up(struct writer *w)
{
    struct stat s;
    const uint64_t key = key_of(w);
    uint64_t there = 0;
    if (stat(w->partial_path, &s) == 0 && s.st_size > SIM_PACK_HEADER_BYTES && !w->config->anew)
        there = (uint64_t)s.st_size - SIM_PACK_HEADER_BYTES;
    SIM_TRY(sim_pack_journal_read(w->journal_path, key, there, w->list->count, w->kept, &w->done));
    if (w->config->anew) w->done = 0;
    for (int64_t i = 0; i < w->done; i++) w->data_bytes += w->kept[i].bytes;
    w->journalled = w->made->resumed = w->done;
    if (w->done)
        sim_log("%s: %lld of %lld images are there from an earlier start", w->config->path,
                (long long)w->done, (long long)w->list->count);
    else if (there)
        sim_log("%s: what an earlier start left there is of another source or form: beginning anew",
                w->partial_path);
    SIM_TRY(sim_file_room(w->config->path, still_needed(w)));
    /* The journal first: should the next line fail, it must not speak of data that are gone. */
    SIM_TRY(sim_partial_open(&w->journal, w->journal_path, KEY_BYTES + (uint64_t)w->done * sizeof *w->kept));
    SIM_TRY(sim_partial_put_at(&w->journal, 0, &key, sizeof key));
    return sim_partial_open(&w->data, w->partial_path, SIM_PACK_HEADER_BYTES + w->data_bytes);
}

static sim_status open_writer(struct writer *w)
{
    const struct sim_pack_config *c = w->config;
    w->chunk_images = c->chunk_images ? c->chunk_images : CHUNK_IMAGES;
    if (asprintf(&w->partial_path, "%s.partial", c->path) < 0) w->partial_path = NULL;
    if (asprintf(&w->journal_path, "%s.journal", c->path) < 0) w->journal_path = NULL;
    w->kept = calloc((size_t)w->list->count, sizeof *w->kept);
    int lacking = !w->partial_path || !w->journal_path || !w->kept;
    for (int k = 0; k < 2; k++) {
        w->chunk[k].writer = w;
        w->chunk[k].slots = calloc((size_t)w->chunk_images, sizeof(struct slot));
        lacking |= !w->chunk[k].slots;
    }
    if (lacking)
        return sim_fail(SIM_ENOMEM, "%s: no memory to pack %lld images", c->path, (long long)w->list->count);
    SIM_TRY(sim_bytes_reserve(&w->gathered, GATHER_BYTES, c->path));
    return sim_pool_open(&w->pool, c->workers);
}

static void close_writer(struct writer *w)
{
    sim_pool_close(w->pool);
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < w->chunk_images && w->chunk[k].slots; i++) {
            sim_bytes_close(&w->chunk[k].slots[i].file);
            sim_bytes_close(&w->chunk[k].slots[i].smaller);
        }
        free(w->chunk[k].slots);
    }
    sim_bytes_close(&w->gathered);
    sim_partial_close(&w->data);
    sim_partial_close(&w->journal);
    free(w->kept);
    free(w->partial_path);
    free(w->journal_path);
}

static sim_status write_alone(const struct sim_pack_config *c, struct sim_pack_made *made)
{
    struct writer w = {.config = c, .list = &c->source->list, .made = made};
    if (access(c->path, F_OK) == 0 && !c->anew)
        return sim_fail(SIM_EINVAL, "%s is there already: give another name, or --anew to replace it",
                        c->path);
    sim_status status = open_writer(&w);
    if (status == SIM_OK) status = take_up(&w);
    if (status == SIM_OK) status = copy_images(&w);
    if (status == SIM_OK) status = finish(&w);
    close_writer(&w);
    return status;
}

sim_status sim_pack_write(const struct sim_pack_config *c, struct sim_pack_made *made)
{
    struct sim_claim *claim;
    char who[SIM_CLAIM_WHO_BYTES];
    const char *name = basename(c->path);
    *made = (struct sim_pack_made){0};
    char *folder = name == c->path ? strdup(".") : strndup(c->path, (size_t)(name - c->path));
    if (!folder) return sim_fail(SIM_ENOMEM, "%s: no memory", c->path);
    sim_status status = sim_claim_take(&claim, folder, name, who, NULL);
    free(folder);
    if (status != SIM_OK) return status;
    if (!claim) return sim_fail(SIM_EINVAL, "%s is being packed by %s", c->path, who);
    status = write_alone(c, made);
    sim_claim_release(&claim);
    return status;
}
