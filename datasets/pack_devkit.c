#include "pack_devkit.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { HEADER_BYTES = 128, MOST_BYTES = 64 << 20 };

/* Types of data elements, and classes of matrices. */
enum {
    INT8 = 1,
    UINT8 = 2,
    INT16 = 3,
    UINT16 = 4,
    INT32 = 5,
    UINT32 = 6,
    DOUBLE = 9,
    MATRIX = 14,
    COMPRESSED = 15,
    UTF8 = 16
};
enum { STRUCT_CLASS = 2 };

/* What is left of an element's contents. */
struct span {
    const uint8_t *at;
    size_t left;
};

struct element {
    uint32_t type;
    struct span data;
};

static uint32_t word(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The next element of a span; 0 where there is none, or it claims more than there is. */
static int next(struct span *s, struct element *e)
{
    if (s->left < 8) return 0;
    uint32_t first = word(s->at), small = first >> 16;
    size_t step;
    if (small) { /* up to four bytes in the tag itself */
        *e = (struct element){first & 0xffff, {s->at + 4, small}};
        if (small > 4) return 0;
        step = 8;
    } else {
        uint32_t bytes = word(s->at + 4);
        if (bytes > s->left - 8) return 0;
        *e = (struct element){first, {s->at + 8, bytes}};
        step = 8 + (size_t)bytes;
        if (first != COMPRESSED) step = (step + 7) & ~(size_t)7;
        if (step > s->left) step = s->left;
    }
    s->at += step, s->left -= step;
    return 1;
}

/* The contents of a compressed element, inflated; the caller frees.  NULL where that cannot be. */
static uint8_t *inflated(const struct span *s, size_t *count)
{
    for (size_t room = 4 * s->left + 4096; room <= MOST_BYTES; room *= 4) {
        uint8_t *out = malloc(room);
        uLongf n = room;
        int code = out ? uncompress(out, &n, s->at, s->left) : Z_MEM_ERROR;
        *count = n;
        if (code == Z_OK) return out;
        free(out);
        if (code != Z_BUF_ERROR) return NULL;
    }
    return NULL;
}

/* ------------------------------------------------------------------ values of fields */

/* Behind a matrix's flags, dimensions and name: where its values begin; the class, or -1. */
static int open_matrix(struct span *m, struct element *dims, struct element *name)
{
    struct element flags;
    if (!next(m, &flags) || flags.type != UINT32 || flags.data.left < 8) return -1;
    if (!next(m, dims) || !next(m, name)) return -1;
    return flags.data.at[0];
}

/* The whole number of a 1 x 1 matrix, or -1. */
static int64_t number_of(struct span m)
{
    struct element dims, name, v;
    double real;
    if (open_matrix(&m, &dims, &name) < 0 || !next(&m, &v)) return -1;
    const uint8_t *p = v.data.at;
    const size_t n = v.data.left;
    if ((v.type == UINT8 || v.type == INT8) && n == 1) return p[0];
    if ((v.type == UINT16 || v.type == INT16) && n == 2) return p[0] | p[1] << 8;
    if ((v.type == UINT32 || v.type == INT32) && n == 4) return word(p);
    if (v.type != DOUBLE || n != 8) return -1;
    memcpy(&real, p, 8);
    return real >= 0 && real <= 1e6 ? (int64_t)real : -1;
}

/* A line of characters into out[size]; 0 where it is no such thing, or none that could be a class. */
static int text_of(struct span m, char *out, size_t size)
{
    struct element dims, name, v;
    if (open_matrix(&m, &dims, &name) < 0 || !next(&m, &v)) return 0;
    const size_t wide = v.type == UINT16 ? 2 : v.type == UTF8 || v.type == UINT8 || v.type == INT8 ? 1 : 0;
    if (!wide || v.data.left / wide == 0 || v.data.left / wide >= size) return 0;
    size_t n = v.data.left / wide;
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)v.data.at[i * wide];
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789", out[i]) || !out[i]) return 0;
    }
    out[n] = 0;
    return 1;
}

/* ------------------------------------------------------------------ the struct array */

/* Number of a field among `names`, each of `length` bytes, or -1. */
static int field(const struct element *names, uint32_t length, const char *name)
{
    for (size_t k = 0; k < names->data.left / length; k++)
        if (strncmp((const char *)names->data.at + k * length, name, length) == 0) return (int)k;
    return -1;
}

static sim_status list_synsets(struct span m, const char *path, FILE *to)
{
    struct element dims, name, length, names, value;
    int64_t found = 0;
    if (open_matrix(&m, &dims, &name) != STRUCT_CLASS || !next(&m, &length) || length.data.left != 4 ||
        !next(&m, &names))
        return sim_fail(SIM_EFORMAT, "%s: `synsets` is no array of structs", path);
    const uint32_t bytes = word(length.data.at);
    if (bytes < 2 || bytes > 256) return sim_fail(SIM_EFORMAT, "%s: names of fields are damaged", path);
    const int fields = (int)(names.data.left / bytes), wnid = field(&names, bytes, "WNID"),
              id = field(&names, bytes, "ILSVRC2012_ID");
    if (wnid < 0 || id < 0)
        return sim_fail(SIM_EFORMAT, "%s: `synsets` lacks the fields WNID and ILSVRC2012_ID", path);
    char class[64] = "";
    int64_t number = -1;
    for (int k = 0; next(&m, &value) && value.type == MATRIX; k = (k + 1) % fields) {
        if (k == wnid && !text_of(value.data, class, sizeof class))
            return sim_fail(SIM_EFORMAT, "%s: the WNID of synset %lld is damaged", path,
                            (long long)found + 1);
        if (k == id && (number = number_of(value.data)) < 1)
            return sim_fail(SIM_EFORMAT, "%s: the number of synset %lld is damaged", path,
                            (long long)found + 1);
        if (k != fields - 1) continue;
        fprintf(to, "%s %lld\n", class, (long long)number);
        found++;
    }
    return found ? SIM_OK : sim_fail(SIM_EFORMAT, "%s: `synsets` is empty", path);
}

static int is_synsets(struct span m)
{
    struct element dims, name;
    return open_matrix(&m, &dims, &name) >= 0 && name.data.left == 7 &&
           memcmp(name.data.at, "synsets", 7) == 0;
}

static sim_status find_synsets(struct span all, const char *path, FILE *to)
{
    struct element e, inner;
    while (next(&all, &e)) {
        size_t count = 0;
        uint8_t *bytes = e.type == COMPRESSED ? inflated(&e.data, &count) : NULL;
        struct span plain = {bytes, count};
        int there = e.type == MATRIX ? (inner = e, 1) : bytes && next(&plain, &inner) && inner.type == MATRIX;
        int found = there && is_synsets(inner.data);
        sim_status status = found ? list_synsets(inner.data, path, to) : SIM_OK;
        free(bytes);
        if (found) return status;
    }
    return sim_fail(SIM_EFORMAT,
                    "%s: there is no `synsets` in this MATLAB file; the devkit's meta.mat has it", path);
}

int sim_pack_is_meta_mat(const char *bytes, size_t count)
{
    return count >= HEADER_BYTES && memcmp(bytes, "MATLAB 5.0", 10) == 0;
}

sim_status sim_pack_meta_mat(const char *bytes, size_t count, const char *path, char **text)
{
    size_t size;
    *text = NULL;
    if (memcmp(bytes + HEADER_BYTES - 2, "IM", 2) != 0)
        return sim_fail(SIM_EFORMAT, "%s: a MATLAB file of a machine with another byte order", path);
    FILE *to = open_memstream(text, &size);
    if (!to) return sim_fail(SIM_ENOMEM, "%s: no memory", path);
    sim_status status =
        find_synsets((struct span){(const uint8_t *)bytes + HEADER_BYTES, count - HEADER_BYTES}, path, to);
    if (fclose(to) != 0 && status == SIM_OK) status = sim_fail(SIM_ENOMEM, "%s: no memory", path);
    if (status == SIM_OK) return SIM_OK;
    free(*text);
    *text = NULL;
    return status;
}
