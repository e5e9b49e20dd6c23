#include "event_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "support.h"

/* ------------------------------------------------------------------ records */

/* Bit by bit, from the definition. */
static uint32_t masked_crc(const uint8_t *p, size_t count)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < count; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    crc = ~crc;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

static uint64_t little_endian(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* ------------------------------------------------------------------ protocol buffers */

struct field {
    int number, wire;
    uint64_t number_value; /* of wire types 0, 1 and 5, as bits */
    const uint8_t *at;     /* of wire type 2 */
    size_t count;
};

static uint64_t varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
        ck_assert_msg(*p < end && shift < 64, "a varint does not end");
        v |= (uint64_t)(**p & 0x7f) << shift;
        if (!(*(*p)++ & 0x80)) return v;
    }
}

/* The next field of a message; 0 at its end. */
static int next_field(const uint8_t **p, const uint8_t *end, struct field *f)
{
    if (*p == end) return 0;
    const uint64_t key = varint(p, end);
    *f = (struct field){.number = (int)(key >> 3), .wire = (int)(key & 7)};
    if (f->wire == 0) {
        f->number_value = varint(p, end);
        return 1;
    }
    ck_assert_msg(f->wire == 1 || f->wire == 2 || f->wire == 5, "wire type %d", f->wire);
    f->count = f->wire == 2 ? (size_t)varint(p, end) : f->wire == 1 ? 8 : 4;
    ck_assert_uint_le(f->count, (size_t)(end - *p));
    f->at = *p;
    if (f->wire != 2) f->number_value = little_endian(*p, (int)f->count);
    *p += f->count;
    return 1;
}

static void take_text(const struct field *f, char *out, size_t size)
{
    ck_assert_uint_lt(f->count, size);
    memcpy(out, f->at, f->count);
    out[f->count] = 0;
}

static void take_image(const struct field *of, struct test_event *e)
{
    const uint8_t *p = of->at;
    struct field f;
    while (next_field(&p, of->at + of->count, &f)) {
        if (f.number == 1) e->height = (int64_t)f.number_value;
        if (f.number == 2) e->width = (int64_t)f.number_value;
        if (f.number == 3) ck_assert_uint_eq(f.number_value, 3); /* RGB */
        if (f.number != 4) continue;
        e->png = malloc(f.count), e->png_bytes = f.count;
        memcpy(e->png, f.at, f.count);
    }
}

static void take_value(const struct field *of, struct test_event *e)
{
    const uint8_t *p = of->at;
    struct field f;
    while (next_field(&p, of->at + of->count, &f)) {
        const uint32_t bits = (uint32_t)f.number_value;
        if (f.number == 1) take_text(&f, e->tag, sizeof e->tag);
        if (f.number == 2) memcpy(&e->value, &bits, sizeof e->value);
        if (f.number == 4) take_image(&f, e);
    }
}

static void add(struct test_events *out, const struct test_event *e)
{
    out->event = realloc(out->event, (size_t)(out->count + 1) * sizeof *e);
    out->event[out->count++] = *e;
}

/* Values of a summary, each an event of its own with the time and the step of `whole`. */
static void take_summary(const struct field *of, const struct test_event *whole, struct test_events *out)
{
    const uint8_t *p = of->at;
    struct field f;
    while (next_field(&p, of->at + of->count, &f)) {
        struct test_event e = *whole;
        ck_assert_int_eq(f.number, 1);
        take_value(&f, &e);
        add(out, &e);
    }
}

static void take_event(const uint8_t *at, size_t count, struct test_events *out)
{
    const uint8_t *p = at;
    struct test_event e = {0};
    struct field f, summary = {0}, session = {0};
    while (next_field(&p, at + count, &f)) {
        if (f.number == 1) memcpy(&e.wall_s, f.at, sizeof e.wall_s);
        if (f.number == 2) e.step = (int64_t)f.number_value;
        if (f.number == 3) take_text(&f, e.version, sizeof e.version);
        if (f.number == 5) summary = f;
        if (f.number == 7) session = f;
    }
    for (p = session.at; session.at && next_field(&p, session.at + session.count, &f);)
        e.start |= f.number == 1 && f.number_value == 1;
    if (summary.at)
        take_summary(&summary, &e, out);
    else
        add(out, &e);
}

/* ------------------------------------------------------------------ files */

struct test_events test_events_read(const char *path)
{
    struct test_events out = {0};
    char *text;
    size_t size, at = 0;
    test_ok(sim_file_read(path, 64 << 20, &text, &size));
    const uint8_t *p = (const uint8_t *)text;
    while (at < size) {
        ck_assert_msg(size - at >= 16, "%s ends in half a record", path);
        const uint64_t length = little_endian(p + at, 8);
        ck_assert_uint_eq(masked_crc(p + at, 8), little_endian(p + at + 8, 4));
        ck_assert_msg(length <= size - at - 16, "%s ends in half a record", path);
        ck_assert_uint_eq(masked_crc(p + at + 12, length), little_endian(p + at + 12 + length, 4));
        take_event(p + at + 12, length, &out);
        at += 16 + length;
    }
    free(text);
    return out;
}

static int is_event_file(const struct dirent *d)
{
    return strstr(d->d_name, ".tfevents.") != NULL;
}

struct test_events test_events_read_folder(const char *folder)
{
    struct test_events all = {0};
    struct dirent **names;
    const int count = scandir(folder, &names, is_event_file, alphasort);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        struct test_events one = test_events_read(path);
        for (int k = 0; k < one.count; k++) {
            const struct test_event *e = &one.event[k];
            int kept = 0;
            for (int j = 0; e->start && j < all.count; j++)
                if (all.event[j].step < e->step)
                    all.event[kept++] = all.event[j];
                else
                    free(all.event[j].png);
            if (e->start)
                all.count = kept;
            else
                add(&all, e);
        }
        free(one.event);
        free(names[i]);
    }
    if (count >= 0) free(names);
    return all;
}

void test_events_close(struct test_events *e)
{
    for (int i = 0; i < e->count; i++) free(e->event[i].png);
    free(e->event);
    *e = (struct test_events){0};
}

int test_events_count(const struct test_events *e, const char *tag)
{
    int n = 0;
    for (int i = 0; i < e->count; i++) n += strcmp(e->event[i].tag, tag) == 0;
    return n;
}

const struct test_event *test_events_find(const struct test_events *e, const char *tag, int64_t step)
{
    const struct test_event *found = NULL;
    for (int i = 0; i < e->count; i++)
        if (e->event[i].step == step && strcmp(e->event[i].tag, tag) == 0) found = &e->event[i];
    return found;
}
