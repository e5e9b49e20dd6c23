#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "durable.h"

/* ------------------------------------------------------------------ bytes that grow */

struct bytes {
    uint8_t *at;
    size_t used, room;
    int failed; /* no memory: what was put since is lost */
};

static void put(struct bytes *b, const void *what, size_t count)
{
    if (b->failed || count == 0) return;
    if (b->used + count > b->room) {
        const size_t room = 2 * b->room + count + 256;
        uint8_t *more = realloc(b->at, room);
        if (!more) {
            b->failed = 1;
            return;
        }
        b->at = more, b->room = room;
    }
    memcpy(b->at + b->used, what, count);
    b->used += count;
}

/* ------------------------------------------------------------------ protocol buffers */

enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

/* Field numbers of event.proto and summary.proto. */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION_LOG = 7
};
enum { SESSION_STATUS = 1, SESSION_START = 1 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_IMAGE = 4 };
enum { IMAGE_HEIGHT = 1, IMAGE_WIDTH = 2, IMAGE_COLORSPACE = 3, IMAGE_ENCODED = 4, COLORSPACE_RGB = 3 };

static void put_varint(struct bytes *b, uint64_t v)
{
    uint8_t digits[10];
    size_t count = 0;
    for (; v >= 0x80; v >>= 7) digits[count++] = (uint8_t)(v | 0x80);
    digits[count++] = (uint8_t)v;
    put(b, digits, count);
}

static void put_key(struct bytes *b, int field, enum wire wire)
{
    put_varint(b, (uint64_t)field << 3 | wire);
}

static void put_whole(struct bytes *b, int field, int64_t v)
{
    put_key(b, field, VARINT);
    put_varint(b, (uint64_t)v);
}

static void put_string(struct bytes *b, int field, const void *what, size_t count)
{
    put_key(b, field, LENGTH);
    put_varint(b, count);
    put(b, what, count);
}

/* A message within a message, built beforehand; `part` is freed. */
static void put_message(struct bytes *b, int field, struct bytes *part)
{
    put_string(b, field, part->at, part->used);
    b->failed |= part->failed;
    free(part->at);
    *part = (struct bytes){0};
}

/* ------------------------------------------------------------------ records */

struct sim_events {
    int fd;
    char path[4096];
};

static uint32_t crc32c(const uint8_t *p, size_t count)
{
    uint64_t crc = 0xffffffff, eight;
    for (; count >= 8; p += 8, count -= 8) {
        memcpy(&eight, p, 8);
        crc = _mm_crc32_u64(crc, eight);
    }
    for (; count > 0; p++, count--) crc = _mm_crc32_u8((uint32_t)crc, *p);
    return ~(uint32_t)crc;
}

/* As TFRecords store it: a checksum that is not that of data which holds checksums itself. */
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static void put_record(struct bytes *record, const struct bytes *event)
{
    const uint64_t length = event->used;
    const uint32_t of_length = masked(crc32c((const uint8_t *)&length, sizeof length)),
                   of_event = masked(crc32c(event->at, event->used));
    put(record, &length, sizeof length);
    put(record, &of_length, sizeof of_length);
    put(record, event->at, event->used);
    put(record, &of_event, sizeof of_event);
}

/* One write; what a full disk cuts off is taken back, since a reader waits at half a record for ever. */
static sim_status write_record(const struct sim_events *e, const struct bytes *record)
{
    const off_t end = lseek(e->fd, 0, SEEK_END);
    if (sim_durable_write(e->fd, record->at, record->used) == 0) return SIM_OK;
    const int code = errno;
    if (end >= 0 && ftruncate(e->fd, end) != 0)
        return sim_fail(SIM_EIO, "%s: cannot write, and ends in half an event: %s", e->path, strerror(code));
    return sim_fail(SIM_EIO, "%s: cannot write: %s", e->path, strerror(code));
}

/* Time and step first, then `part` as the given field; `part` is freed. */
static sim_status put_event(const struct sim_events *e, int64_t step, int field, struct bytes *part)
{
    struct bytes event = {0}, record = {0};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const double wall_s = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    put_key(&event, EVENT_WALL_TIME, FIXED64);
    put(&event, &wall_s, sizeof wall_s);
    put_whole(&event, EVENT_STEP, step);
    put_message(&event, field, part);
    put_record(&record, &event);
    sim_status status = event.failed || record.failed
                            ? sim_fail(SIM_ENOMEM, "%s: no memory for an event", e->path)
                            : write_record(e, &record);
    free(event.at);
    free(record.at);
    return status;
}

/* ------------------------------------------------------------------ the interface */

static sim_status open_file(struct sim_events *e, const char *folder)
{
    char host[256] = "";
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (gethostname(host, sizeof host - 1) != 0 || !host[0]) snprintf(host, sizeof host, "localhost");
    if (snprintf(e->path, sizeof e->path, "%s/events.out.tfevents.%010lld.%09ld.%s.%ld", folder,
                 (long long)now.tv_sec, now.tv_nsec, host, (long)getpid()) >= (int)sizeof e->path)
        return sim_fail(SIM_EINVAL, "%.200s...: the folder's name is too long", folder);
    e->fd = open(e->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return e->fd >= 0 ? SIM_OK : sim_fail(SIM_EIO, "%s: cannot write: %s", e->path, strerror(errno));
}

sim_status sim_events_open(struct sim_events **out, const char *folder, int64_t first_step)
{
    static const char version[] = "brain.Event:2";
    struct bytes text = {0}, session = {0};
    struct sim_events *e = calloc(1, sizeof *e);
    *out = NULL;
    if (!e) return sim_fail(SIM_ENOMEM, "%s: no memory for an event file", folder);
    e->fd = -1;
    sim_status status = open_file(e, folder);
    if (status == SIM_OK) {
        put(&text, version, sizeof version - 1);
        status = put_event(e, 0, EVENT_FILE_VERSION, &text);
    }
    if (status == SIM_OK) {
        put_whole(&session, SESSION_STATUS, SESSION_START);
        status = put_event(e, first_step, EVENT_SESSION_LOG, &session);
    }
    if (status == SIM_OK)
        *out = e;
    else
        sim_events_close(&e);
    return status;
}

sim_status sim_events_put_values(struct sim_events *e, int64_t step, const struct sim_event_value *values,
                                 int count)
{
    struct bytes summary = {0};
    for (int i = 0; i < count; i++) {
        struct bytes value = {0};
        const float v = (float)values[i].value;
        put_string(&value, VALUE_TAG, values[i].tag, strlen(values[i].tag));
        put_key(&value, VALUE_SIMPLE, FIXED32);
        put(&value, &v, sizeof v);
        put_message(&summary, SUMMARY_VALUE, &value);
    }
    return put_event(e, step, EVENT_SUMMARY, &summary);
}

sim_status sim_events_put_png(struct sim_events *e, int64_t step, const char *tag, const void *png,
                              size_t bytes, int width, int height)
{
    struct bytes image = {0}, value = {0}, summary = {0};
    if (bytes > 256 << 20)
        return sim_fail(SIM_EINVAL, "%s: a picture of %zu bytes is too large for an event", tag, bytes);
    put_whole(&image, IMAGE_HEIGHT, height);
    put_whole(&image, IMAGE_WIDTH, width);
    put_whole(&image, IMAGE_COLORSPACE, COLORSPACE_RGB);
    put_string(&image, IMAGE_ENCODED, png, bytes);
    put_string(&value, VALUE_TAG, tag, strlen(tag));
    put_message(&value, VALUE_IMAGE, &image);
    put_message(&summary, SUMMARY_VALUE, &value);
    return put_event(e, step, EVENT_SUMMARY, &summary);
}

void sim_events_close(struct sim_events **e)
{
    if (*e && (*e)->fd >= 0) close((*e)->fd);
    free(*e);
    *e = NULL;
}
