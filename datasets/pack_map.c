/* A pack, mapped and held against what its header claims. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "pack.h"

enum { KEEP_MAPPED_MB = 256 }; /* a pack up to this size may stay in the memory of the process */

int sim_pack_place(const struct sim_pack_header *h, struct sim_pack_places *out)
{
    const uint64_t most = h->file_bytes;
    /* Each part fits by itself, so that no sum below wraps around. */
    if (most > INT64_MAX / 8 || h->images > most / sizeof(struct sim_pack_entry) || h->data_bytes > most ||
        h->classes > most / sizeof(struct sim_pack_class) || h->class_names_bytes > most ||
        h->names_bytes > most)
        return 0;
    const uint64_t up = SIM_PACK_ALIGN - 1;
    out->classes = (SIM_PACK_HEADER_BYTES + h->data_bytes + up) & ~up;
    out->class_names = out->classes + h->classes * sizeof(struct sim_pack_class);
    out->index = (out->class_names + h->class_names_bytes + up) & ~up;
    out->names = out->index + h->images * sizeof(struct sim_pack_entry);
    out->end = out->names + h->names_bytes;
    return out->end <= most;
}

uint64_t sim_pack_header_hash(const struct sim_pack_header *h, const uint8_t *behind_data, size_t count)
{
    return XXH64(behind_data, count, XXH64(h, offsetof(struct sim_pack_header, hash), 0));
}

int sim_pack_is(const char *path)
{
    char magic[sizeof SIM_PACK_MAGIC - 1];
    struct stat s;
    size_t length = strlen(path);
    if (stat(path, &s) != 0 || !S_ISREG(s.st_mode)) return 0;
    if (length > 5 && strcmp(path + length - 5, ".pack") == 0) return 1;
    FILE *f = fopen(path, "rbe");
    int is =
        f && fread(magic, 1, sizeof magic, f) == sizeof magic && !memcmp(magic, SIM_PACK_MAGIC, sizeof magic);
    if (f) fclose(f);
    return is;
}

/* ------------------------------------------------------------------ opening */

static sim_status map_file(struct sim_pack *p)
{
    struct stat s;
    int fd = open(p->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return sim_fail(SIM_EIO, "cannot open the pack %s: %s", p->path, strerror(errno));
    if (fstat(fd, &s) != 0 || s.st_size < SIM_PACK_HEADER_BYTES) {
        close(fd);
        return sim_fail(SIM_EFORMAT, "%s is shorter than a pack's header: it is none, or was cut", p->path);
    }
    void *map = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_SHARED, fd, 0);
    int code = errno;
    close(fd);
    if (map == MAP_FAILED) return sim_fail(SIM_EIO, "cannot map the pack %s: %s", p->path, strerror(code));
    p->map = map, p->map_bytes = (uint64_t)s.st_size;
    p->header = map;
    return SIM_OK;
}

static uint64_t hash_of(const struct sim_pack *p, const struct sim_pack_places *at)
{
    const uint64_t data_end = SIM_PACK_HEADER_BYTES + p->header->data_bytes;
    return sim_pack_header_hash(p->header, p->map + data_end, (size_t)(at->index - data_end));
}

static sim_status check_header(const struct sim_pack *p, struct sim_pack_places *at)
{
    const struct sim_pack_header *h = p->header;
    if (memcmp(h->magic, SIM_PACK_MAGIC, sizeof h->magic) != 0)
        return sim_fail(SIM_EFORMAT, "%s is no pack: it does not begin as one", p->path);
    if (h->version != SIM_PACK_VERSION)
        return sim_fail(SIM_EFORMAT,
                        "%s is a pack of version %u, and this program reads version %d: pack it again",
                        p->path, h->version, (int)SIM_PACK_VERSION);
    if (h->file_bytes != p->map_bytes)
        return sim_fail(SIM_EFORMAT, "%s is %s: it has %llu bytes, and its header says %llu", p->path,
                        p->map_bytes < h->file_bytes ? "cut short" : "too long",
                        (unsigned long long)p->map_bytes, (unsigned long long)h->file_bytes);
    if (!sim_pack_place(h, at) || at->end != h->file_bytes || h->images < 1 || h->classes < 1 ||
        h->classes > h->images || h->classes > INT32_MAX || h->names_bytes > UINT32_MAX)
        return sim_fail(SIM_EFORMAT,
                        "%s: the header is damaged: %llu images of %llu classes in %llu bytes cannot be",
                        p->path, (unsigned long long)h->images, (unsigned long long)h->classes,
                        (unsigned long long)h->file_bytes);
    if (hash_of(p, at) != h->hash || memchr(h->source, 0, sizeof h->source) == NULL)
        return sim_fail(SIM_EFORMAT, "%s: the header or the table of classes is damaged (its hash differs)",
                        p->path);
    return SIM_OK;
}

/* Names are folders' names, end inside the file, ascend, and every class has an image: what the rest of the
 * program takes for granted. */
static sim_status check_classes(const struct sim_pack *p)
{
    const uint64_t names_bytes = p->header->class_names_bytes;
    int sound = names_bytes > 0 && p->class_names[names_bytes - 1] == 0 && p->classes[0].first == 0;
    for (int k = 0; k < p->class_count && sound; k++) {
        uint64_t end = k + 1 < p->class_count ? p->classes[k + 1].first : p->header->images;
        sound = p->classes[k].name_at < names_bytes && p->classes[k].first < end && end <= p->header->images;
        if (sound) sound = *sim_pack_class_name(p, k) && !strchr(sim_pack_class_name(p, k), '/');
        if (sound && k > 0) sound = strcmp(sim_pack_class_name(p, k - 1), sim_pack_class_name(p, k)) < 0;
    }
    if (p->header->names_bytes == 0 || p->map[p->map_bytes - 1] != 0) sound = 0;
    return sound ? SIM_OK : sim_fail(SIM_EFORMAT, "%s: the table of classes is damaged", p->path);
}

sim_status sim_pack_map(struct sim_pack *out, const char *path)
{
    struct sim_pack_places at = {0};
    *out = (struct sim_pack){.path = strdup(path)};
    if (!out->path) return sim_fail(SIM_ENOMEM, "no memory for the path %s", path);
    sim_status status = map_file(out);
    if (status == SIM_OK) status = check_header(out, &at);
    if (status == SIM_OK) {
        out->classes = (const struct sim_pack_class *)(const void *)(out->map + at.classes);
        out->class_names = (const char *)out->map + at.class_names;
        out->index = (const struct sim_pack_entry *)(const void *)(out->map + at.index);
        out->names = (const char *)out->map + at.names;
        out->images = (int64_t)out->header->images, out->class_count = (int)out->header->classes;
        status = check_classes(out);
    }
    if (status != SIM_OK) sim_pack_unmap(out);
    return status;
}

void sim_pack_unmap(struct sim_pack *p)
{
    if (p->map) munmap((void *)(uintptr_t)p->map, (size_t)p->map_bytes);
    free(p->path);
    memset(p, 0, sizeof *p);
}

/* ------------------------------------------------------------------ one image */

/* Tells the system about the pages of [bytes, bytes + count): whole ones, outward. */
static void advise(const struct sim_pack *p, const uint8_t *bytes, size_t count, int advice)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)bytes & ~(page - 1);
    if (count > 0 && p->map_bytes > (uint64_t)KEEP_MAPPED_MB << 20)
        madvise((void *)from, (uintptr_t)bytes + count - from, advice);
}

sim_status sim_pack_file(const struct sim_pack *p, int64_t i, const uint8_t **bytes, size_t *count)
{
    const struct sim_pack_entry e = p->index[i];
    const uint64_t end = SIM_PACK_HEADER_BYTES + p->header->data_bytes;
    char path[256];
    if (e.at < SIM_PACK_HEADER_BYTES || e.at > end || e.bytes > end - e.at) {
        sim_pack_path(p, i, path, sizeof path);
        return sim_fail(SIM_EFORMAT, "%s: %s: the index is damaged: it points outside the images", p->path,
                        path);
    }
    *bytes = p->map + e.at, *count = e.bytes;
    advise(p, *bytes, *count, MADV_WILLNEED); /* one request to the disk, rather than one for every page */
    if (XXH64(*bytes, *count, 0) == e.checksum) return SIM_OK;
    sim_pack_path(p, i, path, sizeof path);
    return sim_fail(SIM_EFORMAT, "%s: %s: its bytes are not those that were packed (checksum)", p->path,
                    path);
}

void sim_pack_release(const struct sim_pack *p, const uint8_t *bytes, size_t count)
{
    advise(p, bytes, count, MADV_DONTNEED); /* of a shared map: leaves the system's own copy alone */
}

int64_t sim_pack_class_first(const struct sim_pack *p, int label)
{
    return label < p->class_count ? (int64_t)p->classes[label].first : p->images;
}

int32_t sim_pack_label(const struct sim_pack *p, int64_t i)
{
    int low = 0, high = p->class_count; /* the last class that does not begin behind i */
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if ((int64_t)p->classes[middle].first <= i)
            low = middle;
        else
            high = middle;
    }
    return low;
}

const char *sim_pack_class_name(const struct sim_pack *p, int label)
{
    return p->class_names + p->classes[label].name_at;
}

void sim_pack_path(const struct sim_pack *p, int64_t i, char *path, int size)
{
    uint32_t at = p->index[i].name_at;
    snprintf(path, (size_t)size, "%s/%s", sim_pack_class_name(p, sim_pack_label(p, i)),
             at < p->header->names_bytes ? p->names + at : "?");
}

void sim_pack_hash(const struct sim_pack *p, char hash[17])
{
    snprintf(hash, 17, "%016llx", (unsigned long long)p->header->hash);
}
