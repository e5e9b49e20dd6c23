#include "safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "file.h"

#define ROOM_FOR_HEADER_BYTES (1u << 20)
/* A header takes some hundred bytes a tensor, so this is a hundred thousand of them.  The format's own limit,
 * 100 MB, would let a file of empty lists grow into gigabytes as it is parsed. */
#define MAX_HEADER_BYTES (16u << 20)

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    [SIM_F32] = {"F32", 4}, [SIM_F64] = {"F64", 8}, [SIM_U8] = {"U8", 1},     [SIM_I64] = {"I64", 8},
    [SIM_I32] = {"I32", 4}, [SIM_F16] = {"F16", 2}, [SIM_BF16] = {"BF16", 2}, [SIM_BOOL] = {"BOOL", 1},
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

size_t sim_dtype_bytes(enum sim_dtype d)
{
    return (unsigned)d < DTYPES ? dtypes[d].bytes : 0;
}

const char *sim_dtype_name(enum sim_dtype d)
{
    return (unsigned)d < DTYPES ? dtypes[d].name : "?";
}

/* A tensor of the file: the public view first, so that a pointer to one is a pointer to the other. */
struct entry {
    struct sim_tensor tensor;
    uint64_t begin, end; /* bytes of the data section */
};

struct sim_tensors {
    char *path;
    json_t *header;         /* owns the names and the metadata */
    struct entry *entries;  /* in the header's order */
    struct entry **by_name; /* sorted */
    int count;
    unsigned char *data; /* 64-byte aligned */
    uint64_t data_bytes;
    void **copies; /* tensors that stand at odd places in the file, moved to aligned memory */
    int copy_count;
};

/* ------------------------------------------------------------------ checking the header */

/* Bytes of a tensor of this shape; 0 on overflow or a negative size. */
static int tensor_bytes(enum sim_dtype dtype, int dims, const int64_t *shape, int64_t *count, uint64_t *bytes)
{
    int empty = 0;
    for (int i = 0; i < dims; i++) {
        if (shape[i] < 0) return 0;
        empty |= shape[i] == 0;
    }
    int64_t n = empty ? 0 : 1, b;
    for (int i = 0; i < dims && !empty; i++)
        if (__builtin_mul_overflow(n, shape[i], &n)) return 0;
    if (__builtin_mul_overflow(n, (int64_t)sim_dtype_bytes(dtype), &b)) return 0;
    *count = n;
    *bytes = (uint64_t)b;
    return 1;
}

static sim_status read_dtype(const char *path, const char *name, const json_t *object, enum sim_dtype *out)
{
    const char *text = json_string_value(json_object_get(object, "dtype"));
    if (!text) return sim_fail(SIM_EFORMAT, "%s: tensor \"%.200s\": no \"dtype\"", path, name);
    for (int d = 0; d < DTYPES; d++)
        if (strcmp(text, dtypes[d].name) == 0) {
            *out = (enum sim_dtype)d;
            return SIM_OK;
        }
    return sim_fail(SIM_EFORMAT,
                    "%s: tensor \"%.200s\": unknown dtype \"%.40s\" (read here: F32 F64 F16 BF16 I64 I32 "
                    "U8 BOOL)",
                    path, name, text);
}

static sim_status read_shape(const char *path, const char *name, const json_t *object, struct sim_tensor *t)
{
    const json_t *shape = json_object_get(object, "shape");
    if (!json_is_array(shape))
        return sim_fail(SIM_EFORMAT, "%s: tensor \"%.200s\": no \"shape\"", path, name);
    size_t dims = json_array_size(shape);
    if (dims > SIM_MAX_DIMS)
        return sim_fail(SIM_EFORMAT, "%s: tensor \"%.200s\": %zu dimensions, at most %d are read", path, name,
                        dims, SIM_MAX_DIMS);
    t->dims = (int)dims;
    for (size_t i = 0; i < dims; i++) {
        const json_t *side = json_array_get(shape, i);
        if (!json_is_integer(side) || json_integer_value(side) < 0)
            return sim_fail(SIM_EFORMAT, "%s: tensor \"%.200s\": shape entry %zu is no whole number from 0",
                            path, name, i);
        t->shape[i] = json_integer_value(side);
    }
    return SIM_OK;
}

static sim_status read_entry(const struct sim_tensors *f, const char *name, const json_t *object,
                             struct entry *e)
{
    const char *path = f->path;
    struct sim_tensor *t = &e->tensor;
    if (!json_is_object(object))
        return sim_fail(SIM_EFORMAT, "%s: tensor \"%.200s\": its entry is no JSON object", path, name);
    t->name = name;
    SIM_TRY(read_dtype(path, name, object, &t->dtype));
    SIM_TRY(read_shape(path, name, object, t));
    const json_t *offsets = json_object_get(object, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
        json_integer_value(first) < 0 || json_integer_value(last) < json_integer_value(first))
        return sim_fail(
            SIM_EFORMAT,
            "%s: tensor \"%.200s\": \"data_offsets\" is no pair [begin, end] with 0 <= begin <= end", path,
            name);
    e->begin = (uint64_t)json_integer_value(first);
    e->end = (uint64_t)json_integer_value(last);
    if (e->end > f->data_bytes)
        return sim_fail(
            SIM_EFORMAT,
            "%s: tensor \"%.200s\" ends at byte %llu of the data, but the file holds only %llu (cut short?)",
            path, name, (unsigned long long)e->end, (unsigned long long)f->data_bytes);
    uint64_t bytes;
    if (!tensor_bytes(t->dtype, t->dims, t->shape, &t->count, &bytes))
        return sim_fail(SIM_EFORMAT, "%s: tensor \"%.200s\": the product of its shape overflows", path, name);
    if (bytes != e->end - e->begin)
        return sim_fail(SIM_EFORMAT,
                        "%s: tensor \"%.200s\": its shape needs %llu bytes, its offsets hold %llu", path,
                        name, (unsigned long long)bytes, (unsigned long long)(e->end - e->begin));
    return SIM_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    return strcmp(x->tensor.name, y->tensor.name);
}

/* Tensors tile the data section: no overlap, no gap, nothing behind the last. */
static sim_status check_tiling(const struct sim_tensors *f, struct entry **sorted)
{
    qsort(sorted, (size_t)f->count, sizeof *sorted, by_offset);
    uint64_t end = 0;
    for (int i = 0; i < f->count; i++) {
        const struct entry *e = sorted[i];
        if (e->begin < end)
            return sim_fail(SIM_EFORMAT, "%s: tensors \"%.200s\" and \"%.200s\" overlap in the file", f->path,
                            sorted[i - 1]->tensor.name, e->tensor.name);
        if (e->begin > end)
            return sim_fail(SIM_EFORMAT, "%s: a gap of %llu bytes stands before tensor \"%.200s\"", f->path,
                            (unsigned long long)(e->begin - end), e->tensor.name);
        end = e->end;
    }
    if (end != f->data_bytes)
        return sim_fail(SIM_EFORMAT, "%s: %llu bytes at the end belong to no tensor", f->path,
                        (unsigned long long)(f->data_bytes - end));
    return SIM_OK;
}

static sim_status check_metadata(const struct sim_tensors *f)
{
    json_t *metadata = json_object_get(f->header, "__metadata__"), *value;
    if (!metadata) return SIM_OK;
    if (!json_is_object(metadata))
        return sim_fail(SIM_EFORMAT, "%s: \"__metadata__\" is no JSON object", f->path);
    const char *key;
    json_object_foreach(metadata, key, value) if (!json_is_string(value)) return sim_fail(
        SIM_EFORMAT, "%s: metadata \"%.200s\" is no string", f->path, key);
    return SIM_OK;
}

/* From the header's text to a checked table; f->data_bytes says how long the data section is. */
static sim_status read_header(struct sim_tensors *f, const char *text, size_t size_bytes)
{
    json_error_t error;
    if (size_bytes == 0 || text[0] != '{')
        return sim_fail(SIM_EFORMAT, "%s: not a safetensors file (its header is no JSON object)", f->path);
    f->header = json_loadb(text, size_bytes, JSON_REJECT_DUPLICATES, &error);
    if (!f->header)
        return sim_fail(SIM_EFORMAT, "%s: the header is not valid JSON at byte %d: %s", f->path,
                        error.position, error.text);
    SIM_TRY(check_metadata(f));
    size_t count = json_object_size(f->header);
    f->entries = calloc(count + 1, sizeof *f->entries);
    f->by_name = calloc(count + 1, sizeof *f->by_name);
    if (!f->entries || !f->by_name)
        return sim_fail(SIM_ENOMEM, "%s: no memory for %zu tensors", f->path, count);
    const char *name;
    json_t *object;
    json_object_foreach(f->header, name, object)
    {
        if (strcmp(name, "__metadata__") == 0) continue;
        struct entry *e = &f->entries[f->count];
        SIM_TRY(read_entry(f, name, object, e));
        f->by_name[f->count++] = e;
    }
    SIM_TRY(check_tiling(f, f->by_name));
    qsort(f->by_name, (size_t)f->count, sizeof *f->by_name, by_name);
    return SIM_OK;
}

/* ------------------------------------------------------------------ reading */

/* Points every tensor at its bytes; those that do not stand at a multiple of 8 get memory of their own. */
static sim_status place_tensors(struct sim_tensors *f)
{
    f->copies = calloc((size_t)f->count + 1, sizeof *f->copies);
    if (!f->copies) return sim_fail(SIM_ENOMEM, "%s: no memory for its tensors", f->path);
    for (int i = 0; i < f->count; i++) {
        struct entry *e = &f->entries[i];
        e->tensor.data = f->data + (e->begin < e->end ? e->begin : 0);
        if (e->begin % 8 == 0 || e->begin == e->end) continue;
        void *copy = malloc(e->end - e->begin);
        if (!copy)
            return sim_fail(SIM_ENOMEM, "%s: no memory for tensor \"%.200s\"", f->path, e->tensor.name);
        memcpy(copy, f->data + e->begin, e->end - e->begin);
        e->tensor.data = f->copies[f->copy_count++] = copy;
    }
    return SIM_OK;
}

static uint64_t little_endian_64(const unsigned char *b)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | b[i];
    return v;
}

/* Where bytes come from: a file, or memory when fd is -1. */
struct input {
    int fd;
    const unsigned char *memory;
    uint64_t size, at;
};

static sim_status take(struct input *in, void *out, size_t count, const char *path)
{
    if (in->fd < 0) {
        if (count > 0) memcpy(out, in->memory + in->at, count);
        in->at += count;
        return SIM_OK;
    }
    for (char *p = out; count > 0;) {
        ssize_t n = read(in->fd, p, count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sim_fail(SIM_EIO, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0) return sim_fail(SIM_EIO, "%s: became shorter while it was read", path);
        p += n;
        count -= (size_t)n;
    }
    return SIM_OK;
}

static sim_status load(struct sim_tensors *f, struct input *in)
{
    unsigned char length[8];
    if (in->size < sizeof length)
        return sim_fail(SIM_EFORMAT, "%s: not a safetensors file: %llu bytes are too few", f->path,
                        (unsigned long long)in->size);
    SIM_TRY(take(in, length, sizeof length, f->path));
    uint64_t header_bytes = little_endian_64(length);
    if (header_bytes > MAX_HEADER_BYTES)
        return sim_fail(SIM_EFORMAT, "%s: not a safetensors file: its header claims %llu bytes, more than %u",
                        f->path, (unsigned long long)header_bytes, MAX_HEADER_BYTES);
    if (header_bytes > in->size - sizeof length)
        return sim_fail(SIM_EFORMAT, "%s: the header claims %llu bytes, but only %llu follow (cut short?)",
                        f->path, (unsigned long long)header_bytes,
                        (unsigned long long)(in->size - sizeof length));
    f->data_bytes = in->size - sizeof length - header_bytes;
    char *text = malloc(header_bytes + 1);
    if (!text) return sim_fail(SIM_ENOMEM, "%s: no memory for its header", f->path);
    sim_status status = take(in, text, header_bytes, f->path);
    if (status == SIM_OK) status = read_header(f, text, header_bytes);
    free(text);
    if (status != SIM_OK) return status;
    f->data = sim_calloc_aligned(f->data_bytes, 1);
    if (!f->data)
        return sim_fail(SIM_ENOMEM, "%s: no memory for %.1f MiB of tensors", f->path,
                        (double)f->data_bytes / 1048576);
    SIM_TRY(take(in, f->data, f->data_bytes, f->path));
    return place_tensors(f);
}

static sim_status open_input(struct sim_tensors **out, struct input *in, const char *path)
{
    *out = NULL;
    struct sim_tensors *f = calloc(1, sizeof *f);
    if (f) f->path = strdup(path);
    sim_status status = f && f->path ? load(f, in) : sim_fail(SIM_ENOMEM, "%s: no memory to open it", path);
    if (status == SIM_OK)
        *out = f;
    else
        sim_tensors_close(f);
    return status;
}

sim_status sim_tensors_parse(struct sim_tensors **out, const void *bytes, size_t size_bytes, const char *path)
{
    struct input in = {.fd = -1, .memory = bytes, .size = size_bytes};
    return open_input(out, &in, path);
}

sim_status sim_tensors_open(struct sim_tensors **out, const char *path)
{
    *out = NULL;
    struct input in = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (in.fd < 0) return sim_fail(SIM_EIO, "%s: cannot open: %s", path, strerror(errno));
    struct stat s;
    sim_status status;
    if (fstat(in.fd, &s) != 0 || !S_ISREG(s.st_mode)) {
        status = sim_fail(SIM_EIO, "%s: not a regular file", path);
    } else {
        in.size = (uint64_t)s.st_size;
        status = open_input(out, &in, path);
    }
    close(in.fd);
    return status;
}

void sim_tensors_close(struct sim_tensors *t)
{
    if (!t) return;
    for (int i = 0; i < t->copy_count; i++) free(t->copies[i]);
    free(t->copies);
    free(t->data);
    free(t->entries);
    free(t->by_name);
    json_decref(t->header);
    free(t->path);
    free(t);
}

/* ------------------------------------------------------------------ looking things up */

int sim_tensors_count(const struct sim_tensors *t)
{
    return t->count;
}

const struct sim_tensor *sim_tensors_at(const struct sim_tensors *t, int i)
{
    return i >= 0 && i < t->count ? &t->entries[i].tensor : NULL;
}

const struct sim_tensor *sim_tensors_find(const struct sim_tensors *t, const char *name)
{
    struct entry key = {.tensor.name = name}, *p = &key;
    struct entry **found = bsearch(&p, t->by_name, (size_t)t->count, sizeof *t->by_name, by_name);
    return found ? &(*found)->tensor : NULL;
}

const char *sim_tensors_metadata(const struct sim_tensors *t, const char *key)
{
    return json_string_value(json_object_get(json_object_get(t->header, "__metadata__"), key));
}

/* "F32 [2, 3]" */
static const char *describe(enum sim_dtype dtype, int dims, const int64_t *shape, char out[224])
{
    int n = snprintf(out, 224, "%s [", sim_dtype_name(dtype));
    for (int i = 0; i < dims && i < SIM_MAX_DIMS; i++)
        n += snprintf(out + n, (size_t)(224 - n), "%s%lld", i ? ", " : "", (long long)shape[i]);
    snprintf(out + n, (size_t)(224 - n), "]");
    return out;
}

sim_status sim_tensors_expect(const struct sim_tensors *t, const char *name, enum sim_dtype dtype, int dims,
                              const int64_t *shape, const struct sim_tensor **out)
{
    char want[224], have[224];
    const struct sim_tensor *x = sim_tensors_find(t, name);
    *out = NULL;
    if (!x)
        return sim_fail(SIM_EFORMAT, "%s: no tensor \"%.200s\" (expected: %s)", t->path, name,
                        describe(dtype, dims, shape, want));
    if (x->dtype != dtype || x->dims != dims ||
        (dims > 0 && memcmp(x->shape, shape, (size_t)dims * sizeof *shape) != 0))
        return sim_fail(SIM_EFORMAT, "%s: tensor \"%.200s\" is %s, expected %s", t->path, name,
                        describe(x->dtype, x->dims, x->shape, have), describe(dtype, dims, shape, want));
    *out = x;
    return SIM_OK;
}

/* ------------------------------------------------------------------ writing */

static json_t *entry_json(const struct sim_tensor *t, uint64_t begin, uint64_t bytes)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->dims; i++) json_array_append_new(shape, json_integer(t->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", sim_dtype_name(t->dtype), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + bytes));
}

/* Checks the tensors and lays them out, wider elements first: order[] is the order of the bytes,
 * *total how many they are. */
static sim_status build_header(const char *path, const struct sim_tensor *tensors, int count, json_t *header,
                               int *order, uint64_t *sizes, uint64_t *total)
{
    for (int i = 0; i < count; i++) {
        const struct sim_tensor *t = &tensors[i];
        int64_t elements;
        if (!sim_dtype_bytes(t->dtype) || t->dims < 0 || t->dims > SIM_MAX_DIMS ||
            !tensor_bytes(t->dtype, t->dims, t->shape, &elements, &sizes[i]))
            return sim_fail(SIM_EINVAL, "%s: tensor \"%.200s\" has no writable dtype and shape", path,
                            t->name);
        if (sizes[i] > 0 && !t->data)
            return sim_fail(SIM_EINVAL, "%s: tensor \"%.200s\" has no data", path, t->name);
        /* Reserves the place in the header's order; the offsets follow below. */
        if (strcmp(t->name, "__metadata__") == 0 || json_object_get(header, t->name) ||
            json_object_set_new(header, t->name, json_null()) != 0)
            return sim_fail(SIM_EINVAL, "%s: tensor name \"%.200s\" is taken, reserved or not UTF-8", path,
                            t->name);
    }
    uint64_t end = 0;
    int placed = 0;
    for (size_t width = 8; width > 0; width /= 2)
        for (int i = 0; i < count; i++) {
            if (sim_dtype_bytes(tensors[i].dtype) != width) continue;
            json_object_set_new(header, tensors[i].name, entry_json(&tensors[i], end, sizes[i]));
            if (__builtin_add_overflow(end, sizes[i], &end) || end > INT64_MAX)
                return sim_fail(SIM_EINVAL, "%s: the tensors are larger than any file", path);
            order[placed++] = i;
        }
    *total = end;
    return SIM_OK;
}

static sim_status add_metadata(const char *path, const char *const *metadata, json_t *header)
{
    if (!metadata) return SIM_OK;
    json_t *pairs = json_object();
    json_object_set_new(header, "__metadata__", pairs);
    for (; metadata[0]; metadata += 2)
        if (!metadata[1] || json_object_set_new(pairs, metadata[0], json_string(metadata[1])) != 0)
            return sim_fail(SIM_EINVAL, "%s: metadata \"%.200s\" is not UTF-8 text", path, metadata[0]);
    return SIM_OK;
}

/* Length, JSON and spaces up to a multiple of 8. */
static sim_status put_header(struct sim_writer *w, const char *path, const json_t *header)
{
    char *text = json_dumps(header, JSON_COMPACT);
    if (!text) return sim_fail(SIM_ENOMEM, "%s: no memory for the header", path);
    size_t size = strlen(text), padded = (size + 7) / 8 * 8;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    sim_status status = padded > MAX_HEADER_BYTES
                            ? sim_fail(SIM_EINVAL, "%s: too many tensors for a header", path)
                            : sim_writer_put(w, length, sizeof length);
    if (status == SIM_OK) status = sim_writer_put(w, text, size);
    if (status == SIM_OK) status = sim_writer_put(w, "        ", padded - size);
    free(text);
    return status;
}

sim_status sim_tensors_write(const char *path, const struct sim_tensor *tensors, int count,
                             const char *const *metadata)
{
    struct sim_writer *w = NULL;
    json_t *header = json_object();
    int *order = calloc((size_t)count + 1, sizeof *order);
    uint64_t *sizes = calloc((size_t)count + 1, sizeof *sizes), total = 0;
    sim_status status =
        header && order && sizes ? SIM_OK : sim_fail(SIM_ENOMEM, "%s: no memory to write it", path);
    if (status == SIM_OK) status = add_metadata(path, metadata, header);
    if (status == SIM_OK) status = build_header(path, tensors, count, header, order, sizes, &total);
    if (status == SIM_OK) status = sim_file_room(path, total + ROOM_FOR_HEADER_BYTES);
    if (status == SIM_OK) status = sim_writer_open(&w, path);
    if (status == SIM_OK) status = put_header(w, path, header);
    for (int i = 0; i < count && status == SIM_OK; i++)
        status = sim_writer_put(w, tensors[order[i]].data, sizes[order[i]]);
    if (status == SIM_OK) status = sim_writer_commit(&w);
    sim_writer_abandon(&w);
    free(order);
    free(sizes);
    json_decref(header);
    return status;
}
